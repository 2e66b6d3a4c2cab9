//! Going to a callback with an ID token (contract no. 6).

use std::collections::BTreeMap;

use actix_web::http::header::ACCEPT;
use actix_web::{HttpRequest, HttpResponse, Responder};
use serde::{Deserialize, Serialize};
use tenantry_accounts::Redirect;
use tenantry_domain::Checks;
use utoipa::ToSchema;

use crate::body::Json;
use crate::call::Call;
use crate::error::Result;
use crate::openapi::{Describe, Operation};
use crate::reply::{Found302, Ok200};
use crate::route::{Policy, Route, post};

/// How many claims a caller may add.
const MAX_CLAIMS: usize = 5;

pub(crate) fn routes() -> Vec<Route> {
    let any_person = Policy::any_of(&[]).signs_in();
    vec![post("/v1/accounts/{oid}/auth/redirect", any_person, redirect, "Add an ID token of the calling user to a URL")]
}

async fn redirect(call: Call, Json(body): Json<RedirectRequest>) -> Result<RedirectReply> {
    let mut checks = Checks::default();
    if body.custom_claims.len() > MAX_CLAIMS {
        checks.fault("custom_claims", format!("must have at most {MAX_CLAIMS} members"));
    }
    for (name, value) in &body.custom_claims {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if !(1..=64).contains(&name.len()) || !name.chars().all(plain) {
            checks.fault("custom_claims", "names must be 1 to 64 of the characters A-Z a-z 0-9 - _ .");
        }
        if value.chars().count() > 255 {
            checks.fault(format!("custom_claims.{name}"), "must be at most 255 characters");
        }
    }
    checks.done(Some(()))?;
    let asked = |claim| body.claims.contains(&claim);
    let (email, name) = (asked(ClaimName::Email), asked(ClaimName::Name));
    let redirect = Redirect { redirect_uri: &body.redirect_uri, email, name, custom: body.custom_claims };
    Ok(RedirectReply(call.account.redirect(&call.caller, redirect).await?))
}

/// Where the calling user goes.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"redirect_uri": "https://shop.example.com/back", "claims": ["email"], "custom_claims": {"cart": "17"}}))]
struct RedirectRequest {
    /// One of the client's callbacks, byte for byte.
    #[schema(format = "uri", pattern = "^https?://.*")]
    redirect_uri: String,
    /// What else the token is to say, at most five claims; each name gets `ext_` before it.
    #[serde(default)]
    #[schema(required = false)]
    custom_claims: BTreeMap<String, String>,
    /// What it is to say of the user, where that is known.
    #[serde(default)]
    #[schema(required = false)]
    claims: Vec<ClaimName>,
}

/// A claim that is told when it is asked for.
#[derive(PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RedirectClaim)]
enum ClaimName {
    Name,
    Email,
}

/// Where the user goes, with the token.
#[derive(Serialize, ToSchema)]
struct RedirectResponse {
    /// The callback with `id_token` in its query.
    #[schema(format = "uri", pattern = "^https?://.*")]
    redirect_uri: String,
}

/// JSON for those who ask for it, else a redirect.
struct RedirectReply(String);

impl Responder for RedirectReply {
    type Body = actix_web::body::BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        if accept.split([',', ';']).any(|kind| kind.trim().eq_ignore_ascii_case("application/json")) {
            Ok200(RedirectResponse { redirect_uri: self.0 }).respond_to(request)
        } else {
            Found302(self.0).respond_to(request)
        }
    }
}

impl Describe for RedirectReply {
    fn describe(operation: &mut Operation<'_>) {
        operation.reply::<RedirectResponse>();
        Found302::describe(operation);
    }
}
