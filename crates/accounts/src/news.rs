//! News of what other processes have written, so that no request is judged by what stood in the database too long ago.
//!
//! Whoever looks learns which accounts were written since the last look; those that this process knows in an older version are
//! read again before anybody uses them. A request is served only if the last look that succeeded *began* less than a horizon
//! ago; else it looks itself, and if that fails there is no answer but 503. So a request that starts later than the horizon after an
//! acknowledged write is never judged by what stood there before, whatever hangs, freezes or is cut off.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tenantry_domain::{AccountId, Error, Result};
use tokio::sync::Mutex;

use crate::registry::Registry;
use crate::store::news::Seen;
use crate::store::{self, Pool};

/// How long those are gathered who are to be refused, before somebody looks for all of them.
const GATHER: Duration = Duration::from_millis(10);
/// How long a request waits for a look that others have begun.
const PATIENCE: Duration = Duration::from_secs(2);

/// After a look that failed others fail with it for so long, in microseconds.
const PAUSE: Moment = 100_000;

/// What this process knows of others.
pub(crate) struct News {
    /// `None`: nobody else writes here.
    pool: Option<Pool>,
    horizon: Moment,
    /// When the last look that succeeded began.
    fresh: AtomicI64,
    last: Mutex<Look>,
    /// How often everything that was known was given up.
    epochs: AtomicU64,
}

/// The last looks.
#[derive(Default)]
struct Look {
    /// When the last one that failed ended.
    failed: Option<Moment>,
    /// What the last one that succeeded saw, and the epoch.
    seen: Option<(Seen, String)>,
}

/// Microseconds of a clock that nobody sets, and that goes on while the machine sleeps.
type Moment = i64;

fn moment() -> Moment {
    let clock = if cfg!(target_os = "linux") { ClockId::Boottime } else { ClockId::Monotonic };
    let now = clock_gettime(clock);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1_000
}

impl News {
    /// Nothing is known yet.
    pub(crate) fn new(pool: Option<Pool>, horizon: Duration) -> Self {
        let horizon = i64::try_from(horizon.as_micros()).unwrap_or(i64::MAX);
        Self { pool, horizon, fresh: AtomicI64::new(Moment::MIN), last: Mutex::default(), epochs: AtomicU64::new(0) }
    }

    /// Whether others write here at all.
    pub(crate) fn come(&self) -> bool {
        self.pool.is_some()
    }

    /// How often everything that was known was given up.
    pub(crate) fn epoch(&self) -> u64 {
        self.epochs.load(Ordering::Acquire)
    }

    /// Whether what is known now is good enough for a request that starts at `moment`.
    fn serves(&self, moment: Moment) -> bool {
        self.fresh.load(Ordering::Acquire) >= moment.saturating_sub(self.horizon)
    }
}

impl Registry {
    /// Looks for what others have written, as every process has to from time to time.
    pub async fn look_for_news(&self) -> Result<()> {
        self.look(moment(), 0).await
    }

    /// Sees to it that the snapshots of this process are no older than they may be. Costs a look at the clock, mostly.
    pub async fn be_fresh(&self) -> Result<()> {
        let news = &self.platform().news;
        if !news.come() {
            return Ok(());
        }
        let now = moment();
        if news.serves(now) { Ok(()) } else { Box::pin(self.look(now, news.horizon)).await }
    }

    /// Whether a refusal may be of before what others have written, who have acknowledged that already: looks for it, and says whether
    /// there was any about this account.
    pub async fn learns(&self, id: AccountId, refused: &Error) -> bool {
        let by_what_is_known = matches!(
            refused,
            Error::Unauthorized
                | Error::InvalidClient
                | Error::GrantMissing
                | Error::InsufficientScope
                | Error::NotASubAccount
                | Error::AccountSuspended
                | Error::AccountFrozen
        );
        if !by_what_is_known || !self.platform().news.come() {
            return false;
        }
        let asked = moment();
        // Whoever else is refused meanwhile is served by the same look: a flood of bad credentials is no flood of looks.
        tokio::time::sleep(GATHER).await;
        self.look(asked, 0).await.is_ok() && self.if_awake(id).is_some_and(|account| account.may_be_behind())
    }

    /// Looks, unless a look that began less than `horizon` before `asked` has succeeded, or one has failed since.
    async fn look(&self, asked: Moment, horizon: Moment) -> Result<()> {
        let platform = self.platform();
        let news = &platform.news;
        let Some(pool) = &news.pool else { return Ok(()) };
        let mut last = tokio::time::timeout(PATIENCE, news.last.lock()).await.map_err(|_| Error::Unavailable)?;
        if news.fresh.load(Ordering::Acquire) >= asked.saturating_sub(horizon) {
            return Ok(());
        }
        if last.failed.is_some_and(|failed| failed >= asked.saturating_sub(PAUSE)) {
            return Err(Error::Unavailable);
        }
        let begun = moment();
        let from = last.seen.as_ref().map_or_else(Seen::nothing, |(seen, _)| seen.clone());
        let Ok(found) = store::news::since(pool, &from).await else {
            last.failed = Some(moment());
            platform.measures.looks_failed.inc();
            return Err(Error::Unavailable);
        };
        if last.seen.as_ref().is_some_and(|(_, epoch)| *epoch != found.epoch) {
            tracing::warn!("the database server was started anew or restored: every account is read again");
            // In this order: whoever still finds the old number has written before anybody reads anew.
            news.epochs.fetch_add(1, Ordering::AcqRel);
            platform.store.read.renew().await;
            self.forget_all();
        }
        for (account, version) in found.written {
            self.tell(account, version);
        }
        // Only now, when all of it is known.
        last.seen = Some((found.seen, found.epoch));
        news.fresh.fetch_max(begun, Ordering::AcqRel);
        platform.measures.looked_at.set(platform.source.now().seconds());
        Ok(())
    }
}
