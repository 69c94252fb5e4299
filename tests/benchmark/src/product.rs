//! Runs ours as an operator does: by its command line, in processes of their own.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::Value;

use crate::accounts::{Accounts, Ground, NO_LIMIT};
use crate::brokers::Brokers;
use crate::process::{self, Usage, Worker};

const SERVICES: [&str; 3] = ["coordinator", "extractor", "transformer"];

/// What a measurement changes in the plan.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tuning {
    /// `limits.load_in_flight`.
    pub(crate) load_in_flight: Option<usize>,
}

/// A finished run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Done {
    /// From the run's start to its end, as the ledger has them.
    pub(crate) seconds: f64,
    pub(crate) migrated: u64,
    pub(crate) cases: u64,
    pub(crate) failed: u64,
    /// Rows in the ledger.
    pub(crate) rows: u64,
    /// What each process used.
    pub(crate) usages: Vec<(String, Usage)>,
}

/// The plan. Everything that it does not name is the product's own default.
pub(crate) fn plan(name: &str, accounts: &Accounts, tuning: &Tuning) -> String {
    let mut yaml = format!(
        "version: 1\nname: {name}\n\
         source: {{ kind: zendesk, url: \"{}\", auth: {{ email: \"{}\", api_token: \"env:BENCHMARK_ZENDESK_TOKEN\" }}, requests_per_minute: {NO_LIMIT} }}\n\
         target: {{ url: \"{}\", email: \"{}\", password: \"env:BENCHMARK_KAYAKO_PASSWORD\" }}\n",
        accounts.zendesk_url, accounts.zendesk_email, accounts.kayako_url, accounts.kayako_email,
    );
    if let Some(calls) = tuning.load_in_flight {
        // Writing into a String cannot fail.
        let _ = writeln!(yaml, "limits: {{ load_in_flight: {calls} }}");
    }
    yaml
}

/// One migration of the ground's accounts.
pub(crate) struct Migration<'a> {
    pub(crate) name: String,
    pub(crate) directory: PathBuf,
    pub(crate) ground: &'a mut Ground,
    pub(crate) tuning: Tuning,
    pub(crate) scale: f64,
}

impl Migration<'_> {
    fn plan_file(&self) -> anyhow::Result<PathBuf> {
        fs::create_dir_all(&self.directory)?;
        let file = self.directory.join("plan.yaml");
        fs::write(&file, plan(&self.name, &self.ground.accounts, &self.tuning))?;
        Ok(file)
    }

    fn command(&self, arguments: &[&str]) -> anyhow::Result<Command> {
        let mut command = process::product()?;
        command
            .args(arguments)
            .env("BENCHMARK_ZENDESK_TOKEN", &self.ground.accounts.zendesk_token)
            .env("BENCHMARK_KAYAKO_PASSWORD", &self.ground.accounts.kayako_password)
            .env("KAYAKO_MIGRATE_TIME_SCALE", self.scale.to_string());
        Ok(command)
    }

    /// Everything in one process.
    pub(crate) async fn one(&mut self) -> anyhow::Result<Done> {
        let plan = self.plan_file()?;
        let mut command = self.command(&["run", "--full", "--json"])?;
        command.arg("--plan").arg(plan).arg("--state").arg(self.directory.join("state"));
        let mut worker = Worker::spawn_into(&self.directory, "one process", command)?;
        let sandbox = std::slice::from_mut(&mut self.ground.worker);
        let usage = process::until_ended(&mut worker, sandbox)
            .await
            .map_err(|error| self.with_log(error, "one process"))?;
        let mut done = ended(&self.directory, "one process")?;
        done.usages.push(("one process".to_owned(), usage));
        Ok(done)
    }

    /// One process per service, several loaders if asked, and the command that watches them.
    pub(crate) async fn services(&mut self, brokers: &Brokers, loaders: usize) -> anyhow::Result<Done> {
        let plan = self.plan_file()?;
        let blobs = self.directory.join("blobs").display().to_string();
        let places = ["--queue", &brokers.queue, "--ledger", &brokers.ledger, "--blobs", &blobs];
        let mut run = self.command(&[&["run", "--full", "--json"], places.as_slice()].concat())?;
        run.arg("--plan").arg(&plan).arg("--state").arg(self.directory.join("state"));
        // It comes first: services wait for a run with growing pauses.
        let mut watch = Worker::spawn_into(&self.directory, "watcher", run)?;
        let names = SERVICES.iter().map(|role| (*role, (*role).to_owned()));
        let names = names.chain((1..=loaders).map(|number| ("loader", format!("loader {number}"))));
        let mut workers = Vec::new();
        for (role, name) in names {
            let mut serve = self.command(&[&["serve", role], places.as_slice()].concat())?;
            serve.args(["--migration", &self.name, "--log", "warn"]);
            workers.push(Worker::spawn_into(&self.directory, name, serve)?);
        }
        let watched = process::until_ended(&mut watch, &mut workers).await;
        let usage = watched.map_err(|error| self.with_log(error, "watcher"))?;
        let mut done = ended(&self.directory, "watcher")?;
        done.usages = process::stop(workers).await?;
        done.usages.push(("watcher".to_owned(), usage));
        Ok(done)
    }

    /// A failure with the last lines of what the process said.
    fn with_log(&self, error: anyhow::Error, name: &str) -> anyhow::Error {
        let log = [".out", ".log"]
            .map(|ending| {
                fs::read_to_string(self.directory.join(format!("{name}{ending}"))).unwrap_or_default()
            })
            .concat();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(15)..].join("\n");
        error.context(format!("{name}:\n{last}"))
    }
}

/// Reads the document that a `run --json` ended with.
fn ended(directory: &Path, name: &str) -> anyhow::Result<Done> {
    let text = fs::read_to_string(directory.join(format!("{name}.out")))?;
    let document: Value = serde_json::from_str(text.trim()).context("the run's document")?;
    let moment = |field: &str| -> anyhow::Result<Timestamp> {
        Ok(document["run"][field].as_str().context("the run is not over")?.parse()?)
    };
    let kinds = document["kinds"].as_object().context("the run's table")?;
    let sum = |column: &str| kinds.values().filter_map(|kind| kind[column].as_u64()).sum::<u64>();
    Ok(Done {
        seconds: (moment("ended_at")? - moment("started_at")?).total(jiff::Unit::Second)?,
        migrated: sum("migrated"),
        cases: document["kinds"]["case"]["migrated"].as_u64().unwrap_or(0),
        failed: sum("failed"),
        rows: sum("available") + sum("filtered"),
        usages: Vec::new(),
    })
}
