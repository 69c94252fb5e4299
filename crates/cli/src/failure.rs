//! Why a command could not do what was asked: one sentence, what to do about it, a stable code.
//!
//! Constraints: codes are stable and each has a section in `docs/errors.md` (a test compares them); causes stay chained; nothing
//! here ever holds a secret, because no error of the lower crates does.

use std::borrow::Cow;
use std::error::Error as StdError;

use model::plan::Problems;
use serde_json::{Value, json};

use crate::exit::Exit;

macro_rules! codes {
    ($($variant:ident = $name:literal, $exit:ident, $advice:literal;)*) => {
        /// The kind of a failure.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code {
            $(#[doc = $advice] $variant,)*
        }

        impl Code {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Stable name; the section of `docs/errors.md`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// How the process ends.
            pub const fn exit(self) -> Exit {
                match self { $(Self::$variant => Exit::$exit,)* }
            }

            /// What to do unless the failure knows better.
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$variant => $advice,)* }
            }
        }
    };
}

codes! {
    Usage = "usage", Usage, "see `kayako-migrate help` and docs/cli.md";
    PlanMissing = "plan-missing", Usage, "name the plan with `--plan FILE`, or write one with `kayako-migrate init`";
    PlanInvalid = "plan-invalid", Usage, "correct the places listed above; `kayako-migrate plan check FILE` shows them again";
    FileUnusable = "file-unusable", Internal, "check the path and its permissions";
    SecretMissing = "secret-missing", Credentials, "set the environment variable or write the file that the plan names";
    SourceCredentials = "source-credentials", Credentials, "check the e-mail and the token that the plan's `source.auth` names, then run the command again";
    SourceRights = "source-rights", Credentials, "use the credentials of an administrator of the source account";
    SourceUnreachable = "source-unreachable", Unreachable, "check `source.url` and the network, then run the command again";
    SourceUnreadable = "source-unreadable", Unreachable, "check that `source.url` is the help desk's own address and that no proxy or login page answers in its place";
    SourceThrottled = "source-throttled", Unreachable, "wait a minute; if it stays, lower `source.share` in the plan";
    TargetCredentials = "target-credentials", Credentials, "check `target.email` and the password that `target.password` names, then run the command again; repeated bad log-ins lock the account";
    TargetLocked = "target-locked", Credentials, "wait until the lock ends (Kayako says how long in the account's security settings), check the password, then run the command again";
    TargetLogin = "target-login", Credentials, "log in by hand once, renew the password or use an account without a second factor";
    TargetRights = "target-rights", Credentials, "use the credentials of an administrator or owner of the Kayako account";
    TargetLicence = "target-licence", Credentials, "ask the owner of the Kayako account to extend its plan";
    TargetUnreachable = "target-unreachable", Unreachable, "check `target.url` and the network, then run the command again";
    TargetUnreadable = "target-unreadable", Unreachable, "check that `target.url` is the Kayako account's own address and that no proxy or login page answers in its place";
    TargetThrottled = "target-throttled", Unreachable, "wait a minute, then run the command again";
    TargetNotLoopback = "target-not-loopback", Refused, "try the plan against a sample account first (`kayako-migrate quickstart`, or the `sandbox` program)";
    PreflightBlocked = "preflight-blocked", Refused, "repair what is marked `block`, then run preflight again";
    LedgerUnreachable = "ledger-unreachable", Unreachable, "check the address given with `--ledger` and that the server runs";
    LedgerUnsafe = "ledger-unsafe", Usage, "change the setting named, or give another server with `--ledger`";
    LedgerOther = "ledger-other", NotNow, "give each migration a state directory of its own (`--state DIR`), or correct the plan's `name`";
    QueueUnreachable = "queue-unreachable", Unreachable, "check the address given with `--queue` and that RabbitMQ runs";
    QueueAccess = "queue-access", Credentials, "check user, password, virtual host and rights in the address given with `--queue`";
    BlobsUnusable = "blobs-unusable", Unreachable, "check the place given with `--blobs` (or the state directory) and its permissions";
    StorageFull = "storage-full", Halted, "make room (attachments and histories may also go to another place, see `--blobs`), then run the command again";
    NoRun = "no-run", NotNow, "start one with `kayako-migrate run --demo`; check `--plan` and `--state` (or `--ledger`) if there should be one";
    NoRecord = "no-record", NotNow, "check the id and `--kind`; records that no run has reached yet are not known";
    InUse = "in-use", NotNow, "wait for the other process or stop it; `kayako-migrate status` shows what it does";
    RunUnfinished = "run-unfinished", NotNow, "finish it (`kayako-migrate run` with the same plan and mode) or give it up (`kayako-migrate cancel`)";
    RunOver = "run-over", NotNow, "start a new one with `kayako-migrate run`";
    RunHalted = "run-halted", Halted, "do what the message says, then run the same command again (or `kayako-migrate resume`)";
    RunCancelled = "run-cancelled", Halted, "start a new run if the migration is to go on; what was migrated stays";
    NotProven = "not-proven", Internal, "this is a defect: please report it with the output above";
    Internal = "internal", Internal, "run the command again with `--log info`; if it stays, please report it";
}

