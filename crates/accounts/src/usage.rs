//! How an account is used now: what was asked of it, how long answers took, what was refused, what it costs in hashes.
//!
//! Counted in stretches of ten seconds, of which the one that runs and the one before it are told of. Approximate where a stretch
//! ends while others count: nothing that has to be right rests on it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tenantry_domain::{AccountId, Allowance, Error, Result};

use crate::account::Account;
use crate::limits::Ticks;
use crate::registry::Registry;

/// How long a stretch is, in microseconds.
const STRETCH: i64 = 10_000_000;
/// How long the usage of a tree is told as it was summed up, in microseconds.
const TOLD: i64 = 1_000_000;
/// The bounds of durations are powers of two and the middles between them, so that what is told is right within a fifth.
const BUCKETS: usize = 40;
/// The first bucket ends here, in microseconds: a power of two.
const SHORTEST: u64 = 16;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered; perhaps that it is not allowed.
    Answered,
    /// The program failed.
    Failed,
    /// There was no room for it.
    Refused(Refused),
}

/// For what there was no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The account's own rate.
    Account,
    /// The rate of one client.
    Client,
    /// The budget of a partner's tree.
    Tree,
    /// Somebody tried too many passwords or codes.
    Attempts,
    /// The account has as much under way as it may.
    Busy,
    /// The process, or the database, has.
    Unavailable,
}

impl Refused {
    const KINDS: usize = 6;

    /// What an error says about room; `None` where it is about something else.
    pub fn by(error: &Error) -> Option<Self> {
        use tenantry_domain::Limit;
        match error {
            Error::RateLimited(Allowance { limit, .. }) => match limit {
                // Nobody's: it has proven nothing.
                Limit::Address => None,
                Limit::Account => Some(Self::Account),
                Limit::Client => Some(Self::Client),
                Limit::Tree => Some(Self::Tree),
            },
            Error::TooManyAttempts(_) => Some(Self::Attempts),
            Error::Busy => Some(Self::Busy),
            Error::Unavailable => Some(Self::Unavailable),
            _ => None,
        }
    }
}

/// What is counted of one account.
pub(crate) struct Meter {
    ticks: Ticks,
    stretches: [Stretch; 2],
}

struct Stretch {
    /// Which one it is.
    number: AtomicI64,
    answers: [AtomicU32; BUCKETS],
    refused: [AtomicU32; Refused::KINDS],
    failed: AtomicU32,
    hashes: AtomicU32,
    /// In microseconds.
    hashing: AtomicU64,
}

impl Default for Stretch {
    fn default() -> Self {
        let (answers, refused) = (std::array::from_fn(|_| AtomicU32::new(0)), std::array::from_fn(|_| AtomicU32::new(0)));
        let (failed, hashes, hashing) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU64::new(0));
        Self { number: AtomicI64::new(-1), answers, refused, failed, hashes, hashing }
    }
}

impl Stretch {
    fn clear(&self) {
        for count in self.answers.iter().chain(&self.refused).chain([&self.failed, &self.hashes]) {
            count.store(0, Ordering::Relaxed);
        }
        self.hashing.store(0, Ordering::Relaxed);
    }
}

impl Meter {
    pub(crate) fn new(ticks: Ticks) -> Self {
        Self { ticks, stretches: Default::default() }
    }

    /// The stretch that runs; emptied, if it has just begun.
    fn current(&self) -> &Stretch {
        let number = self.ticks.micros() / STRETCH;
        let stretch = &self.stretches[usize::from(number % 2 != 0)];
        let last = stretch.number.load(Ordering::Relaxed);
        if last < number && stretch.number.compare_exchange(last, number, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            stretch.clear();
        }
        stretch
    }

