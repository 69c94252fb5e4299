//! A row as bytes: at most 30 for a settled row, 64 for one in flight, with the ids and times of real migrations.
//!
//! Format 1: version; state, arrival and two marks; which fields follow; then numbers as LEB128 varints, hashes as 8 bytes
//! (they fill them anyway), times and the fence as differences to `not_before` (a fence is a time, see `store::after`). Two rows are equal
//! exactly if their bytes are: swaps compare bytes.

use model::row::{Arrival, Flight, Lease, Row, State, Wait};
use model::{Epoch, Fence, Generation, JobId, KayakoId, Reason, RunNo, UnixMillis};

use crate::error::Error;

const VERSION: u8 = 1;

/// Bits of the second byte beside the state's four.
const ARRIVAL_SHIFT: u8 = 4;
const UPDATING: u8 = 1 << 6;
const DOUBTED: u8 = 1 << 7;

/// Which optional fields a row has.
const HAS_ID: u8 = 1;
const HAS_REASON: u8 = 1 << 1;
const HAS_GENERATION: u8 = 1 << 2;
const HAS_COMMAND: u8 = 1 << 3;
const HAS_FLIGHT: u8 = 1 << 4;

/// Which optional fields a flight has.
const HAS_LEASE: u8 = 1;
const HAS_SEND: u8 = 1 << 1;
const HAS_JOB: u8 = 1 << 2;
const ABSENT_ONCE: u8 = 1 << 3;
const ALONE: u8 = 1 << 4;
const HAS_STAGED: u8 = 1 << 5;

/// Position = code; never move a state, there is room for one more.
const STATES: [State; 15] = [
    State::Discovered,
    State::Queued,
    State::Waiting(Wait::Parent),
    State::Waiting(Wait::Retry),
    State::Waiting(Wait::Throttled),
    State::Waiting(Wait::Target),
    State::Claimed,
    State::Intended,
    State::InDoubt,
    State::Created,
    State::Committed,
    State::Verified,
    State::Filtered,
    State::Skipped,
    State::Failed,
];

/// Packs a row.
pub(super) fn pack(row: &Row) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    out.push(VERSION);
    let state = STATES.iter().position(|state| *state == row.state).and_then(|at| u8::try_from(at).ok());
    let arrival = match row.arrival {
        None => 0,
        Some(Arrival::Created) => 1,
        Some(Arrival::Adopted) => 2,
        Some(Arrival::Merged) => 3,
    };
    // A state without a code would unpack as damaged; the test over all states keeps that from happening.
    out.push(
        state.unwrap_or(15)
            | (arrival << ARRIVAL_SHIFT)
            | mark(row.updating, UPDATING)
            | mark(row.doubted, DOUBTED),
    );
    out.push(
        mark(row.kayako_id.is_some(), HAS_ID)
            | mark(row.reason.is_some(), HAS_REASON)
            | mark(row.generation.0 != 0, HAS_GENERATION)
            | mark(row.command_hash != 0, HAS_COMMAND)
            | mark(row.flight.is_some(), HAS_FLIGHT),
    );
    varint(&mut out, u64::from(row.run.0));
    out.extend_from_slice(&row.fingerprint.to_le_bytes());
    if row.command_hash != 0 {
        out.extend_from_slice(&row.command_hash.to_le_bytes());
    }
    if let Some(id) = row.kayako_id {
        varint(&mut out, id.0);
    }
    if let Some(reason) = row.reason {
        out.push(reason.number());
    }
    if row.generation.0 != 0 {
        out.push(row.generation.0);
    }
    if let Some(flight) = &row.flight {
        pack_flight(&mut out, flight);
    }
    out
}

fn pack_flight(out: &mut Vec<u8>, flight: &Flight) {
    out.push(
        mark(flight.lease.is_some(), HAS_LEASE)
            | mark(flight.last_send_at.is_some(), HAS_SEND)
            | mark(flight.job.is_some(), HAS_JOB)
            | mark(flight.absent_once, ABSENT_ONCE)
            | mark(flight.alone, ALONE)
            | mark(flight.staged_kib != 0, HAS_STAGED),
    );
    varint(out, u64::from(flight.epoch.0));
    out.push(flight.attempts);
    let base = flight.not_before.0;
    signed(out, base);
    if let Some(lease) = flight.lease {
        signed(out, lease.fence.0.cast_signed().wrapping_sub(base));
        signed(out, lease.until.0.wrapping_sub(base));
    }
    if let Some(sent) = flight.last_send_at {
        signed(out, sent.0.wrapping_sub(base));
    }
    if let Some(job) = flight.job {
        varint(out, job.0);
    }
    if flight.staged_kib != 0 {
        varint(out, u64::from(flight.staged_kib));
    }
}

