//! The two sample accounts of a test, in this process, so that they outlive every process that is killed.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Request};
use sandbox::faults::{Fault, Rule, Schedule, When};
use sandbox::seed::{Company, Size};
use sandbox::server::CallCounts;
use sandbox::zendesk::Limits;
use sandbox::{FaultSchedules, Sandbox, SandboxConfig};
use serde_json::Value;
use wire::{Network, Wire};

use crate::fields::Fields;
use crate::holding::Holding;
use crate::wires;

/// Length of the protocol's and the accounts' waiting times relative to the real ones: a request may take 1.5 s, the quiet period
/// is 6 s. Shorter, and a busy machine with two cores would time out for no reason.
pub const SCALE: f64 = 0.05;

/// Calls per minute that no test comes near.
const ENOUGH: u32 = 60_000;

/// The Kayako account's API and control API, from outside the product.
#[derive(Debug, Clone)]
pub struct Control {
    wire: Arc<dyn Wire>,
    base: String,
    bearer: String,
}

impl Control {
    /// Calls the API (`path` below `/api/v1/`); any answer but success is an error.
    pub async fn api(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let mut request = Request::new(method.parse()?, format!("{}/api/v1/{path}", self.base).parse()?);
        let bearer = HeaderValue::from_str(&format!("Bearer {}", self.bearer))?;
        request.headers_mut().insert(AUTHORIZATION, bearer);
        if let Some(body) = body {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(body.to_string().into());
        }
        self.answer(request).await
    }

    /// Reads from the control API (`path` below `/_sandbox/`).
    pub async fn sandbox(&self, path: &str) -> Result<Value> {
        self.answer(Request::new(Method::GET, format!("{}/_sandbox/{path}", self.base).parse()?)).await
    }

    /// Everything the account holds.
    pub async fn holding(&self) -> Result<Holding> {
        Holding::read(self).await
    }

    async fn answer(&self, request: Request) -> Result<Value> {
        let asked = format!("{} {}", request.method(), request.url().path());
        let response = self.wire.exchange(request).await?;
        let status = response.status();
        let text = response.text().await?;
        ensure!(status.is_success(), "{asked} answered {status}: {text}");
        if text.is_empty() {
            Ok(Value::Null)
        } else {
            serde_json::from_str(&text).context("an answer in JSON")
        }
    }
}

/// Both accounts, the mapped fields, and what Kayako held before anything was migrated.
#[derive(Debug)]
pub struct Accounts {
    /// The accounts.
    pub sandbox: Sandbox,
    /// The source's truth.
    pub company: Company,
    /// Kayako from outside.
    pub kayako: Control,
    /// The mapped custom fields.
    pub fields: Fields,
    /// What Kayako held beforehand.
    pub before: Holding,
    /// Where the product finds Kayako: the account itself, or something that a test has put before it.
    pub kayako_url: String,
    /// Where the product finds the source. Addresses in what the source answers begin with it.
    pub zendesk_url: String,
    /// The address that the source is read with.
    pub zendesk_email: String,
    /// The source's secret.
    pub zendesk_token: String,
    /// The address that Kayako is written with.
    pub kayako_email: String,
    /// Kayako's secret.
    pub kayako_password: String,
}

/// Friendly accounts with this many tickets: 30 % of the customers and all agents but the last two exist in Kayako.
pub fn config(seed: u64, tickets: u64) -> SandboxConfig {
    sized(seed, Size::tickets(tickets))
}

/// The same with every number chosen.
pub fn sized(seed: u64, size: Size) -> SandboxConfig {
    let mut config = SandboxConfig::new(seed, size);
    config.existing_share = 0.3;
    config.missing_agents = 2;
    (config.kayako.time_scale, config.zendesk.time_scale) = (SCALE, SCALE);
    // Told in every answer. An account that tells no limits is read at the smallest plan's pace, which takes minutes.
    config.zendesk.limits = Limits {
        account: ENOUGH,
        incremental: ENOUGH,
        incremental_cursor: ENOUGH,
        tickets: ENOUGH,
        tickets_deep: ENOUGH,
        ticket_fields: ENOUGH,
        attachments: ENOUGH,
    };
    config
}

