//! Rates: how often anybody may ask.
//!
//! Buckets (GCRA) bound rates: of an address that has proven nothing, of a client, of its account, of a partner's whole
//! tree. They are checked from the narrow to the wide, so that a client over its rate takes nothing from its account,
//! and an account nothing from its tree.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use governor::clock::Clock;
use governor::middleware::StateInformationMiddleware;
use governor::state::InMemoryState;
use governor::state::direct::NotKeyed;
use governor::{NotUntil, RateLimiter};
use tenantry_domain::{AccountRecord, Allowance, AuthUserId, ClientId, Error, Limit, Quota, Result, Seconds};

use crate::account::Account;
use crate::addresses::Addresses;
use crate::directory::Directory;
use crate::measures::{Measures, Refusal};
use crate::permits::Lane;
use crate::shares::{Share, Tree};
use crate::source::Source;

/// What each client may do on the reserved lane when its ordinary rates are used up: ten at once, two a second.
const CLIENT_RESERVE: &str = "2/10";
/// What all clients of an account may do there together.
const ACCOUNT_RESERVE: &str = "20/50";
/// No bucket is remembered for longer than this, in seconds.
const LONGEST_WINDOW: Seconds = 3600;

/// The rates that hold where nobody has said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas {
    /// Of one address that has proven nothing.
    pub address: Quota,
    /// Of one account.
    pub account: Quota,
    /// Of one client of an account.
    pub client: Quota,
    /// Of a partner and all accounts below it.
    pub tree: Quota,
}

impl Default for Quotas {
    fn default() -> Self {
        let quota = |text: &str| text.parse().expect("a quota of ours");
        Self { address: quota("50/200"), account: quota("500/1000"), client: quota("200/400"), tree: quota("2000/4000") }
    }
}

/// Time that only moves forward.
#[derive(Clone)]
pub(crate) struct Ticks(Source);

impl Ticks {
    pub(crate) fn new(source: Source) -> Self {
        Self(source)
    }

    /// In microseconds.
    pub(crate) fn micros(&self) -> i64 {
        i64::try_from(self.0.elapsed().as_micros()).unwrap_or(i64::MAX)
    }
}

impl Clock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

pub(crate) type Limiter<K, S> = RateLimiter<K, S, Ticks, StateInformationMiddleware>;

/// All rates of one process.
pub(crate) struct Limits {
    ticks: Ticks,
    /// `None`: rates are not limited.
    on: Option<(Quotas, Addresses)>,
    client_reserve: Quota,
    account_reserve: Quota,
    measures: Arc<Measures>,
}

impl Limits {
    pub(crate) fn new(quotas: Option<Quotas>, source: Source, measures: Arc<Measures>) -> Self {
        let ticks = Ticks::new(source);
        let on = quotas.map(|quotas| (quotas, Addresses::new(quotas.address, &ticks)));
        let quota = |text: &str| text.parse().expect("a quota of ours");
        Self { ticks, on, client_reserve: quota(CLIENT_RESERVE), account_reserve: quota(ACCOUNT_RESERVE), measures }
    }

    /// The time by which rates are counted.
    pub(crate) fn ticks(&self) -> &Ticks {
        &self.ticks
    }

    /// Charges an address for a request that proves nothing, or whose proof failed.
    pub(crate) fn charge(&self, address: Option<IpAddr>) -> Result<Option<Allowance>> {
        let (Some((_, addresses)), Some(address)) = (&self.on, address) else { return Ok(None) };
        self.counted(addresses.charge(address, &self.ticks).map(Some))
    }

    /// Refuses an address that has just used up its rate, before anything is looked up for it. Charges nothing.
    pub(crate) fn refuse_exhausted(&self, address: Option<IpAddr>) -> Result<()> {
        let (Some((_, addresses)), Some(address)) = (&self.on, address) else { return Ok(()) };
        self.counted(addresses.refuse_exhausted(address, &self.ticks))
    }

    /// Forgets addresses whose buckets are full again.
    pub(crate) fn sweep(&self) {
        if let Some((_, addresses)) = &self.on {
            addresses.sweep();
            self.measures.addresses.set(i64::try_from(addresses.count()).unwrap_or(i64::MAX));
        }
    }

    /// How long the slowest bucket of an account takes to be full again, in seconds.
    pub(crate) fn window(&self, account: &AccountRecord) -> Seconds {
        let Some((quotas, _)) = &self.on else { return 0 };
        let defaults = [quotas.account, quotas.client, quotas.tree, self.client_reserve, self.account_reserve];
        let own = [account.limits, account.client_limits, account.budget];
        defaults.into_iter().chain(own.into_iter().flatten()).map(Quota::window).max().unwrap_or(0).min(LONGEST_WINDOW)
    }

    fn counted<T>(&self, charged: Result<T>) -> Result<T> {
        if let Err(Error::RateLimited(of)) = &charged {
            self.measures.refused(Refusal::Rate(of.limit));
        }
        charged
    }
}

