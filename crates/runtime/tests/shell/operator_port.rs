//! What probes and scrapes see in the life of a service.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use runtime::shutdown::Reason;
use runtime::{Context, CrashPoints, Error, Metrics, OperatorPort, Readiness, Shutdown, operator_routes};
use serde_json::{Value, json};

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

async fn fetch(port: &OperatorPort, path: &str) -> (u16, String) {
    let answer = reqwest::get(format!("http://{}{path}", port.address())).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn readiness(port: &OperatorPort) -> (u16, Value) {
    let (status, body) = fetch(port, "/readyz").await;
    (status, serde_json::from_str(&body).unwrap())
}

#[tokio::test]
async fn probes_follow_the_service_from_start_to_drain() {
    let context = Context::system(CrashPoints::off());
    let shutdown = Shutdown::new(context.clone(), Duration::from_mins(1));
    let readiness_of_service = Readiness::new(shutdown.draining());
    let queue = readiness_of_service.condition("queue");
    let ledger = readiness_of_service.condition("ledger");
    let metrics = Metrics::new().unwrap();
    metrics
        .counter("kayako_migrate_records_total", "Records settled.", &["kind"])
        .unwrap()
        .with_label_values(&["case"])
        .inc();
    let routes = operator_routes(readiness_of_service, metrics)
        .merge(Router::new().route("/api/v1/runs", get(|| async { "own route" })));
    let port = OperatorPort::open(&context, LOOPBACK, routes).await.unwrap();

    assert_eq!(fetch(&port, "/healthz").await.0, 200, "alive before anything is connected");
    let missing = json!({"ready": false, "draining": false, "missing": ["ledger", "queue"]});
    assert_eq!(readiness(&port).await, (503, missing));

    ledger.met();
    queue.met();
    assert_eq!(readiness(&port).await, (200, json!({"ready": true, "draining": false, "missing": []})));
    queue.missing();
    assert_eq!(readiness(&port).await.0, 503);
    queue.met();

    let (status, text) = fetch(&port, "/metrics").await;
    assert_eq!(status, 200);
    assert!(text.contains("kayako_migrate_records_total{kind=\"case\"} 1"), "{text}");
    assert_eq!(fetch(&port, "/api/v1/runs").await, (200, "own route".to_owned()));

    let draining = shutdown.draining();
    let (finish, finished) = tokio::sync::oneshot::channel::<()>();
    shutdown.spawn("loader", async move {
        draining.begun().await;
        let _ = finished.await;
        Ok::<_, Infallible>(())
    });
    shutdown.begin(Reason::Finished);
    assert_eq!(readiness(&port).await, (503, json!({"ready": false, "draining": true, "missing": []})));
    assert_eq!(fetch(&port, "/healthz").await.0, 200, "a draining process is alive");
    finish.send(()).unwrap();
    assert!(shutdown.complete().await.is_clean());

    let address = port.address();
    port.stop().await;
    assert!(reqwest::get(format!("http://{address}/healthz")).await.unwrap_err().is_connect());
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let context = Context::system(CrashPoints::off());
    let first = OperatorPort::open(&context, LOOPBACK, Router::new()).await.unwrap();
    let error = OperatorPort::open(&context, first.address(), Router::new()).await.unwrap_err();
    assert!(matches!(error, Error::Listen { address, .. } if address == first.address()), "{error:?}");
    first.stop().await;
}
