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
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Platform {
    /// Writes when secrets were last used, as of now. What cannot be written now stays for the next time.
    pub async fn store_uses(&self) -> Result<()> {
        let mut waiting = self.uses.take();
        while !waiting.is_empty() {
            let batch = waiting.split_off(waiting.len().saturating_sub(BATCH));
            let moments: Vec<(Use, Instant)> = batch.iter().filter_map(|used| Some((used.clone(), used.used.take()?))).collect();
            let turn = self.store.turns.take(async move |tx| {
                for (used, at) in &moments {
                    store::clients::used(&**tx, used.account, used.client, &used.hash, *at).await?;
                }
                Ok(())
            });
            if let Err(error) = turn.await {
                for used in batch.into_iter().chain(waiting) {
                    // Unless it was used, and put there, meanwhile.
                    if used.used.at().is_some_and(|at| used.used.touch(at)) {
                        self.uses.put(used);
                    }
                }
                return Err(error);
            }
        }
        Ok(())
    }
}
