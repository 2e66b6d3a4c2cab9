//! Routes: the one place of HTTP cleverness. One line says an endpoint's method, path, policy, handler and summary.

use std::any::type_name;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::{Next, from_fn};
use actix_web::{FromRequest, Handler, HttpMessage, HttpRequest, HttpResponse, Resource, Responder, guard, web};
use futures_util::FutureExt;
use tenantry_accounts::{Demand, Lane, TokenUse};
use tenantry_domain::{AccountId, Allowance, Error};

use crate::call::{self, Call, PathAccount};
use crate::error::{ApiError, Result};
use crate::forwarded;
use crate::limits;
use crate::openapi::{Describe, Operation};
use crate::server::State;
use crate::tokens;

/// Who may call an endpoint. The account is the first parameter of its path.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// What the caller must show.
    pub access: Access,
    /// How it is admitted when the account is flooded.
    pub lane: Lane,
}

/// What a caller must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Public,
    /// The token endpoint: the handler itself checks client credentials or an exchange token.
    TokenEndpoint,
    /// A token with one of these scopes, matched exactly.
    AnyOf(&'static [&'static str]),
}

impl Policy {
    /// A token with one of these scopes.
    pub const fn any_of(scopes: &'static [&'static str]) -> Self {
        Self { access: Access::AnyOf(scopes), lane: Lane::Ordinary }
    }

    /// Nothing to show. Has to be typed out.
    pub const fn public() -> Self {
        Self { access: Access::Public, lane: Lane::Ordinary }
    }

    /// Credentials as RFC 6749 section 2.3 has them, or an exchange token.
    pub const fn token_endpoint() -> Self {
        Self { access: Access::TokenEndpoint, lane: Lane::Reserved }
    }

    /// The same, with a share of its own under a flood: for what repairs an account.
    pub(crate) const fn reserved(self) -> Self {
        Self { lane: Lane::Reserved, ..self }
    }
}

/// Reads of an account's configuration.
pub(crate) const ACCOUNTS_READ: Policy = Policy::any_of(ACCOUNTS_READERS);
/// Scopes that read an account's configuration.
pub(crate) const ACCOUNTS_READERS: &[&str] = &["admin:accounts", "read:accounts"];
/// Changes of an account's configuration.
pub(crate) const ACCOUNTS_WRITE: Policy = Policy::any_of(&["admin:accounts", "write:accounts"]);
/// Reads that an administrator of a flooded account needs.
pub(crate) const ACCOUNTS_INSPECT: Policy = ACCOUNTS_READ.reserved();
/// Changes that take something away: what repairs a flooded account.
pub(crate) const ACCOUNTS_REPAIR: Policy = ACCOUNTS_WRITE.reserved();

