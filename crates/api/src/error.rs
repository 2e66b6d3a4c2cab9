//! How errors look over HTTP: one exhaustive match to a status, one body (contract section 3.7).

use std::fmt;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderValue, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use tenantry_domain::{Error, Fault, Secret};
use utoipa::ToSchema;

use crate::limits;
use crate::tokens::GRANT_TYPES;

/// Why a request failed: an error of the business, or one of HTTP itself.
#[derive(Debug, Clone)]
pub(crate) enum ApiError {
    Domain(Error),
    MethodNotAllowed(String),
    /// More than so many bytes.
    PayloadTooLarge(usize),
    UnsupportedMediaType(&'static str),
    /// A second factor has to be shown, too: the handle of its challenge.
    MfaRequired(Secret),
}

/// What handlers return.
pub(crate) type Result<T> = std::result::Result<T, ApiError>;

impl ApiError {
    pub(crate) fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Domain(Error::invalid(field, message))
    }

    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Domain(error) => error.code(),
            Self::MethodNotAllowed(_) => "method_not_allowed",
            Self::PayloadTooLarge(_) => "payload_too_large",
            Self::UnsupportedMediaType(_) => "unsupported_media_type",
            Self::MfaRequired(_) => "mfa_required",
        }
    }

    /// Whether whoever is told so may have proven nothing.
    pub(crate) const fn is_for_strangers(&self) -> bool {
        matches!(
            self,
            Self::Domain(
                Error::InvalidClient | Error::Unauthorized | Error::NotFound | Error::UnsupportedGrantType | Error::Invalid(_)
            ) | Self::PayloadTooLarge(_)
                | Self::UnsupportedMediaType(_)
        )
    }

    /// The text for the log, if it is one that nobody else may see.
    pub(crate) fn hidden(&self) -> Option<&str> {
        match self {
            Self::Domain(Error::Internal(text)) => Some(text),
            Self::Domain(Error::OutcomeUnknown) => Some("the outcome of a write is unknown"),
            _ => None,
        }
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        Self::Domain(error)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(error) => error.fmt(f),
            Self::MethodNotAllowed(allowed) => write!(f, "This address knows only {allowed}."),
            Self::PayloadTooLarge(most) => write!(f, "The body is larger than {} KiB.", most / 1024),
            Self::UnsupportedMediaType(expected) => write!(f, "The content type must be {expected}."),
            Self::MfaRequired(_) => write!(f, "A second factor is required."),
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::PayloadTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::MfaRequired(_) => StatusCode::FORBIDDEN,
            Self::Domain(error) => match error {
                Error::Invalid(_)
                | Error::Duplicate(_)
                | Error::LimitReached { .. }
                | Error::UnsupportedGrantType
                | Error::InvalidScope(_)
                | Error::InvalidTarget(_)
                | Error::InvalidGrant
                | Error::InvalidRedirectUri
                | Error::QueryTooBroad
                | Error::InvalidCode
                | Error::OidcNotConfigured => StatusCode::BAD_REQUEST,
                Error::Unauthorized | Error::InvalidClient | Error::InvalidCredentials | Error::TokenExpired => {
                    StatusCode::UNAUTHORIZED
                }
                Error::InsufficientScope
                | Error::MfaTokenInvalid
                | Error::GrantMissing
                | Error::ScopeNotDelegable { .. }
                | Error::NotASubAccount
                | Error::AccountPending
                | Error::IdentityRequired
                | Error::TermsRequired
                | Error::AccountFrozen
                | Error::AccountSuspended => StatusCode::FORBIDDEN,
                Error::NotFound => StatusCode::NOT_FOUND,
                Error::IdempotencyConflict | Error::EmailTaken => StatusCode::CONFLICT,
                Error::VersionMismatch(_) => StatusCode::PRECONDITION_FAILED,
                Error::WeakPassword { .. } => StatusCode::UNPROCESSABLE_ENTITY,
                Error::RateLimited(_) | Error::TooManyAttempts(_) | Error::Busy => StatusCode::TOO_MANY_REQUESTS,
                Error::Unavailable | Error::ProviderUnavailable => StatusCode::SERVICE_UNAVAILABLE,
                Error::OutcomeUnknown | Error::Unchanged | Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            },
        }
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut response = HttpResponse::build(self.status_code());
        let mut response = match self {
            Self::MfaRequired(token) => {
                response.json(MfaRequiredBody { body: ErrorBody::from(self), mfa_token: Some(token.reveal().to_owned()) })
            }
            _ => response.json(ErrorBody::from(self)),
        };
        let headers = response.headers_mut();
        match self {
            Self::Domain(Error::Unauthorized | Error::TokenExpired) => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\""));
            }
            Self::Domain(Error::InsufficientScope) => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"insufficient_scope\""));
            }
            Self::Domain(Error::InvalidClient) => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"token\", charset=\"UTF-8\""));
            }
            Self::Domain(Error::RateLimited(allowance)) => {
                limits::tell(*allowance, headers);
                limits::retry_after(allowance.reset, headers);
            }
            Self::Domain(Error::TooManyAttempts(seconds)) => limits::retry_after(*seconds, headers),
            Self::Domain(Error::ProviderUnavailable) => limits::retry_after(5, headers),
            Self::Domain(Error::Busy | Error::Unavailable) => limits::retry_after(1, headers),
            Self::MethodNotAllowed(allowed) => {
                if let Ok(allowed) = HeaderValue::from_str(allowed) {
                    headers.insert(ALLOW, allowed);
                }
            }
            _ => {}
        }
        response
    }
}

