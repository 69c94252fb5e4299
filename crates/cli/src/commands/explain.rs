//! `explain`: the whole history of one record.

use clap::Args;
use coordinator::{Commands, History, Links};
use model::journal::What;
use model::row::Arrival;
use model::{KayakoId, Kind, RecordKey};
use serde_json::{Value, json};

use crate::commands::report;
use crate::exit::Exit;
use crate::failure::{Code, Failure};
use crate::output::document;
use crate::places::PlaceArguments;
use crate::shell::Shell;

/// Tells the whole history of one record: where it is now, why, and every step on the way
///
/// Examples:
///   kayako-migrate explain 4711
///   kayako-migrate explain 360001 --kind user --json
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ExplainArguments {
    /// The record's id at the source, such as a ticket's number
    #[arg(value_name = "SOURCE ID")]
    id: String,
    /// What it is: team, organization, user or case
    #[arg(long, default_value = "case", value_name = "KIND")]
    kind: Kind,
    #[command(flatten)]
    places: PlaceArguments,
}

/// Runs it.
pub(crate) async fn run(arguments: &ExplainArguments, shell: &Shell) -> Result<Exit, Failure> {
    let places = arguments.places.find()?;
    let ledger = places.ledger_beside().await?;
    let blobs = places.open_blobs(shell)?;
    let key = RecordKey::new(arguments.kind, arguments.id.trim());
    let history = coordinator::history(&ledger, &blobs, &places.migration, &key)
        .await?
        .ok_or_else(|| Failure::new(Code::NoRecord, format!("no run has met {} {}", key.kind, key.id)))?;
    let commands = Commands::new(ledger);
    let links = match commands.current().await? {
        Some(run) => Some(report::links(&commands, &run).await?),
        None => None,
    };
    shell.output.say(text(&history, links.as_ref()));
    shell.output.document(&described(&history, links.as_ref()));
    Ok(Exit::Ok)
}

fn described(history: &History, links: Option<&Links>) -> Value {
    let row = &history.row;
    let reason = row.reason.filter(|_| !row.state.is_migrated());
    json!({
        "kind": history.key.kind,
        "source_id": history.key.id,
        "state": history.state,
        "kayako_id": row.kayako_id,
        "how": row.arrival,
        "reason": reason.map(model::Reason::code),
        "explanation": reason.map(model::Reason::sentence),
        "next_step": reason.map(model::Reason::next_step),
        "run": row.run,
        "attempts": row.flight.map(|flight| flight.attempts),
        "generation": row.generation,
        "source_link": links.map(|links| links.source(history.key.kind, &history.key.id)),
        "kayako_link": links.zip(row.kayako_id).map(|(links, id)| links.target(history.key.kind, id)),
        "history": history.entries,
    })
}

fn text(history: &History, links: Option<&Links>) -> String {
    let row = &history.row;
    let mut lines = vec![format!("{} {}: {}", history.key.kind, history.key.id, history.state)];
    if let Some(id) = row.kayako_id {
        let how = row.arrival.map_or("", |arrival| match arrival {
            Arrival::Created => ", created by the migration",
            Arrival::Adopted => ", existed before and was adopted",
            Arrival::Merged => ", shared with another record",
        });
        lines.push(format!("  In Kayako: {id}{how}"));
    }
    if let Some(reason) = row.reason.filter(|_| !row.state.is_migrated()) {
        lines.push(format!("  Why: {} ({})", reason.sentence(), reason.code()));
        lines.push(format!("  What to do: {}", reason.next_step()));
    }
    if let Some(links) = links {
        lines.push(format!("  At the source: {}", links.source(history.key.kind, &history.key.id)));
        if let Some(id) = row.kayako_id {
            lines.push(format!("  Open in Kayako: {}", links.target(history.key.kind, id)));
            if history.key.kind == Kind::Case {
                lines.push(
                    "  Not in a list there? Set the view to all conversations and any time.".to_owned(),
                );
            }
        }
    }
    lines.push("  History:".to_owned());
    for entry in &history.entries {
        lines.push(format!("    {}  run {}  {}", document::moment(entry.at), entry.run, event(&entry.what)));
    }
    lines.join("\n")
}

fn event(what: &What) -> String {
    match what {
        What::Extracted { posts, attachments, missing } => {
            let missing = if missing.is_empty() {
                String::new()
            } else {
                format!("; files the source no longer has: {}", missing.join(", "))
            };
            format!("read from the source: {posts} posts, {attachments} files{missing}")
        }
        What::Noted { detail } => format!("carried differently: {detail}"),
        What::Sent { job, batch } => {
            let job = job.map_or_else(String::new, |job| format!(", job {job}"));
            format!("sent to Kayako among {batch} records{job}")
        }
        What::Tried { class, detail } => format!("a try ended without success ({class}): {detail}"),
        What::InDoubt { detail } => format!("it may have been written: {detail}"),
        What::Probed { found } => format!("looked for in Kayako: {found} found"),
        What::Recounted { found, arrival } => {
            format!("once in doubt, so counted again: {}", counted(*found, *arrival))
        }
        What::Requeued => {
            "in Kayako no more; it is written again, under the key of its next generation".to_owned()
        }
        What::Present { id, .. } => format!("exists in Kayako as {id}"),
        What::Deduplicated { trashed } => format!("surplus copies go to the trash: {}", listed(trashed)),
        What::Doubled { others } => {
            format!("other objects carry its key, and only a person can remove them: {}", listed(others))
        }
        What::Committed { id, .. } => format!("complete in Kayako as {id}"),
        What::Kept => "changed at the source or in the plan; left as it is".to_owned(),
        What::Skipped { reason, detail } => format!("skipped ({}): {detail}", reason.code()),
        What::Failed { reason, detail } => format!("failed ({}): {detail}", reason.code()),
    }
}

fn listed(ids: &[KayakoId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What a number of objects under a record's own key means.
fn counted(found: u32, arrival: Option<Arrival>) -> String {
    match (arrival, found) {
        (Some(Arrival::Adopted), 0) => {
            "nothing under its own key, which is right: it was there before and was adopted".to_owned()
        }
        (Some(Arrival::Merged), 0) => {
            "nothing under its own key, which is right: it shares another record's object".to_owned()
        }
        (Some(Arrival::Adopted | Arrival::Merged), found) => {
            format!("{found} objects under its own key, where none is right")
        }
        (_, 1) => "one object in Kayako".to_owned(),
        (Some(Arrival::Created), found) => format!("{found} objects in Kayako, where one is right"),
        // Told by an earlier version, which did not say how it had come to be there.
        (None, found) => format!("{found} objects under its own key"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_judged_by_how_the_record_came_to_be_there() {
        let told = |found, arrival| event(&What::Recounted { found, arrival });
        for shared in [Arrival::Adopted, Arrival::Merged] {
            assert!(told(0, Some(shared)).contains("which is right"), "{shared:?}");
            assert!(told(1, Some(shared)).contains("where none is right"), "{shared:?}");
        }
        assert!(told(1, Some(Arrival::Created)).ends_with("one object in Kayako"));
        assert!(told(2, Some(Arrival::Created)).contains("2 objects in Kayako, where one is right"));
        assert!(!told(0, None).contains("right"), "nobody knows");
    }
}
