//! Signing keys by their public side (contract no. 23).

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Seconds;

/// A signature algorithm of RFC 7518 or RFC 8037.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256: the default, fast to make and to use.
    #[default]
    ES256,
    /// RSA 2048 with SHA-256, for receivers that know nothing else.
    RS256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    /// The `alg` of a token's header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ES256 => "ES256",
            Self::RS256 => "RS256",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl FromStr for Algorithm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::ES256, Self::RS256, Self::EdDsa]
            .into_iter()
            .find(|algorithm| algorithm.as_str() == text)
            .ok_or_else(|| "must be ES256, RS256 or EdDSA".to_owned())
    }
}

/// What a signing key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPurpose {
    /// The tokens of the account's clients, users and customers.
    Account,
    /// Those of its installers.
    Installers,
}

impl KeyPurpose {
    /// The word in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Installers => "installers",
        }
    }
}

impl FromStr for KeyPurpose {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Account, Self::Installers]
            .into_iter()
            .find(|purpose| purpose.as_str() == text)
            .ok_or_else(|| "is no purpose of a key".to_owned())
    }
}

/// How to rotate an account's signing key.
#[derive(Debug, Clone, Copy)]
pub struct Rotation {
    /// Seconds from now until the new key signs; it is published at once. At most a day.
    pub activate_in: Seconds,
    /// Stop honouring every older key now: for a key that has leaked.
    pub revoke_previous: bool,
}
