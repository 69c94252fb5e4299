//! The seam between the ledger's logic and a store: read rows with the store's time and epoch; swap rows if they are still what was read.
//!
//! Constraints: a store decides nothing about states. Each method is one atomic step. A method that meets a changed identity of the
//! store starts a new epoch and answers from within it; `swap` refuses instead, because what its caller read is of the old one.

use std::time::Duration;

use async_trait::async_trait;
use model::row::{Delta, Row};
use model::{Epoch, Fence, RecordKey, RunNo, UnixMillis};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::natural::NaturalKey;

/// Time and epoch of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) now: UnixMillis,
    pub(crate) epoch: Epoch,
    /// When the epoch began: the latest moment at which a write of the epoch before can have been lost.
    pub(crate) epoch_since: UnixMillis,
}

/// Rows as they are at one moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) moment: Moment,
    /// One per key asked for.
    pub(crate) rows: Vec<Option<Row>>,
    /// A fence nobody else has, if one was asked for.
    pub(crate) fence: Fence,
}

/// The replacement of one row.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    pub(crate) key: &'a RecordKey,
    /// What must be there now.
    pub(crate) expected: Option<Row>,
    pub(crate) row: Row,
    pub(crate) deltas: Vec<Delta>,
}

impl Change<'_> {
    /// Whether the due index changes, and to what.
    pub(crate) fn due(&self) -> Due {
        match (self.expected.as_ref().and_then(Row::due), self.row.due()) {
            (before, after) if before == after => Due::Same,
            (_, Some(at)) => Due::At(at),
            (_, None) => Due::Gone,
        }
    }
}

/// What happens to a row's place in the due index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    Same,
    At(UnixMillis),
    Gone,
}

/// The answer to a swap.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Swapped {
    /// Per change: applied, or the row was something else.
    Done(Vec<bool>),
    /// Nothing was applied: the epoch is another one.
    OtherEpoch,
    /// Nothing was applied: the store's time is past the deadline.
    Late,
}

/// Where a scan goes on. Opaque; survives a restart of the scanning process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub(crate) String);

/// Some rows, and where to go on (`None` at the end).
pub type Page = (Vec<(RecordKey, Row)>, Option<Cursor>);

/// A document as stored: version and bytes.
pub(crate) type Stored = (u64, Vec<u8>);

/// A store of ledgers.
#[async_trait]
pub(crate) trait Store: Send + Sync {
    /// Reads rows; draws a fence if asked.
    async fn read(&self, keys: &[&RecordKey], draw_fence: bool) -> Result<Snapshot, Error>;

    /// Swaps rows in, all in one atomic step, each only if it is what was expected; nothing at all in another epoch or past the deadline.
    async fn swap(
        &self,
        epoch: Epoch,
        deadline: Option<UnixMillis>,
        changes: &[Change<'_>],
    ) -> Result<Swapped, Error>;

    /// Rows due before a time, earliest first.
    async fn due(&self, before: UnixMillis, limit: usize) -> Result<Vec<(RecordKey, UnixMillis)>, Error>;

    /// Some rows, and where to go on. Each row that exists throughout a scan is seen once.
    async fn scan(&self, from: Option<&Cursor>, limit: usize) -> Result<Page, Error>;

    /// Counters of a run as (kind, tally, amount), with the number of swaps so far, read at one moment.
    async fn counters(&self, run: RunNo) -> Result<(u64, Vec<Delta>), Error>;

    /// A document with the time at which it was read.
    async fn document(&self, name: &str) -> Result<(Moment, Option<Stored>), Error>;

    /// Writes a document if its version is the expected one (`None`: if it does not exist). The new version, or `None`.
    /// Versions follow [`after`].
    async fn put_document(
        &self,
        name: &str,
        expected: Option<u64>,
        body: &[u8],
    ) -> Result<Option<u64>, Error>;

    /// All documents whose name begins with `prefix`, by name.
    async fn documents(&self, prefix: &str) -> Result<Vec<(String, Stored)>, Error>;

    /// Takes a lock unless somebody holds it.
    async fn try_lock(&self, name: &str, owner: &str, ttl: Duration) -> Result<Option<Fence>, Error>;

    /// Extends a lock that is still held.
    async fn renew_lock(&self, name: &str, owner: &str, fence: Fence, ttl: Duration) -> Result<bool, Error>;

    /// Gives a lock back if it is still held.
    async fn unlock(&self, name: &str, owner: &str, fence: Fence) -> Result<bool, Error>;

    /// Sets owners where there is none; answers the owner of each key.
    async fn claim_natural(&self, claims: &[(NaturalKey, RecordKey)]) -> Result<Vec<RecordKey>, Error>;

    /// Stores encrypted bytes.
    async fn put_sealed(&self, name: &str, sealed: &[u8]) -> Result<(), Error>;

    /// Reads encrypted bytes.
    async fn sealed(&self, name: &str) -> Result<Option<Vec<u8>>, Error>;

    /// Starts a new epoch by hand.
    async fn start_epoch(&self) -> Result<Epoch, Error>;

    /// Deletes everything of this migration.
    async fn destroy(&self) -> Result<(), Error>;

    /// Whether the last step that writes was refused because there is no room left.
    fn is_full(&self) -> bool {
        false
    }
}

/// The number after `last`, for fences and versions. At least the time in milliseconds, so that one which was handed out and then lost is
/// not handed out again, and so that a late worker never meets its own number in other hands. Below 2^53 for good, which is what Redis' scripts
/// count exactly.
pub(crate) fn after(last: u64, now: UnixMillis) -> u64 {
    u64::try_from(now.0).unwrap_or(0).max(last.saturating_add(1))
}