/// Unpacks a row.
pub(super) fn unpack(bytes: &[u8]) -> Result<Row, Error> {
    let mut from = Bytes(bytes);
    let version = from.byte()?;
    if version != VERSION {
        return Err(Error::UnknownVersion { what: "a row", found: version.into(), known: VERSION.into() });
    }
    let (marks, has) = (from.byte()?, from.byte()?);
    let run = RunNo(from.small()?);
    let fingerprint = from.hash()?;
    let command_hash = if has & HAS_COMMAND != 0 { from.hash()? } else { 0 };
    let kayako_id = if has & HAS_ID != 0 { Some(KayakoId(from.varint()?)) } else { None };
    let reason =
        if has & HAS_REASON != 0 { Some(Reason::from_number(from.byte()?).ok_or(DAMAGED)?) } else { None };
    let generation = Generation(if has & HAS_GENERATION != 0 { from.byte()? } else { 0 });
    let flight = if has & HAS_FLIGHT != 0 { Some(from.flight()?) } else { None };
    if !from.0.is_empty() {
        return Err(DAMAGED);
    }
    Ok(Row {
        state: *STATES.get(usize::from(marks & 0x0f)).ok_or(DAMAGED)?,
        run,
        generation,
        fingerprint,
        command_hash,
        kayako_id,
        arrival: match (marks >> ARRIVAL_SHIFT) & 3 {
            0 => None,
            1 => Some(Arrival::Created),
            2 => Some(Arrival::Adopted),
            _ => Some(Arrival::Merged),
        },
        reason,
        updating: marks & UPDATING != 0,
        doubted: marks & DOUBTED != 0,
        flight,
    })
}

const DAMAGED: Error = Error::Damaged { what: "a row" };

fn mark(set: bool, bit: u8) -> u8 {
    if set { bit } else { 0 }
}

fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number.to_le_bytes()[0] & 0x7f) | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

