//! The operator port of every service: `/healthz`, `/readyz`, `/metrics`.
//!
//! Constraints:
//! - `/healthz` says only that the process runs. If it looked at the broker, an outage of the broker would restart
//!   every pod, and restarting cures nothing.
//! - `/readyz` names what is missing; draining is one of those things.
//! - The port stays open until the drain is complete: during a long drain the probes and the last scrape still need
//!   an answer. So it is stopped by its owner, after [`crate::Shutdown::complete`], and not by the drain itself.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::error::Error;
use crate::metrics::Metrics;
use crate::shutdown::Draining;

/// How long open requests may take once the port is being stopped. Scrapes take milliseconds; a client that reads
/// slower than this must not hold up the end of the process.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// Named conditions that must all be met before the service wants work. Clones share them.
#[derive(Debug, Clone)]
pub struct Readiness {
    conditions: Arc<Mutex<BTreeMap<&'static str, bool>>>,
    draining: Draining,
}

/// One condition of a [`Readiness`]; starts as not met.
#[derive(Debug, Clone)]
pub struct Condition {
    name: &'static str,
    conditions: Arc<Mutex<BTreeMap<&'static str, bool>>>,
}

/// The body of `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReadinessReport {
    /// Whether the service wants work.
    pub ready: bool,
    /// Whether it is being stopped.
    pub draining: bool,
    /// Conditions that are not met, by name.
    pub missing: Vec<&'static str>,
}

impl Readiness {
    /// Ready as long as no condition is added and `draining` has not begun.
    pub fn new(draining: Draining) -> Self {
        Self { conditions: Arc::default(), draining }
    }

    /// Adds a condition (`queue`, `ledger`, `target` ...), not met yet.
    pub fn condition(&self, name: &'static str) -> Condition {
        let condition = Condition { name, conditions: Arc::clone(&self.conditions) };
        condition.missing();
        condition
    }

    /// The state at this moment.
    pub fn report(&self) -> ReadinessReport {
        let missing: Vec<_> = self
            .conditions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .filter_map(|(name, met)| (!met).then_some(*name))
            .collect();
        let draining = self.draining.is_begun();
        ReadinessReport { ready: missing.is_empty() && !draining, draining, missing }
    }
}

impl Condition {
    /// The condition is met.
    pub fn met(&self) {
        self.set(true);
    }

    /// The condition is not met, or no longer.
    pub fn missing(&self) {
        self.set(false);
    }

    /// Sets the condition.
    pub fn set(&self, met: bool) {
        self.conditions.lock().unwrap_or_else(PoisonError::into_inner).insert(self.name, met);
    }
}

/// The three routes. A service merges its own into them (`operator_routes(..).merge(own)`).
pub fn operator_routes(readiness: Readiness, metrics: Metrics) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready).with_state(readiness))
        .route("/metrics", get(scrape).with_state(metrics))
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    let report = readiness.report();
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(report)).into_response()
}

async fn scrape(State(metrics): State<Metrics>) -> Response {
    match metrics.encode() {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            tracing::error!(error = crate::error::chain(&error), "metrics cannot be encoded");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// An open operator port.
#[derive(Debug)]
pub struct OperatorPort {
    address: SocketAddr,
    context: Context,
    stop: CancellationToken,
    serving: JoinHandle<std::io::Result<()>>,
}

impl OperatorPort {
    /// Opens `address` (port 0: any free one) and serves `routes` until [`OperatorPort::stop`].
    ///
    /// # Errors
    /// [`Error::Listen`] if the address is taken or not ours.
    pub async fn open(context: &Context, address: SocketAddr, routes: Router) -> Result<Self, Error> {
        let listen = |source| Error::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let serving =
            tokio::spawn(async move { axum::serve(listener, routes).with_graceful_shutdown(stopped).await });
        tracing::info!(%address, "operator port open: /healthz /readyz /metrics");
        Ok(Self { address, context: context.clone(), stop, serving })
    }

    /// Where it listens, with the real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, finishes open requests for two seconds at most, and closes the port.
    pub async fn stop(mut self) {
        self.stop.cancel();
        tokio::select! {
            served = &mut self.serving => {
                if !matches!(served, Ok(Ok(()))) {
                    tracing::warn!("the operator port did not end cleanly");
                }
            }
            () = self.context.clock.sleep(STOP_TIMEOUT) => self.serving.abort(),
        }
    }
}

impl Drop for OperatorPort {
    fn drop(&mut self) {
        // Without this a service that returns early would leave the port open for as long as the process lives.
        self.serving.abort();
    }
}
