//! `status`: what the current run is doing.

use std::io::IsTerminal as _;
use std::time::Duration;

use clap::Args;
use coordinator::{Commands, Status};
use runtime::Shutdown;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::following::{self, Ending};
use crate::output::pace::Pace;
use crate::output::progress::{Progress, sentence};
use crate::output::{document, reconciled, table};
use crate::places::PlaceArguments;
use crate::shell::Shell;

/// How often a watched run is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// A watcher that is told to stop has nothing in hand.
const GRACE: Duration = Duration::from_secs(1);

/// Shows what the current run is doing: the table, and what it waits for
#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    #[command(flatten)]
    places: PlaceArguments,
    /// Keeps looking until the run is over: bars on a terminal, otherwise one line per change (with --json: one document per line)
    #[arg(long, short)]
    watch: bool,
}

/// Runs it.
pub(crate) async fn run(arguments: &StatusArguments, shell: &Shell) -> Result<Exit, Failure> {
    let ledger = arguments.places.find()?.ledger_beside().await?;
    let commands = Commands::new(ledger.clone());
    if !arguments.watch {
        let status = following::status(&commands).await?;
        show(shell, &status);
        shell.output.document(&document::status(&status, None));
        return Ok(Exit::Ok);
    }
    let context = shell.context()?;
    let shutdown = Shutdown::new(context.clone(), GRACE);
    shutdown.listen_to_signals()?;
    let progress = Progress::new(shell.output);
    let lines = !std::io::stderr().is_terminal();
    let mut last = None;
    let each = |status: &Status, pace: Pace| {
        progress.show(status, pace);
        // A line only when something moved: the rate alone changes all the time.
        if last.as_ref() != Some(status) {
            shell.output.document(&document::status(status, Some(&pace)));
            if lines && !status.run.status.is_over() {
                shell.output.say(line(status, pace));
            }
            last = Some(status.clone());
        }
    };
    let ending =
        following::until_over(&commands, &ledger, &context, &shutdown.draining(), EVERY, each).await?;
    progress.clear();
    show(shell, ending.status());
    match ending {
        Ending::Finished(_) | Ending::Stopped(_) => Ok(Exit::Ok),
        ending => ending.verdict(),
    }
}

fn line(status: &Status, pace: Pace) -> String {
    let kinds: Vec<String> = status
        .counts
        .kinds
        .iter()
        .map(|(kind, counts)| {
            let done = counts.migrated + counts.failed + counts.skipped;
            format!("{} {done}/{}", kind.plural(), counts.available)
        })
        .collect();
    format!("{}; {}", kinds.join(", "), sentence(status, pace))
}

fn show(shell: &Shell, status: &Status) {
    let run = &status.run;
    let mut head = format!("Run {} ({}): {}", run.number, run.mode.name(), run.status.name());
    head.push_str(&format!(", started {}", document::moment(run.started_at)));
    if let Some(ended) = run.ended_at {
        head.push_str(&format!(", ended {}", document::moment(ended)));
    }
    shell.output.say(head);
    shell.output.say(table::counts(shell.output, &status.counts));
    for phase in status.phases.iter().filter(|phase| phase.shards > phase.shards_done) {
        let estimate = phase
            .estimate
            .map_or_else(String::new, |estimate| format!(", the source counts about {estimate}"));
        shell.output.say(format!(
            "Reading {}: {} of {} slices done{estimate}",
            phase.kind.plural(),
            phase.shards_done,
            phase.shards
        ));
    }
    if let Some(reconciliation) = &status.reconciliation {
        shell.output.say(reconciled::line(reconciliation));
    }
    for reason in &status.waiting_for {
        shell.output.say(format!("Waiting for {reason}"));
    }
}
