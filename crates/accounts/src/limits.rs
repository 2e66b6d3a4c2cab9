//! Admission: how much of the server anybody may hold at once.
//!
//! Permits bound the writes of one account that run or wait; they are always on. Buckets (GCRA) bound rates: of an
//! address that has proven nothing, of a client, of its account, of a partner's whole tree. They are checked from the
//! narrow to the wide, so that a client over its rate takes nothing from its account, and an account nothing from
//! its tree.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use governor::clock::Clock;
use governor::middleware::StateInformationMiddleware;
use governor::state::InMemoryState;
use governor::state::direct::NotKeyed;
use governor::state::keyed::DashMapStateStore;
use governor::{NotUntil, RateLimiter};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use prometheus::IntGauge;
use tenantry_domain::{AccountRecord, Allowance, ClientId, Error, Limit, Quota, Result, Seconds};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::account::Account;
use crate::directory::Directory;
use crate::measures::{Measures, Refusal};
use crate::source::Source;

/// How many writes of one account may run or wait at once.
pub const PERMITS: usize = 16;
/// How many of these only the reserved lane may take.
const RESERVED: usize = 2;
/// How many only the account above may take: nothing that an account does keeps its parent from suspending it.
const ABOVE: usize = 1;
/// How long a write waits for a permit before the account is told that it is busy.
const PATIENCE: Duration = Duration::from_millis(500);
/// What each client may do on the reserved lane when its ordinary rates are used up: ten at once, two a second.
const CLIENT_RESERVE: &str = "2/10";
/// What all clients of an account may do there together.
const ACCOUNT_RESERVE: &str = "20/50";
/// No bucket is remembered for longer than this, in seconds.
const LONGEST_WINDOW: Seconds = 3600;
/// How many addresses are told apart before they are counted by ever larger networks.
const ADDRESSES: usize = 50_000;

/// How a call is admitted when an account is flooded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lane {
    /// As everybody.
    #[default]
    Ordinary,
    /// Tokens, revocation, suspension: what repairs an account has a small share that no flood can take.
    Reserved,
    /// The account above does something to this one.
    Above,
}

/// The permits of one account. Actor mailboxes are not bounded; these stand in front of them.
pub(crate) struct Permits {
    ordinary: Arc<Semaphore>,
    reserved: Arc<Semaphore>,
    above: Arc<Semaphore>,
    in_use: IntGauge,
}

/// Leave for one write. Travels inside the message, so that a caller that goes away frees nothing that still runs.
pub(crate) struct Permit {
    _leave: OwnedSemaphorePermit,
    in_use: IntGauge,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.in_use.dec();
    }
}

impl Permits {
    /// All free; `in_use` counts those taken, over all accounts.
    pub(crate) fn new(in_use: IntGauge) -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        let ordinary = semaphore(PERMITS - RESERVED - ABOVE);
        Self { ordinary, reserved: semaphore(RESERVED), above: semaphore(ABOVE), in_use }
    }

    /// Takes a permit, waiting a little; `Error::Busy` if there is none, and nothing was queued.
    pub(crate) async fn enter(&self, lane: Lane) -> Result<Permit> {
        let free = self.ordinary.clone().try_acquire_owned().ok();
        let leave = match (free, lane) {
            (Some(leave), _) => leave,
            (None, Lane::Ordinary) => within_patience(&self.ordinary).await?,
            (None, Lane::Reserved) => within_patience(&self.reserved).await?,
            (None, Lane::Above) => within_patience(&self.above).await?,
        };
        self.in_use.inc();
        Ok(Permit { _leave: leave, in_use: self.in_use.clone() })
    }

    /// Whether nothing runs or waits.
    pub(crate) fn all_free(&self) -> bool {
        self.taken() == 0
    }

    /// How many writes run or wait.
    pub(crate) fn taken(&self) -> usize {
        PERMITS - [&self.ordinary, &self.reserved, &self.above].map(|permits| permits.available_permits()).iter().sum::<usize>()
    }
}

