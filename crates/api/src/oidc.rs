//! People whom an identity provider elsewhere vouches for (contract nos. 2 and 3).

use serde::{Deserialize, Serialize};
use tenantry_accounts::{Login, OidcRequest};
use tenantry_domain::Secret;
use utoipa::ToSchema;

use crate::body::Json;
use crate::call::Call;
use crate::error::{ApiError, Result};
use crate::query::Query;
use crate::reply::{Found302, Ok200};
use crate::route::{Policy, Route, get, post};
use crate::token_request::secret;
use crate::tokens::TokenType;

/// Who may bring a provider's code.
const REDEEM: Policy = Policy::any_of(&["write:accounts:/auth/users"]).signs_in();

pub(crate) fn routes() -> Vec<Route> {
    // A link in a page sets no header.
    let anyone = Policy::any_of(&[]).or_in_query("client_token");
    vec![
        get(
            "/v1/accounts/{oid}/auth/oidc/authorize",
            anyone,
            authorize_oidc,
            "Send the user to the identity provider of the grant",
        ),
        post("/v1/accounts/{oid}/auth/oidc/token", REDEEM, redeem_oidc, "Swap the provider's code for an access token"),
    ]
}

async fn authorize_oidc(call: Call, Query(query): Query<OidcAuthorizeQuery>) -> Result<Found302> {
    let request = OidcRequest {
        client_id: &query.client_id,
        audience: &query.audience,
        redirect_uri: Some(&query.redirect_uri),
        state: query.state.as_deref(),
    };
    Ok(Found302(call.account.oidc_authorize(&call.caller, request, query.scope.as_deref()).await?))
}

async fn redeem_oidc(call: Call, Json(body): Json<OidcTokenRequest>) -> Result<Ok200<OidcAccessToken>> {
    let code = body.code.ok_or_else(|| ApiError::invalid("code", "is required"))?;
    let request = OidcRequest {
        client_id: &body.client_id,
        audience: &body.audience,
        redirect_uri: body.redirect_uri.as_deref(),
        state: body.state.as_deref(),
    };
    let done = call.account.oidc_login(call.caller.clone(), request, code.reveal()).await?;
    let token = match done.login {
        Login::Done(token) => token,
        Login::SecondFactor(handle) => return Err(ApiError::MfaRequired(handle)),
    };
    let value = OidcUserClaims { sub: done.identity.subject, name: done.identity.name, email: done.identity.email };
    Ok(Ok200(OidcAccessToken {
        access_token: token.token.reveal().to_owned(),
        token_type: TokenType::Bearer,
        expires_in: token.expires_in,
        user_info: OidcUserInfo { authority: done.authority, value },
    }))
}

/// Where the user is to prove itself.
#[derive(Deserialize, ToSchema)]
struct OidcAuthorizeQuery {
    /// Must have a grant with `oidc` settings.
    audience: String,
    /// Code flow only.
    #[expect(dead_code, reason = "there is one kind; another is refused when it is read")]
    response_type: OidcResponseType,
    /// Our client: the one whose token is shown.
    client_id: String,
    /// Where the provider returns the user; one of the client's callbacks, byte for byte.
    redirect_uri: String,
    /// What to ask the provider for, blank-separated; `openid` is always asked for.
    scope: Option<String>,
    /// Binds the login to the user's browser. Echoed to the callback; send it again when the code is redeemed.
    state: Option<String>,
    /// Access token for callers that cannot set a header.
    #[expect(dead_code, reason = "the guard has read it")]
    client_token: Option<String>,
}

/// How the provider answers.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum OidcResponseType {
    Code,
}

/// What the user came back with.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({
    "grant_type": "authorization_code",
    "code": "SplxlOBeZQQYbYS6WxSbIA",
    "client_id": "shop",
    "audience": "https://api.example.com/v1/accounts/T11200000",
    "redirect_uri": "https://shop.example.com/back",
}))]
struct OidcTokenRequest {
    /// The kind of request.
    #[expect(dead_code, reason = "there is one kind; another is refused when it is read")]
    grant_type: OidcGrantType,
    /// The provider's code.
    #[serde(default, deserialize_with = "secret")]
    #[schema(required, value_type = String, write_only)]
    code: Option<Secret>,
    /// Our client: the one that asks.
    client_id: String,
    /// Whom the token is for; a live grant with `oidc` settings must tie it to the client.
    #[schema(format = "uri")]
    audience: String,
    /// As the user was sent with; the client's only callback if left out.
    #[schema(format = "uri", nullable = false)]
    redirect_uri: Option<String>,
    /// As the user was sent with, if it was.
    #[schema(nullable = false)]
    state: Option<String>,
}

/// The kind of request.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum OidcGrantType {
    AuthorizationCode,
}

/// An access token for somebody whom a provider vouches for.
#[derive(Serialize, ToSchema)]
struct OidcAccessToken {
    /// Signed JWT.
    access_token: String,
    /// How to send it.
    token_type: TokenType,
    /// Seconds until expiry.
    #[schema(minimum = 1)]
    expires_in: i64,
    /// What the provider says of the user.
    user_info: OidcUserInfo,
}

/// What a provider says of a user.
#[derive(Serialize, ToSchema)]
struct OidcUserInfo {
    /// The identity provider that vouches.
    #[schema(format = "uri")]
    authority: String,
    /// What it returned.
    value: OidcUserClaims,
}

/// Claims of a provider.
#[derive(Serialize, ToSchema)]
struct OidcUserClaims {
    /// Whom the provider means, among its own.
    sub: String,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Its mail address, verified or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
}
