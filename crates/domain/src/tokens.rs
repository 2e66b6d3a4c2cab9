//! Tokens of customers, pairs of a type and a value by which a till knows them, and what happens to such pairs
//! (contract nos. 37-42).

use std::str::FromStr;

use serde_json::{Map, Value};

use crate::{Customer, CustomerKey, Instant, Stamp, Text, TokenKey, TokenPairId};

/// What a token is known by: its type, of at most 100 characters, and its value, of at most 500 bytes. Compared as they are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenPair {
    /// What kind of token.
    pub kind: String,
    /// Which.
    pub value: String,
}

impl TokenPair {
    /// Types of tokens that the server makes begin so.
    const OWN: [&str; 2] = ["sha256:", "hmac-sha256:"];

    /// Checks a type.
    pub fn check_kind(kind: &str) -> Result<(), String> {
        Text::<100>::not_blank(kind).map(drop)
    }

    /// Checks a value.
    pub fn check_value(value: &str) -> Result<(), String> {
        if value.len() > 500 {
            return Err("must be at most 500 bytes".to_owned());
        }
        Text::<500>::not_blank(value).map(drop)
    }

    /// Refuses a type of tokens that only the server makes.
    pub fn refuse_own(kind: &str) -> Result<(), String> {
        if Self::OWN.iter().any(|own| kind.to_ascii_lowercase().starts_with(own)) {
            Err("is of tokens that the server makes itself".to_owned())
        } else {
            Ok(())
        }
    }
}

/// What a token is called: 1 to 255 characters without outer blanks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenId(Box<str>);

impl TokenId {
    /// The text form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TokenId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // The rules of a customer_id.
        text.parse::<crate::CustomerId>().map(|id| Self(id.as_str().into()))
    }
}

/// What is said of a new token.
#[derive(Debug, Clone)]
pub struct TokenInput {
    /// What it is known by.
    pub pair: TokenPair,
    /// What it is called; made if left out.
    pub token_id: Option<TokenId>,
    /// What the caller keeps with it.
    pub metadata: Option<Map<String, Value>>,
}

/// A token as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    /// The record.
    pub key: TokenKey,
    /// Who made it, and when.
    pub stamp: Stamp,
    /// Whose it is; nobody's once its customer was erased.
    pub customer: Option<CustomerKey>,
    /// What it is called.
    pub token_id: TokenId,
    /// What it is known by.
    pub pair: TokenPair,
    /// What the caller keeps with it.
    pub metadata: Option<Map<String, Value>>,
    /// Whether the server keeps it in step with a field of its customer.
    pub auto: bool,
}

/// Something that happened to a pair.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenEventInput {
    /// What.
    pub event: String,
    /// What has become of the pair.
    pub status: Option<String>,
    /// What the caller keeps with it.
    pub metadata: Option<Map<String, Value>>,
}

/// The same as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenEvent {
    /// When.
    pub created_at: Instant,
    /// Until when it counts.
    pub expires_at: Option<Instant>,
    /// What.
    pub said: TokenEventInput,
}

/// A pair to which something happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Followed {
    /// The record.
    pub id: TokenPairId,
    /// When something last happened to it.
    pub updated_at: Instant,
    /// What happened and still counts, the latest first.
    pub events: Vec<TokenEvent>,
}

/// Everything about a pair.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenDetail {
    /// The pair's record, or an id that was made up where there is none.
    pub id: TokenPairId,
    /// Whose token it is.
    pub customer: Option<Customer>,
    /// The live token.
    pub token: Option<Token>,
    /// What happened and still counts, the latest first.
    pub events: Vec<TokenEvent>,
}

/// The status of a pair of which nobody has said any.
const UNKNOWN: &str = "UNKNOWN";
/// The status of a pair that was taken from its events.
pub const DELETED: &str = "DELETED";

/// What has become of a pair, by what happened to it, the latest first.
#[must_use]
pub fn status(events: &[TokenEvent]) -> &str {
    events.iter().find_map(|event| event.said.status.as_deref()).unwrap_or(UNKNOWN)
}

impl TokenDetail {
    /// Its customer's status, else what has become of the pair.
    #[must_use]
    pub fn status(&self) -> &str {
        let of_customer = self.customer.as_ref().and_then(|customer| customer.profile.status.as_deref());
        of_customer.unwrap_or_else(|| status(&self.events))
    }
}
