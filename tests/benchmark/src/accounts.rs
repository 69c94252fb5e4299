//! The two accounts of one measurement: a fresh sandbox process.
//!
//! Constraint: the source's rate limits are far above what two cores can use and are told in its headers, so that what is
//! measured is the pipeline and not the documented ten pages a minute of a small plan.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use anyhow::Context as _;
use sandbox::faults::{Fault, Rule, Schedule, When};
use sandbox::seed::{Company, Size};
use sandbox::zendesk::Limits;
use sandbox::{Sandbox, SandboxConfig};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::AsyncReadExt as _;

use crate::SANDBOX_ROLE;
use crate::process::{self, Worker};

/// Calls a minute that no measurement reaches.
pub(crate) const NO_LIMIT: u32 = 10_000_000;

/// Where the accounts are and how one gets in. The sandbox's own credentials, no secrets.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Accounts {
    pub(crate) kayako_url: String,
    pub(crate) kayako_email: String,
    pub(crate) kayako_password: String,
    pub(crate) zendesk_url: String,
    pub(crate) zendesk_email: String,
    pub(crate) zendesk_token: String,
}

/// Milliseconds that a call takes at least.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Latency {
    pub(crate) kayako: u64,
    pub(crate) zendesk: u64,
}

impl Latency {
    pub(crate) fn of_both(ms: u64) -> Self {
        Self { kayako: ms, zendesk: ms }
    }
}

/// A sandbox at work.
pub(crate) struct Ground {
    pub(crate) accounts: Accounts,
    pub(crate) worker: Worker,
    http: reqwest::Client,
}

/// Calls to one account.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Calls {
    pub(crate) total: u64,
    /// POST, except log-ins and filters, which only read.
    pub(crate) creating: u64,
}

/// The role of a sandbox process: serves until its standard input ends, which it also does when the benchmark dies.
pub(crate) async fn serve(configuration: &str) -> anyhow::Result<()> {
    let config: SandboxConfig = serde_json::from_str(configuration).context("the sandbox's configuration")?;
    let token = config.zendesk.auth.api_token.clone().unwrap_or_default();
    let (kayako_email, kayako_password) = (config.kayako.email.clone(), config.kayako.password.clone());
    let zendesk_email = config.zendesk.auth.email.clone();
    let sandbox = Sandbox::start(config).await?;
    let accounts = Accounts {
        kayako_url: sandbox.kayako_url.clone(),
        kayako_email,
        kayako_password,
        zendesk_url: sandbox.zendesk_url.clone(),
        zendesk_email,
        zendesk_token: token,
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(&accounts)?)?;
    out.flush()?;
    drop(out);
    let mut rest = Vec::new();
    tokio::io::stdin().read_to_end(&mut rest).await?;
    sandbox.shutdown().await;
    Ok(())
}

fn configuration(seed: u64, size: Size, latency: Latency) -> SandboxConfig {
    let mut config = SandboxConfig::new(seed, size);
    config.zendesk.company = Company::new(seed, size);
    config.zendesk.limits = Limits {
        account: NO_LIMIT,
        incremental: NO_LIMIT,
        incremental_cursor: NO_LIMIT,
        tickets: NO_LIMIT,
        tickets_deep: NO_LIMIT,
        ticket_fields: NO_LIMIT,
        attachments: NO_LIMIT,
    };
    config.faults.kayako = slow(seed, latency.kayako);
    config.faults.zendesk = slow(seed, latency.zendesk);
    config
}

fn slow(seed: u64, ms: u64) -> Schedule {
    let fault = Fault::Latency { ms, jitter_ms: 0 };
    let rule = Rule { method: None, path: String::new(), when: When::Always, times: None, fault };
    Schedule { seed, rules: if ms == 0 { Vec::new() } else { vec![rule] } }
}

impl Ground {
    /// Starts a sandbox and waits until both accounts answer.
    pub(crate) async fn open(seed: u64, size: Size, latency: Latency) -> anyhow::Result<Self> {
        let mut command = process::ourselves()?;
        command.arg(SANDBOX_ROLE).arg(serde_json::to_string(&configuration(seed, size, latency))?);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut worker = Worker::spawn("sandbox", command)?;
        let out = worker.child.stdout.take().context("the sandbox's output")?;
        let line = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(out).read_line(&mut line).map(|_| line)
        })
        .await??;
        let accounts = serde_json::from_str(&line).context("the sandbox did not start")?;
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { accounts, worker, http })
    }

    /// Starts counting calls again.
    pub(crate) async fn reset_calls(&self) -> anyhow::Result<()> {
        for url in [&self.accounts.kayako_url, &self.accounts.zendesk_url] {
            self.http.post(format!("{url}/_sandbox/calls/reset")).send().await?.error_for_status()?;
        }
        Ok(())
    }

    /// Calls to Kayako since the last reset.
    pub(crate) async fn kayako_calls(&self) -> anyhow::Result<Calls> {
        let counts = self.counts(&self.accounts.kayako_url).await?;
        let creating = |label: &str| {
            label.starts_with("POST /api/v1") && !label.ends_with("/filter") && !label.ends_with("/session")
        };
        let by_label = counts["calls"].as_object().context("the sandbox's call counts")?;
        let of = |by_status: &Value| -> u64 {
            by_status.as_object().into_iter().flat_map(|map| map.values()).filter_map(Value::as_u64).sum()
        };
        let creating = by_label.iter().filter(|(label, _)| creating(label)).map(|(_, n)| of(n)).sum();
        Ok(Calls { total: counts["total"].as_u64().unwrap_or(0), creating })
    }

    /// Calls to Zendesk since the last reset.
    pub(crate) async fn zendesk_calls(&self) -> anyhow::Result<u64> {
        Ok(self.counts(&self.accounts.zendesk_url).await?["total"].as_u64().unwrap_or(0))
    }

    async fn counts(&self, url: &str) -> anyhow::Result<Value> {
        Ok(self.http.get(format!("{url}/_sandbox/calls")).send().await?.error_for_status()?.json().await?)
    }
}
