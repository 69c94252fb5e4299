//! The only file in which Zendesk is called.
//!
//! Constraints: there are two kinds of calls, `get` and `token`, and no third: the source is only read. Redirects are
//! never followed here, because the next host must not see the credentials. Connections only; what an answer means is
//! decided in `client`.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Request, Response};
use serde_json::Value;
use url::Url;
use wire::{Network, Wire};

use super::endpoint::TOKENS;
use crate::error::Error;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What a call is for; decides on timeouts and compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expect {
    /// One JSON document, whole within the timeout.
    Json,
    /// A file of any length, as it is: a timeout of silence only, and no decompression (a file that happens to be
    /// compressed must arrive compressed).
    File,
}

/// Connections to the account and to the hosts its files lie on.
pub(super) struct Http {
    api: Arc<dyn Wire>,
    files: Arc<dyn Wire>,
    timeout: Duration,
}

impl Http {
    /// `wire` is the way to everything; absent: over the network.
    pub(super) fn new(base: &Url, timeout: Duration, wire: Option<&Arc<dyn Wire>>) -> Result<Self, Error> {
        if let Some(wire) = wire {
            return Ok(Self { api: Arc::clone(wire), files: Arc::clone(wire), timeout });
        }
        // A proxy of the environment can neither reach a sample account on this machine nor be trusted with its plain http.
        let direct = base.scheme() == "http";
        let builder = || {
            let builder = Client::builder()
                .redirect(Policy::none())
                .connect_timeout(CONNECT_TIMEOUT)
                .user_agent(concat!("kayako-migrate/", env!("CARGO_PKG_VERSION")));
            if direct { builder.no_proxy() } else { builder }
        };
        let broken =
            |_| Error::Settings { problem: "no HTTP client can be set up on this machine (TLS roots?)" };
        let api = builder().build().map_err(broken)?;
        let files = builder().read_timeout(timeout).no_gzip().build().map_err(broken)?;
        Ok(Self { api: Arc::new(Network::new(api)), files: Arc::new(Network::new(files)), timeout })
    }

    /// Reads an address.
    pub(super) async fn get(
        &self,
        endpoint: &'static str,
        url: Url,
        authorization: Option<HeaderValue>,
        expect: Expect,
    ) -> Result<Response, Error> {
        let mut request = Request::new(Method::GET, url);
        if let Some(authorization) = authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization);
        }
        let wire = match expect {
            Expect::Json => {
                *request.timeout_mut() = Some(self.timeout);
                &self.api
            }
            Expect::File => &self.files,
        };
        wire.exchange(request).await.map_err(|error| Error::transport(endpoint, error))
    }

    /// Asks for OAuth tokens: the one call that is no GET. It changes nothing but the tokens themselves.
    pub(super) async fn token(&self, base: &Url, grant: &Value) -> Result<Response, Error> {
        let url =
            base.join("oauth/tokens").map_err(|_| Error::Settings { problem: "its address is unusable" })?;
        let mut request = Request::new(Method::POST, url);
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *request.timeout_mut() = Some(self.timeout);
        *request.body_mut() = Some(grant.to_string().into());
        self.api.exchange(request).await.map_err(|error| Error::transport(TOKENS, error))
    }
}
