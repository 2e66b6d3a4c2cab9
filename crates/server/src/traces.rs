//! Traces for an OpenTelemetry collector (OTLP over HTTP, protobuf), if one is set. What is traced has a target of its own, so that
//! nothing is made of it where nobody collects.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context as _, Result};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry::{Context, Key, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// How long a collector may take for the last of them.
const PATIENCE: Duration = Duration::from_secs(2);

/// What collects the spans of this process.
static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// Makes spans that go to `endpoint`, where a collector takes traces: those that continue a sampled trace, and this share of those that begin one.
/// Its headers are `OTEL_EXPORTER_OTLP_HEADERS`, as OpenTelemetry has them.
pub(crate) fn start(endpoint: &str, share: f64) -> Result<SdkTracer> {
    let exporter = SpanExporter::builder().with_http().with_endpoint(endpoint).build().context("otlp_endpoint")?;
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(share))))
        .with_resource(resource())
        .build();
    let tracer = provider.tracer("tenantry");
    PROVIDER.get_or_init(|| provider);
    Ok(tracer)
}

/// Who we are, unless `OTEL_SERVICE_NAME` or `OTEL_RESOURCE_ATTRIBUTES` say so.
fn resource() -> Resource {
    let told = || Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    let resource = told().build();
    let name = resource.get(&Key::from_static_str("service.name"));
    let named = name.is_some_and(|name| !name.as_str().starts_with("unknown_service"));
    if named { resource } else { told().with_service_name("tenantry").build() }
}

/// Makes a span that has just begun a part of the trace that its caller tells of (W3C Trace Context); yields the trace's id.
pub(crate) fn continued(span: &Span, caller: Option<&str>) -> String {
    if let Some(caller) = caller {
        drop(span.set_parent(told(caller)));
    }
    span.context().span().span_context().trace_id().to_string()
}

/// The trace that a header tells of; one that is not well formed counts as none. What extracts it does not count its digits.
fn told(caller: &str) -> Context {
    let lengths: Vec<usize> = caller.split('-').map(str::len).collect();
    let told = lengths.starts_with(&[2, 32, 16, 2]).then(|| ("traceparent".to_owned(), caller.to_owned()));
    TraceContextPropagator::new().extract(&told.into_iter().collect::<HashMap<_, _>>())
}

/// Names a span that has begun.
pub(crate) fn named(span: &Span, name: String) {
    span.context().span().update_name(name);
}

/// Sends what was not sent yet. Called once more before the process ends.
pub(crate) fn end() {
    if let Some(provider) = PROVIDER.get() {
        drop(provider.shutdown_with_timeout(PATIENCE));
    }
}

#[cfg(test)]
mod properties {
    use tenantry_test_properties::Property;

    use super::*;

    #[test]
    fn whatever_a_caller_says_of_its_trace_ours_has_an_id() {
        let likely = "[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[a-z]{0,4})?";
        Property::new("traceparent").of_text(likely, |text| {
            let id = continued(&Span::none(), Some(text));
            assert!(id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{id}");
            // What is no trace is none, and what is one keeps its id.
            let span = told(text).span().span_context().clone();
            assert!(!span.is_valid() || text.contains(&span.trace_id().to_string()), "{text}");
        });
    }
}