impl Accounts {
    /// Opens the accounts, each on a port. Faults of the configuration begin after the fields have been made.
    pub async fn open(mut config: SandboxConfig) -> Result<Self> {
        let faults = std::mem::take(&mut config.faults);
        let sandbox = Sandbox::start(config.clone()).await?;
        let wire = Network::new(reqwest::Client::new());
        Self::of(sandbox, Arc::new(wire), &config, faults).await
    }

    /// The same without ports, for clients in this process (see [`crate::wires`]).
    pub async fn without_ports(mut config: SandboxConfig) -> Result<Self> {
        let faults = std::mem::take(&mut config.faults);
        let sandbox = Sandbox::without_ports(config.clone())?;
        let wire = wires::to(&sandbox.kayako_server);
        Self::of(sandbox, Arc::new(wire), &config, faults).await
    }

    async fn of(
        sandbox: Sandbox,
        wire: Arc<dyn Wire>,
        config: &SandboxConfig,
        faults: FaultSchedules,
    ) -> Result<Self> {
        let (zendesk, kayako) = (config.zendesk.auth.clone(), config.kayako.clone());
        let control = Control {
            wire,
            base: sandbox.kayako_url.clone(),
            bearer: kayako.oauth_tokens.first().cloned().context("the sandbox has a bearer token")?,
        };
        let company = sandbox.zendesk.company();
        let fields = Fields::create(&control, &company).await?;
        let before = control.holding().await?;
        sandbox.kayako_server.reset_counts();
        sandbox.kayako_server.set_faults(faults.kayako);
        sandbox.zendesk_server.set_faults(faults.zendesk);
        Ok(Self {
            company,
            kayako: control,
            fields,
            before,
            zendesk_email: zendesk.email,
            zendesk_token: zendesk.api_token.context("the sandbox has an API token")?,
            kayako_email: kayako.email,
            kayako_password: kayako.password,
            kayako_url: sandbox.kayako_url.clone(),
            zendesk_url: sandbox.zendesk_url.clone(),
            sandbox,
        })
    }

    /// Cases in Kayako now.
    pub fn cases(&self) -> usize {
        self.sandbox.kayako.counts().cases
    }

    /// Tickets that must arrive: all but the deleted ones.
    pub fn expected_cases(&self) -> usize {
        let size = self.company.size().tickets;
        let deleted = |index: &u64| self.company.status_of(*index) == sandbox::seed::Status::Deleted;
        (0..size).filter(|index| !deleted(index)).count()
    }

    /// Calls to Kayako that create something, since the last reset: POST, except log-ins and filters, which only read.
    pub fn creating_calls(&self) -> u64 {
        calls(&self.sandbox.kayako_server.counts(), |method, path| {
            method == "POST"
                && path.starts_with("/api/v1")
                && !path.ends_with("/filter")
                && !path.ends_with("/session")
        })
    }
}

/// How many calls fit.
pub fn calls(counts: &CallCounts, fits: impl Fn(&str, &str) -> bool) -> u64 {
    let of = |label: &str| label.split_once(' ').is_some_and(|(method, path)| fits(method, path));
    counts.calls.iter().filter(|(label, _)| of(label)).flat_map(|(_, by_status)| by_status.values()).sum()
}

/// A rule of a fault schedule: `method` empty = every one; `path` is a prefix.
pub fn rule(method: &str, path: &str, when: When, fault: Fault) -> Rule {
    let method = Some(method.to_owned()).filter(|method| !method.is_empty());
    Rule { method, path: path.to_owned(), when, times: None, fault }
}

/// Every call takes this much longer.
pub fn slow(ms: u64) -> Schedule {
    Schedule { seed: 0, rules: vec![rule("", "", When::Always, Fault::Latency { ms, jitter_ms: 0 })] }
}
