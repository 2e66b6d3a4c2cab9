//! The token endpoint (contract no. 8; RFC 6749 sections 2.3, 4.4 and 5; RFC 8693).
//!
//! JSON callers are answered in the product's error shape, form callers in that of RFC 6749 section 5.2.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;

use actix_web::body::BoxBody;
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::PRAGMA;
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, Responder, ResponseError};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tenantry_accounts::{Demand, Lane, TokenExchange, TokenUse};
use tenantry_domain::{Checks, Error, Secret};
use utoipa::ToSchema;

use crate::body;
use crate::call::{Unproven, origin};
use crate::credentials::{Proof, proof};
use crate::error::{ApiError, Result};
use crate::openapi::{Describe, Operation};
use crate::query;
use crate::route::{ACCOUNTS_READERS, Policy, Route, post};

const FORM: &str = "application/x-www-form-urlencoded";

pub(crate) fn routes() -> Vec<Route> {
    vec![post("/v1/accounts/{oid}/auth/token", Policy::token_endpoint(), create_token, "Issue an access token")]
}

async fn create_token(at: Unproven, body: TokenBody) -> TokenReply {
    let form = body.form;
    match issue(&at, body).await {
        Ok(token) => TokenReply::Issued(token),
        Err(error) => TokenReply::Refused { error, form },
    }
}

const CLIENT_CREDENTIALS: &str = "client_credentials";
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// What may be asked here.
pub(crate) const GRANT_TYPES: [&str; 2] = [CLIENT_CREDENTIALS, TOKEN_EXCHANGE];
/// The tokens that are exchanged and issued (RFC 8693 section 3): ours are both.
const TOKEN_TYPES: [&str; 2] = ["urn:ietf:params:oauth:token-type:access_token", "urn:ietf:params:oauth:token-type:jwt"];

async fn issue(at: &Unproven, body: TokenBody) -> Result<AccessToken> {
    let input = body.input?.without_empty();
    let (token, issued_token_type) = match input.grant_type.as_deref() {
        Some(CLIENT_CREDENTIALS) => (client_credentials(at, input).await?, None),
        Some(TOKEN_EXCHANGE) => (token_exchange(at, input).await?, Some(TOKEN_TYPES[0])),
        Some(_) => return Err(Error::UnsupportedGrantType.into()),
        None => return Err(ApiError::invalid("grant_type", "is required")),
    };
    if let Some(allowance) = token.allowance {
        at.request.extensions_mut().insert(allowance);
    }
    Ok(AccessToken { issued_token_type, ..AccessToken::new(&token) })
}

/// A client that knows its secret, or a partner with an exchange token, which our contract sends with the same grant type.
async fn client_credentials(at: &Unproven, input: TokenInput) -> Result<tenantry_accounts::AccessToken> {
    let proof = proof(&at.request, input.client_id, input.client_secret)?.ok_or(Error::InvalidClient)?;
    let audience = input.audience.ok_or_else(|| ApiError::invalid("audience", "is required"))?;
    let scope = input.scope.as_deref();
    match proof {
        Proof::Client(client) => {
            let account = at.registry.get(at.account).await;
            let account = account.map_err(|error| if error == Error::NotFound { Error::InvalidClient } else { error })?;
            Ok(account.client_credentials(&client, &audience, scope).await?)
        }
        Proof::Bearer(token) => {
            let demand = Demand { token_use: TokenUse::Exchange, scopes: &[], lane: Lane::Reserved };
            let admitted = at.registry.authenticate(Some(&token), at.account, demand, origin(&at.request)).await?;
            let token = admitted.account.redeem_exchange(admitted.caller, &audience, scope).await?;
            Ok(tenantry_accounts::AccessToken { allowance: admitted.allowance, ..token })
        }
    }
}

/// A partner's token for one on this account, in one step (RFC 8693).
async fn token_exchange(at: &Unproven, input: TokenInput) -> Result<tenantry_accounts::AccessToken> {
    let mut checks = Checks::default();
    let mut known = |field: &str, kind: Option<&str>| {
        if kind.is_some_and(|kind| !TOKEN_TYPES.contains(&kind)) {
            checks.fault(field, format!("must be one of {}", TOKEN_TYPES.join(", ")));
        }
    };
    known("subject_token_type", Some(input.subject_token_type.as_deref().unwrap_or_default()));
    known("requested_token_type", input.requested_token_type.as_deref());
    for (field, sent) in [("actor_token", input.actor_token.is_some()), ("actor_token_type", input.actor_token_type.is_some())] {
        if sent {
            checks.fault(field, "is not taken: the subject token itself says who acts");
        }
    }
    if input.subject_token.is_none() {
        checks.fault("subject_token", "is required");
    }
    let subject = checks.done(input.subject_token)?;
    let client = match proof(&at.request, input.client_id, input.client_secret)? {
        None => None,
        Some(Proof::Client(client)) => Some(client),
        Some(Proof::Bearer(_)) => return Err(ApiError::invalid("Authorization", "must be the client's, or left out")),
    };
    let audiences = [input.audience.as_deref(), input.resource.as_deref()];
    if let [Some(audience), Some(resource)] = audiences
        && audience != resource
    {
        return Err(ApiError::invalid("resource", "must be the audience, or left out"));
    }
    let audience = audiences.into_iter().flatten().next();
    let request = TokenExchange { subject_token: subject.reveal(), client, audience, scope: input.scope.as_deref() };
    // As the first of the two steps asks (contract no. 9).
    let demand = Demand { token_use: TokenUse::Access, scopes: ACCOUNTS_READERS, lane: Lane::Reserved };
    Ok(at.registry.exchange_at_once(at.account, request, demand, origin(&at.request)).await?)
}

