//! The seam between an extractor and a help desk.
//!
//! Constraints: every call is a read and may be repeated; the caller decides when. What a listing returns is small
//! enough to filter on ([`model::listing::Facts`]) without a further call. A listing may show a record twice and must
//! show each at least once; the caller registers by id.

use std::collections::BTreeSet;
use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use model::listing::Listed;
use model::record::{Record, Role};
use model::{Kind, Origin, SourceId};
use serde::{Deserialize, Serialize};

use crate::catalogue::Catalogue;
use crate::error::Error;

/// One help desk account that records are read from.
#[async_trait]
pub trait Source: Send + Sync {
    /// The part of every origin key that names this account. Stable for the life of a migration.
    fn origin(&self) -> Origin;

    /// Proves that the credentials open the account and see all of it. Any failure a person must act upon is of class
    /// `Halt` and its text says what to do.
    async fn check(&self) -> Result<Account, Error>;

    /// The account's own count of a kind: an estimate to show beside the exact figures; `None` if it does not tell.
    async fn estimate(&self, kind: Kind) -> Result<Option<u64>, Error>;

    /// The slices of a kind's listing. Each is read by one extractor at a time; together they hold everything.
    async fn shards(&self, kind: Kind) -> Result<Vec<Shard>, Error>;

    /// One page of a shard: from its start without a cursor, else from where the cursor points. A cursor taken
    /// from [`Next::End`] lists what changed since (a source that cannot tell lists everything again).
    async fn list(&self, shard: &Shard, cursor: Option<&Cursor>) -> Result<Page, Error>;

    /// The listed record with everything that belongs to it; attachments as `Content::AtSource(url)` for
    /// [`Source::download`]. The same state at the source gives an equal record.
    async fn complete(&self, listed: Listed) -> Result<Completed, Error>;

    /// Records by id, in the order asked; an id the account does not know is [`Fetched::Gone`].
    async fn fetch(&self, kind: Kind, ids: &[SourceId]) -> Result<Vec<Fetched>, Error>;

    /// The bytes behind an attachment's `Content::AtSource(url)`.
    async fn download(&self, url: &str) -> Result<Download, Error>;

    /// Up to `size` random case ids outside `exclude`, spread over the account's whole life and without deleted
    /// ones; the same seed gives the same ids as long as no case is added or deleted.
    async fn sample(
        &self,
        size: usize,
        seed: u64,
        exclude: &BTreeSet<SourceId>,
    ) -> Result<Vec<SourceId>, Error>;

    /// What a mapping is made from: fields with their options, statuses, groups, agents, brands, forms.
    async fn catalogue(&self) -> Result<Catalogue, Error>;
}

/// The account as the credentials see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Host (and port, if it is not the usual one).
    pub host: String,
    /// Whom the credentials belong to.
    pub operator: SourceId,
    /// That person's role.
    pub role: Role,
    /// Requests a minute that the account allows all its programs together, if it says so.
    pub requests_per_minute: Option<u32>,
}

/// A slice of a kind's listing. Serializable: it travels in the shard task.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Shard {
    /// What it lists.
    pub kind: Kind,
    /// Name, unique within the kind; part of the checkpoint's key, so it is never changed.
    pub name: String,
    /// Where it begins, if not at the very beginning.
    #[serde(default)]
    pub start: Option<Cursor>,
}

/// A place in a listing, opaque to everybody but the source module that made it. A checkpoint stores it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(String);

impl Cursor {
    /// Wraps a stored cursor.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text to store.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cursor({})", self.0)
    }
}

/// One page of a listing.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// What it shows; may be empty although more follow.
    pub records: Vec<Listed>,
    /// How to go on.
    pub next: Next,
}

/// What follows a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// More pages; continue here.
    More(Cursor),
    /// The listing is at its end for now; a later delta continues here (the high-water mark).
    End(Cursor),
}

impl Next {
    /// The cursor to store, whichever it is.
    pub fn cursor(&self) -> &Cursor {
        match self {
            Self::More(cursor) | Self::End(cursor) => cursor,
        }
    }
}

/// What [`Source::complete`] found.
#[derive(Debug, Clone, PartialEq)]
pub enum Completed {
    /// The whole record.
    Record(Box<Record>),
    /// It was deleted between listing and reading.
    Gone,
}

/// What [`Source::fetch`] found for one id.
#[derive(Debug, Clone, PartialEq)]
pub enum Fetched {
    /// It exists (perhaps listed as deleted, see `Facts::deleted`).
    Found(Box<Listed>),
    /// The account does not know this id.
    Gone(SourceId),
}

/// What [`Source::download`] found.
#[derive(Debug)]
pub enum Download {
    /// The bytes are coming.
    Found(Transfer),
    /// There are none to be had, and trying again would not change that.
    Missing(Absence),
}

/// A file on its way.
pub struct Transfer {
    /// MIME type as the storage says.
    pub content_type: Option<String>,
    /// Length in bytes, if the storage says so.
    pub length: Option<u64>,
    /// The bytes. Ends with an error if the connection breaks, the announced length is not reached, or the
    /// configured size limit is passed.
    pub body: BoxStream<'static, Result<Bytes, Error>>,
}

impl fmt::Debug for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transfer")
            .field("content_type", &self.content_type)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

/// Why an attachment has no bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Absence {
    /// Deleted or redacted at the source.
    Deleted,
    /// The source's scanner found malware and refuses the download.
    Malware,
    /// The source does not know the address any more.
    NotFound,
    /// Larger than the configured limit.
    TooLarge,
}

impl Absence {
    /// The stable word that `Content::Missing` holds.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Malware => "malware",
            Self::NotFound => "not_found",
            Self::TooLarge => "too_large",
        }
    }
}
