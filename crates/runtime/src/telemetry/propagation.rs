//! Carries the trace context across queues in message headers (W3C `traceparent` and `tracestate`).
//!
//! One message continues its sender's trace ([`continue_from`]). A batch has many senders and only one parent slot,
//! so it is *linked* to each of them ([`link_from`]).

use std::collections::BTreeMap;

use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

struct Headers<'a>(&'a BTreeMap<String, String>);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}

struct HeadersMut<'a>(&'a mut BTreeMap<String, String>);

impl Injector for HeadersMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        self.0.insert(key.to_owned(), value);
    }
}

/// Writes the current span's context into `headers`. Writes nothing if traces are off.
pub fn inject(headers: &mut BTreeMap<String, String>) {
    let context = Span::current().context();
    if context.span().span_context().is_valid() {
        TraceContextPropagator::new().inject_context(&context, &mut HeadersMut(headers));
    }
}

/// Makes `span` a child of the span that wrote `headers`. Must happen before `span` is entered. Returns whether there
/// was a context to continue.
pub fn continue_from(span: &Span, headers: &BTreeMap<String, String>) -> bool {
    let context = TraceContextPropagator::new().extract(&Headers(headers));
    context.span().span_context().is_valid() && span.set_parent(context).is_ok()
}

/// Links the current span to the span that wrote `headers`. Returns whether there was one.
pub fn link_from(headers: &BTreeMap<String, String>) -> bool {
    let Some(sender) = sender(headers) else { return false };
    Span::current().add_link(sender);
    true
}

fn sender(headers: &BTreeMap<String, String>) -> Option<SpanContext> {
    let context = TraceContextPropagator::new().extract(&Headers(headers));
    let sender = context.span().span_context().clone();
    sender.is_valid().then_some(sender)
}