/// Whether a caller speaks the form of RFC 6749, and is to be answered so.
pub(crate) fn is_form(request: &HttpRequest) -> bool {
    request.content_type().eq_ignore_ascii_case(FORM)
}

/// The body of a token request, whatever its form. Reading it never fails, so that the refusal takes the caller's form.
struct TokenBody {
    form: bool,
    input: Result<TokenInput>,
}

#[derive(Deserialize)]
struct TokenInput {
    grant_type: Option<String>,
    audience: Option<String>,
    scope: Option<String>,
    client_id: Option<String>,
    #[serde(default, deserialize_with = "secret")]
    client_secret: Option<Secret>,
    #[serde(default, deserialize_with = "secret")]
    subject_token: Option<Secret>,
    subject_token_type: Option<String>,
    requested_token_type: Option<String>,
    resource: Option<String>,
    #[serde(default, deserialize_with = "secret")]
    actor_token: Option<Secret>,
    actor_token_type: Option<String>,
}

impl TokenInput {
    /// A parameter without a value counts as left out (RFC 6749 section 3.2).
    fn without_empty(self) -> Self {
        let some = |text: Option<String>| text.filter(|text| !text.is_empty());
        let secret = |text: Option<Secret>| text.filter(|text| !text.reveal().is_empty());
        Self {
            grant_type: some(self.grant_type),
            audience: some(self.audience),
            scope: some(self.scope),
            client_id: some(self.client_id),
            client_secret: secret(self.client_secret),
            subject_token: secret(self.subject_token),
            subject_token_type: some(self.subject_token_type),
            requested_token_type: some(self.requested_token_type),
            resource: some(self.resource),
            actor_token: secret(self.actor_token),
            actor_token_type: some(self.actor_token_type),
        }
    }
}

fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::new))
}

impl FromRequest for TokenBody {
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = std::result::Result<Self, Infallible>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let form = is_form(request);
        let known = form || body::is_json(request);
        let bytes = body::read(request, payload);
        Box::pin(async move {
            let input = match bytes.await {
                _ if !known => Err(ApiError::UnsupportedMediaType("application/json or application/x-www-form-urlencoded")),
                Ok(bytes) if form => query::parse(&bytes),
                Ok(bytes) => body::parse(&bytes),
                Err(error) => Err(error),
            };
            Ok(Self { form, input })
        })
    }
}

impl Describe for TokenBody {
    fn describe(operation: &mut Operation<'_>) {
        for content_type in ["application/json", FORM] {
            operation.body::<TokenClientCredentials>(content_type, true);
            operation.or_body::<TokenExchangeRequest>(content_type);
        }
    }
}

/// A client asks for a token for itself (RFC 6749 section 4.4), or a partner trades an exchange token on a sub-account.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what `TokenInput` reads")]
#[schema(example = json!({"grant_type": "client_credentials", "audience": "https://api.example.com/v1/accounts/T11200000"}))]
struct TokenClientCredentials {
    /// The kind of request.
    grant_type: GrantTypeName,
    /// Whom the token is for; a live grant must tie it to the client.
    #[schema(format = "uri")]
    audience: String,
    /// Fewer scopes than the grant gives, blank-separated; all of them if left out.
    scope: Option<String>,
    /// The client, where it is not named by HTTP Basic.
    client_id: Option<String>,
    /// Its secret, where it is not sent by HTTP Basic.
    #[schema(write_only)]
    client_secret: Option<String>,
}

/// The kind of token request.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what `TokenInput` reads")]
#[schema(as = TokenGrantType, rename_all = "snake_case")]
enum GrantTypeName {
    ClientCredentials,
}

