//! Apps that show codes (TOTP, RFC 6238) and recovery codes: second factors beyond the seed.

use serde::{Deserialize, Serialize};
use tenantry_accounts::TotpSetup;
use tenantry_domain::{AuthUserId, Secret, Username};
use utoipa::ToSchema;

use crate::body::Json;
use crate::call::Call;
use crate::console::confirm_self;
use crate::error::{ApiError, Result};
use crate::query::Id;
use crate::reply::{NoContent204, Ok200};
use crate::route::{Policy, Route, USERS_WRITE, delete, post};
use crate::token_request::secret;

pub(crate) fn routes() -> Vec<Route> {
    let person = Policy::person();
    vec![
        post("/v1/accounts/{aid}/auth/users/{username}/totp", USERS_WRITE, begin_totp, "Begin to set up an app that shows codes"),
        post(
            "/v1/accounts/{aid}/auth/users/{username}/totp/confirm",
            USERS_WRITE,
            confirm_totp,
            "Turn the app on with a code of it; yields recovery codes",
        ),
        delete("/v1/accounts/{aid}/auth/users/{username}/totp", USERS_WRITE.reserved(), end_totp, "Turn the app off"),
        post(
            "/v1/accounts/{aid}/auth/users/{username}/recovery-codes",
            USERS_WRITE,
            make_recovery_codes,
            "Make other recovery codes",
        ),
        post("/v1/account/user/mfa/totp", person, begin_own_totp, "Begin to set up one's app that shows codes"),
        post("/v1/account/user/mfa/totp/confirm", person, confirm_own_totp, "Turn one's app on with a code of it"),
        delete("/v1/account/user/mfa/totp", person, end_own_totp, "Turn one's app off"),
        post("/v1/account/user/mfa/recovery-codes", person, make_own_recovery_codes, "Make oneself other recovery codes"),
    ]
}

async fn begin_totp(call: Call, Id(name): Id<Username>) -> Result<Ok200<TotpSetupView>> {
    let user = call.account.user(&name).await?;
    begin(call, user.id).await
}

async fn confirm_totp(call: Call, Id(name): Id<Username>, body: Json<TotpCode>) -> Result<Ok200<RecoveryCodes>> {
    let user = call.account.user(&name).await?;
    confirm(call, user.id, body).await
}

async fn end_totp(call: Call, Id(name): Id<Username>) -> Result<NoContent204> {
    let user = call.account.user(&name).await?;
    end(call, user.id).await
}

async fn make_recovery_codes(call: Call, Id(name): Id<Username>) -> Result<Ok200<RecoveryCodes>> {
    let user = call.account.user(&name).await?;
    make_codes(call, user.id).await
}

async fn begin_own_totp(call: Call, Json(body): Json<OwnPassword>) -> Result<Ok200<TotpSetupView>> {
    confirm_self(&call, body.password).await?;
    let person = call.caller.person()?;
    begin(call, person).await
}

async fn confirm_own_totp(call: Call, body: Json<TotpCode>) -> Result<Ok200<RecoveryCodes>> {
    let person = call.caller.person()?;
    confirm(call, person, body).await
}

async fn end_own_totp(call: Call, Json(body): Json<OwnPassword>) -> Result<NoContent204> {
    confirm_self(&call, body.password).await?;
    let person = call.caller.person()?;
    end(call, person).await
}

async fn make_own_recovery_codes(call: Call, Json(body): Json<OwnPassword>) -> Result<Ok200<RecoveryCodes>> {
    confirm_self(&call, body.password).await?;
    let person = call.caller.person()?;
    make_codes(call, person).await
}

async fn begin(call: Call, user: AuthUserId) -> Result<Ok200<TotpSetupView>> {
    Ok(Ok200(TotpSetupView::new(&call.account.begin_totp(call.caller, user).await?)))
}

async fn confirm(call: Call, user: AuthUserId, Json(body): Json<TotpCode>) -> Result<Ok200<RecoveryCodes>> {
    let otp = body.otp.ok_or_else(|| ApiError::invalid("otp", "is required"))?;
    Ok(Ok200(RecoveryCodes::new(&call.account.confirm_totp(call.caller, user, otp.reveal()).await?)))
}

async fn end(call: Call, user: AuthUserId) -> Result<NoContent204> {
    call.account.end_totp(call.caller, user).await?;
    Ok(NoContent204)
}

async fn make_codes(call: Call, user: AuthUserId) -> Result<Ok200<RecoveryCodes>> {
    Ok(Ok200(RecoveryCodes::new(&call.account.new_recovery_codes(call.caller, user).await?)))
}

/// Whoever changes a factor of its own shows the password.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"password": "correct horse battery staple"}))]
struct OwnPassword {
    /// One's own.
    #[serde(default, deserialize_with = "secret")]
    #[schema(required, value_type = String, min_length = 1, write_only)]
    password: Option<Secret>,
}

/// What an app is set up with. Shown once.
#[derive(Serialize, ToSchema)]
#[schema(as = TotpSetup)]
struct TotpSetupView {
    /// For typing in: base32 (RFC 4648).
    secret: String,
    /// For a picture.
    #[schema(format = "uri", example = "otpauth://totp/Shop:ola%40example.com?secret=...&issuer=Shop")]
    uri: String,
}

impl TotpSetupView {
    fn new(setup: &TotpSetup) -> Self {
        Self { secret: setup.secret.reveal().to_owned(), uri: setup.uri.reveal().to_owned() }
    }
}

/// What the app shows now.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"otp": "123456"}))]
struct TotpCode {
    /// Six digits.
    #[serde(default, deserialize_with = "secret")]
    #[schema(required, value_type = String, write_only)]
    otp: Option<Secret>,
}

/// Codes for the day when the app is lost; each works once. Shown once.
#[derive(Serialize, ToSchema)]
struct RecoveryCodes {
    /// Ten of them.
    recovery_codes: Vec<String>,
}

impl RecoveryCodes {
    fn new(codes: &[Secret]) -> Self {
        Self { recovery_codes: codes.iter().map(|code| code.reveal().to_owned()).collect() }
    }
}
