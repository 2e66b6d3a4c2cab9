//! ID tokens: who somebody is, for a callback of a client (contract section 3.4 and nos. 1 and 6). Worth nothing at the API.

use std::collections::BTreeMap;

use serde::Serialize;
use tenantry_domain::{ClientId, Error, Result, Seconds};
use url::Url;
use uuid::Uuid;

use crate::account::Account;
use crate::caller::Caller;
use crate::people::Person;
use crate::store;

/// How long an ID token is good for: whoever is sent back with it shows it at once.
const LIFETIME: Seconds = 600;

/// What an ID token says (`OpenID` Connect Core section 2).
#[derive(Serialize)]
pub(crate) struct IdClaims {
    iss: String,
    sub: String,
    /// The address that it is sent to, without the token itself.
    aud: String,
    /// Whose callback that is.
    client_id: String,
    iat: Seconds,
    exp: Seconds,
    jti: Uuid,
    token_use: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Named by the caller, each with `ext_` before it: they replace none of the others.
    #[serde(flatten)]
    custom: BTreeMap<String, String>,
}

impl IdClaims {
    pub(crate) fn with(self, email: Option<String>, name: Option<String>) -> Self {
        Self { email, name, ..self }
    }
}

/// What a person's client asks to be told at its callback.
pub struct Redirect<'r> {
    /// Where to.
    pub redirect_uri: &'r str,
    /// Whether the mail address is to be told.
    pub email: bool,
    /// Whether the name is.
    pub name: bool,
    /// What else is told, by names without `ext_`.
    pub custom: BTreeMap<String, String>,
}

impl Account {
    /// A callback of a client, byte for byte; its only one if none is said.
    pub(crate) fn callback(&self, client_id: &ClientId, said: Option<&str>) -> Result<String> {
        let directory = self.directory();
        let client = directory.clients.get(client_id).ok_or(Error::Unauthorized)?;
        match (said, client.callbacks.as_slice()) {
            (Some(said), callbacks) if callbacks.iter().any(|callback| callback == said) => Ok(said.to_owned()),
            (None, [only]) => Ok(only.clone()),
            _ => Err(Error::InvalidRedirectUri),
        }
    }

    /// What a callback is told of a person, but for what has to be asked for.
    pub(crate) fn id_claims(&self, person: &Person, client_id: &ClientId, redirect_uri: &str) -> IdClaims {
        let now = self.now();
        IdClaims {
            iss: self.platform().public.account(self.id()),
            sub: person.subject(),
            aud: redirect_uri.to_owned(),
            client_id: client_id.to_string(),
            iat: now.seconds(),
            exp: now.seconds() + LIFETIME,
            jti: self.platform().source.id(now),
            token_use: "id",
            email: None,
            name: None,
            custom: BTreeMap::new(),
        }
    }

    /// The address that an ID token is for, with the token and a state in its query.
    pub(crate) async fn redirect_with(&self, claims: &IdClaims, state: Option<&str>) -> Result<String> {
        let token = self.sign_as("JWT", claims).await?;
        let mut target = Url::parse(&claims.aud).map_err(|_| Error::InvalidRedirectUri)?;
        target.query_pairs_mut().append_pair("id_token", token.reveal());
        if let Some(state) = state {
            target.query_pairs_mut().append_pair("state", state);
        }
        Ok(target.into())
    }

    /// Where the calling person goes with an ID token (contract no. 6).
    ///
    /// Errors: `InsufficientScope` for a client that speaks for nobody but itself; `InvalidRedirectUri` for what is no callback
    /// of the client.
    pub async fn redirect(&self, caller: &Caller, redirect: Redirect<'_>) -> Result<String> {
        let claims = caller.claims().ok_or(Error::Unauthorized)?;
        let session = claims.sid.filter(|_| claims.member().is_none()).ok_or(Error::InsufficientScope)?;
        let read = &self.platform().store.read;
        let session = store::sessions::find(read, self.id(), session, self.now()).await?.ok_or(Error::Unauthorized)?;
        let person = Person::find(read, self.id(), session.person, false).await?.ok_or(Error::Unauthorized)?;
        let redirect_uri = self.callback(&claims.client_id, Some(redirect.redirect_uri))?;
        let email = person.email().filter(|_| redirect.email).map(ToString::to_string);
        let name = person.name().filter(|_| redirect.name);
        let mut told = self.id_claims(&person, &claims.client_id, &redirect_uri).with(email, name);
        told.custom = redirect.custom.into_iter().map(|(name, value)| (format!("ext_{name}"), value)).collect();
        self.redirect_with(&told, None).await
    }
}
