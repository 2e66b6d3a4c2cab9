//! Around every request: its id, its line in the log, its place in the metrics, and what every answer carries.

use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, ResponseError};
use tenantry_accounts::{Outcome, Refused, TRACES};
use tenantry_domain::{Error, Limit};
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::call::Counted;
use crate::error::{ApiError, ErrorBody};
use crate::metrics;
use crate::route::Matched;
use crate::server::State;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request: the caller's, where it sent a sane one, else ours. Text of ASCII in either case.
#[derive(Clone)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    pub(crate) fn of(request: &HttpRequest) -> Option<String> {
        request.extensions().get::<Self>().map(|id| id.text().to_owned())
    }

    fn new(request: &ServiceRequest) -> Self {
        let sane = |id: &&HeaderValue| {
            let letters = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
            (1..=128).contains(&id.len()) && id.as_bytes().iter().all(letters)
        };
        let ours = || {
            let source = State::of(request.request()).registry.platform().source();
            HeaderValue::from_maybe_shared(source.id(source.now()).to_string()).expect("a UUID is plain text")
        };
        Self(request.headers().get(REQUEST_ID).filter(sane).cloned().unwrap_or_else(ours))
    }

    fn text(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

pub(crate) async fn observe(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> actix_web::Result<ServiceResponse<BoxBody>> {
    let begun = Instant::now();
    let id = RequestId::new(&request);
    request.extensions_mut().insert(id.clone());
    let trace = Trace::begin(request.request(), &id);
    let called = next.call(request);
    let answer = match &trace {
        Some(trace) => called.instrument(trace.span.clone()).await,
        None => called.await,
    };
    let mut answer = answer?.map_into_boxed_body();
    if answer.status().is_server_error() {
        answer = with_request_id(answer, &id);
    }
    dress(&mut answer, &id);

    let took = begun.elapsed();
    let http = answer.request();
    let route = Matched::template(http);
    let status = answer.status().as_u16();
    State::of(http).metrics.observe(route, http.method(), status, took.as_secs_f64());
    let counted = http.extensions().get::<Counted>().copied();
    if let Some(counted) = counted
        && let Some(outcome) = outcome(&answer, counted.proven)
    {
        State::of(http).registry.note(counted.account, took, outcome);
    }
    let (request_id, method, microseconds) = (id.text(), metrics::known(http.method()), took.as_micros());
    let account = counted.as_ref().map(|counted| counted.account.as_str());
    let code = if status < 400 { None } else { error_of(&answer).map(|error| error.code()) };
    let trace_id = trace.as_ref().map(|trace| &trace.id[..]);
    tracing::info!(request_id, trace_id, account, method, route, status, code, microseconds, "request");
    if let Some(trace) = trace {
        trace.end(method, route, status, (account, code));
    }
    Ok(answer)
}

/// A request's part of a trace, in the words of OpenTelemetry's semantic conventions for HTTP servers. No path and no query: they may
/// hold what is nobody's business.
struct Trace {
    span: Span,
    id: String,
    named: fn(&Span, String),
}

impl Trace {
    /// `None` where traces are not collected.
    fn begin(request: &HttpRequest, id: &RequestId) -> Option<Self> {
        let traced = State::of(request).options.traced?;
        let span = tracing::info_span!(
            target: TRACES,
            "request",
            otel.kind = "server",
            otel.status_code = Empty,
            http.request.method = metrics::known(request.method()),
            http.route = Empty,
            http.response.status_code = Empty,
            error.type = Empty,
            tenantry.account = Empty,
            tenantry.request_id = id.text(),
        );
        let caller = request.headers().get("traceparent").and_then(|caller| caller.to_str().ok());
        let id = (traced.continued)(&span, caller);
        Some(Self { span, id, named: traced.named })
    }

    fn end(self, method: &str, route: &str, status: u16, (account, code): (Option<&str>, Option<&str>)) {
        let Self { span, named, .. } = self;
        named(&span, format!("{method} {route}"));
        span.record("http.route", route);
        span.record("http.response.status_code", status);
        if let Some(account) = account {
            span.record("tenantry.account", account);
        }
        if let Some(code) = code {
            span.record("error.type", code);
        }
        if status >= 500 {
            span.record("otel.status_code", "ERROR");
        }
    }
}

/// What became of a request, for those who watch the account; nothing, where it was a stranger's and refused.
fn outcome(answer: &ServiceResponse, proven: bool) -> Option<Outcome> {
    let error = if answer.status().as_u16() < 400 { None } else { error_of(answer) };
    if error.as_ref().is_some_and(|error| !proven && error.is_for_strangers()) {
        return None;
    }
    match (answer.status().as_u16(), error) {
        (429 | 503, Some(ApiError::Domain(Error::RateLimited(of)))) if of.limit == Limit::Address => None,
        (429 | 503, Some(ApiError::Domain(error))) => Some(Refused::by(&error).map_or(Outcome::Failed, Outcome::Refused)),
        (500.., _) => Some(Outcome::Failed),
        _ => Some(Outcome::Answered),
    }
}

/// The error that an answer tells of.
fn error_of(answer: &ServiceResponse) -> Option<ApiError> {
    let kept = answer.response().extensions().get::<ApiError>().cloned();
    kept.or_else(|| answer.response().error().and_then(|error| error.as_error::<ApiError>().cloned()))
}

/// Logs what went wrong, and names the request in the body so that somebody can find it there.
fn with_request_id(answer: ServiceResponse, id: &RequestId) -> ServiceResponse {
    let Some(error) = error_of(&answer) else { return answer };
    if let Some(hidden) = error.hidden() {
        tracing::error!(request_id = id.text(), error = hidden, "request failed");
    }
    if error.code() != "internal_error" {
        return answer;
    }
    let in_our_form = answer.response().error().is_some();
    if !in_our_form {
        return answer; // RFC 6749 has no place for it; the header names the request
    }
    let body = ErrorBody::from(&error).with_request_id(id.text());
    let (http, old) = answer.into_parts();
    let mut new = HttpResponse::build(error.status_code()).json(body);
    for (name, value) in old.headers().iter().filter(|(name, _)| *name != CONTENT_LENGTH && *name != CONTENT_TYPE) {
        new.headers_mut().append(name.clone(), value.clone());
    }
    ServiceResponse::new(http, new)
}

/// The headers that every answer has, unless the handler chose its own.
fn dress(answer: &mut ServiceResponse, id: &RequestId) {
    let https = State::of(answer.request()).options.https;
    let headers = answer.headers_mut();
    headers.insert(REQUEST_ID, id.0.clone());
    let mut default = |name: HeaderName, value: &'static str| {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    };
    default(CACHE_CONTROL, "no-store");
    default(CONTENT_SECURITY_POLICY, "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    default(X_CONTENT_TYPE_OPTIONS, "nosniff");
    default(X_FRAME_OPTIONS, "DENY");
    default(REFERRER_POLICY, "no-referrer");
    if https {
        default(STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains");
    }
}
