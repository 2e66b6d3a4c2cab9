//! What is sent to the token endpoint: JSON or a form, told apart by `grant_type`.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tenantry_domain::Secret;
use utoipa::ToSchema;

use crate::body;
use crate::error::{ApiError, Result};
use crate::openapi::{Describe, Operation};
use crate::query;

pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// Whether a caller speaks the form of RFC 6749, and is to be answered so.
pub(crate) fn is_form(request: &HttpRequest) -> bool {
    request.content_type().eq_ignore_ascii_case(FORM)
}

/// A body in either form. Reading it never fails, so that the refusal takes the caller's form.
pub(crate) struct FormOrJson<T> {
    pub(crate) form: bool,
    pub(crate) input: Result<T>,
}

/// The body of a token request.
pub(crate) struct TokenBody(pub(crate) FormOrJson<TokenInput>);

/// All that any grant type asks for.
#[derive(Deserialize)]
pub(crate) struct TokenInput {
    pub(crate) grant_type: Option<String>,
    pub(crate) audience: Option<String>,
    pub(crate) scope: Option<String>,
    pub(crate) client_id: Option<String>,
    #[serde(default, deserialize_with = "secret")]
    pub(crate) client_secret: Option<Secret>,
    #[serde(default, deserialize_with = "secret")]
    pub(crate) subject_token: Option<Secret>,
    pub(crate) subject_token_type: Option<String>,
    pub(crate) requested_token_type: Option<String>,
    pub(crate) resource: Option<String>,
    #[serde(default, deserialize_with = "secret")]
    pub(crate) actor_token: Option<Secret>,
    pub(crate) actor_token_type: Option<String>,
    pub(crate) username: Option<String>,
    #[serde(default, deserialize_with = "secret")]
    pub(crate) password: Option<Secret>,
    pub(crate) ident_type: Option<String>,
    pub(crate) ident: Option<String>,
    #[serde(default, deserialize_with = "secret")]
    pub(crate) verification_code: Option<Secret>,
    #[serde(default, deserialize_with = "secret")]
    pub(crate) refresh_token: Option<Secret>,
    #[serde(default, deserialize_with = "secret")]
    pub(crate) oob_code: Option<Secret>,
    #[serde(default, deserialize_with = "secret")]
    pub(crate) binding_code: Option<Secret>,
    #[serde(default, deserialize_with = "secret")]
    pub(crate) mfa_token: Option<Secret>,
    #[serde(default, deserialize_with = "secret")]
    pub(crate) otp: Option<Secret>,
    #[serde(default, deserialize_with = "secret")]
    pub(crate) recovery_code: Option<Secret>,
}

impl TokenInput {
    /// A parameter without a value counts as left out (RFC 6749 section 3.2).
    pub(crate) fn without_empty(self) -> Self {
        let some = |text: Option<String>| text.filter(|text| !text.is_empty());
        let secret = |text: Option<Secret>| text.filter(|text| !text.reveal().is_empty());
        Self {
            grant_type: some(self.grant_type),
            audience: some(self.audience),
            scope: some(self.scope),
            client_id: some(self.client_id),
            client_secret: secret(self.client_secret),
            subject_token: secret(self.subject_token),
            subject_token_type: some(self.subject_token_type),
            requested_token_type: some(self.requested_token_type),
            resource: some(self.resource),
            actor_token: secret(self.actor_token),
            actor_token_type: some(self.actor_token_type),
            username: some(self.username),
            password: secret(self.password),
            ident_type: some(self.ident_type),
            ident: some(self.ident),
            verification_code: secret(self.verification_code),
            refresh_token: secret(self.refresh_token),
            oob_code: secret(self.oob_code),
            binding_code: secret(self.binding_code),
            mfa_token: secret(self.mfa_token),
            otp: secret(self.otp),
            recovery_code: secret(self.recovery_code),
        }
    }
}

/// A secret in a body.
pub(crate) fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::new))
}

impl<T: DeserializeOwned + 'static> FromRequest for FormOrJson<T> {
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = std::result::Result<Self, Infallible>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let form = is_form(request);
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

impl<T: ToSchema> Describe for FormOrJson<T> {
    fn describe(operation: &mut Operation<'_>) {
        for content_type in [FORM, "application/json"] {
            operation.body::<T>(content_type, true);
        }
    }
}

