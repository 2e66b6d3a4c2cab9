//! The token endpoint (contract no. 8; RFC 6749 sections 2.3, 4.4 and 5; RFC 8693).
//!
//! JSON callers are answered in the product's error shape, form callers in that of RFC 6749 section 5.2.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::PRAGMA;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, Responder, ResponseError};
use serde::Serialize;
use serde_json::json;
use tenantry_accounts::{Admitted, Demand, Ident, Lane, Login, PasswordLogin, Redeemed, Shown, TokenExchange, TokenUse};
use tenantry_domain::{Checks, Error, Password, Secret};
use utoipa::ToSchema;

use crate::call::{Unproven, origin};
use crate::credentials::{Proof, proof};
use crate::error::{ApiError, Result};
use crate::forwarded;
use crate::openapi::{Describe, Operation};
use crate::route::{ACCOUNTS_READERS, Policy, Route, post};
use crate::token_request::{FormOrJson, TokenBody, TokenInput, TokenTypeName};

pub(crate) fn routes() -> Vec<Route> {
    vec![post("/v1/accounts/{oid}/auth/token", Policy::token_endpoint(), create_token, "Issue an access token")]
}

async fn create_token(at: Unproven, TokenBody(body): TokenBody) -> TokenReply {
    let form = body.form;
    match issue(&at, body).await {
        Ok(token) => TokenReply::Issued(token),
        Err(error) => TokenReply::Refused { error: at.charged(error), form },
    }
}

const CLIENT_CREDENTIALS: &str = "client_credentials";
const PASSWORD: &str = "password";
const AUTHORIZATION_CODE: &str = "authorization_code";
const REFRESH_TOKEN: &str = "refresh_token";
const MFA_OOB: &str = "mfa_oob";
/// The other spelling of the seed.
const MFA_OOB_HYPHENATED: &str = "mfa-oob";
const MFA_OTP: &str = "mfa_otp";
const MFA_RECOVERY_CODE: &str = "mfa_recovery_code";
const ACCOUNT_USER: &str = "account_user";
/// The other spelling of the seed.
const ACCOUNT_USER_TOKEN: &str = "account_user_token";
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// What may be asked here.
pub(crate) const GRANT_TYPES: [&str; 9] = [
    CLIENT_CREDENTIALS,
    PASSWORD,
    AUTHORIZATION_CODE,
    REFRESH_TOKEN,
    MFA_OOB,
    MFA_OTP,
    MFA_RECOVERY_CODE,
    ACCOUNT_USER,
    TOKEN_EXCHANGE,
];
/// Scopes of which a client needs one to bring something of a person's (contract no. 8).
pub(crate) const PERSONS_SCOPES: [&str; 4] =
    ["admin:accounts", "write:accounts", "write:accounts:/auth/users", "write:accounts:/auth/users/no-mfa"];
/// The tokens that are exchanged and issued (RFC 8693 section 3): ours are both.
const TOKEN_TYPES: [&str; 2] = ["urn:ietf:params:oauth:token-type:access_token", "urn:ietf:params:oauth:token-type:jwt"];

async fn issue(at: &Unproven, body: FormOrJson<TokenInput>) -> Result<AccessToken> {
    let input = body.input?.without_empty();
    let (token, issued_token_type) = match input.grant_type.as_deref() {
        Some(CLIENT_CREDENTIALS) => (client_credentials(at, input).await?, None),
        Some(PASSWORD) => (password(at, input).await?, None),
        Some(AUTHORIZATION_CODE) => (authorization_code(at, input).await?, None),
        Some(REFRESH_TOKEN) => (refresh_token(at, input).await?, None),
        Some(MFA_OOB | MFA_OOB_HYPHENATED) => (mfa_oob(at, input).await?, None),
        Some(MFA_OTP | MFA_RECOVERY_CODE) => (mfa_shown(at, input).await?, None),
        Some(ACCOUNT_USER | ACCOUNT_USER_TOKEN) => (account_user(at, input).await?, None),
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
            let ask = async || {
                let account = at.registry.get(at.account).await;
                let account = account.map_err(|error| if error == Error::NotFound { Error::InvalidClient } else { error })?;
                account.client_credentials(&client, &audience, scope).await
            };
            Ok(informed(at, ask).await?)
        }
        Proof::Bearer(token) => {
            let demand = Demand::any(TokenUse::Exchange, &[], Lane::Reserved, false);
            let admitted = at.registry.authenticate(Some(&token), at.account, demand, origin(&at.request)).await?;
            let token = admitted.account.redeem_exchange(admitted.caller, &audience, scope).await?;
            Ok(tenantry_accounts::AccessToken { allowance: admitted.allowance, ..token })
        }
    }
}