/// Who is charged.
#[derive(Clone, Copy)]
pub(crate) enum Party<'p> {
    Client(&'p ClientId),
    Member(AuthUserId),
}

impl Account {
    /// Charges a call by an installer: to the rate that all of them have together, as much as the account's own. Anybody may sign
    /// up, so they take nothing from the account's clients.
    pub(crate) fn charge_installers(&self) -> Result<Option<Allowance>> {
        let limits = &self.platform().limits;
        let Some((quotas, _)) = &limits.on else { return Ok(None) };
        let quota = self.directory().account.limits.unwrap_or(quotas.account);
        limits.counted(self.buckets().installers.charge(quota, &limits.ticks)).map(Some)
    }

    /// Charges a call on this account by somebody of `home` (this account, or the one above it): the caller's rate, the
    /// account's, and that of the tree. Yields what is left of the tightest one; `None` where rates are not limited.
    pub(crate) fn charge(&self, home: &Self, party: Party<'_>, lane: Lane) -> Result<Option<Allowance>> {
        let limits = &self.platform().limits;
        let Some((quotas, _)) = &limits.on else { return Ok(None) };
        let ticks = &limits.ticks;
        let root = self.parent().filter(|_| !self.id().is_partner()).unwrap_or(self);
        let (theirs, own, tree) = (home.directory(), self.directory(), root.directory());
        let client = home.buckets().of(party, &theirs);
        let ordinary = || {
            let clients = client.ordinary.charge(theirs.account.client_limits.unwrap_or(quotas.client), ticks)?;
            let accounts = self.buckets().account.charge(own.account.limits.unwrap_or(quotas.account), ticks)?;
            let budget = tree.account.budget.unwrap_or(quotas.tree);
            let trees = root.buckets().tree.charge(&self.buckets().share, own.account.settings.weight, budget, ticks)?;
            Ok(tighter(tighter(clients, accounts), trees))
        };
        let charged = match (ordinary(), lane) {
            (Err(refused), Lane::Reserved | Lane::Above) => {
                let reserved = client.reserve.charge(limits.client_reserve, ticks);
                let reserved = reserved.and_then(|_| self.buckets().reserve.charge(limits.account_reserve, ticks));
                reserved.map_err(|_| refused)
            }
            (charged, Lane::Ordinary) | (charged @ Ok(_), _) => charged,
        };
        limits.counted(charged).map(Some)
    }
}

/// What is left of a rate, about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// The rate.
    pub quota: Quota,
    /// How many more requests would pass now.
    pub remaining: u32,
}

impl Account {
    /// What is left of the account's rate; `None` where rates are not limited.
    pub fn rate_left(&self) -> Option<Left> {
        let limits = &self.platform().limits;
        let quota = self.directory().account.limits.unwrap_or(limits.on.as_ref()?.0.account);
        Some(Left { quota, remaining: self.buckets().account.left_about(quota, &limits.ticks) })
    }

    /// What is left of the budget of its tree, of an account that has one.
    pub fn budget_left(&self) -> Option<Left> {
        let limits = &self.platform().limits;
        let quota = self.directory().account.budget.unwrap_or(limits.on.as_ref()?.0.tree);
        Some(Left { quota, remaining: self.buckets().tree.budget().left_about(quota, &limits.ticks) })
    }
}

/// Of two allowances the one that will be used up first.
fn tighter(one: Allowance, other: Allowance) -> Allowance {
    let left = |of: Allowance, by: Allowance| u64::from(of.remaining) * u64::from(by.quota.burst.get());
    if left(one, other) <= left(other, one) { one } else { other }
}

/// One rate of one party. A change of the quota begins a new bucket, full.
pub(crate) struct Bucket {
    limit: Limit,
    current: ArcSwapOption<QuotaBucket>,
    /// What was left when somebody last took from it, and when that was, in microseconds.
    left: AtomicU32,
    at: AtomicI64,
}

/// A bucket, and the quota that it was made for.
type QuotaBucket = (Quota, Limiter<NotKeyed, InMemoryState>);

impl Bucket {
    pub(crate) fn new(limit: Limit) -> Self {
        Self { limit, current: ArcSwapOption::empty(), left: AtomicU32::new(u32::MAX), at: AtomicI64::new(0) }
    }

    pub(crate) fn charge(&self, quota: Quota, ticks: &Ticks) -> Result<Allowance> {
        self.take(NonZeroU32::MIN, quota, ticks)
    }

