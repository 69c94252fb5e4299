//! Watches a run until it is over, stands still, or the process is told to stop.

use std::time::Duration;

use coordinator::{Commands, Status};
use ledger::Ledger;
use model::run::RunStatus;
use runtime::{Context, Draining};

use crate::exit::Exit;
use crate::failure::{Code, Failure};
use crate::output::pace::{Pace, PaceMeter};

/// Why watching ended.
#[derive(Debug)]
pub(crate) enum Ending {
    /// The run is finished.
    Finished(Status),
    /// It stands still until a person acts; with the message.
    Halted(Status, String),
    /// An operator gave it up.
    Cancelled(Status),
    /// The process is told to stop, or one of its tasks failed.
    Stopped(Status),
}

impl Ending {
    /// The last status seen.
    pub(crate) fn status(&self) -> &Status {
        match self {
            Self::Finished(status)
            | Self::Halted(status, _)
            | Self::Cancelled(status)
            | Self::Stopped(status) => status,
        }
    }

    /// How the command ends.
    pub(crate) fn verdict(&self) -> Result<Exit, Failure> {
        match self {
            Self::Finished(status) if status.counts.kinds.iter().any(|(_, counts)| counts.failed > 0) => {
                Ok(Exit::RecordsFailed)
            }
            Self::Finished(_) => Ok(Exit::Ok),
            Self::Halted(_, message) => {
                Err(Failure::new(Code::RunHalted, format!("the run stands still: {message}")))
            }
            Self::Cancelled(_) => Err(Failure::new(Code::RunCancelled, "the run was cancelled")),
            Self::Stopped(_) => Ok(Exit::Interrupted),
        }
    }
}

/// The status of the current run.
pub(crate) async fn status(commands: &Commands) -> Result<Status, Failure> {
    commands.status(None).await?.ok_or_else(|| Failure::new(Code::NoRun, "this migration has no run yet"))
}

/// Looks at the run every so often and shows it, until there is nothing more to wait for.
///
/// # Errors
/// The ledger's disk is full. Its services would wait for room as long as it takes, and nobody would hear why: a run can only be halted
/// in the ledger.
pub(crate) async fn until_over(
    commands: &Commands,
    ledger: &Ledger,
    context: &Context,
    draining: &Draining,
    every: Duration,
    mut show: impl FnMut(&Status, Pace),
) -> Result<Ending, Failure> {
    let mut meter = PaceMeter::default();
    let mut away = false;
    loop {
        let status = match status(commands).await {
            Ok(status) => {
                away = false;
                status
            }
            // The run goes on without whoever watches it: a restart of the ledger's server is no reason to leave.
            Err(failure) if failure.code == Code::LedgerUnreachable => {
                if !away {
                    tracing::warn!(error = %failure, "the ledger does not answer; looking again until it does");
                }
                away = true;
                if draining.unless_begun(context.clock.sleep(every)).await.is_none() {
                    return Err(failure);
                }
                continue;
            }
            Err(failure) => return Err(failure),
        };
        if ledger.is_full() {
            return Err(Failure::new(Code::StorageFull, "the disk of the ledger file is full"));
        }
        show(&status, meter.look(context.clock.uptime(), &status));
        match &status.run.status {
            RunStatus::Finished => return Ok(Ending::Finished(status)),
            RunStatus::Cancelled => return Ok(Ending::Cancelled(status)),
            RunStatus::Halted { message } => {
                let message = message.clone();
                return Ok(Ending::Halted(status, message));
            }
            RunStatus::Running | RunStatus::Paused => {}
        }
        if draining.unless_begun(context.clock.sleep(every)).await.is_none() {
            return Ok(Ending::Stopped(status));
        }
    }
}
