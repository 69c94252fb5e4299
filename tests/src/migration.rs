//! One migration: its directory, its plan, its commands and its services.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use sandbox::seed::TicketId;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;
use uuid::Uuid;

use crate::accounts::{Accounts, SCALE};
use crate::oracle::{self, Difference, Expectation};
use crate::plan_file;
use crate::processes::{PATIENCE, Process, binary};
use crate::rules::Rules;

/// Log directives of all processes, to look into a test that fails.
const LOG: &str = "KAYAKO_MIGRATE_TEST_LOG";
/// RabbitMQ for the tests.
const AMQP: &str = "KAYAKO_MIGRATE_TEST_AMQP";
/// Redis for the tests.
const REDIS: &str = "KAYAKO_MIGRATE_TEST_REDIS";

/// Where the processes of a migration meet.
#[derive(Debug, Clone)]
pub struct Shared {
    /// RabbitMQ.
    pub queue: String,
    /// Redis.
    pub ledger: String,
}

impl Shared {
    /// As the environment names them.
    ///
    /// # Errors
    /// It does not name them.
    pub fn of_environment() -> Result<Self> {
        let named = |name: &str| {
            std::env::var(name).with_context(|| {
                format!(
                    "{name} is not set: start the tests with tests/run, which brings RabbitMQ and Redis along"
                )
            })
        };
        Ok(Self { queue: named(AMQP)?, ledger: named(REDIS)? })
    }
}

/// A command that has ended.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// The document it printed.
    pub document: Value,
}

/// One migration between two accounts. When it is dropped without [`Migration::passed`], what its processes said is printed.
#[derive(Debug)]
pub struct Migration<'a> {
    /// The accounts.
    pub accounts: &'a Accounts,
    /// Its rules.
    pub rules: Rules,
    /// Its name, of its own for every test.
    pub name: String,
    /// Where its processes meet; none in one process.
    pub shared: Option<Shared>,
    /// Cases that a demo has moved: see [`Expectation::sample`].
    pub sample: BTreeSet<TicketId>,
    /// Whether a process of it died: see [`Expectation::killed`].
    pub killed: bool,
    /// Variables for all its processes.
    pub environment: Vec<(&'static str, String)>,
    /// What each of its processes is started by, such as the way into a [`crate::small_disk::SmallDisk`]; empty: by nothing.
    pub launcher: Vec<String>,
    /// How long one of its processes may take before it counts as hanging.
    pub patience: Duration,
    /// When it was made.
    pub since: Instant,
    directory: TempDir,
    passed: bool,
}

impl<'a> Migration<'a> {
    /// A migration in one process, with the usual rules.
    pub fn in_one_process(accounts: &'a Accounts) -> Result<Self> {
        Self::new(accounts, Rules::default(), None, "")
    }

    /// A migration of services over RabbitMQ and Redis, with the usual rules.
    pub fn of_services(accounts: &'a Accounts) -> Result<Self> {
        Self::new(accounts, Rules::default(), Some(Shared::of_environment()?), "")
    }

    /// A migration; `more` is put at the end of its plan.
    pub fn new(accounts: &'a Accounts, rules: Rules, shared: Option<Shared>, more: &str) -> Result<Self> {
        // Queues and keys carry the name: one of its own keeps tests apart on brokers that they share.
        let name = format!("t-{}", Uuid::new_v4().simple());
        let directory = tempfile::tempdir()?;
        let yaml = plan_file::write(&name, accounts, &rules, more);
        fs::write(directory.path().join("plan.yaml"), yaml)?;
        fs::create_dir(directory.path().join("blobs"))?;
        Ok(Self {
            accounts,
            rules,
            name,
            shared,
            sample: BTreeSet::new(),
            killed: false,
            environment: Vec::new(),
            launcher: Vec::new(),
            patience: PATIENCE,
            since: Instant::now(),
            directory,
            passed: false,
        })
    }

    /// A path in the migration's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The product with these arguments and nothing of our own environment that it listens to.
    fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = match self.launcher.split_first() {
            None => Command::new(binary()?),
            Some((program, before)) => {
                let mut command = Command::new(program);
                command.args(before).arg(binary()?);
                command
            }
        };
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if ["KAYAKO_MIGRATE", "OTEL_", "RUST_LOG"].iter().any(|prefix| name.starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        command
            .args(arguments)
            .current_dir(self.directory.path())
            .envs(std::env::var_os(LOG).map(|directives| ("RUST_LOG", directives)))
            .env("RUST_BACKTRACE", "1")
            .env("KAYAKO_MIGRATE_TIME_SCALE", SCALE.to_string())
            .env(plan_file::ZENDESK_SECRET, &self.accounts.zendesk_token)
            .env(plan_file::KAYAKO_SECRET, &self.accounts.kayako_password)
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }

    fn places(&self) -> Vec<String> {
        let blobs = self.path("blobs").display().to_string();
        match &self.shared {
            None => Vec::new(),
            Some(shared) => ["--ledger", &shared.ledger, "--blobs", &blobs].map(str::to_owned).to_vec(),
        }
    }

