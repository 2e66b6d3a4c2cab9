//! An account on which the program panics again and again rests for a while: whatever it is that brings it down, others need not
//! pay for it, and the log tells of it once.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use tenantry_domain::{AccountId, Error, Instant, Result, Seconds};

use crate::account::Account;
use crate::measures::Refusal;
use crate::permits::Lane;

/// So many panics within the window open the circuit.
const PANICS: u32 = 5;
/// In seconds.
const WINDOW: Seconds = 60;
/// How long it stays open, in seconds. After that one more panic opens it again.
const REST: Seconds = 10;

/// The panics of one account.
#[derive(Default)]
pub(crate) struct Circuit {
    panics: AtomicU32,
    /// When the window began.
    since: AtomicI64,
    /// Until when it is open.
    until: AtomicI64,
}

impl Circuit {
    /// One more panic. Approximate where several happen at once: nothing that has to be right rests on it.
    fn panicked(&self, account: AccountId, now: Instant) {
        if self.since.load(Ordering::Relaxed) < now.plus(-WINDOW).micros() {
            self.since.store(now.micros(), Ordering::Relaxed);
            self.panics.store(0, Ordering::Relaxed);
        }
        if self.panics.fetch_add(1, Ordering::Relaxed) + 1 >= PANICS {
            self.until.store(now.plus(REST).micros(), Ordering::Relaxed);
            tracing::error!(%account, "the program panicked {PANICS} times on this account: it rests for {REST} seconds");
        }
    }

    fn is_open(&self, now: Instant) -> bool {
        now.micros() < self.until.load(Ordering::Relaxed)
    }
}

impl Account {
    /// The program panicked over this account.
    pub fn panicked(&self) {
        self.circuit().panicked(self.id(), self.now());
    }

    /// `Error::Unavailable` while the account rests, but for the account above it.
    pub(crate) fn refuse_while_it_rests(&self, lane: Lane) -> Result<()> {
        if lane != Lane::Above && self.circuit().is_open(self.now()) {
            self.platform().measures.refused(Refusal::Circuit);
            return Err(Error::Unavailable);
        }
        Ok(())
    }
}

/// Notes a panic that unwinds through it.
pub(crate) struct Witness(pub(crate) Account);

impl Drop for Witness {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.panicked();
        }
    }
}
