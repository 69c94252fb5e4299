//! The JSON documents of `--json`. Constraint: names and shapes are promises (docs/cli.md); fields are only ever added.

use std::path::PathBuf;

use coordinator::Status;
use jiff::Timestamp;
use model::UnixMillis;
use model::facts::Reconciliation;
use model::run::{Run, RunCounts, RunStatus};
use serde_json::{Map, Value, json};

use crate::output::pace::Pace;

/// A moment as people and programs read it.
pub(crate) fn moment(at: UnixMillis) -> String {
    Timestamp::from_millisecond(at.0).map_or_else(|_| at.to_string(), |moment| moment.to_string())
}

/// A run.
pub(crate) fn run(run: &Run) -> Value {
    let message = match &run.status {
        RunStatus::Halted { message } => Some(message),
        _ => None,
    };
    json!({
        "number": run.number,
        "mode": run.mode,
        "status": run.status.name(),
        "message": message,
        "plan_hash": run.plan_hash,
        "seed": run.seed,
        "sample": run.sample,
        "started_at": moment(run.started_at),
        "ended_at": run.ended_at.map(moment),
    })
}

/// What a comparison with Kayako came to.
pub(crate) fn reconciliation(found: &Reconciliation) -> Value {
    json!({
        "at": moment(found.at),
        "repair": found.repair,
        "compared": found.compared,
        "listed": found.listed,
        "differences": found.differences,
        "repaired": found.repaired,
        "unsettled": found.unsettled,
        "file": found.file,
    })
}

/// The table of a run, by kind.
pub(crate) fn counts(counts: &RunCounts) -> Value {
    Value::Object(counts.kinds.iter().map(|(kind, counts)| (kind.name().to_owned(), json!(counts))).collect())
}

/// A status.
pub(crate) fn status(status: &Status, pace: Option<&Pace>) -> Value {
    let phases: Map<String, Value> = status
        .phases
        .iter()
        .map(|phase| {
            let about = json!({
                "opened": phase.opened,
                "shards": phase.shards,
                "shards_done": phase.shards_done,
                "estimate": phase.estimate,
            });
            (phase.kind.name().to_owned(), about)
        })
        .collect();
    let queues: Map<String, Value> =
        status.queues.iter().map(|(stage, ready)| (stage.clone(), json!(ready))).collect();
    json!({
        "run": run(&status.run),
        "kinds": counts(&status.counts),
        "phases": phases,
        "waiting_for": status.waiting_for,
        "queues": queues,
        "reconciliation": status.reconciliation.as_ref().map(reconciliation),
        "records_per_second": pace.and_then(|pace| pace.per_second),
        "eta_seconds": pace.and_then(|pace| pace.remaining).map(|left| left.as_secs()),
    })
}

/// A status with the reports that were written.
pub(crate) fn ended(ended: &Status, reports: &[PathBuf]) -> Value {
    let mut document = status(ended, None);
    document["reports"] = json!(reports);
    document
}
