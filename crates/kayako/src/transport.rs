//! One HTTP exchange, and the evidence that its failure leaves.
//!
//! Constraint: HTTP/1.1 only, no redirects, no automatic retries. One call per connection means that a broken
//! connection puts one call in doubt, not all that shared it; a redirect of a write would send it twice.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};

use crate::call::{Body, Call, Request, Verb};
use crate::config::ClientConfig;
use crate::error::{Error, LostCause, NotSentCause, UnreadableCause};

pub(crate) const CSRF_TOKEN: HeaderName = HeaderName::from_static("x-csrf-token");
pub(crate) const CSRF_SWITCH: HeaderName = HeaderName::from_static("x-csrf");
pub(crate) const SESSION: HeaderName = HeaderName::from_static("x-session-id");
const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

/// An answer as it came, read to its end.
pub(crate) struct RawAnswer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) is_html: bool,
    pub(crate) csrf: Option<HeaderValue>,
    pub(crate) body: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Transport {
    http: reqwest::Client,
    base: String,
    max_response_bytes: usize,
}

impl Transport {
    pub(crate) fn new(config: &ClientConfig) -> Result<Self, Error> {
        let (base, loopback) = config.base()?;
        let mut builder = reqwest::Client::builder()
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .user_agent(&config.user_agent)
            .connect_timeout(config.timeouts.connect)
            .pool_max_idle_per_host(config.max_in_flight)
            .tcp_nodelay(true)
            .tcp_keepalive(Duration::from_secs(30));
        if loopback {
            // A proxy set for the internet must not see, or swallow, calls to the sandbox.
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|_| Error::Config {
            problem: "the HTTP client refuses the user agent or the TLS settings",
        })?;
        Ok(Self { http, base, max_response_bytes: config.max_response_bytes })
    }

    /// Sends and reads to the end within `timeout`.
    pub(crate) async fn exchange(
        &self,
        request: &Request,
        authorisation: HeaderMap,
        timeout: Duration,
    ) -> Result<RawAnswer, Error> {
        let call = request.call;
        let address = format!("{}{}", self.base, call.path());
        let mut builder = match call.verb {
            Verb::Get => self.http.get(address),
            Verb::Post => self.http.post(address),
            Verb::Put => self.http.put(address),
            Verb::Delete => self.http.delete(address),
        };
        if !request.query.is_empty() {
            builder = builder.query(&request.query);
        }
        builder = builder
            .headers(authorisation)
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .timeout(timeout);
        builder = match &request.body {
            Body::Empty => builder,
            Body::Json(bytes) => {
                builder.header(CONTENT_TYPE, HeaderValue::from_static("application/json")).body(bytes.clone())
            }
            Body::Raw { bytes, content_type, content_md5 } => {
                // A source's content type can be anything; one that is no header value is no reason to fail.
                let content_type = HeaderValue::from_str(content_type)
                    .unwrap_or(HeaderValue::from_static("application/octet-stream"));
                let builder = builder.header(CONTENT_TYPE, content_type).body(bytes.clone());
                match content_md5 {
                    Some(md5) => builder.header(CONTENT_MD5, md5),
                    None => builder,
                }
            }
        };
        let response = builder.send().await.map_err(|error| transport_error(call, error))?;
        self.read(call, response).await
    }

    async fn read(&self, call: Call, mut response: reqwest::Response) -> Result<RawAnswer, Error> {
        let status = response.status().as_u16();
        let headers = response.headers();
        let retry_after = headers
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs);
        let is_html = headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.trim_start().to_ascii_lowercase().starts_with("text/html"));
        let csrf = headers.get(CSRF_TOKEN).cloned();
        let expected = usize::try_from(response.content_length().unwrap_or(0)).unwrap_or(usize::MAX);
        let mut body = Vec::with_capacity(expected.min(self.max_response_bytes));
        while let Some(chunk) = response.chunk().await.map_err(|error| transport_error(call, error))? {
            // Counted after decompression: a small compressed answer can be huge.
            if body.len() + chunk.len() > self.max_response_bytes {
                return Err(Error::unreadable(call, status, UnreadableCause::TooLong));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(RawAnswer { status, retry_after, is_html, csrf, body })
    }
}

/// `is_connect` is asked first: a connect timeout is both, and nothing was sent.
fn transport_error(call: Call, error: reqwest::Error) -> Error {
    // The address holds the query, which can hold e-mail addresses.
    let error = error.without_url();
    if error.is_connect() {
        return Error::NotSent { call, cause: NotSentCause::Connect, source: Some(Arc::new(error)) };
    }
    if error.is_builder() {
        return Error::NotSent { call, cause: NotSentCause::Build, source: Some(Arc::new(error)) };
    }
    let cause = if error.is_timeout() {
        LostCause::Timeout
    } else if error.is_body() || error.is_decode() {
        LostCause::Body
    } else {
        LostCause::Reset
    };
    Error::NoAnswer { call, cause, source: Some(Arc::new(error)) }
}
