//! The one error of the product: stable codes (contract section 3.7), no detail that could leak.

use crate::{Allowance, Scope};

/// What every fallible function of the product returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// One finding about one field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where, as the caller wrote it: `scope[0]`, `company.business_name`, `limit`.
    pub field: String,
    /// What is wrong, for a person.
    pub message: String,
}

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The request breaks a rule; each finding names its field. Nothing was written.
    #[error("The request is not valid.")]
    Invalid(Vec<Fault>),
    /// Another live record has this value.
    #[error("Another record has this {0} already.")]
    Duplicate(&'static str),
    /// The account holds as many of these as it may.
    #[error("The account has reached its limit of {max} {noun}.")]
    LimitReached {
        /// What there are too many of, in the plural.
        noun: &'static str,
        /// How many there may be.
        max: usize,
    },
    /// A `grant_type` that the token endpoint does not offer (RFC 6749 section 5.2).
    #[error("This grant type is not supported.")]
    UnsupportedGrantType,
    /// A scope was asked for that is malformed, or that the client's grant does not give (RFC 6749 section 5.2).
    #[error("The scope is not valid: {0}.")]
    InvalidScope(String),
    /// A token was asked for a target that it cannot be for (RFC 8693 section 2.2.2).
    #[error("The target is not valid: {0}.")]
    InvalidTarget(String),
    /// No credential, or one that proves nothing (any more).
    #[error("A valid access token is required.")]
    Unauthorized,
    /// Client authentication failed (RFC 6749 section 5.2).
    #[error("Client authentication failed.")]
    InvalidClient,
    /// What was to be traded for a token is unknown, used, expired, or somebody else's (RFC 6749 section 5.2).
    #[error("The grant is invalid, expired, revoked or was issued to another client.")]
    InvalidGrant,
    /// A code that proves an address is wrong, used or expired.
    #[error("The code is wrong, or not valid any more.")]
    InvalidCode,
    /// The client's grant names no identity provider.
    #[error("The grant has no identity provider.")]
    OidcNotConfigured,
    /// An identity provider cannot be reached, or makes no sense.
    #[error("The identity provider does not answer as it should; try again later.")]
    ProviderUnavailable,
    /// An address that is no callback of the client.
    #[error("The redirect_uri is not one of the client's callbacks.")]
    InvalidRedirectUri,
    /// The name and the password do not belong together.
    #[error("The username or the password is wrong.")]
    InvalidCredentials,
    /// The handle of a challenge is none, has expired, is used up, or is another client's.
    #[error("The mfa_token is not valid, or not valid any more.")]
    MfaTokenInvalid,
    /// An installer with this address is there already.
    #[error("An account with this email already exists.")]
    EmailTaken,
    /// A password that breaks the rules for installers.
    #[error("The password does not meet the requirements.")]
    WeakPassword {
        /// Where, as the caller wrote it.
        field: String,
        /// Which rule.
        message: String,
    },
    /// The token of an installer was good, and is not any more.
    #[error("The access token has expired: log in again.")]
    TokenExpired,
    /// An installer that has not confirmed its address.
    #[error("The email address has not been confirmed yet.")]
    AccountPending,
    /// An installer of whom nobody knows who it is.
    #[error("Your identity has to be verified before this.")]
    IdentityRequired,
    /// An installer that has not accepted the present terms.
    #[error("The current terms of service have to be accepted before this.")]
    TermsRequired,
    /// So many attempts have failed, or messages were sent, that the next has to wait.
    #[error("Too many attempts; try again in {0} s.")]
    TooManyAttempts(crate::Seconds),
    /// The token does not carry any of the scopes that the operation lists.
    #[error("The token lacks the scope for this operation.")]
    InsufficientScope,
    /// The client has no grant for the audience and grant type.
    #[error("The client has no grant for this audience.")]
    GrantMissing,
    /// The caller tries to give away a scope that it does not hold.
    #[error("You cannot give the scope {scope}, since you do not hold it.")]
    ScopeNotDelegable {
        /// Where, as the caller wrote it.
        field: String,
        /// Which one.
        scope: Scope,
    },
    /// The target of an exchange is not one that the caller may act on.
    #[error("This account is not one of yours to act on.")]
    NotASubAccount,
    /// The account, or the partner above it, is suspended.
    #[error("The account is suspended.")]
    AccountSuspended,
    /// The account, or the partner above it, is frozen, and the call would change something.
    #[error("The account is frozen: it can be read and signed in to, but not changed.")]
    AccountFrozen,
    /// What is looked for could be any of too many records.
    #[error("The search is too broad: narrow it by another filter.")]
    QueryTooBroad,
    /// The account is at another version than the request is about.
    #[error("The account has been changed since: it is at version {0}.")]
    VersionMismatch(i64),
    /// A key that marks a request as the same was used for another one.
    #[error("This Idempotency-Key was used for another request.")]
    IdempotencyConflict,
    /// There is no such record here; the same for a record of another account.
    #[error("Not found.")]
    NotFound,
    /// A rate is used up.
    #[error("Too many requests: the limit of this {} is {} a second.", .0.limit.name(), .0.quota.requests_per_second)]
    RateLimited(Allowance),
    /// The account has as much work queued as it may have.
    #[error("The account is busy; try again shortly.")]
    Busy,
    /// The server cannot answer now: full, stopping, or its database is away.
    #[error("The service is unavailable; try again shortly.")]
    Unavailable,
    /// The work began and its end was not seen: it may or may not have happened.
    #[error("Something went wrong on our side; the change may or may not have been made.")]
    OutcomeUnknown,
    /// Somebody else did it first; never leaves the function that looks for it.
    #[error("Nothing to change.")]
    Unchanged,
    /// A fault of ours; the text is for the log only.
    #[error("Something went wrong on our side.")]
    Internal(String),
}

