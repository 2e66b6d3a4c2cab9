//! What has served its time is removed, a little at a time, so that tables stay bounded.

use std::sync::Arc;

use tenantry_domain::{Result, Seconds};

use crate::leases::Job;
use crate::platform::Platform;
use crate::store::{self, Tx};

/// Rows that go, and how long after the moment in their column.
const PRUNED: [(&str, &str, Seconds); 6] = [
    ("session", "expires_at", 0),
    ("replay", "expires_at", 0),
    ("token_event", "expires_at", 0),
    ("attempt", "until", store::attempts::MEMORY),
    // What could not be delivered can be looked at for a day; so long it is known whose it was.
    ("outbox", "expires_at", 86_400),
    ("challenge", "expires_at", 86_400),
];
/// How many go in one turn.
const BATCH: u32 = 500;

impl Platform {
    /// Removes sessions and challenges that have ended, attempts and events of tokens that count no more, answers that nobody asks
    /// for again, messages that came too late, installers that never confirmed their address, and deleted tags from their
    /// customers. Returns how many rows went; none while another process does this.
    pub async fn prune(self: &Arc<Self>) -> Result<usize> {
        let mut gone = 0;
        let now = self.source.now();
        for (table, column, after) in PRUNED {
            let before = now.plus(-after);
            gone += self.in_batches(async move |tx| store::prune(tx, (table, column), before, BATCH).await).await?;
        }
        gone += self.in_batches(async move |tx| store::installers::prune(tx, now, BATCH.into()).await).await?;
        gone += self.in_batches(async move |tx| store::customer_marks::prune_tags(tx, BATCH).await).await?;
        Ok(gone)
    }

    /// Removes batch by batch, each in a turn of its own; how many rows went.
    async fn in_batches(
        self: &Arc<Self>,
        remove: impl AsyncFn(&Tx<'_>) -> Result<usize> + Clone + Send + Sync + 'static,
    ) -> Result<usize> {
        let mut gone = 0;
        loop {
            let (this, remove) = (self.clone(), remove.clone());
            let batch = async move |tx: &Tx<'_>| {
                if this.leases.hold(tx, Job::Pruning).await? { remove(tx).await } else { Ok(0) }
            };
            let batch = self.store.turns.take(batch).await?;
            gone += batch;
            if batch < BATCH as usize {
                return Ok(gone);
            }
        }
    }

    /// See [`store::Store::empty_log`].
    pub async fn empty_log(&self) -> Result<()> {
        self.store.empty_log().await
    }
}
