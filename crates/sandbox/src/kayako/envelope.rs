//! The shapes of answers and errors (reference sections 1.4 and 1.5).

use std::borrow::Cow;

use axum::body::Body;
use axum::http::{HeaderValue, Response, header};
use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

/// A successful answer before it is put into its envelope.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) resource: &'static str,
    pub(crate) data: Payload,
}

/// What an answer carries.
#[derive(Debug)]
pub(crate) enum Payload {
    /// One object.
    One(Value),
    /// One page of a collection.
    Page { items: Vec<Value>, offset: usize, limit: usize, total: usize },
    /// Only a number of affected records, as bulk updates answer.
    Count(usize),
    /// The bytes of a file.
    File { content: Bytes, content_type: String, name: String },
}

impl Answer {
    pub(crate) fn one(resource: &'static str, data: Value) -> Self {
        Self { status: 200, resource, data: Payload::One(data) }
    }

    pub(crate) fn created(resource: &'static str, data: Value) -> Self {
        Self { status: 201, resource, data: Payload::One(data) }
    }

    pub(crate) fn count(total: usize) -> Self {
        Self { status: 200, resource: "", data: Payload::Count(total) }
    }
}

/// One entry of `errors[]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Complaint {
    pub(crate) code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parameter: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pointer: Option<String>,
    pub(crate) message: Cow<'static, str>,
    pub(crate) more_info: &'static str,
}

/// A refused call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) status: u16,
    pub(crate) complaints: Vec<Complaint>,
    /// Seconds.
    pub(crate) retry_after: Option<u64>,
    pub(crate) auth_token: Option<String>,
    /// A proxy's answer instead of the API's: HTML, no JSON.
    pub(crate) html: bool,
}

impl Failure {
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        let complaint =
            Complaint { code, parameter: None, pointer: None, message: message.into(), more_info: "" };
        Self { status, complaints: vec![complaint], retry_after: None, auth_token: None, html: false }
    }

    pub(crate) fn html(status: u16) -> Self {
        Self { status, complaints: Vec::new(), retry_after: None, auth_token: None, html: true }
    }

    pub(crate) fn field(
        code: &'static str,
        parameter: impl Into<String>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        let mut failure = Self::new(400, code, message);
        failure.complaints[0].parameter = Some(parameter.into());
        failure
    }

    pub(crate) fn required(parameter: &str) -> Self {
        Self::field("FIELD_REQUIRED", parameter, "A required field is missing")
    }

    pub(crate) fn invalid(parameter: &str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::field("FIELD_INVALID", parameter, message)
    }

    pub(crate) fn duplicate(parameter: &str) -> Self {
        Self::field("FIELD_DUPLICATE", parameter, "The value is already used by another resource")
    }

    pub(crate) fn not_found() -> Self {
        Self::new(404, "RESOURCE_NOT_FOUND", "The resource does not exist")
    }

    pub(crate) fn permissions_denied() -> Self {
        Self::new(403, "PERMISSIONS_DENIED", "The role does not allow this action")
    }

    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Puts the place of a bulk item before the pointers: `users/3/email`.
    pub(crate) fn within(mut self, plural: &str, index: usize) -> Self {
        for complaint in &mut self.complaints {
            let tail = complaint.parameter.as_deref().unwrap_or_default();
            complaint.pointer = Some(format!("{plural}/{index}/{tail}"));
        }
        self
    }
}

/// Collects the problems of one record, so that they are told all at once.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<Failure>);

impl Problems {
    pub(crate) fn add(&mut self, failure: Failure) {
        self.0.push(failure);
    }

    /// `Err` with all problems in one answer (the first one's status decides).
    pub(crate) fn finish(self) -> Result<(), Failure> {
        let mut all = self.0.into_iter();
        let Some(mut first) = all.next() else {
            return Ok(());
        };
        for more in all {
            first.complaints.extend(more.complaints);
        }
        Err(first)
    }
}

/// What a login adds to the answer of its call.
#[derive(Debug, Clone)]
pub(crate) struct FreshSession {
    pub(crate) id: String,
    pub(crate) csrf: Option<String>,
}

#[derive(Serialize)]
struct Envelope<'a> {
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
    #[serde(rename = "data", skip_serializing_if = "Option::is_none")]
    list: Option<&'a [Value]>,
    #[serde(skip_serializing_if = "str::is_empty")]
    resource: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logs: Option<[Log; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Log {
    level: &'static str,
    message: &'static str,
}

const USE_THE_SESSION: Log = Log {
    level: "NOTICE",
    message: "Use the session id in X-Session-ID instead of sending the password with each call",
};

/// Writes an answer. `resources` is the side table of flat mode.
pub(crate) fn write_answer(
    answer: &Answer,
    resources: Option<&Value>,
    fresh: Option<&FreshSession>,
) -> Response<Body> {
    let mut envelope = Envelope {
        status: answer.status,
        data: None,
        list: None,
        resource: answer.resource,
        offset: None,
        limit: None,
        total_count: None,
        resources,
        logs: fresh.map(|_| [USE_THE_SESSION]),
        session_id: fresh.map(|fresh| fresh.id.as_str()),
    };
    match &answer.data {
        Payload::One(data) => envelope.data = Some(data),
        Payload::Page { items, offset, limit, total } => {
            envelope.list = Some(items);
            envelope.offset = Some(*offset);
            envelope.limit = Some(*limit);
            envelope.total_count = Some(*total);
        }
        Payload::Count(total) => envelope.total_count = Some(*total),
        Payload::File { content, content_type, name } => return write_file(content, content_type, name),
    }
    respond(answer.status, &envelope, fresh)
}

fn write_file(content: &Bytes, content_type: &str, name: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(content.clone()));
    let headers = response.headers_mut();
    let content_type =
        HeaderValue::from_str(content_type).unwrap_or(HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_TYPE, content_type);
    let encoded = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
    if let Ok(disposition) = HeaderValue::from_str(&format!("attachment; filename*=UTF-8''{encoded}")) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    response
}

/// Writes an error.
pub(crate) fn write_failure(failure: &Failure, fresh: Option<&FreshSession>) -> Response<Body> {
    #[derive(Serialize)]
    struct Refusal<'a> {
        status: u16,
        errors: &'a [Complaint],
        #[serde(skip_serializing_if = "Option::is_none")]
        auth_token: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        session_id: Option<&'a str>,
    }
    if failure.html {
        let page =
            format!("<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>", failure.status);
        let mut response = Response::new(Body::from(page));
        set_status(&mut response, failure.status);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
        return response;
    }
    let refusal = Refusal {
        status: failure.status,
        errors: &failure.complaints,
        auth_token: failure.auth_token.as_deref(),
        session_id: fresh.map(|fresh| fresh.id.as_str()),
    };
    let mut response = respond(failure.status, &refusal, fresh);
    if let Some(seconds) = failure.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn respond<T: Serialize>(status: u16, body: &T, fresh: Option<&FreshSession>) -> Response<Body> {
    // Serialising plain data into memory cannot fail; an empty body would be seen by every test.
    let text = serde_json::to_vec(body).unwrap_or_default();
    let mut response = Response::new(Body::from(text));
    set_status(&mut response, status);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("x-api-version", HeaderValue::from_static("1"));
    if let Some(token) =
        fresh.and_then(|fresh| fresh.csrf.as_deref()).and_then(|token| HeaderValue::from_str(token).ok())
    {
        headers.insert("x-csrf-token", token);
    }
    response
}

fn set_status(response: &mut Response<Body>, status: u16) {
    if let Ok(status) = axum::http::StatusCode::from_u16(status) {
        *response.status_mut() = status;
    }
}
