//! An account on which the program panics again and again rests for a while: whatever it is that brings it down, others need not
//! pay for it, and the log tells of it once.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use tenantry_domain::{AccountId, Error, Result};

use crate::account::Account;
use crate::measures::Refusal;
use crate::permits::Lane;

/// So many panics within the window open the circuit.
const PANICS: u32 = 5;
/// In microseconds.
const WINDOW: i64 = 60_000_000;
/// How long it stays open, in microseconds. After that one more panic opens it again.
const REST: i64 = 10_000_000;

/// The panics of one account, by a clock that only moves forward.
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
    fn panicked(&self, account: AccountId, micros: i64) {
        if self.since.load(Ordering::Relaxed) < micros - WINDOW {
            self.since.store(micros, Ordering::Relaxed);
            self.panics.store(0, Ordering::Relaxed);
        }
        if self.panics.fetch_add(1, Ordering::Relaxed) + 1 >= PANICS {
            self.until.store(micros + REST, Ordering::Relaxed);
            let seconds = REST / 1_000_000;
            tracing::error!(%account, "the program panicked {PANICS} times on this account: it rests for {seconds} seconds");
        }
    }

    fn is_open(&self, micros: i64) -> bool {
        micros < self.until.load(Ordering::Relaxed)
    }
}

impl Account {
    /// The program panicked over this account.
    pub fn panicked(&self) {
        self.circuit().panicked(self.id(), self.platform().limits.ticks().micros());
    }

    /// `Error::Unavailable` while the account rests, but for the account above it.
    pub(crate) fn refuse_while_it_rests(&self, lane: Lane) -> Result<()> {
        if lane != Lane::Above && self.circuit().is_open(self.platform().limits.ticks().micros()) {
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
