//! What all accounts share: the database, the clock, the master key, the public name, the measures.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts};
use std::time::Duration;
use tenantry_domain::{PublicUrl, Seconds};
use tokio::sync::Semaphore;

use crate::source::Source;
use crate::store::Store;
use crate::tokens::Signatures;
use crate::vault::Vault;

/// How many verified signatures are remembered.
const SIGNATURES: u64 = 50_000;

/// Shared by every account of one process.
pub struct Platform {
    pub(crate) store: Store,
    pub(crate) source: Source,
    pub(crate) vault: Vault,
    pub(crate) public: PublicUrl,
    pub(crate) token_lifetime: Seconds,
    pub(crate) signatures: Signatures,
    /// Leave to make an RSA key.
    pub(crate) key_making: Semaphore,
    pub(crate) measures: Measures,
}

impl Platform {
    /// `token_lifetime`: how long access tokens live where an account says nothing, in seconds.
    pub fn new(store: Store, source: Source, vault: Vault, public: PublicUrl, token_lifetime: Seconds) -> Self {
        let lifetime = Duration::from_secs(crate::Directory::LONGEST_TOKEN.unsigned_abs());
        let signatures = Signatures::builder().max_capacity(SIGNATURES).time_to_live(lifetime).build();
        Self {
            store,
            source,
            vault,
            public,
            token_lifetime,
            signatures,
            key_making: Semaphore::new(1),
            measures: Measures::new(),
        }
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

    /// What is counted here, for Prometheus.
    pub fn measures(&self) -> &Measures {
        &self.measures
    }
}

/// Counters of the account runtime.
pub struct Measures {
    pub(crate) live: IntGauge,
    pub(crate) activations: IntCounter,
    pub(crate) tokens: IntCounterVec,
    writes: Histogram,
    failed_writes: IntCounter,
}

impl Measures {
    fn new() -> Self {
        let tokens = Opts::new("tenantry_tokens_issued_total", "Access tokens issued, by grant type.");
        let writes = HistogramOpts::new(
            "tenantry_account_write_duration_seconds",
            "Time from the request of a configuration write to its outcome, including its wait and its commit.",
        );
        let buckets = vec![0.000_5, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 4.096];
        let valid = "the names and labels of our own metrics are valid";
        Self {
            live: IntGauge::new("tenantry_accounts_live", "Accounts that are awake in this process.").expect(valid),
            activations: IntCounter::new("tenantry_account_activations_total", "Accounts loaded from the database.")
                .expect(valid),
            tokens: IntCounterVec::new(tokens, &["grant_type"]).expect(valid),
            writes: Histogram::with_opts(writes.buckets(buckets)).expect(valid),
            failed_writes: IntCounter::new(
                "tenantry_account_writes_failed_total",
                "Configuration writes that were refused or failed.",
            )
            .expect(valid),
        }
    }

    /// Adds these metrics to a registry.
    pub fn register(&self, registry: &prometheus::Registry) -> prometheus::Result<()> {
        registry.register(Box::new(self.live.clone()))?;
        registry.register(Box::new(self.activations.clone()))?;
        registry.register(Box::new(self.tokens.clone()))?;
        registry.register(Box::new(self.writes.clone()))?;
        registry.register(Box::new(self.failed_writes.clone()))
    }

    pub(crate) fn write(&self, took: Duration, succeeded: bool) {
        self.writes.observe(took.as_secs_f64());
        if !succeeded {
            self.failed_writes.inc();
        }
    }
}
