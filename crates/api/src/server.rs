//! The application: what every worker shares, and how the pieces are stacked.

use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_cors::Cors;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse, fn_service};
use actix_web::middleware::from_fn;
use actix_web::{App, HttpRequest, web};
use ipnet::IpNet;
use tenantry_accounts::{Catalogue, Registry};

use crate::health::Readiness;
use crate::metrics::HttpMetrics;
use crate::route::{Router, routes};
use crate::{health, observe, pages, ui};

/// What an operator chooses of HTTP.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Origins that scripts may call from; empty: all.
    pub cors_origins: Vec<String>,
    /// The public URL is https: browsers are told to stay there.
    pub https: bool,
    /// How a request's span becomes a part of its caller's trace, where traces are collected.
    pub traced: Option<Traced>,
}

/// What the API asks of whoever collects traces.
#[derive(Debug, Clone, Copy)]
pub struct Traced {
    /// Makes a span a part of the trace that a `traceparent` header tells of (W3C Trace Context), if it does; yields the trace's id.
    pub continued: fn(&tracing::Span, Option<&str>) -> String,
    /// Names a span that has begun.
    pub named: fn(&tracing::Span, String),
}

/// What every worker shares.
pub struct State {
    pub(crate) registry: Registry,
    pub(crate) metrics: HttpMetrics,
    pub(crate) options: Options,
    pub(crate) readiness: Readiness,
    stopping: AtomicBool,
}

impl State {
    /// What happens over HTTP is counted in `all`.
    pub fn new(registry: Registry, all: &mut Catalogue, options: Options) -> Self {
        Self {
            registry,
            metrics: HttpMetrics::new(all),
            options,
            readiness: Readiness::default(),
            stopping: AtomicBool::new(false),
        }
    }

    /// The state of the application that serves a request.
    pub(crate) fn of(request: &HttpRequest) -> &Self {
        request.app_data::<web::Data<Self>>().expect("`app` puts the state into every application")
    }

    /// From now on `/readyz` says no, so that nobody sends new work.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    pub(crate) fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}

/// The application of the main listener.
pub fn app(
    state: web::Data<State>,
) -> App<impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse, Error = actix_web::Error, InitError = ()>> {
    let cors = cors(&state.options.cors_origins);
    let routes = Rc::new(Router::new(routes().into_iter().chain(ui::pages()).chain(pages::pages()).chain(health::probes())));
    App::new()
        .app_data(state)
        .default_service(fn_service(move |request| routes.clone().serve(request)))
        .wrap(cors)
        .wrap(from_fn(observe::observe))
}

/// Scripts of any origin may call the API with a token; cookies are never sent along.
fn cors(origins: &[String]) -> Cors {
    let exposed = ["total-count", "paging-token", "Link", "Retry-After", "RateLimit", "RateLimit-Policy", "X-Request-Id"];
    let cors = Cors::default()
        .allowed_methods(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
        .allow_any_header()
        .expose_headers(exposed)
        .max_age(3600);
    if origins.is_empty() {
        // The answer is the same for all of them: nothing varies.
        return cors.allow_any_origin().send_wildcard().disable_vary_header();
    }
    origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin))
}