/// A person's name and password, brought by a client (contract section 4).
async fn password(at: &Unproven, input: TokenInput) -> Result<tenantry_accounts::AccessToken> {
    let mut checks = Checks::default();
    for (field, sent) in [("username", input.username.is_some()), ("audience", input.audience.is_some())] {
        if !sent {
            checks.fault(field, "is required");
        }
    }
    let password = input.password.as_ref().ok_or("is required".to_owned());
    let password = checks.take("password", password.and_then(|password| Password::shown(password.reveal().to_owned())));
    let given = (|| Some((input.username.as_deref()?, password?, input.audience.as_deref()?)))();
    let (username, password, audience) = checks.done(given)?;
    let (scope, address) = (input.scope.as_deref(), forwarded::person(&at.request)?);
    let Admitted { account, caller, allowance } = client(at, &input, &PERSONS_SCOPES).await?;
    let login = account.login(caller, PasswordLogin { username, password, address, audience, scope }).await?;
    Ok(tenantry_accounts::AccessToken { allowance, ..done(login)? })
}

/// A code instead of a password, brought by a client.
async fn authorization_code(at: &Unproven, input: TokenInput) -> Result<tenantry_accounts::AccessToken> {
    let mut checks = Checks::default();
    for (field, sent) in [("verification_code", input.verification_code.is_some()), ("audience", input.audience.is_some())] {
        if !sent {
            checks.fault(field, "is required");
        }
    }
    let ident = match (input.ident_type.as_deref(), input.ident.as_deref()) {
        (Some("email"), Some(email)) => checks.take("ident", email.parse().map(Ident::Email)),
        (Some("user_id"), Some(user_id)) => Some(Ident::User(user_id)),
        (Some("email" | "user_id"), None) => checks.take("ident", Err("is required")),
        _ => checks.take("ident_type", Err("must be email or user_id")),
    };
    let given = (|| Some((ident?, input.verification_code.as_ref()?, input.audience.as_deref()?)))();
    let (ident, code, audience) = checks.done(given)?;
    let Admitted { account, caller, allowance } = client(at, &input, &PERSONS_SCOPES).await?;
    let login = account.redeem_login_code(caller, ident, code.reveal(), (audience, input.scope.as_deref())).await?;
    Ok(tenantry_accounts::AccessToken { allowance, ..done(login)? })
}

/// A code that a person was sent, brought by a client.
async fn mfa_oob(at: &Unproven, input: TokenInput) -> Result<tenantry_accounts::AccessToken> {
    let mut checks = Checks::default();
    let given = [("oob_code", &input.oob_code), ("binding_code", &input.binding_code), ("mfa_token", &input.mfa_token)];
    let [oob_code, binding_code, mfa_token] = given.map(|(field, value)| {
        if value.is_none() {
            checks.fault(field, "is required");
        }
        value.as_ref().map(Secret::reveal).unwrap_or_default()
    });
    checks.done(Some(()))?;
    let Admitted { account, caller, allowance } = client(at, &input, &PERSONS_SCOPES).await?;
    let login = account.redeem_code(caller, Redeemed { oob_code, binding_code, mfa_token }).await?;
    Ok(tenantry_accounts::AccessToken { allowance, ..done(login)? })
}

/// What a person's app shows, or a recovery code, brought by a client.
async fn mfa_shown(at: &Unproven, input: TokenInput) -> Result<tenantry_accounts::AccessToken> {
    let otp = input.grant_type.as_deref() == Some(MFA_OTP);
    let (field, value) = if otp { ("otp", &input.otp) } else { ("recovery_code", &input.recovery_code) };
    let value = value.as_ref().ok_or_else(|| ApiError::invalid(field, "is required"))?;
    let mfa_token = input.mfa_token.as_ref().ok_or_else(|| ApiError::invalid("mfa_token", "is required"))?;
    let shown = if otp { Shown::Otp(value.reveal()) } else { Shown::RecoveryCode(value.reveal()) };
    let Admitted { account, caller, allowance } = client(at, &input, &PERSONS_SCOPES).await?;
    let login = account.redeem_shown(caller, mfa_token.reveal(), shown).await?;
    Ok(tenantry_accounts::AccessToken { allowance, ..done(login)? })
}

