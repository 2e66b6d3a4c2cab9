//! What only one of several processes does at a time. Which one is said by a row that it has taken until a moment of the database's
//! clock; nothing that has to be right rests on it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DatabaseBackend};
use tenantry_domain::Result;
use uuid::Uuid;

use crate::platform::Platform;
use crate::store::{self, Tx};

/// How long a lease lasts that nobody renews.
pub(crate) const LEASE: Duration = Duration::from_secs(10);

/// What only one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Job {
    /// Handing on messages.
    Relay,
    /// Removing what has served its time.
    Pruning,
}

impl Job {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Pruning => "pruning",
        }
    }
}

/// The leases of this process.
pub(crate) struct Leases {
    /// What it is called there.
    holder: Uuid,
    /// When it last took the one to relay.
    relay: Mutex<Option<Instant>>,
}

impl Leases {
    pub(crate) fn new(holder: Uuid) -> Self {
        Self { holder, relay: Mutex::new(None) }
    }

    fn relay(&self) -> MutexGuard<'_, Option<Instant>> {
        self.relay.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the lease, or renews it, in the transaction that does the work: until that ends nobody else gets it. `false`: another
    /// process has it.
    pub(crate) async fn hold(&self, tx: &Tx<'_>, job: Job) -> Result<bool> {
        // Nobody else serves a SQLite database.
        Ok(tx.get_database_backend() == DatabaseBackend::Sqlite || store::leases::take(tx, job, self.holder).await?)
    }
}

impl Platform {
    /// Whether this process is the one that hands on messages, for the next seconds at least. Each message is still taken by a
    /// row of its own.
    pub(crate) async fn relays(self: &Arc<Self>) -> Result<bool> {
        if self.leases.relay().is_some_and(|since| since.elapsed() < LEASE / 2) {
            return Ok(true);
        }
        let (begun, this) = (Instant::now(), self.clone());
        let held = self.store.turns.take(async move |tx| this.leases.hold(tx, Job::Relay).await).await?;
        *self.leases.relay() = held.then_some(begun);
        Ok(held)
    }

    /// Gives up what only one does, so that another process need not wait.
    pub async fn give_up_leases(&self) -> Result<()> {
        *self.leases.relay() = None;
        let holder = self.leases.holder;
        self.store.turns.take(async move |tx| store::leases::give_up(tx, holder).await).await
    }
}
