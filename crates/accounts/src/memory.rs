//! How much memory accounts take that are awake, about, and how it is kept within a bound.

use std::sync::PoisonError;

use prometheus::IntGauge;
use tenantry_domain::{Audience, Client, Grant, Member, Role, Scopes, Stamp, Tag, Text};

use crate::account::Account;
use crate::directory::Directory;
use crate::keys::SigningKey;
use crate::nouns::Nouns;
use crate::platform::Platform;
use crate::registry::Registry;

/// An account without records, in bytes: its handle, its actor, its buckets, its meter. Measured (`tenantry-bench memory`).
const ACCOUNT: usize = 4_000;
/// What a record costs beside what it holds: its place in the tree of its noun, its counts of users, what the allocator rounds up.
const RECORD: usize = 120;
/// What a text costs beside its letters.
const TEXT: usize = 16;
/// What a scope costs: most are texts that are kept once for all.
const SCOPE: usize = 24;
/// What is known of a company.
const COMPANY: usize = 300;
/// What a key costs that has been parsed.
const PARSED: usize = 600;
/// Memory that is over the bound is brought down to so many hundredths of it, so that not every new account has to look for room.
const ROOM: i64 = 90;

/// Bytes of an account as of a version of it, counted for all of them as long as it lives.
pub(crate) struct Counted {
    bytes: i64,
    version: i64,
    all: IntGauge,
}

impl Counted {
    pub(crate) fn new(directory: &Directory, all: &IntGauge) -> Self {
        let bytes = i64::try_from(directory.bytes()).unwrap_or(i64::MAX);
        all.add(bytes);
        Self { bytes, version: directory.version, all: all.clone() }
    }

    /// How many bytes it takes, as of this directory. Counting walks over all of that, so no write does.
    fn of(&mut self, directory: &Directory) -> i64 {
        if self.version != directory.version {
            *self = Self::new(directory, &self.all.clone());
        }
        self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.all.sub(self.bytes);
    }
}

impl Account {
    /// How many bytes of memory it takes, about.
    pub(crate) fn bytes(&self) -> i64 {
        self.memory().lock().unwrap_or_else(PoisonError::into_inner).of(&self.directory())
    }
}

impl Directory {
    /// How many bytes it takes in memory, about, and the account with it.
    fn bytes(&self) -> usize {
        let account = &self.account;
        let company = account.company.as_ref().map_or(0, |_| COMPANY);
        let customers =
            account.customers.as_ref().map_or(0, |settings| size_of_val(&**settings) + settings.attributes.len() * RECORD);
        let own = ACCOUNT + stamp(&account.stamp) + texts([Some(account.display_name.as_str())]) + company + customers;
        own + records(&self.clients)
            + records(&self.grants)
            + records(&self.roles)
            + records(&self.members)
            + records(&self.tags)
            + records(&self.keys)
    }
}

fn records<K: Ord + Clone, V: Held>(of: &Nouns<K, V>) -> usize {
    of.values().map(|record| RECORD + size_of::<K>() + size_of::<V>() + record.held()).sum()
}

/// A record that holds more than itself.
trait Held {
    /// How many bytes.
    fn held(&self) -> usize;
}

impl Held for Client {
    fn held(&self) -> usize {
        let id = Some(self.client_id.as_str());
        let described = texts([id, id, self.name.as_ref().map(Text::as_str), self.description.as_ref().map(Text::as_str)]);
        stamp(&self.stamp) + described + texts(self.callbacks.iter().map(|uri| Some(uri.as_str())))
    }
}

impl Held for Grant {
    fn held(&self) -> usize {
        let elsewhere = if let Audience::Elsewhere(uri) = &self.audience { Some(&**uri) } else { None };
        let oidc = self
            .oidc
            .as_ref()
            .map_or(0, |oidc| texts([Some(oidc.client_id.as_str()), Some(oidc.authority.as_str())]) + oidc.sealed_secret.len());
        stamp(&self.stamp) + texts([Some(self.client_id.as_str()), elsewhere]) + oidc + scopes(&self.scope)
    }
}

impl Held for Role {
    fn held(&self) -> usize {
        let described = texts([self.name.as_ref().map(Text::as_str), self.description.as_ref().map(Text::as_str)]);
        stamp(&self.stamp) + described + scopes(&self.scope)
    }
}

impl Held for Member {
    fn held(&self) -> usize {
        let email = Some(self.email.as_str());
        let described = texts([email, email, self.name.as_ref().map(Text::as_str)]);
        stamp(&self.stamp) + described + scopes(&self.scope) + size_of_val(&*self.roles)
    }
}

impl Held for Tag {
    fn held(&self) -> usize {
        // A map of values takes a few times what it looks like.
        let metadata =
            self.metadata.as_ref().map_or(0, |metadata| 4 * serde_json::to_string(metadata).map_or(0, |text| text.len()));
        stamp(&self.stamp) + texts([Some(self.tag.as_str())]) + metadata
    }
}

impl Held for SigningKey {
    fn held(&self) -> usize {
        // The public half, and the private one as it is kept and as it is used.
        3 * self.sealed.len() + PARSED
    }
}

fn stamp(stamp: &Stamp) -> usize {
    texts([Some(stamp.created_by.as_str()), stamp.deleted.as_ref().map(|(_, by)| by.as_str())])
}

fn scopes(scopes: &Scopes) -> usize {
    scopes.iter().count() * SCOPE
}

/// Texts of their own, each with what the allocator keeps about it and what points to it.
fn texts<'t>(texts: impl IntoIterator<Item = Option<&'t str>>) -> usize {
    texts.into_iter().flatten().map(|text| text.len() + TEXT).sum()
}

impl Platform {
    /// Whether the accounts that are awake take more memory than they may.
    pub(crate) fn is_crowded(&self) -> bool {
        u64::try_from(self.measures.memory.get()).unwrap_or(0) > self.account_memory
    }
}

impl Registry {
    /// Returns when the accounts that are awake have begun to take more memory than they may.
    pub async fn crowded(&self) {
        self.platform().crowded.notified().await;
    }

    /// Counts what accounts take, and forgets those that were not used for longest, where all of them take more memory than they
    /// may. Those that were used just now stay, whatever they take: their buckets are not full.
    pub fn keep_within_memory(&self) {
        let mut resting = Vec::new();
        self.each_awake(|account| resting.push((account.used(), account.id(), account.bytes())));
        let platform = self.platform();
        if !platform.is_crowded() {
            return;
        }
        let bound = i64::try_from(platform.account_memory).unwrap_or(i64::MAX);
        resting.sort_unstable_by_key(|(used, ..)| *used);
        let mut over = platform.measures.memory.get() - bound / 100 * ROOM;
        for (_, id, bytes) in resting {
            if over <= 0 {
                break;
            }
            if self.forget(id) {
                over -= bytes;
            }
        }
    }
}
