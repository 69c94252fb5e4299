//! What a comparison found, each difference a line: as JSON for programs and as CSV for a spreadsheet.
//!
//! Constraints: there may be as many differences as records, so nothing is held; the names of the columns are promises (docs/cli.md); each
//! comparison has files of its own, so that the record of a repair is not overwritten by the next look.

use std::fs::File;
use std::io::{BufWriter, Error as IoError, Write as _};
use std::path::{Path, PathBuf};

use coordinator::Links;
use jiff::Timestamp;
use loader::Difference;
use model::{KayakoId, SourceId, UnixMillis};
use serde::Serialize;

use crate::failure::Failure;

const COLUMNS: [&str; 13] = [
    "kind",
    "source_id",
    "origin_key",
    "discrepancy",
    "kayako_id",
    "others",
    "action",
    "repaired",
    "explanation",
    "next_step",
    "source_link",
    "kayako_link",
    "other_links",
];

/// The files of one comparison.
pub(super) struct Files {
    json: BufWriter<File>,
    csv: csv::Writer<BufWriter<File>>,
    links: Links,
    first: bool,
    /// The JSON file.
    pub(super) path: PathBuf,
}

/// A difference as it is written.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    difference: &'a Difference,
    explanation: &'static str,
    next_step: &'static str,
    source_link: Option<String>,
    kayako_link: Option<String>,
    other_links: Vec<String>,
}

impl Files {
    /// Creates them; `at` names them.
    pub(super) fn create(directory: &Path, at: UnixMillis, links: Links) -> Result<Self, Failure> {
        let moment = Timestamp::from_millisecond(at.0)
            .map_or_else(|_| at.to_string(), |moment| moment.strftime("%Y%m%dT%H%M%S.%3fZ").to_string());
        let path = directory.join(format!("reconciliation-{moment}.json"));
        let csv_path = path.with_extension("csv");
        let open = |path: &Path| {
            File::create(path).map(BufWriter::new).map_err(|error| Failure::file("the report", path, error))
        };
        std::fs::create_dir_all(directory)
            .map_err(|error| Failure::file("the directory of reports", directory, error))?;
        let mut csv = csv::WriterBuilder::new().has_headers(false).from_writer(open(&csv_path)?);
        csv.write_record(COLUMNS)
            .map_err(|error| Failure::file("the report", &csv_path, IoError::other(error)))?;
        let mut json = open(&path)?;
        json.write_all(b"[").map_err(|error| Failure::file("the report", &path, error))?;
        Ok(Self { json, csv, links, first: true, path })
    }

    /// One more difference.
    pub(super) fn add(&mut self, difference: &Difference) -> Result<(), IoError> {
        let kind = difference.kind;
        let link = |id: &KayakoId| self.links.target(kind, *id);
        let line = Line {
            difference,
            explanation: difference.discrepancy.sentence(),
            next_step: difference.discrepancy.next_step(kind),
            source_link: difference
                .source_id
                .as_deref()
                .map(|id| self.links.source(kind, &SourceId::from(id))),
            kayako_link: difference.kayako_id.as_ref().map(link),
            other_links: difference.others.iter().map(link).collect(),
        };
        self.json.write_all(if self.first { b"\n" } else { b",\n" })?;
        self.first = false;
        serde_json::to_writer(&mut self.json, &line)?;
        let text = |id: Option<KayakoId>| id.map(|id| id.to_string()).unwrap_or_default();
        let others: Vec<String> = difference.others.iter().map(ToString::to_string).collect();
        self.csv
            .write_record([
                kind.name(),
                difference.source_id.as_deref().unwrap_or_default(),
                &difference.origin_key,
                difference.discrepancy.name(),
                &text(difference.kayako_id),
                &others.join(" "),
                difference.action.name(),
                if difference.repaired { "true" } else { "false" },
                line.explanation,
                line.next_step,
                line.source_link.as_deref().unwrap_or_default(),
                line.kayako_link.as_deref().unwrap_or_default(),
                &line.other_links.join(" "),
            ])
            .map_err(IoError::other)
    }

    /// Ends them.
    pub(super) fn close(mut self) -> Result<PathBuf, Failure> {
        let failed = |error| Failure::file("the report", &self.path, error);
        self.json.write_all(b"\n]\n").and_then(|()| self.json.flush()).map_err(failed)?;
        self.csv.flush().map_err(failed)?;
        Ok(self.path)
    }
}
