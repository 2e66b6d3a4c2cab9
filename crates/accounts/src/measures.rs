//! What is counted of the account runtime, for Prometheus.

use std::time::Duration;

use prometheus::{Histogram, IntCounter, IntGauge};
use tenantry_domain::Limit;

use crate::catalogue::Catalogue;

/// Half a millisecond to four seconds.
const SECONDS: [f64; 13] = [0.000_5, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 4.096];
/// Ten microseconds to one second.
const SHORT: [f64; 11] = [0.000_01, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.005, 0.025, 0.1, 0.25, 1.0];

/// Why work was turned away before it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Rate(Limit),
    /// The account has as many writes under way as it may.
    Permits,
    /// Too many turns wait for the database's writer.
    Turns,
    /// Signing keys are being made and others wait.
    Keys,
    /// Too many passwords of the account, or of all accounts, wait to be hashed.
    Hashes,
    /// Too many attempts to log in have failed.
    Attempts,
    /// The program panicked over the account again and again.
    Circuit,
}

/// Which grant issued a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Issued {
    ClientCredentials,
    /// The second step of contract section 5.1.
    Exchange,
    /// RFC 8693.
    TokenExchange,
    Password,
    AuthorizationCode,
    AccountUser,
    Identity,
    Installer,
    Refresh,
}

/// Why a snapshot was read from the database again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reload {
    /// Nobody saw how a write ended.
    Doubt,
    /// Another process had written.
    Behind,
}

/// Why an account left memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passivation {
    /// Nobody has used it for long.
    Idle,
    /// There was no room.
    Memory,
}

/// Counters of the account runtime.
pub(crate) struct Measures {
    pub(crate) live: IntGauge,
    pub(crate) memory: IntGauge,
    pub(crate) activations: IntCounter,
    passivations: [IntCounter; 2],
    pub(crate) permits: IntGauge,
    pub(crate) addresses: IntGauge,
    pub(crate) looks_failed: IntCounter,
    pub(crate) looked_at: IntGauge,
    pub(crate) statements: Histogram,
    pub(crate) hashes: Histogram,
    pub(crate) hash_wait: Histogram,
    pub(crate) hashes_waiting: IntGauge,
    tokens: [IntCounter; 9],
    refusals: [IntCounter; 10],
    reloads: [IntCounter; 2],
    signatures: [IntCounter; 2],
    writes: Histogram,
    failed_writes: IntCounter,
    mailbox_wait: Histogram,
    turn_size: Histogram,
    commits: Histogram,
}

impl Measures {
    /// All of them, at zero.
    pub(crate) fn new(all: &mut Catalogue) -> Self {
        let [address, account, client, tree] = Limit::ALL.map(Limit::name);
        Self {
            live: all.gauge("tenantry_accounts_live", "Accounts that are awake in this process."),
            memory: all.gauge("tenantry_accounts_memory_bytes", "Memory of the accounts that are awake, about."),
            activations: all.counter("tenantry_account_activations_total", "Accounts loaded from the database."),
            passivations: all.counters(
                "tenantry_account_passivations_total",
                "Accounts that left memory: nobody used them, or there was no room.",
                "cause",
                ["idle", "memory"],
            ),
            permits: all.gauge("tenantry_account_permits_in_use", "Writes that run or wait, over all accounts."),
            looked_at: all.gauge(
                "tenantry_news_last_success_timestamp_seconds",
                "When what other processes have written was last looked for, in seconds since 1970; 0 where no others serve.",
            ),
            looks_failed: all.counter("tenantry_news_failures_total", "Looks for what other processes have written that failed."),
            addresses: all.gauge(
                "tenantry_limited_addresses",
                "Addresses, or networks of them, whose rates are counted; read off at each sweep.",
            ),
            statements: all.histogram(
                "tenantry_database_statement_duration_seconds",
                "Time of one SQL statement, or of several that are sent together.",
                &SHORT,
            ),
            hashes: all.histogram("tenantry_password_hash_duration_seconds", "Time of hashing one password.", &SECONDS),
            hash_wait: all.histogram(
                "tenantry_password_hash_wait_seconds",
                "Time a password waits for a thread that hashes it.",
                &SECONDS,
            ),
            hashes_waiting: all.gauge("tenantry_password_hashes_waiting", "Passwords that wait for a thread that hashes them."),
            tokens: all.counters(
                "tenantry_tokens_issued_total",
                "Access tokens issued.",
                "grant_type",
                [
                    "client_credentials",
                    "exchange",
                    "token_exchange",
                    "password",
                    "authorization_code",
                    "account_user",
                    "identity",
                    "installer",
                    "refresh_token",
                ],
            ),
            refusals: all.counters(
                "tenantry_refusals_total",
                "Work turned away before it began: a rate is used up, or a queue is full.",
                "reason",
                [address, account, client, tree, "permits", "turns", "keys", "hashes", "attempts", "circuit"],
            ),
            reloads: all.counters(
                "tenantry_snapshot_reloads_total",
                "Snapshots read from the database again: a write's end was not seen, or another process had written.",
                "cause",
                ["doubt", "behind"],
            ),
            signatures: all.counters(
                "tenantry_signature_cache_requests_total",
                "Bearer tokens whose signature was remembered, or had to be verified.",
                "outcome",
                ["hit", "miss"],
            ),
            writes: all.histogram(
                "tenantry_account_write_duration_seconds",
                "Time from the request of a configuration write to its outcome, including its wait and its commit.",
                &SECONDS,
            ),
            failed_writes: all
                .counter("tenantry_account_writes_failed_total", "Configuration writes that were refused or failed."),
            mailbox_wait: all.histogram(
                "tenantry_account_mailbox_wait_seconds",
                "Time a write waits in its account's mailbox before it runs.",
                &SHORT,
            ),
            turn_size: all.histogram(
                "tenantry_commit_turns",
                "Writes that shared one commit.",
                &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0],
            ),
            commits: all.histogram("tenantry_commit_duration_seconds", "Time of one commit, until it is durable.", &SECONDS),
        }
    }

    pub(crate) fn write(&self, took: Duration, succeeded: bool) {
        self.writes.observe(took.as_secs_f64());
        if !succeeded {
            self.failed_writes.inc();
        }
    }

    pub(crate) fn waited(&self, took: Duration) {
        self.mailbox_wait.observe(took.as_secs_f64());
    }

    pub(crate) fn commit(&self, turns: u32, took: Duration) {
        self.turn_size.observe(turns.into());
        self.commits.observe(took.as_secs_f64());
    }

    pub(crate) fn refused(&self, why: Refusal) {
        let place = match why {
            Refusal::Rate(Limit::Address) => 0,
            Refusal::Rate(Limit::Account) => 1,
            Refusal::Rate(Limit::Client) => 2,
            Refusal::Rate(Limit::Tree) => 3,
            Refusal::Permits => 4,
            Refusal::Turns => 5,
            Refusal::Keys => 6,
            Refusal::Hashes => 7,
            Refusal::Attempts => 8,
            Refusal::Circuit => 9,
        };
        self.refusals[place].inc();
    }

    pub(crate) fn issued(&self, by: Issued) {
        self.tokens[by as usize].inc();
    }

    pub(crate) fn reloaded(&self, why: Reload) {
        self.reloads[why as usize].inc();
    }

    pub(crate) fn forgotten(&self, why: Passivation) {
        self.live.dec();
        self.passivations[why as usize].inc();
    }

    pub(crate) fn signature(&self, known: bool) {
        self.signatures[usize::from(!known)].inc();
    }
}