impl Error {
    /// One finding about one field.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![Fault { field: field.into(), message: message.into() }])
    }

    /// The same about a part of a request: its fields are those of `place`.
    #[must_use]
    pub fn within(self, place: &str) -> Self {
        let inside = |field: &str| if field.is_empty() { place.to_owned() } else { format!("{place}.{field}") };
        match self {
            Self::Invalid(faults) => {
                let moved = |fault: Fault| Fault { field: inside(&fault.field), ..fault };
                Self::Invalid(faults.into_iter().map(moved).collect())
            }
            Self::Duplicate(field) => Self::invalid(inside(field), "is taken"),
            Self::ScopeNotDelegable { field, scope } => Self::ScopeNotDelegable { field: inside(&field), scope },
            other => other,
        }
    }

    /// The stable, machine-readable cause (contract section 3.7).
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid_request",
            Self::Duplicate(_) => "duplicate",
            Self::LimitReached { .. } => "limit_reached",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope(_) => "invalid_scope",
            Self::InvalidTarget(_) => "invalid_target",
            Self::Unauthorized => "unauthorized",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::InvalidCode => "invalid_code",
            Self::OidcNotConfigured => "oidc_not_configured",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidCredentials => "invalid_credentials",
            Self::MfaTokenInvalid => "mfa_token_invalid",
            Self::EmailTaken => "email_taken",
            Self::WeakPassword { .. } => "weak_password",
            Self::TokenExpired => "token_expired",
            Self::AccountPending => "account_pending",
            Self::IdentityRequired => "identity_required",
            Self::TermsRequired => "terms_required",
            Self::InsufficientScope => "insufficient_scope",
            Self::GrantMissing => "grant_missing",
            Self::ScopeNotDelegable { .. } => "scope_not_delegable",
            Self::NotASubAccount => "not_a_sub_account",
            Self::AccountSuspended => "account_suspended",
            Self::AccountFrozen => "account_frozen",
            Self::QueryTooBroad => "query_too_broad",
            Self::VersionMismatch(_) => "version_mismatch",
            Self::IdempotencyConflict => "idempotency_conflict",
            Self::NotFound => "not_found",
            Self::RateLimited(_) | Self::TooManyAttempts(_) | Self::Busy => "too_many_requests",
            Self::Unavailable | Self::ProviderUnavailable => "unavailable",
            Self::OutcomeUnknown | Self::Unchanged | Self::Internal(_) => "internal_error",
        }
    }
}

/// Collects the findings of a whole input, so that a caller learns of all of them at once.
#[derive(Default)]
pub struct Checks(Vec<Fault>);

/// How many findings are told at most.
const MAX_FAULTS: usize = 20;

impl Checks {
    /// Keeps `parsed`, or notes what is wrong with `field` and yields `None`.
    pub fn take<T>(&mut self, field: &str, parsed: Result<T, impl Into<String>>) -> Option<T> {
        parsed.map_err(|message| self.fault(field, message)).ok()
    }

    /// Notes what is wrong with `field`, if that is not far too much already.
    pub fn fault(&mut self, field: impl Into<String>, message: impl Into<String>) {
        if self.0.len() < MAX_FAULTS {
            self.0.push(Fault { field: field.into(), message: message.into() });
        }
    }

    /// Keeps what a part of the request is read as, or notes what is wrong with that part.
    pub fn within<T>(&mut self, place: &str, parsed: Result<T>) -> Option<T> {
        match parsed.map_err(|error| error.within(place)) {
            Ok(value) => return Some(value),
            Err(Error::Invalid(faults)) => faults.into_iter().for_each(|fault| self.fault(fault.field, fault.message)),
            Err(error) => self.fault(place, error.to_string()),
        }
        None
    }

    /// The value if nothing was found wrong; `None` counts as wrong only together with a finding.
    pub fn done<T>(self, value: Option<T>) -> Result<T> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(Error::Invalid(self.0)),
        }
    }
}
