//! When something was last used: known at once, stored now and then.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::Instant;

/// When something was last used. All copies of a record share it, and it is no part of what the record is: any two are
/// equal.
#[derive(Clone, Default)]
pub struct LastUse(Arc<Moments>);

/// In microseconds; 0 is never.
#[derive(Default)]
struct Moments {
    at: AtomicI64,
    stored: AtomicI64,
}

impl LastUse {
    /// As it is stored.
    #[must_use]
    pub fn stored(at: Option<Instant>) -> Self {
        let at = at.map_or(0, Instant::micros);
        Self(Arc::new(Moments { at: at.into(), stored: at.into() }))
    }

    /// The last use; `None` if there was none.
    #[must_use]
    pub fn at(&self) -> Option<Instant> {
        Some(self.0.at.load(Ordering::Relaxed)).filter(|at| *at > 0).map(Instant::from_micros)
    }

    /// It is used now. `true`: somebody has to store that, and nobody has been told so before.
    #[must_use]
    pub fn touch(&self, now: Instant) -> bool {
        let before = self.0.at.swap(now.micros(), Ordering::AcqRel);
        before <= self.0.stored.load(Ordering::Acquire) && before < now.micros()
    }

    /// The use `at` has been stored. `true`: there was a later one.
    #[must_use]
    pub fn store(&self, at: Instant) -> bool {
        self.0.stored.store(at.micros(), Ordering::Release);
        self.0.at.load(Ordering::Acquire) > at.micros()
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
    fn a_use_is_told_of_once_until_it_is_stored() {
        let (used, at) = (LastUse::default(), Instant::from_micros);
        assert_eq!(used.at(), None);
        assert!(used.touch(at(5)));
        assert!(!used.touch(at(6)));
        assert_eq!(used.clone().at(), Some(at(6)));
        assert!(!used.store(at(6)));
        assert!(used.touch(at(7)));
        assert!(!used.touch(at(8)));
        assert!(used.store(at(7)), "8 came later");
        assert!(!LastUse::stored(Some(at(9))).touch(at(9)));
    }
}
