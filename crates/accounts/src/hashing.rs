//! Passwords are hashed on threads of their own, fairly: round-robin over accounts, one at a time for each, a few waiting.
//! However many logins one account gets, another's waits for one hash of each, not for all of them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tenantry_domain::{AccountId, Error, Password, PasswordHash, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::hash_kinds::{HASH, MEMORY, Memory, SALT, is_weak, make, text, verify};
use crate::measures::{Measures, Refusal};
use crate::usage::Meter;

/// How many hashes of one account may wait.
const ACCOUNT_WAITING: usize = 8;
/// How many of all accounts.
const ALL_WAITING: usize = 512;
/// More lines than this are looked through for those in which nobody stands.
const LINES: usize = 2 * ALL_WAITING;
/// A thread that has had nothing to do for so long gives its memory back.
const REST: Duration = Duration::from_mins(1);
/// Below the threads that answer requests.
const NICENESS: i32 = 5;

/// What a comparison showed.
pub(crate) struct Checked {
    /// The password is the one that was hashed.
    pub(crate) right: bool,
    /// It is, and its hash should be replaced by this one.
    pub(crate) better: Option<PasswordHash>,
}

/// The pool.
pub(crate) struct Hashes {
    shared: Arc<Shared>,
    /// Compared where nobody has that name: it costs the same, and is nobody's.
    nobody: PasswordHash,
}

/// A place among those who wait. It is free again once a thread takes the hash up, or whoever has it goes away.
pub(crate) struct Place {
    account: AccountId,
    /// Where the time is counted.
    meter: Option<Arc<Meter>>,
    taken: [OwnedSemaphorePermit; 2],
}

struct Shared {
    queue: Mutex<Queue>,
    /// Places among all.
    places: Arc<Semaphore>,
    some: Condvar,
    measures: Arc<Measures>,
}

#[derive(Default)]
struct Queue {
    /// Accounts that have something waiting and nothing running, in turn.
    ready: VecDeque<AccountId>,
    lines: HashMap<AccountId, Line>,
    running: HashSet<AccountId>,
    ended: bool,
}

/// Those of one account who wait, and the places that it has for them.
struct Line {
    jobs: VecDeque<Job>,
    places: Arc<Semaphore>,
}

impl Default for Line {
    fn default() -> Self {
        Self { jobs: VecDeque::new(), places: Arc::new(Semaphore::new(ACCOUNT_WAITING)) }
    }
}

impl Line {
    fn is_free(&self) -> bool {
        self.jobs.is_empty() && self.places.available_permits() == ACCOUNT_WAITING
    }
}

/// Does the work; what it returns tells whoever asked.
type Work = Box<dyn FnOnce(&mut Memory) -> Reply + Send>;
type Reply = Box<dyn FnOnce()>;

struct Job {
    since: Instant,
    place: Place,
    run: Work,
    /// Whether whoever asked has gone away.
    unwanted: Box<dyn Fn() -> bool + Send>,
}

impl Hashes {
    /// A pool of so many threads.
    pub(crate) fn start(threads: usize, nonce: [u8; SALT + HASH], measures: Arc<Measures>) -> Self {
        let places = Arc::new(Semaphore::new(ALL_WAITING));
        let shared = Arc::new(Shared { queue: Mutex::default(), places, some: Condvar::new(), measures });
        for _ in 0..threads.max(1) {
            let shared = shared.clone();
            let thread = std::thread::Builder::new().name("hash".to_owned());
            thread.spawn(move || shared.work()).expect("the system has a thread for hashes");
        }
        Self { shared, nobody: text(&nonce[..SALT], &nonce[SALT..]) }
    }

    /// Takes a place for a hash of `account`, before anything else is done for it; `meter` is told how long it takes.
    ///
    /// Errors: `Busy` where the account has too many waiting, `Unavailable` where all have.
    pub(crate) fn place(&self, account: AccountId, meter: Option<Arc<Meter>>) -> Result<Place> {
        self.shared.place(account, meter).inspect_err(|_| self.shared.measures.refused(Refusal::Hashes))
    }

    /// Hashes a password that was chosen.
    pub(crate) async fn make(&self, place: Place, password: Password, salt: [u8; SALT]) -> Result<PasswordHash> {
        self.run(place, move |memory| make(&password, &salt, memory)).await?
    }

