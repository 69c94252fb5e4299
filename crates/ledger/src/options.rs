//! How a ledger is opened.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use model::UnixMillis;

use crate::error::Error;

/// Where an embedded ledger takes its time from. Redis uses the server's own.
pub type Clock = Arc<dyn Fn() -> UnixMillis + Send + Sync>;

/// Whether the ledger may come into being.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// Coordinator and CLI: create it if it does not exist.
    Create {
        /// Roughly how many records the migration will have; fixes the number of buckets in Redis for good. An estimate that is ten times too small
        /// costs memory, nothing else.
        expected_records: u64,
    },
    /// All others: it must exist, else they were pointed at the wrong store.
    Attach,
}

/// What an embedded ledger's opener does with it. Redis ignores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Runs the migration: only one process may.
    Work,
    /// Looks at it and changes facts beside the process that runs it (`status`, `pause`, `report`).
    Beside,
}

/// What comes between an embedded ledger's steps and their callers in a simulation: time that passes, steps that are not done, answers that
/// are lost.
#[async_trait]
pub trait Interruption: Send + Sync {
    /// Before a step. An error: the step is not done, and this is its answer.
    async fn before(&self) -> Result<(), Error>;

    /// After a step, which took effect. An error: this is its answer.
    async fn after(&self) -> Result<(), Error>;
}

/// Where an embedded ledger does its steps.
#[derive(Clone, Default)]
pub enum Steps {
    /// Each on a blocking thread, so that a slow disk holds up nobody else.
    #[default]
    OnThreads,
    /// On the caller's thread: for a simulation, in which nothing may happen in an order that it did not choose.
    Inline(Arc<dyn Interruption>),
}

/// How a ledger is opened.
#[derive(Clone)]
pub struct OpenOptions {
    /// Whether it may come into being.
    pub opening: Opening,
    /// What the opener of an embedded ledger does with it. Default: `Work`.
    pub access: Access,
    /// Time of an embedded ledger. Default: the system's clock.
    pub clock: Clock,
    /// Where an embedded ledger does its steps.
    pub steps: Steps,
    /// First part of every Redis key. Default `km`; tests use one of their own each.
    pub prefix: String,
    /// How long one answer of Redis may take. Default 10 s: a script over hundreds of rows on a busy server
    /// exceeds the client library's 500 ms, and a lost answer costs a read-back.
    pub response_timeout: Duration,
}

impl OpenOptions {
    /// For those who start migrations.
    pub fn create(expected_records: u64) -> Self {
        Self {
            opening: Opening::Create { expected_records },
            access: Access::Work,
            clock: Arc::new(system_clock),
            steps: Steps::default(),
            prefix: "km".to_owned(),
            response_timeout: Duration::from_secs(10),
        }
    }

    /// For those who work in one.
    pub fn attach() -> Self {
        Self { opening: Opening::Attach, ..Self::create(0) }
    }

    /// Beside the process that runs an embedded migration.
    pub fn beside() -> Self {
        Self { access: Access::Beside, ..Self::attach() }
    }
}

impl fmt::Debug for OpenOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenOptions")
            .field("opening", &self.opening)
            .field("access", &self.access)
            .field("prefix", &self.prefix)
            .field("response_timeout", &self.response_timeout)
            .finish_non_exhaustive()
    }
}

fn system_clock() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
