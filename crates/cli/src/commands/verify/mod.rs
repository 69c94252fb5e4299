//! `verify --reconcile`: the objects in Kayako against the ledger.

mod files;

use std::sync::Arc;

use clap::Args;
use coordinator::Commands;
use loader::{Action, Difference, Discrepancy, Reconciled, Reconciliation, Scope};
use model::facts;
use serde_json::json;

use crate::accounts::{self, Wires};
use crate::assemble::{account_gate, origin};
use crate::commands::report::{directory, links};
use crate::commands::run::{owner, refuse_strangers};
use crate::exit::Exit;
use crate::failure::{Code, Failure};
use crate::output::progress::counting;
use crate::output::reconciled::plurals;
use crate::places::PlaceArguments;
use crate::shell::{Shell, timing};

use files::Files;

/// Differences told one by one; the files have all of them.
const SHOWN: usize = 20;

/// Compares Kayako with the ledger: counts the objects of every record's origin key
///
/// Finds records with several objects (surplus), with none (missing), with another than the ledger knows (strange), objects of
/// records that did not arrive (stray), and objects under keys of this migration that the ledger does not know (foreign). Without
/// --repair nothing is changed: it says what --repair would do. Every difference is written to reconciliation-<time>.json and .csv
/// among the run's reports, with links and what to do. May be used at any time; what a run has in hand is left alone.
///
/// Cost: a call for some 50 records, and for the foreign ones a call for every 100 objects of the whole account, also those that no
/// migration wrote; both within the account's rate limit. Needs the Kayako password that the plan names.
///
/// Examples:
///   kayako-migrate verify --reconcile              look, and see what a repair would do
///   kayako-migrate verify --reconcile --repair     do it
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct VerifyArguments {
    #[command(flatten)]
    places: PlaceArguments,
    /// Counts the objects of every origin key
    #[arg(long, required = true)]
    reconcile: bool,
    /// Puts right what can be: surplus cases go to the trash, from which they can be restored; missing records are written again by
    /// the run that is going on or the next full one. Nothing else is changed
    #[arg(long)]
    repair: bool,
    /// Leaves out the search for foreign objects, which lists the whole account
    #[arg(long)]
    skip_foreign: bool,
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
    let clock = Arc::clone(&context.clock);
    let reconciliation = Reconciliation {
        migration: places.migration.clone(),
        origin: origin(&plan)?,
        client: accounts::target(&plan, &shell.variables, &timing, Arc::new(gate), &Wires::network())?,
        blobs: places.open_blobs(shell)?,
        ledger,
        timing,
        context,
        // Nobody asks this process for them; a repair counts all the same.
        metrics: loader::Metrics::register(&runtime::Metrics::new()?)?,
    };
    let links = links(&commands, &run).await?;
    let mut files = Files::create(&directory(&places, run.number), clock.now(), links)?;
    let bar = counting(shell.output, "records and objects compared");
    let mut shown = Vec::new();
    let each = |so_far: &Reconciled, difference: Option<&Difference>| {
        bar.set_position(so_far.compared + so_far.listed.unwrap_or(0));
        let Some(difference) = difference else { return Ok(()) };
        if shown.len() < SHOWN {
            shown.push(line(difference, arguments.repair));
        }
        files.add(difference)
    };
    let scope = Scope { repair: arguments.repair, foreign: !arguments.skip_foreign };
    let result = reconciliation.run(scope, each).await;
    bar.finish_and_clear();
    // What was repaired before a failure stays recorded.
    let file = files.close()?;
    let result = result.map_err(Failure::from)?;
    let fact = facts::Reconciliation {
        at: clock.now(),
        repair: arguments.repair,
        compared: result.compared,
        listed: result.listed,
        differences: named(&result),
        repaired: result.repaired,
        unsettled: result.unsettled.clone(),
        file: file.display().to_string(),
    };
    commands.note_reconciliation(run.number, &fact).await?;
    tell(shell, arguments, &result, &shown, &fact.file);
    shell.output.document(&json!({
        "run": run.number,
        "compared": result.compared,
        "listed": result.listed,
        "differences": result.differences,
        "repaired": result.repaired,
        "unsettled": result.unsettled,
        "file": file,
    }));
    Ok(if result.is_clean() { Exit::Ok } else { Exit::RecordsFailed })
}

fn named(result: &Reconciled) -> std::collections::BTreeMap<String, u64> {
    result.differences.iter().map(|(discrepancy, amount)| (discrepancy.name().to_owned(), *amount)).collect()
}

fn tell(shell: &Shell, arguments: &VerifyArguments, result: &Reconciled, shown: &[String], file: &str) {
    let say = |text: String| shell.output.say(text);
    let listed = result.listed.map_or_else(
        || "; foreign objects were not looked for".to_owned(),
        |listed| format!("; {listed} objects of the account looked at"),
    );
    say(format!("{} records compared with Kayako{listed}", result.compared));
    for (discrepancy, amount) in &result.differences {
        say(format!("{amount} {}: {}", discrepancy.name(), discrepancy.sentence()));
    }
    if !result.unsettled.is_empty() {
        say(format!(
            "Foreign {} may have been passed over: the account's list of them changed all the time while it was read, or does not show \
             origin keys. Compare again when nobody writes; if it stays, foreign objects cannot be found in this account.",
            plurals(&result.unsettled)
        ));
    }
    if result.differences.is_empty() {
        say("Everything agrees".to_owned());
        return;
    }
    if arguments.repair {
        say(format!("{} of them put right:", result.repaired));
    } else {
        say("Nothing was changed. With --repair:".to_owned());
    }
    for line in shown {
        say(format!("  {line}"));
    }
    let found: u64 = result.differences.values().sum();
    let more = found.saturating_sub(shown.len() as u64);
    if more > 0 {
        say(format!("  ... and {more} more"));
    }
    say(format!("Each is in {file} and its .csv, with links and what to do"));
}

/// What is done about one difference, or would be.
fn line(difference: &Difference, repair: bool) -> String {
    let others: Vec<String> = difference.others.iter().map(ToString::to_string).collect();
    let others = others.join(", ");
    let kind = difference.kind;
    let name = match (&difference.source_id, difference.discrepancy) {
        (Some(id), discrepancy) if discrepancy != Discrepancy::Foreign => format!("{kind} {id}"),
        _ => format!("{kind} under {}", difference.origin_key),
    };
    let kept = difference.kayako_id.map_or_else(String::new, |id| format!("; {id} is kept"));
    let what = match (difference.action, repair, difference.repaired) {
        (Action::Trash, false, _) => format!("{others} would go to the trash{kept}"),
        (Action::Trash, true, true) => format!("{others} went to the trash{kept}"),
        (Action::WriteAgain, false, _) => "would be written again".to_owned(),
        (Action::WriteAgain, true, true) => "will be written again".to_owned(),
        (Action::Trash | Action::WriteAgain, true, false) => {
            "was left alone: it changed meanwhile; compare again".to_owned()
        }
        (Action::None, _, _) if others.is_empty() => "compare again later".to_owned(),
        (Action::None, _, _) => format!("{others}: a person has to decide"),
    };
    format!("{} ({}): {what}", name, difference.discrepancy.name())
}
