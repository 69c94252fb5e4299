//! Reports: for each kind what was migrated, failed, skipped and filtered, as CSV and as JSON.
//!
//! Constraints: the columns are stable (a new one goes to the end); the files add up to the table, because both come
//! from the same rows; nothing is held in memory but the last detail of each record that has one: why it did not
//! arrive, or what was carried differently.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use blobs::Blobs;
use futures::StreamExt;
use ledger::Ledger;
use model::journal::{Entry, What};
use model::row::{Arrival, Row, State};
use model::{Kind, MigrationId, RecordKey, RunNo};
use serde::Serialize;

use crate::error::{During, Error};
use crate::links::Links;

/// Rows read at a time.
const PAGE: usize = 5_000;

/// One line of a report. The order of the fields is the order of the columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportRow {
    /// `team`, `organization`, `user` or `case`.
    pub kind: &'static str,
    /// Id at the source.
    pub source_id: String,
    /// Id in Kayako, if it is there.
    pub kayako_id: Option<u64>,
    /// `created`, `adopted` or `merged` for migrated records.
    pub how: Option<&'static str>,
    /// Reason code for the others.
    pub reason: Option<&'static str>,
    /// What that means.
    pub explanation: Option<&'static str>,
    /// What to do about it.
    pub next_step: Option<&'static str>,
    /// Which value or error; for migrated records what was carried differently.
    pub detail: Option<String>,
    /// The record at the source.
    pub source_link: String,
    /// The object in Kayako.
    pub kayako_link: Option<String>,
}

/// The files of one report.
struct Sink {
    csv: csv::Writer<BufWriter<File>>,
    json: BufWriter<File>,
    lines: u64,
}

fn failed(path: &Path, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let file = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    Error::Report { file, source: source.into() }
}

const COLUMNS: [&str; 10] = [
    "kind",
    "source_id",
    "kayako_id",
    "how",
    "reason",
    "explanation",
    "next_step",
    "detail",
    "source_link",
    "kayako_link",
];

impl Sink {
    fn create(directory: &Path, name: &str) -> Result<(Self, [PathBuf; 2]), Error> {
        let (csv_path, json_path) =
            (directory.join(format!("{name}.csv")), directory.join(format!("{name}.json")));
        let open = |path: &Path| File::create(path).map(BufWriter::new).map_err(|error| failed(path, error));
        let mut csv = csv::WriterBuilder::new().has_headers(false).from_writer(open(&csv_path)?);
        csv.write_record(COLUMNS).map_err(|error| failed(&csv_path, error))?;
        let mut json = open(&json_path)?;
        json.write_all(b"[").map_err(|error| failed(&json_path, error))?;
        Ok((Self { csv, json, lines: 0 }, [csv_path, json_path]))
    }

    fn add(&mut self, row: &ReportRow) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.csv.serialize(row)?;
        self.json.write_all(if self.lines == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut self.json, row)?;
        self.lines += 1;
        Ok(())
    }

    fn close(mut self) -> Result<(), std::io::Error> {
        self.csv.flush()?;
        self.json.write_all(if self.lines == 0 { b"]\n" } else { b"\n]\n" })?;
        self.json.flush()
    }
}

fn outcome(state: State) -> Option<&'static str> {
    match state {
        State::Committed | State::Verified => Some("migrated"),
        State::Failed => Some("failed"),
        State::Skipped => Some("skipped"),
        State::Filtered => Some("filtered"),
        _ => None,
    }
}

