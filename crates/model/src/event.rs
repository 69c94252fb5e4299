//! What can happen to a row, and why it may not.
//!
//! Constraints: an event carries everything the transition needs (times, fences, epochs), so that
//! [`crate::transition::next`] is pure. Names are stable: logs, coverage and `docs/states.md` use them.

use std::time::Duration;

use crate::ids::{Fence, JobId, KayakoId, RunNo, UnixMillis};
use crate::reason::Reason;
use crate::row::{Arrival, Lease, Wait};

/// What the extractor decided about a listed record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// To be migrated.
    Selected,
    /// Not selected by the plan.
    Filtered(Reason),
    /// Left out without looking at its content.
    Skipped(Reason),
}

/// Something that happens to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// A listing (or a parent fetch) shows the record.
    Register {
        /// The run that lists it.
        run: RunNo,
        /// Hash of plan and source version.
        fingerprint: u64,
        /// What the plan says about it.
        verdict: Verdict,
        /// The ledger's time.
        now: UnixMillis,
    },
    /// A confirmed message carries the record.
    Published {
        /// The ledger's time.
        now: UnixMillis,
        /// Bytes staged for it, in KiB.
        staged_kib: u32,
    },
    /// A loader wants to work on it.
    Claim {
        /// The new lease.
        lease: Lease,
        /// The ledger's time.
        now: UnixMillis,
        /// How long after the last possible send a write may still become visible.
        quiet: Duration,
        /// The earliest probe of a row that was last sent at an unknown time (new epoch), see [`crate::timing::probe_from`].
        probe_from: UnixMillis,
    },
    /// The holder goes on working.
    Renew {
        /// Fence with the later end.
        lease: Lease,
    },
    /// The write is about to be sent, at the latest at `last_send_at`.
    Intend {
        /// Whose intent.
        fence: Fence,
        /// The last moment at which the request can leave.
        last_send_at: UnixMillis,
    },
    /// Kayako accepted the batch as a job.
    JobAccepted {
        /// Whose.
        fence: Fence,
        /// The job.
        job: JobId,
    },
    /// The request certainly had no effect (not sent, throttled, target down).
    Unsent {
        /// Whose.
        fence: Fence,
        /// Why it waits.
        wait: Wait,
        /// Until when.
        until: UnixMillis,
        /// Whether it uses up an attempt.
        attempt: bool,
        /// To be sent in a batch of its own next time, because the whole batch was refused.
        alone: bool,
    },
    /// The request may have had an effect; to be probed not before `until`.
    Doubt {
        /// Whose.
        fence: Fence,
        /// Earliest probe.
        until: UnixMillis,
        /// The job has ended and a completed look-up after that found nothing: the first of the two absences.
        absent: bool,
    },
    /// A completed probe found nothing.
    Absent {
        /// Whose.
        fence: Fence,
        /// When to look a second time.
        confirm_at: UnixMillis,
    },
    /// The object exists.
    Created {
        /// Whose.
        fence: Fence,
        /// The object.
        id: KayakoId,
        /// How it came to be.
        arrival: Arrival,
    },
    /// The object exists and carries the record's origin key, although this ledger never sent it: an earlier, lost ledger of the
    /// migration did.
    Recovered {
        /// Whose.
        fence: Fence,
        /// The object.
        id: KayakoId,
    },
    /// Nothing can be done now; nothing was sent since the claim.
    Park {
        /// Whose.
        fence: Fence,
        /// What it waits for.
        wait: Wait,
        /// Until when.
        until: UnixMillis,
        /// Whether it uses up an attempt.
        attempt: bool,
    },
    /// The holder stops (drain); nothing was sent since the claim.
    Release {
        /// Whose.
        fence: Fence,
    },
    /// Every step is done and read back.
    Commit {
        /// Whose.
        fence: Fence,
        /// Hash of the command written.
        command_hash: u64,
    },
    /// The record does not arrive.
    Fail {
        /// Whose; `None` from the transformer, which holds no lease.
        fence: Option<Fence>,
        /// Why.
        reason: Reason,
    },
    /// The record is left out.
    Skip {
        /// Whose; `None` from extractor and transformer.
        fence: Option<Fence>,
        /// Why.
        reason: Reason,
    },
    /// A newer version turned out to need no write, or the plan keeps what is there.
    Kept,
    /// The objects of its origin key were counted.
    Recounted {
        /// The object that the record had when they were counted.
        id: KayakoId,
    },
    /// The object it was created as is in Kayako no more, and it is to be written again, under the key of its next generation.
    Requeue {
        /// The object that is gone.
        id: KayakoId,
        /// The ledger's time.
        now: UnixMillis,
    },
    /// The object was compared field by field.
    Verified,
}

impl Event {
    /// Stable name, for coverage and logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Register { .. } => "register",
            Self::Published { .. } => "published",
            Self::Claim { .. } => "claim",
            Self::Renew { .. } => "renew",
            Self::Intend { .. } => "intend",
            Self::JobAccepted { .. } => "job_accepted",
            Self::Unsent { .. } => "unsent",
            Self::Doubt { .. } => "doubt",
            Self::Absent { .. } => "absent",
            Self::Created { .. } => "created",
            Self::Recovered { .. } => "recovered",
            Self::Park { .. } => "park",
            Self::Release { .. } => "release",
            Self::Commit { .. } => "commit",
            Self::Fail { .. } => "fail",
            Self::Skip { .. } => "skip",
            Self::Kept => "kept",
            Self::Recounted { .. } => "recounted",
            Self::Requeue { .. } => "requeue",
            Self::Verified => "verified",
        }
    }
}

/// Why an event does not apply. None of these is an error of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// Another loader holds the record.
    #[error("another worker holds the record until {until}")]
    Busy {
        /// End of its lease.
        until: UnixMillis,
    },
    /// Parked.
    #[error("the record is parked until {until}")]
    NotYet {
        /// End of the pause.
        until: UnixMillis,
    },
    /// Nothing left to do.
    #[error("the record is settled")]
    Settled,
    /// The lease was taken over.
    #[error("the claim is void: another worker took the record over")]
    StaleFence,
    /// The request could leave after the lease ended.
    #[error("the lease ends before the request could be sent")]
    PastLease,
    /// What was found out is about an object that the record has no longer.
    #[error("the record has another object by now")]
    Replaced,
    /// The row does not exist.
    #[error("the record was never registered")]
    Unknown,
    /// The event makes no sense in this state: a defect of ours.
    #[error("the event is not possible in this state")]
    Illegal,
}
