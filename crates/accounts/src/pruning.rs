//! What has served its time is removed, a little at a time, so that tables stay bounded.

use tenantry_domain::{Result, Seconds};

use crate::platform::Platform;
use crate::store;

/// Rows that go, and how long after the moment in their column.
const PRUNED: [(&str, &str, Seconds); 6] = [
    ("session", "expires_at", 0),
    ("replay", "expires_at", 0),
    ("token_event", "expires_at", 0),
    ("challenge", "expires_at", 0),
    ("attempt", "until", store::attempts::MEMORY),
    // What could not be delivered can be looked at for a day.
    ("outbox", "expires_at", 86_400),
];
/// How many go in one turn.
const BATCH: u32 = 500;

impl Platform {
    /// Removes sessions and challenges that have ended, attempts and events of tokens that count no more, answers that nobody asks
    /// for again, messages that came too late, installers that never
    /// confirmed their address, and deleted tags from their customers. Returns how many rows went.
    pub async fn prune(&self) -> Result<usize> {
        let mut gone = 0;
        for (table, column, after) in PRUNED {
            let before = self.source.now().plus(-after);
            loop {
                let batch = self.store.turns.take(async move |tx| store::prune(tx, (table, column), before, BATCH).await).await?;
                gone += batch;
                if batch < BATCH as usize {
                    break;
                }
            }
        }
        let now = self.source.now();
        loop {
            let prune = async move |tx: &store::Tx<'_>| store::installers::prune(tx, now, BATCH.into()).await;
            let batch = self.store.turns.take(prune).await?;
            gone += batch;
            if batch < BATCH as usize {
                break;
            }
        }
        loop {
            let batch = self.store.turns.take(async |tx| store::customer_marks::prune_tags(tx, BATCH).await).await?;
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