/// Every endpoint there is.
pub fn routes() -> Vec<Route> {
    [
        tokens::routes(),
        crate::exchange::routes(),
        crate::clients::routes(),
        crate::grants::routes(),
        crate::roles::routes(),
        crate::keys::routes(),
        crate::management::routes(),
        crate::settings::routes(),
        crate::events::routes(),
        crate::well_known::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// One endpoint.
pub struct Route {
    /// HTTP method.
    pub method: Method,
    /// Path with `{parameters}`.
    pub path: &'static str,
    /// Who may call it.
    pub policy: Policy,
    pub(crate) summary: &'static str,
    /// The handler's name, `create_role`.
    pub(crate) name: &'static str,
    /// The handler's module, `roles`.
    pub(crate) tag: &'static str,
    pub(crate) describe: fn(&mut Operation<'_>),
    service: actix_web::Route,
}

fn route<F, Args>(method: Method, path: &'static str, policy: Policy, handler: F, summary: &'static str) -> Route
where
    F: Handler<Args>,
    Args: FromRequest + Describe + 'static,
    F::Output: Responder + Describe + 'static,
{
    // `tenantry_api::roles::create_role`
    let mut full_name = type_name::<F>().rsplit("::");
    let (name, tag) = (full_name.next().unwrap_or_default(), full_name.next().unwrap_or_default());
    let describe = |operation: &mut Operation<'_>| {
        Args::describe(operation);
        F::Output::describe(operation);
    };
    let service = web::method(method.clone()).to(handler).wrap(from_fn(move |request, next| watch(policy, request, next)));
    Route { method, path, policy, summary, name, tag, describe, service }
}

macro_rules! methods {
    ($($name:ident $method:ident)*) => {$(
        #[doc = concat!("An endpoint with the method ", stringify!($method), ".")]
        pub(crate) fn $name<F, Args>(path: &'static str, policy: Policy, handler: F, summary: &'static str) -> Route
        where
            F: Handler<Args>,
            Args: FromRequest + Describe + 'static,
            F::Output: Responder + Describe + 'static,
        {
            route(Method::$method, path, policy, handler, summary)
        }
    )*};
}
methods! { get GET post POST put PUT patch PATCH delete DELETE }

/// What anyone may GET or HEAD, outside the API: pages and probes.
pub(crate) fn page<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let readable = web::route().guard(guard::Any(guard::Get()).or(guard::Head())).to(handler);
    web::resource(path).route(readable).default_service(not_allowed("GET, HEAD".to_owned()))
}

/// Answers 405 with what is allowed.
fn not_allowed(allowed: String) -> actix_web::Route {
    web::to(move || std::future::ready(Err::<String, _>(ApiError::MethodNotAllowed(allowed.clone()))))
}

/// Mounts routes grouped by path, so that a wrong method is 405 and not 404.
pub(crate) fn mount(routes: Vec<Route>, app: &mut web::ServiceConfig) {
    let mut by_path: BTreeMap<&str, Vec<Route>> = BTreeMap::new();
    for route in routes {
        by_path.entry(route.path).or_default().push(route);
    }
    // Literal paths before those with parameters in the same place: `{` sorts behind every letter.
    for (path, routes) in by_path {
        let allowed = routes.iter().map(|route| route.method.as_str()).collect::<Vec<_>>().join(", ");
        let resource = web::resource(path).default_service(not_allowed(allowed));
        app.service(routes.into_iter().fold(resource, |resource, route| resource.route(route.service)));
    }
}

/// Stands before every handler: who calls, on which account, and may they. What it finds is left for [`Call`].
async fn watch(
    policy: Policy,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> actix_web::Result<ServiceResponse<BoxBody>> {
    let http = request.request().clone();
    let refuse = |error: ApiError| {
        let in_form = policy.access == Access::TokenEndpoint && tokens::is_form(&http);
        let answer = if in_form { tokens::refuse_form(error) } else { HttpResponse::from_error(error) };
        Ok(ServiceResponse::new(http.clone(), answer))
    };
    if let Err(error) = admit(policy, &http).await {
        return refuse(error);
    }
    let mut answer = match AssertUnwindSafe(next.call(request)).catch_unwind().await {
        Ok(answer) => answer?.map_into_boxed_body(),
        Err(_) => return refuse(ApiError::Domain(Error::Internal("a handler panicked".to_owned()))),
    };
    let allowance = http.extensions().get::<Allowance>().copied();
    if let Some(allowance) = allowance.filter(|_| answer.status() != StatusCode::TOO_MANY_REQUESTS) {
        limits::tell(allowance, answer.headers_mut());
    }
    Ok(answer)
}

async fn admit(policy: Policy, request: &HttpRequest) -> Result<()> {
    let path = path_account(request)?;
    let registry = &State::of(request).registry;
    let allowance = match policy.access {
        Access::Public | Access::TokenEndpoint => {
            request.extensions_mut().insert(PathAccount(path));
            registry.platform().charge(forwarded::client(request))?
        }
        Access::AnyOf(scopes) => {
            let demand = Demand { token_use: TokenUse::Access, scopes, lane: policy.lane };
            let admitted = registry.authenticate(call::bearer(request)?, path, demand, call::origin(request)).await?;
            let call = Call { account: admitted.account, caller: admitted.caller, registry: registry.clone() };
            request.extensions_mut().insert(call);
            admitted.allowance
        }
    };
    if let Some(allowance) = allowance {
        request.extensions_mut().insert(allowance);
    }
    Ok(())
}

/// The account that the path names: its first parameter.
fn path_account(request: &HttpRequest) -> Result<AccountId> {
    let (name, text) = request.match_info().iter().next().ok_or(Error::NotFound)?;
    let account = match name {
        "oid" => AccountId::parse_owner(text),
        _ => text.parse(),
    };
    let account = account.map_err(|fault| ApiError::invalid(name, fault))?;
    if name == "partner_id" && !account.is_partner() {
        return Err(ApiError::invalid(name, "must be a partner's own account: P or T, three digits and five zeros"));
    }
    Ok(account)
}
