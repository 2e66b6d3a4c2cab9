//! What all accounts share: the database, the clock, the master key, the public name, the limits, the measures.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tenantry_domain::{AccountId, Allowance, Error, Mode, PublicUrl, Result, Seconds, Text};
use tenantry_federation::Providers;
use tokio::sync::{Notify, Semaphore, SemaphorePermit};

use crate::hashing::Hashes;
use crate::leases::Leases;
use crate::limits::{Limits, Quotas};
use crate::measures::Measures;
use crate::news::News;
use crate::source::Source;
use crate::store::Store;
use crate::tokens::Signatures;
use crate::usage::Trees;
use crate::uses::Uses;
use crate::vault::Vault;

/// How many verified signatures are remembered.
const SIGNATURES: u64 = 120_000;
/// How many files of accounts are read and written at a time.
const TRANSFERS: usize = 2;

/// Shared by every account of one process.
pub struct Platform {
    pub(crate) store: Store,
    pub(crate) source: Source,
    pub(crate) vault: Vault,
    pub(crate) public: PublicUrl,
    pub(crate) token_lifetime: Seconds,
    pub(crate) session_lifetime: Seconds,
    pub(crate) signing_key_lifetime: Seconds,
    pub(crate) hashes: Hashes,
    /// Identity providers elsewhere.
    pub(crate) providers: Providers,
    /// Told when something was put out.
    pub(crate) mail: Notify,
    pub(crate) signatures: Signatures,
    /// Leave to make an RSA key.
    pub(crate) key_making: Semaphore,
    /// Leave to read or write the file of an account.
    transfers: Semaphore,
    /// The account whose installers are served where a path names none, and the first version of their terms.
    pub(crate) installers: (AccountId, Text<50>),
    pub(crate) limits: Limits,
    pub(crate) uses: Uses,
    pub(crate) news: News,
    pub(crate) leases: Leases,
    /// Whether other processes are told of each write at once.
    pub(crate) notify: bool,
    /// How much memory accounts may take that are awake, in bytes.
    pub(crate) account_memory: u64,
    /// Told when they take more.
    pub(crate) crowded: Notify,
    pub(crate) trees: Trees,
    pub(crate) measures: Arc<Measures>,
}

/// What an operator chooses of the runtime.
#[derive(Debug, Clone)]
pub struct Choices {
    /// How long access tokens live where an account says nothing, in seconds.
    pub token_lifetime: Seconds,
    /// How long a person's session lives at most, in seconds, however often it is refreshed.
    pub session_lifetime: Seconds,
    /// How old a signing key becomes before another one follows it, in seconds; 0: whenever somebody says so.
    pub signing_key_lifetime: Seconds,
    /// How many threads hash passwords.
    pub hash_threads: usize,
    /// Rates where an account says nothing; `None` limits no rate.
    pub quotas: Option<Quotas>,
    /// Whether identity providers may stand on this very machine. For development.
    pub federation_loopback: bool,
    /// How long after another process has acknowledged a write requests may still be judged by what stood there before.
    pub freshness: Duration,
    /// Whether other processes are told of each write at once, through PostgreSQL.
    pub notify: bool,
    /// How much memory accounts may take that are awake, in bytes.
    pub account_memory: u64,
    /// The account whose installers are served where a path names none.
    pub installer_account: AccountId,
    /// The first version of the terms for its installers.
    pub installer_terms: Text<50>,
}

impl Default for Choices {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            token_lifetime: 14_400,
            session_lifetime: 2_592_000,
            signing_key_lifetime: 90 * 86_400,
            // One core is left to answer requests.
            hash_threads: cores.saturating_sub(1).max(1),
            quotas: Some(Quotas::default()),
            federation_loopback: false,
            freshness: Duration::from_secs(2),
            notify: false,
            account_memory: 1 << 30,
            installer_account: AccountId::owner(Mode::Production),
            installer_terms: "2024-01".parse().expect("it is a version"),
        }
    }
}

impl Platform {
    /// A runtime on this database, known to the world by this URL.
    pub fn new(store: Store, source: Source, vault: Vault, public: PublicUrl, choices: Choices) -> Self {
        let measures = store.measures.clone();
        Self {
            limits: Limits::new(choices.quotas, source.clone(), measures.clone()),
            hashes: Hashes::start(choices.hash_threads, source.bytes(), measures.clone()),
            providers: Providers::new(choices.federation_loopback),
            mail: Notify::new(),
            uses: Uses::default(),
            notify: choices.notify,
            leases: Leases::new(source.id(source.now())),
            news: News::new(store.news.clone(), choices.freshness),
            store,
            source,
            vault,
            public,
            token_lifetime: choices.token_lifetime,
            session_lifetime: choices.session_lifetime,
            signing_key_lifetime: choices.signing_key_lifetime,
            signatures: Signatures::new(SIGNATURES),
            key_making: Semaphore::new(1),
            transfers: Semaphore::new(TRANSFERS),
            account_memory: choices.account_memory,
            crowded: Notify::new(),
            trees: Trees::default(),
            installers: (choices.installer_account, choices.installer_terms),
            measures,
        }
    }

    /// Leave to read or write the file of an account; `Error::Busy` while others do.
    pub(crate) fn transfer(&self) -> Result<SemaphorePermit<'_>> {
        self.transfers.try_acquire().map_err(|_| Error::Busy)
    }

    /// Where the world reaches this service.
    pub fn public(&self) -> &PublicUrl {
        &self.public
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Time and randomness.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The account whose installers are served where a path names none.
    pub fn installer_account(&self) -> AccountId {
        self.installers.0
    }

    /// Bytes that nobody can foretell.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        self.source.bytes()
    }

    /// Charges an address for a request that proves nothing; `Error::RateLimited` when its rate is used up.
    pub fn charge(&self, address: Option<IpAddr>) -> Result<Option<Allowance>> {
        self.limits.charge(address)
    }

    /// `Error::RateLimited` for an address whose rate is used up; it is not charged.
    pub fn refuse_exhausted(&self, address: Option<IpAddr>) -> Result<()> {
        self.limits.refuse_exhausted(address)
    }
}
