//! Account users: signing in, who one is, one's own password and second factor (contract section 9). The session stands in a
//! cookie that no script reads; what it yields is a token that says who somebody is, and no more.

use actix_web::cookie::{Cookie, SameSite, time::Duration};
use actix_web::{HttpRequest, HttpResponse, Responder};
use serde::{Deserialize, Serialize};
use tenantry_accounts::{Login, Membership, Redeemed, Shown};
use tenantry_domain::{AuthUser, Channel, Checks, Email, Error, Instant, Password, Phone, Secret};
use utoipa::ToSchema;

use crate::body::Json;
use crate::call::{Call, Unproven, origin};
use crate::error::{ApiError, Result};
use crate::mfa::ChallengeResponse;
use crate::openapi::{Describe, Operation};
use crate::pages::whose;
use crate::reply::{NoContent204, Ok200};
use crate::route::{Policy, Route, delete, get, post, put};
use crate::server::State;
use crate::token_request::secret;
use crate::tokens::AccessToken;
use crate::users::OobChannel;
use crate::wire::{ScopeName, scope_names, shown};

pub(crate) fn routes() -> Vec<Route> {
    let (open, person) = (Policy::console(), Policy::person());
    vec![
        post("/v1/account/login", open, sign_in, "Sign in with e-mail and password"),
        post("/v1/account/login/challenge", open, send_sign_in_code, "Send the second-factor code"),
        post("/v1/account/login/code", open, sign_in_with_code, "Sign in with the second-factor code"),
        post("/v1/account/session", open, stay_signed_in, "A new token for the session in the cookie"),
        post("/v1/account/logout", open, sign_out, "End the session in the cookie"),
        post("/v1/account/password/forgot", open, forgot_password, "Send a link to choose another password"),
        post("/v1/account/password", open, choose_password, "Choose a password with the link that was sent"),
        get("/v1/account/user", person, get_own_user, "Who one is, and where one is a member"),
        post("/v1/account/user/password", person, change_password, "Change one's own password"),
        put("/v1/account/user/password", person, replace_password, "Change one's own password"),
        put("/v1/account/user/mfa/sms", person, set_sms, "Turn one's second factor by SMS on or off"),
        delete("/v1/account/user/sessions", person, sign_out_everywhere, "End all of one's sessions"),
    ]
}

async fn sign_in(at: Unproven, Json(body): Json<SignIn>) -> Result<SignedIn> {
    let mut checks = Checks::default();
    let password = body.password.ok_or("is required".to_owned());
    let password = checks.take("password", password.and_then(|password| Password::shown(password.reveal().to_owned())));
    let password = checks.done(password)?;
    let login = at.account().await?.sign_in(origin(&at.request), &body.email, password).await?;
    signed_in(&at, login).await
}

async fn send_sign_in_code(at: Unproven, Json(body): Json<SignInChallenge>) -> Result<Ok200<ChallengeResponse>> {
    let token = body.mfa_token.ok_or_else(|| ApiError::invalid("mfa_token", "is required"))?;
    let sent = at.account().await?.send_sign_in_code(origin(&at.request), token.reveal(), body.oob_channel.into()).await?;
    Ok(Ok200(ChallengeResponse::new(&sent)))
}

async fn sign_in_with_code(at: Unproven, Json(body): Json<SignInCode>) -> Result<SignedIn> {
    let text = |value: &Option<Secret>, field| value.clone().ok_or_else(|| ApiError::invalid(field, "is required"));
    let shown = match (&body.otp, &body.recovery_code) {
        (Some(otp), _) => Some(Shown::Otp(otp.reveal())),
        (None, Some(code)) => Some(Shown::RecoveryCode(code.reveal())),
        (None, None) => None,
    };
    if let Some(shown) = shown {
        let mfa_token = text(&body.mfa_token, "mfa_token")?;
        let login = at.account().await?.sign_in_with_shown(origin(&at.request), mfa_token.reveal(), shown).await?;
        return signed_in(&at, login).await;
    }
    let (oob_code, binding_code) = (text(&body.oob_code, "oob_code")?, text(&body.binding_code, "binding_code")?);
    let mfa_token = text(&body.mfa_token, "mfa_token")?;
    let redeemed = Redeemed { oob_code: oob_code.reveal(), binding_code: binding_code.reveal(), mfa_token: mfa_token.reveal() };
    let login = at.account().await?.sign_in_with_code(origin(&at.request), redeemed).await?;
    signed_in(&at, login).await
}

