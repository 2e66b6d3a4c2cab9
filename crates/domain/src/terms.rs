//! Terms: texts that customers agree to (contract nos. 54-57). A text is never changed.

use crate::{Stamp, TermsId, Text};

/// How long a text may be, in characters.
pub const MAX_TERMS: usize = 100_000;

/// A text as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The record.
    pub id: TermsId,
    /// Who made it, and when.
    pub stamp: Stamp,
    /// What it says.
    pub terms: Text<MAX_TERMS>,
}
