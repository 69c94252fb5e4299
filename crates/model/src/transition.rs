//! The one state machine of a row: `next(row, event)`, pure.
//!
//! Constraints: both ledgers and the model checker run exactly this function; a store only reads rows, calls it, and swaps the
//! result in if the row is still what was read. Five rules keep records from being doubled, each necessary: the
//! intent is stored before a request is sent; a row in doubt is never sent again before a completed probe; a lease's end is the last moment a
//! request may be on its way; a worker whose fence is stale, or was handed out in an older epoch, is refused; a row touched in an older
//! epoch is in doubt.

use std::time::Duration;

pub use crate::event::{Event, Refusal, Verdict};
use crate::ids::{Epoch, Fence, KayakoId, RunNo, UnixMillis};
use crate::reason::Reason;
use crate::row::{Arrival, Flight, Lease, Row, State};

/// The row after the event, or why the event does not apply. `epoch` is the ledger's at the moment of the event.
#[expect(clippy::too_many_lines, reason = "the machine as one table: an arm per event")]
pub fn next(row: Option<&Row>, event: Event, epoch: Epoch) -> Result<Row, Refusal> {
    let Some(row) = row else {
        return match event {
            Event::Register { run, fingerprint, verdict, now } => {
                Ok(registered(run, fingerprint, verdict, now, epoch))
            }
            _ => Err(Refusal::Unknown),
        };
    };
    match event {
        Event::Register { run, fingerprint, verdict, now } => {
            Ok(register_again(row, run, fingerprint, verdict, now, epoch))
        }
        Event::Published { now, staged_kib } => published(row, now, staged_kib),
        Event::Claim { lease, now, quiet, probe_from } => claim(row, lease, now, epoch, quiet, probe_from),
        Event::Renew { lease } => {
            let mut flight = held(row, lease.fence, epoch)?;
            flight.lease = Some(lease);
            Ok(Row { flight: Some(flight), ..*row })
        }
        Event::Intend { fence, last_send_at } => {
            let mut flight = held(row, fence, epoch)?;
            if row.state != State::Claimed {
                return Err(Refusal::Illegal);
            }
            if flight.lease.is_none_or(|lease| last_send_at > lease.until) {
                return Err(Refusal::PastLease);
            }
            flight.last_send_at = Some(last_send_at);
            flight.job = None;
            Ok(Row { state: State::Intended, flight: Some(flight), ..*row })
        }
        Event::JobAccepted { fence, job } => {
            let mut flight = held(row, fence, epoch)?;
            if row.state != State::Intended {
                return Err(Refusal::Illegal);
            }
            flight.job = Some(job);
            Ok(Row { flight: Some(flight), ..*row })
        }
        Event::Unsent { fence, wait, until, attempt, alone } => {
            let flight = held(row, fence, epoch)?;
            if row.state != State::Intended {
                return Err(Refusal::Illegal);
            }
            let flight = Flight { last_send_at: None, job: None, alone: flight.alone || alone, ..flight };
            Ok(Row { state: State::Waiting(wait), flight: Some(parked(flight, until, attempt)), ..*row })
        }
        Event::Doubt { fence, until, absent } => {
            let flight = held(row, fence, epoch)?;
            if row.state != State::Intended {
                return Err(Refusal::Illegal);
            }
            let flight = Flight { absent_once: absent, ..parked(flight, until, true) };
            Ok(Row { state: State::InDoubt, doubted: true, flight: Some(flight), ..*row })
        }
        Event::Absent { fence, confirm_at } => {
            let flight = held(row, fence, epoch)?;
            if row.state != State::InDoubt {
                return Err(Refusal::Illegal);
            }
            if flight.absent_once {
                let flight =
                    Flight { absent_once: false, alone: true, job: None, last_send_at: None, ..flight };
                return Ok(Row { state: State::Claimed, flight: Some(flight), ..*row });
            }
            let flight = Flight { absent_once: true, ..parked(flight, confirm_at, false) };
            Ok(Row { flight: Some(flight), ..*row })
        }
        Event::Created { fence, id, arrival } => {
            let flight = held(row, fence, epoch)?;
            let possible = match row.state {
                State::Intended | State::InDoubt => true,
                // Nothing of ours was sent: it can only have been there before.
                State::Claimed => arrival != Arrival::Created,
                State::Created => row.kayako_id == Some(id),
                _ => false,
            };
            if !possible {
                return Err(Refusal::Illegal);
            }
            let flight = Flight { absent_once: false, job: None, ..flight };
            Ok(Row {
                state: State::Created,
                kayako_id: Some(id),
                arrival: Some(row.arrival.filter(|_| row.state == State::Created).unwrap_or(arrival)),
                flight: Some(flight),
                ..*row
            })
        }
        Event::Recovered { fence, id } => {
            let flight = held(row, fence, epoch)?;
            if row.state != State::Claimed {
                return Err(Refusal::Illegal);
            }
            Ok(Row {
                state: State::Created,
                kayako_id: Some(id),
                arrival: Some(Arrival::Created),
                // The lost ledger may have left several objects: a later try of it probes first.
                doubted: true,
                flight: Some(flight),
                ..*row
            })
        }
        Event::Park { fence, wait, until, attempt } => {
            let flight = parked(held(row, fence, epoch)?, until, attempt);
            match row.state {
                State::Claimed => Ok(Row { state: State::Waiting(wait), flight: Some(flight), ..*row }),
                State::InDoubt | State::Created => Ok(Row { flight: Some(flight), ..*row }),
                _ => Err(Refusal::Illegal),
            }
        }
        Event::Release { fence } => {
            let flight = Flight { lease: None, ..held(row, fence, epoch)? };
            match row.state {
                State::Claimed => Ok(Row { state: State::Queued, flight: Some(flight), ..*row }),
                State::InDoubt | State::Created => Ok(Row { flight: Some(flight), ..*row }),
                _ => Err(Refusal::Illegal),
            }
        }
        Event::Commit { fence, command_hash } => {
            held(row, fence, epoch)?;
            if row.state != State::Created {
                return Err(Refusal::Illegal);
            }
            Ok(Row { state: State::Committed, command_hash, reason: None, flight: None, ..*row })
        }
        Event::Fail { fence, reason } => settle(row, fence, State::Failed, reason, epoch),
        Event::Skip { fence, reason } => settle(row, fence, State::Skipped, reason, epoch),
        Event::Kept => {
            if !row.state.is_migrated() {
                return Err(Refusal::Illegal);
            }
            Ok(Row { updating: false, flight: None, ..*row })
        }
        Event::Recounted { id } => {
            judged_by_object(row, id)?;
            Ok(Row { doubted: false, ..*row })
        }
        Event::Requeue { id, now } => {
            judged_by_object(row, id)?;
            // What was adopted or merged is not ours to write.
            if row.arrival != Some(Arrival::Created) {
                return Err(Refusal::Illegal);
            }
            Ok(Row {
                state: State::Discovered,
                generation: crate::ids::Generation(row.generation.0.saturating_add(1)),
                command_hash: 0,
                kayako_id: None,
                arrival: None,
                updating: false,
                doubted: false,
                // An older epoch may have forgotten that it had queued and sent this very generation.
                flight: Some(Flight { epoch: born(epoch), not_before: now, ..Flight::default() }),
                ..*row
            })
        }
        Event::Verified => {
            if !row.state.is_migrated() || row.updating {
                return Err(Refusal::Illegal);
            }
            Ok(Row { state: State::Verified, ..*row })
        }
    }
}

