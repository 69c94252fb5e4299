//! Exit codes: what a script may branch on. Documented in `docs/cli.md`; a number never changes its meaning.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// A defect, or this machine cannot do what was asked.
    Internal = 1,
    /// The command line or the plan is wrong.
    Usage = 2,
    /// Credentials or rights: a secret is missing, refused, locked, or its owner may not do what is needed.
    Credentials = 3,
    /// An account, broker or store does not answer, or not sensibly.
    Unreachable = 4,
    /// The run stands still until a person acts, or was cancelled.
    Halted = 5,
    /// The run is finished, and some records failed.
    RecordsFailed = 6,
    /// A safety rule forbids it.
    Refused = 7,
    /// Not in the present state: no run yet, another process at work, an unknown record.
    NotNow = 8,
    /// Ctrl-C or SIGTERM; what was in hand is finished, the same command goes on.
    Interrupted = 130,
}

impl Exit {
    /// The number the process ends with.
    pub const fn number(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}