/// Why a command could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub struct Failure {
    /// Its kind.
    pub code: Code,
    sentence: String,
    advice: Cow<'static, str>,
    problems: Option<Problems>,
    #[source]
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Failure {
    /// A failure with the usual advice of its code.
    pub fn new(code: Code, sentence: impl Into<String>) -> Self {
        Self {
            code,
            sentence: sentence.into(),
            advice: Cow::Borrowed(code.advice()),
            problems: None,
            source: None,
        }
    }

    /// The same with other advice.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<Cow<'static, str>>) -> Self {
        self.advice = advice.into();
        self
    }

    /// The same with its cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// All that is wrong with a plan.
    pub fn plan(what: impl Into<String>, problems: Problems) -> Self {
        Self { problems: Some(problems), ..Self::new(Code::PlanInvalid, what) }
    }

    /// A file or directory that cannot be used.
    pub fn file(what: &str, path: &std::path::Path, source: std::io::Error) -> Self {
        Self::new(Code::FileUnusable, format!("{what} {} cannot be used", path.display())).because(source)
    }

    /// What to do.
    pub fn advice(&self) -> &str {
        &self.advice
    }

    /// The problems of a plan.
    pub fn problems(&self) -> Option<&Problems> {
        self.problems.as_ref()
    }

    /// The causes, outermost first.
    pub fn causes(&self) -> Vec<String> {
        let mut causes = Vec::new();
        let mut cause = StdError::source(self);
        while let Some(error) = cause {
            causes.push(error.to_string());
            cause = error.source();
        }
        causes
    }

    /// The failure as `--json` shows it.
    pub fn document(&self) -> Value {
        let mut error = json!({
            "code": self.code.name(),
            "exit": self.code.exit().number(),
            "message": self.sentence,
            "advice": self.advice,
            "causes": self.causes(),
        });
        if let Some(problems) = &self.problems {
            error["problems"] = json!(problems);
        }
        json!({ "error": error })
    }
}

