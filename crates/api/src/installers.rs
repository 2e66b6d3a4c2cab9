//! Installers: they sign up, log in and out, and choose another password (contract nos. 60-65), for the configured account and, by
//! the same handlers, for any.

use actix_web::http::Method;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::{HttpResponse, ResponseError};
use serde::{Deserialize, Serialize};
use tenantry_domain::{
    Checks, Email, Error, Fault, Installer, InstallerProfile, Instant, Password, Secret, Text, installer_password,
};
use utoipa::ToSchema;

use crate::body::Json;
use crate::call::{Call, Unproven, origin};
use crate::error::{ApiError, ErrorBody, Result};
use crate::reply::{Created201, NoContent204, Ok200, Or};
use crate::route::{Policy, Route, of_installers};
use crate::token_request::secret;

/// Where the installers of the configured account are served.
pub(crate) const CONFIGURED: &str = "/api/v1/installer/";

/// The two paths of an endpoint of installers.
macro_rules! paths {
    ($name:literal) => {
        [concat!("/api/v1/installer/", $name), concat!("/v1/accounts/{aid}/installer/", $name)]
    };
}
pub(crate) use paths;

pub(crate) fn routes() -> Vec<Route> {
    let (entry, own) = (Policy::installer_entry(), Policy::installer());
    let post = Method::POST;
    [
        of_installers(&post, paths!("signup"), entry, sign_up_installer, "Register an installer account"),
        of_installers(
            &post,
            paths!("signup-with-confirmation"),
            entry,
            sign_up_installer_with_confirmation,
            "Register with email confirmation",
        ),
        of_installers(&post, paths!("confirm-email"), entry, confirm_installer_email, "Confirm the address of an account"),
        of_installers(&post, paths!("login"), entry, log_in_installer, "Log in"),
        of_installers(&post, paths!("logout"), own.signs_in(), log_out_installer, "Log out"),
        of_installers(&post, paths!("forgot-password"), entry, forget_installer_password, "Request password reset"),
        of_installers(&post, paths!("reset-password"), entry, reset_installer_password, "Reset password"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// An answer in the words of the source document, which calls some causes otherwise.
pub(crate) fn in_their_words(answer: HttpResponse) -> HttpResponse {
    let error = answer.error().and_then(|error| error.as_error::<ApiError>());
    let renamed = error.and_then(|error| Some((error.clone(), their_code(error.code())?)));
    let Some((error, code)) = renamed else { return answer };
    let mut told = HttpResponse::build(error.status_code()).json(ErrorBody::from(&error).with_code(code));
    for (name, value) in answer.headers().iter().filter(|(name, _)| *name != CONTENT_LENGTH) {
        told.headers_mut().insert(name.clone(), value.clone());
    }
    told
}

/// Every cause that the installer API names.
pub(crate) const CODES: [&str; 16] = [
    "validation_error",
    "invalid_credentials",
    "token_expired",
    "account_pending",
    "identity_required",
    "terms_required",
    "email_taken",
    "weak_password",
    "account_suspended",
    "account_frozen",
    "not_found",
    "payload_too_large",
    "unsupported_media_type",
    "too_many_requests",
    "unavailable",
    "internal_error",
];

fn their_code(code: &str) -> Option<&'static str> {
    match code {
        "invalid_request" => Some("validation_error"),
        "unauthorized" => Some("invalid_credentials"),
        _ => None,
    }
}

async fn sign_up_installer(
    at: Unproven,
    Json(body): Json<InstallerSignup>,
) -> Result<Or<Or<Created201<InstallerAccount>, 409>, 422>> {
    let made = at.account().await?.sign_up(origin(&at.request), body.parse()?, false).await?;
    Ok(Or(Or(Created201(InstallerAccount::new(&made)))))
}

async fn sign_up_installer_with_confirmation(
    at: Unproven,
    Json(body): Json<InstallerSignup>,
) -> Result<Or<Or<Created201<InstallerPending>, 409>, 422>> {
    let made = at.account().await?.sign_up(origin(&at.request), body.parse()?, true).await?;
    Ok(Or(Or(Created201(InstallerPending::new(&made)))))
}

async fn confirm_installer_email(at: Unproven, Json(body): Json<InstallerConfirmation>) -> Result<Ok200<InstallerAccount>> {
    let token = body.token.ok_or_else(|| ApiError::invalid("token", "is required"))?;
    let confirmed = at.account().await?.confirm_installer(origin(&at.request), token.reveal()).await;
    Ok(Ok200(InstallerAccount::new(&confirmed.map_err(bad_token)?)))
}

async fn log_in_installer(at: Unproven, Json(body): Json<InstallerLogin>) -> Result<Or<Or<Ok200<InstallerToken>, 401>, 403>> {
    if body.email.trim().is_empty() || body.email.len() > 254 {
        return Err(ApiError::invalid("email", "must be 1 to 254 bytes"));
    }
    let password = body.password.ok_or("is required".to_owned());
    let password = password.and_then(|password| Password::shown(password.reveal().to_owned()));
    let password = password.map_err(|fault| ApiError::invalid("password", fault))?;
    let (token, id) = at.account().await?.log_in_installer(origin(&at.request), &body.email, password).await?;
    Ok(Or(Or(Ok200(InstallerToken {
        access_token: token.token.reveal().to_owned(),
        token_type: TokenType::Bearer,
        expires_in: token.expires_in,
        installer_id: id.to_string(),
    }))))
}

async fn log_out_installer(call: Call) -> Result<NoContent204> {
    call.account.log_out_installer(call.caller).await?;
    Ok(NoContent204)
}

async fn forget_installer_password(at: Unproven, Json(body): Json<InstallerForgotten>) -> Result<Ok200<Message>> {
    let email: Email = body.email.parse().map_err(|fault: String| ApiError::invalid("email", fault))?;
    at.account().await?.forgot_installer_password(origin(&at.request), &email).await?;
    Ok(Ok200(Message::new("If an account with that email exists, a reset link has been sent.")))
}

async fn reset_installer_password(at: Unproven, Json(body): Json<InstallerReset>) -> Result<Or<Ok200<Message>, 422>> {
    let token = body.token.ok_or_else(|| ApiError::invalid("token", "is required"))?;
    let password = chosen("new_password", body.new_password)?;
    let account = at.account().await?;
    account.reset_installer_password(origin(&at.request), token.reveal(), password).await.map_err(bad_token)?;
    Ok(Or(Ok200(Message::new("Password updated successfully. Please log in with your new password."))))
}

/// A link's token that is good for nothing, as the source document has it.
fn bad_token(error: Error) -> ApiError {
    match error {
        Error::InvalidGrant => ApiError::invalid("token", "is not valid: it was used, it is too old, or it is not whole"),
        error => error.into(),
    }
}

/// A password that somebody chooses: what is wrong with it is told by its own status.
pub(crate) fn chosen(field: &str, password: Option<Secret>) -> std::result::Result<Password, Error> {
    let password = password.ok_or_else(|| Error::invalid(field, "is required"))?;
    installer_password(field, password.reveal().to_owned())
}

/// Somebody who signs up.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"email": "j.smith@acme-ev.com", "password": "Tr0ub4dor&3", "first_name": "Jane", "last_name": "Smith",
    "company": "Acme EV Services"}))]
