//! How a partner's budget is divided: whoever below it is busy has a share by weight that nobody can take away, and what others
//! leave unused is lent.
//!
//! A share is a bucket as large as the whole budget from which a request takes more the more others are busy. What comes beyond one's share may
//! use the budget only down to its half: the rest is kept for those who come within theirs.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use tenantry_domain::{Allowance, Error, Limit, Quota, Result};

use crate::limits::{Bucket, Ticks};

/// Whoever has asked within so many seconds, or the as many before, is busy.
const BUSY: i64 = 10;

/// A request that costs its share just one takes so much: shares are as fine as that.
const PARTS: NonZeroU32 = NonZeroU32::new(100).expect("it is not zero");

/// The budget of a partner's tree.
pub(crate) struct Tree {
    budget: Bucket,
    /// Which stretch of time it is, and the weights of those who are busy in it, and in the one before.
    stretch: AtomicI64,
    now: AtomicU64,
    before: AtomicU64,
}

/// The share of one account.
pub(crate) struct Share {
    bucket: Bucket,
    /// The stretch of time in which it was last busy.
    busy: AtomicI64,
}

impl Default for Tree {
    fn default() -> Self {
        let [now, before] = std::array::from_fn(|_| AtomicU64::new(0));
        Self { budget: Bucket::new(Limit::Tree), stretch: AtomicI64::new(0), now, before }
    }
}

impl Default for Share {
    fn default() -> Self {
        Self { bucket: Bucket::new(Limit::Tree), busy: AtomicI64::new(-1) }
    }
}

impl Tree {
    /// Charges a request of the account with this share and weight to the budget.
    pub(crate) fn charge(&self, share: &Share, weight: NonZeroU32, budget: Quota, ticks: &Ticks) -> Result<Allowance> {
        let all = self.weights(share, weight, ticks.micros() / (BUSY * 1_000_000));
        // What a request costs: one, if nobody else is busy.
        let parts = u64::from(PARTS.get()).saturating_mul(all).div_ceil(weight.get().into());
        let whole = Quota {
            requests_per_second: budget.requests_per_second.saturating_mul(PARTS),
            burst: budget.burst.saturating_mul(PARTS),
        };
        let cost = u32::try_from(parts).unwrap_or(u32::MAX).min(whole.burst.get());
        let within = share.bucket.take(NonZeroU32::new(cost).unwrap_or(PARTS), whole, ticks);
        if let Err(refused) = within
            && self.budget.left_about(budget, ticks) <= budget.burst.get() / 2
        {
            return Err(match refused {
                Error::RateLimited(allowance) => Error::RateLimited(Allowance { quota: budget, ..allowance }),
                other => other,
            });
        }
        self.budget.charge(budget, ticks)
    }

    /// The budget itself.
    pub(crate) fn budget(&self) -> &Bucket {
        &self.budget
    }

    /// The weights of all who are busy, this one among them.
    fn weights(&self, share: &Share, weight: NonZeroU32, stretch: i64) -> u64 {
        let last = self.stretch.load(Ordering::Relaxed);
        if last < stretch && self.stretch.compare_exchange(last, stretch, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            let ended = self.now.swap(0, Ordering::Relaxed);
            self.before.store(if last + 1 == stretch { ended } else { 0 }, Ordering::Relaxed);
        }
        if share.busy.swap(stretch, Ordering::Relaxed) != stretch {
            self.now.fetch_add(weight.get().into(), Ordering::Relaxed);
        }
        let busy = self.now.load(Ordering::Relaxed).max(self.before.load(Ordering::Relaxed));
        busy.max(weight.get().into())
    }
}
