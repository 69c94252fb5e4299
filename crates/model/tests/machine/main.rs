//! The state machine: its table, its picture, and the five rules that keep records from being doubled.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod rules;
mod table;

use std::time::Duration;

use model::row::{Arrival, Flight, Lease, Row, State};
use model::transition::{Event, Refusal, Verdict, next};
use model::{Epoch, Fence, Generation, KayakoId, RunNo, UnixMillis};

pub(crate) const FENCE: Fence = Fence(5);
/// End of the lease of the rows below.
pub(crate) const LEASE_END: UnixMillis = UnixMillis(10_000);
pub(crate) const QUIET: Duration = Duration::from_secs(4);
pub(crate) const ONE: Epoch = Epoch(1);

/// A freshly registered row.
pub(crate) fn registered(epoch: Epoch) -> Row {
    let event =
        Event::Register { run: RunNo(1), fingerprint: 1, verdict: Verdict::Selected, now: UnixMillis(0) };
    next(None, event, epoch).unwrap()
}

/// A row in the given state as the machine leaves it: with a lease where somebody holds it.
pub(crate) fn row(state: State) -> Row {
    let held = matches!(state, State::Claimed | State::Intended | State::InDoubt | State::Created);
    let flight = Flight {
        epoch: ONE,
        lease: held.then_some(Lease { fence: FENCE, until: LEASE_END }),
        last_send_at: matches!(state, State::Intended | State::InDoubt | State::Created)
            .then_some(UnixMillis(5_000)),
        ..Flight::default()
    };
    let exists = matches!(state, State::Created | State::Committed | State::Verified);
    Row {
        state,
        run: RunNo(1),
        generation: Generation(0),
        fingerprint: 1,
        command_hash: 0,
        kayako_id: exists.then_some(KayakoId(7)),
        arrival: exists.then_some(Arrival::Created),
        reason: matches!(state, State::Filtered | State::Skipped | State::Failed)
            .then_some(model::Reason::RetriesExhausted),
        updating: false,
        doubted: false,
        flight: (!state.is_settled()).then_some(flight),
    }
}

/// A claim by another worker.
pub(crate) fn claim(now: i64, probe_from: i64) -> Event {
    Event::Claim {
        lease: Lease { fence: Fence(6), until: UnixMillis(now + 10_000) },
        now: UnixMillis(now),
        quiet: QUIET,
        probe_from: UnixMillis(probe_from),
    }
}

/// Applies events one after the other.
pub(crate) fn all(row: Row, epoch: Epoch, events: &[Event]) -> Result<Row, Refusal> {
    events.iter().try_fold(row, |row, event| next(Some(&row), *event, epoch))
}