struct InstallerSignup {
    /// How it logs in.
    #[schema(format = "email")]
    email: String,
    /// At least 10 characters with upper case, lower case and digit.
    #[serde(default, deserialize_with = "secret")]
    #[schema(required, value_type = String, min_length = 10, pattern = r"^(?=.*[a-z])(?=.*[A-Z])(?=.*\d).{10,}$", write_only)]
    password: Option<Secret>,
    /// Given name.
    #[schema(min_length = 1, max_length = 100)]
    first_name: String,
    /// Family name.
    #[schema(min_length = 1, max_length = 100)]
    last_name: String,
    /// Employer or contracting company.
    #[schema(min_length = 1, max_length = 255)]
    company: String,
}

impl InstallerSignup {
    fn parse(self) -> Result<tenantry_domain::InstallerSignup> {
        let mut checks = Checks::default();
        let email = checks.take("email", self.email.parse::<Email>());
        let first_name = checks.take("first_name", Text::name(&self.first_name));
        let last_name = checks.take("last_name", Text::name(&self.last_name));
        let company = checks.take("company", Text::name(&self.company));
        let password = match chosen("password", self.password) {
            Err(Error::Invalid(faults)) => {
                for Fault { field, message } in faults {
                    checks.fault(field, message);
                }
                None
            }
            password => Some(password),
        };
        let profile =
            (|| Some(InstallerProfile { first_name: first_name?, last_name: last_name?, company: company?, phone: None }))();
        let (email, password, profile) = checks.done((|| Some((email?, password?, profile?)))())?;
        // A weak password is told of only where nothing else is wrong: it has a status of its own.
        Ok(tenantry_domain::InstallerSignup { email, password: password?, profile })
    }
}

