//! Signing keys (contract no. 23, and rotation of section 9).

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tenantry_accounts::SigningKey;
use tenantry_domain::{Algorithm, Instant, KeyPurpose, Rotation};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::body::MaybeJson;
use crate::call::Call;
use crate::error::{ApiError, Result};
use crate::reply::{List, Ok200};
use crate::route::{ACCOUNTS_INSPECT, ACCOUNTS_REPAIR, Route, get, post};

/// The longest that a key may be published before it signs, in seconds.
const LONGEST_WAIT: i64 = 86_400;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        get("/v1/accounts/{oid}/auth/keys", ACCOUNTS_INSPECT, list_keys, "Public signing keys for checking tokens"),
        get(
            "/v1/accounts/{oid}/management/keys",
            ACCOUNTS_INSPECT,
            list_key_states,
            "Signing keys: which one signs, since when, until when",
        ),
        post("/v1/accounts/{oid}/auth/keys/rotate", ACCOUNTS_REPAIR, rotate_keys, "Publish a new signing key"),
    ]
}

async fn list_keys(call: Call) -> Result<List<Jwk>> {
    Ok(List(call.account.public_keys().iter().map(|key| Jwk::new(key)).collect()))
}

async fn list_key_states(call: Call) -> Result<List<KeyView>> {
    let (directory, now) = (call.account.directory(), call.now());
    let view = |key: &Arc<SigningKey>| KeyView {
        kid: key.id.0,
        alg: Algorithm::as_str(key.algorithm),
        purpose: match key.purpose {
            KeyPurpose::Account => Whose::Account,
            KeyPurpose::Installers => Whose::Installers,
        },
        state: match directory.signing_key(key.purpose, now) {
            _ if key.active_from > now => KeyState::Next,
            Some(signing) if signing.id == key.id => KeyState::Signing,
            _ => KeyState::Retired,
        },
        active_from: key.active_from,
        honoured_until: directory.honoured_until(key),
    };
    Ok(List(directory.live_keys(now).map(view).collect()))
}

async fn rotate_keys(call: Call, MaybeJson(body): MaybeJson<RotationInput>) -> Result<Ok200<RotatedKey>> {
    let key = call.account.rotate_key(call.caller, body.parse()?).await?;
    Ok(Ok200(RotatedKey { key: Jwk::new(&key), active_from: key.active_from }))
}

/// How to rotate.
#[derive(Deserialize, ToSchema, Default)]
#[serde(default)]
#[schema(example = json!({"activate_in": 600}))]
struct RotationInput {
    /// Seconds until the new key signs, 600 if left out; it is published at once, so that receivers know it in time.
    #[schema(minimum = 0, maximum = 86400, default = 600)]
    activate_in: Option<i64>,
    /// Stop honouring every older key, and so every token signed with one, now: for a key that has leaked.
    #[schema(default = false)]
    revoke_previous: bool,
}

impl RotationInput {
    fn parse(self) -> Result<Rotation> {
        let Self { activate_in, revoke_previous } = self;
        let activate_in = activate_in.unwrap_or(if revoke_previous { 0 } else { 600 });
        if !(0..=LONGEST_WAIT).contains(&activate_in) {
            return Err(ApiError::invalid("activate_in", "must be between 0 and 86400 seconds"));
        }
        if revoke_previous && activate_in > 0 {
            return Err(ApiError::invalid("activate_in", "must be 0 with revoke_previous: no other key could sign"));
        }
        Ok(Rotation { activate_in, revoke_previous })
    }
}

/// A public key (RFC 7517).
#[derive(Serialize, ToSchema)]
pub(crate) struct Jwk {
    /// What it signs with.
    #[schema(example = "ES256")]
    alg: &'static str,
    /// What it is for.
    #[serde(rename = "use")]
    purpose: Use,
    /// Its name in a token's header.
    kid: Uuid,
    /// Its type, and the public half: `n`, `e` for RSA; `crv`, `x`, `y` for EC; `crv`, `x` for OKP.
    kty: Kty,
    #[serde(skip_serializing_if = "Option::is_none")]
    crv: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    e: Option<String>,
}

/// Signatures.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Use {
    Sig,
}

/// Key type (RFC 7518 section 6.1, RFC 8037 section 2).
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
enum Kty {
    Rsa,
    Ec,
    Okp,
}

impl Jwk {
    pub(crate) fn new(key: &SigningKey) -> Self {
        let empty = |kty| Self {
            alg: Algorithm::as_str(key.algorithm),
            purpose: Use::Sig,
            kid: key.id.0,
            kty,
            crv: None,
            x: None,
            y: None,
            n: None,
            e: None,
        };
        match key.jwk.clone() {
            tenantry_accounts::Jwk::RSA { n, e } => Self { n: Some(n), e: Some(e), ..empty(Kty::Rsa) },
            tenantry_accounts::Jwk::EC { crv, x, y } => Self { crv: Some(crv), x: Some(x), y: Some(y), ..empty(Kty::Ec) },
            tenantry_accounts::Jwk::OKP { crv, x } => Self { crv: Some(crv), x: Some(x), ..empty(Kty::Okp) },
        }
    }
}

/// A key that was just published.
#[derive(Serialize, ToSchema)]
struct RotatedKey {
    #[serde(flatten)]
    key: Jwk,
    /// From when on it signs.
    #[schema(value_type = String, format = DateTime)]
    active_from: Instant,
}

/// What a signing key is now.
#[derive(Serialize, ToSchema)]
#[schema(as = SigningKey)]
struct KeyView {
    /// Its name in a token's header.
    kid: Uuid,
    /// What it signs with.
    #[schema(example = "ES256")]
    alg: &'static str,
    /// Whose tokens it signs.
    purpose: Whose,
    /// What it is now.
    state: KeyState,
    /// From when on it signs.
    #[schema(value_type = String, format = DateTime)]
    active_from: Instant,
    /// Until when its tokens are honoured; absent while no other key follows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    honoured_until: Option<Instant>,
}

/// Whose tokens a key signs.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SigningKeyPurpose)]
enum Whose {
    /// All of the account but its installers'.
    Account,
    /// Installers'.
    Installers,
}

/// What a key is now.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SigningKeyState)]
enum KeyState {
    /// It is published, and signs later.
    Next,
    /// It signs.
    Signing,
    /// It signs no more; its tokens may be alive.
    Retired,
}
