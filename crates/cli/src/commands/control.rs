//! `pause`, `resume`, `cancel`: each changes one fact, services and reconcilers follow it.

use clap::Args;
use coordinator::Commands;
use model::run::Run;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::document;
use crate::places::PlaceArguments;
use crate::shell::Shell;

/// Lets services finish what is in hand and take no new work
#[derive(Debug, Args)]
pub(crate) struct PauseArguments {
    #[command(flatten)]
    places: PlaceArguments,
}

/// Lets a paused or halted run go on, and allows a new log-in after a refused one
///
/// A run whose process has ended is continued by `run` with the same plan and mode.
#[derive(Debug, Args)]
pub(crate) struct ResumeArguments {
    #[command(flatten)]
    places: PlaceArguments,
}

/// Gives the current run up; what was migrated stays
#[derive(Debug, Args)]
pub(crate) struct CancelArguments {
    #[command(flatten)]
    places: PlaceArguments,
}

/// `pause`.
pub(crate) async fn pause(arguments: &PauseArguments, shell: &Shell) -> Result<Exit, Failure> {
    let commands = open(&arguments.places).await?;
    Ok(told(shell, &commands.pause().await?))
}

/// `resume`.
pub(crate) async fn resume(arguments: &ResumeArguments, shell: &Shell) -> Result<Exit, Failure> {
    let commands = open(&arguments.places).await?;
    Ok(told(shell, &commands.resume().await?))
}

/// `cancel`.
pub(crate) async fn cancel(arguments: &CancelArguments, shell: &Shell) -> Result<Exit, Failure> {
    let commands = open(&arguments.places).await?;
    Ok(told(shell, &commands.cancel().await?))
}

async fn open(places: &PlaceArguments) -> Result<Commands, Failure> {
    Ok(Commands::new(places.find()?.ledger_beside().await?))
}

fn told(shell: &Shell, run: &Run) -> Exit {
    shell.output.say(format!("run {} ({}) is {}", run.number, run.mode.name(), run.status.name()));
    shell.output.document(&document::run(run));
    Exit::Ok
}
