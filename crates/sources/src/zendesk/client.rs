//! One call: budget, credentials, the answer's meaning.
//!
//! Constraints: nothing is sent before every bucket has granted it; a 401 is met by at most one renewal of the
//! credentials; bodies are read up to a limit and never quoted in an error.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use reqwest::Response;
use reqwest::header::HeaderMap;
use serde_json::Value;
use url::Url;

use super::auth::Credentials;
use super::endpoint::{ACCOUNT, Endpoint, Purpose};
use super::http::{Expect, Http};
use super::limits;
use super::settings::{Settings, base_of};
use crate::error::{Error, LostCause};
use crate::pace::{Bucket, Pace};

/// A page of 1000 tickets with long descriptions stays below; what is longer is not an answer of this API.
const LARGEST_ANSWER: usize = 96 * 1024 * 1024;
/// Advice about a refusal of rights.
pub(super) const RIGHTS: &str =
    "use an administrator's credentials; an OAuth token needs the global scope `read`";
const ADDRESS: &str = "check the address in the plan's source";

/// What an endpoint answered.
pub(super) enum Answer {
    /// Its document.
    Found(Value),
    /// No such record, or no such feature, by the endpoint's purpose.
    Absent,
}

impl Answer {
    /// The document, or an empty one.
    pub(super) fn or_empty(self) -> Value {
        match self {
            Self::Found(value) => value,
            Self::Absent => Value::Null,
        }
    }
}

/// The account, as something to call.
pub(super) struct Client {
    pub(super) base: Url,
    pub(super) pace: Arc<dyn Pace>,
    pub(super) http: Http,
    credentials: Credentials,
}

impl Client {
    pub(super) fn new(settings: &Settings, pace: Arc<dyn Pace>) -> Result<Self, Error> {
        let base = base_of(&settings.url)?;
        Ok(Self {
            http: Http::new(&base, settings.timeout, settings.wire.as_ref())?,
            base,
            pace,
            credentials: Credentials::new(settings.auth.clone()),
        })
    }

    /// Reads an endpoint.
    pub(super) async fn get(
        &self,
        endpoint: Endpoint,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Answer, Error> {
        self.get_with_headers(endpoint, path, query).await.map(|(answer, _)| answer)
    }

    /// Reads an endpoint without a record in its address.
    pub(super) async fn list(&self, endpoint: Endpoint, query: &[(&str, &str)]) -> Result<Value, Error> {
        Ok(self.get(endpoint, &endpoint.path(""), query).await?.or_empty())
    }

    pub(super) async fn get_with_headers(
        &self,
        endpoint: Endpoint,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<(Answer, HeaderMap), Error> {
        let mut url = self.base.join(path).map_err(|_| Error::Address { problem: "it cannot be built" })?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let template = endpoint.template;
        let response = self.send(template, url, endpoint.bucket, Some(ACCOUNT), Expect::Json).await?;
        let status = response.status().as_u16();
        match (status, endpoint.purpose) {
            (200..=299, _) => {}
            (403 | 404, Purpose::Optional) | (404 | 410, Purpose::OneRecord) => {
                return Ok((Answer::Absent, response.headers().clone()));
            }
            _ => return Err(refusal(endpoint, status)),
        }
        let headers = response.headers().clone();
        let body = whole(template, response).await?;
        let value: Value = serde_json::from_slice(&body).map_err(|error| Error::UnreadableAnswer {
            endpoint: template,
            status,
            problem: if error.is_eof() {
                "it ends in the middle"
            } else if body.trim_ascii_start().first() == Some(&b'<') {
                "it is a web page (HTML), probably of something between us and the source"
            } else {
                "it is not JSON"
            },
        })?;
        if !value.is_object() {
            let problem = "it is not the documented kind of document";
            return Err(Error::UnreadableAnswer { endpoint: template, status, problem });
        }
        Ok((Answer::Found(value), headers))
    }

    /// Sends with budget and credentials. What comes back is neither 401, 429 nor a passing trouble.
    pub(super) async fn send(
        &self,
        endpoint: &'static str,
        url: Url,
        own: Option<Bucket>,
        general: Option<Bucket>,
        expect: Expect,
    ) -> Result<Response, Error> {
        let mut ticket = self.credentials.ticket(&self.http, &self.base).await?;
        let mut renewed = false;
        loop {
            for bucket in own.into_iter().chain(general) {
                self.pace.acquire(bucket).await?;
            }
            let response = self.http.get(endpoint, url.clone(), Some(ticket.header.clone()), expect).await?;
            let status = response.status().as_u16();
            let headers = response.headers();
            let retry_after = limits::retry_after(headers);
            // A 503 that names a time is a refusal like a 429: coming back earlier is pointless.
            let refused = status == 429 || (status == 503 && retry_after.is_some());
            limits::observe(&*self.pace, general, own, refused, headers);
            match status {
                _ if refused => return Err(Error::Throttled { endpoint, retry_after }),
                401 if !renewed => match self.credentials.renew(&ticket, &self.http, &self.base).await? {
                    Some(next) => {
                        ticket = next;
                        renewed = true;
                    }
                    None => return Err(Error::Credentials { endpoint, advice: self.credentials.advice() }),
                },
                401 => return Err(Error::Credentials { endpoint, advice: self.credentials.advice() }),
                408 | 409 | 500.. => return Err(Error::ServerFault { endpoint, status }),
                _ => return Ok(response),
            }
        }
    }

    /// What a person must do when an account shows somebody who is not logged in.
    pub(super) fn not_logged_in(&self, endpoint: &'static str) -> Error {
        Error::Credentials { endpoint, advice: self.credentials.advice() }
    }
}

/// What a final refusal means, by the endpoint's purpose.
fn refusal(endpoint: Endpoint, status: u16) -> Error {
    let template = endpoint.template;
    match (status, endpoint.purpose) {
        (403, _) => Error::Forbidden { endpoint: template, status, advice: RIGHTS },
        (404 | 410 | 300..=399, Purpose::Needed) => {
            Error::NoAccount { endpoint: template, status, advice: ADDRESS }
        }
        (300..=399, _) => Error::NoAccount { endpoint: template, status, advice: ADDRESS },
        (_, Purpose::OneRecord) => Error::Refused { endpoint: template, status },
        _ => Error::ListingRefused {
            endpoint: template,
            status,
            advice: "look at the source's own status page and this program's release notes",
        },
    }
}

/// The whole body, up to the limit.
async fn whole(endpoint: &'static str, mut response: Response) -> Result<Bytes, Error> {
    let status = response.status().as_u16();
    let expected = response.content_length();
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| Error::transport(endpoint, error))? {
        if body.len() + chunk.len() > LARGEST_ANSWER {
            return Err(Error::UnreadableAnswer { endpoint, status, problem: "it is longer than any page" });
        }
        body.extend_from_slice(&chunk);
    }
    if expected.is_some_and(|expected| expected > body.len() as u64) {
        return Err(Error::NoAnswer { endpoint, cause: LostCause::Body, source: None });
    }
    Ok(body.freeze())
}