/// Small distances in both directions become small numbers ("zigzag").
fn signed(out: &mut Vec<u8>, number: i64) {
    varint(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

/// What is left to unpack.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> Result<u8, Error> {
        let (first, rest) = self.0.split_first().ok_or(DAMAGED)?;
        self.0 = rest;
        Ok(*first)
    }

    fn hash(&mut self) -> Result<u64, Error> {
        let (first, rest) = self.0.split_first_chunk::<8>().ok_or(DAMAGED)?;
        self.0 = rest;
        Ok(u64::from_le_bytes(*first))
    }

    fn varint(&mut self) -> Result<u64, Error> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(DAMAGED)
    }

    fn small(&mut self) -> Result<u32, Error> {
        u32::try_from(self.varint()?).map_err(|_| DAMAGED)
    }

    fn signed(&mut self) -> Result<i64, Error> {
        let number = self.varint()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    fn flight(&mut self) -> Result<Flight, Error> {
        let has = self.byte()?;
        let epoch = Epoch(self.small()?);
        let attempts = self.byte()?;
        let base = self.signed()?;
        let lease = if has & HAS_LEASE != 0 {
            let fence = Fence(self.signed()?.wrapping_add(base).cast_unsigned());
            Some(Lease { fence, until: UnixMillis(self.signed()?.wrapping_add(base)) })
        } else {
            None
        };
        let last_send_at =
            if has & HAS_SEND != 0 { Some(UnixMillis(self.signed()?.wrapping_add(base))) } else { None };
        let job = if has & HAS_JOB != 0 { Some(JobId(self.varint()?)) } else { None };
        let staged_kib = if has & HAS_STAGED != 0 { self.small()? } else { 0 };
        Ok(Flight {
            epoch,
            attempts,
            lease,
            not_before: UnixMillis(base),
            last_send_at,
            job,
            absent_once: has & ABSENT_ONCE != 0,
            alone: has & ALONE != 0,
            staged_kib,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_795_648_396_938;

    fn arrivals() -> impl Strategy<Value = Option<Arrival>> {
        prop_oneof![
            Just(None),
            Just(Some(Arrival::Created)),
            Just(Some(Arrival::Adopted)),
            Just(Some(Arrival::Merged))
        ]
    }

    prop_compose! {
        fn any_flight()(
            epoch: u32, attempts: u8, lease: Option<(u64, i64)>, not_before: i64, last_send_at: Option<i64>,
            job: Option<u64>, absent_once: bool, alone: bool, staged_kib: u32,
        ) -> Flight {
            Flight {
                epoch: Epoch(epoch), attempts, not_before: UnixMillis(not_before), absent_once, alone, staged_kib,
                lease: lease.map(|(fence, until)| Lease { fence: Fence(fence), until: UnixMillis(until) }),
                last_send_at: last_send_at.map(UnixMillis), job: job.map(JobId),
            }
        }
    }

    prop_compose! {
        fn any_row()(
            state in prop::sample::select(&STATES[..]), run: u32, generation: u8, fingerprint: u64, command_hash: u64,
            kayako_id: Option<u64>, arrival in arrivals(), reason in prop::option::of(prop::sample::select(Reason::ALL)),
            updating: bool, doubted: bool, flight in prop::option::of(any_flight()),
        ) -> Row {
            Row {
                state, run: RunNo(run), generation: Generation(generation), fingerprint, command_hash,
                kayako_id: kayako_id.map(KayakoId), arrival, reason, updating, doubted, flight,
            }
        }
    }

    prop_compose! {
        // What a month-long migration of a large account meets: hundreds of runs, ids below 2^40, times within
        // a week of each other.
        fn real_flight()(
            epoch in 1u32..100, attempts in 0u8..9, not_before in NOW..NOW + 2_000_000_000,
            fence in -600_000_000i64..600_000_000, until in 0i64..600_000_000, sent in 0i64..600_000_000, job in 0u64..1 << 35,
            absent_once: bool, alone: bool, staged_kib in 0u32..1 << 21,
        ) -> Flight {
            Flight {
                epoch: Epoch(epoch), attempts, not_before: UnixMillis(not_before), absent_once, alone, staged_kib,
                lease: Some(Lease {
                    fence: Fence((not_before + fence).cast_unsigned()), until: UnixMillis(not_before + until),
                }),
                last_send_at: Some(UnixMillis(not_before + sent)), job: Some(JobId(job)),
            }
        }
    }

    proptest! {
        #[test]
        fn every_row_comes_back_as_it_was(row in any_row()) {
            prop_assert_eq!(unpack(&pack(&row)).unwrap(), row);
        }

        #[test]
        fn rows_keep_to_their_sizes(
            row in any_row(), flight in real_flight(), run in 1u32..1000, id in prop::option::of(1u64..1 << 40),
        ) {
            let row = Row { run: RunNo(run), kayako_id: id.map(KayakoId), flight: None, ..row };
            let settled = pack(&row).len();
            prop_assert!(settled <= 30, "a settled row takes {settled} bytes");
            // The worst case: a record that is tried again although it was written once before.
            let in_flight = pack(&Row { flight: Some(flight), ..row }).len();
            prop_assert!(in_flight <= 64, "a row in flight takes {in_flight} bytes");
        }

        #[test]
        fn damaged_bytes_are_an_error_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() {
                *first = VERSION;
            }
            if let Ok(row) = unpack(&bytes) {
                prop_assert_eq!(unpack(&pack(&row)).unwrap(), row);
            }
        }
    }

    #[test]
    fn every_state_has_a_code_and_codes_never_move() {
        for state in State::ALL {
            assert!(STATES.contains(&state), "{} cannot be stored", state.name());
        }
        // One row as it was stored by the first version: it must be readable for ever.
        let stored = [1, 0x9a, 9, 3, 1, 2, 3, 4, 5, 6, 7, 8, 8, 7, 6, 5, 4, 3, 2, 1, 0xe5, 8];
        let row = unpack(&stored).unwrap();
        assert_eq!((row.state, row.arrival, row.doubted), (State::Committed, Some(Arrival::Created), true));
        assert_eq!((row.run, row.kayako_id), (RunNo(3), Some(KayakoId(1125))));
        assert_eq!((row.fingerprint, row.command_hash), (0x0807_0605_0403_0201, 0x0102_0304_0506_0708));
        assert_eq!(pack(&row), stored);
    }

    #[test]
    fn an_unknown_version_is_named() {
        let error = unpack(&[7, 0, 0]).unwrap_err().to_string();
        assert!(error.contains("version 7"), "{error}");
    }
}