    /// Compares a password with the hash that is kept of somebody, or with nobody's.
    pub(crate) async fn check(
        &self,
        place: Place,
        password: Password,
        kept: Option<PasswordHash>,
        salt: [u8; SALT],
    ) -> Result<Checked> {
        let known = kept.is_some();
        let kept = kept.unwrap_or_else(|| self.nobody.clone());
        let check = move |memory: &mut Memory| {
            let right = verify(&password, kept.as_str(), memory) && known;
            let better = if right && is_weak(kept.as_str()) { Some(make(&password, &salt, memory)?) } else { None };
            Ok(Checked { right, better })
        };
        self.run(place, check).await?
    }

    async fn run<T: Send + 'static>(&self, place: Place, op: impl FnOnce(&mut Memory) -> T + Send + 'static) -> Result<T> {
        let (reply, outcome) = oneshot::channel();
        let reply = Arc::new(Mutex::new(Some(reply)));
        let watched = reply.clone();
        let unwanted = move || lock(&watched).as_ref().is_none_or(oneshot::Sender::is_closed);
        let run = move |memory: &mut Memory| -> Reply {
            let done = op(memory);
            Box::new(move || {
                if let Some(reply) = lock(&reply).take() {
                    drop(reply.send(done));
                }
            })
        };
        self.shared.put(Job { since: Instant::now(), place, run: Box::new(run), unwanted: Box::new(unwanted) });
        outcome.await.map_err(|_| Error::Unavailable)
    }
}

impl Drop for Hashes {
    fn drop(&mut self) {
        lock(&self.shared.queue).ended = true;
        self.shared.some.notify_all();
    }
}

impl Shared {
    fn place(&self, account: AccountId, meter: Option<Arc<Meter>>) -> Result<Place> {
        let mut queue = lock(&self.queue);
        if queue.lines.len() > LINES {
            queue.lines.retain(|_, line| !line.is_free());
        }
        let line = queue.lines.entry(account).or_default();
        if line.places.available_permits() == 0 {
            // Whoever went away makes room.
            line.jobs.retain(|job| !(job.unwanted)());
        }
        let own = line.places.clone().try_acquire_owned().map_err(|_| Error::Busy)?;
        let all = self.places.clone().try_acquire_owned().map_err(|_| Error::Unavailable)?;
        self.count(&queue);
        Ok(Place { account, meter, taken: [own, all] })
    }

    fn put(&self, job: Job) {
        let mut queue = lock(&self.queue);
        let account = job.place.account;
        queue.lines.entry(account).or_default().jobs.push_back(job);
        if !queue.running.contains(&account) && !queue.ready.contains(&account) {
            queue.ready.push_back(account);
            self.some.notify_one();
        }
        self.count(&queue);
    }

    /// One thread's life.
    fn work(&self) {
        // A thread's own priority; where that is not possible it has the others'.
        let _ = rustix::process::setpriority_process(None, NICENESS);
        let mut memory = Memory::new();
        loop {
            let Some(job) = self.next(&mut memory) else { return };
            let Place { account, meter, taken } = job.place;
            drop(taken);
            if !(job.unwanted)() {
                self.measures.hash_wait.observe(job.since.elapsed().as_secs_f64());
                let begun = Instant::now();
                // A panic is one caller's trouble: its reply is dropped, which it sees.
                let run = std::panic::AssertUnwindSafe(|| (job.run)(&mut memory));
                let reply = std::panic::catch_unwind(run);
                let took = begun.elapsed();
                self.measures.hashes.observe(took.as_secs_f64());
                if let Some(meter) = meter {
                    meter.hashed(took);
                }
                // Whoever is told finds it counted.
                if let Ok(reply) = reply {
                    reply();
                }
                if memory.len() > MEMORY as usize {
                    // A hash from elsewhere wanted more than ours do.
                    memory = Memory::new();
                }
            }
            self.done(account);
        }
    }

