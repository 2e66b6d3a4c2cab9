//! What callers keep with a record for themselves.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Free pairs of a key and any JSON value, as they were given; the server does nothing with them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Metadata(Map<String, Value>);

impl Metadata {
    /// How many keys a record may have.
    const KEYS: usize = 40;
    /// How long a key may be, in characters.
    const KEY: usize = 255;
    /// How long all of it may be as JSON, in bytes.
    const BYTES: usize = 16 * 1024;

    /// Checks what somebody wants to keep.
    pub fn parse(pairs: Map<String, Value>) -> Result<Self, String> {
        if pairs.len() > Self::KEYS {
            return Err(format!("must have at most {} keys", Self::KEYS));
        }
        if pairs.keys().any(|key| !(1..=Self::KEY).contains(&key.chars().count())) {
            return Err(format!("keys must be 1 to {} characters", Self::KEY));
        }
        let metadata = Self(pairs);
        let bytes = serde_json::to_string(&metadata).map_err(|error| error.to_string())?.len();
        if bytes > Self::BYTES { Err(format!("must be at most {} bytes of JSON", Self::BYTES)) } else { Ok(metadata) }
    }

    /// The pairs.
    #[must_use]
    pub const fn pairs(&self) -> &Map<String, Value> {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_free_within_limits() {
        let pairs = |keys: usize, value: &str| (0..keys).map(|n| (format!("k{n}"), Value::from(value))).collect::<Map<_, _>>();
        assert!(Metadata::parse(pairs(40, "x")).is_ok());
        assert!(Metadata::parse(pairs(41, "x")).is_err());
        assert!(Metadata::parse(pairs(1, &"x".repeat(16_384))).is_err());
        let named = |key: &str| Metadata::parse(std::iter::once((key.to_owned(), Value::Null)).collect());
        assert!(named("").is_err() && named(&"å".repeat(256)).is_err());
        assert!(named(&"å".repeat(255)).is_ok());
    }
}
