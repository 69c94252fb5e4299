//! kayako-migrate: every operator command; all services in one process.
//!
//! Constraints:
//! - Standard output belongs to results (tables, or JSON with `--json`), standard error to logs, progress and failures.
//! - Nothing here decides about records: commands change facts, services and reconcilers do the work. What a command learns it
//!   reads from the ledger, so that it says the same whether it runs the migration itself or looks at one elsewhere.
//! - Every failure ends as one [`failure::Failure`]: a sentence, what to do, a stable code. No secret reaches any of them.
//!
//! Reading order: [`arguments`] is the command line, one file below `commands` per command; [`places`] says where state lives;
//! [`assemble`] builds the services of a process; [`exit`] and [`failure`] are how a command ends.

#![expect(
    clippy::format_push_string,
    reason = "texts of a few lines; `write!` would bring a result that cannot fail to every one of them"
)]

pub mod accounts;
mod arguments;
pub mod assemble;
mod commands;
pub mod exit;
pub mod failure;
mod following;
mod output;
pub mod places;
mod shell;
mod survey;

use std::process::ExitCode;

use clap::Parser as _;
use runtime::Variables;

use crate::arguments::Arguments;
use crate::exit::Exit;
use crate::shell::Shell;
pub use crate::shell::crash_points;

/// Parses the command line, runs the command and says how it ended.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no failures and go to standard output; clap knows which is which.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Ok };
            drop(error.print());
            return exit.into();
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::complain(&format!("error: the process cannot be set up: {error}"));
            return Exit::Internal.into();
        }
    };
    let exit = runtime.block_on(run(arguments));
    // A blocked look-up of a host name must not hold up the end of the process.
    runtime.shutdown_background();
    exit.into()
}

async fn run(arguments: Arguments) -> Exit {
    let shell = Shell::new(&arguments, Variables::of_process());
    let telemetry = match shell.telemetry(&arguments) {
        Ok(telemetry) => telemetry,
        Err(failure) => return shell.output.failure(&failure),
    };
    let exit = match commands::run(arguments.command, &shell).await {
        Ok(exit) => exit,
        Err(failure) => shell.output.failure(&failure),
    };
    if let Err(error) = telemetry.shutdown(shell::TRACES_FLUSHED_WITHIN).await {
        tracing::warn!(error = %error, "the last traces were not handed over");
    }
    exit
}
