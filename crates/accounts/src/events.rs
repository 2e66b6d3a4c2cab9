//! The log of an account: what happened, who did it, from where and on whose behalf.
//!
//! Configuration events have a gapless `seq` (the account's version) and are chained:
//! `hash(n) = SHA-256(hash(n-1) | n | SHA-256(salt | content))`. So content can be erased and the chain still stands.
//! Activity (exchanges) has neither.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tenantry_domain::{AccountId, EventId, Instant, Result};

use crate::account::Account;
use crate::caller::{Act, Caller};
use crate::permits::Lane;
use crate::store;

/// What an event tells; the JSON form is what is hashed and stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Content {
    /// `noun.verb`, `role.created`.
    pub kind: Cow<'static, str>,
    /// Microseconds since 1970.
    pub at: i64,
    /// Who did it: a client's id, the subject of a person, or `system`.
    pub subject: String,
    /// The partner that acted, when it was not the account itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Act>,
    /// The record it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The caller's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// The caller's program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// The request that did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The record before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// The record after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

impl Content {
    pub(crate) fn new(kind: &'static str, at: Instant, by: &Caller, target: impl std::fmt::Display) -> Self {
        Self {
            kind: kind.into(),
            at: at.micros(),
            subject: by.subject().to_owned(),
            act: by.act().cloned(),
            target: Some(target.to_string()),
            ip: by.origin.ip.map(|ip| ip.to_string()),
            user_agent: by.origin.user_agent.clone(),
            request_id: by.origin.request_id.clone(),
            before: None,
            after: None,
        }
    }

    pub(crate) fn before(self, before: impl Into<Option<Value>>) -> Self {
        Self { before: before.into(), ..self }
    }

    pub(crate) fn after(self, after: impl Into<Option<Value>>) -> Self {
        Self { after: after.into(), ..self }
    }
}

/// What joins a configuration event to the one before it.
pub(crate) struct Link {
    pub(crate) seq: i64,
    pub(crate) salt: [u8; 16],
    pub(crate) content_hash: [u8; 32],
    pub(crate) hash: [u8; 32],
}

impl Link {
    pub(crate) fn new(head: &[u8; 32], seq: i64, salt: [u8; 16], content: &str) -> Self {
        let content_hash = Self::content_hash(&salt, content);
        Self { seq, salt, content_hash, hash: Self::hash(head, seq, &content_hash) }
    }

    pub(crate) fn content_hash(salt: &[u8], content: &str) -> [u8; 32] {
        sha256(&[salt, content.as_bytes()])
    }

    pub(crate) fn hash(head: &[u8; 32], seq: i64, content_hash: &[u8; 32]) -> [u8; 32] {
        sha256(&[head, &seq.to_be_bytes(), content_hash])
    }
}

/// SHA-256 of the parts, one after the other. Every request has one, of its token: without the indirections of `aws-lc-rs`, which
/// cost as much as the hash of so little.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// An event as it is read back.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The record.
    pub id: EventId,
    /// Its number, if it is one of configuration.
    pub seq: Option<i64>,
    /// When.
    pub at: Instant,
    /// What.
    pub kind: String,
    /// Who.
    pub subject: String,
    /// The rest; `None` once erased.
    pub content: Option<Content>,
}

/// Which events to read; all conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Exactly this kind.
    pub kind: Option<String>,
    /// Exactly this subject.
    pub subject: Option<String>,
    /// At or after this moment.
    pub since: Option<Instant>,
    /// Before this moment.
    pub until: Option<Instant>,
    /// Beyond this event.
    pub after: Option<EventId>,
    /// The latest first, else in order of time.
    pub latest_first: bool,
    /// How many at most.
    pub limit: u64,
}

impl Account {
    /// A page of the account's log.
    pub async fn events(&self, filter: &EventFilter) -> Result<Vec<Event>> {
        store::events::page(&self.platform().store, self.id(), filter).await
    }

    /// Checks the whole chain of configuration events and returns how many there are.
    pub async fn verify_events(&self) -> Result<i64> {
        store::events::verify(&self.platform().store.read, self.id()).await
    }

    /// An activity of this account, about `target`.
    pub(crate) fn activity(&self, kind: &'static str, by: &Caller, target: impl std::fmt::Display) -> Content {
        Content::new(kind, self.now(), by, target)
    }

    /// That somebody has logged in, as its own doing through the client that calls: so it goes with whoever is erased.
    pub(crate) fn logged_in(&self, by: &Caller, subject: String, target: impl std::fmt::Display) -> Content {
        let told = self.activity("user.logged_in", by, target);
        Content { after: Some(json!({"client_id": told.subject})), subject, ..told }
    }

    /// Appends an activity to this account's log, in the transaction that it tells of.
    pub(crate) fn tell(&self, tx: &store::Tx<'_>, content: &Content) {
        let id = EventId(self.platform().source.id(Instant::from_micros(content.at)));
        tx.append(store::events::row(self.id(), id, store::events::Told::new(content).into(), None));
    }

    /// Tells the same activity in the logs of two accounts, in one transaction: an exchange concerns both.
    pub(crate) async fn tell_both(&self, other: AccountId, content: Content) -> Result<()> {
        let platform = self.platform();
        let permit = self.enter(Lane::Reserved).await?;
        let entry = store::Entry::new([self.id(), other], &content);
        platform.store.journal.tell(entry, platform.source.clone(), permit).await
    }
}