impl FromRequest for TokenBody {
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = std::result::Result<Self, Infallible>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = FormOrJson::from_request(request, payload);
        Box::pin(async move { body.await.map(Self) })
    }
}

impl Describe for TokenBody {
    fn describe(operation: &mut Operation<'_>) {
        for content_type in ["application/json", FORM] {
            operation.body::<TokenClientCredentials>(content_type, true);
            operation.or_body::<TokenPassword>(content_type);
            operation.or_body::<TokenAuthorizationCode>(content_type);
            operation.or_body::<TokenRefresh>(content_type);
            operation.or_body::<TokenMfaOob>(content_type);
            operation.or_body::<TokenMfaOtp>(content_type);
            operation.or_body::<TokenMfaRecoveryCode>(content_type);
            operation.or_body::<TokenAccountUser>(content_type);
            operation.or_body::<TokenExchangeRequest>(content_type);
        }
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

/// A client brings a person's name and password (RFC 6749 section 4.3).
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what `TokenInput` reads")]
#[schema(example = json!({
    "grant_type": "password",
    "username": "ola@example.com",
    "password": "correct horse battery staple",
    "audience": "https://api.example.com/v1/accounts/T11200000",
}))]
struct TokenPassword {
    /// The kind of request.
    grant_type: PasswordGrantTypeName,
    /// The user's name.
    #[schema(min_length = 1, max_length = 255)]
    username: String,
    /// The user's password.
    #[schema(min_length = 1, write_only)]
    password: String,
    /// Whom the token is for; a live grant must tie it to the client.
    #[schema(format = "uri")]
    audience: String,
    /// Fewer scopes than the client's grant gives, blank-separated; all of them if left out.
    scope: Option<String>,
}

/// The kind of token request.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what `TokenInput` reads")]
#[schema(as = TokenPasswordGrantType, rename_all = "snake_case")]
enum PasswordGrantTypeName {
    Password,
}

/// A client brings the one-time code that a person was sent or handed.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what `TokenInput` reads")]
#[schema(example = json!({
    "grant_type": "authorization_code",
    "ident_type": "email",
    "ident": "ola@example.com",
    "verification_code": "123456",
    "audience": "https://api.example.com/v1/accounts/T11200000",
}))]
struct TokenAuthorizationCode {
    /// The kind of request.
    grant_type: CodeGrantTypeName,
    /// What the person is called by.
    ident_type: IdentType,
    /// The address that the code was sent for, or the user that it was made for.
    #[schema(min_length = 1)]
    ident: String,
    /// What the person typed, or was handed.
    #[schema(min_length = 1, write_only)]
    verification_code: String,
    /// Whom the token is for; a live grant must tie it to the client.
    #[schema(format = "uri")]
    audience: String,
    /// Fewer scopes than the client's grant gives, blank-separated; all of them if left out.
    scope: Option<String>,
}

/// The kind of token request.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what `TokenInput` reads")]
#[schema(as = TokenAuthorizationCodeGrantType, rename_all = "snake_case")]
enum CodeGrantTypeName {
    AuthorizationCode,
}

/// What a person is called by.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what `TokenInput` reads")]
#[schema(as = TokenIdentType, rename_all = "snake_case")]
enum IdentType {
    Email,
    UserId,
}

/// A client renews a person's token (RFC 6749 section 6). The answer has the next refresh token; this one is then used up.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what `TokenInput` reads")]
#[schema(example = json!({"grant_type": "refresh_token", "refresh_token": "T11200000.refresh...."}))]
struct TokenRefresh {
    /// The kind of request.
    grant_type: RefreshGrantTypeName,
    /// The latest refresh token of the session.
    #[schema(min_length = 1, write_only)]
    refresh_token: String,
    /// Fewer scopes than the session has, for this token; all of them if left out.
    scope: Option<String>,
}

/// The kind of token request.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what `TokenInput` reads")]
#[schema(as = TokenRefreshGrantType, rename_all = "snake_case")]
enum RefreshGrantTypeName {
    RefreshToken,
}

/// A client brings the code that a person was sent. Halfway through a recovery the answer is 403 `mfa_required` again.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what `TokenInput` reads")]
#[schema(example = json!({
    "grant_type": "mfa_oob",
    "oob_code": "T11200000.oob....",
    "binding_code": "123456",
    "mfa_token": "T11200000.mfa....",
}))]
struct TokenMfaOob {
    /// The kind of request; both spellings are understood.
    grant_type: MfaOobGrantTypeName,
    /// Names the code.
    #[schema(write_only)]
    oob_code: String,
    /// What the person typed.
    #[schema(write_only)]
    binding_code: String,
    /// The handle of the challenge.
    #[schema(write_only)]
    mfa_token: String,
}

