//! What becomes of a value that may be absent, when a request may leave it out.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Left out keeps a value, null clears it, anything else sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Change<T> {
    /// It was left out.
    #[default]
    Keep,
    /// It was null.
    Clear,
    /// It was given.
    Set(T),
}

impl<T> Change<T> {
    /// The value afterwards.
    pub fn apply(self, old: Option<T>) -> Option<T> {
        match self {
            Self::Keep => old,
            Self::Clear => None,
            Self::Set(new) => Some(new),
        }
    }

    /// The same change of something made from the value.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Change<U> {
        match self {
            Self::Keep => Change::Keep,
            Self::Clear => Change::Clear,
            Self::Set(new) => Change::Set(make(new)),
        }
    }

    /// Whether it was left out.
    pub const fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }

    /// What was given, if anything was.
    pub fn given(&self) -> Option<&T> {
        match self {
            Self::Set(new) => Some(new),
            _ => None,
        }
    }
}

/// For a member with `skip_serializing_if = "Change::is_keep"`: null or a value.
impl<T: Serialize> Serialize for Change<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.given().serialize(serializer)
    }
}

/// For a member with `#[serde(default)]`: what is there is null or a value.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Change<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Clear, Self::Set))
    }
}
