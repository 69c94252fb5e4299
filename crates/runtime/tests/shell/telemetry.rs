//! Logs as a log store sees them, traces as a collector receives them.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Uri};
use runtime::telemetry::{LogFormat, OtlpEndpoint, OtlpProtocol, Telemetry, TelemetrySettings};
use runtime::{Error, propagation};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tracing::dispatcher::with_default;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn writer(&self) -> impl Fn() -> Self + Send + Sync + 'static {
        let lines = self.clone();
        move || lines.clone()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn settings(otlp: Option<OtlpEndpoint>) -> TelemetrySettings {
    TelemetrySettings {
        service: "kayako-migrate-loader".to_owned(),
        version: "9.8.7".to_owned(),
        instance: "loader-0".to_owned(),
        format: LogFormat::Json,
        filter: "info".to_owned(),
        otlp,
    }
}

#[test]
fn log_lines_are_json_objects() {
    let lines = Lines::default();
    let (dispatch, _telemetry) = Telemetry::build(&settings(None), lines.writer()).unwrap();
    with_default(&dispatch, || {
        tracing::info!(kind = "case", count = 3, "batch committed");
        tracing::debug!("not at this level");
    });
    let line: Value = serde_json::from_str(&lines.text()).unwrap();
    assert_eq!((&line["message"], &line["kind"]), (&"batch committed".into(), &"case".into()));
    assert_eq!((&line["count"], &line["level"]), (&3.into(), &"INFO".into()));
}

#[test]
fn an_unusable_filter_is_refused_at_start() {
    let settings = TelemetrySettings { filter: "loader=shout".to_owned(), ..settings(None) };
    let error = Telemetry::build(&settings, std::io::sink).unwrap_err();
    assert!(matches!(error, Error::Setting { name: "RUST_LOG", .. }), "{error:?}");
}

#[tokio::test]
async fn without_an_endpoint_no_trace_header_is_written() {
    let (dispatch, telemetry) = Telemetry::build(&settings(None), std::io::sink).unwrap();
    let mut headers = BTreeMap::new();
    with_default(&dispatch, || tracing::info_span!("publish").in_scope(|| propagation::inject(&mut headers)));
    assert!(headers.is_empty());
    assert!(!propagation::link_from(&headers));
    telemetry.shutdown(Duration::from_secs(5)).await.unwrap();
}

/// What a collector was sent.
struct Delivery {
    path: String,
    content_type: String,
    body: Bytes,
}

/// A collector that takes anything and passes it on.
async fn collector() -> (String, mpsc::UnboundedReceiver<Delivery>) {
    let (sender, deliveries) = mpsc::unbounded_channel();
    let routes = Router::new().fallback(move |uri: Uri, headers: HeaderMap, body: Bytes| async move {
        let content_type = headers["content-type"].to_str().unwrap().to_owned();
        // Nobody listens any more once the test has seen what it wanted.
        let _ = sender.send(Delivery { path: uri.path().to_owned(), content_type, body });
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (url, deliveries)
}

fn contains(body: &[u8], text: &str) -> bool {
    body.windows(text.len()).any(|window| window == text.as_bytes())
}

/// One record over two services: published by one, continued by one consumer and linked by a batch.
fn trace_a_record() -> String {
    let mut headers = BTreeMap::new();
    tracing::info_span!("publish_record").in_scope(|| propagation::inject(&mut headers));
    let consume = tracing::info_span!("consume_record");
    assert!(propagation::continue_from(&consume, &headers));
    let mut further = BTreeMap::new();
    consume.in_scope(|| propagation::inject(&mut further));
    tracing::info_span!("commit_batch").in_scope(|| assert!(propagation::link_from(&further)));
    let trace_of =
        |headers: &BTreeMap<String, String>| headers["traceparent"].split('-').nth(1).unwrap().to_owned();
    assert_eq!(trace_of(&headers), trace_of(&further), "the consumer goes on with the publisher's trace");
    trace_of(&headers)
}

fn bytes_of(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

async fn delivered(protocol: OtlpProtocol, path: &str) -> (Delivery, String) {
    let (url, mut deliveries) = collector().await;
    let otlp = OtlpEndpoint { url: format!("{url}{path}"), protocol };
    let (dispatch, telemetry) = Telemetry::build(&settings(Some(otlp)), std::io::sink).unwrap();
    let trace = with_default(&dispatch, trace_a_record);
    let flushed = telemetry.shutdown(Duration::from_secs(30)).await;
    if protocol == OtlpProtocol::HttpProtobuf {
        // The collector above speaks HTTP; it cannot end a gRPC call with a status, so only this one can succeed.
        flushed.unwrap();
    }
    (deliveries.recv().await.unwrap(), trace)
}

fn assert_complete(delivery: &Delivery, trace: &str) {
    for text in
        ["kayako-migrate-loader", "9.8.7", "loader-0", "publish_record", "consume_record", "commit_batch"]
    {
        assert!(contains(&delivery.body, text), "{text} was not exported");
    }
    let trace = bytes_of(trace);
    let mentions = delivery.body.windows(trace.len()).filter(|window| *window == trace).count();
    assert_eq!(mentions, 3, "two spans of the trace and one link to it");
}

#[tokio::test]
async fn spans_arrive_over_http() {
    let (delivery, trace) = delivered(OtlpProtocol::HttpProtobuf, "/v1/traces").await;
    assert_eq!(delivery.path, "/v1/traces");
    assert_eq!(delivery.content_type, "application/x-protobuf");
    assert_complete(&delivery, &trace);
}

#[tokio::test]
async fn spans_arrive_over_grpc() {
    let (delivery, trace) = delivered(OtlpProtocol::Grpc, "").await;
    assert_eq!(delivery.path, "/opentelemetry.proto.collector.trace.v1.TraceService/Export");
    assert_eq!(delivery.content_type, "application/grpc");
    assert_complete(&delivery, &trace);
}
