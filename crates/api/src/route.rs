//! Routes: the one place of HTTP cleverness. One line says an endpoint's method, path, policy, handler and summary.

use std::any::type_name;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;

use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::ORIGIN;
use actix_web::http::{Method, StatusCode};
use actix_web::{FromRequest, Handler, HttpMessage, HttpRequest, HttpResponse, Responder};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tenantry_accounts::{Demand, Lane, TokenUse};
use tenantry_domain::{AccountId, Allowance, Error};

use crate::body;
use crate::call::{self, Call, Counted, PathAccount};
use crate::error::{ApiError, Result};
use crate::forwarded;
use crate::installers;
use crate::limits;
use crate::openapi::{Describe, Operation};
use crate::query;
use crate::server::State;
use crate::token_request;
use crate::tokens;

/// Who may call an endpoint. The account is the first parameter of its path.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// What the caller must show.
    pub access: Access,
    /// How it is admitted when the account is flooded.
    pub lane: Lane,
    /// A query parameter that may hold the token, for callers who cannot set a header.
    pub in_query: Option<&'static str>,
    /// Whether it is a part of signing in, which goes on while the account is frozen. What only reads goes on, too.
    pub signs_in: bool,
}

/// What a caller must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing, and it is about no account: pages for people. The address that asks is charged.
    Page,
    /// Nothing, and nobody is charged: what those ask who watch the process, and no flood may make it look dead.
    Probe,
    /// Nothing.
    Public,
    /// The token endpoint: the handler itself checks client credentials or an exchange token.
    TokenEndpoint,
    /// Client credentials, which the handler itself checks (RFC 6749 section 2.3).
    Client,
    /// Nothing: account users who sign in, which the handler itself checks. Not from another site's page.
    Console,
    /// The same on a page of ours, whose forms need not say where they come from: a ticket stands in them.
    Form,
    /// The token that says who an account user is.
    Person,
    /// Nothing yet: an installer that signs up or logs in.
    InstallerEntry,
    /// An installer's token.
    Installer,
    /// A token with one of these scopes, matched exactly.
    AnyOf(&'static [&'static str]),
    /// A token with all of these scopes.
    AllOf(&'static [&'static str]),
}

impl Access {
    /// Whether it is the installer API, which has words of its own for errors.
    pub(crate) const fn is_of_installers(self) -> bool {
        matches!(self, Self::InstallerEntry | Self::Installer)
    }
}

