//! Roles: named bundles of scopes (contract nos. 18-22).

use crate::{RoleId, Scopes, Stamp, Text, fold};

/// What a caller says about a role; replaces all of it.
#[derive(Debug, Clone)]
pub struct RoleInput {
    /// A name, unique among the account's live roles without regard to case.
    pub name: Option<Text<255>>,
    /// What the role is for.
    pub description: Option<Text<1000>>,
    /// The scopes it gives.
    pub scope: Scopes,
}

/// A role as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// The record.
    pub id: RoleId,
    /// Who made it, and when.
    pub stamp: Stamp,
    /// Its name.
    pub name: Option<Text<255>>,
    /// What it is for.
    pub description: Option<Text<1000>>,
    /// The scopes it gives.
    pub scope: Scopes,
}

impl Role {
    /// The form of the name that is compared.
    #[must_use]
    pub fn name_key(&self) -> Option<String> {
        self.name.as_ref().map(|name| fold(name.as_str()))
    }

    /// Whether this form of a name is its own.
    #[must_use]
    pub fn is_named(&self, key: &str) -> bool {
        self.name
            .as_ref()
            .map(Text::as_str)
            .is_some_and(|name| if name.is_ascii() { name.trim().eq_ignore_ascii_case(key) } else { fold(name) == key })
    }

    /// The same as [`Self::name_key`], of a name that a document can say: it is not blank, and not what could be an id.
    #[must_use]
    pub fn document_key(&self) -> Option<String> {
        self.name_key().filter(|key| !key.is_empty() && key.parse::<RoleId>().is_err())
    }
}