    /// A request has ended.
    fn note(&self, took: Duration, outcome: Outcome) {
        let stretch = self.current();
        let count = match outcome {
            Outcome::Answered => &stretch.answers[bucket(took)],
            Outcome::Failed => &stretch.failed,
            Outcome::Refused(why) => &stretch.refused[why as usize],
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// A password was hashed.
    pub(crate) fn hashed(&self, took: Duration) {
        let stretch = self.current();
        stretch.hashes.fetch_add(1, Ordering::Relaxed);
        stretch.hashing.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Adds what the last stretches have to `usage`.
    fn tell(&self, usage: &mut Usage) {
        let number = self.ticks.micros() / STRETCH;
        for stretch in &self.stretches {
            let told = stretch.number.load(Ordering::Relaxed);
            if told != number && told != number - 1 {
                continue;
            }
            let add = |sum: &mut u64, count: &AtomicU32| *sum += u64::from(count.load(Ordering::Relaxed));
            usage.answers.iter_mut().zip(&stretch.answers).for_each(|(sum, count)| add(sum, count));
            usage.refused.iter_mut().zip(&stretch.refused).for_each(|(sum, count)| add(sum, count));
            add(&mut usage.failed, &stretch.failed);
            add(&mut usage.hashes, &stretch.hashes);
            usage.hashing += Duration::from_micros(stretch.hashing.load(Ordering::Relaxed));
        }
    }
}

/// The bucket of a duration: two for each power of two.
fn bucket(took: Duration) -> usize {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(SHORTEST);
    let power = micros.ilog2();
    let upper_half = micros >> (power - 1) & 1;
    let place = 2 * (power - SHORTEST.ilog2()) + u32::from(upper_half == 1);
    usize::try_from(place).unwrap_or(BUCKETS).min(BUCKETS - 1)
}

/// Where a bucket begins, in microseconds.
fn begin(bucket: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "there are few of them, and none is large")]
    let begin = ((SHORTEST << (bucket / 2)) * (2 + bucket as u64 % 2) / 2) as f64;
    begin
}

/// How one account, or several, are used.
#[derive(Debug, Clone, PartialEq)]
pub struct Usage {
    /// How many accounts of this process it is about.
    pub accounts: usize,
    /// What time it is about, in seconds.
    pub seconds: f64,
    /// How many requests found no room, by [`Refused`].
    refused: [u64; Refused::KINDS],
    /// How many answers were that the program failed.
    pub failed: u64,
    /// How many passwords were hashed.
    pub hashes: u64,
    /// The time that took.
    pub hashing: Duration,
    /// How many writes run or wait.
    pub writes: usize,
    answers: [u64; BUCKETS],
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
impl Usage {
    /// Nothing, in the time that is told of now.
    fn nothing(ticks: &Ticks) -> Self {
        let micros = ticks.micros();
        let told = (STRETCH + micros % STRETCH).min(micros).max(1);
        Self {
            accounts: 0,
            seconds: told as f64 / 1_000_000.0,
            refused: [0; Refused::KINDS],
            failed: 0,
            hashes: 0,
            hashing: Duration::ZERO,
            writes: 0,
            answers: [0; BUCKETS],
        }
    }

    /// How many requests were answered.
    pub fn answered(&self) -> u64 {
        self.answers.iter().sum()
    }

    /// How many were asked in all.
    fn asked(&self) -> u64 {
        self.answered() + self.failed + self.refused.iter().sum::<u64>()
    }

    /// How many requests were answered a second.
    pub fn rate(&self) -> f64 {
        self.answered() as f64 / self.seconds
    }

    /// How many requests found no room, for this reason.
    pub fn refused(&self, why: Refused) -> u64 {
        self.refused[why as usize]
    }

    /// The duration in seconds that this share of the answers did not exceed; `None` where there were none.
    pub fn percentile(&self, share: f64) -> Option<f64> {
        let wanted = share * self.answered() as f64;
        let mut before = 0.0;
        for (bucket, count) in self.answers.iter().enumerate().filter(|(_, count)| **count > 0) {
            let count = *count as f64;
            if before + count >= wanted {
                let (from, to) = (begin(bucket), begin(bucket + 1));
                return Some((from + (to - from) * ((wanted - before) / count).clamp(0.0, 1.0)) / 1_000_000.0);
            }
            before += count;
        }
        None
    }

    fn add(&mut self, account: &Account) {
        self.accounts += 1;
        self.writes += account.writes_under_way();
        if let Some(meter) = account.meter_if_any() {
            meter.tell(self);
        }
    }
}

/// How a partner's accounts are used by this process.
pub struct TreeUsage {
    /// All of them together, the partner among them.
    pub all: Usage,
    /// Those of which most is asked, most first.
    pub busiest: Vec<(AccountId, Usage)>,
}

impl Account {
    /// A request on this account has ended.
    fn note(&self, took: Duration, outcome: Outcome) {
        self.meter().note(took, outcome);
    }

    /// How the account is used by this process now.
    pub fn usage(&self) -> Usage {
        let mut usage = Usage::nothing(self.platform().limits.ticks());
        usage.add(self);
        usage
    }

    /// Whether `other` is this account, or below it.
    fn is_above(&self, other: &Self) -> bool {
        other.id() == self.id() || other.parent().is_some_and(|parent| self.is_above(parent))
    }
}

impl Registry {
    /// A request on an account has ended. Of one that is not awake nothing is noted.
    pub fn note(&self, account: AccountId, took: Duration, outcome: Outcome) {
        if let Some(account) = self.if_awake(account) {
            account.note(took, outcome);
        }
    }

