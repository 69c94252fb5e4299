//! The ledger's row of one record: what is true about it whatever process dies.

use serde::{Deserialize, Serialize};

use crate::ids::{Epoch, Fence, Generation, JobId, KayakoId, RunNo, UnixMillis};
use crate::kind::Kind;
use crate::reason::Reason;

/// Where a record stands (docs/states.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Registered; no message carries it yet.
    Discovered,
    /// A message carries it (or did: a message may be lost, the row is not).
    Queued,
    /// Parked until `not_before`, for the given class of wait.
    Waiting(Wait),
    /// A loader works on it; nothing was sent.
    Claimed,
    /// The write is being sent or was sent; no outcome yet.
    Intended,
    /// It may have been written: only a probe can tell.
    InDoubt,
    /// The object exists in Kayako; further steps remain.
    Created,
    /// Every step is done and was read back.
    Committed,
    /// Committed and compared field by field.
    Verified,
    /// Not selected by the plan.
    Filtered,
    /// Left out for a reason that is not an error.
    Skipped,
    /// Did not arrive.
    Failed,
}

/// What a parked record waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// A parent is not committed.
    Parent,
    /// The pause before another attempt.
    Retry,
    /// A rate limit.
    Throttled,
    /// Kayako as a whole.
    Target,
}

impl State {
    /// Inverse of [`Self::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// One state of each shape, for coverage checks.
    pub const ALL: [Self; 15] = [
        Self::Discovered,
        Self::Queued,
        Self::Waiting(Wait::Parent),
        Self::Waiting(Wait::Retry),
        Self::Waiting(Wait::Throttled),
        Self::Waiting(Wait::Target),
        Self::Claimed,
        Self::Intended,
        Self::InDoubt,
        Self::Created,
        Self::Committed,
        Self::Verified,
        Self::Filtered,
        Self::Skipped,
        Self::Failed,
    ];

    /// Whether work on the record is over until a replay, a changed source or a changed plan.
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Committed | Self::Verified | Self::Filtered | Self::Skipped | Self::Failed)
    }

    /// Whether the record is in Kayako, complete.
    pub fn is_migrated(self) -> bool {
        matches!(self, Self::Committed | Self::Verified)
    }

    /// Stable name for reports and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Discovered => "discovered",
            Self::Queued => "queued",
            Self::Waiting(Wait::Parent) => "waiting_parent",
            Self::Waiting(Wait::Retry) => "waiting_retry",
            Self::Waiting(Wait::Throttled) => "waiting_throttled",
            Self::Waiting(Wait::Target) => "waiting_target",
            Self::Claimed => "claimed",
            Self::Intended => "intended",
            Self::InDoubt => "in_doubt",
            Self::Created => "created",
            Self::Committed => "committed",
            Self::Verified => "verified",
            Self::Filtered => "filtered",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }
}

/// How the object came to be in Kayako.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrival {
    /// We created it.
    Created,
    /// It existed before us; never rolled back, its values never overwritten.
    Adopted,
    /// It is another record's object (two source people with one address; staff mapped to the default agent).
    Merged,
}

/// The right of one loader to work on a record for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Lease {
    /// Makes a late worker's claim void.
    pub fence: Fence,
    /// When it ends, by the ledger's clock.
    pub until: UnixMillis,
}

/// What a row carries only while work on it is not over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Flight {
    /// The epoch in which the row was last touched. An older one means that a later write may have been lost.
    pub epoch: Epoch,
    /// Attempts used up.
    pub attempts: u8,
    /// Who works on it.
    pub lease: Option<Lease>,
    /// Not to be worked on earlier; for rows in queues, when they were put there.
    pub not_before: UnixMillis,
    /// The last moment at which a request for it can have left us.
    pub last_send_at: Option<UnixMillis>,
    /// The bulk job that carries it.
    pub job: Option<JobId>,
    /// A probe found nothing once; a second one after the visibility delay decides.
    pub absent_once: bool,
    /// To be sent in a batch of its own, so that its own error can be told.
    pub alone: bool,
    /// Staged attachment bytes in KiB, part of the credit window.
    pub staged_kib: u32,
}

/// One record's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Row {
    /// Where it stands.
    pub state: State,
    /// The run that last selected it and counts it.
    pub run: RunNo,
    /// Which deliberate copy of the record is current.
    pub generation: Generation,
    /// Hash of the plan and the source's version: a different one means that the record must be looked at again.
    pub fingerprint: u64,
    /// Hash of the command it was written from; 0 if never written.
    pub command_hash: u64,
    /// The object in Kayako.
    pub kayako_id: Option<KayakoId>,
    /// How it came to be there.
    pub arrival: Option<Arrival>,
    /// Why it was filtered, skipped or failed.
    pub reason: Option<Reason>,
    /// Committed, but a newer version of the record is on its way.
    pub updating: bool,
    /// Was in doubt at some time, so that it may have left objects behind: selected again after a failure, it is probed
    /// before anything is sent. Of a migrated record: its objects are counted before the run ends.
    pub doubted: bool,
    /// Present while work on the row is not over.
    pub flight: Option<Flight>,
}

