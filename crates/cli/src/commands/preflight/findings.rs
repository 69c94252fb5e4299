//! One finding, and those about single accounts and this machine.

use std::fmt;
use std::path::Path;

use kayako::RoleType;
use model::Kind;
use model::plan::{Plan, Problems};
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::places::Places;
use crate::shell::Shell;
use crate::survey::{SourceSurvey, TargetSurvey, fold};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Severity {
    /// Good.
    Pass,
    /// A person should look at it.
    Warn,
    /// A run must not be started.
    Block,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// Stable name of the check.
    pub(crate) check: &'static str,
    pub(crate) severity: Severity,
    /// What was found.
    pub(crate) found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fix: Option<String>,
    #[serde(skip)]
    pub(crate) exit: Exit,
}

impl Finding {
    pub(crate) fn pass(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, severity: Severity::Pass, found: found.into(), fix: None, exit: Exit::Ok }
    }

    pub(crate) fn warn(check: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { severity: Severity::Warn, fix: Some(fix.into()), ..Self::pass(check, found) }
    }

    pub(crate) fn block(check: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            severity: Severity::Block,
            fix: Some(fix.into()),
            exit: Exit::Refused,
            ..Self::pass(check, found)
        }
    }

    /// A failure while looking.
    pub(crate) fn failed(check: &'static str, failure: &Failure) -> Self {
        let mut found = failure.to_string();
        for cause in failure.causes() {
            found.push_str(&format!(": {cause}"));
        }
        for problem in failure.problems().into_iter().flat_map(Problems::as_slice) {
            found.push_str(&format!("\n         {problem}"));
        }
        Self { exit: failure.code.exit(), ..Self::block(check, found, failure.advice()) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.severity {
            Severity::Pass => "pass ",
            Severity::Warn => "warn ",
            Severity::Block => "block",
        };
        write!(f, "{mark}  {}: {}", self.check, self.found)?;
        match &self.fix {
            Some(fix) => write!(f, "\n         -> {fix}"),
            None => Ok(()),
        }
    }
}

/// The source account and how much is in it.
pub(crate) fn source_account(survey: &SourceSurvey) -> Finding {
    let counts: Vec<String> = survey
        .estimates
        .iter()
        .filter_map(|(kind, count)| Some(format!("{} {}", (*count)?, plural(*kind))))
        .collect();
    let found = format!(
        "{} opens as an administrator; it counts about {}",
        survey.account.host,
        if counts.is_empty() { "nothing it tells".to_owned() } else { counts.join(", ") }
    );
    Finding::pass("source", found)
}

const fn plural(kind: Kind) -> &'static str {
    kind.plural()
}

/// The Kayako account by itself.
pub(crate) fn target_account(plan: &Plan, survey: &TargetSurvey) -> Vec<Finding> {
    let mut findings = vec![rights(survey), mailbox(plan, survey)];
    for (check, automations) in [("triggers", &survey.triggers), ("monitors", &survey.monitors)] {
        let active: Vec<&str> = automations
            .iter()
            .filter(|automation| automation.is_enabled != Some(false))
            .map(|automation| automation.title.as_deref().unwrap_or("(no title)"))
            .collect();
        findings.push(if active.is_empty() {
            Finding::pass(check, "none is on")
        } else {
            Finding::warn(
                check,
                format!("{} are on and may act on what is moved: {}", active.len(), active.join(", ")),
                format!(
                    "switch them off for the time of the migration: Administration > Automation > {check}"
                ),
            )
        });
    }
    findings
}

fn rights(survey: &TargetSurvey) -> Finding {
    let role = survey.me.role.as_ref().and_then(|role| role.kind.as_ref());
    match role {
        Some(RoleType::Owner | RoleType::Admin) | None => {
            Finding::pass("target", "the account opens as an administrator")
        }
        Some(role) => Finding {
            exit: Exit::Credentials,
            ..Finding::block(
                "target",
                format!("the account opens, but only with the rights of {role}"),
                "use the credentials of an administrator or owner in `target`",
            )
        },
    }
}

fn mailbox(plan: &Plan, survey: &TargetSurvey) -> Finding {
    let usable = |mailbox: &&kayako::Mailbox| mailbox.is_enabled != Some(false);
    match &plan.target.mailbox {
        Some(wanted) => {
            let found = survey.mailboxes.iter().find(|mailbox| {
                mailbox.address.as_deref().is_some_and(|address| fold(address) == wanted.as_str())
            });
            match found {
                Some(_) => Finding::pass("mailbox", format!("public posts go to {wanted}")),
                None => Finding::block(
                    "mailbox",
                    format!("the account has no mailbox {wanted}"),
                    "correct `target.mailbox`, or leave it out to use the default mailbox",
                ),
            }
        }
        None if survey.mailboxes.iter().any(|mailbox| usable(&mailbox)) => {
            Finding::pass("mailbox", "public posts go to the account's own mailbox")
        }
        None => Finding::block(
            "mailbox",
            "the account has no mailbox in use, and public posts cannot be written without one",
            "add a mailbox in Kayako",
        ),
    }
}

/// Room for what is staged between source and target.
pub(crate) fn room(shell: &Shell, plan: &Plan, places: &Places) -> Finding {
    const CHECK: &str = "room";
    let wanted = plan.limits.staged_bytes;
    let free = if places.is_embedded() && !places.state.exists() {
        // Preflight leaves nothing behind, so it looks at the nearest directory that is there.
        let near = places.state.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("."));
        let near = if near.as_os_str().is_empty() { Path::new(".") } else { near };
        blobs::Blobs::open(&near.display().to_string(), Vec::new()).and_then(|blobs| blobs.free_bytes())
    } else {
        match places.open_blobs(shell) {
            Ok(blobs) => blobs.free_bytes(),
            Err(failure) => return Finding::failed(CHECK, &failure),
        }
    };
    match free {
        Ok(None) => Finding::pass(CHECK, "the place for attachments does not tell its free space"),
        Ok(Some(free)) if free >= wanted => {
            Finding::pass(CHECK, format!("{} MiB free, at most {} MiB staged", free >> 20, wanted >> 20))
        }
        Ok(Some(free)) => Finding::block(
            CHECK,
            format!("{} MiB free, but up to {} MiB may be staged", free >> 20, wanted >> 20),
            "make room, name another place with --blobs, or lower `limits.staged_bytes`",
        ),
        Err(error) => Finding::failed(CHECK, &error.into()),
    }
}