    /// How `root` and all accounts below it that are awake are used by this process now, and which `most` of those below it most.
    /// Looks at every account that is awake, so it is told anew once a second, and for one partner at a time.
    pub async fn tree_usage(&self, root: &Account, most: usize) -> Result<Arc<TreeUsage>> {
        let mut told = self.platform().trees.lock().await;
        let micros = self.platform().limits.ticks().micros();
        told.retain(|_, (at, _)| micros - *at < TOLD);
        if let Some((_, tree)) = told.get(&root.id()) {
            return Ok(tree.clone());
        }
        let (registry, summed) = (self.clone(), root.clone());
        let tree = tokio::task::spawn_blocking(move || registry.sum_up(&summed, most)).await;
        let tree = Arc::new(tree.map_err(|error| Error::Internal(format!("the usage was not summed up: {error}")))?);
        told.insert(root.id(), (micros, tree.clone()));
        Ok(tree)
    }

    fn sum_up(&self, root: &Account, most: usize) -> TreeUsage {
        let mut all = Usage::nothing(root.platform().limits.ticks());
        let mut busiest: Vec<(u64, Account)> = Vec::new();
        self.each_awake(|account| {
            if !root.is_above(account) {
                return;
            }
            let before = all.asked();
            all.add(account);
            let asked = all.asked() - before;
            if asked > 0 && account.id() != root.id() {
                busiest.push((asked, account.clone()));
            }
        });
        busiest.sort_unstable_by_key(|(asked, account)| (std::cmp::Reverse(*asked), account.id()));
        busiest.truncate(most);
        TreeUsage { all, busiest: busiest.into_iter().map(|(_, account)| (account.id(), account.usage())).collect() }
    }
}

/// Trees that were summed up just now, by their root, and when that was, in microseconds of the process.
pub(crate) type Trees = tokio::sync::Mutex<HashMap<AccountId, (i64, Arc<TreeUsage>)>>;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::source::Source;

    /// A meter, its clock, and what it tells now.
    fn meter() -> (Meter, Arc<AtomicI64>, Ticks) {
        let clock = Arc::new(AtomicI64::new(STRETCH));
        let ticks = Ticks::new(Source::fixed(clock.clone()));
        (Meter::new(ticks.clone()), clock, ticks)
    }

    fn told(meter: &Meter, ticks: &Ticks) -> Usage {
        let mut usage = Usage::nothing(ticks);
        meter.tell(&mut usage);
        usage
    }

    #[test]
    fn durations_are_told_within_a_fifth() {
        for micros in [16_u32, 17, 24, 100, 999, 1_000, 5_000, 123_456, 4_000_000] {
            let (meter, _, ticks) = meter();
            for _ in 0..1000 {
                meter.note(Duration::from_micros(micros.into()), Outcome::Answered);
            }
            let usage = told(&meter, &ticks);
            let median = usage.percentile(0.5).unwrap() * 1_000_000.0;
            assert!((0.8..=1.25).contains(&(median / f64::from(micros))), "{micros}: {median}");
            assert!(usage.percentile(0.99).unwrap() >= usage.percentile(0.5).unwrap());
        }
    }

    #[test]
    fn what_is_past_is_forgotten() {
        let (meter, clock, ticks) = meter();
        let at = |micros: i64| {
            clock.store(micros, Ordering::Relaxed);
            told(&meter, &ticks)
        };
        at(5);
        meter.note(Duration::ZERO, Outcome::Answered);
        meter.note(Duration::ZERO, Outcome::Refused(Refused::Busy));
        meter.hashed(Duration::from_millis(20));
        at(STRETCH);
        meter.note(Duration::ZERO, Outcome::Failed);
        let both = at(STRETCH + 1);
        assert_eq!((both.answered(), both.refused(Refused::Busy), both.failed, both.hashes), (1, 1, 1, 1));
        assert_eq!(both.hashing, Duration::from_millis(20));
        assert!((both.seconds - 10.0).abs() < 0.001);
        assert_eq!((at(2 * STRETCH).answered(), at(2 * STRETCH).failed), (0, 1));
        meter.note(Duration::ZERO, Outcome::Answered);
        assert_eq!((at(2 * STRETCH).answered(), at(2 * STRETCH).refused(Refused::Busy)), (1, 0));
        assert_eq!(at(9 * STRETCH).answered(), 0);
    }
}
