//! Runs, and the table they show.

use serde::{Deserialize, Serialize};

use crate::ids::{RunNo, UnixMillis};
use crate::kind::Kind;
use crate::row::Tally;

/// What a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunMode {
    /// A random sample of cases and what they need.
    Demo,
    /// Everything the plan selects.
    Full,
}

impl RunMode {
    /// Stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::Full => "full",
        }
    }
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum RunStatus {
    /// Services work on it.
    Running,
    /// An operator paused it; services stop consuming.
    Paused,
    /// No further call can succeed until a person acts; `message` says what to do.
    Halted {
        /// What the operator must do. Never contains credentials or customer text.
        message: String,
    },
    /// Given up by the operator; its queues are deleted, what was migrated stays.
    Cancelled,
    /// Every record is settled.
    Finished,
}

impl RunStatus {
    /// All stable names.
    pub const NAMES: [&str; 5] = ["running", "paused", "halted", "cancelled", "finished"];

    /// Whether nothing more will happen.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Cancelled | Self::Finished)
    }

    /// Stable name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Halted { .. } => "halted",
            Self::Cancelled => "cancelled",
            Self::Finished => "finished",
        }
    }
}

/// One execution of a plan: a fact in the ledger, changed by commands and by the coordinator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its number within the migration.
    pub number: RunNo,
    /// What it does.
    pub mode: RunMode,
    /// Where it stands.
    #[serde(flatten)]
    pub status: RunStatus,
    /// Hash of the plan it executes; the plan document is stored under it.
    pub plan_hash: String,
    /// Cases of the sample (demo).
    #[serde(default)]
    pub sample: Vec<String>,
    /// Seed the sample was drawn with.
    #[serde(default)]
    pub seed: Option<u64>,
    /// Kinds whose phase has been opened, in order.
    #[serde(default)]
    pub opened: Vec<Kind>,
    /// When it was started.
    pub started_at: UnixMillis,
    /// When it ended.
    #[serde(default)]
    pub ended_at: Option<UnixMillis>,
}

/// The row of one kind in the four-column table, with what is shown beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KindCounts {
    /// Registered minus filtered.
    pub available: u64,
    /// In Kayako, complete.
    pub migrated: u64,
    /// Did not arrive, with a reason.
    pub failed: u64,
    /// Left out, with a reason.
    pub skipped: u64,
    /// Everything else, in flight included.
    pub pending: u64,
    /// Not selected by the plan (not part of `available`).
    pub filtered: u64,
    /// Of the pending ones: in doubt.
    pub in_doubt: u64,
    /// Of the pending ones: parked.
    pub waiting: u64,
    /// Of the migrated ones: a newer version is on its way.
    pub updating: u64,
    /// Written by this run itself.
    pub written_now: u64,
    /// Found in Kayako and adopted by this run.
    pub adopted: u64,
    /// Merged into another record's object by this run.
    pub merged: u64,
    /// Attachment bytes staged for pending records, in KiB.
    pub staged_kib: u64,
    /// Of the migrated ones: once in doubt, and not yet counted again.
    #[serde(default)]
    pub doubted: u64,
}

impl KindCounts {
    /// Adds one counter as stored. Negative amounts, possible only through a defect, show as zero and as drift in the recount.
    pub fn set(&mut self, tally: Tally, amount: i64) {
        let amount = u64::try_from(amount).unwrap_or(0);
        match tally {
            Tally::Filtered => self.filtered = amount,
            Tally::Migrated => self.migrated = amount,
            Tally::Failed => self.failed = amount,
            Tally::Skipped => self.skipped = amount,
            Tally::Pending => self.pending = amount,
            Tally::Updating => self.updating = amount,
            Tally::InDoubt => self.in_doubt = amount,
            Tally::Waiting => self.waiting = amount,
            Tally::WrittenNow => self.written_now = amount,
            Tally::Adopted => self.adopted = amount,
            Tally::Merged => self.merged = amount,
            Tally::StagedKib => self.staged_kib = amount,
            Tally::Doubted => self.doubted = amount,
        }
        self.available = self.migrated + self.failed + self.skipped + self.pending;
    }
}

/// The counts of one run, all read at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RunCounts {
    /// Per kind, in writing order; kinds without records have zeros.
    pub kinds: Vec<(Kind, KindCounts)>,
}

impl RunCounts {
    /// The counts of one kind.
    pub fn of(&self, kind: Kind) -> KindCounts {
        self.kinds.iter().find(|(k, _)| *k == kind).map(|(_, counts)| *counts).unwrap_or_default()
    }

    /// Migrated records whose objects are to be counted before the run ends.
    pub fn doubted(&self) -> u64 {
        self.kinds.iter().map(|(_, c)| c.doubted).sum()
    }

    /// Records that some process still has to work on: pending ones and updates.
    pub fn outstanding(&self) -> u64 {
        self.kinds.iter().map(|(_, c)| c.pending + c.updating).sum()
    }
}
