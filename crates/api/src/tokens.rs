//! The token endpoint (contract no. 8; RFC 6749 sections 2.3, 4.4 and 5).
//!
//! JSON callers are answered in the product's error shape, form callers in that of RFC 6749 section 5.2.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;

use actix_web::body::BoxBody;
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{PRAGMA, WWW_AUTHENTICATE};
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, Responder, ResponseError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tenantry_accounts::{ClientSecret, TokenUse};
use tenantry_domain::{Error, Secret};
use utoipa::ToSchema;

use crate::body;
use crate::call::{Unproven, authorization, origin};
use crate::error::{ApiError, Result};
use crate::openapi::{Describe, Operation};
use crate::query;
use crate::route::{Policy, Route, post};

const FORM: &str = "application/x-www-form-urlencoded";

pub(crate) fn routes() -> Vec<Route> {
    vec![post("/v1/accounts/{oid}/auth/token", Policy::token_endpoint(), create_token, "Issue an access token")]
}

async fn create_token(at: Unproven, body: TokenBody) -> TokenReply {
    let form = body.form;
    match issue(at, body).await {
        Ok(token) => TokenReply::Issued(token),
        Err(error) => TokenReply::Refused { error, form },
    }
}

/// How a caller proves who it is.
enum Proof {
    Client(ClientSecret),
    Exchange(String),
}

async fn issue(at: Unproven, body: TokenBody) -> Result<AccessToken> {
    let input = body.input?;
    match input.grant_type.as_deref() {
        Some("client_credentials") => {}
        Some(_) => return Err(Error::UnsupportedGrantType.into()),
        None => return Err(ApiError::invalid("grant_type", "is required")),
    }
    let proof = proof(&at.request, input.client_id, input.client_secret)?;
    let audience = input.audience.ok_or_else(|| ApiError::invalid("audience", "is required"))?;
    let token = match proof {
        Proof::Client(client) => {
            let account = at.registry.get(at.account).await;
            let account = account.map_err(|error| if error == Error::NotFound { Error::InvalidClient } else { error })?;
            account.client_credentials(&client, &audience, input.scope.as_deref()).await?
        }
        Proof::Exchange(token) => {
            let from = origin(&at.request);
            let (account, caller) = at.registry.authenticate(&token, at.account, TokenUse::Exchange, &[], from).await?;
            account.redeem_exchange(caller, &audience, input.scope.as_deref()).await?
        }
    };
    Ok(AccessToken::new(&token))
}

/// Reads the credentials from the header or the body, never from both (RFC 6749 section 2.3).
fn proof(request: &HttpRequest, client_id: Option<String>, client_secret: Option<Secret>) -> Result<Proof> {
    let header = authorization(request).map_err(|error| match error {
        ApiError::Domain(Error::Unauthorized) => Error::InvalidClient.into(),
        error => error,
    })?;
    if header.is_some() && client_secret.is_some() {
        return Err(ApiError::invalid("client_secret", "must not be sent beside an Authorization header"));
    }
    match (header, client_id, client_secret) {
        (Some((scheme, token)), _, _) if scheme == "bearer" => Ok(Proof::Exchange(token.to_owned())),
        (Some((scheme, text)), sent, _) if scheme == "basic" => {
            let client = basic(text).ok_or(Error::InvalidClient)?;
            if sent.is_some_and(|id| id != client.client_id) {
                return Err(ApiError::invalid("client_id", "differs from the Authorization header"));
            }
            Ok(Proof::Client(client))
        }
        (None, Some(client_id), Some(secret)) => Ok(Proof::Client(ClientSecret { client_id, secret })),
        _ => Err(Error::InvalidClient.into()),
    }
}

/// HTTP Basic (RFC 7617). Clients that follow RFC 6749 section 2.3.1 percent-encode both parts, others do not; ids and
/// secrets have no character that the two readings see differently.
fn basic(text: &str) -> Option<ClientSecret> {
    let text = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let decode = |part: &str| percent_decode_str(part).decode_utf8().ok().map(std::borrow::Cow::into_owned);
    Some(ClientSecret { client_id: decode(id)?, secret: Secret::new(decode(secret)?) })
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
}

fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::new))
}

impl FromRequest for TokenBody {
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = std::result::Result<Self, Infallible>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let form = request.content_type().eq_ignore_ascii_case(FORM);
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
        operation.body::<TokenClientCredentials>("application/json", true);
        operation.body::<TokenClientCredentials>(FORM, true);
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

/// A refusal as RFC 6749 section 5.2 has it.
fn refuse_form(error: ApiError) -> HttpResponse {
    let (status, code) = match error.status_code() {
        status if matches!(error.code(), "unsupported_grant_type" | "invalid_scope") => (status, error.code()),
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
    for (name, value) in in_seed_form.headers().iter().filter(|(name, _)| *name == WWW_AUTHENTICATE || *name == "retry-after") {
        response.insert_header((name, value));
    }
    let mut response = response.json(json!({"error": code, "error_description": description}));
    response.extensions_mut().insert(error);
    response
}
