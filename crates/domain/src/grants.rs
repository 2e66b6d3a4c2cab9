//! Grants: which scopes a client may obtain for an audience (contract nos. 15-17).

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Audience, ClientId, ClientKey, GrantId, Scopes, Secret, Stamp};

/// Which token request may use a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// Every kind.
    #[default]
    Any,
    /// One-time codes and federation.
    AuthorizationCode,
    /// The client for itself.
    ClientCredentials,
    /// A user's name and password.
    Password,
}

impl GrantType {
    /// The name in requests and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::AuthorizationCode => "authorization_code",
            Self::ClientCredentials => "client_credentials",
            Self::Password => "password",
        }
    }
}

impl FromStr for GrantType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Any, Self::AuthorizationCode, Self::ClientCredentials, Self::Password]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| "must be any, authorization_code, client_credentials or password".to_owned())
    }
}

/// An identity provider that vouches for people, as a caller gives it.
#[derive(Debug, Clone)]
pub struct OidcInput {
    /// Our id there.
    pub client_id: String,
    /// Our secret there.
    pub client_secret: Secret,
    /// Its issuer URL.
    pub authority: String,
}

/// An identity provider as it is kept: the secret encrypted under the master key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oidc {
    /// Our id there.
    pub client_id: String,
    /// Our secret there, sealed.
    pub sealed_secret: Vec<u8>,
    /// Its issuer URL.
    pub authority: String,
}

/// What a caller says about a grant.
#[derive(Debug, Clone)]
pub struct GrantInput {
    /// Who may ask.
    pub client_id: ClientId,
    /// For whom the tokens are.
    pub audience: Audience,
    /// What they carry.
    pub scope: Scopes,
    /// Which token request may use it.
    pub kind: GrantType,
    /// An identity provider; needs `authorization_code`.
    pub oidc: Option<OidcInput>,
}

/// A grant as it is kept. One for each (client, audience, type).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The record.
    pub id: GrantId,
    /// Who made it, and when.
    pub stamp: Stamp,
    /// The client's record.
    pub client: ClientKey,
    /// The client's public name.
    pub client_id: ClientId,
    /// For whom the tokens are.
    pub audience: Audience,
    /// What they carry.
    pub scope: Scopes,
    /// Which token request may use it.
    pub kind: GrantType,
    /// An identity provider.
    pub oidc: Option<Oidc>,
}
