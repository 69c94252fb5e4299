//! The only file in which Zendesk is called.
//!
//! Constraints: there are two kinds of calls, `get` and `token`, and no third: the source is only read. Redirects are
//! never followed here, because the next host must not see the credentials. Connections only; what an answer means is
//! decided in `client`.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use serde_json::Value;
use url::Url;

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
    api: Client,
    files: Client,
}

impl Http {
    pub(super) fn new(base: &Url, timeout: Duration) -> Result<Self, Error> {
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
        Ok(Self {
            api: builder().timeout(timeout).build().map_err(broken)?,
            files: builder().read_timeout(timeout).no_gzip().build().map_err(broken)?,
        })
    }

    /// Reads an address.
    pub(super) async fn get(
        &self,
        endpoint: &'static str,
        url: Url,
        authorization: Option<HeaderValue>,
        expect: Expect,
    ) -> Result<Response, Error> {
        let client = if expect == Expect::Json { &self.api } else { &self.files };
        let mut request = client.get(url);
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        request.send().await.map_err(|error| Error::transport(endpoint, error))
    }

    /// Asks for OAuth tokens: the one call that is no GET. It changes nothing but the tokens themselves.
    pub(super) async fn token(&self, base: &Url, grant: &Value) -> Result<Response, Error> {
        let url =
            base.join("oauth/tokens").map_err(|_| Error::Settings { problem: "its address is unusable" })?;
        self.api.post(url).json(grant).send().await.map_err(|error| Error::transport(TOKENS, error))
    }
}
