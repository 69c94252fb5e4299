//! Answers in the service's shapes. Errors come in three of them, and one is no JSON at all.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;
use thiserror::Error;

/// What an endpoint answers.
pub(super) type Answer = Result<Response, Refused>;

/// Why a call gets no answer. As a response it takes the shape that the service gives to this case.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refused {
    /// The record does not exist or is deleted.
    #[error("record not found")]
    NotFound,
    /// The account has no such path.
    #[error("no such endpoint")]
    NoEndpoint,
    /// A parameter or field makes no sense.
    #[error("{code}: {description}")]
    Invalid {
        /// Stable name of the mistake.
        code: &'static str,
        /// What is wrong.
        description: String,
    },
    /// Refused in the shape of the newer endpoints.
    #[error("{code}: {title}")]
    Rejected {
        /// HTTP status.
        status: StatusCode,
        /// Stable name of the mistake.
        code: &'static str,
        /// What is wrong.
        title: &'static str,
    },
    /// An OAuth error.
    #[error("{code}: {description}")]
    Grant {
        /// HTTP status.
        status: StatusCode,
        /// OAuth's name of the error.
        code: &'static str,
        /// What is wrong.
        description: &'static str,
    },
    /// The plan does not include the feature, or the download is not allowed: an HTML page.
    #[error("access denied")]
    Forbidden,
    /// Only admins may do this.
    #[error("only for admins")]
    AdminsOnly,
    /// No or wrong credentials.
    #[error("no or wrong credentials")]
    Anonymous,
    /// The bearer token is unknown or has expired.
    #[error("the access token is unknown or has expired")]
    StaleToken,
    /// The token's scope covers nothing.
    #[error("the token's scope covers nothing")]
    Scope,
    /// Too many calls.
    #[error("too many calls")]
    Throttled,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, body) = match self {
            Self::NotFound => {
                (StatusCode::NOT_FOUND, json!({"error": "RecordNotFound", "description": "Not found"}))
            }
            Self::NoEndpoint => (
                StatusCode::NOT_FOUND,
                json!({"error": {"title": "InvalidEndpoint", "message": "Not found"}}),
            ),
            Self::Invalid { code, description } => {
                (StatusCode::BAD_REQUEST, json!({"error": code, "description": description}))
            }
            Self::Rejected { status, code, title } => {
                (status, json!({"errors": [{"code": code, "title": title, "detail": title}]}))
            }
            Self::Grant { status, code, description } => {
                (status, json!({"error": code, "error_description": description}))
            }
            Self::Forbidden => {
                let page = "<!DOCTYPE html>\n<html><head><title>Access denied</title></head>\
                            <body><h1>Forbidden</h1><p>You do not have access to this page.</p></body></html>";
                return with_type(
                    StatusCode::FORBIDDEN,
                    "text/html; charset=utf-8",
                    page.as_bytes().to_vec(),
                );
            }
            Self::AdminsOnly => {
                let message = "You do not have access to this page. Please ask the account's owner for help.";
                (StatusCode::FORBIDDEN, json!({"error": {"title": "Forbidden", "message": message}}))
            }
            Self::Anonymous => (StatusCode::UNAUTHORIZED, json!({"error": "Couldn't authenticate you"})),
            Self::StaleToken => {
                let description =
                    "The access token provided is expired, revoked, malformed or invalid for other reasons.";
                (
                    StatusCode::UNAUTHORIZED,
                    json!({"error": "invalid_token", "error_description": description}),
                )
            }
            Self::Scope => {
                let description = "Missing the following required scopes: read";
                (StatusCode::FORBIDDEN, json!({"error": "Forbidden", "description": description}))
            }
            Self::Throttled => {
                let description = "Number of allowed API requests per minute exceeded";
                let body = json!({"error": "APIRateLimitExceeded", "description": description});
                (StatusCode::TOO_MANY_REQUESTS, body)
            }
        };
        json(status, &body)
    }
}

/// A parameter that makes no sense.
pub(super) fn invalid(code: &'static str, description: impl Into<String>) -> Refused {
    Refused::Invalid { code, description: description.into() }
}

pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    // Maps with string keys and plain structs always serialize.
    let bytes = serde_json::to_vec(body).unwrap_or_default();
    with_type(status, "application/json; charset=utf-8", bytes)
}

#[expect(clippy::unnecessary_wraps, reason = "the last expression of every endpoint")]
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