/// The new session takes the place of the one in the cookie, which nobody could end any more.
async fn signed_in(at: &Unproven, login: Login) -> Result<SignedIn> {
    if let (Login::Done(_), Some(before)) = (&login, session_value(&at.request)) {
        at.account().await?.sign_out(origin(&at.request), before.reveal()).await?;
    }
    SignedIn::new(&at.request, login)
}

async fn stay_signed_in(at: Unproven) -> Result<SignedIn> {
    let value = session_value(&at.request).ok_or(Error::Unauthorized)?;
    let token = at.account().await?.stay_signed_in(origin(&at.request), value.reveal()).await?;
    SignedIn::new(&at.request, Login::Done(token))
}

async fn sign_out(at: Unproven) -> Result<SignedOut> {
    if let Some(value) = session_value(&at.request) {
        at.account().await?.sign_out(origin(&at.request), value.reveal()).await?;
    }
    Ok(SignedOut)
}

async fn forgot_password(at: Unproven, Json(body): Json<ForgotPassword>) -> Result<NoContent204> {
    let email: Email = body.email.parse().map_err(|fault: String| ApiError::invalid("email", fault))?;
    at.account().await?.forgot_password(origin(&at.request), &email).await?;
    Ok(NoContent204)
}

async fn choose_password(at: Unproven, Json(body): Json<ChoosePassword>) -> Result<NoContent204> {
    let mut checks = Checks::default();
    let token = checks.take("token", body.token.ok_or("is required"));
    let password = checks.take("password", chosen(body.password));
    let (token, password) = checks.done(token.zip(password))?;
    whose(&at, &token).await?.choose_password(origin(&at.request), token.reveal(), password).await?;
    Ok(NoContent204)
}

async fn get_own_user(call: Call) -> Result<Ok200<OwnUser>> {
    let user = call.account.own_record(&call.caller).await?;
    let memberships = call.registry.memberships(user.id).await?;
    Ok(Ok200(OwnUser::new(&user, &memberships)))
}

async fn change_password(call: Call, Json(body): Json<ChangePassword>) -> Result<Created201> {
    let mut checks = Checks::default();
    let previous = body.previous_password.ok_or("is required".to_owned());
    let previous = previous.and_then(|password| Password::shown(password.reveal().to_owned()));
    let previous = checks.take("previous_password", previous);
    let proposed = checks.take("proposed_password", chosen(body.proposed_password));
    let (previous, proposed) = checks.done(previous.zip(proposed))?;
    call.account.change_own_password(call.caller, previous, proposed).await?;
    Ok(Created201)
}

/// The same, as newer callers ask for it.
async fn replace_password(call: Call, body: Json<ChangePassword>) -> Result<Created201> {
    change_password(call, body).await
}

async fn set_sms(call: Call, Json(body): Json<OwnSms>) -> Result<Created201> {
    let phone = match (body.enabled, body.phone_number) {
        (false, _) => None,
        (true, None) => return Err(ApiError::invalid("phone_number", "is required")),
        (true, Some(number)) => Some(number.parse::<Phone>().map_err(|fault: String| ApiError::invalid("phone_number", fault))?),
    };
    confirm_self(&call, body.password).await?;
    call.account.set_own_sms(call.caller, phone).await?;
    Ok(Created201)
}

/// Whoever changes a factor of its own shows the password.
pub(crate) async fn confirm_self(call: &Call, password: Option<Secret>) -> Result<()> {
    let password = password.ok_or("is required".to_owned());
    let password = password.and_then(|password| Password::shown(password.reveal().to_owned()));
    let password = password.map_err(|fault| ApiError::invalid("password", fault))?;
    Ok(call.account.confirm_self(&call.caller, password).await?)
}

async fn sign_out_everywhere(call: Call) -> Result<NoContent204> {
    call.account.sign_out_everywhere(call.caller).await?;
    Ok(NoContent204)
}

fn chosen(password: Option<Secret>) -> std::result::Result<Password, String> {
    Password::chosen(password.ok_or("is required")?.reveal().to_owned())
}

/// The cookie's name. With its prefix browsers let no other host and no plain connection set it.
fn cookie_name(request: &HttpRequest) -> &'static str {
    if State::of(request).options.https { "__Host-tenantry_session" } else { "tenantry_session" }
}

