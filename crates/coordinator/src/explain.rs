//! The whole history of one record: its row now, and every line the journal has about it.

use blobs::Blobs;
use futures::StreamExt;
use ledger::Ledger;
use model::journal::Entry;
use model::row::Row;
use model::{MigrationId, RecordKey};
use serde::Serialize;

use crate::error::{During, Error};

/// What is known about a record.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct History {
    /// The record.
    pub key: RecordKey,
    /// Its state's stable name.
    pub state: &'static str,
    /// Its row.
    pub row: Row,
    /// Its history, oldest first.
    pub entries: Vec<Entry>,
}

/// The history of a record; `None` if the ledger never saw it.
pub async fn history(
    ledger: &Ledger,
    blobs: &Blobs,
    migration: &MigrationId,
    key: &RecordKey,
) -> Result<Option<History>, Error> {
    let Some(row) = ledger.row(key).await.during("read the row")? else { return Ok(None) };
    let mut entries = Vec::new();
    let mut lines = blobs.scan(migration.as_str());
    while let Some(line) = lines.next().await {
        if let Some(entry) = Entry::decode(&line?)
            && entry.key == *key
        {
            entries.push(entry);
        }
    }
    entries.sort_by_key(|entry| entry.at);
    Ok(Some(History { key: key.clone(), state: row.state.name(), row, entries }))
}