/// Whether a call was held back because its budget could not be noted.
fn is_full_ledger(error: &(dyn StdError + 'static)) -> bool {
    error.downcast_ref::<ledger::Error>().is_some_and(ledger::Error::is_storage_full)
}

impl From<sources::Error> for Failure {
    fn from(error: sources::Error) -> Self {
        use sources::Error as E;
        let (code, sentence) = match &error {
            E::Settings { .. } => (Code::Usage, "the source cannot be set up as the plan says"),
            E::Credentials { .. } => (Code::SourceCredentials, "the source account refuses the credentials"),
            E::Forbidden { .. } | E::ListingRefused { .. } => {
                (Code::SourceRights, "the credentials do not open all of the source account")
            }
            E::NoAccount { .. } => {
                (Code::SourceUnreachable, "there is no help desk account at the source's address")
            }
            E::NotSent { .. } | E::NoAnswer { .. } => {
                (Code::SourceUnreachable, "the source account cannot be reached")
            }
            E::ServerFault { .. } => {
                (Code::SourceUnreachable, "the source account is in trouble at the moment")
            }
            E::UnreadableAnswer { .. } => (
                Code::SourceUnreadable,
                "the source's address answers with something that is not a help desk's answer",
            ),
            E::Hook { source, .. } if is_full_ledger(source.as_ref()) => {
                (Code::StorageFull, "the disk of the ledger file is full")
            }
            E::Throttled { .. } => (Code::SourceThrottled, "the source account's rate limit is used up"),
            _ => (Code::Internal, "the source account could not be read"),
        };
        Self::new(code, sentence).because(error)
    }
}

impl From<kayako::Error> for Failure {
    fn from(error: kayako::Error) -> Self {
        use kayako::Error as E;
        let (code, sentence) = match &error {
            E::Config { .. } => (Code::Usage, "the Kayako client cannot be set up as the plan says"),
            E::LoginRefused(_) => (Code::TargetCredentials, "the Kayako account refuses the credentials"),
            E::LoginLocked(_) => {
                (Code::TargetLocked, "the Kayako account has locked log-ins after bad passwords")
            }
            E::LoginNeedsPerson(_) => (Code::TargetLogin, "the log-in to Kayako needs a person"),
            E::Forbidden(_) => (Code::TargetRights, "the Kayako account's user may not do this"),
            E::Licence(_) => (Code::TargetLicence, "the Kayako account's plan does not allow this"),
            E::NotSent { .. } | E::NoAnswer { .. } => {
                (Code::TargetUnreachable, "the Kayako account cannot be reached")
            }
            E::ServerFault(_) | E::SessionLost(_) => {
                (Code::TargetUnreachable, "the Kayako account is in trouble at the moment")
            }
            E::Unreadable { .. } | E::Unusable(_) => (
                Code::TargetUnreadable,
                "the target's address answers with something that is not a Kayako account's answer",
            ),
            E::Throttled(_) => (Code::TargetThrottled, "the Kayako account's rate limit is used up"),
            E::Rejected(_) if error.is_not_found() => {
                (Code::TargetUnreadable, "there is no Kayako account at the target's address")
            }
            _ => (Code::Internal, "the Kayako account could not be read"),
        };
        Self::new(code, sentence).because(error)
    }
}

impl From<ledger::Error> for Failure {
    fn from(error: ledger::Error) -> Self {
        use ledger::Error as E;
        let (code, sentence) = match &error {
            E::Address { .. } => (Code::Usage, "the ledger's address cannot be used".to_owned()),
            E::Empty { migration } => (Code::NoRun, format!("migration \"{migration}\" has no run yet")),
            E::OtherMigration { .. } => {
                (Code::LedgerOther, "the ledger belongs to another migration".to_owned())
            }
            E::InUse { .. } => (Code::InUse, "another process is running this migration".to_owned()),
            E::Unsafe { .. } => {
                (Code::LedgerUnsafe, "the ledger's server may forget what it is told".to_owned())
            }
            E::UnknownVersion { .. } => {
                (Code::Internal, "the ledger was written by a newer version of this program".to_owned())
            }
            error if error.is_storage_full() => {
                (Code::StorageFull, "the disk of the ledger file is full".to_owned())
            }
            E::File(_) | E::Sqlite(_) => (Code::FileUnusable, "the ledger file cannot be used".to_owned()),
            E::Redis(_) => (Code::LedgerUnreachable, "the ledger does not answer".to_owned()),
            _ => (Code::Internal, "the ledger could not be used".to_owned()),
        };
        Self::new(code, sentence).because(error)
    }
}

impl From<queue::Error> for Failure {
    fn from(error: queue::Error) -> Self {
        use queue::Error as E;
        let (code, sentence) = match &error {
            E::InvalidAddress { .. } | E::InvalidConfig { .. } | E::InvalidName { .. } => {
                (Code::Usage, "the queue cannot be set up like this")
            }
            E::AccessRefused(_) => (Code::QueueAccess, "the broker refuses access"),
            error if error.is_transient() => (Code::QueueUnreachable, "the broker does not answer"),
            _ => (Code::Internal, "the queue could not be used"),
        };
        Self::new(code, sentence).because(error)
    }
}

impl From<blobs::Error> for Failure {
    fn from(error: blobs::Error) -> Self {
        let (code, sentence) = match &error {
            blobs::Error::Location(_) => (Code::Usage, "the place for attachments cannot be used"),
            error if error.is_storage_full() => (Code::StorageFull, "the place for attachments is full"),
            _ => (Code::BlobsUnusable, "the place for attachments does not answer"),
        };
        Self::new(code, sentence).because(error)
    }
}

impl From<runtime::Error> for Failure {
    fn from(error: runtime::Error) -> Self {
        let (code, sentence) = match &error {
            runtime::Error::Setting { .. } => (Code::Usage, "a setting cannot be used"),
            runtime::Error::Listen { .. } => (Code::FileUnusable, "the operator port cannot be opened"),
            _ => (Code::Internal, "the process cannot be set up"),
        };
        Self::new(code, sentence).because(error)
    }
}

impl From<loader::Error> for Failure {
    fn from(error: loader::Error) -> Self {
        use loader::Error as E;
        match error {
            E::Ledger { source, .. } => source.into(),
            E::Queue { source, .. } => source.into(),
            E::Blobs { source, .. } => source.into(),
            E::Kayako { source, .. } => source.into(),
            E::Runtime(source) => source.into(),
            error @ E::Told(_) => {
                Self::new(Code::FileUnusable, "the report could not be written").because(error)
            }
            error => Self::new(Code::Internal, "the account could not be compared").because(error),
        }
    }
}

impl From<coordinator::Error> for Failure {
    fn from(error: coordinator::Error) -> Self {
        use coordinator::Error as E;
        match error {
            E::Ledger { source, .. } => source.into(),
            E::Queue { source, .. } => source.into(),
            E::Journal(source) => source.into(),
            E::NoRun => Self::new(Code::NoRun, "this migration has no run yet"),
            E::Over { number, status } => {
                Self::new(Code::RunOver, format!("run {number} is {status}; it cannot be changed any more"))
            }
            E::Unfinished { number, mode, status } => {
                Self::new(Code::RunUnfinished, format!("run {number} ({mode}) is {status} and not over"))
            }
            E::OtherAccount { side, known, given } => Self::new(
                Code::LedgerOther,
                format!("this migration's {side} is {known}; the plan names {given}"),
            )
            .advise(
                "correct the plan's address, or give a migration between other accounts a name and a state directory of its own",
            ),
            error @ E::Report { .. } => {
                Self::new(Code::FileUnusable, "the reports could not be written").because(error)
            }
            error => Self::new(Code::Internal, "the run's state could not be read or changed").because(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_is_unique_and_has_a_section_in_the_documentation() {
        let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        let document = include_str!("../../../docs/errors.md");
        let sections: BTreeSet<_> =
            document.lines().filter_map(|line| line.strip_prefix("## ")).map(str::trim).collect();
        assert_eq!(names, sections);
    }

    #[test]
    fn the_document_names_causes_and_exit_code() {
        let failure =
            Failure::new(Code::NoRun, "nothing here").because(std::io::Error::other("the deeper reason"));
        let document = failure.document();
        assert_eq!(document["error"]["exit"], 8);
        assert_eq!(document["error"]["causes"][0], "the deeper reason");
    }
}