fn cookie(request: &HttpRequest, value: String, lifetime: Duration) -> Cookie<'static> {
    let secure = State::of(request).options.https;
    let cookie = Cookie::build(cookie_name(request), value).path("/").http_only(true).same_site(SameSite::Strict);
    cookie.secure(secure).max_age(lifetime).finish()
}

/// What stands in the cookie.
fn session_value(request: &HttpRequest) -> Option<Secret> {
    request.cookie(cookie_name(request)).map(|cookie| Secret::new(cookie.value().to_owned()))
}

/// A token that says who somebody is, and the session in a cookie.
struct SignedIn {
    token: AccessToken,
    session: Cookie<'static>,
}

impl SignedIn {
    fn new(request: &HttpRequest, login: Login) -> Result<Self> {
        let token = match login {
            Login::Done(token) => token,
            Login::SecondFactor(handle) => return Err(ApiError::MfaRequired(handle)),
        };
        let value = token.refresh_token.as_ref().map(|value| value.reveal().to_owned()).unwrap_or_default();
        // As long as it may be refreshed the server knows; the browser keeps it for so long at most.
        let session = cookie(request, value, Duration::days(400));
        Ok(Self { token: AccessToken::new(&tenantry_accounts::AccessToken { refresh_token: None, ..token }), session })
    }
}

impl Responder for SignedIn {
    type Body = actix_web::body::BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Ok().cookie(self.session).json(self.token)
    }
}

impl Describe for SignedIn {
    fn describe(operation: &mut Operation<'_>) {
        operation.reply::<AccessToken>();
    }
}

/// 204, and the cookie is gone.
struct SignedOut;

impl Responder for SignedOut {
    type Body = actix_web::body::BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        HttpResponse::NoContent().cookie(cookie(request, String::new(), Duration::ZERO)).finish()
    }
}

impl Describe for SignedOut {
    fn describe(operation: &mut Operation<'_>) {
        operation.no_content();
    }
}

/// 201 without a body, as the source has it.
struct Created201;

impl Responder for Created201 {
    type Body = actix_web::body::BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Created().finish()
    }
}

impl Describe for Created201 {
    fn describe(operation: &mut Operation<'_>) {
        operation.created();
    }
}

/// Who signs in.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"email": "ola@example.com", "password": "correct horse battery staple"}))]
struct SignIn {
    /// The person's address.
    email: String,
    /// Its password.
    #[serde(default, deserialize_with = "secret")]
    #[schema(required, value_type = String, min_length = 1, write_only)]
    password: Option<Secret>,
}

/// Over which channel the code is to go.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"mfa_token": "P00000000.mfa....", "oob_channel": "sms"}))]
struct SignInChallenge {
    /// The handle that signing in gave.
    #[serde(default, deserialize_with = "secret")]
    #[schema(required, value_type = String, write_only)]
    mfa_token: Option<Secret>,
    /// One of the person's channels.
    #[serde(default)]
    #[schema(required = false)]
    oob_channel: OobChannel,
}

/// A second factor: the code that came, with its name; or what an app shows; or a recovery code.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"oob_code": "P00000000.oob....", "binding_code": "123456", "mfa_token": "P00000000.mfa...."}))]
struct SignInCode {
    /// Names the code that came.
    #[serde(default, deserialize_with = "secret")]
    #[schema(value_type = Option<String>, write_only)]
    oob_code: Option<Secret>,
    /// What the person typed of it.
    #[serde(default, deserialize_with = "secret")]
    #[schema(value_type = Option<String>, write_only)]
    binding_code: Option<Secret>,
    /// What the app shows.
    #[serde(default, deserialize_with = "secret")]
    #[schema(value_type = Option<String>, write_only)]
    otp: Option<Secret>,
    /// One of the recovery codes.
    #[serde(default, deserialize_with = "secret")]
    #[schema(value_type = Option<String>, write_only)]
    recovery_code: Option<Secret>,
    /// The handle that signing in gave.
    #[serde(default, deserialize_with = "secret")]
    #[schema(required, value_type = String, write_only)]
    mfa_token: Option<Secret>,
}

/// Who lost a password.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"email": "ola@example.com"}))]
struct ForgotPassword {
    /// The person's address.
    email: String,
}