/// What a row counts as, per run and kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tally {
    /// Not selected; not part of `available`.
    Filtered,
    /// In Kayako, complete.
    Migrated,
    /// Did not arrive.
    Failed,
    /// Left out.
    Skipped,
    /// Everything else, in flight included.
    Pending,
    /// Of the migrated ones: a newer version is on its way.
    Updating,
    /// Of the pending ones: in doubt now.
    InDoubt,
    /// Of the pending ones: parked.
    Waiting,
    /// Written by this run itself.
    WrittenNow,
    /// Of those settled in this run: adopted.
    Adopted,
    /// Of those settled in this run: merged into another.
    Merged,
    /// Staged attachment bytes of pending records, in KiB.
    StagedKib,
    /// Of the migrated ones: once in doubt, so that its objects are to be counted before the run ends.
    Doubted,
}

impl Tally {
    /// All tallies.
    pub const ALL: [Self; 13] = [
        Self::Filtered,
        Self::Migrated,
        Self::Failed,
        Self::Skipped,
        Self::Pending,
        Self::Updating,
        Self::InDoubt,
        Self::Waiting,
        Self::WrittenNow,
        Self::Adopted,
        Self::Merged,
        Self::StagedKib,
        Self::Doubted,
    ];

    /// Stable name in stores and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Filtered => "filtered",
            Self::Migrated => "migrated",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Pending => "pending",
            Self::Updating => "updating",
            Self::InDoubt => "in_doubt",
            Self::Waiting => "waiting",
            Self::WrittenNow => "written_now",
            Self::Adopted => "adopted",
            Self::Merged => "merged",
            Self::StagedKib => "staged_kib",
            Self::Doubted => "doubted",
        }
    }

    /// Inverse of [`Self::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tally| tally.name() == name)
    }
}

/// A change of one counter, applied in the same atomic step as the row's change: that is what makes
/// `available = migrated + failed + skipped + pending` true at every moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Delta {
    /// The run.
    pub run: RunNo,
    /// The kind.
    pub kind: Kind,
    /// What is counted.
    pub tally: Tally,
    /// By how much.
    pub by: i64,
}

impl Row {
    /// The tallies a row stands in now, with their amounts; what a recount adds up.
    pub fn standing(&self) -> Vec<(Tally, i64)> {
        let mut found = Vec::with_capacity(4);
        match self.state {
            State::Filtered => found.push((Tally::Filtered, 1)),
            State::Skipped => found.push((Tally::Skipped, 1)),
            State::Failed => found.push((Tally::Failed, 1)),
            State::Committed | State::Verified => {
                found.push((Tally::Migrated, 1));
                if self.updating {
                    found.push((Tally::Updating, 1));
                }
                if self.doubted {
                    found.push((Tally::Doubted, 1));
                }
            }
            State::InDoubt => found.extend([(Tally::Pending, 1), (Tally::InDoubt, 1)]),
            State::Waiting(_) => found.extend([(Tally::Pending, 1), (Tally::Waiting, 1)]),
            State::Discovered | State::Queued | State::Claimed | State::Intended | State::Created => {
                found.push((Tally::Pending, 1));
            }
        }
        if let Some(flight) = &self.flight
            && flight.staged_kib > 0
        {
            found.push((Tally::StagedKib, i64::from(flight.staged_kib)));
        }
        found
    }

    /// Whether nothing of this record was ever sent, as far as this epoch's ledger knows: it has no object and was never in doubt.
    pub fn was_never_sent(&self, epoch: Epoch) -> bool {
        let waits =
            matches!(self.state, State::Discovered | State::Queued | State::Waiting(_) | State::Claimed);
        let known = self.flight.is_some_and(|flight| flight.epoch == epoch && flight.last_send_at.is_none());
        waits && known && !self.doubted && self.kayako_id.is_none()
    }

    /// The counter changes of replacing `before` by `self`.
    ///
    /// A settled row that a later run selects again is counted by the later run and stays counted in the earlier
    /// one, whose table is history; a pending one moves, and so does an update that was on its way.
    pub fn deltas(&self, kind: Kind, before: Option<&Self>) -> Vec<Delta> {
        let mut changes: Vec<Delta> = Vec::new();
        let mut add = |run: RunNo, tally: Tally, by: i64| {
            if let Some(known) = changes.iter_mut().find(|delta| delta.run == run && delta.tally == tally) {
                known.by += by;
            } else {
                changes.push(Delta { run, kind, tally, by });
            }
        };
        if let Some(old) = before {
            let stays = old.run != self.run && old.state.is_settled();
            for (tally, amount) in old.standing() {
                if !stays || matches!(tally, Tally::Updating | Tally::StagedKib | Tally::Doubted) {
                    add(old.run, tally, -amount);
                }
            }
        }
        for (tally, amount) in self.standing() {
            add(self.run, tally, amount);
        }
        let settled_now = self.state.is_migrated() && !before.is_some_and(|old| old.state.is_migrated());
        if settled_now {
            match self.arrival {
                Some(Arrival::Created) => add(self.run, Tally::WrittenNow, 1),
                Some(Arrival::Adopted) => add(self.run, Tally::Adopted, 1),
                Some(Arrival::Merged) => add(self.run, Tally::Merged, 1),
                None => {}
            }
        }
        changes.retain(|delta| delta.by != 0);
        changes
    }

    /// When a reconciler should look at the row if nothing else moved it: the end of its lease or pause. `None` for rows
    /// on which no work is outstanding.
    pub fn due(&self) -> Option<UnixMillis> {
        let flight = self.flight?;
        Some(flight.lease.map_or(flight.not_before, |lease| lease.until.max(flight.not_before)))
    }
}