/// The kind of token request.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what `TokenInput` reads")]
#[schema(as = TokenMfaOobGrantType)]
enum MfaOobGrantTypeName {
    #[schema(rename = "mfa_oob")]
    MfaOob,
    #[schema(rename = "mfa-oob")]
    MfaOobHyphenated,
}

/// A client brings what a person's app shows (RFC 6238), instead of a code that was sent.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what `TokenInput` reads")]
#[schema(example = json!({"grant_type": "mfa_otp", "otp": "123456", "mfa_token": "T11200000.mfa...."}))]
struct TokenMfaOtp {
    /// The kind of request.
    grant_type: MfaOtpGrantTypeName,
    /// What the app shows.
    #[schema(write_only)]
    otp: String,
    /// The handle of the challenge.
    #[schema(write_only)]
    mfa_token: String,
}

/// The kind of token request.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what `TokenInput` reads")]
#[schema(as = TokenMfaOtpGrantType, rename_all = "snake_case")]
enum MfaOtpGrantTypeName {
    MfaOtp,
}

/// A client brings one of a person's recovery codes.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what `TokenInput` reads")]
#[schema(example = json!({"grant_type": "mfa_recovery_code", "recovery_code": "abcde-fghjk", "mfa_token": "T11200000.mfa...."}))]
struct TokenMfaRecoveryCode {
    /// The kind of request.
    grant_type: MfaRecoveryCodeGrantTypeName,
    /// The code; it works once.
    #[schema(write_only)]
    recovery_code: String,
    /// The handle of the challenge.
    #[schema(write_only)]
    mfa_token: String,
}

/// The kind of token request.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what `TokenInput` reads")]
#[schema(as = TokenMfaRecoveryCodeGrantType, rename_all = "snake_case")]
enum MfaRecoveryCodeGrantTypeName {
    MfaRecoveryCode,
}

/// An account user brings the token that says who it is, as bearer, for one on this account, of which it must be a member.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what `TokenInput` reads")]
#[schema(example = json!({"grant_type": "account_user"}))]
struct TokenAccountUser {
    /// The kind of request; both spellings are understood.
    grant_type: AccountUserGrantTypeName,
    /// Fewer scopes than the user has here, blank-separated; all of them if left out.
    scope: Option<String>,
}

/// The kind of token request.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what `TokenInput` reads")]
#[schema(as = TokenAccountUserGrantType, rename_all = "snake_case")]
enum AccountUserGrantTypeName {
    AccountUser,
    AccountUserToken,
}

/// A partner trades its token for one on this account, in one step (RFC 8693 section 2.1). The client may say who it is;
/// then it must be the one that the subject token belongs to.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what `TokenInput` reads")]
#[schema(example = json!({
    "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
    "subject_token": "eyJ...",
    "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
}))]
struct TokenExchangeRequest {
    /// The kind of request.
    grant_type: ExchangeGrantTypeName,
    /// The partner's access token.
    #[schema(write_only)]
    subject_token: String,
    /// What it is.
    subject_token_type: TokenTypeName,
    /// What is wanted; the same.
    requested_token_type: Option<TokenTypeName>,
    /// Whom the token is for: the account that is asked, also if left out.
    #[schema(format = "uri")]
    audience: Option<String>,
    /// The same, as RFC 8707 names it.
    #[schema(format = "uri")]
    resource: Option<String>,
    /// Fewer scopes than the partner has there, blank-separated; all of them if left out.
    scope: Option<String>,
}

/// The kind of token request.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what `TokenInput` reads")]
#[schema(as = TokenExchangeGrantType)]
enum ExchangeGrantTypeName {
    #[schema(rename = "urn:ietf:params:oauth:grant-type:token-exchange")]
    TokenExchange,
}

/// A kind of token (RFC 8693 section 3). Access tokens are JWTs here.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what `TokenInput` reads")]
#[schema(as = TokenTypeIdentifier)]
pub(crate) enum TokenTypeName {
    #[schema(rename = "urn:ietf:params:oauth:token-type:access_token")]
    AccessToken,
    #[schema(rename = "urn:ietf:params:oauth:token-type:jwt")]
    Jwt,
}
