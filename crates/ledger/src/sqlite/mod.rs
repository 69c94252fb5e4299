//! The embedded ledger: one SQLite file, nothing installed.
//!
//! Constraints:
//! - WAL; a batch is one transaction, so it is durable and visible as a whole.
//! - `synchronous=NORMAL` where the system tells when it was started: the death of a process then loses nothing, and the death of the
//!   machine, which may lose the last transactions, shows in the stamp and begins a new epoch. Elsewhere `FULL`, which loses nothing.
//! - The stamp also holds the file's inode: a copy that was moved, unpacked or renamed into its place is noticed. A copy written over
//!   the file in place, or a snapshot of the whole machine, is not: [`crate::Ledger::start_epoch`] is for those.
//! - One process works with the file, which a lock on `<file>.lock` enforces (SQLite's own locks cannot be used for it: closing any handle
//!   on the file drops them). Others may look at it, and write documents.
//! - SQLite blocks, so each step runs on a blocking thread, one at a time per process (in a simulation on the caller's own).

mod columns;
mod schema;
mod steps;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use model::row::Delta;
use model::{Epoch, Fence, MigrationId, RecordKey, RunNo, UnixMillis};
use rusqlite::{Connection, TransactionBehavior};

use crate::error::Error;
use crate::natural::NaturalKey;
use crate::options::{Access, Clock, OpenOptions, Opening, Steps};
use crate::store::{Change, Cursor, Moment, Page, Snapshot, Store, Stored, Swapped};

/// How long a step waits for another process that writes to the file (`pause` beside a run: a few ms).
const BUSY: Duration = Duration::from_secs(10);

/// Statements kept prepared: there are about thirty.
const STATEMENTS: usize = 64;

/// A ledger in a SQLite file.
pub(crate) struct SqliteStore {
    connection: Arc<Mutex<Connection>>,
    clock: Clock,
    steps: Steps,
    full: AtomicBool,
    /// Held until the ledger is dropped.
    _lock: Option<File>,
}

impl SqliteStore {
    /// Opens or creates the file.
    pub(crate) async fn open(
        path: PathBuf,
        migration: &MigrationId,
        options: &OpenOptions,
    ) -> Result<Self, Error> {
        let (migration, options) = (migration.clone(), options.clone());
        let steps = options.steps.clone();
        steps.run(move || Self::open_blocking(&path, &migration, &options)).await
    }

    fn open_blocking(path: &Path, migration: &MigrationId, options: &OpenOptions) -> Result<Self, Error> {
        if options.opening == Opening::Attach && !path.exists() {
            return Err(Error::Empty { migration: migration.to_string() });
        }
        let lock = match options.access {
            Access::Work => Some(lock(path)?),
            Access::Beside => None,
        };
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        connection.pragma_update(None, "journal_mode", "wal")?;
        let boot = boot();
        connection.pragma_update(None, "synchronous", if boot.is_some() { "normal" } else { "full" })?;
        let stamp = format!("boot:{} file:{}", boot.unwrap_or_default(), inode(path)?);
        schema::prepare(&mut connection, migration, options.opening, &stamp, (options.clock)().0)?;
        Ok(Self {
            connection: Arc::new(Mutex::new(connection)),
            clock: Arc::clone(&options.clock),
            steps: options.steps.clone(),
            full: AtomicBool::new(false),
            _lock: lock,
        })
    }

    /// Runs a step that writes, in a transaction of its own, which is undone if it fails.
    async fn step<T, F>(&self, step: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, UnixMillis) -> Result<T, Error> + Send + 'static,
    {
        // Taking the write lock at once: a transaction that reads first could be refused when it begins to write.
        let done = self.transact(TransactionBehavior::Immediate, step).await;
        self.full.store(done.as_ref().is_err_and(Error::is_storage_full), Ordering::Relaxed);
        done
    }

    /// Runs a step that only reads: it sees one moment and holds no writer up.
    async fn look<T, F>(&self, step: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, UnixMillis) -> Result<T, Error> + Send + 'static,
    {
        self.transact(TransactionBehavior::Deferred, step).await
    }

