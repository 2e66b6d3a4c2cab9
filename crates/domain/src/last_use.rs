//! When something was last used: known at once, stored now and then.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use crate::Instant;

/// When something was last used. All copies of a record share it, and it is no part of what the record is: any two are
/// equal.
#[derive(Clone, Default)]
pub struct LastUse(Arc<Noted>);

#[derive(Default)]
struct Noted {
    /// In microseconds; 0 is never.
    at: AtomicI64,
    /// Somebody has been told to store it.
    told: AtomicBool,
}

impl LastUse {
    /// As it is stored.
    #[must_use]
    pub fn stored(at: Option<Instant>) -> Self {
        Self(Arc::new(Noted { at: at.map_or(0, Instant::micros).into(), told: AtomicBool::new(false) }))
    }

    /// The last use; `None` if there was none.
    #[must_use]
    pub fn at(&self) -> Option<Instant> {
        Some(self.0.at.load(Ordering::Relaxed)).filter(|at| *at > 0).map(Instant::from_micros)
    }

    /// It is used now. `true`: whoever is told so has to store it, and nobody else has been told.
    #[must_use]
    pub fn touch(&self, now: Instant) -> bool {
        self.0.at.fetch_max(now.micros(), Ordering::Relaxed);
        !self.0.told.swap(true, Ordering::AcqRel)
    }

    /// It is stored that it was used then.
    pub fn learn(&self, stored: Instant) {
        self.0.at.fetch_max(stored.micros(), Ordering::Relaxed);
    }

    /// The moment to store. A use after this is told of again.
    #[must_use]
    pub fn take(&self) -> Option<Instant> {
        self.0.told.store(false, Ordering::Release);
        self.at()
    }
}

impl PartialEq for LastUse {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for LastUse {}

impl fmt::Debug for LastUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.at())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_is_told_of_once_until_it_is_taken() {
        let (used, at) = (LastUse::default(), Instant::from_micros);
        assert_eq!(used.at(), None);
        assert!(used.touch(at(5)));
        assert!(!used.touch(at(6)));
        assert!(!used.touch(at(4)), "the clock was set back");
        assert_eq!((used.clone().at(), used.take()), (Some(at(6)), Some(at(6))));
        assert!(used.touch(at(7)));
        assert!(!used.touch(at(8)));
    }
}
