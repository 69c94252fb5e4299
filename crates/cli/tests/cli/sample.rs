//! Two sample accounts, a directory with a plan, and the program beside them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use sandbox::seed::{Company, Size};
use sandbox::zendesk::Limits;
use sandbox::{Sandbox, SandboxConfig};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_kayako-migrate");
/// Same protocol, twenty times as fast.
const SCALE: &str = "0.05";
const TOKEN: &str = "SAMPLE_TOKEN";
const PASSWORD: &str = "SAMPLE_PASSWORD";
/// A hang, not a slow machine: everything here takes seconds.
pub(crate) const HANG: Duration = Duration::from_mins(2);

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is UTF-8");
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Ended {
    /// The document on standard output.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.out.trim().lines().count(), 1, "one document on one line: {self:?}");
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        self
    }

    /// A failure in words: the code, a sentence, what to do, no panic, nothing secret.
    #[track_caller]
    pub(crate) fn expect_failure(self, exit: i32, code: &str) -> Self {
        let ended = self.expect(exit);
        assert!(ended.err.contains(&format!("code: {code} (docs/errors.md#{code})")), "{}", ended.err);
        assert!(ended.err.contains("what to do: "), "{}", ended.err);
        assert!(!ended.err.contains("panic"), "{}", ended.err);
        ended
    }
}

/// The program with nothing of this process's own settings.
pub(crate) fn program(directory: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    for (name, _) in std::env::vars() {
        if name.starts_with("KAYAKO_MIGRATE_") || name.starts_with("OTEL_") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command.current_dir(directory).stdin(Stdio::null());
    command
}

/// Runs the program without accounts.
pub(crate) fn run_in(directory: &Path, arguments: &[&str]) -> Ended {
    program(directory).args(arguments).output().expect("the program starts").into()
}

pub(crate) struct Sample {
    runtime: tokio::runtime::Runtime,
    pub(crate) sandbox: Sandbox,
    pub(crate) directory: TempDir,
    pub(crate) password: String,
    pub(crate) token: String,
    email: String,
}

impl Sample {
    pub(crate) fn new(tickets: u64) -> Self {
        Self::with(tickets, |_| {})
    }

    pub(crate) fn with(tickets: u64, change: impl FnOnce(&mut SandboxConfig)) -> Self {
        let mut config = SandboxConfig::new(7, Size::sample());
        config.zendesk.company = Company::new(7, Size::tickets(tickets));
        let many = 1_000_000;
        config.zendesk.limits = Limits {
            account: many,
            incremental: many,
            incremental_cursor: many,
            tickets: many,
            tickets_deep: many,
            ticket_fields: many,
            attachments: many,
        };
        change(&mut config);
        let password = config.kayako.password.clone();
        let token = config.zendesk.auth.api_token.clone().expect("tokens are on");
        let email = config.kayako.email.clone();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let sandbox = runtime.block_on(Sandbox::start(config)).expect("the accounts start");
        let sample =
            Self { runtime, sandbox, directory: tempfile::tempdir().unwrap(), password, token, email };
        sample.write_plan("");
        sample
    }

    /// The shortest plan and what is added to it.
    pub(crate) fn plan_text(&self, more: &str) -> String {
        format!(
            "version: 1\nname: sample\nsource: {{ kind: zendesk, url: \"{}\", auth: {{ email: \"{}\", api_token: \"env:{TOKEN}\" }} }}\n\
             target: {{ url: \"{}\", email: \"{}\", password: \"env:{PASSWORD}\" }}\n{more}",
            self.sandbox.zendesk_url,
            sandbox::zendesk::EMAIL,
            self.sandbox.kayako_url,
            self.email,
        )
    }

    pub(crate) fn write_plan(&self, more: &str) {
        self.write("plan.yaml", &self.plan_text(more));
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn program(&self, arguments: &[&str]) -> Command {
        let mut command = program(self.directory.path());
        command.args(arguments).env("KAYAKO_MIGRATE_TIME_SCALE", SCALE);
        command.env(TOKEN, &self.token).env(PASSWORD, &self.password);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.program(arguments).output().expect("the program starts").into()
    }

    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        self.program(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts")
    }

    /// Looks at the status until it is as wanted.
    #[track_caller]
    pub(crate) fn wait_for(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let status = self.run(&["status", "--json"]);
            if status.code == Some(0) {
                let status = status.json();
                if wanted(&status) {
                    return status;
                }
            }
            assert!(begun.elapsed() < HANG, "no {what} within {HANG:?}: {status:?}");
        }
    }
}

impl Drop for Sample {
    fn drop(&mut self) {
        self.runtime.block_on(self.sandbox.shutdown());
    }
}

/// The number of lines of a report.
pub(crate) fn report_lines(directory: &Path, name: &str) -> usize {
    let text = fs::read_to_string(directory.join(format!("{name}.json"))).unwrap();
    let rows: Vec<Value> = serde_json::from_str(&text).unwrap();
    let csv = fs::read_to_string(directory.join(format!("{name}.csv"))).unwrap();
    assert!(csv.starts_with("kind,source_id,kayako_id,how,reason,"), "{name}: {csv}");
    rows.len()
}
