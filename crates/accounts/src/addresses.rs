//! The rate of an address that has proven nothing, for very many of them.

use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU32, Ordering};
use std::time::Duration;

use governor::RateLimiter;
use governor::clock::Clock;
use governor::state::keyed::DashMapStateStore;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use tenantry_domain::{Allowance, Error, Limit, Quota, Result};

use crate::limits::{Limiter, Ticks, allowance, gcra, refused, seconds};

/// How many addresses are told apart before they are counted by ever larger networks.
const ADDRESSES: usize = 50_000;

/// Addresses that have proven nothing, each with its bucket. Where there are too many to tell apart, ever larger networks
/// share one.
pub(crate) struct Addresses {
    quota: Quota,
    limiter: Limiter<IpNet, DashMapStateStore<IpNet>>,
    /// Until when those that used up their rate are refused unseen.
    exhausted: moka::sync::Cache<IpNet, Duration>,
    /// When the last of them is refused no more, in microseconds of the ticks: later none is looked up.
    all_over: AtomicI64,
    /// Which of `PREFIXES` is in force.
    coarseness: AtomicU8,
    charges: AtomicU32,
}

/// Lengths of the prefixes (IPv4, IPv6) that share a bucket, from fine to coarse.
const PREFIXES: [(u8, u8); 4] = [(32, 64), (24, 48), (16, 32), (0, 0)];
/// After so many charges the size of the map is looked at.
const LOOK: u32 = 1024;

impl Addresses {
    pub(crate) fn new(quota: Quota, ticks: &Ticks) -> Self {
        let exhausted = moka::sync::Cache::builder().max_capacity(ADDRESSES as u64).time_to_live(Duration::from_mins(1));
        Self {
            quota,
            exhausted: exhausted.build(),
            all_over: AtomicI64::new(0),
            limiter: RateLimiter::dashmap_with_clock(gcra(quota), ticks.clone()).with_middleware(),
            coarseness: AtomicU8::new(0),
            charges: AtomicU32::new(0),
        }
    }

    /// How many addresses, or networks of them, are counted.
    pub(crate) fn count(&self) -> usize {
        self.limiter.len()
    }

    fn network(&self, address: IpAddr) -> IpNet {
        let (v4, v6) = PREFIXES[usize::from(self.coarseness.load(Ordering::Relaxed)) % PREFIXES.len()];
        match address.to_canonical() {
            IpAddr::V4(address) => Ipv4Net::new_assert(address, v4).trunc().into(),
            IpAddr::V6(address) => Ipv6Net::new_assert(address, v6).trunc().into(),
        }
    }

    pub(crate) fn charge(&self, address: IpAddr, ticks: &Ticks) -> Result<Allowance> {
        if self.charges.fetch_add(1, Ordering::Relaxed) % LOOK == LOOK - 1 && self.limiter.len() > ADDRESSES {
            self.sweep();
        }
        let network = self.network(address);
        match self.limiter.check_key(&network) {
            Ok(state) => Ok(allowance(Limit::Address, self.quota, state.remaining_burst_capacity())),
            Err(until) => {
                let wait = until.wait_time_from(ticks.now());
                self.exhausted.insert(network, ticks.now() + wait);
                let over = i64::try_from(wait.as_micros()).unwrap_or(i64::MAX).saturating_add(1);
                self.all_over.fetch_max(ticks.micros().saturating_add(over), Ordering::Release);
                Err(refused(Limit::Address, self.quota, &until, ticks))
            }
        }
    }

    pub(crate) fn refuse_exhausted(&self, address: IpAddr, ticks: &Ticks) -> Result<()> {
        if self.all_over.load(Ordering::Acquire) < ticks.micros() {
            return Ok(());
        }
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
    pub(crate) fn sweep(&self) {
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