    /// Starts a command that works on the plan (`run`, `status` ...) and goes on.
    pub fn start(&self, arguments: &[&str]) -> Result<Process> {
        let mut all: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        all.extend(["--json", "--plan", "plan.yaml"].map(str::to_owned));
        all.extend(self.places());
        if let Some(shared) = self.shared.as_ref().filter(|_| arguments.first() == Some(&"run")) {
            all.extend(["--queue".to_owned(), shared.queue.clone()]);
        }
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let label = arguments.first().copied().unwrap_or("kayako-migrate");
        Process::start(self.command(&all)?, self.directory.path(), label, self.patience)
    }

    /// A command from start to end.
    pub async fn run(&self, arguments: &[&str]) -> Result<Finished> {
        let mut process = self.start(arguments)?;
        let status = process.ended().await?;
        Ok(Finished { code: status.code(), document: process.document()? })
    }

    /// A command that must succeed: the document it prints.
    pub async fn done(&self, arguments: &[&str]) -> Result<Value> {
        let Finished { code, document } = self.run(arguments).await?;
        ensure!(code == Some(0), "{} ended with {code:?}: {document}", arguments.join(" "));
        Ok(document)
    }

    /// A run that must end well, remembering the sample of a demo.
    pub async fn carried_out(&mut self, arguments: &[&str]) -> Result<Value> {
        let document = self.done(arguments).await?;
        let finished = document["run"]["status"] == "finished";
        ensure!(finished, "the run is not finished: {document}");
        for id in document["run"]["sample"].as_array().into_iter().flatten() {
            let number = id.as_str().and_then(|id| id.parse().ok()).context("a ticket's number")?;
            self.sample.insert(TicketId(number));
        }
        Ok(document)
    }

    /// Starts a service. `label` names its files; two services of one role need two.
    pub fn serve(&self, role: &str, label: &str) -> Result<Process> {
        let shared = self.shared.as_ref().context("services need a broker and a ledger")?;
        let blobs = self.path("blobs").display().to_string();
        let arguments = [
            "serve",
            role,
            "--migration",
            &self.name,
            "--queue",
            &shared.queue,
            "--ledger",
            &shared.ledger,
            "--blobs",
            &blobs,
            "--http",
            "127.0.0.1:0",
        ];
        Process::start(self.command(&arguments)?, self.directory.path(), label, self.patience)
    }

    /// Starts all services, two of them loaders.
    pub fn serve_all(&self) -> Result<Services> {
        Ok(Services {
            coordinator: self.serve("coordinator", "coordinator")?,
            extractor: self.serve("extractor", "extractor")?,
            transformer: self.serve("transformer", "transformer")?,
            loaders: [self.serve("loader", "loader-1")?, self.serve("loader", "loader-2")?],
        })
    }

    /// What differs between the source and Kayako now.
    pub async fn differences(&self) -> Result<Vec<Difference>> {
        let now = self.accounts.kayako.holding().await?;
        Ok(oracle::compare(&self.expectation(), &now))
    }

    /// What must be in Kayako.
    pub fn expectation(&self) -> Expectation<'_> {
        Expectation {
            company: &self.accounts.company,
            rules: &self.rules,
            fields: &self.accounts.fields,
            before: &self.accounts.before,
            zendesk_url: &self.accounts.zendesk_url,
            kayako_email: &self.accounts.kayako_email,
            sample: &self.sample,
            killed: self.killed,
        }
    }

    /// Fails with the first differences if there are any.
    pub async fn arrived(&self) -> Result<()> {
        let differences = self.differences().await?;
        let shown: Vec<String> = differences.iter().take(20).map(ToString::to_string).collect();
        ensure!(shown.is_empty(), "{} differences:\n  {}", differences.len(), shown.join("\n  "));
        Ok(())
    }

    /// The text of every file that the processes have written their logs to.
    pub fn logs(&self) -> Result<Vec<(String, String)>> {
        logs(self.directory.path())
    }

    /// The test has seen what it wanted: nothing is printed.
    pub fn passed(mut self) {
        self.passed = true;
    }
}

/// One process per service, two loaders.
#[derive(Debug)]
pub struct Services {
    /// The coordinator.
    pub coordinator: Process,
    /// The extractor.
    pub extractor: Process,
    /// The transformer.
    pub transformer: Process,
    /// The loaders.
    pub loaders: [Process; 2],
}

impl Services {
    /// All processes.
    pub fn into_all(self) -> Vec<Process> {
        let [first, second] = self.loaders;
        vec![self.coordinator, self.extractor, self.transformer, first, second]
    }
}

fn logs(directory: &Path) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "err" || extension == "out") {
            let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
            found.push((name, String::from_utf8_lossy(&fs::read(&path)?).into_owned()));
        }
    }
    found.sort();
    Ok(found)
}

/// Lines shown of each log: the end tells what went wrong.
const SHOWN: usize = 40;

impl Drop for Migration<'_> {
    fn drop(&mut self) {
        if self.passed {
            return;
        }
        for (name, text) in logs(self.directory.path()).unwrap_or_default() {
            let lines: Vec<&str> = text.lines().collect();
            let end = &lines[lines.len().saturating_sub(SHOWN)..];
            println!("---- {name} ({} lines) ----\n{}", lines.len(), end.join("\n"));
        }
    }
}