/// Whoever counts objects holds no lease, and may be paused between looking and telling. Meanwhile the record may have been written anew:
/// what was seen of its earlier object must not have that one written once more.
fn judged_by_object(row: &Row, id: KayakoId) -> Result<(), Refusal> {
    if !row.state.is_migrated() {
        return Err(Refusal::Illegal);
    }
    if row.kayako_id == Some(id) { Ok(()) } else { Err(Refusal::Replaced) }
}

fn registered(run: RunNo, fingerprint: u64, verdict: Verdict, now: UnixMillis, epoch: Epoch) -> Row {
    let (state, reason) = judged(verdict);
    Row {
        state,
        run,
        generation: crate::ids::Generation(0),
        fingerprint,
        command_hash: 0,
        kayako_id: None,
        arrival: None,
        reason,
        updating: false,
        doubted: false,
        flight: (state == State::Discovered).then_some(Flight {
            epoch: born(epoch),
            not_before: now,
            ..Flight::default()
        }),
    }
}

/// The epoch of a row that seems to be new. In a later epoch it may be one whose registration and intent were lost: epoch 0
/// makes its first claim probe before anything is sent.
fn born(epoch: Epoch) -> Epoch {
    if epoch.0 > 1 { Epoch(0) } else { epoch }
}

fn judged(verdict: Verdict) -> (State, Option<Reason>) {
    match verdict {
        Verdict::Selected => (State::Discovered, None),
        Verdict::Filtered(reason) => (State::Filtered, Some(reason)),
        Verdict::Skipped(reason) => (State::Skipped, Some(reason)),
    }
}

