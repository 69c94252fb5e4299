//! Keep-alive HTTP with a session, and nothing more.

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kayako::JobStatus;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, RequestBuilder};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::accounts::Accounts;

/// Between two looks at a job: the account's latency is added to it.
const JOB_POLL: std::time::Duration = std::time::Duration::from_millis(5);
/// Ids in one look-up; as ours.
const IDS: usize = 50;
/// Keys in one filter; as ours.
const KEYS: usize = 200;

pub(super) struct Http {
    connections: reqwest::Client,
    base: String,
    session: HeaderMap,
}

/// Query parameters.
pub(super) type Query<'a> = &'a [(&'a str, &'a str)];

#[derive(Deserialize)]
struct Envelope<T> {
    data: T,
    #[serde(default)]
    total_count: Option<usize>,
}

/// No value of interest in the answer.
#[derive(Deserialize)]
pub(super) struct Anything {}

#[derive(Deserialize)]
struct Job {
    id: u64,
    status: JobStatus,
}

impl Http {
    pub(super) async fn log_in(accounts: &Accounts) -> anyhow::Result<Self> {
        let connections = reqwest::Client::builder().http1_only().no_proxy().tcp_nodelay(true).build()?;
        let base = format!("{}/api/v1", accounts.kayako_url);
        let basic = STANDARD.encode(format!("{}:{}", accounts.kayako_email, accounts.kayako_password));
        let answer = connections
            .get(format!("{base}/session"))
            .header(AUTHORIZATION, format!("Basic {basic}"))
            .header("x-csrf", "false")
            .send()
            .await?
            .error_for_status()?;
        let answer: Value = serde_json::from_slice(&answer.bytes().await?)?;
        let id = answer["session_id"].as_str().context("no session")?;
        let session = HeaderMap::from_iter([("x-session-id".parse()?, HeaderValue::from_str(id)?)]);
        Ok(Self { connections, base, session })
    }

    fn request(&self, method: Method, path: &str, query: Query<'_>) -> RequestBuilder {
        self.connections
            .request(method, format!("{}{path}", self.base))
            .query(query)
            .headers(self.session.clone())
    }

    async fn answer<T: DeserializeOwned>(path: &str, request: RequestBuilder) -> anyhow::Result<Envelope<T>> {
        let answer = request.send().await?;
        let status = answer.status();
        let body = answer.bytes().await?;
        ensure!(status.is_success(), "{path} answers {status}");
        serde_json::from_slice(&body).with_context(|| format!("the answer of {path}"))
    }

    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        query: Query<'_>,
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        let request = self.request(Method::POST, path, query).json(body);
        Ok(Self::answer(path, request).await?.data)
    }

    /// A post whose answer is of no interest.
    pub(super) async fn act(&self, path: &str, body: &impl Serialize) -> anyhow::Result<()> {
        Self::accepted(path, self.request(Method::POST, path, &[]).json(body)).await
    }

    /// A post whose refusal does not matter.
    pub(super) async fn offer(&self, path: &str, body: &impl Serialize) -> anyhow::Result<()> {
        self.request(Method::POST, path, &[]).json(body).send().await?.bytes().await?;
        Ok(())
    }

    pub(super) async fn put(&self, path: &str, body: &impl Serialize) -> anyhow::Result<()> {
        Self::accepted(path, self.request(Method::PUT, path, &[]).json(body)).await
    }

    async fn accepted(path: &str, request: RequestBuilder) -> anyhow::Result<()> {
        let answer = request.send().await?;
        let status = answer.status();
        answer.bytes().await?;
        ensure!(status.is_success(), "{path} answers {status}");
        Ok(())
    }

    /// A whole list.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        query: Query<'_>,
    ) -> anyhow::Result<Vec<T>> {
        let mut all: Vec<T> = Vec::new();
        loop {
            let offset = all.len().to_string();
            let page = [query, &[("limit", "100"), ("offset", &offset)]].concat();
            let answer = Self::answer::<Vec<T>>(path, self.request(Method::GET, path, &page)).await?;
            let came = answer.data.len();
            all.extend(answer.data);
            if came == 0 || answer.total_count.is_none_or(|total| all.len() >= total) {
                return Ok(all);
            }
        }
    }

    /// One page of a list.
    pub(super) async fn page<T: DeserializeOwned>(
        &self,
        path: &str,
        query: Query<'_>,
    ) -> anyhow::Result<Vec<T>> {
        Ok(Self::answer(path, self.request(Method::GET, path, query)).await?.data)
    }

    /// Objects by the ids that we gave them.
    pub(super) async fn by_legacy_ids<T: DeserializeOwned>(
        &self,
        path: &str,
        extra: Query<'_>,
        ids: &[String],
    ) -> anyhow::Result<Vec<T>> {
        let mut found = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(IDS) {
            let (ids, limit) = (chunk.join(","), chunk.len().to_string());
            let query = [&[("legacy_ids", ids.as_str()), ("limit", limit.as_str())], extra].concat();
            found.extend(self.page::<T>(path, &query).await?);
        }
        Ok(found)
    }

    /// Objects by natural key.
    pub(super) async fn filter<T: DeserializeOwned>(
        &self,
        path: &str,
        field: &str,
        keys: &[&str],
        extra: Query<'_>,
    ) -> anyhow::Result<Vec<T>> {
        let mut found = Vec::new();
        for chunk in keys.chunks(KEYS) {
            let propositions: Vec<Value> = chunk
                .iter()
                .map(|key| json!({"field": field, "operator": "comparison_equalto", "value": key}))
                .collect();
            let body = json!({"predicates": {
                "collection_operator": "OR",
                "collections": [{"proposition_operator": "OR", "propositions": propositions}],
            }});
            let limit = chunk.len().to_string();
            let query = [&[("limit", limit.as_str())], extra].concat();
            found.extend(self.post::<Vec<T>>(path, &query, &body).await?);
        }
        Ok(found)
    }

    /// A bulk insert, to the end of its job.
    pub(super) async fn bulk(&self, plural: &str, items: &impl Serialize) -> anyhow::Result<()> {
        let path = format!("/bulk/{plural}");
        let body = Named(plural, items);
        let mut job: Job = self.post(&path, &[("partial_import", "true")], &body).await?;
        while !job.status.is_terminal() {
            tokio::time::sleep(JOB_POLL).await;
            let path = format!("/jobs/{}", job.id);
            job = Self::answer(&path, self.request(Method::GET, &path, &[])).await?.data;
        }
        Ok(())
    }

    /// Uploads a file; its id.
    pub(super) async fn upload(&self, name: &str, content_type: &str, bytes: Vec<u8>) -> anyhow::Result<u64> {
        #[derive(Deserialize)]
        struct Uploaded {
            id: u64,
        }
        let content_type = HeaderValue::from_str(content_type)
            .unwrap_or(HeaderValue::from_static("application/octet-stream"));
        let request = self
            .request(Method::POST, "/files", &[("_filename", name), ("fields", "-content")])
            .header(CONTENT_TYPE, content_type)
            .body(bytes);
        Ok(Self::answer::<Uploaded>("/files", request).await?.data.id)
    }
}

/// `{"<plural>": items}` without a copy of the items.
struct Named<'a, T>(&'a str, &'a T);

impl<T: Serialize> Serialize for Named<'_, T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(self.0, self.1)])
    }
}