    /// Takes so much at once, no more than fits in.
    pub(crate) fn take(&self, cost: NonZeroU32, quota: Quota, ticks: &Ticks) -> Result<Allowance> {
        let bucket = self.current.load_full().filter(|bucket| bucket.0 == quota);
        let taken = match bucket.unwrap_or_else(|| self.begin(quota, ticks)).1.check_n(cost) {
            Ok(Ok(state)) => Ok(allowance(self.limit, quota, state.remaining_burst_capacity())),
            Ok(Err(until)) => Err(refused(self.limit, quota, &until, ticks)),
            Err(_) => Err(Error::Internal(format!("{cost} do not fit in a bucket of {quota}"))),
        };
        self.left.store(taken.as_ref().map_or(0, |allowance| allowance.remaining), Ordering::Relaxed);
        self.at.store(ticks.micros(), Ordering::Relaxed);
        taken
    }

    /// What is left of it now, about: by what was left and the time since.
    pub(crate) fn left_about(&self, quota: Quota, ticks: &Ticks) -> u32 {
        let since = u64::try_from(ticks.micros() - self.at.load(Ordering::Relaxed)).unwrap_or(0);
        let filled = since.saturating_mul(quota.requests_per_second.get().into()) / 1_000_000;
        let left = u64::from(self.left.load(Ordering::Relaxed)).saturating_add(filled);
        u32::try_from(left).unwrap_or(u32::MAX).min(quota.burst.get())
    }

    /// A full bucket; of several callers that begin one at once, all go on with the first.
    fn begin(&self, quota: Quota, ticks: &Ticks) -> Arc<QuotaBucket> {
        let made = Arc::new((quota, RateLimiter::direct_with_clock(gcra(quota), ticks.clone()).with_middleware()));
        let fitting = |bucket: Option<Arc<QuotaBucket>>| bucket.filter(|bucket| bucket.0 == quota);
        self.current.rcu(|current| fitting(current.clone()).or_else(|| Some(made.clone())));
        fitting(self.current.load_full()).unwrap_or(made)
    }
}

pub(crate) fn gcra(quota: Quota) -> governor::Quota {
    governor::Quota::per_second(quota.requests_per_second).allow_burst(quota.burst)
}

pub(crate) fn allowance(limit: Limit, quota: Quota, remaining: u32) -> Allowance {
    let used = quota.burst.get() - remaining.min(quota.burst.get());
    Allowance { limit, quota, remaining, reset: used.div_ceil(quota.requests_per_second.get()).into() }
}

pub(crate) fn refused(limit: Limit, quota: Quota, until: &NotUntil<Duration>, ticks: &Ticks) -> Error {
    Error::RateLimited(Allowance { limit, quota, remaining: 0, reset: seconds(until.wait_time_from(ticks.now())) })
}

/// Whole seconds, rounded up, at least one.
pub(crate) fn seconds(wait: Duration) -> Seconds {
    Seconds::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(Seconds::MAX).max(1)
}

/// The buckets of one account.
pub(crate) struct Buckets {
    account: Bucket,
    /// What all its clients share on the reserved lane.
    reserve: Bucket,
    tree: Tree,
    /// What it has of the tree above it.
    share: Share,
    /// Of all its installers.
    installers: Bucket,
    /// Of clients that have proven who they are: no more than the account has.
    clients: ArcSwap<BTreeMap<ClientId, Arc<ClientBuckets>>>,
    members: ArcSwap<BTreeMap<AuthUserId, Arc<ClientBuckets>>>,
}

struct ClientBuckets {
    ordinary: Bucket,
    reserve: Bucket,
}

impl Default for Buckets {
    fn default() -> Self {
        let [account, reserve, installers] = std::array::from_fn(|_| Bucket::new(Limit::Account));
        let (tree, share) = (Tree::default(), Share::default());
        Self { account, reserve, tree, share, installers, clients: ArcSwap::default(), members: ArcSwap::default() }
    }
}

impl Buckets {
    fn of(&self, party: Party<'_>, directory: &Directory) -> Arc<ClientBuckets> {
        match party {
            Party::Client(id) => buckets_of(&self.clients, id, |id| directory.clients.contains_key(id)),
            Party::Member(id) => buckets_of(&self.members, &id, |id| directory.members.contains_key(id)),
        }
    }
}

/// The buckets of one; whoever lives no more loses its own when others are made.
fn buckets_of<K: Ord + Clone>(
    all: &ArcSwap<BTreeMap<K, Arc<ClientBuckets>>>,
    id: &K,
    lives: impl Fn(&K) -> bool,
) -> Arc<ClientBuckets> {
    if let Some(buckets) = all.load().get(id) {
        return buckets.clone();
    }
    let made = Arc::new(ClientBuckets { ordinary: Bucket::new(Limit::Client), reserve: Bucket::new(Limit::Client) });
    all.rcu(|known| {
        let live = |(id, _): &(&K, _)| lives(id);
        let mut kept: BTreeMap<_, _> = known.iter().filter(live).map(|(id, of)| (id.clone(), of.clone())).collect();
        kept.entry(id.clone()).or_insert_with(|| made.clone());
        kept
    });
    all.load().get(id).cloned().unwrap_or(made)
}
