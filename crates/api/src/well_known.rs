//! What receivers of tokens look up, without a token: keys (RFC 7517) and server metadata (RFC 8414).

use serde::Serialize;
use utoipa::ToSchema;

use crate::call::Unproven;
use crate::error::Result;
use crate::keys::Jwk;
use crate::reply::Cached;
use crate::route::{Policy, Route, get};
use crate::tokens::GRANT_TYPES;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        get("/v1/accounts/{oid}/.well-known/jwks.json", Policy::public(), get_jwks, "Public signing keys as a JWK set"),
        get(
            "/v1/accounts/{oid}/.well-known/oauth-authorization-server",
            Policy::public(),
            get_server_metadata,
            "Authorization server metadata",
        ),
        get(
            "/v1/accounts/{oid}/.well-known/openid-configuration",
            Policy::public(),
            get_openid_configuration,
            "How ID tokens are asked for and checked",
        ),
        get(
            "/.well-known/oauth-authorization-server/v1/accounts/{oid}",
            Policy::public(),
            find_server_metadata,
            "Authorization server metadata, where RFC 8414 looks for it",
        ),
    ]
}

async fn get_openid_configuration(at: Unproven) -> Result<Cached<OpenidConfiguration>> {
    let account = at.account().await?;
    let issuer = at.registry.platform().public().account(account.id());
    let mut algorithms: Vec<String> = account.public_keys().iter().map(|key| key.algorithm.as_str().to_owned()).collect();
    algorithms.push(account.directory().account.settings.signing_algorithm.as_str().to_owned());
    algorithms.sort();
    algorithms.dedup();
    Ok(Cached(OpenidConfiguration {
        authorization_endpoint: format!("{issuer}/auth/authorize"),
        token_endpoint: format!("{issuer}/auth/token"),
        revocation_endpoint: format!("{issuer}/auth/oauth/revoke"),
        introspection_endpoint: format!("{issuer}/auth/oauth/introspect"),
        jwks_uri: format!("{issuer}/.well-known/jwks.json"),
        service_documentation: format!("{}/docs/", at.registry.platform().public()),
        scopes_supported: vec!["openid"],
        response_types_supported: vec!["authenticate"],
        response_modes_supported: vec!["query"],
        grant_types_supported: GRANT_TYPES.to_vec(),
        subject_types_supported: vec!["public"],
        id_token_signing_alg_values_supported: algorithms,
        claims_supported: vec!["iss", "sub", "aud", "iat", "exp", "jti", "client_id", "email", "name"],
        token_endpoint_auth_methods_supported: vec!["client_secret_basic", "client_secret_post"],
        issuer,
    }))
}

async fn get_jwks(at: Unproven) -> Result<Cached<JwkSet>> {
    let account = at.account().await?;
    Ok(Cached(JwkSet { keys: account.public_keys().iter().map(|key| Jwk::new(key)).collect() }))
}

async fn get_server_metadata(at: Unproven) -> Result<Cached<ServerMetadata>> {
    let account = at.account().await?;
    let issuer = at.registry.platform().public().account(account.id());
    Ok(Cached(ServerMetadata {
        token_endpoint: format!("{issuer}/auth/token"),
        revocation_endpoint: format!("{issuer}/auth/oauth/revoke"),
        introspection_endpoint: format!("{issuer}/auth/oauth/introspect"),
        jwks_uri: format!("{issuer}/.well-known/jwks.json"),
        service_documentation: format!("{}/docs/", at.registry.platform().public()),
        grant_types_supported: GRANT_TYPES.to_vec(),
        response_types_supported: Vec::new(),
        token_endpoint_auth_methods_supported: vec!["client_secret_basic", "client_secret_post"],
        issuer,
    }))
}

async fn find_server_metadata(at: Unproven) -> Result<Cached<ServerMetadata>> {
    get_server_metadata(at).await
}

/// A JWK set (RFC 7517 section 5).
#[derive(Serialize, ToSchema)]
struct JwkSet {
    /// The keys whose tokens may be alive, and the next one.
    keys: Vec<Jwk>,
}

/// Authorization server metadata (RFC 8414 section 2).
#[derive(Serialize, ToSchema)]
struct ServerMetadata {
    /// The `iss` of this account's tokens.
    issuer: String,
    /// Where to ask for tokens.
    token_endpoint: String,
    /// Where clients end sessions (RFC 7009).
    revocation_endpoint: String,
    /// Where resource servers ask what a token is worth (RFC 7662).
    introspection_endpoint: String,
    /// Where the keys are.
    jwks_uri: String,
    /// Where people read on.
    service_documentation: String,
    /// What may be asked.
    grant_types_supported: Vec<&'static str>,
    /// No authorization endpoint: none.
    response_types_supported: Vec<&'static str>,
    /// How clients prove who they are.
    token_endpoint_auth_methods_supported: Vec<&'static str>,
}

/// What receivers of ID tokens look up (`OpenID` Connect Discovery section 3). The authorization endpoint takes a one-time code
/// instead of asking the person, and answers with an ID token whose `aud` is the callback.
#[derive(Serialize, ToSchema)]
struct OpenidConfiguration {
    /// The `iss` of this account's tokens.
    issuer: String,
    /// Where a one-time code becomes an ID token.
    authorization_endpoint: String,
    /// Where to ask for tokens.
    token_endpoint: String,
    /// Where clients end sessions (RFC 7009).
    revocation_endpoint: String,
    /// Where resource servers ask what a token is worth (RFC 7662).
    introspection_endpoint: String,
    /// Where the keys are.
    jwks_uri: String,
    /// Where people read on.
    service_documentation: String,
    /// What may be asked there.
    scopes_supported: Vec<&'static str>,
    /// What happens there.
    response_types_supported: Vec<&'static str>,
    /// Where the ID token stands.
    response_modes_supported: Vec<&'static str>,
    /// What may be asked at the token endpoint.
    grant_types_supported: Vec<&'static str>,
    /// One subject for all receivers.
    subject_types_supported: Vec<&'static str>,
    /// What ID tokens are signed with now.
    id_token_signing_alg_values_supported: Vec<String>,
    /// What they say.
    claims_supported: Vec<&'static str>,
    /// How clients prove who they are.
    token_endpoint_auth_methods_supported: Vec<&'static str>,
}