/// The body of every error answer.
#[derive(Serialize, ToSchema)]
#[schema(as = Error)]
pub(crate) struct ErrorBody {
    /// What went wrong.
    error: ErrorDetail,
}

/// The body of every error answer to a form (RFC 6749 section 5.2).
#[derive(Serialize, ToSchema)]
pub(crate) struct OAuthError {
    /// What went wrong.
    #[schema(example = "invalid_client")]
    error: String,
    /// Text for humans; not for branching.
    error_description: String,
    /// The handle of the challenge; only with `mfa_required`.
    #[schema(nullable = false)]
    mfa_token: Option<String>,
}

/// The body of a refusal that a second factor may mend.
#[derive(Serialize, ToSchema)]
#[schema(as = MfaRequiredError)]
pub(crate) struct MfaRequiredBody {
    #[serde(flatten)]
    body: ErrorBody,
    /// The handle of the challenge; only with `mfa_required`.
    #[serde(skip_serializing_if = "Option::is_none")]
    mfa_token: Option<String>,
}

/// What went wrong.
#[derive(Serialize, ToSchema)]
pub(crate) struct ErrorDetail {
    /// Stable machine-readable cause.
    #[schema(example = "invalid_request")]
    code: &'static str,
    /// Text for humans; not for branching.
    #[schema(example = "The request is not valid.")]
    message: String,
    /// Findings about single fields of the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldError>,
    /// Names the request in the server's log; only with status 500.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<String>,
}

/// A finding about one field.
#[derive(Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// Where, as it was sent.
    #[schema(example = "scope[0]")]
    field: String,
    /// What is wrong.
    #[schema(example = "must not be empty")]
    message: String,
}

impl From<&ApiError> for ErrorBody {
    fn from(error: &ApiError) -> Self {
        let fault = |fault: &Fault| FieldError { field: fault.field.clone(), message: fault.message.clone() };
        let errors = match error {
            ApiError::Domain(Error::Invalid(faults)) => faults.iter().map(fault).collect(),
            ApiError::Domain(Error::Duplicate(field)) => {
                vec![FieldError { field: (*field).to_owned(), message: "is taken".to_owned() }]
            }
            ApiError::Domain(Error::WeakPassword { field, message }) => {
                vec![FieldError { field: field.clone(), message: message.clone() }]
            }
            ApiError::Domain(Error::ScopeNotDelegable { field, .. }) => {
                vec![FieldError { field: field.clone(), message: error.to_string() }]
            }
            ApiError::Domain(Error::InvalidScope(_)) => {
                vec![FieldError { field: "scope".to_owned(), message: error.to_string() }]
            }
            ApiError::Domain(Error::UnsupportedGrantType) => {
                vec![FieldError { field: "grant_type".to_owned(), message: format!("must be one of {}", GRANT_TYPES.join(", ")) }]
            }
            ApiError::Domain(Error::InvalidTarget(_)) => {
                vec![FieldError { field: "audience".to_owned(), message: error.to_string() }]
            }
            _ => Vec::new(),
        };
        Self { error: ErrorDetail { code: error.code(), message: error.to_string(), errors, request_id: None } }
    }
}

impl ErrorBody {
    /// The same body under another name for the cause.
    pub(crate) fn with_code(mut self, code: &'static str) -> Self {
        self.error.code = code;
        self
    }

    /// The same body with the id of the request that failed.
    pub(crate) fn with_request_id(mut self, id: &str) -> Self {
        self.error.request_id = Some(id.to_owned());
        self
    }
}
