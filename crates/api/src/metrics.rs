//! What is counted of HTTP, and the listener that Prometheus scrapes. Labels come from closed sets.

use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::{App, HttpResponse, web};
use prometheus::{Encoder, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, TextEncoder};

/// Counters of HTTP requests.
pub(crate) struct HttpMetrics {
    requests: IntCounterVec,
    durations: HistogramVec,
}

impl HttpMetrics {
    pub(crate) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let requests = Opts::new("tenantry_http_requests_total", "Requests answered, by route, method and status class.");
        let durations =
            HistogramOpts::new("tenantry_http_request_duration_seconds", "Time to answer a request, by route and method.");
        let buckets = vec![0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
        let metrics = Self {
            requests: IntCounterVec::new(requests, &["route", "method", "status"])?,
            durations: HistogramVec::new(durations.buckets(buckets), &["route", "method"])?,
        };
        registry.register(Box::new(metrics.requests.clone()))?;
        registry.register(Box::new(metrics.durations.clone()))?;
        Ok(metrics)
    }

    pub(crate) fn observe(&self, route: &str, method: &Method, status: u16, seconds: f64) {
        let method = match *method {
            Method::GET | Method::HEAD | Method::POST | Method::PUT | Method::PATCH | Method::DELETE | Method::OPTIONS => {
                method.as_str()
            }
            _ => "other",
        };
        let class = ["1xx", "2xx", "3xx", "4xx", "5xx"][usize::from((status / 100).clamp(1, 5) - 1)];
        self.requests.with_label_values(&[route, method, class]).inc();
        self.durations.with_label_values(&[route, method]).observe(seconds);
    }
}

/// The application of the metrics listener: `/metrics` in the text format.
pub fn metrics_app(
    registry: Registry,
) -> App<impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse, Error = actix_web::Error, InitError = ()>> {
    App::new().route(
        "/metrics",
        web::get().to(move || {
            let registry = registry.clone();
            async move {
                let mut text = Vec::new();
                match TextEncoder::new().encode(&registry.gather(), &mut text) {
                    Ok(()) => HttpResponse::Ok().content_type(prometheus::TEXT_FORMAT).body(text),
                    Err(error) => {
                        tracing::error!(%error, "metrics cannot be encoded");
                        HttpResponse::InternalServerError().finish()
                    }
                }
            }
        }),
    )
}
