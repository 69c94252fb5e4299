//! The one entrance: opening a ledger, its time and epoch, and reading rows. The operations live beside what they are about.

use std::fmt;
use std::sync::Arc;

use model::row::Row;
use model::{Epoch, MigrationId, RecordKey, UnixMillis};

use crate::error::Error;
use crate::options::OpenOptions;
use crate::redis::RedisStore;
use crate::sqlite::SqliteStore;
use crate::store::{Cursor, Page, Store};

/// Rows per atomic step. A batch of 200 takes Redis 2 to 3 ms [measured with 128 to 256 fields a bucket], which is as long as
/// others should wait; the array limits of a Lua call are far away.
pub(crate) const STEP: usize = 250;

/// The ledger of one migration. Cheap to clone; all clones share one connection.
#[derive(Clone)]
pub struct Ledger {
    pub(crate) store: Arc<dyn Store>,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ledger")
    }
}

impl Ledger {
    /// Opens the ledger of a migration: `redis://…`, `rediss://…` or `sqlite:/path/file.db` (one durable file; `file.db.lock` beside it
    /// holds nothing). Refuses a store that may forget what it was told.
    pub async fn open(url: &str, migration: &MigrationId, options: OpenOptions) -> Result<Self, Error> {
        let scheme = url.split(':').next().unwrap_or_default();
        let store: Arc<dyn Store> = match (scheme, url.strip_prefix("sqlite:")) {
            (_, Some(path)) => {
                let path = path.strip_prefix("//").unwrap_or(path);
                Arc::new(SqliteStore::open(path.into(), migration, &options).await?)
            }
            ("redis" | "rediss", None) => Arc::new(RedisStore::open(url, migration, &options).await?),
            _ => return Err(Error::Address { scheme: scheme.to_owned() }),
        };
        Ok(Self { store })
    }

    /// The store's time.
    pub async fn now(&self) -> Result<UnixMillis, Error> {
        Ok(self.store.read(&[], false).await?.moment.now)
    }

    /// The current epoch.
    pub async fn epoch(&self) -> Result<Epoch, Error> {
        Ok(self.store.read(&[], false).await?.moment.epoch)
    }

    /// Says that the store was restored from a copy, or may have lost writes in a way it cannot see itself: every claim becomes void and
    /// every row in flight is probed before anything is sent. Returns the new epoch.
    pub async fn start_epoch(&self) -> Result<Epoch, Error> {
        self.store.start_epoch().await
    }

    /// One row.
    pub async fn row(&self, key: &RecordKey) -> Result<Option<Row>, Error> {
        Ok(self.store.read(&[key], false).await?.rows.pop().flatten())
    }

    /// Many rows, in the order asked for.
    pub async fn rows(&self, keys: &[RecordKey]) -> Result<Vec<Option<Row>>, Error> {
        let mut rows = Vec::with_capacity(keys.len());
        for step in keys.chunks(STEP) {
            let step: Vec<&RecordKey> = step.iter().collect();
            rows.extend(self.store.read(&step, false).await?.rows);
        }
        Ok(rows)
    }

    /// Rows on which work is outstanding and that nobody moved since `before`, earliest first: expired leases, pauses that are
    /// over, messages that may be lost.
    pub async fn due(&self, before: UnixMillis, limit: usize) -> Result<Vec<(RecordKey, UnixMillis)>, Error> {
        self.store.due(before, limit).await
    }

    /// A page of all rows, in no particular order, and where the next page begins (`None` at the end). A page may be
    /// empty before the end. A row that exists throughout the scan is seen exactly once.
    pub async fn scan(&self, from: Option<&Cursor>, limit: usize) -> Result<Page, Error> {
        self.store.scan(from, limit).await
    }

    /// Stores a secret that the caller has encrypted.
    pub async fn put_sealed(&self, name: &str, sealed: &[u8]) -> Result<(), Error> {
        self.store.put_sealed(name, sealed).await
    }

    /// A secret as it was stored, still encrypted.
    pub async fn sealed(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        self.store.sealed(name).await
    }

    /// Whether the disk of a ledger file is full: the last write through this handle or a clone of it was refused for want of room. What
    /// was refused did not happen. A run can then not even be halted, since that is a write, too; whoever watches it has to look here.
    pub fn is_full(&self) -> bool {
        self.store.is_full()
    }

    /// Deletes everything of this migration, and nothing of others. The ledger cannot be used afterwards.
    pub async fn destroy(&self) -> Result<(), Error> {
        self.store.destroy().await
    }
}
