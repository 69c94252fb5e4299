//! An account being served, and a logged-in client.

use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response};
use sandbox::faults::Schedule;
use sandbox::kayako::{Account, ClockConfig, Config};
use sandbox::server::Server;
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub(crate) struct Desk {
    pub(crate) account: Account,
    pub(crate) server: Server,
    pub(crate) url: String,
    pub(crate) client: Client,
    pub(crate) session: String,
    pub(crate) email: String,
    pub(crate) password: String,
}

/// An answer: status, headers and JSON (null if it is none).
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) retry_after: Option<u64>,
    pub(crate) csrf: Option<String>,
}

impl Heard {
    pub(crate) async fn of(response: Response) -> Self {
        let header = |name: &str| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let (retry_after, csrf) =
            (header("retry-after").and_then(|text| text.parse().ok()), header("x-csrf-token"));
        let status = response.status().as_u16();
        let body = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or(Value::Null);
        Self { status, body, retry_after, csrf }
    }

    /// The code of the first error.
    pub(crate) fn code(&self) -> &str {
        self.body["errors"][0]["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn data(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body["data"].clone()
    }

    pub(crate) fn id(self, status: u16) -> u64 {
        self.data(status)["id"].as_u64().unwrap()
    }

    pub(crate) fn list(&self) -> &[Value] {
        self.body["data"].as_array().unwrap()
    }
}

impl Desk {
    /// A friendly account on a stopped clock, with what the test changes.
    pub(crate) async fn open(change: impl FnOnce(&mut Config)) -> Self {
        Self::behind(Schedule::default(), change).await
    }

    pub(crate) async fn behind(faults: Schedule, change: impl FnOnce(&mut Config)) -> Self {
        let start = Some("2026-01-05T08:00:00Z".parse().unwrap());
        let mut config = Config { clock: ClockConfig { start, stopped: true }, ..Config::default() };
        change(&mut config);
        let account = Account::new(&config).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Server::start(listener, account.router(), Schedule::default()).unwrap();
        let url = format!("http://{}", server.address().unwrap());
        account.set_base_url(&url);
        let (email, password) = (config.email.clone(), config.password.clone());
        let mut desk =
            Self { account, server, url, client: Client::new(), session: String::new(), email, password };
        if !config.switches.otp_required {
            desk.session = desk.log_in().await;
        }
        desk.server.reset_counts();
        desk.server.set_faults(faults);
        desk
    }

    /// A new session without CSRF protection.
    pub(crate) async fn log_in(&self) -> String {
        let heard = self.basic(&self.password).await;
        heard.body["session_id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn basic(&self, password: &str) -> Heard {
        let request = self.client.get(self.address("session")).basic_auth(&self.email, Some(password));
        Heard::of(request.header("X-CSRF", "false").send().await.unwrap()).await
    }

    pub(crate) fn address(&self, path: &str) -> String {
        format!("{}/api/v1/{path}", self.url)
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.address(path)).header("X-Session-ID", &self.session)
    }

    pub(crate) async fn get(&self, path: &str) -> Heard {
        Heard::of(self.request(Method::GET, path).send().await.unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Heard {
        Heard::of(self.request(Method::POST, path).json(&body).send().await.unwrap()).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Heard {
        Heard::of(self.request(Method::PUT, path).json(&body).send().await.unwrap()).await
    }

    pub(crate) fn wait(&self, seconds: u64) {
        self.account.advance_clock(Duration::from_secs(seconds));
    }

    pub(crate) fn wait_ms(&self, ms: u64) {
        self.account.advance_clock(Duration::from_millis(ms));
    }

    pub(crate) async fn role(&self, kind: &str) -> u64 {
        let roles = self.get("roles?limit=50").await;
        roles.list().iter().find(|role| role["type"] == kind).unwrap()["id"].as_u64().unwrap()
    }

    pub(crate) async fn status(&self, kind: &str) -> u64 {
        let statuses = self.get("cases/statuses").await;
        statuses.list().iter().find(|status| status["type"] == kind).unwrap()["id"].as_u64().unwrap()
    }

    pub(crate) async fn customer(&self, name: &str) -> u64 {
        let body = json!({"full_name": name, "role_id": self.role("CUSTOMER").await, "email": format!("{name}@customers.example"),
            "legacy_id": format!("acme:user:{name}")});
        self.post("users", body).await.id(201)
    }

    pub(crate) async fn agent(&self, name: &str) -> u64 {
        let body = json!({"full_name": name, "role_id": self.role("AGENT").await, "email": format!("{name}@acme.example"),
            "team_ids": "1"});
        self.post("users", body).await.id(201)
    }

    /// A case for a bulk insert.
    pub(crate) fn case(legacy_id: &str, requester: u64) -> Value {
        json!({"legacy_id": legacy_id, "subject": "Printer on fire", "requester_id": requester, "creator_id": requester,
            "channel": "MAIL", "channel_id": 1, "contents": "Help", "created_at": "2021-03-01T09:00:00+00:00",
            "updated_at": "2021-03-02T10:00:00+00:00"})
    }

    /// Submits a bulk insert; answers the job's id.
    pub(crate) async fn bulk(&self, kind: &str, items: &[Value], partial: bool) -> u64 {
        let heard = self.post(&format!("bulk/{kind}?partial_import={partial}"), json!({kind: items})).await;
        assert_eq!((heard.status, &heard.body["data"]["status"]), (202, &json!("PENDING")), "{}", heard.body);
        heard.id(202)
    }

    pub(crate) async fn job(&self, id: u64) -> Value {
        self.get(&format!("jobs/{id}")).await.data(200)
    }
}