impl Policy {
    /// A token with one of these scopes.
    pub const fn any_of(scopes: &'static [&'static str]) -> Self {
        Self { access: Access::AnyOf(scopes), lane: Lane::Ordinary, in_query: None, signs_in: false }
    }

    /// A token with all of these scopes.
    pub(crate) const fn all_of(scopes: &'static [&'static str]) -> Self {
        Self { access: Access::AllOf(scopes), ..Self::public() }
    }

    /// Nothing to show. Has to be typed out.
    pub const fn public() -> Self {
        Self { access: Access::Public, lane: Lane::Ordinary, in_query: None, signs_in: false }
    }

    /// Credentials as RFC 6749 section 2.3 has them, or an exchange token.
    pub const fn token_endpoint() -> Self {
        Self { access: Access::TokenEndpoint, lane: Lane::Reserved, in_query: None, signs_in: false }
    }

    /// A client's secret.
    pub(crate) const fn client() -> Self {
        Self { access: Access::Client, lane: Lane::Reserved, in_query: None, signs_in: false }
    }

    /// Nothing to show yet: account users who sign in.
    pub(crate) const fn console() -> Self {
        Self { access: Access::Console, lane: Lane::Reserved, in_query: None, signs_in: false }
    }

    /// An account user, in its own affairs.
    pub(crate) const fn person() -> Self {
        Self { access: Access::Person, lane: Lane::Reserved, in_query: None, signs_in: false }
    }

    /// An installer, that has shown nothing yet.
    pub(crate) const fn installer_entry() -> Self {
        Self { access: Access::InstallerEntry, ..Self::public() }
    }

    /// An installer, in its own affairs.
    pub(crate) const fn installer() -> Self {
        Self { access: Access::Installer, ..Self::public() }
    }

    /// The same where the token may also stand in this query parameter.
    pub(crate) const fn or_in_query(self, name: &'static str) -> Self {
        Self { in_query: Some(name), ..self }
    }

    /// The same as a part of signing in.
    pub(crate) const fn signs_in(self) -> Self {
        Self { signs_in: true, ..self }
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
/// Changes of auth users.
pub(crate) const USERS_WRITE: Policy = Policy::any_of(&["admin:accounts", "write:accounts", "write:accounts:/auth/users"]);
/// Reads that an administrator of a flooded account needs.
pub(crate) const ACCOUNTS_INSPECT: Policy = ACCOUNTS_READ.reserved();
/// Changes that take something away: what repairs a flooded account.
pub(crate) const ACCOUNTS_REPAIR: Policy = ACCOUNTS_WRITE.reserved();

/// Reads of what an account keeps about its customers.
pub(crate) const CUSTOMERS_READ: Policy = Policy::any_of(&["admin:customers", "read:customers"]);
/// Changes of it.
pub(crate) const CUSTOMERS_WRITE: Policy = Policy::any_of(&["admin:customers", "write:customers"]);
/// Reads of what belongs to one customer; those with a `user:` scope only of their own.
pub(crate) const CUSTOMER_READ: Policy = Policy::any_of(&["admin:customers", "read:customers", "user:customers"]);
/// Changes of one customer; those with a `user:` scope only of themselves.
pub(crate) const CUSTOMER_WRITE: Policy = Policy::any_of(&["admin:customers", "write:customers", "user:customers"]);
/// Reads of what anybody may see who may become a customer.
pub(crate) const CUSTOMERS_SHOW: Policy = Policy::any_of(&["admin:customers", "read:customers", "public:customers"]);

/// Every endpoint there is.
pub fn routes() -> Vec<Route> {
    [
        tokens::routes(),
        crate::oauth::routes(),
        crate::passwordless::routes(),
        crate::redirect::routes(),
        crate::oidc::routes(),
        crate::exchange::routes(),
        crate::users::routes(),
        crate::mfa::routes(),
        crate::totp::routes(),
        crate::transfer::routes(),
        crate::customers::routes(),
        crate::customer_import::routes(),
        crate::customer_search::routes(),
        crate::customer_feed::routes(),
        crate::customer_tokens::routes(),
        crate::communication::routes(),
        crate::customer_login::routes(),
        crate::tags::routes(),
        crate::terms::routes(),
        crate::customers_settings::routes(),
        crate::clients::routes(),
        crate::grants::routes(),
        crate::roles::routes(),
        crate::keys::routes(),
        crate::messages::routes(),
        crate::management::routes(),
        crate::members::routes(),
        crate::usage::routes(),
        crate::settings::routes(),
        crate::configuration::routes(),
        crate::events::routes(),
        crate::well_known::routes(),
        crate::console::routes(),
        installers::routes(),
        crate::installer_profile::routes(),
        crate::installer_identity::routes(),
        crate::installer_review::routes(),
        crate::installer_terms::routes(),
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
    /// What stands before its name where that one is another route's, too.
    pub(crate) prefix: &'static str,
    pub(crate) describe: fn(&mut Operation<'_>),
    serve: Serve,
}

/// Reads what a handler wants of a request, runs it, and renders its answer.
type Serve = Box<dyn Fn(HttpRequest, Payload) -> LocalBoxFuture<'static, HttpResponse>>;

fn serve<F, Args>(handler: F) -> Serve
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    Box::new(move |request, mut payload| {
        let handler = handler.clone();
        Box::pin(async move {
            match Args::from_request(&request, &mut payload).await {
                Ok(arguments) => handler.call(arguments).await.respond_to(&request).map_into_boxed_body(),
                Err(error) => HttpResponse::from_error(error),
            }
        })
    })
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
    Route { method, path, policy, summary, name, tag, prefix: "", describe, serve: serve(handler) }
}

/// An endpoint of installers: at the path of the configured account, and at that of any.
pub(crate) fn of_installers<F, Args>(
    method: &Method,
    [configured, any]: [&'static str; 2],
    policy: Policy,
    handler: F,
    summary: &'static str,
) -> [Route; 2]
where
    F: Handler<Args>,
    Args: FromRequest + Describe + 'static,
    F::Output: Responder + Describe + 'static,
{
    let other = route(method.clone(), any, policy, handler.clone(), summary);
    [route(method.clone(), configured, policy, handler, summary), Route { prefix: "account_", ..other }]
}

/// What anyone may GET or HEAD, outside the API: a page, or a probe.
pub(crate) fn page<F, Args>(path: &'static str, access: Access, handler: F) -> Route
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let policy = Policy { access, lane: Lane::Ordinary, in_query: None, signs_in: false };
    Route {
        method: Method::GET,
        path,
        policy,
        summary: "",
        name: "",
        tag: "",
        prefix: "",
        describe: |_| {},
        serve: serve(handler),
    }
}

/// What a page sends back.
pub(crate) fn page_post<F, Args>(path: &'static str, access: Access, handler: F) -> Route
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    Route { method: Method::POST, ..page(path, access, handler) }
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
methods! { get GET head HEAD post POST put PUT patch PATCH delete DELETE }

/// The endpoints of one path.
struct Resource {
    /// With `{parameters}`.
    template: &'static str,
    /// The names of these.
    names: Vec<&'static str>,
    routes: Vec<Route>,
}

/// What the path of a request matched, and what stands there for its parameters.
pub(crate) struct Matched {
    resource: Rc<Resource>,
    values: Vec<String>,
}

impl Matched {
    /// The name of a parameter in the template, counted from 0, and what stands there.
    pub(crate) fn parameter(request: &HttpRequest, nth: usize) -> Option<(&'static str, String)> {
        let matched = request.extensions();
        let matched = matched.get::<Self>()?;
        Some((matched.resource.names.get(nth)?, matched.values.get(nth)?.clone()))
    }

    /// The template of the path, `/v1/accounts/{oid}/auth/roles`; `other` if there is none.
    pub(crate) fn template(request: &HttpRequest) -> &'static str {
        request.extensions().get::<Self>().map_or("other", |matched| matched.resource.template)
    }
}

/// All routes, found by path.
pub(crate) struct Router(matchit::Router<Rc<Resource>>);

impl Router {
    pub(crate) fn new(routes: impl IntoIterator<Item = Route>) -> Self {
        let mut by_path: BTreeMap<&'static str, Vec<Route>> = BTreeMap::new();
        for route in routes {
            by_path.entry(route.path).or_default().push(route);
        }
        let mut tree = matchit::Router::new();
        for (template, routes) in by_path {
            let names = template.split(['{', '}']).skip(1).step_by(2).map(|name| name.trim_start_matches('*')).collect();
            let resource = Rc::new(Resource { template, names, routes });
            tree.insert(template, resource).expect("no two templates of ours match the same path");
        }
        Self(tree)
    }

    /// Answers a request.
    pub(crate) async fn serve(self: Rc<Self>, request: ServiceRequest) -> actix_web::Result<ServiceResponse> {
        let (http, payload) = request.into_parts();
        let answer = match self.find(&http) {
            Ok(route) => watch(route, &http, payload).await,
            Err(error) => {
                body::drain(&http, payload).await;
                HttpResponse::from_error(error)
            }
        };
        Ok(ServiceResponse::new(http, answer))
    }

    fn find(&self, request: &HttpRequest) -> Result<&Route> {
        // The path as actix-web has decoded it.
        let found = self.0.at(request.match_info().as_str()).map_err(|_| Error::NotFound)?;
        let values = found.params.iter().map(|(_, value)| value.to_owned()).collect();
        request.extensions_mut().insert(Matched { resource: found.value.clone(), values });
        let routes = &found.value.routes;
        routes.iter().find(|route| route.methods().contains(request.method())).ok_or_else(|| {
            let allowed: Vec<&str> = routes.iter().flat_map(Route::methods).map(Method::as_str).collect();
            ApiError::MethodNotAllowed(allowed.join(", "))
        })
    }
}

impl Route {
    /// Its method; where that is a page's, also HEAD.
    fn methods(&self) -> &[Method] {
        match self.policy.access {
            Access::Page | Access::Probe => &[Method::GET, Method::HEAD],
            _ => std::slice::from_ref(&self.method),
        }
    }
}

/// Stands before every handler: who calls, on which account, and may they. What it finds is left for [`Call`].
async fn watch(route: &Route, request: &HttpRequest, payload: Payload) -> HttpResponse {
    let refuse = |error: ApiError| match route.policy.access {
        Access::TokenEndpoint | Access::Client if token_request::is_form(request) => tokens::refuse_form(error),
        access if access.is_of_installers() => installers::in_their_words(HttpResponse::from_error(error)),
        _ => HttpResponse::from_error(error),
    };
    if let Err(error) = admit(route, request).await {
        body::drain(request, payload).await;
        return refuse(error);
    }
    let Ok(mut answer) = AssertUnwindSafe((route.serve)(request.clone(), payload)).catch_unwind().await else {
        if let Some(call) = request.extensions().get::<Call>() {
            call.account.panicked();
        }
        return refuse(ApiError::Domain(Error::Internal("a handler panicked".to_owned())));
    };
    if route.policy.access.is_of_installers() {
        answer = installers::in_their_words(answer);
    }
    let allowance = request.extensions().get::<Allowance>().copied();
    if let Some(allowance) = allowance.filter(|_| answer.status() != StatusCode::TOO_MANY_REQUESTS) {
        limits::tell(allowance, answer.headers_mut());
    }
    answer
}

async fn admit(route: &Route, request: &HttpRequest) -> Result<()> {
    let policy = route.policy;
    let changes = !route.method.is_safe() && !policy.signs_in;
    let registry = &State::of(request).registry;
    let allowance = match policy.access {
        Access::Probe => None,
        Access::Page => {
            registry.platform().charge(forwarded::client(request))?;
            None
        }
        Access::Public | Access::InstallerEntry => {
            let account = path_account(request)?;
            request.extensions_mut().insert(PathAccount(account));
            if policy.access == Access::InstallerEntry {
                request.extensions_mut().insert(Counted { account, proven: false });
            }
            registry.platform().charge(forwarded::client(request))?
        }
        Access::TokenEndpoint | Access::Client => {
            let account = path_account(request)?;
            request.extensions_mut().insert(PathAccount(account));
            request.extensions_mut().insert(Counted { account, proven: false });
            // Charged once it has proven nothing: behind one address there may be many clients.
            registry.platform().refuse_exhausted(forwarded::client(request))?;
            None
        }
        Access::Console | Access::Form => {
            if policy.access == Access::Console {
                refuse_foreign(request)?;
            }
            request.extensions_mut().insert(PathAccount(AccountId::console()));
            registry.platform().charge(forwarded::client(request))?
        }
        Access::Person => {
            let demand = Demand::any(TokenUse::Identity, &[], policy.lane, changes);
            authenticated(request, policy, AccountId::console(), demand).await?
        }
        Access::Installer => {
            let demand = Demand::any(TokenUse::Installer, &[], policy.lane, changes);
            authenticated(request, policy, path_account(request)?, demand).await?
        }
        Access::AnyOf(scopes) | Access::AllOf(scopes) => {
            let all = matches!(policy.access, Access::AllOf(_));
            let demand = Demand { all, ..Demand::any(TokenUse::Access, scopes, policy.lane, changes) };
            authenticated(request, policy, path_account(request)?, demand).await?
        }
    };
    if let Some(allowance) = allowance {
        request.extensions_mut().insert(allowance);
    }
    Ok(())
}

/// Refuses what another site's page sent, whatever the browser let through: it neither uses our cookie nor tries passwords
/// (security A21).
fn refuse_foreign(request: &HttpRequest) -> Result<()> {
    let own = State::of(request).registry.platform().public().to_string();
    let foreign = request.headers().get_all(ORIGIN).any(|origin| origin.as_bytes() != own.as_bytes());
    if foreign { Err(Error::Unauthorized.into()) } else { Ok(()) }
}

/// Checks the bearer token of a request, and leaves its call.
async fn authenticated(request: &HttpRequest, policy: Policy, account: AccountId, demand: Demand) -> Result<Option<Allowance>> {
    let registry = &State::of(request).registry;
    let in_query = policy.in_query.and_then(|name| query::parameter(request, name));
    let token = match (call::bearer(request)?, &in_query) {
        (Some(_), Some(_)) => return Err(ApiError::invalid("Authorization", "must be left out where the query has the token")),
        (bearer, in_query) => bearer.or(in_query.as_deref()),
    };
    let admitted = registry.authenticate(token, account, demand, call::origin(request)).await;
    if !matches!(admitted, Err(Error::Unauthorized | Error::NotFound | Error::TokenExpired)) {
        request.extensions_mut().insert(Counted { account, proven: true });
    }
    let admitted = admitted?;
    let call = Call { account: admitted.account, caller: admitted.caller, registry: registry.clone() };
    request.extensions_mut().insert(call);
    Ok(admitted.allowance)
}

/// The account that a request names: the first parameter of its path, whose name in the template says what it may be. Where none
/// stands there, it is the one whose installers are served.
fn path_account(request: &HttpRequest) -> Result<AccountId> {
    let Some((name, text)) = Matched::parameter(request, 0) else {
        let configured = Matched::template(request).starts_with(installers::CONFIGURED);
        return configured.then(|| State::of(request).registry.platform().installer_account()).ok_or(Error::NotFound.into());
    };
    let account = match name {
        "oid" => AccountId::parse_owner(&text),
        _ => text.parse(),
    };
    let account = account.map_err(|fault| ApiError::invalid(name, fault))?;
    if name == "partner_id" && !account.is_partner() {
        return Err(ApiError::invalid(name, "must be a partner's own account: P or T, three digits and five zeros"));
    }
    Ok(account)
}
