//! What a handler gets to know of its caller.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, USER_AGENT};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use tenantry_accounts::{Account, Caller, Origin, Registry};
use tenantry_domain::{AccountId, Error, Instant, PublicUrl};

use crate::error::{ApiError, Result};
use crate::forwarded;
use crate::observe::RequestId;
use crate::openapi::{Describe, Operation};
use crate::server::State;

/// A request whose caller, account and scopes have been proven by the guard.
pub(crate) struct Call {
    pub(crate) account: Account,
    pub(crate) caller: Caller,
    pub(crate) registry: Registry,
}

impl Call {
    /// The account as it has to be known now: for whatever lasts longer than a request may, and must end when the right to it does.
    pub(crate) async fn account_now(&self) -> Result<Account> {
        Ok(self.registry.get(self.account.id()).await?)
    }

    /// The moment it is about.
    pub(crate) fn now(&self) -> Instant {
        self.registry.platform().source().now()
    }

    /// Where the world reaches this service.
    pub(crate) fn public(&self) -> &PublicUrl {
        self.registry.platform().public()
    }
}

impl FromRequest for Call {
    type Error = ApiError;
    type Future = Ready<Result<Self>>;

    /// Answers 500 when no guard ran: closed by default.
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let unguarded = || ApiError::Domain(Error::Internal("a handler wants a call, and no guard made one".to_owned()));
        // Taken, not copied: a handler has one call.
        ready(request.extensions_mut().remove::<Self>().ok_or_else(unguarded))
    }
}

impl Describe for Call {
    fn describe(_: &mut Operation<'_>) {}
}

/// The account in the path of an endpoint that asks for no token. Nothing is proven.
#[derive(Clone, Copy)]
pub(crate) struct PathAccount(pub(crate) AccountId);

/// The account for which a request counts, once it is answered.
#[derive(Clone, Copy)]
pub(crate) struct Counted {
    pub(crate) account: AccountId,
    /// Whether somebody has proven who it is: what strangers are refused counts for nobody.
    pub(crate) proven: bool,
}

/// Everything of a request that a public endpoint needs.
pub(crate) struct Unproven {
    pub(crate) account: AccountId,
    pub(crate) registry: Registry,
    pub(crate) request: HttpRequest,
}

impl Unproven {
    /// The account, if it is there.
    pub(crate) async fn account(&self) -> Result<Account> {
        let account = self.registry.get(self.account).await?;
        if account.directory().account.stamp.deleted.is_some() { Err(Error::NotFound.into()) } else { Ok(account) }
    }

    /// Charges the address where this is the answer to a stranger; then that may be the answer.
    pub(crate) fn charged(&self, error: ApiError) -> ApiError {
        let charged =
            if error.is_for_strangers() { self.registry.platform().charge(forwarded::client(&self.request)) } else { Ok(None) };
        charged.map_or_else(ApiError::from, |_| error)
    }
}

impl FromRequest for Unproven {
    type Error = ApiError;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let unguarded = || ApiError::Domain(Error::Internal("a handler wants an account, and no guard read it".to_owned()));
        let account = request.extensions().get::<PathAccount>().copied().ok_or_else(unguarded);
        let registry = State::of(request).registry.clone();
        ready(account.map(|PathAccount(account)| Self { account, registry, request: request.clone() }))
    }
}

impl Describe for Unproven {
    fn describe(_: &mut Operation<'_>) {}
}

/// The scheme of the `Authorization` header and the rest. More than one header is 400.
pub(crate) fn authorization(request: &HttpRequest) -> Result<Option<(&str, &str)>> {
    let mut headers = request.headers().get_all(AUTHORIZATION);
    let Some(header) = headers.next() else { return Ok(None) };
    if headers.next().is_some() {
        return Err(ApiError::invalid("Authorization", "must be sent once"));
    }
    // Not `to_str`, which looks at each byte of a long token by itself: what is not ASCII is no token either.
    let parts = std::str::from_utf8(header.as_bytes()).ok().and_then(|text| text.split_once(' '));
    let (scheme, rest) = parts.ok_or(Error::Unauthorized)?;
    Ok(Some((scheme, rest.trim_start_matches(' '))))
}

/// The bearer token (RFC 6750 section 2.1), if that is what was sent.
pub(crate) fn bearer(request: &HttpRequest) -> Result<Option<&str>> {
    Ok(authorization(request)?.and_then(|(scheme, token)| scheme.eq_ignore_ascii_case("bearer").then_some(token)))
}

/// Where a request came from, for the log of the account.
pub(crate) fn origin(request: &HttpRequest) -> Origin {
    let agent = request.headers().get(USER_AGENT).and_then(|agent| agent.to_str().ok());
    Origin {
        ip: forwarded::client(request),
        // A header's text is ASCII: any byte is a place to cut.
        user_agent: agent.map(|agent| agent[..agent.len().min(200)].to_owned()),
        request_id: RequestId::of(request),
    }
}
