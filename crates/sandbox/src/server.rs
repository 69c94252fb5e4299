//! Serves one account over HTTP/1.1 with keep-alive, counts its calls and lets faults happen to them.
//!
//! Constraints. A call that has arrived whole is carried out even if its caller dies meanwhile, as on a real server: handlers
//! run in tasks of their own. A dropped connection sends not one byte of an answer, which `axum::serve` cannot do; hence the
//! accept loop here. Control paths under `/_sandbox/` meet no fault and are not counted.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Json, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures::stream;
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde::Serialize;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::faults::{Fault, Faults, Schedule};
use crate::lock;

/// How many calls an account has answered, by method, path template and status.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CallCounts {
    /// All calls, dropped ones included; control calls excluded.
    pub total: u64,
    /// Calls whose connection was dropped by a fault.
    pub dropped: u64,
    /// `"POST /api/v1/cases/{id}/reply"` -> status -> calls. Status 0 stands for a dropped connection.
    pub calls: BTreeMap<String, BTreeMap<u16, u64>>,
}

/// Shared by the connections of one account and its handle.
#[derive(Debug, Default)]
struct Desk {
    stop: CancellationToken,
    faults: Faults,
    counts: Mutex<CallCounts>,
}

/// One account being served, on a port or to callers in the same process. Dropping it leaves the server running until the runtime ends;
/// use [`Server::shutdown`].
#[derive(Debug, Clone)]
pub struct Server {
    address: Option<SocketAddr>,
    router: Router,
    desk: Arc<Desk>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Server {
    /// Serves `router` on `listener` in the current tokio runtime. `router` may have control routes of its own below `/_sandbox/`;
    /// `/_sandbox/calls`, `/_sandbox/calls/reset` and `/_sandbox/faults` are added here.
    ///
    /// Fails only if the listener cannot name its address.
    pub fn start(listener: TcpListener, router: Router, schedule: Schedule) -> std::io::Result<Self> {
        let mut server = Self::without_port(router, schedule);
        server.address = Some(listener.local_addr()?);
        server.tasks.spawn(accept(listener, server.clone()));
        Ok(server)
    }

    /// Serves `router` to [`Server::answer`] only.
    pub fn without_port(router: Router, schedule: Schedule) -> Self {
        let stop = CancellationToken::new();
        let desk =
            Arc::new(Desk { stop: stop.clone(), faults: Faults::new(schedule), counts: Mutex::default() });
        let control = Router::new()
            .route("/_sandbox/calls", get(read_counts))
            .route("/_sandbox/calls/reset", post(reset_counts))
            .route("/_sandbox/faults", get(read_faults).put(write_faults))
            .with_state(Arc::clone(&desk));
        let router = control.fallback_service(router);
        Self { address: None, router, desk, stop, tasks: TaskTracker::new() }
    }

    /// Where the account listens, if it does.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Answers one call as over a connection; `None`: the connection breaks. The call is carried out even if the future is dropped.
    pub async fn answer(&self, request: Request) -> Option<Response> {
        answer(request, self.router.clone(), Arc::clone(&self.desk), self.tasks.clone()).await
    }

    /// Replaces the fault schedule; the same as `PUT /_sandbox/faults`.
    pub fn set_faults(&self, schedule: Schedule) {
        self.desk.faults.replace(schedule);
    }

    /// What has been called since the start or the last reset.
    pub fn counts(&self) -> CallCounts {
        lock(&self.desk.counts).clone()
    }

    /// Starts counting again.
    pub fn reset_counts(&self) {
        *lock(&self.desk.counts) = CallCounts::default();
    }

    /// Stops accepting, closes all connections and waits until every task has ended.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn accept(listener: TcpListener, server: Server) {
    let Server { stop, tasks, .. } = &server;
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _peer)) => {
                let connection = serve_connection(stream, server.clone());
                let stop = stop.clone();
                tasks.spawn(async move {
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = connection => {}
                    }
                });
            }
            // Out of file descriptors or a connection reset while queued: the next accept may work, a tight loop would not help.
            Err(error) => {
                tracing::warn!(%error, "accepting a connection failed");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn serve_connection(stream: TcpStream, server: Server) {
    // Answers are small and written whole: waiting for more bytes only adds latency. Failure to set it is harmless.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let server = server.clone();
        async move { server.answer(request.map(Body::new)).await.ok_or(Dropped) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Makes hyper close the connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is dropped on purpose")]
struct Dropped;

/// Answers one call; `None` drops the connection.
async fn answer(request: Request, router: Router, desk: Arc<Desk>, tasks: TaskTracker) -> Option<Response> {
    if request.uri().path().starts_with("/_sandbox/") {
        return Some(call(router, request).await);
    }
    let label = format!("{} {}", request.method(), template(request.uri().path()));
    let verdict = desk.faults.judge(request.method().as_str(), request.uri().path());
    let mut request = request;
    // Faults of the account itself travel to it with the call.
    if let Some(fault @ (Fault::ExpireSessions | Fault::Late { .. })) = verdict.fault {
        request.extensions_mut().insert(fault);
    }
    let half = Duration::from_millis(verdict.latency_ms / 2);
    let rest = Duration::from_millis(verdict.latency_ms.div_ceil(2));
    let stop = desk.stop.clone();
    let work = async move {
        pause(half).await;
        let response = match verdict.fault {
            Some(Fault::RateLimit { retry_after }) => Some(throttled(retry_after)),
            Some(Fault::ErrorBefore) => Some(server_error()),
            Some(Fault::DropBefore) => None,
            Some(Fault::HtmlBefore) => Some(bad_gateway()),
            after => after_effect(after, call(router, request).await).await,
        };
        pause(rest).await;
        response
    };
    // A task of its own: hyper forgets a call whose connection is gone, a server does not.
    let work = async move {
        tokio::select! {
            () = stop.cancelled() => None,
            response = work => response,
        }
    };
    let response = tasks.spawn(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a handler panicked");
        Some(server_error())
    });
    let status = response.as_ref().map_or(0, |response| response.status().as_u16());
    let mut counts = lock(&desk.counts);
    counts.total += 1;
    counts.dropped += u64::from(status == 0);
    *counts.calls.entry(label).or_default().entry(status).or_default() += 1;
    response
}

async fn pause(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

async fn call(router: Router, request: Request) -> Response {
    match TowerToHyperService::new(router).call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// What the caller sees of a call that was carried out.
async fn after_effect(fault: Option<Fault>, response: Response) -> Option<Response> {
    match fault {
        Some(Fault::ErrorAfter) => Some(server_error()),
        Some(Fault::DropAfter) => None,
        Some(Fault::HtmlAfter) => Some(bad_gateway()),
        Some(Fault::NotJson) => Some((StatusCode::OK, "OK, but this is not JSON").into_response()),
        Some(Fault::Truncated) => Some(truncated(response).await),
        _ => Some(response),
    }
}

fn throttled(retry_after: u64) -> Response {
    let body = r#"{"status":429,"errors":[{"code":"RATE_LIMIT_REACHED","message":"The allowed rate of calls is used up","more_info":""}]}"#;
    let mut response = json(StatusCode::TOO_MANY_REQUESTS, body);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(retry_after));
    response
}

fn server_error() -> Response {
    let body = r#"{"status":500,"errors":[{"code":"EXCEPTION_CAUGHT","message":"An internal error has occurred","more_info":""}]}"#;
    json(StatusCode::INTERNAL_SERVER_ERROR, body)
}

fn json(status: StatusCode, body: &'static str) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn bad_gateway() -> Response {
    let body = "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>";
    (StatusCode::BAD_GATEWAY, [(header::CONTENT_TYPE, "text/html")], body).into_response()
}

/// Announces the whole body and sends half of it.
async fn truncated(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let Ok(whole) = axum::body::to_bytes(body, usize::MAX).await else {
        return bad_gateway();
    };
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(whole.len()));
    let half = whole.slice(..whole.len() / 2);
    let cut = stream::unfold(Some(half), |half| async move {
        if let Some(half) = half {
            return Some((Ok::<Bytes, Dropped>(half), None));
        }
        // hyper sends what it holds only when the body makes it wait; without this the caller would see no byte at all.
        tokio::time::sleep(Duration::from_millis(1)).await;
        Some((Err(Dropped), None))
    });
    Response::from_parts(parts, Body::from_stream(cut))
}

/// The path with ids replaced, so that counts stay few. `/api/v1/cases/17.json` -> `/api/v1/cases/{id}`.
fn template(path: &str) -> String {
    let path = path.strip_suffix(".json").unwrap_or(path);
    let mut out = String::with_capacity(path.len() + 8);
    let mut after_token = false;
    for part in path.split('/').skip(1) {
        out.push('/');
        let version = part.len() < 4 && part.starts_with('v');
        out.push_str(match part {
            _ if after_token => "{token}",
            _ if !version && !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) => "{id}",
            _ if part.len() > 24 => "{name}",
            _ => part,
        });
        after_token = part == "token";
    }
    out
}

async fn read_counts(State(desk): State<Arc<Desk>>) -> Json<CallCounts> {
    Json(lock(&desk.counts).clone())
}

async fn reset_counts(State(desk): State<Arc<Desk>>) -> StatusCode {
    *lock(&desk.counts) = CallCounts::default();
    StatusCode::NO_CONTENT
}

async fn read_faults(State(desk): State<Arc<Desk>>) -> Json<Schedule> {
    Json(desk.faults.schedule())
}

async fn write_faults(State(desk): State<Arc<Desk>>, Json(schedule): Json<Schedule>) -> Json<Schedule> {
    desk.faults.replace(schedule);
    Json(desk.faults.schedule())
}

#[cfg(test)]
mod tests {
    use super::template;

    #[test]
    fn templates_hide_ids_but_not_words() {
        assert_eq!(template("/api/v1/cases/17/posts.json"), "/api/v1/cases/{id}/posts");
        assert_eq!(template("/api/v2/incremental/tickets/cursor.json"), "/api/v2/incremental/tickets/cursor");
        assert_eq!(template("/attachments/token/abc123/"), "/attachments/token/{token}/");
        assert_eq!(template("/api/v1/cases/17"), "/api/v1/cases/{id}");
    }
}
