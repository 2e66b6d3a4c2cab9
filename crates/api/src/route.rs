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

use crate::body;
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
    let service = web::method(method.clone()).to(handler).wrap(from_fn(move |request, next| watch(path, policy, request, next)));
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

/// The template of the path that a request matched, for logs and metrics.
#[derive(Clone, Copy)]
pub(crate) struct Matched(pub(crate) &'static str);

/// Who pays for a page.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Charge {
    /// The address that asks.
    Address,
    /// Nobody: it is what those ask who watch the process, and no flood may make it look dead.
    Nobody,
}

/// What anyone may GET or HEAD, outside the API: pages and probes.
pub(crate) fn page<F, Args>(path: &'static str, charge: Charge, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let route = web::route().guard(guard::Any(guard::Get()).or(guard::Head())).to(handler);
    let route = route.wrap(from_fn(move |request, next| show(path, charge, request, next)));
    web::resource(path).route(route).default_service(not_allowed(path, "GET, HEAD".to_owned()))
}

async fn show(
    path: &'static str,
    charge: Charge,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> actix_web::Result<ServiceResponse<BoxBody>> {
    request.extensions_mut().insert(Matched(path));
    if charge == Charge::Address {
        let charge = State::of(request.request()).registry.platform().charge(forwarded::client(request.request()));
        charge.map_err(ApiError::Domain)?;
    }
    next.call(request).await.map(ServiceResponse::map_into_boxed_body)
}

/// Answers 405 with what is allowed.
fn not_allowed(path: &'static str, allowed: String) -> actix_web::Route {
    web::to(move |request: HttpRequest| {
        request.extensions_mut().insert(Matched(path));
        std::future::ready(Err::<String, _>(ApiError::MethodNotAllowed(allowed.clone())))
    })
}

/// What every path of an account begins with, whatever its first parameter is called.
const ACCOUNTS: &str = "/v1/accounts/";

/// Mounts routes grouped by path, so that a wrong method is 405 and not 404.
///
/// The router tries one pattern after the other. So those of accounts stand below one that matches the account, and there
/// below their literal beginnings, which are compared as text.
pub(crate) fn mount(routes: Vec<Route>, app: &mut web::ServiceConfig) {
    let mut by_path: BTreeMap<&str, Vec<Route>> = BTreeMap::new();
    for route in routes {
        by_path.entry(route.path).or_default().push(route);
    }
    let mut nouns: BTreeMap<&str, Vec<(&str, Vec<Route>)>> = BTreeMap::new();
    for (path, routes) in by_path {
        let below = path.strip_prefix(ACCOUNTS).and_then(|rest| rest.find('/').map(|at| &rest[at..]));
        match below {
            Some(below) => {
                let literal = below.find("/{").unwrap_or(below.len());
                nouns.entry(&below[..literal]).or_default().push((&below[literal..], routes));
            }
            None => drop(app.service(resource(path, routes))),
        }
    }
    // The longer beginning first: `/auth/keys` would take what is for `/auth/keys/rotate`.
    let of_account = nouns.into_iter().rev().fold(web::scope("/v1/accounts/{account}"), |accounts, (noun, paths)| {
        accounts.service(paths.into_iter().fold(web::scope(noun), |noun, (rest, routes)| noun.service(resource(rest, routes))))
    });
    app.service(of_account);
}

fn resource(pattern: &str, routes: Vec<Route>) -> Resource {
    let path = routes.first().map_or("other", |route| route.path);
    let allowed = routes.iter().map(|route| route.method.as_str()).collect::<Vec<_>>().join(", ");
    let resource = web::resource(pattern).default_service(not_allowed(path, allowed));
    routes.into_iter().fold(resource, |resource, route| resource.route(route.service))
}

/// Stands before every handler: who calls, on which account, and may they. What it finds is left for [`Call`].
async fn watch(
    path: &'static str,
    policy: Policy,
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> actix_web::Result<ServiceResponse<BoxBody>> {
    let http = request.request().clone();
    http.extensions_mut().insert(Matched(path));
    let refuse = |error: ApiError| {
        let in_form = policy.access == Access::TokenEndpoint && tokens::is_form(&http);
        let answer = if in_form { tokens::refuse_form(error) } else { HttpResponse::from_error(error) };
        Ok(ServiceResponse::new(http.clone(), answer))
    };
    if let Err(error) = admit(path, policy, &http).await {
        body::drain(&http, request.take_payload()).await;
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

async fn admit(path: &'static str, policy: Policy, request: &HttpRequest) -> Result<()> {
    let account = path_account(path, request)?;
    let registry = &State::of(request).registry;
    let allowance = match policy.access {
        Access::Public | Access::TokenEndpoint => {
            request.extensions_mut().insert(PathAccount(account));
            registry.platform().charge(forwarded::client(request))?
        }
        Access::AnyOf(scopes) => {
            let demand = Demand { token_use: TokenUse::Access, scopes, lane: policy.lane };
            let admitted = registry.authenticate(call::bearer(request)?, account, demand, call::origin(request)).await?;
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

/// The account that a request names: the first parameter of its path, whose name in the template says what it may be.
fn path_account(path: &'static str, request: &HttpRequest) -> Result<AccountId> {
    let (_, text) = request.match_info().iter().next().ok_or(Error::NotFound)?;
    let name = path.split(['{', '}']).nth(1).unwrap_or_default();
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