async fn within_patience(semaphore: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit> {
    match tokio::time::timeout(PATIENCE, semaphore.clone().acquire_owned()).await {
        Ok(Ok(leave)) => Ok(leave),
        _ => Err(Error::Busy),
    }
}

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
struct Ticks(Source);

impl Clock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

type Limiter<K, S> = RateLimiter<K, S, Ticks, StateInformationMiddleware>;

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
        let ticks = Ticks(source);
        let on = quotas.map(|quotas| (quotas, Addresses::new(quotas.address, &ticks)));
        let quota = |text: &str| text.parse().expect("a quota of ours");
        Self { ticks, on, client_reserve: quota(CLIENT_RESERVE), account_reserve: quota(ACCOUNT_RESERVE), measures }
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
            self.measures.addresses.set(i64::try_from(addresses.limiter.len()).unwrap_or(i64::MAX));
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

impl Account {
    /// Charges a call on this account by a client of `home` (this account, or the one above it): the client's rate, the
    /// account's, and that of the tree. Yields what is left of the tightest one; `None` where rates are not limited.
    pub(crate) fn charge(&self, home: &Self, client: &ClientId, lane: Lane) -> Result<Option<Allowance>> {
        let limits = &self.platform().limits;
        let Some((quotas, _)) = &limits.on else { return Ok(None) };
        let ticks = &limits.ticks;
        let root = self.parent().filter(|_| !self.id().is_partner()).unwrap_or(self);
        let (theirs, own, tree) = (home.directory(), self.directory(), root.directory());
        let client = home.buckets().client(client, &theirs);
        let ordinary = || {
            let clients = client.ordinary.charge(theirs.account.client_limits.unwrap_or(quotas.client), ticks)?;
            let accounts = self.buckets().account.charge(own.account.limits.unwrap_or(quotas.account), ticks)?;
            let trees = root.buckets().tree.charge(tree.account.budget.unwrap_or(quotas.tree), ticks)?;
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

/// Of two allowances the one that will be used up first.
fn tighter(one: Allowance, other: Allowance) -> Allowance {
    let left = |of: Allowance, by: Allowance| u64::from(of.remaining) * u64::from(by.quota.burst.get());
    if left(one, other) <= left(other, one) { one } else { other }
}

/// One rate of one party. A change of the quota begins a new bucket, full.
struct Bucket {
    limit: Limit,
    current: ArcSwap<Option<(Quota, Limiter<NotKeyed, InMemoryState>)>>,
}

impl Bucket {
    fn new(limit: Limit) -> Self {
        Self { limit, current: ArcSwap::default() }
    }

    fn charge(&self, quota: Quota, ticks: &Ticks) -> Result<Allowance> {
        let mut current = self.current.load();
        if current.as_ref().as_ref().is_none_or(|(of, _)| *of != quota) {
            self.current
                .store(Arc::new(Some((quota, RateLimiter::direct_with_clock(gcra(quota), ticks.clone()).with_middleware()))));
            current = self.current.load();
        }
        let Some((_, limiter)) = current.as_ref() else { return Err(Error::Internal("a bucket vanished".to_owned())) };
        match limiter.check() {
            Ok(state) => Ok(allowance(self.limit, quota, state.remaining_burst_capacity())),
            Err(until) => Err(refused(self.limit, quota, &until, ticks)),
        }
    }
}

fn gcra(quota: Quota) -> governor::Quota {
    governor::Quota::per_second(quota.requests_per_second).allow_burst(quota.burst)
}

fn allowance(limit: Limit, quota: Quota, remaining: u32) -> Allowance {
    let used = quota.burst.get() - remaining.min(quota.burst.get());
    Allowance { limit, quota, remaining, reset: used.div_ceil(quota.requests_per_second.get()).into() }
}

fn refused(limit: Limit, quota: Quota, until: &NotUntil<Duration>, ticks: &Ticks) -> Error {
    Error::RateLimited(Allowance { limit, quota, remaining: 0, reset: seconds(until.wait_time_from(ticks.now())) })
}

/// Whole seconds, rounded up, at least one.
fn seconds(wait: Duration) -> Seconds {
    Seconds::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(Seconds::MAX).max(1)
}

/// The buckets of one account.
pub(crate) struct Buckets {
    account: Bucket,
    /// What all its clients share on the reserved lane.
    reserve: Bucket,
    tree: Bucket,
    /// Of clients that have proven who they are: no more than the account has.
    clients: ArcSwap<BTreeMap<ClientId, Arc<ClientBuckets>>>,
}

struct ClientBuckets {
    ordinary: Bucket,
    reserve: Bucket,
}

impl Default for Buckets {
    fn default() -> Self {
        let [account, reserve] = [Bucket::new(Limit::Account), Bucket::new(Limit::Account)];
        Self { account, reserve, tree: Bucket::new(Limit::Tree), clients: ArcSwap::default() }
    }
}

impl Buckets {
    fn client(&self, client: &ClientId, directory: &Directory) -> Arc<ClientBuckets> {
        if let Some(buckets) = self.clients.load().get(client) {
            return buckets.clone();
        }
        let made = Arc::new(ClientBuckets { ordinary: Bucket::new(Limit::Client), reserve: Bucket::new(Limit::Client) });
        self.clients.rcu(|clients| {
            let live = |(id, _): &(&ClientId, _)| directory.clients.contains_key(*id);
            let mut kept: BTreeMap<_, _> = clients.iter().filter(live).map(|(id, of)| (id.clone(), of.clone())).collect();
            kept.entry(client.clone()).or_insert_with(|| made.clone());
            kept
        });
        self.clients.load().get(client).cloned().unwrap_or(made)
    }
}

/// Addresses that have proven nothing, each with its bucket. Where there are too many to tell apart, ever larger networks
/// share one.
struct Addresses {
    quota: Quota,
    limiter: Limiter<IpNet, DashMapStateStore<IpNet>>,
    /// Until when those that used up their rate are refused unseen.
    exhausted: moka::sync::Cache<IpNet, Duration>,
    /// Which of `PREFIXES` is in force.
    coarseness: AtomicU8,
    charges: AtomicU32,
}

/// Lengths of the prefixes (IPv4, IPv6) that share a bucket, from fine to coarse.
const PREFIXES: [(u8, u8); 4] = [(32, 64), (24, 48), (16, 32), (0, 0)];
/// After so many charges the size of the map is looked at.
const LOOK: u32 = 1024;

impl Addresses {
    fn new(quota: Quota, ticks: &Ticks) -> Self {
        let exhausted = moka::sync::Cache::builder().max_capacity(ADDRESSES as u64).time_to_live(Duration::from_mins(1));
        Self {
            quota,
            exhausted: exhausted.build(),
            limiter: RateLimiter::dashmap_with_clock(gcra(quota), ticks.clone()).with_middleware(),
            coarseness: AtomicU8::new(0),
            charges: AtomicU32::new(0),
        }
    }

    fn network(&self, address: IpAddr) -> IpNet {
        let (v4, v6) = PREFIXES[usize::from(self.coarseness.load(Ordering::Relaxed)) % PREFIXES.len()];
        match address.to_canonical() {
            IpAddr::V4(address) => Ipv4Net::new_assert(address, v4).trunc().into(),
            IpAddr::V6(address) => Ipv6Net::new_assert(address, v6).trunc().into(),
        }
    }

    fn charge(&self, address: IpAddr, ticks: &Ticks) -> Result<Allowance> {
        if self.charges.fetch_add(1, Ordering::Relaxed) % LOOK == LOOK - 1 && self.limiter.len() > ADDRESSES {
            self.sweep();
        }
        let network = self.network(address);
        match self.limiter.check_key(&network) {
            Ok(state) => Ok(allowance(Limit::Address, self.quota, state.remaining_burst_capacity())),
            Err(until) => {
                self.exhausted.insert(network, ticks.now() + until.wait_time_from(ticks.now()));
                Err(refused(Limit::Address, self.quota, &until, ticks))
            }
        }
    }

    fn refuse_exhausted(&self, address: IpAddr, ticks: &Ticks) -> Result<()> {
        let until = self.exhausted.get(&self.network(address)).unwrap_or_default();
        match until.checked_sub(ticks.now()) {
            None | Some(Duration::ZERO) => Ok(()),
            Some(wait) => {
                let reset = seconds(wait);
                Err(Error::RateLimited(Allowance { limit: Limit::Address, quota: self.quota, remaining: 0, reset }))
            }
        }
    }

    /// Forgets those whose buckets are full again, and tells apart as many as there is room for.
    fn sweep(&self) {
        self.limiter.retain_recent();
        let (left, coarseness) = (self.limiter.len(), self.coarseness.load(Ordering::Relaxed));
        if left > ADDRESSES && usize::from(coarseness) + 1 < PREFIXES.len() {
            self.coarseness.store(coarseness + 1, Ordering::Relaxed);
        } else if left < ADDRESSES / 4 && coarseness > 0 {
            self.coarseness.store(coarseness - 1, Ordering::Relaxed);
        }
        if left < ADDRESSES / 4 {
            self.limiter.shrink_to_fit();
        }
    }
}
