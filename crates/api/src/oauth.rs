//! Ending sessions and asking what a token is worth: contract no. 7, and RFC 7009 and RFC 7662 for standard clients.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, Responder};
use serde::{Deserialize, Serialize};
use tenantry_accounts::{Account, ClientSecret, Demand, Introspection, Lane, TokenUse};
use tenantry_domain::{Error, Secret};
use utoipa::ToSchema;

use crate::body::Json;
use crate::call::{Call, Unproven, origin};
use crate::credentials::{Proof, proof};
use crate::error::{ApiError, Result};
use crate::openapi::{Describe, Operation};
use crate::reply::Ok200;
use crate::route::{Policy, Route, post};
use crate::token_request::{FormOrJson, secret};
use crate::tokens::refuse_form;

/// Who may end a session.
const REVOKE: Policy =
    Policy::any_of(&["admin:accounts", "write:accounts", "create:accounts:auth:refresh_token"]).reserved().signs_in();

pub(crate) fn routes() -> Vec<Route> {
    vec![
        post("/v1/accounts/{oid}/auth/revoke", REVOKE, revoke, "Kill a refresh token"),
        post("/v1/accounts/{oid}/auth/oauth/revoke", Policy::client(), revoke_token, "End a session (RFC 7009)"),
        post(
            "/v1/accounts/{oid}/auth/oauth/introspect",
            Policy::client(),
            introspect_token,
            "Ask what a token is worth (RFC 7662)",
        ),
    ]
}

async fn revoke(call: Call, Json(body): Json<RevokeRequest>) -> Result<Ok200<Empty>> {
    let token = given(body.token)?;
    call.account.revoke(call.caller, token.reveal()).await?;
    Ok(Ok200(Empty {}))
}

async fn revoke_token(at: Unproven, body: FormOrJson<OauthToken>) -> OauthReply<Empty> {
    let form = body.form;
    let done = async {
        let OauthToken { token, client_id, client_secret, .. } = body.input?;
        let (account, client) = client(&at, client_id, client_secret).await?;
        account.revoke_for(&client, given(token)?.reveal(), origin(&at.request)).await?;
        Ok(Empty {})
    };
    OauthReply { done: done.await.map_err(|error| at.charged(error)), form }
}

async fn introspect_token(at: Unproven, body: FormOrJson<OauthToken>) -> OauthReply<TokenState> {
    let form = body.form;
    let done = async {
        let OauthToken { token, client_id, client_secret, .. } = body.input?;
        let (account, client) = client(&at, client_id, client_secret).await?;
        let demand = Demand::any(TokenUse::Access, &[], Lane::Ordinary, false);
        account.admit_client(&client, demand, origin(&at.request)).await?;
        Ok(TokenState::new(account.introspect(given(token)?.reveal()).await?))
    };
    OauthReply { done: done.await.map_err(|error| at.charged(error)), form }
}

fn given(token: Option<Secret>) -> Result<Secret> {
    token.filter(|token| !token.reveal().is_empty()).ok_or_else(|| ApiError::invalid("token", "is required"))
}

/// The account, and what its client shows. Nothing is proven yet.
async fn client(at: &Unproven, id: Option<String>, secret: Option<Secret>) -> Result<(Account, ClientSecret)> {
    match proof(&at.request, id, secret)? {
        Some(Proof::Client(client)) => Ok((at.account().await.map_err(|_| Error::InvalidClient)?, client)),
        _ => Err(Error::InvalidClient.into()),
    }
}

/// The refresh token to kill.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"token": "T11200000.refresh...."}))]
struct RevokeRequest {
    /// The refresh token. What is none, or is dead already, is answered alike.
    #[serde(default, deserialize_with = "secret")]
    #[schema(required, value_type = String, min_length = 1)]
    token: Option<Secret>,
}

/// A token, and the client that asks (RFC 7009 section 2.1, RFC 7662 section 2.1).
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"token": "T11200000.refresh...."}))]
struct OauthToken {
    /// The token.
    #[serde(default, deserialize_with = "secret")]
    #[schema(required, value_type = String, min_length = 1)]
    token: Option<Secret>,
    /// What it may be; not needed.
    #[expect(dead_code, reason = "standard clients send it")]
    token_type_hint: Option<String>,
    /// The client, where it is not named by HTTP Basic.
    client_id: Option<String>,
    /// Its secret, where it is not sent by HTTP Basic.
    #[serde(default, deserialize_with = "secret")]
    #[schema(value_type = Option<String>, write_only)]
    client_secret: Option<Secret>,
}

/// Nothing.
#[derive(Serialize, ToSchema)]
struct Empty {}

/// What a token is worth now (RFC 7662 section 2.2). Of one that is worth nothing only that is said.
#[derive(Serialize, ToSchema, Default)]
#[serde(default)]
struct TokenState {
    /// Whether it is worth anything.
    active: bool,
    /// Scopes that count now, blank-separated.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    /// How it is sent; absent for a refresh token.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    /// Whom it speaks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    /// Whom it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<String>,
    /// Who issued it.
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    /// When it ends, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    /// When it was issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    /// From when on it is valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    /// Its own id.
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    /// The session of the person.
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
}

impl TokenState {
    fn new(token: Option<Introspection>) -> Self {
        match token {
            None => Self::default(),
            Some(Introspection::Refresh { client_id, subject, scope, expires }) => Self {
                active: true,
                scope: Some(scope.claim()),
                client_id: Some(client_id),
                sub: Some(subject),
                exp: Some(expires),
                ..Self::default()
            },
            Some(Introspection::Access(claims, scope)) => Self {
                active: true,
                scope: Some(scope.claim()),
                client_id: Some(claims.client_id.to_string()),
                token_type: Some("Bearer"),
                sub: Some(claims.sub),
                aud: Some(claims.aud),
                iss: Some(claims.iss),
                exp: Some(claims.exp),
                iat: Some(claims.iat),
                nbf: Some(claims.nbf),
                jti: Some(claims.jti.to_string()),
                sid: claims.sid.map(|session| session.to_string()),
            },
        }
    }
}

/// An answer in the caller's form.
struct OauthReply<T> {
    done: Result<T>,
    form: bool,
}

impl<T: Serialize> Responder for OauthReply<T> {
    type Body = actix_web::body::BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        match self.done {
            Ok(answer) => HttpResponse::build(StatusCode::OK).json(answer),
            Err(error) if self.form => refuse_form(error),
            Err(error) => HttpResponse::from_error(error),
        }
    }
}

impl<T: ToSchema> Describe for OauthReply<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.reply::<T>();
    }
}