/// A partner trades its token for one on this account, in one step (RFC 8693 section 2.1). The client may say who it is;
/// then it must be the one that the subject token belongs to.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what `TokenInput` reads")]
#[schema(example = json!({
    "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
    "subject_token": "eyJ...",
    "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
}))]
struct TokenExchangeRequest {
    /// The kind of request.
    grant_type: ExchangeGrantTypeName,
    /// The partner's access token.
    #[schema(write_only)]
    subject_token: String,
    /// What it is.
    subject_token_type: TokenTypeName,
    /// What is wanted; the same.
    requested_token_type: Option<TokenTypeName>,
    /// Whom the token is for: the account that is asked, also if left out.
    #[schema(format = "uri")]
    audience: Option<String>,
    /// The same, as RFC 8707 names it.
    #[schema(format = "uri")]
    resource: Option<String>,
    /// Fewer scopes than the partner has there, blank-separated; all of them if left out.
    scope: Option<String>,
}

/// The kind of token request.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what `TokenInput` reads")]
#[schema(as = TokenExchangeGrantType)]
enum ExchangeGrantTypeName {
    #[schema(rename = "urn:ietf:params:oauth:grant-type:token-exchange")]
    TokenExchange,
}

/// A kind of token (RFC 8693 section 3). Access tokens are JWTs here.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what `TokenInput` reads")]
#[schema(as = TokenTypeIdentifier)]
enum TokenTypeName {
    #[schema(rename = "urn:ietf:params:oauth:token-type:access_token")]
    AccessToken,
    #[schema(rename = "urn:ietf:params:oauth:token-type:jwt")]
    Jwt,
}

/// An access token (RFC 6749 section 5.1).
#[expect(clippy::struct_field_names, reason = "names of RFC 6749")]
#[derive(Serialize, ToSchema)]
pub(crate) struct AccessToken {
    /// Signed JWT.
    access_token: String,
    /// How to send it.
    token_type: TokenType,
    /// Seconds until expiry.
    #[schema(minimum = 1, example = 14400)]
    expires_in: i64,
    /// What it allows, blank-separated.
    #[schema(example = "read:accounts")]
    scope: String,
    /// Only for grants that involve a person, and only when the calling token holds
    /// `create:accounts:auth:refresh_token`.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    /// Only for exchange by RFC 8693: what was issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<TokenTypeName>)]
    issued_token_type: Option<&'static str>,
}

/// How to send a token (RFC 6750).
#[derive(Serialize, ToSchema)]
enum TokenType {
    Bearer,
}

impl AccessToken {
    pub(crate) fn new(token: &tenantry_accounts::AccessToken) -> Self {
        Self {
            access_token: token.token.reveal().to_owned(),
            token_type: TokenType::Bearer,
            expires_in: token.expires_in,
            scope: token.scope.claim(),
            refresh_token: None,
            issued_token_type: None,
        }
    }
}

/// The answer, in the caller's form.
enum TokenReply {
    Issued(AccessToken),
    Refused { error: ApiError, form: bool },
}

impl Responder for TokenReply {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        match self {
            Self::Issued(token) => HttpResponse::Ok().insert_header((PRAGMA, "no-cache")).json(token),
            Self::Refused { error, form: true } => refuse_form(error),
            Self::Refused { error, form: false } => HttpResponse::from_error(error),
        }
    }
}

impl Describe for TokenReply {
    fn describe(operation: &mut Operation<'_>) {
        operation.reply::<AccessToken>();
    }
}

/// Headers of a refusal that its form does not change.
const KEPT: [&str; 4] = ["www-authenticate", "retry-after", "ratelimit", "ratelimit-policy"];

/// A refusal as RFC 6749 section 5.2 has it.
pub(crate) fn refuse_form(error: ApiError) -> HttpResponse {
    let (status, code) = match error.status_code() {
        status if matches!(error.code(), "unsupported_grant_type" | "invalid_scope" | "invalid_target") => (status, error.code()),
        status @ StatusCode::UNAUTHORIZED => (status, "invalid_client"),
        StatusCode::FORBIDDEN => (StatusCode::BAD_REQUEST, "unauthorized_client"),
        status @ (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) => (status, "temporarily_unavailable"),
        status if status.is_server_error() => (status, "server_error"),
        status => (status, "invalid_request"),
    };
    let description = match &error {
        ApiError::Domain(Error::Invalid(faults)) => {
            faults.iter().map(|fault| format!("{} {}", fault.field, fault.message)).collect::<Vec<_>>().join("; ")
        }
        error => error.to_string(),
    };
    let in_seed_form = error.error_response();
    let mut response = HttpResponse::build(status);
    for (name, value) in in_seed_form.headers().iter().filter(|(name, _)| KEPT.contains(&name.as_str())) {
        response.insert_header((name, value));
    }
    let mut response = response.json(json!({"error": code, "error_description": description}));
    response.extensions_mut().insert(error);
    response
}
