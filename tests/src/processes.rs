//! The product's own binary as processes: built once, started, killed, and heard out when a test fails.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command as Blocking, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::waiting::until;

/// Longest time that anything in these suites may take before it counts as hanging, unless its accounts are larger than usual.
pub const PATIENCE: Duration = Duration::from_secs(150);

/// Names another binary to test, such as that of an image.
pub const BINARY: &str = "KAYAKO_MIGRATE_TEST_BINARY";

/// The `kayako-migrate` binary of this checkout, in the profile and target directory of the running test, unless
/// `KAYAKO_MIGRATE_TEST_BINARY` names another one.
///
/// # Errors
/// It cannot be built.
pub fn binary() -> Result<&'static Path> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match BUILT.get_or_init(|| build().map_err(|error| format!("{error:#}"))) {
        Ok(path) => Ok(path),
        Err(error) => bail!("the product's binary cannot be built: {error}"),
    }
}

fn build() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(BINARY) {
        return Ok(path.into());
    }
    // target/<profile>/deps/<test>, or target/<profile>/<binary>
    let own = std::env::current_exe()?;
    let directory = own.parent().context("the test lies in a target directory")?;
    let is_test = directory.file_name().is_some_and(|name| name == "deps");
    let profile = directory.parent().filter(|_| is_test).unwrap_or(directory);
    let mut cargo = Blocking::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--package", "cli", "--bin", "kayako-migrate"]);
    if profile.file_name().is_some_and(|name| name == "release") {
        cargo.arg("--release");
    }
    if let Some(target) = profile.parent() {
        cargo.arg("--target-dir").arg(target);
    }
    let status = cargo.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).status()?;
    anyhow::ensure!(status.success(), "cargo build ended with {status}");
    Ok(profile.join("kayako-migrate"))
}

/// A process of the product. Killed when it is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    label: String,
    patience: Duration,
    logs: PathBuf,
    results: PathBuf,
}

impl Process {
    /// Starts `command` with its output in files of `directory`, named by `label`; a later process of the same label goes on
    /// in the same files. It counts as hanging if it has not ended within `patience` when its end is waited for.
    pub fn start(mut command: Command, directory: &Path, label: &str, patience: Duration) -> Result<Self> {
        let (logs, results) =
            (directory.join(format!("{label}.err")), directory.join(format!("{label}.out")));
        let open = |path: &Path| File::options().create(true).append(true).open(path);
        command.stdin(Stdio::null()).stdout(open(&results)?).stderr(open(&logs)?).kill_on_drop(true);
        let child = command.spawn().with_context(|| format!("{label} cannot be started"))?;
        Ok(Self { child, label: label.to_owned(), patience, logs, results })
    }

    /// Ends it as the kernel does when memory runs out: at once, nothing is flushed. Fails if it had ended by itself.
    pub async fn kill(mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} was to be killed in the middle, but had ended with {status}", self.label);
        }
        self.child.kill().await?;
        Ok(())
    }

    /// Asks it to end, as an orchestrator does.
    pub fn terminate(&self) -> Result<()> {
        let id =
            self.child.id().with_context(|| format!("{} had ended before it was asked to", self.label))?;
        let status = Blocking::new("kill").args(["-TERM", &id.to_string()]).status()?;
        anyhow::ensure!(status.success(), "no signal could be sent to {}", self.label);
        Ok(())
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        let ended = timeout(self.patience, self.child.wait()).await;
        Ok(ended
            .with_context(|| format!("{} did not end within {} s", self.label, self.patience.as_secs()))??)
    }

    /// Its id, while it lives.
    pub fn id(&self) -> Result<u32> {
        self.child.id().with_context(|| format!("{} has ended", self.label))
    }

    /// The name of its files.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// What it has written to standard error so far.
    pub fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(&self.logs)?)
    }

    /// The last document that it has written to standard output.
    pub fn document(&self) -> Result<Value> {
        let text = fs::read_to_string(&self.results)?;
        let line = text.lines().last().with_context(|| format!("{} has printed no document", self.label))?;
        serde_json::from_str(line).with_context(|| format!("{} has printed no JSON: {line}", self.label))
    }

    /// The address of its operator port, once it is open.
    pub async fn port(&self) -> Result<String> {
        let address = |line: &str| {
            let line: Value = serde_json::from_str(line).ok()?;
            let fields = line.get("fields").unwrap_or(&line);
            let is_port = fields["message"].as_str()?.starts_with("operator port open");
            is_port.then(|| fields["address"].as_str().map(str::to_owned))?
        };
        let what = format!("the operator port of {}", self.label);
        until(&what, PATIENCE, async || Ok(self.log()?.lines().rev().find_map(address))).await
    }
}
