//! `report`: what became of every record of a run, as CSV and JSON.

use std::path::{Path, PathBuf};

use blobs::Blobs;
use clap::Args;
use coordinator::{Commands, Links};
use ledger::Ledger;
use model::plan::Plan;
use model::run::Run;
use model::{MigrationId, RunNo};
use serde_json::json;

use crate::exit::Exit;
use crate::failure::{Code, Failure};
use crate::output::{document, reconciled, table};
use crate::places::{PlaceArguments, Places};
use crate::shell::Shell;

/// Writes what became of every record: migrated, failed, skipped and filtered, as CSV and JSON, with links and reasons
///
/// One file per kind and outcome. The files add up to the table. What `verify --reconcile` found lies beside them. Records that a later run selected again are in the later run's
/// report.
#[derive(Debug, Args)]
pub(crate) struct ReportArguments {
    #[command(flatten)]
    places: PlaceArguments,
    /// Number of the run [default: the current one]
    #[arg(long, value_name = "NUMBER")]
    run: Option<u32>,
    /// Directory for the files [default: reports/run-<number> in the state directory]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs it.
pub(crate) async fn run(arguments: &ReportArguments, shell: &Shell) -> Result<Exit, Failure> {
    let places = arguments.places.find()?;
    let ledger = places.ledger_beside().await?;
    let blobs = places.open_blobs(shell)?;
    let commands = Commands::new(ledger.clone());
    let run = match arguments.run {
        Some(number) => commands.run(RunNo(number)).await?.ok_or_else(|| {
            Failure::new(Code::NoRun, format!("migration \"{}\" has no run {number}", places.migration))
        })?,
        None => following_run(&commands).await?,
    };
    let directory = arguments.out.clone().unwrap_or_else(|| directory(&places, run.number));
    let files = write(&ledger, &blobs, &places.migration, &run, &directory).await?;
    let counts = commands.counts_of(&run).await?;
    shell.output.say(format!("Run {} ({}): {}", run.number, run.mode.name(), run.status.name()));
    shell.output.say(table::counts(shell.output, &counts));
    let reconciliation = commands.reconciliation(run.number).await?;
    if let Some(reconciliation) = &reconciliation {
        shell.output.say(reconciled::line(reconciliation));
    }
    shell.output.say(format!("Reports: {} files in {}", files.len(), directory.display()));
    shell.output.document(&json!({
        "run": document::run(&run),
        "kinds": document::counts(&counts),
        "directory": directory,
        "files": files,
        "reconciliation": reconciliation.as_ref().map(document::reconciliation),
    }));
    Ok(Exit::Ok)
}

async fn following_run(commands: &Commands) -> Result<Run, Failure> {
    commands.current().await?.ok_or_else(|| Failure::new(Code::NoRun, "this migration has no run yet"))
}

/// Where the reports of a run are written unless another place is named.
pub(crate) fn directory(places: &Places, run: RunNo) -> PathBuf {
    places.state.join("reports").join(format!("run-{:06}", run.0))
}

/// Writes the reports of a run.
pub(crate) async fn write(
    ledger: &Ledger,
    blobs: &Blobs,
    migration: &MigrationId,
    run: &Run,
    directory: &Path,
) -> Result<Vec<PathBuf>, Failure> {
    let links = links(&Commands::new(ledger.clone()), run).await?;
    Ok(coordinator::write_reports(ledger, blobs, migration, run.number, &links, directory).await?)
}

/// Where a person opens the records of a run; from the plan that the run executes.
pub(crate) async fn links(commands: &Commands, run: &Run) -> Result<Links, Failure> {
    let damaged = |what: &str| Failure::new(Code::Internal, format!("the plan of run {} {what}", run.number));
    let stored = commands.plan_of(run).await?.ok_or_else(|| damaged("is not in the ledger"))?;
    let plan = Plan::parse(&stored.yaml).map_err(|problems| damaged("cannot be read").because(problems))?;
    Ok(Links { source_url: plan.source.url().to_string(), target_url: plan.target.url.to_string() })
}
