//! Answers in the service's shapes. Errors come in three of them, and one is no JSON at all.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use serde_json::json;

/// An answer or an error answer, so that `?` works in endpoints.
pub(super) type Answer = Result<Response, Response>;

pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    // Maps with string keys and plain structs always serialize.
    let bytes = serde_json::to_vec(body).unwrap_or_default();
    with_type(status, "application/json; charset=utf-8", bytes)
}

pub(super) fn ok(body: &impl Serialize) -> Answer {
    Ok(json(StatusCode::OK, body))
}

pub(super) fn with_type(status: StatusCode, content_type: &str, bytes: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    let value =
        HeaderValue::from_str(content_type).unwrap_or(HeaderValue::from_static("application/octet-stream"));
    response.headers_mut().insert(header::CONTENT_TYPE, value);
    response
}

/// A record that does not exist or is deleted.
pub(super) fn not_found() -> Response {
    json(StatusCode::NOT_FOUND, &json!({"error": "RecordNotFound", "description": "Not found"}))
}

/// A path that the account does not have.
pub(super) fn no_endpoint() -> Response {
    json(StatusCode::NOT_FOUND, &json!({"error": {"title": "InvalidEndpoint", "message": "Not found"}}))
}

/// A parameter that makes no sense.
pub(super) fn bad_request(error: &str, description: &str) -> Response {
    json(StatusCode::BAD_REQUEST, &json!({"error": error, "description": description}))
}

/// The third shape of errors.
pub(super) fn rejected(status: StatusCode, code: &str, title: &str) -> Response {
    json(status, &json!({"errors": [{"code": code, "title": title, "detail": title}]}))
}

/// A feature that the plan does not include: an HTML page.
pub(super) fn forbidden_page() -> Response {
    let page = "<!DOCTYPE html>\n<html><head><title>Access denied</title></head>\
                <body><h1>Forbidden</h1><p>You do not have access to this page.</p></body></html>";
    with_type(StatusCode::FORBIDDEN, "text/html; charset=utf-8", page.as_bytes().to_vec())
}

pub(super) fn throttled() -> Response {
    json(
        StatusCode::TOO_MANY_REQUESTS,
        &json!({"error": "APIRateLimitExceeded", "description": "Number of allowed API requests per minute exceeded"}),
    )
}
