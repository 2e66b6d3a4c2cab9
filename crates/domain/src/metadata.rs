//! What callers keep with a record for themselves.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Change;

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

    /// Where the server notes what a customer was called before (contract no. 36). Not counted, and not for callers to change.
    const TRAIL: &str = "tenantry_change_customer_id_";
    /// How many of these notes are kept.
    const NOTES: usize = 100;

    /// The pairs after a change: what is null goes.
    ///
    /// Errors: what is wrong with them, for people.
    pub fn with(self, change: Change<Map<String, Value>>) -> Result<Self, String> {
        let of_callers = |(key, _): &(String, Value)| !key.starts_with(Self::TRAIL);
        let (mut pairs, trail): (Map<_, _>, Map<_, _>) = self.0.into_iter().partition(of_callers);
        match change {
            Change::Keep => {}
            Change::Clear => pairs.clear(),
            Change::Set(given) => {
                for (key, value) in given.into_iter().filter(of_callers) {
                    if value.is_null() {
                        pairs.remove(&key);
                    } else {
                        pairs.insert(key, value);
                    }
                }
            }
        }
        let mut next = Self::parse(pairs)?;
        next.0.extend(trail);
        Ok(next)
    }

    /// Notes that a customer was called something else until now.
    pub fn note_name(&mut self, mark: &str, note: Value) {
        let trail: Vec<String> = self.0.keys().filter(|key| key.starts_with(Self::TRAIL)).cloned().collect();
        if let Some(oldest) = trail.first().filter(|_| trail.len() >= Self::NOTES) {
            self.0.remove(oldest);
        }
        self.0.insert(format!("{}{mark}", Self::TRAIL), note);
    }

    /// What a customer was called before.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(key, _)| key.starts_with(Self::TRAIL)).filter_map(|(_, note)| note["old"].as_str())
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
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