    async fn transact<T, F>(&self, behavior: TransactionBehavior, step: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, UnixMillis) -> Result<T, Error> + Send + 'static,
    {
        let (connection, clock) = (Arc::clone(&self.connection), Arc::clone(&self.clock));
        self.steps
            .run(move || {
                // A panic in another step rolled its transaction back: the connection is usable.
                let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
                let transaction = connection.transaction_with_behavior(behavior)?;
                let result = step(&transaction, clock())?;
                transaction.commit()?;
                Ok(result)
            })
            .await
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn read(&self, keys: &[&RecordKey], draw_fence: bool) -> Result<Snapshot, Error> {
        let keys: Vec<RecordKey> = keys.iter().map(|key| (*key).clone()).collect();
        let read = move |connection: &Connection, now| steps::read(connection, now, &keys, draw_fence);
        if draw_fence { self.step(read).await } else { self.look(read).await }
    }

    async fn swap(
        &self,
        epoch: Epoch,
        deadline: Option<UnixMillis>,
        changes: &[Change<'_>],
    ) -> Result<Swapped, Error> {
        let changes: Vec<_> = changes
            .iter()
            .map(|change| (change.key.clone(), change.expected, change.row, change.deltas.clone()))
            .collect();
        self.step(move |connection, now| steps::swap(connection, now, epoch, deadline, &changes)).await
    }

    async fn due(&self, before: UnixMillis, limit: usize) -> Result<Vec<(RecordKey, UnixMillis)>, Error> {
        self.look(move |connection, _| steps::due(connection, before, limit)).await
    }

    async fn scan(&self, from: Option<&Cursor>, limit: usize) -> Result<Page, Error> {
        let from = from.cloned();
        self.look(move |connection, _| steps::scan(connection, from.as_ref(), limit)).await
    }

    async fn counters(&self, run: RunNo) -> Result<(u64, Vec<Delta>), Error> {
        self.look(move |connection, _| steps::counters(connection, run)).await
    }

    async fn document(&self, name: &str) -> Result<(Moment, Option<Stored>), Error> {
        let name = name.to_owned();
        self.look(move |connection, now| {
            Ok((steps::moment(connection, now)?, steps::document(connection, &name)?))
        })
        .await
    }

    async fn put_document(
        &self,
        name: &str,
        expected: Option<u64>,
        body: &[u8],
    ) -> Result<Option<u64>, Error> {
        let (name, body) = (name.to_owned(), body.to_vec());
        self.step(move |connection, now| steps::put_document(connection, now, &name, expected, &body)).await
    }

    async fn documents(&self, prefix: &str) -> Result<Vec<(String, Stored)>, Error> {
        let prefix = prefix.to_owned();
        self.look(move |connection, _| steps::documents(connection, &prefix)).await
    }

    async fn try_lock(&self, name: &str, owner: &str, ttl: Duration) -> Result<Option<Fence>, Error> {
        let (name, owner) = (name.to_owned(), owner.to_owned());
        self.step(move |connection, now| steps::try_lock(connection, now, &name, &owner, ttl)).await
    }

    async fn renew_lock(&self, name: &str, owner: &str, fence: Fence, ttl: Duration) -> Result<bool, Error> {
        let (name, owner) = (name.to_owned(), owner.to_owned());
        self.step(move |connection, now| steps::renew_lock(connection, now, &name, &owner, fence, ttl)).await
    }

    async fn unlock(&self, name: &str, owner: &str, fence: Fence) -> Result<bool, Error> {
        let (name, owner) = (name.to_owned(), owner.to_owned());
        self.step(move |connection, now| steps::unlock(connection, now, &name, &owner, fence)).await
    }

    async fn claim_natural(&self, claims: &[(NaturalKey, RecordKey)]) -> Result<Vec<RecordKey>, Error> {
        let claims = claims.to_vec();
        self.step(move |connection, _| steps::claim_natural(connection, &claims)).await
    }

    async fn put_sealed(&self, name: &str, sealed: &[u8]) -> Result<(), Error> {
        let (name, sealed) = (name.to_owned(), sealed.to_vec());
        self.step(move |connection, _| {
            connection.execute(
                "insert or replace into sealed (name, body) values (?1, ?2)",
                rusqlite::params![name, sealed],
            )?;
            Ok(())
        })
        .await
    }

    async fn sealed(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let name = name.to_owned();
        self.look(move |connection, _| steps::sealed(connection, &name)).await
    }

    async fn start_epoch(&self) -> Result<Epoch, Error> {
        self.step(|connection, now| Ok(Epoch(schema::start_epoch(connection, now.0)?))).await
    }

    async fn destroy(&self) -> Result<(), Error> {
        self.step(|connection, _| steps::destroy(connection)).await
    }

    fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }
}

impl Steps {
    async fn run<T, F>(&self, step: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T, Error> + Send + 'static,
    {
        match self {
            Self::OnThreads => tokio::task::spawn_blocking(step).await.map_err(|_| Error::Closed)?,
            Self::Inline(interruption) => {
                interruption.before().await?;
                let done = step()?;
                interruption.after().await?;
                Ok(done)
            }
        }
    }
}

/// Keeps a second process out. The lock ends with the process, however it ends.
fn lock(path: &Path) -> Result<File, Error> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = File::options().create(true).append(true).open(&name)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse { lock: name.to_string_lossy().into_owned() }),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Names this start of the machine, where the system tells.
fn boot() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}

#[cfg(unix)]
fn inode(path: &Path) -> Result<u64, Error> {
    use std::os::unix::fs::MetadataExt;
    Ok(std::fs::metadata(path)?.ino())
}

#[cfg(not(unix))]
fn inode(_: &Path) -> Result<u64, Error> {
    Ok(0)
}