/// Writes the reports of a run into a directory and returns the files' paths. Records that are still pending are in
/// no file.
pub async fn write(
    ledger: &Ledger,
    blobs: &Blobs,
    migration: &MigrationId,
    run: RunNo,
    links: &Links,
    directory: &Path,
) -> Result<Vec<PathBuf>, Error> {
    std::fs::create_dir_all(directory).map_err(|error| failed(directory, error))?;
    let details = details(blobs, migration).await?;
    let mut sinks: HashMap<(Kind, &'static str), (Sink, [PathBuf; 2])> = HashMap::new();
    for kind in Kind::ALL {
        for outcome in ["migrated", "failed", "skipped", "filtered"] {
            sinks.insert((kind, outcome), Sink::create(directory, &format!("{}-{outcome}", kind.plural()))?);
        }
    }
    let mut cursor = None;
    loop {
        let (page, next) = ledger.scan(cursor.as_ref(), PAGE).await.during("read the rows")?;
        for (key, row) in &page {
            let Some(outcome) = outcome(row.state).filter(|_| row.run == run) else { continue };
            if let Some((sink, [path, _])) = sinks.get_mut(&(key.kind, outcome)) {
                sink.add(&line(key, row, links, &details)).map_err(|error| failed(path, error))?;
            }
        }
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    let mut files = Vec::new();
    for (_, (sink, paths)) in sinks {
        sink.close().map_err(|error| failed(&paths[0], error))?;
        files.extend(paths);
    }
    files.sort();
    Ok(files)
}

fn line(key: &RecordKey, row: &Row, links: &Links, details: &HashMap<RecordKey, String>) -> ReportRow {
    let reason = row.reason.filter(|_| !row.state.is_migrated());
    let kayako_id = row.kayako_id.filter(|_| row.state.is_migrated() || row.state == State::Failed);
    ReportRow {
        kind: key.kind.name(),
        source_id: key.id.as_str().to_owned(),
        kayako_id: kayako_id.map(|id| id.0),
        how: row.arrival.filter(|_| row.state.is_migrated()).map(|arrival| match arrival {
            Arrival::Created => "created",
            Arrival::Adopted => "adopted",
            Arrival::Merged => "merged",
        }),
        reason: reason.map(model::Reason::code),
        explanation: reason.map(model::Reason::sentence),
        next_step: reason.map(model::Reason::next_step),
        detail: details.get(key).cloned(),
        source_link: links.source(key.kind, &key.id),
        kayako_link: kayako_id.map(|id| links.target(key.kind, id)),
    }
}

/// The last word about a record.
enum Told {
    /// Why it did not arrive; a later success takes it back.
    Ended(String),
    /// What was carried differently; stays true of the object.
    Carried(String),
}

/// Adds what was carried differently to what is known of a record.
fn note(found: &mut HashMap<RecordKey, Told>, key: RecordKey, detail: String) {
    match found.get_mut(&key) {
        // A message that came twice tells it twice.
        Some(Told::Carried(told)) if told.contains(&detail) => {}
        Some(Told::Carried(told)) => {
            told.push_str("; ");
            told.push_str(&detail);
        }
        Some(Told::Ended(_)) | None => drop(found.insert(key, Told::Carried(detail))),
    }
}

/// The last detail of every record that has one: why it did not arrive, or what was carried differently.
async fn details(blobs: &Blobs, migration: &MigrationId) -> Result<HashMap<RecordKey, String>, Error> {
    let mut found: HashMap<RecordKey, Told> = HashMap::new();
    let mut lines = blobs.scan(migration.as_str());
    while let Some(line) = lines.next().await {
        let Some(Entry { key, what, .. }) = Entry::decode(&line?) else { continue };
        match what {
            What::Failed { detail, .. } | What::Skipped { detail, .. } => {
                found.insert(key, Told::Ended(detail));
            }
            What::Noted { detail } => note(&mut found, key, detail),
            What::Doubled { others } => {
                let others: Vec<String> = others.iter().map(ToString::to_string).collect();
                let others = others.join(", ");
                note(
                    &mut found,
                    key,
                    format!("other objects carried its origin key when it was counted: {others}"),
                );
            }
            What::Extracted { missing, .. } => {
                // A new try: what the one before met no longer counts.
                found.remove(&key);
                if !missing.is_empty() {
                    let missing = missing.join(", ");
                    note(&mut found, key, format!("files the source no longer has: {missing}"));
                }
            }
            // A success leaves nothing to explain about an earlier failure; what was carried differently stays so.
            What::Present { .. } if matches!(found.get(&key), Some(Told::Ended(_))) => {
                found.remove(&key);
            }
            _ => {}
        }
    }
    let text = |told| match told {
        Told::Ended(text) | Told::Carried(text) => text,
    };
    Ok(found.into_iter().map(|(key, told)| (key, text(told))).collect())
}
