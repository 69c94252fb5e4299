//! Files: their description, the redirect, and the other host that holds the bytes.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::Call;
use super::account::{Account, Leak, lock};
use super::answer::{self, Answer, Refused};
use super::limits::Bucket;
use super::render::Bases;
use crate::seed::{AttachmentId, AttachmentState, fingerprint};

/// `GET /api/v2/attachments/{id}`: a fresh address.
pub(super) fn show(call: &Call, id: &str) -> Answer {
    let id = id.parse().map(AttachmentId).map_err(|_| Refused::NotFound)?;
    let file = call.account.file(id).ok_or(Refused::NotFound)?;
    answer::ok(&json!({"attachment": call.account.attachment_json(&file, &call.bases)}))
}

/// `GET /attachments/token/{token}/`: leads to the host that holds the bytes.
pub(super) fn redirect(account: &Account, token: &str, headers: &HeaderMap) -> Response {
    let verdict = lock(&account.0.limiter).call(Some(Bucket::Attachments), account.now_ms());
    let answer =
        if verdict.retry_after.is_some() { Err(Refused::Throttled) } else { moved(account, token, headers) };
    let mut response = answer.into_response();
    response.headers_mut().extend(verdict.headers);
    response
}

fn moved(account: &Account, token: &str, headers: &HeaderMap) -> Answer {
    if account.switches().private_attachments {
        account.admit(headers)?;
    }
    let id = account.attachment_of_token(token).ok_or(Refused::NotFound)?;
    let file = account.file(id).ok_or(Refused::NotFound)?;
    if file.state == AttachmentState::Malware {
        return Err(Refused::Forbidden);
    }
    let bases = Bases::of(headers, account.0.config.content_base.as_deref());
    let location =
        format!("{}/zdusercontent/attachment/1/{token}?token={:016x}", bases.content, grant(account, id));
    let page = b"<html><body>You are being redirected.</body></html>".to_vec();
    let mut response = answer::with_type(StatusCode::FOUND, "text/html", page);
    let location = HeaderValue::from_str(&location).map_err(|_| Refused::NotFound)?;
    response.headers_mut().insert(header::LOCATION, location);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=3600, private"));
    Ok(response)
}

fn grant(account: &Account, id: AttachmentId) -> u64 {
    fingerprint(!account.company().seed(), id.0)
}

/// `GET /zdusercontent/attachment/{account}/{token}`: the bytes. Whoever brings credentials here has leaked them.
pub(super) fn content(
    account: &Account,
    token: &str,
    granted: Option<&str>,
    path: &str,
    headers: &HeaderMap,
) -> Answer {
    if headers.contains_key(header::AUTHORIZATION) {
        let host =
            headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
        account.record_leak(Leak { path: path.to_owned(), host });
        return Err(answer::invalid("InvalidRequest", "Only one auth mechanism allowed"));
    }
    let id = account.attachment_of_token(token).ok_or(Refused::NotFound)?;
    if granted != Some(format!("{:016x}", grant(account, id)).as_str()) {
        return Err(Refused::Forbidden);
    }
    let file = account.file(id).ok_or(Refused::NotFound)?;
    let bytes = account.file_bytes(id).ok_or(Refused::NotFound)?;
    Ok(answer::with_type(StatusCode::OK, &file.content_type, bytes))
}
