//! The `sandbox` command: a Kayako and a Zendesk account on loopback until it is told to stop.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use sandbox::faults::{Fault, Rule, Schedule, When};
use sandbox::kayako::Switches;
use sandbox::seed::{Company, Size};
use sandbox::{FaultSchedules, Sandbox, SandboxConfig, zendesk};
use serde_json::json;

const EXAMPLES: &str = r#"What you get
  One JSON line on standard output as soon as both accounts answer, with their addresses and credentials:
    {"kayako":{"url":"http://127.0.0.1:41001","email":"...","password":"..."},"zendesk":{"url":"...","email":"...","api_token":"..."}}
  The accounts live in memory. Ctrl-C or SIGTERM ends them.

Examples
  sandbox                                   a company with 150 tickets on two free ports
  sandbox --tickets 50000 --latency-ms 100  a large one behind a slow line
  sandbox --switches pessimistic            every open question about Kayako answered the unpleasant way
  sandbox --faults faults.json              with, for example:
    {"kayako":{"seed":7,"rules":[
      {"method":"POST","path":"/api/v1/bulk/","when":{"every_nth":5},"fault":{"kind":"drop_after"}},
      {"path":"/api/v1/","when":{"probability":0.01},"fault":{"kind":"error_before"}}]}}
  Kinds of faults: latency, rate_limit, error_before, error_after, drop_before, drop_after, html_before, html_after,
  not_json, truncated, expire_sessions, late. "before" and "after" say whether the call was carried out.

While it runs (no login needed)
  curl $KAYAKO/_sandbox/mails               every mail that the account would have sent, and why
  curl $KAYAKO/_sandbox/export/cases        what arrived, post by post, with attachment hashes
  curl $KAYAKO/_sandbox/calls               calls by path and status
  curl -X PUT -H 'content-type: application/json' -d '{"visibility_delay_ms":2000}' $KAYAKO/_sandbox/switches
  curl -X PUT -H 'content-type: application/json' -d '{"down":true}' $KAYAKO/_sandbox/outage"#;

/// Serves a sample Kayako account and a sample Zendesk account on 127.0.0.1, for trying out a migration and for tests.
#[derive(Debug, Parser)]
#[command(name = "sandbox", version, after_help = EXAMPLES)]
struct Options {
    /// JSON file with the whole configuration; the options below change it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Port of the Kayako account [default: a free one]
    #[arg(long, value_name = "PORT")]
    kayako_port: Option<u16>,
    /// Port of the Zendesk account [default: a free one]
    #[arg(long, value_name = "PORT")]
    zendesk_port: Option<u16>,
    /// Seed of everything that is generated: the same seed gives the same company
    #[arg(long)]
    seed: Option<u64>,
    /// Size of the company, in tickets; people and organizations grow along
    #[arg(long, value_name = "NUMBER")]
    tickets: Option<u64>,
    /// Milliseconds that every call takes at least
    #[arg(long, value_name = "MS")]
    latency_ms: Option<u64>,
    /// JSON file with a fault schedule for each account
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// How the Kayako account behaves where its documentation is silent
    #[arg(long)]
    switches: Option<Preset>,
    /// Share of the customers who exist in Kayako beforehand, 0 to 1
    #[arg(long, value_name = "SHARE")]
    existing_share: Option<f64>,
    /// So many agents do not exist in Kayako
    #[arg(long, value_name = "NUMBER")]
    missing_agents: Option<usize>,
    /// Length of a minute in both accounts relative to a real one: 0.01 makes a rate window 0.6 s
    #[arg(long, value_name = "FACTOR")]
    time_scale: Option<f64>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Preset {
    /// What a demo wants
    Friendly,
    /// What hurts a migration most
    Pessimistic,
}

impl Options {
    fn into_config(self) -> anyhow::Result<SandboxConfig> {
        let mut config: SandboxConfig = match &self.config {
            Some(path) => read_json(path)?,
            None => SandboxConfig::default(),
        };
        if self.seed.is_some() || self.tickets.is_some() {
            let seed = self.seed.unwrap_or(config.seed);
            let size = self.tickets.map_or(config.zendesk.company.size(), Size::tickets);
            config.seed = seed;
            config.kayako.seed = seed;
            config.zendesk.company = Company::new(seed, size);
            (config.faults.kayako.seed, config.faults.zendesk.seed) = (seed, seed);
        }
        if let Some(path) = &self.faults {
            config.faults = read_json::<FaultSchedules>(path)?;
        }
        if let Some(ms) = self.latency_ms {
            for schedule in [&mut config.faults.kayako, &mut config.faults.zendesk] {
                add_latency(schedule, ms);
            }
        }
        match self.switches {
            Some(Preset::Friendly) => config.kayako.switches = Switches::friendly(),
            Some(Preset::Pessimistic) => config.kayako.switches = Switches::pessimistic(),
            None => {}
        }
        config.kayako_port = self.kayako_port.unwrap_or(config.kayako_port);
        config.zendesk_port = self.zendesk_port.unwrap_or(config.zendesk_port);
        config.existing_share = self.existing_share.unwrap_or(config.existing_share);
        config.missing_agents = self.missing_agents.unwrap_or(config.missing_agents);
        if let Some(scale) = self.time_scale {
            (config.kayako.time_scale, config.zendesk.time_scale) = (scale, scale);
        }
        Ok(config)
    }
}

fn add_latency(schedule: &mut Schedule, ms: u64) {
    let fault = Fault::Latency { ms, jitter_ms: 0 };
    schedule.rules.push(Rule { method: None, path: String::new(), when: When::Always, times: None, fault });
}

fn read_json<T: serde::de::DeserializeOwned>(path: &PathBuf) -> anyhow::Result<T> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} does not fit", path.display()))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let config = Options::parse().into_config()?;
    let (email, password) = (config.kayako.email.clone(), config.kayako.password.clone());
    let zendesk_email = config.zendesk.auth.email.clone();
    let api_token = config.zendesk.auth.api_token.clone().unwrap_or_else(|| zendesk::API_TOKEN.to_owned());
    // Before the line is printed: who reads it may send the signal at once.
    let stop = stop_signal()?;
    let sandbox = Sandbox::start(config).await?;
    let ready = json!({
        "kayako": {"url": sandbox.kayako_url, "email": email, "password": password},
        "zendesk": {"url": sandbox.zendesk_url, "email": zendesk_email, "api_token": api_token},
    });
    println!("{ready}");
    stop.await;
    sandbox.shutdown().await;
    Ok(())
}

/// Ends with the first Ctrl-C or SIGTERM after this call.
#[cfg(unix)]
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Ends with the first Ctrl-C after this call.
#[cfg(not(unix))]
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    Ok(async {
        // Without a console there is nothing to wait for; the process then runs until it is ended.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
