//! One file per command.

pub(crate) mod control;
pub(crate) mod explain;
pub(crate) mod init;
pub(crate) mod plan;
pub(crate) mod preflight;
pub(crate) mod quickstart;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod status;
pub(crate) mod verify;

use crate::arguments::Command;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::shell::Shell;

/// Runs one command.
pub(crate) async fn run(command: Command, shell: &Shell) -> Result<Exit, Failure> {
    match command {
        Command::Quickstart(arguments) => quickstart::run(&arguments, shell).await,
        Command::Init(arguments) => init::run(arguments, shell).await,
        Command::Preflight(arguments) => preflight::run(&arguments, shell).await,
        Command::Run(arguments) => run::run(&arguments, shell).await,
        Command::Status(arguments) => status::run(&arguments, shell).await,
        Command::Pause(arguments) => control::pause(&arguments, shell).await,
        Command::Resume(arguments) => control::resume(&arguments, shell).await,
        Command::Cancel(arguments) => control::cancel(&arguments, shell).await,
        Command::Report(arguments) => report::run(&arguments, shell).await,
        Command::Explain(arguments) => explain::run(&arguments, shell).await,
        Command::Verify(arguments) => verify::run(&arguments, shell).await,
        Command::Serve(arguments) => serve::run(&arguments, shell).await,
        Command::Plan(arguments) => plan::run(&arguments, shell),
    }
}