fn register_again(
    row: &Row,
    run: RunNo,
    fingerprint: u64,
    verdict: Verdict,
    now: UnixMillis,
    epoch: Epoch,
) -> Row {
    let same_run = row.run == run;
    let same_content = row.fingerprint == fingerprint;
    match row.state {
        // In Kayako already: it stays migrated whatever the new version says; a newer version is compared.
        State::Committed | State::Verified => {
            let updating = verdict == Verdict::Selected && (row.updating || !same_content);
            let flight = updating.then_some(Flight { epoch, not_before: now, ..Flight::default() });
            Row { run, fingerprint, updating, flight, ..*row }
        }
        State::Filtered | State::Skipped | State::Failed => {
            let again = row.reason.is_some_and(Reason::retried_by_next_run) && !same_run;
            // A parent fetch names a record on purpose: it overrules the filter of the listing within the same run.
            let overruled = row.state == State::Filtered && verdict == Verdict::Selected;
            if same_content && !again && !overruled {
                return Row { run, ..*row };
            }
            let fresh = registered(run, fingerprint, verdict, now, epoch);
            // A failed row may have left an object behind; its id and generation are kept, and if it was ever in doubt
            // its next claim probes first.
            let flight = fresh.flight.map(|flight| {
                let epoch = if row.doubted || row.kayako_id.is_some() { Epoch(0) } else { flight.epoch };
                Flight { epoch, ..flight }
            });
            Row {
                generation: row.generation,
                kayako_id: row.kayako_id,
                arrival: row.arrival,
                doubted: row.doubted,
                flight,
                ..fresh
            }
        }
        // Left over from a cancelled run, in nobody's hands, and nothing of it was sent: this run decides anew.
        _ if !same_run && row.was_never_sent(epoch) && !is_held(row, now) => {
            let fresh = registered(run, fingerprint, verdict, now, epoch);
            Row { generation: row.generation, ..fresh }
        }
        // Work is under way: it goes on with what its message carries; only the run that counts it may change.
        _ => Row { run, fingerprint, ..*row },
    }
}

/// Whether a worker's lease on the row still lasts.
fn is_held(row: &Row, now: UnixMillis) -> bool {
    row.flight.and_then(|flight| flight.lease).is_some_and(|lease| lease.until > now)
}

fn published(row: &Row, now: UnixMillis, staged_kib: u32) -> Result<Row, Refusal> {
    let Some(flight) = row.flight else { return Err(Refusal::Settled) };
    let flight = Flight { staged_kib, ..flight };
    match row.state {
        State::Discovered | State::Queued => {
            Ok(Row { state: State::Queued, flight: Some(Flight { not_before: now, ..flight }), ..*row })
        }
        // A second message of a record that is being worked on, or a newer version of a committed one.
        _ => Ok(Row { flight: Some(flight), ..*row }),
    }
}

