//! What is counted of HTTP, and the listener that Prometheus scrapes. Labels come from closed sets.

use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use actix_web::{App, HttpRequest, HttpResponse, web};
use prometheus::{Encoder, HistogramVec, IntCounterVec, Registry, TextEncoder};
use subtle::ConstantTimeEq;
use tenantry_accounts::Catalogue;
use tenantry_domain::Secret;

/// Quarter of a millisecond to five seconds.
const SECONDS: [f64; 14] = [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// Counters of HTTP requests.
pub(crate) struct HttpMetrics {
    requests: IntCounterVec,
    durations: HistogramVec,
}

impl HttpMetrics {
    pub(crate) fn new(all: &mut Catalogue) -> Self {
        let route = ("route", "path template, or `other`");
        let method = ("method", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, other");
        let status = ("status", "1xx, 2xx, 3xx, 4xx, 5xx");
        Self {
            requests: all.counter_vec("tenantry_http_requests_total", "Requests answered.", &[route, method, status]),
            durations: all.histogram_vec(
                "tenantry_http_request_duration_seconds",
                "Time to answer a request.",
                &[route, method],
                &SECONDS,
            ),
        }
    }

    pub(crate) fn observe(&self, route: &str, method: &Method, status: u16, seconds: f64) {
        let method = known(method);
        let class = ["1xx", "2xx", "3xx", "4xx", "5xx"][usize::from((status / 100).clamp(1, 5) - 1)];
        self.requests.with_label_values(&[route, method, class]).inc();
        self.durations.with_label_values(&[route, method]).observe(seconds);
    }
}

/// A method's name; one that nobody has heard of is `other`.
pub(crate) fn known(method: &Method) -> &str {
    match *method {
        Method::GET | Method::HEAD | Method::POST | Method::PUT | Method::PATCH | Method::DELETE | Method::OPTIONS => {
            method.as_str()
        }
        _ => "other",
    }
}

/// Lists what is counted over HTTP, for docs/metrics.md.
pub fn describe_metrics(all: &mut Catalogue) {
    drop(HttpMetrics::new(all));
}

/// The application of the metrics listener: `/metrics` in the text format. With a `bearer`, only for those who show it.
pub fn metrics_app(
    registry: Registry,
    bearer: Option<Secret>,
) -> App<impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse, Error = actix_web::Error, InitError = ()>> {
    let answer = move |request: HttpRequest| {
        let answer = if bearer.as_ref().is_some_and(|bearer| !shows(&request, bearer)) {
            HttpResponse::Unauthorized().insert_header((WWW_AUTHENTICATE, "Bearer realm=\"metrics\"")).finish()
        } else {
            scrape(&registry)
        };
        std::future::ready(answer)
    };
    App::new().route("/metrics", web::get().to(answer))
}

fn shows(request: &HttpRequest, bearer: &Secret) -> bool {
    let shown = request.headers().get(AUTHORIZATION).and_then(|header| header.to_str().ok()?.split_once(' '));
    shown.is_some_and(|(scheme, shown)| {
        scheme.eq_ignore_ascii_case("bearer") && bool::from(shown.trim().as_bytes().ct_eq(bearer.reveal().as_bytes()))
    })
}

fn scrape(registry: &Registry) -> HttpResponse {
    let mut text = Vec::new();
    match TextEncoder::new().encode(&registry.gather(), &mut text) {
        Ok(()) => HttpResponse::Ok().content_type(prometheus::TEXT_FORMAT).body(text),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be encoded");
            HttpResponse::InternalServerError().finish()
        }
    }
}
