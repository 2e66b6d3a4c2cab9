//! How many writes of one account may run or wait. Always on.

use std::sync::Arc;
use std::time::Duration;

use prometheus::IntGauge;
use tenantry_domain::{Error, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many writes of one account may run or wait at once.
pub const PERMITS: usize = 16;
/// How many of these only the reserved lane may take.
const RESERVED: usize = 2;
/// How many only the account above may take: nothing that an account does keeps its parent from suspending it.
const ABOVE: usize = 1;
/// How long a write waits for a permit before the account is told that it is busy.
const PATIENCE: Duration = Duration::from_millis(500);

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
