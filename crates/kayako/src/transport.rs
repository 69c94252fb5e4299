//! One HTTP exchange, and the evidence that its failure leaves.
//!
//! Constraint: HTTP/1.1 only, no redirects, no automatic retries. One call per connection means that a broken
//! connection puts one call in doubt, not all that shared it; a redirect of a write would send it twice.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use url::Url;
use wire::{Network, Trouble, Wire};

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
    wire: Arc<dyn Wire>,
    base: String,
    max_response_bytes: usize,
}

impl Transport {
    pub(crate) fn new(config: &ClientConfig) -> Result<Self, Error> {
        let (base, loopback) = config.base()?;
        let wire = match &config.wire {
            Some(wire) => Arc::clone(wire),
            None => Arc::new(network(config, loopback)?),
        };
        Ok(Self { wire, base, max_response_bytes: config.max_response_bytes })
    }

    /// Sends and reads to the end within `timeout`.
    pub(crate) async fn exchange(
        &self,
        request: &Request,
        authorisation: HeaderMap,
        timeout: Duration,
    ) -> Result<RawAnswer, Error> {
        let call = request.call;
        let built = self.build(request, authorisation, timeout)?;
        let response = self.wire.exchange(built).await.map_err(|error| transport_error(call, error))?;
        self.read(call, response).await
    }

    fn build(
        &self,
        request: &Request,
        authorisation: HeaderMap,
        timeout: Duration,
    ) -> Result<reqwest::Request, Error> {
        let call = request.call;
        let mut url = Url::parse(&format!("{}{}", self.base, call.path()))
            .map_err(|_| Error::not_sent(call, NotSentCause::Build))?;
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        let method = match call.verb {
            Verb::Get => Method::GET,
            Verb::Post => Method::POST,
            Verb::Put => Method::PUT,
            Verb::Delete => Method::DELETE,
        };
        let mut built = reqwest::Request::new(method, url);
        *built.timeout_mut() = Some(timeout);
        let headers = built.headers_mut();
        *headers = authorisation;
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let bytes = match &request.body {
            Body::Empty => None,
            Body::Json(bytes) => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                Some(bytes.clone())
            }
            Body::Raw { bytes, content_type, content_md5 } => {
                // A source's content type can be anything; one that is no header value is no reason to fail.
                let content_type = HeaderValue::from_str(content_type)
                    .unwrap_or(HeaderValue::from_static("application/octet-stream"));
                headers.insert(CONTENT_TYPE, content_type);
                if let Some(md5) = content_md5
                    && let Ok(md5) = HeaderValue::from_str(md5)
                {
                    headers.insert(CONTENT_MD5, md5);
                }
                Some(bytes.clone())
            }
        };
        *built.body_mut() = bytes.map(Into::into);
        Ok(built)
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
        while let Some(chunk) = response.chunk().await.map_err(|error| transport_error(call, error.into()))? {
            // Counted after decompression: a small compressed answer can be huge.
            if body.len() + chunk.len() > self.max_response_bytes {
                return Err(Error::unreadable(call, status, UnreadableCause::TooLong));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(RawAnswer { status, retry_after, is_html, csrf, body })
    }
}

/// Connections to the account.
fn network(config: &ClientConfig, loopback: bool) -> Result<Network, Error> {
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
    let client = builder.build().map_err(|_| Error::Config {
        problem: "the HTTP client refuses the user agent or the TLS settings",
    })?;
    Ok(Network::new(client))
}

fn transport_error(call: Call, wire::Error { trouble, source }: wire::Error) -> Error {
    let cause = match trouble {
        Trouble::NotConnected => return Error::NotSent { call, cause: NotSentCause::Connect, source },
        Trouble::NotBuilt => return Error::NotSent { call, cause: NotSentCause::Build, source },
        Trouble::Timeout => LostCause::Timeout,
        Trouble::Body => LostCause::Body,
        Trouble::Broken => LostCause::Reset,
    };
    Error::NoAnswer { call, cause, source }
}
