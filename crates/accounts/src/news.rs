//! News of what other processes have written, so that no request is judged by what stood in the database too long ago.
//!
//! Whoever looks learns which accounts were written since the last look; those that this process knows in an older version are
//! read again before anybody uses them. A request is served only if the last look that succeeded *began* less than a horizon
//! ago; else it looks itself, and if that fails there is no answer but 503. So a request that starts later than the horizon after an
//! acknowledged write is never judged by what stood there before, whatever hangs, freezes or is cut off.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tenantry_domain::{Error, Result};
use tokio::sync::Mutex;

use crate::registry::Registry;
use crate::store::{self, Pool};

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
}

/// The last look.
struct Look {
    begun: Moment,
    succeeded: bool,
    /// Up to where transactions had ended at the last one that succeeded, and the epoch.
    seen: Option<(i64, String)>,
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
        let look = Look { begun: Moment::MIN, succeeded: false, seen: None };
        let horizon = i64::try_from(horizon.as_micros()).unwrap_or(i64::MAX);
        Self { pool, horizon, fresh: AtomicI64::new(Moment::MIN), last: Mutex::new(look) }
    }

    /// Whether others write here at all.
    pub(crate) fn come(&self) -> bool {
        self.pool.is_some()
    }

    /// Whether what is known now is good enough for a request that starts at `moment`.
    fn serves(&self, moment: Moment) -> bool {
        self.fresh.load(Ordering::Acquire) >= moment.saturating_sub(self.horizon)
    }
}

impl Registry {
    /// Looks for what others have written, as every process has to from time to time.
    pub async fn look_for_news(&self) -> Result<()> {
        let now = moment();
        self.look(now, now).await
    }

    /// Sees to it that the snapshots of this process are no older than they may be. Costs a look at the clock, mostly.
    pub async fn be_fresh(&self) -> Result<()> {
        let news = &self.platform().news;
        if !news.come() {
            return Ok(());
        }
        let now = moment();
        if news.serves(now) { Ok(()) } else { Box::pin(self.look(now.saturating_sub(news.horizon), now)).await }
    }

    /// Looks, unless a look that began after `since` has succeeded, or one has failed just before `now`.
    async fn look(&self, since: Moment, now: Moment) -> Result<()> {
        let news = &self.platform().news;
        let Some(pool) = &news.pool else { return Ok(()) };
        let mut last = tokio::time::timeout(PATIENCE, news.last.lock()).await.map_err(|_| Error::Unavailable)?;
        if last.succeeded && last.begun >= since {
            return Ok(());
        }
        if !last.succeeded && last.begun >= now.saturating_sub(PAUSE) {
            return Err(Error::Unavailable);
        }
        last.begun = moment();
        last.succeeded = false;
        let from = last.seen.as_ref().map_or(i64::MAX, |(ended, _)| *ended);
        let found = store::news::since(pool, from).await;
        let found = found.inspect_err(|_| self.platform().measures.looks_failed.inc()).map_err(|_| Error::Unavailable)?;
        if last.seen.as_ref().is_some_and(|(_, epoch)| *epoch != found.epoch) {
            tracing::warn!("the database server was started anew or restored: every account is read again");
            self.forget_all();
        }
        for (account, version) in found.written {
            self.tell(account, version);
        }
        // Only now, when all of it is known.
        last.seen = Some((found.ended, found.epoch));
        last.succeeded = true;
        news.fresh.fetch_max(last.begun, Ordering::AcqRel);
        Ok(())
    }
}