fn claim(
    row: &Row,
    lease: Lease,
    now: UnixMillis,
    epoch: Epoch,
    quiet: Duration,
    probe_from: UnixMillis,
) -> Result<Row, Refusal> {
    if row.state.is_settled() {
        return Err(Refusal::Settled);
    }
    let flight = row.flight.ok_or(Refusal::Illegal)?;
    let lost_writes = flight.epoch < epoch;
    if !lost_writes
        && let Some(held) = flight.lease
        && held.until > now
    {
        return Err(Refusal::Busy { until: held.until });
    }
    if lost_writes {
        // Whatever the row says, a later write of it may be lost, and so may a claim or its renewal: wait until every
        // holder of the older epoch must have stopped and every request must have taken effect. Then it counts as sent until a probe
        // says otherwise; one that is known to exist has only repeatable steps left.
        let lease_end = flight.lease.map_or(UnixMillis(i64::MIN), |held| held.until);
        let not_before = probe_from.max(settled_by(&flight, quiet)).max(lease_end);
        if not_before > now {
            return Err(Refusal::NotYet { until: not_before });
        }
        // An absence seen before the loss says nothing about what was sent in what was lost.
        let flight = Flight { epoch, lease: Some(lease), absent_once: false, ..flight };
        if row.state == State::Created {
            return Ok(Row { flight: Some(flight), ..*row });
        }
        return Ok(Row { state: State::InDoubt, doubted: true, flight: Some(flight), ..*row });
    }
    let not_before = match row.state {
        State::Intended | State::InDoubt => settled_by(&flight, quiet),
        _ => flight.not_before,
    };
    if not_before > now {
        return Err(Refusal::NotYet { until: not_before });
    }
    let flight = Flight { epoch, lease: Some(lease), ..flight };
    let (state, doubted) = match row.state {
        State::Discovered | State::Queued | State::Waiting(_) | State::Claimed => {
            (State::Claimed, row.doubted)
        }
        // Its worker is gone and took the outcome with it.
        State::Intended | State::InDoubt => (State::InDoubt, true),
        State::Created => (State::Created, row.doubted),
        _ => return Err(Refusal::Illegal),
    };
    Ok(Row { state, doubted, flight: Some(flight), ..*row })
}

/// When a probe can tell the truth. A job can be asked at once; without one a request that left at the last possible
/// moment must have had the quiet period to take effect. Probing earlier doubled 1 to 20 of 500 records [measured].
fn settled_by(flight: &Flight, quiet: Duration) -> UnixMillis {
    match (flight.job, flight.last_send_at) {
        (None, Some(sent)) => sent.plus(quiet).max(flight.not_before),
        _ => flight.not_before,
    }
}

fn settle(
    row: &Row,
    fence: Option<Fence>,
    state: State,
    reason: Reason,
    epoch: Epoch,
) -> Result<Row, Refusal> {
    if row.state.is_settled() {
        return Err(Refusal::Settled);
    }
    if let Some(fence) = fence {
        held(row, fence, epoch)?;
        // A row in doubt leaves it through a completed probe only.
        if row.state == State::InDoubt {
            return Err(Refusal::Illegal);
        }
    } else {
        // Touched in an older epoch, it may have been sent in what was lost: only a loader can find that out.
        let lost_writes = row.flight.is_none_or(|flight| flight.epoch < epoch);
        if lost_writes || !matches!(row.state, State::Discovered | State::Queued) {
            return Err(Refusal::Illegal);
        }
    }
    Ok(Row { state, reason: Some(reason), flight: None, ..*row })
}

/// The flight, if `fence` still holds the row. A claim of an older epoch is void even if its fence stands in the row: a later
/// claim by somebody else, and what that one sent, may be what the ledger lost; the old holder could otherwise renew and send too.
fn held(row: &Row, fence: Fence, epoch: Epoch) -> Result<Flight, Refusal> {
    if row.state.is_settled() {
        return Err(Refusal::Settled);
    }
    let flight = row.flight.ok_or(Refusal::Illegal)?;
    match flight.lease {
        Some(lease) if lease.fence == fence && flight.epoch >= epoch => Ok(flight),
        _ => Err(Refusal::StaleFence),
    }
}

fn parked(flight: Flight, until: UnixMillis, attempt: bool) -> Flight {
    Flight {
        lease: None,
        not_before: until,
        attempts: flight.attempts.saturating_add(u8::from(attempt)),
        ..flight
    }
}