/// Who logs in.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"email": "j.smith@acme-ev.com", "password": "Tr0ub4dor&3"}))]
struct InstallerLogin {
    /// The address.
    email: String,
    /// The password.
    #[serde(default, deserialize_with = "secret")]
    #[schema(required, value_type = String, min_length = 1, write_only)]
    password: Option<Secret>,
}

/// Who lost a password.
#[derive(Deserialize, ToSchema)]
#[schema(as = InstallerForgotPassword, example = json!({"email": "j.smith@acme-ev.com"}))]
struct InstallerForgotten {
    /// The address.
    email: String,
}

/// The token of a link, and another password.
#[derive(Deserialize, ToSchema)]
#[schema(as = InstallerResetPassword, example = json!({"token": "rst_4f8a2b1c9d3e7f0a", "new_password": "N3wS3cur3P@ss!"}))]
struct InstallerReset {
    /// What the link in the mail ends with.
    #[serde(default, deserialize_with = "secret")]
    #[schema(required, value_type = String)]
    token: Option<Secret>,
    /// At least 10 characters with upper case, lower case and digit.
    #[serde(default, deserialize_with = "secret")]
    #[schema(required, value_type = String, min_length = 10, pattern = r"^(?=.*[a-z])(?=.*[A-Z])(?=.*\d).{10,}$", write_only)]
    new_password: Option<Secret>,
}

/// The token of a link.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"token": "cnf_4f8a2b1c9d3e7f0a"}))]
struct InstallerConfirmation {
    /// What the link in the mail ends with.
    #[serde(default, deserialize_with = "secret")]
    #[schema(required, value_type = String)]
    token: Option<Secret>,
}

/// Whether somebody may log in yet.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum InstallerStatus {
    Active,
    PendingVerification,
}

impl InstallerStatus {
    const fn of(installer: &Installer) -> Self {
        if installer.is_pending() { Self::PendingVerification } else { Self::Active }
    }
}

/// An installer as it is answered.
#[derive(Serialize, ToSchema)]
pub(crate) struct InstallerAccount {
    /// `ins_` and hexadecimal digits.
    installer_id: String,
    /// How it logs in.
    email: String,
    /// Given name.
    first_name: String,
    /// Family name.
    last_name: String,
    /// Employer or contracting company.
    company: String,
    /// Whether it may log in yet.
    status: InstallerStatus,
    /// When it was opened.
    #[schema(value_type = String, format = DateTime)]
    created_at: Instant,
}

impl InstallerAccount {
    /// Whose it is, which is also the cursor of a page that ends with it.
    pub(crate) fn id(&self) -> &str {
        &self.installer_id
    }

    pub(crate) fn new(installer: &Installer) -> Self {
        Self {
            installer_id: installer.id.to_string(),
            email: installer.email.to_string(),
            first_name: installer.profile.first_name.as_str().to_owned(),
            last_name: installer.profile.last_name.as_str().to_owned(),
            company: installer.profile.company.as_str().to_owned(),
            status: InstallerStatus::of(installer),
            created_at: installer.stamp.created_at,
        }
    }
}

/// An account that waits until its address is confirmed.
#[derive(Serialize, ToSchema)]
struct InstallerPending {
    /// `ins_` and hexadecimal digits.
    installer_id: String,
    /// Where the link went.
    email: String,
    /// `pending_verification`
    status: InstallerStatus,
    /// What to do, for people.
    message: String,
}

impl InstallerPending {
    fn new(installer: &Installer) -> Self {
        let email = installer.email.to_string();
        Self {
            installer_id: installer.id.to_string(),
            status: InstallerStatus::of(installer),
            message: format!("A confirmation link has been sent to {email}."),
            email,
        }
    }
}

/// How a token is shown (RFC 6750).
#[derive(Serialize, ToSchema)]
enum TokenType {
    Bearer,
}

/// A token.
#[derive(Serialize, ToSchema)]
struct InstallerToken {
    /// The signed JWT.
    access_token: String,
    /// `Bearer`
    token_type: TokenType,
    /// Seconds until it ends.
    #[schema(default = 3600)]
    expires_in: i64,
    /// Whose it is.
    installer_id: String,
}

/// What happened, for people.
#[derive(Serialize, ToSchema)]
struct Message {
    /// The text.
    message: String,
}

impl Message {
    fn new(text: &str) -> Self {
        Self { message: text.to_owned() }
    }
}