    /// The next job; `None` at the end.
    fn next(&self, memory: &mut Memory) -> Option<Job> {
        let mut queue = lock(&self.queue);
        loop {
            if queue.ended {
                return None;
            }
            while let Some(account) = queue.ready.pop_front() {
                // Where everybody went away, nothing is left.
                if let Some(job) = queue.lines.get_mut(&account).and_then(|line| line.jobs.pop_front()) {
                    queue.running.insert(account);
                    self.count(&queue);
                    return Some(job);
                }
            }
            let (woken, slept) = self.some.wait_timeout(queue, REST).unwrap_or_else(PoisonError::into_inner);
            queue = woken;
            if slept.timed_out() {
                *memory = Memory::new();
            }
        }
    }

    fn count(&self, queue: &Queue) {
        let waiting = queue.lines.values().map(|line| line.jobs.len()).sum::<usize>();
        self.measures.hashes_waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }

    fn done(&self, account: AccountId) {
        let mut queue = lock(&self.queue);
        queue.running.remove(&account);
        if queue.lines.get(&account).is_some_and(|line| !line.jobs.is_empty()) {
            queue.ready.push_back(account);
            self.some.notify_one();
        } else if queue.lines.get(&account).is_some_and(Line::is_free) {
            queue.lines.remove(&account);
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::catalogue::Catalogue;

    /// Whoever goes away makes room, and leaves nothing behind that keeps others waiting.
    #[actix_rt::test]
    async fn those_who_went_away_keep_nobody_waiting() {
        let measures = Arc::new(Measures::new(&mut Catalogue::default()));
        let hashes = Arc::new(Hashes::start(1, [7; SALT + HASH], measures.clone()));
        let [one, other]: [AccountId; 2] = ["T11200001", "T11200002"].map(|id| id.parse().unwrap());
        let (go, gate) = mpsc::channel::<()>();
        let busy = hashes.clone();
        let held = actix_rt::spawn(async move { busy.run(busy.place(other, None)?, move |_| gate.recv().is_ok()).await });
        tokio::time::sleep(Duration::from_millis(50)).await;
        for _ in 0..ACCOUNT_WAITING {
            let gone = tokio::time::timeout(Duration::from_millis(1), hashes.run(hashes.place(one, None).unwrap(), |_| ())).await;
            assert!(gone.is_err(), "the thread is busy");
        }
        let (last, next) = (hashes.clone(), hashes.clone());
        let last = actix_rt::spawn(async move { last.run(last.place(one, None)?, |_| 1).await });
        let next = actix_rt::spawn(async move { next.run(next.place(other, None)?, |_| 2).await });
        tokio::time::sleep(Duration::from_millis(20)).await;
        go.send(()).unwrap();
        let patience = Duration::from_secs(5);
        assert_eq!(tokio::time::timeout(patience, last).await.unwrap().unwrap(), Ok(1));
        assert_eq!(tokio::time::timeout(patience, next).await.unwrap().unwrap(), Ok(2));
        held.await.unwrap().unwrap();
        assert_eq!(measures.hashes_waiting.get(), 0);
        // A thread answers before it puts its place in order.
        let in_order = async {
            while !lock(&hashes.shared.queue).lines.is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(patience, in_order).await.unwrap();
    }

    /// One account has one hash running and eight waiting; another's turn comes after one of them.
    #[actix_rt::test]
    async fn one_account_takes_its_share_and_no_more() {
        let measures = Arc::new(Measures::new(&mut Catalogue::default()));
        let hashes = Arc::new(Hashes::start(1, [7; SALT + HASH], measures));
        let [one, other]: [AccountId; 2] = ["T11200001", "T11200002"].map(|id| id.parse().unwrap());
        let order = Arc::new(Mutex::new(Vec::new()));
        let ask = |account: AccountId| {
            let (hashes, order) = (hashes.clone(), order.clone());
            let work = move |_: &mut Memory| {
                std::thread::sleep(Duration::from_millis(10));
                lock(&order).push(account);
            };
            actix_rt::spawn(async move { hashes.run(hashes.place(account, None)?, work).await })
        };
        let flood: Vec<_> = (0..20).map(|_| ask(one)).collect();
        tokio::time::sleep(Duration::from_millis(5)).await;
        ask(other).await.unwrap().unwrap();
        assert!(lock(&order).iter().filter(|account| **account == one).count() <= 2, "{:?}", lock(&order));
        let mut refused = 0;
        for asked in flood {
            refused += usize::from(asked.await.unwrap() == Err(Error::Busy));
        }
        assert!((10..=12).contains(&refused), "{refused} of 20 found no place");
    }
}
