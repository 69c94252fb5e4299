//! `verify --reconcile`: the objects in Kayako against the ledger.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::Arc;

use clap::Args;
use coordinator::Commands;
use loader::{Difference, Discrepancy, Reconciled, Reconciliation};
use serde_json::json;

use crate::accounts::{self, Wires};
use crate::assemble::{account_gate, origin};
use crate::commands::report::directory;
use crate::commands::run::{owner, refuse_strangers};
use crate::exit::Exit;
use crate::failure::{Code, Failure};
use crate::output::progress::counting;
use crate::places::PlaceArguments;
use crate::shell::{Shell, timing};

/// Compares Kayako with the ledger: counts the objects of every record's origin key
///
/// Finds records with several objects (surplus), with none (missing), with another than the ledger knows (strange), and objects of
/// records that did not arrive (stray). Every difference is written to reconciliation.json among the run's reports. May be used at any
/// time; what a run has in hand is left alone. Needs the Kayako password that the plan names.
#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    #[command(flatten)]
    places: PlaceArguments,
    /// Counts the objects of every origin key
    #[arg(long, required = true)]
    reconcile: bool,
    /// Puts right what can be: surplus cases go to the trash, missing records are written again by the next full run. Look at the
    /// differences without it first
    #[arg(long)]
    repair: bool,
}

/// Runs it.
pub(crate) async fn run(arguments: &VerifyArguments, shell: &Shell) -> Result<Exit, Failure> {
    let places = arguments.places.find()?;
    let ledger = places.ledger_beside().await?;
    let commands = Commands::new(ledger.clone());
    let no_run = || Failure::new(Code::NoRun, "this migration has no run yet");
    let run = commands.current().await?.ok_or_else(no_run)?;
    let stored = commands.plan_of(&run).await?.ok_or_else(no_run)?;
    let plan = model::plan::Plan::parse(&stored.yaml)
        .map_err(|problems| Failure::plan("the plan in the ledger cannot be read", problems))?;
    if arguments.repair {
        refuse_strangers(&plan)?;
    }
    let scale = shell.scale(&plan)?;
    let timing = timing(&plan, scale)?;
    let context = shell.context()?;
    let gate = account_gate(&plan, &ledger, &context, &timing, owner(&context))?;
    let reconciliation = Reconciliation {
        migration: places.migration.clone(),
        origin: origin(&plan)?,
        client: accounts::target(&plan, &shell.variables, &timing, Arc::new(gate), &Wires::network())?,
        blobs: places.open_blobs(shell)?,
        ledger,
        timing,
        context,
    };
    let directory = directory(&places, run.number);
    let file = directory.join("reconciliation.json");
    let mut differences = Lines::create(&directory, &file)?;
    let bar = counting(shell.output, "records compared");
    let each = |so_far: &Reconciled, difference: Option<&Difference>| {
        bar.set_position(so_far.compared);
        difference.map_or(Ok(()), |difference| differences.add(difference))
    };
    let result = reconciliation.run(arguments.repair, each).await;
    bar.finish_and_clear();
    let result = result.map_err(Failure::from)?;
    differences.close().map_err(|error| Failure::file("the report", &file, error))?;
    shell.output.say(format!("{} records compared with Kayako", result.compared));
    for (discrepancy, amount) in &result.differences {
        shell.output.say(format!("{amount} {}", sentence(*discrepancy)));
    }
    if result.differences.is_empty() {
        shell.output.say("Everything agrees");
    } else {
        shell.output.say(format!("{} of them put right. Each is in {}", result.repaired, file.display()));
    }
    shell.output.document(&json!({
        "run": run.number,
        "compared": result.compared,
        "differences": result.differences,
        "repaired": result.repaired,
        "file": file,
    }));
    Ok(if result.is_clean() { Exit::Ok } else { Exit::RecordsFailed })
}

const fn sentence(discrepancy: Discrepancy) -> &'static str {
    match discrepancy {
        Discrepancy::Surplus => "with more than one object",
        Discrepancy::Missing => "whose object is not in Kayako",
        Discrepancy::Strange => "with another object than the ledger knows",
        Discrepancy::Stray => "that did not arrive, but have an object",
        Discrepancy::Unknown => "about which Kayako's answers did not tell",
    }
}

/// A JSON list, written line by line: there may be as many differences as records.
struct Lines {
    out: BufWriter<File>,
    first: bool,
}

impl Lines {
    fn create(directory: &Path, file: &Path) -> Result<Self, Failure> {
        let failed = |error| Failure::file("the report", file, error);
        std::fs::create_dir_all(directory).map_err(failed)?;
        let mut out = BufWriter::new(File::create(file).map_err(failed)?);
        out.write_all(b"[").map_err(failed)?;
        Ok(Self { out, first: true })
    }

    fn add(&mut self, difference: &Difference) -> Result<(), std::io::Error> {
        self.out.write_all(if self.first { b"\n" } else { b",\n" })?;
        self.first = false;
        serde_json::to_writer(&mut self.out, difference)?;
        Ok(())
    }

    fn close(mut self) -> Result<(), std::io::Error> {
        self.out.write_all(b"\n]\n")?;
        self.out.flush()
    }
}
