//! Tags: what an account calls groups of its customers (contract nos. 49-51).

use crate::{Metadata, Stamp, TagId, Text, fold};

/// What is said of a new tag.
#[derive(Debug, Clone)]
pub struct TagInput {
    /// Its text, unique among the account's live tags without regard to case.
    pub tag: Text<255>,
    /// What the caller keeps with it.
    pub metadata: Option<Metadata>,
}

/// A tag as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// The record.
    pub id: TagId,
    /// Who made it, and when.
    pub stamp: Stamp,
    /// Its text.
    pub tag: Text<255>,
    /// What the caller keeps with it.
    pub metadata: Option<Metadata>,
}

impl Tag {
    /// The form of the text that is compared.
    #[must_use]
    pub fn key(&self) -> String {
        fold(self.tag.as_str())
    }
}
