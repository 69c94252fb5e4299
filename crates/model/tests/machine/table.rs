//! Every state with every event: what is possible is what the table and the picture in `docs/states.md` say.

use std::collections::BTreeSet;

use model::legal::LEGAL;
use model::row::{Arrival, Flight, Lease, Row, State, Wait};
use model::transition::{Event, Verdict, next};
use model::{Epoch, Fence, JobId, KayakoId, Reason, RunNo, UnixMillis};

use crate::{FENCE, LEASE_END, claim, row};

const PICTURE: &str = include_str!("../../../../docs/states.md");

/// Rows of every state, with what may differ within it.
fn rows() -> Vec<Option<Row>> {
    let mut rows = vec![None];
    for state in State::ALL {
        let row = row(state);
        rows.push(Some(row));
        if state.is_migrated() {
            rows.push(Some(Row { updating: true, flight: Some(Flight::default()), ..row }));
        }
        if let Some(flight) = row.flight {
            rows.push(Some(Row { flight: Some(Flight { absent_once: true, ..flight }), ..row }));
            // As a drain or a pause leaves it.
            if matches!(state, State::InDoubt | State::Created) {
                rows.push(Some(Row { flight: Some(Flight { lease: None, ..flight }), ..row }));
            }
            // As a worker that vanished before it sent anything leaves it.
            if state == State::Claimed {
                let ended = Lease { fence: FENCE, until: UnixMillis(1) };
                rows.push(Some(Row { flight: Some(Flight { lease: Some(ended), ..flight }), ..row }));
            }
        }
        if row.reason.is_some() {
            rows.push(Some(Row { reason: Some(Reason::RejectedByKayako), ..row }));
        }
    }
    rows
}

fn events() -> Vec<Event> {
    let (fence, until) = (FENCE, UnixMillis(9_000));
    let mut events = Vec::new();
    for (run, fingerprint) in [(1, 1), (2, 1), (2, 2)] {
        for verdict in
            [Verdict::Selected, Verdict::Filtered(Reason::NotInSample), Verdict::Skipped(Reason::NotWanted)]
        {
            events.push(Event::Register { run: RunNo(run), fingerprint, verdict, now: until });
        }
    }
    for wait in [Wait::Parent, Wait::Retry, Wait::Throttled, Wait::Target] {
        events.push(Event::Unsent { fence, wait, until, attempt: true, alone: true });
        events.push(Event::Park { fence, wait, until, attempt: false });
    }
    for arrival in [Arrival::Created, Arrival::Adopted, Arrival::Merged] {
        events.push(Event::Created { fence, id: KayakoId(7), arrival });
    }
    for fence in [None, Some(FENCE)] {
        events.push(Event::Fail { fence, reason: Reason::RejectedByKayako });
        events.push(Event::Skip { fence, reason: Reason::NotWanted });
    }
    events.extend([
        Event::Published { now: until, staged_kib: 1 },
        claim(0, i64::MIN),
        claim(20_000, i64::MIN),
        Event::Renew { lease: Lease { fence, until: LEASE_END } },
        Event::Intend { fence, last_send_at: until },
        Event::JobAccepted { fence, job: JobId(1) },
        Event::Doubt { fence, until, absent: false },
        Event::Doubt { fence, until, absent: true },
        Event::Absent { fence, confirm_at: until },
        Event::Recovered { fence, id: KayakoId(7) },
        Event::Release { fence },
        Event::Commit { fence, command_hash: 1 },
        Event::Kept,
        Event::Recounted { id: KayakoId(7) },
        Event::Requeue { id: KayakoId(7), now: until },
        Event::Verified,
        // None of these apply to anybody else's row.
        Event::Release { fence: Fence(1) },
    ]);
    events
}

/// Every transition there is: from, event, to.
fn transitions() -> BTreeSet<(&'static str, &'static str, &'static str)> {
    let mut found = BTreeSet::new();
    for row in rows() {
        let from = row.map_or("none", |row| row.state.name());
        for event in events() {
            for epoch in [Epoch(1), Epoch(2)] {
                if let Ok(after) = next(row.as_ref(), event, epoch) {
                    found.insert((from, event.name(), after.state.name()));
                }
            }
        }
    }
    found
}

#[test]
fn what_is_possible_is_in_the_table() {
    let possible: BTreeSet<_> = transitions().into_iter().map(|(from, event, _)| (event, from)).collect();
    let table: BTreeSet<_> =
        LEGAL.iter().flat_map(|(event, states)| states.iter().map(move |state| (*event, *state))).collect();
    let missing: Vec<_> = possible.difference(&table).collect();
    let surplus: Vec<_> = table.difference(&possible).collect();
    assert!(
        missing.is_empty() && surplus.is_empty(),
        "not in the table: {missing:?}; not possible: {surplus:?}"
    );
    let named: BTreeSet<_> = events().iter().map(Event::name).collect();
    assert_eq!(named, LEGAL.iter().map(|(event, _)| *event).collect(), "an event is not tried at all");
}

#[test]
fn what_changes_a_state_is_in_the_picture() {
    // The four classes of waiting are drawn as one.
    let drawn_as = |state: &'static str| if state.starts_with("waiting") { "waiting" } else { state };
    let real: BTreeSet<(String, String, String)> = transitions()
        .into_iter()
        .map(|(from, event, to)| (drawn_as(from).to_owned(), event.to_owned(), drawn_as(to).to_owned()))
        .filter(|(from, _, to)| from != to)
        .collect();
    let mut drawn = BTreeSet::new();
    for line in PICTURE.lines().filter(|line| line.contains("-->")) {
        let (from, rest) = line.trim().split_once(" --> ").unwrap();
        let (to, events) = rest.split_once(": ").unwrap();
        for event in events.split(", ") {
            let from = if from == "[*]" { "none" } else { from };
            assert!(
                drawn.insert((from.to_owned(), event.to_owned(), to.to_owned())),
                "drawn twice: {from} {event} {to}"
            );
        }
    }
    let missing: Vec<_> = real.difference(&drawn).collect();
    let surplus: Vec<_> = drawn.difference(&real).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "not drawn: {missing:#?}; not possible: {surplus:#?}");
}