/// Another password.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"token": "P00000000.password....", "password": "correct horse battery staple"}))]
struct ChoosePassword {
    /// What the link had in its query.
    #[serde(default, deserialize_with = "secret")]
    #[schema(required, value_type = String, write_only)]
    token: Option<Secret>,
    /// At least 8 characters of any kind, and none of those that everybody tries first.
    #[serde(default, deserialize_with = "secret")]
    #[schema(required, value_type = String, min_length = 8, write_only)]
    password: Option<Secret>,
}

/// Another password for oneself.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"previous_password": "correct horse battery staple", "proposed_password": "another horse, another staple"}))]
struct ChangePassword {
    /// The one until now.
    #[serde(default, deserialize_with = "secret")]
    #[schema(required, value_type = String, min_length = 1, write_only)]
    previous_password: Option<Secret>,
    /// At least 8 characters of any kind, and none of those that everybody tries first.
    #[serde(default, deserialize_with = "secret")]
    #[schema(required, value_type = String, min_length = 8, write_only)]
    proposed_password: Option<Secret>,
}

/// One's second factor by SMS.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"enabled": true, "phone_number": "+4712345678", "password": "correct horse battery staple"}))]
struct OwnSms {
    /// Whether it is asked for.
    enabled: bool,
    /// Where the codes go; needed to turn it on.
    #[schema(pattern = r"^\+?[1-9]\d{1,14}$", nullable = false)]
    phone_number: Option<String>,
    /// One's own.
    #[serde(default, deserialize_with = "secret")]
    #[schema(required, value_type = String, min_length = 1, write_only)]
    password: Option<Secret>,
}

/// Who one is.
#[derive(Serialize, ToSchema)]
#[schema(as = OwnUser)]
struct OwnUser {
    /// As in the `sub` of one's tokens, without `user:`.
    id: String,
    /// One's address.
    email: String,
    /// What one has set up.
    configuration: OwnConfiguration,
    /// Where one is a member.
    accounts: Vec<OwnAccount>,
}

/// What one has set up.
#[derive(Serialize, ToSchema)]
struct OwnConfiguration {
    /// The second factor.
    mfa: OwnMfa,
}

/// The channels of one's second factor.
#[derive(Serialize, ToSchema)]
struct OwnMfa {
    /// By SMS.
    sms: bool,
    /// By an app.
    totp: bool,
}

/// An account that one is a member of.
#[derive(Serialize, ToSchema)]
struct OwnAccount {
    /// The account.
    account_id: String,
    /// The company behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    business_name: Option<String>,
    /// What it is called.
    display_name: String,
    /// Where its logo is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "uri")]
    icon_url: Option<String>,
    /// Whether it is open.
    active: bool,
    /// What one is there.
    user: OwnMembership,
}

/// What one is in an account.
#[derive(Serialize, ToSchema)]
struct OwnMembership {
    /// The same in all of them.
    id: String,
    /// One's address.
    email: String,
    /// What one is called there.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// What one may do there now.
    scope: Vec<ScopeName>,
    /// When one was last there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    last_seen_at: Option<Instant>,
}

impl OwnUser {
    fn new(user: &AuthUser, memberships: &[Membership]) -> Self {
        let account = |membership: &Membership| {
            let directory = membership.account.directory();
            let member = directory.members.get(&user.id)?;
            let record = &directory.account;
            Some(OwnAccount {
                account_id: record.id.to_string(),
                business_name: record.company.as_ref().map(|company| company.business_name.as_str().to_owned()),
                display_name: record.display_name.as_str().to_owned(),
                icon_url: record.settings.icon_url.as_deref().map(ToOwned::to_owned),
                active: record.active,
                user: OwnMembership {
                    id: user.id.to_string(),
                    email: member.email.to_string(),
                    name: shown(member.name.as_ref()),
                    scope: scope_names(&directory.member_scopes(user.id)?),
                    last_seen_at: membership.seen_at,
                },
            })
        };
        let sms = user.mfa.as_ref().is_some_and(|channels| channels.contains(&Channel::Sms));
        Self {
            id: user.id.to_string(),
            email: user.email().map(ToString::to_string).unwrap_or_default(),
            configuration: OwnConfiguration { mfa: OwnMfa { sms, totp: user.totp.as_ref().is_some_and(|totp| totp.confirmed) } },
            accounts: memberships.iter().filter_map(account).collect(),
        }
    }
}
