//! From an HTTP request to a call and back: paths, bodies, sessions, limits.
//!
//! Constraints. The lock is held for bookkeeping and effects only, never while a body arrives. A call that is refused (session,
//! rate, outage) has had no effect, and its body need not be read.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest as _, Multipart, Request, State as Shared};
use axum::http::{HeaderMap, Response, header};
use bytes::Bytes;
use serde_json::Value;

use super::Account;
use super::call::{Call, Caller, Upload};
use super::envelope::{Answer, Failure, Payload, write_answer, write_failure};
use super::params::{Params, Query};
use super::rates::RateClass;
use super::routes::dispatch;
use super::shape::Shape;
use super::state::State;
use crate::faults::Fault;

/// Answers every call below `/api/v1`.
pub(crate) async fn answer(Shared(account): Shared<Account>, request: Request) -> Response<Body> {
    let query = Query::parse(request.uri().query());
    let whole = request.uri().path().to_owned();
    let Some(path) = whole.strip_prefix("/api/v1/") else {
        return write_failure(&Failure::new(404, "URL_NOT_FOUND", "There is no such address"), None);
    };
    // `.json` is optional, and so is the application's name in front (sections 1.1).
    let path = path.strip_suffix(".json").unwrap_or(path);
    let mut path: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if let Some(&("core" | "base")) = path.first() {
        path.remove(0);
        if path.first() == Some(&"file") {
            path[0] = "files";
        }
    }
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("*/*");
    if !accept.contains("json")
        && !accept.contains("*/*")
        && !accept.contains("application/*")
        && !path.contains(&"download")
    {
        return write_failure(&Failure::new(406, "FORMAT_NOT_ACCEPTABLE", "Only JSON is spoken here"), None);
    }
    let fault = request.extensions().get::<Fault>().copied();
    let (entered, processing, body_limit) = {
        let mut state = account.enter();
        if fault == Some(Fault::ExpireSessions) {
            state.sessions.expire_all();
        }
        let entered = admit(&mut state, &request, &path, &query);
        (entered, state.switches.processing_ms, state.switches.body_limit_bytes)
    };
    let caller = match entered {
        Ok(caller) => caller,
        Err(failure) => return write_failure(&failure, None),
    };
    let call = read(request, query, &path, body_limit).await;
    if processing > 0 {
        tokio::time::sleep(Duration::from_millis(processing)).await;
    }
    let (outcome, shape) = {
        let mut state = account.enter();
        if let Some(Fault::Late { ms }) = fault {
            state.late_ms = ms;
        }
        let outcome = match call {
            Ok(mut call) => (dispatch(&mut state, &caller, &mut call, &path), call.shape),
            Err(failure) => (Err(failure), Shape::default()),
        };
        state.late_ms = 0;
        if let Some(session) = &caller.session {
            state.sessions.leave(session);
        }
        outcome
    };
    match outcome {
        Ok(mut answer) => {
            let resources = finish(&shape, &mut answer);
            write_answer(&answer, resources.as_ref(), caller.fresh.as_ref())
        }
        Err(failure) => write_failure(&failure, caller.fresh.as_ref()),
    }
}

/// Outage, session, rate limit: everything that refuses a call before anything of it happens.
fn admit(state: &mut State, request: &Request, path: &[&str], query: &Query) -> Result<Caller, Failure> {
    if state.outage {
        return Err(Failure::html(503));
    }
    // The test playground is public (section 7).
    if path == ["tests"] {
        return Ok(super::defaults::the_account_itself());
    }
    let caller = state.authenticate(request.method(), path, request.headers(), query)?;
    let spent = state.spend(RateClass::of(request.method().as_str(), path));
    if spent.is_err()
        && let Some(session) = &caller.session
    {
        state.sessions.leave(session);
    }
    spent.map(|()| caller)
}

fn finish(shape: &Shape, answer: &mut Answer) -> Option<Value> {
    match &mut answer.data {
        Payload::One(data) => shape.finish(std::iter::once(data)),
        Payload::Page { items, .. } => shape.finish(items.iter_mut()),
        Payload::Count(_) | Payload::File { .. } => None,
    }
}

async fn read(request: Request, query: Query, path: &[&str], body_limit: usize) -> Result<Call, Failure> {
    let (parts, body) = request.into_parts();
    let text = |name: &str| header_text(&parts.headers, name);
    let content_type = text("content-type").unwrap_or_else(|| "application/x-www-form-urlencoded".to_owned());
    let mut call = Call {
        method: parts.method.clone(),
        shape: Shape::new(&query, text("x-options").as_deref()),
        query,
        params: Params::default(),
        uploads: Vec::new(),
        raw: None,
        disposition: text("content-disposition"),
        content_md5: text("content-md5"),
        content_type: content_type.clone(),
    };
    let most = if body_limit == 0 { usize::MAX } else { body_limit };
    if text("content-length")
        .and_then(|length| length.parse::<usize>().ok())
        .is_some_and(|length| length > most)
    {
        return Err(Failure::html(413));
    }
    let mime = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if mime == "multipart/form-data" {
        read_multipart(Request::from_parts(parts, body), &mut call).await?;
        return Ok(call);
    }
    let body = axum::body::to_bytes(body, most).await.map_err(|_| Failure::html(413))?;
    let uploads = path == ["files"] && call.method == axum::http::Method::POST;
    match mime.as_str() {
        "application/json" if !uploads || call.disposition.is_none() => {
            if !body.is_empty() {
                let value: Value = serde_json::from_slice(&body)
                    .map_err(|_| Failure::new(400, "PARAMETER_INVALID", "The body is not valid JSON"))?;
                call.params = Params::from_value(value).ok_or_else(|| {
                    Failure::new(400, "PARAMETER_INVALID", "The body must be a JSON object")
                })?;
            }
        }
        "application/x-www-form-urlencoded" if !uploads || call.disposition.is_none() => {
            for (name, value) in url::form_urlencoded::parse(&body) {
                call.params.add_form_field(&name, value.into_owned());
            }
        }
        _ if uploads => call.raw = Some(body),
        _ if body.is_empty() => {}
        _ => return Err(Failure::new(400, "PARAMETER_INVALID", "The content type is not supported")),
    }
    Ok(call)
}

fn header_text(headers: &HeaderMap, name: &str) -> Option<String> {
    // File names may be raw UTF-8, which `to_str` refuses.
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

async fn read_multipart(request: Request, call: &mut Call) -> Result<(), Failure> {
    let refuse = || Failure::new(400, "PARAMETER_INVALID", "The multipart body cannot be read");
    let mut multipart = Multipart::from_request(request, &()).await.map_err(|_| refuse())?;
    while let Some(part) = multipart.next_field().await.map_err(|_| refuse())? {
        let name = part.name().unwrap_or_default().to_owned();
        let file_name = part.file_name().map(str::to_owned);
        let content_type = part.content_type().unwrap_or("application/octet-stream").to_owned();
        let content: Bytes = part.bytes().await.map_err(|_| refuse())?;
        match file_name {
            Some(name) => call.uploads.push(Upload { name, content_type, content }),
            None => call.params.add_form_field(&name, String::from_utf8_lossy(&content).into_owned()),
        }
    }
    Ok(())
}
