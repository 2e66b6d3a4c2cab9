//! Admission: how much of the server one account may hold at once.

use std::sync::Arc;
use std::time::Duration;

use tenantry_domain::{Error, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many writes of one account may run or wait at once.
pub const PERMITS: usize = 16;
/// How long a write waits for a permit before the account is told that it is busy.
const PATIENCE: Duration = Duration::from_millis(500);

/// The permits of one account. Actor mailboxes are not bounded; these stand in front of them.
pub(crate) struct Permits(Arc<Semaphore>);

/// Leave for one write. Travels inside the message, so that a caller that goes away frees nothing that still runs.
pub(crate) type Permit = OwnedSemaphorePermit;

impl Default for Permits {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(PERMITS)))
    }
}

impl Permits {
    /// Takes a permit, waiting a little; `Error::Busy` if there is none, and nothing was queued.
    pub(crate) async fn enter(&self) -> Result<Permit> {
        match tokio::time::timeout(PATIENCE, self.0.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(Error::Busy),
        }
    }

    /// Whether nothing runs or waits.
    pub(crate) fn all_free(&self) -> bool {
        self.0.available_permits() == PERMITS
    }

    /// How many writes run or wait.
    pub(crate) fn taken(&self) -> usize {
        PERMITS - self.0.available_permits()
    }
}
