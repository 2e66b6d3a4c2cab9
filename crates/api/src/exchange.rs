//! Token exchange (contract no. 9).

use serde::Deserialize;
use tenantry_domain::AccountId;
use utoipa::ToSchema;

use crate::body::Json;
use crate::call::Call;
use crate::error::{ApiError, Result};
use crate::reply::Ok200;
use crate::route::{ACCOUNTS_INSPECT, Route, post};
use crate::tokens::AccessToken;

pub(crate) fn routes() -> Vec<Route> {
    vec![post(
        "/v1/accounts/{partner_id}/auth/exchange_token",
        ACCOUNTS_INSPECT.signs_in(),
        exchange_token,
        "Let a partner obtain a token that can be traded on a sub-account",
    )]
}

async fn exchange_token(call: Call, Json(body): Json<ExchangeRequest>) -> Result<Ok200<AccessToken>> {
    let target: AccountId = body.account_id.parse().map_err(|fault: String| ApiError::invalid("account_id", fault))?;
    let token = call.registry.exchange(&call.account, call.caller, target).await?;
    Ok(Ok200(AccessToken::new(&token)))
}

/// Which account to act on.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"account_id": "T11200001"}))]
struct ExchangeRequest {
    /// Sub-account to act on.
    #[schema(pattern = r"^[PT]{1}\d{8}$")]
    account_id: String,
}