/// A token, or what is to be shown first.
fn done(login: Login) -> Result<tenantry_accounts::AccessToken> {
    match login {
        Login::Done(token) => Ok(token),
        Login::SecondFactor(handle) => Err(ApiError::MfaRequired(handle)),
    }
}

/// A refresh token, brought by the client that got it.
async fn refresh_token(at: &Unproven, input: TokenInput) -> Result<tenantry_accounts::AccessToken> {
    let token = input.refresh_token.as_ref().ok_or_else(|| ApiError::invalid("refresh_token", "is required"))?;
    let Admitted { account, caller, allowance } = client(at, &input, &PERSONS_SCOPES).await?;
    let token = account.renew(caller, token.reveal(), input.scope.as_deref()).await?;
    Ok(tenantry_accounts::AccessToken { allowance, ..token })
}

/// Asks again where the first answer was of before what another process has acknowledged.
async fn informed<T>(at: &Unproven, ask: impl AsyncFn() -> tenantry_domain::Result<T>) -> tenantry_domain::Result<T> {
    match ask().await {
        Err(refused) if Box::pin(at.registry.learns(at.account, &refused)).await => ask().await,
        answer => answer,
    }
}

/// The client that brings something of a person's: by its token, as our contract has it, or by its secret (RFC 6749 section 2.3).
async fn client(at: &Unproven, input: &TokenInput, scopes: &'static [&'static str]) -> Result<Admitted> {
    let demand = Demand::any(TokenUse::Access, scopes, Lane::Ordinary, false);
    match proof(&at.request, input.client_id.clone(), input.client_secret.clone())? {
        None => Err(Error::Unauthorized.into()),
        Some(Proof::Bearer(token)) => Ok(at.registry.authenticate(Some(&token), at.account, demand, origin(&at.request)).await?),
        Some(Proof::Client(secret)) => {
            let ask = async || {
                let account = at.account().await.map_err(|_| Error::InvalidClient)?;
                account.admit_client(&secret, demand, origin(&at.request)).await
            };
            Ok(informed(at, ask).await?)
        }
    }
}

/// An account user, who says who it is, or whom somebody says to be it whom the account trusts, for a token on an account that it is a member of.
async fn account_user(at: &Unproven, input: TokenInput) -> Result<tenantry_accounts::AccessToken> {
    let Some(Proof::Bearer(token)) = proof(&at.request, None, None)? else { return Err(Error::Unauthorized.into()) };
    Ok(at.registry.enter(at.account, &token, origin(&at.request), input.scope.as_deref()).await?)
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
    let demand = Demand::any(TokenUse::Access, ACCOUNTS_READERS, Lane::Reserved, false);
    Ok(at.registry.exchange_at_once(at.account, request, demand, origin(&at.request)).await?)
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
pub(crate) enum TokenType {
    Bearer,
}

impl AccessToken {
    pub(crate) fn new(token: &tenantry_accounts::AccessToken) -> Self {
        Self {
            access_token: token.token.reveal().to_owned(),
            token_type: TokenType::Bearer,
            expires_in: token.expires_in,
            scope: token.scope.claim(),
            refresh_token: token.refresh_token.as_ref().map(|token| token.reveal().to_owned()),
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

/// Codes of ours that are also those of the standards, or have no equal there.
const STANDARD: [&str; 5] = ["unsupported_grant_type", "invalid_scope", "invalid_target", "invalid_grant", "mfa_required"];
/// Headers of a refusal that its form does not change.
const KEPT: [&str; 4] = ["www-authenticate", "retry-after", "ratelimit", "ratelimit-policy"];

/// A refusal as RFC 6749 section 5.2 has it.
pub(crate) fn refuse_form(error: ApiError) -> HttpResponse {
    let (status, code) = match error.status_code() {
        _ if ["invalid_credentials", "mfa_token_invalid"].contains(&error.code()) => (StatusCode::BAD_REQUEST, "invalid_grant"),
        status if STANDARD.contains(&error.code()) => (status, error.code()),
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
    let mut body = json!({"error": code, "error_description": description});
    if let ApiError::MfaRequired(token) = &error {
        body["mfa_token"] = token.reveal().into();
    }
    let mut response = response.json(body);
    response.extensions_mut().insert(error);
    response
}
