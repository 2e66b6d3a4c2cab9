//! Traces as an OpenTelemetry collector gets them: OTLP over HTTP, decoded by OpenTelemetry's own definitions.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use actix_web::{App, HttpResponse, HttpServer, web};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::json;
use tenantry_tests::{Program, TestDatabase, bootstrap, http, program};

use crate::processes::token;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

type Collected = Arc<Mutex<Vec<Vec<u8>>>>;

/// A collector that keeps what it is sent; where it is.
fn collector() -> (String, Collected) {
    let kept = Collected::default();
    let keep = kept.clone();
    let server = HttpServer::new(move || {
        let keep = keep.clone();
        App::new().route(
            "/v1/traces",
            web::post().to(move |body: web::Bytes| {
                keep.lock().unwrap().push(body.to_vec());
                async { HttpResponse::Ok().content_type("application/x-protobuf").finish() }
            }),
        )
    });
    let server = server.workers(1).bind(("127.0.0.1", 0)).unwrap();
    let there = format!("http://{}", server.addrs()[0]);
    actix_rt::spawn(server.run());
    (there, kept)
}

/// Its spans by name, and whose they are.
fn spans(collected: &Collected) -> (BTreeMap<String, Vec<Span>>, BTreeMap<String, String>) {
    let (mut spans, mut whose) = (BTreeMap::<String, Vec<Span>>::new(), BTreeMap::new());
    for body in collected.lock().unwrap().iter() {
        for of in ExportTraceServiceRequest::decode(&body[..]).unwrap().resource_spans {
            whose.extend(attributes(&of.resource.unwrap_or_default().attributes));
            for span in of.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                spans.entry(span.name.clone()).or_default().push(span);
            }
        }
    }
    (spans, whose)
}

fn attributes(all: &[opentelemetry_proto::tonic::common::v1::KeyValue]) -> BTreeMap<String, String> {
    let text = |value: Any| match value {
        Any::StringValue(text) => text,
        Any::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    let one = |one: &opentelemetry_proto::tonic::common::v1::KeyValue| Some((one.key.clone(), text(one.value.clone()?.value?)));
    all.iter().filter_map(one).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

#[actix_web::test]
async fn a_request_is_a_part_of_its_callers_trace() {
    let (there, collected) = collector();
    let database = TestDatabase::create().await;
    let made = bootstrap(&database)["test"].clone();
    let mut command = program(&database, &["serve"]);
    command.env("TENANTRY_OTLP_ENDPOINT", &there).env("TENANTRY_LOG", "trace");
    let mut server = Program::start(command);
    let bearer = token(&server, &made).await.unwrap();
    let create = |traceparent: String| {
        let asked = http().post(format!("{}/v1/accounts/T00000000/auth/roles?secret=in-the-query", server.base));
        let asked = asked.bearer_auth(&bearer).header("x-request-id", "asked-by-a-test").header("traceparent", traceparent);
        asked.json(&json!({"name": "traced", "scope": []})).send()
    };
    assert_eq!(create(format!("00-{TRACE}-{CALLER}-01")).await.unwrap().status(), 200);
    assert_eq!(create(format!("00-{}-{CALLER}-00", "a".repeat(32))).await.unwrap().status(), 400); // the name is taken; not sampled
    assert_eq!(create("not a traceparent".to_owned()).await.unwrap().status(), 400);
    // A method that nobody has heard of names nothing.
    let odd = reqwest::Method::from_bytes(b"SECRETMETHOD").unwrap();
    assert_eq!(http().request(odd, format!("{}/x", server.base)).send().await.unwrap().status(), 404);
    server.signal("TERM");
    let all = tokio::task::spawn_blocking(move || {
        assert!(server.ended_well());
        server.log()
    });
    let log = all.await.unwrap();

    let (spans, whose) = spans(&collected);
    assert_eq!(whose["service.name"], "tenantry");
    let roles = &spans["POST /v1/accounts/{oid}/auth/roles"];
    let ours = roles.iter().find(|span| hex(&span.trace_id) == TRACE).unwrap();
    assert_eq!(hex(&ours.parent_span_id), CALLER);
    let told = attributes(&ours.attributes);
    for (name, value) in [
        ("http.request.method", "POST"),
        ("http.route", "/v1/accounts/{oid}/auth/roles"),
        ("http.response.status_code", "200"),
        ("tenantry.account", "T00000000"),
        ("tenantry.request_id", "asked-by-a-test"),
    ] {
        assert_eq!(told.get(name).map(String::as_str), Some(value), "{name}: {told:?}");
    }
    let child = |name: &str, of: &Span| {
        let spans = &spans[name];
        spans.iter().find(|span| span.parent_span_id == of.span_id && span.trace_id == of.trace_id).unwrap().clone()
    };
    child("account.turn", &child("account.write", ours));
    assert!(roles.iter().all(|span| hex(&span.trace_id) != "a".repeat(32)), "the caller has decided against it");
    let begun_here = roles.iter().find(|span| span.parent_span_id.is_empty()).unwrap();
    assert_eq!(attributes(&begun_here.attributes)["error.type"], "duplicate");

    // The log names the trace, and is not told of spans; nothing that is secret goes anywhere.
    let line = log.lines().find(|line| line.contains(TRACE)).unwrap();
    assert!(line.contains("asked-by-a-test") && line.contains("\"account\":\"T00000000\""), "{line}");
    assert!(!log.contains("account.turn"));
    let sent: Vec<u8> = collected.lock().unwrap().concat();
    let sent = String::from_utf8_lossy(&sent);
    for secret in [&bearer[..], made["client_secret"].as_str().unwrap(), "in-the-query", "SECRETMETHOD"] {
        assert!(!sent.contains(secret));
    }
}

/// Who collects may be away, or nobody may want to know: all is served.
#[actix_web::test]
async fn a_collector_that_is_away_keeps_nobody_waiting() {
    let database = TestDatabase::create().await;
    let made = bootstrap(&database)["test"].clone();
    let mut command = program(&database, &["serve"]);
    command.env("TENANTRY_OTLP_ENDPOINT", "http://127.0.0.1:1").env("TENANTRY_OTLP_SHARE", "0.5");
    let mut server = Program::start(command);
    token(&server, &made).await.unwrap();
    server.signal("TERM");
    assert!(server.ended_well());
    for (name, value, reason) in [
        ("TENANTRY_OTLP_ENDPOINT", "127.0.0.1:4318", "otlp_endpoint"),
        ("TENANTRY_OTLP_ENDPOINT", "grpc://collector", "otlp_endpoint"),
        ("TENANTRY_OTLP_ENDPOINT", "http://user:secret@collector", "otlp_endpoint"),
        ("TENANTRY_OTLP_ENDPOINT", "http://collector/v1/traces", "otlp_endpoint"),
        ("TENANTRY_OTLP_SHARE", "2", "otlp_share"),
        ("TENANTRY_OTLP_SHARE", "-0.1", "otlp_share"),
    ] {
        let told = program(&database, &["config", "check"]).env(name, value).output().unwrap();
        assert!(!told.status.success() && tenantry_tests::stderr(&told).contains(reason), "{name}={value}");
    }
}
