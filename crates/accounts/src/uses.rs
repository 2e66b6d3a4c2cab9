//! When secrets were last used: noted in memory at once, in the database once a minute.

use std::sync::{Mutex, PoisonError};

use tenantry_domain::{AccountId, ClientKey, Instant, KeptSecret, LastUse, Result};

use crate::account::Account;
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
                    store::clients::used(tx, used.account, used.client, &used.hash, *at).await?;
                }
                Ok(())
            });
            if let Err(error) = turn.await {
                for used in waiting {
                    self.uses.put(used);
                }
                // Those were taken: unless they were used, and put there, meanwhile.
                for used in batch {
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

impl Account {
    /// Learns when other processes have written that secrets were last used.
    pub async fn learn_uses(&self) -> Result<()> {
        if !self.platform().news.come() {
            return Ok(());
        }
        let directory = self.directory();
        for stored in store::clients::of(&self.platform().store.read, self.id()).await? {
            let Some(known) = directory.clients.get(&stored.client_id) else { continue };
            for (known, stored) in known.secrets().zip(stored.secrets()) {
                if known.hash == stored.hash
                    && let Some(at) = stored.used.at()
                {
                    known.used.learn(at);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::World;

    #[actix_rt::test]
    async fn what_cannot_be_written_waits_for_the_next_time() {
        use sea_orm::ConnectionTrait;
        let world = World::new().await;
        let platform = world.registry.platform();
        let now = platform.source.now();
        for number in 0..u8::MAX {
            let key = ClientKey(uuid::Uuid::from_u128(number.into()));
            platform.uses.touch(crate::tests::operator(), key, &KeptSecret::new([number; 32]), now);
        }
        let db = sea_orm::Database::connect(&world.database.url).await.unwrap();
        db.execute_unprepared("ALTER TABLE client RENAME TO away").await.unwrap();
        platform.store_uses().await.unwrap_err();
        assert_eq!(platform.uses.0.lock().unwrap().len(), usize::from(u8::MAX));
        db.execute_unprepared("ALTER TABLE away RENAME TO client").await.unwrap();
        platform.store_uses().await.unwrap();
        assert!(platform.uses.0.lock().unwrap().is_empty());
    }
}
