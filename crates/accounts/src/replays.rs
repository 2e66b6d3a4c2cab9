//! Requests that are to be acted on once, however often they are sent with the same `Idempotency-Key`.

use tenantry_domain::{Error, Result, Seconds};
use uuid::Uuid;

use crate::account::Account;
use crate::caller::Caller;
use crate::customers::Known;
use crate::store;

/// How long an answer is given again to whoever repeats a request, in seconds.
pub(crate) const REPLAYS: Seconds = 86_400;

/// Marks requests that mean the same one.
#[derive(Debug, Clone)]
pub struct Idempotency {
    /// The caller's name for the request.
    pub key: String,
    /// What was sent.
    pub content: Vec<u8>,
}

impl Account {
    /// The name of a request, and of what it says, from which nothing of it can be read.
    pub(crate) fn replay_of(&self, by: &Caller, idempotency: &Idempotency) -> (Uuid, Uuid) {
        let vault = &self.platform().vault;
        let name = format!("{}\0{}", by.subject(), idempotency.key);
        let content = vault.alias_of(self.id(), "request", &idempotency.content);
        (vault.alias(self.id(), "idempotency key", &name), content)
    }

    /// What was answered to this request before.
    pub(crate) async fn replayed(&self, (id, content): (Uuid, Uuid)) -> Result<Option<Known>> {
        let kept = store::replays::find(&self.platform().store.read, self.id(), id, self.now()).await?;
        self.replay(kept, content).await
    }

    pub(crate) async fn replay(&self, kept: Option<store::replays::Replay>, content: Uuid) -> Result<Option<Known>> {
        match kept {
            Some(kept) if kept.request != content => Err(Error::IdempotencyConflict),
            Some(kept) => self.known(store::customers::unpack(&kept.answer)?, false).await.map(Some),
            None => Ok(None),
        }
    }
}
