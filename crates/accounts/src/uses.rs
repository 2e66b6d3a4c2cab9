//! When secrets were last used: noted in memory at once, in the database once a minute.

use std::sync::{Mutex, PoisonError};

use tenantry_domain::{AccountId, ClientKey, Instant, KeptSecret, LastUse, Result};

use crate::platform::Platform;
use crate::store;

/// How many are written in one turn.
const BATCH: usize = 200;

/// What has to be written. Holds each secret once, however often it is used.
#[derive(Default)]
pub(crate) struct Uses(Mutex<Vec<Use>>);

#[derive(Clone)]
struct Use {
    account: AccountId,
    client: ClientKey,
    hash: [u8; 32],
    used: LastUse,
}

impl Uses {
    /// A secret is used now.
    pub(crate) fn touch(&self, account: AccountId, client: ClientKey, secret: &KeptSecret, now: Instant) {
        if secret.used.touch(now) {
            self.put(Use { account, client, hash: secret.hash, used: secret.used.clone() });
        }
    }

    fn put(&self, used: Use) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(used);
    }

    fn take(&self) -> Vec<Use> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = waiting.len().saturating_sub(BATCH);
        waiting.split_off(rest)
    }
}

impl Platform {
    /// Writes when secrets were last used. What cannot be written now stays for the next time.
    pub async fn store_uses(&self) -> Result<()> {
        loop {
            let batch: Vec<(Use, Instant)> =
                self.uses.take().into_iter().filter_map(|used| used.used.at().map(|at| (used.clone(), at))).collect();
            if batch.is_empty() {
                return Ok(());
            }
            let noted = batch.clone();
            let turn = self.store.turns.take(async move |tx| {
                for (used, at) in &noted {
                    store::clients::used(&**tx, used.account, used.client, &used.hash, *at).await?;
                }
                Ok(())
            });
            let written = turn.await;
            for (used, at) in batch {
                if written.is_err() || used.used.store(at) {
                    self.uses.put(used);
                }
            }
            written?;
        }
    }
}
