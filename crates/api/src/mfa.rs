//! Second factor and recovery (contract nos. 28 and 29).

use serde::{Deserialize, Serialize};
use tenantry_accounts::{Recovery, Sent};
use tenantry_domain::{Checks, Secret};
use utoipa::ToSchema;

use crate::body::Json;
use crate::call::Call;
use crate::error::{ApiError, Result};
use crate::reply::Ok200;
use crate::route::{Policy, Route, post};
use crate::token_request::secret;
use crate::users::{ChallengeType, OobChannel};

/// Who may have codes sent.
const MFA: Policy = Policy::any_of(&["admin:accounts", "write:accounts", "write:accounts:/auth/mfa"]).signs_in();

pub(crate) fn routes() -> Vec<Route> {
    vec![
        post("/v1/accounts/{aid}/auth/mfa/challenge", MFA, request_challenge, "Send the second-factor code"),
        post(
            "/v1/accounts/{aid}/auth/mfa/recovery",
            MFA,
            begin_recovery,
            "Start recovery for a user who lost the password but has a second factor",
        ),
    ]
}

async fn request_challenge(call: Call, Json(body): Json<ChallengeRequest>) -> Result<Ok200<ChallengeResponse>> {
    let token = body.mfa_token.ok_or_else(|| ApiError::invalid("mfa_token", "is required"))?;
    let sent = call.account.send_code(call.caller.clone(), token.reveal(), body.oob_channel.into()).await?;
    Ok(Ok200(ChallengeResponse::new(&sent)))
}

async fn begin_recovery(call: Call, Json(body): Json<RecoveryRequest>) -> Result<Ok200<RecoveryResponse>> {
    let mut checks = Checks::default();
    if body.username.is_empty() || body.username.chars().count() > 255 {
        checks.fault("username", "must be 1 to 255 characters");
    }
    checks.done(Some(()))?;
    let recovery = Recovery { username: &body.username, audience: &body.audience, channel: body.oob_channel.into() };
    let sent = call.account.recover(call.caller.clone(), recovery).await?;
    Ok(Ok200(RecoveryResponse { code: ChallengeResponse::new(&sent), mfa_token: sent.mfa_token.reveal().to_owned() }))
}

/// Over which channel a code is to go.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"challenge_type": "oob", "oob_channel": "sms", "mfa_token": "T11200000.mfa...."}))]
struct ChallengeRequest {
    /// How it is shown.
    #[expect(dead_code, reason = "there is one kind; another is refused when it is read")]
    challenge_type: ChallengeType,
    /// The handle that the token endpoint gave.
    #[serde(default, deserialize_with = "secret")]
    #[schema(required, value_type = String)]
    mfa_token: Option<Secret>,
    /// One of the user's channels.
    #[serde(default)]
    #[schema(required = false)]
    oob_channel: OobChannel,
}

/// A code is on its way.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChallengeResponse {
    /// How it is shown.
    challenge_type: ChallengeType,
    /// The person is asked for it.
    binding_method: BindingMethod,
    /// Names the code; goes to the token endpoint with it.
    oob_code: String,
}

/// How a code comes back.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BindingMethod {
    Prompt,
}

impl ChallengeResponse {
    pub(crate) fn new(sent: &Sent) -> Self {
        Self {
            challenge_type: ChallengeType::Oob,
            binding_method: BindingMethod::Prompt,
            oob_code: sent.oob_code.reveal().to_owned(),
        }
    }
}

/// Who lost a password.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({
    "challenge_type": "oob",
    "username": "ola@example.com",
    "audience": "https://api.example.com/v1/accounts/T11200000",
    "oob_channel": "sms",
}))]
struct RecoveryRequest {
    /// How it is shown.
    #[expect(dead_code, reason = "there is one kind; another is refused when it is read")]
    challenge_type: ChallengeType,
    /// What the person calls itself.
    username: String,
    /// Whom the token is to be for; a live grant must tie it to the client.
    #[schema(format = "uri")]
    audience: String,
    /// Where the first code goes; the second has to take the other one.
    #[serde(default)]
    #[schema(required = false)]
    oob_channel: OobChannel,
}

/// The first code is on its way, if there is somebody to get it.
#[derive(Serialize, ToSchema)]
struct RecoveryResponse {
    #[serde(flatten)]
    code: ChallengeResponse,
    /// The handle for the token endpoint.
    mfa_token: String,
}
