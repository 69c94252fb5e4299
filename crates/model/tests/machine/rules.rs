//! The five rules, each with tests that go red without it.

use std::time::Duration;

use model::row::{Arrival, Flight, Lease, Row, State, Wait};
use model::timing::probe_from;
use model::transition::{Event, Refusal, Verdict, next};
use model::{Epoch, Fence, JobId, KayakoId, Reason, RunNo, UnixMillis};

use crate::{FENCE, LEASE_END, ONE, QUIET, all, claim, registered, row};

const AT: UnixMillis = UnixMillis(9_000);

fn intend(last_send_at: UnixMillis) -> Event {
    Event::Intend { fence: FENCE, last_send_at }
}

fn created(arrival: Arrival) -> Event {
    Event::Created { fence: FENCE, id: KayakoId(9), arrival }
}

/// Rule 1: the intent is stored before a request is sent. What was created without one is a defect, and it is told.
#[test]
fn nothing_is_created_without_an_intent() {
    let claimed = row(State::Claimed);
    for event in [
        created(Arrival::Created),
        Event::JobAccepted { fence: FENCE, job: JobId(1) },
        Event::Doubt { fence: FENCE, until: AT, absent: false },
        Event::Commit { fence: FENCE, command_hash: 1 },
    ] {
        assert_eq!(next(Some(&claimed), event, ONE), Err(Refusal::Illegal), "{}", event.name());
    }
    // What existed before us, or was created by a lost ledger, may be found without having sent anything.
    let recovered = next(Some(&claimed), Event::Recovered { fence: FENCE, id: KayakoId(9) }, ONE).unwrap();
    assert_eq!((recovered.state, recovered.doubted), (State::Created, true));
    assert!(next(Some(&claimed), created(Arrival::Adopted), ONE).is_ok());
    let sent = all(claimed, ONE, &[intend(AT), created(Arrival::Created)]).unwrap();
    assert_eq!((sent.state, sent.kayako_id), (State::Created, Some(KayakoId(9))));
}

/// Rule 1 again: an intent whose worker vanished is in doubt, whatever else is known.
#[test]
fn an_abandoned_intent_is_in_doubt() {
    let taken = next(Some(&row(State::Intended)), claim(20_000, i64::MIN), ONE).unwrap();
    assert_eq!((taken.state, taken.doubted), (State::InDoubt, true));
    let untouched = next(Some(&row(State::Claimed)), claim(20_000, i64::MIN), ONE).unwrap();
    assert_eq!((untouched.state, untouched.doubted), (State::Claimed, false));
}

/// Rule 2: a row in doubt is neither sent nor given up before a completed probe: two absences, or a finding.
#[test]
fn doubt_is_left_by_a_completed_probe_only() {
    let doubted = row(State::InDoubt);
    for event in [
        intend(AT),
        Event::Commit { fence: FENCE, command_hash: 1 },
        Event::Fail { fence: Some(FENCE), reason: Reason::RetriesExhausted },
        Event::Fail { fence: None, reason: Reason::RetriesExhausted },
        Event::Skip { fence: Some(FENCE), reason: Reason::NotWanted },
        Event::Unsent { fence: FENCE, wait: Wait::Retry, until: AT, attempt: true, alone: false },
    ] {
        assert_eq!(next(Some(&doubted), event, ONE), Err(Refusal::Illegal), "{}", event.name());
    }
    for event in [
        Event::Release { fence: FENCE },
        Event::Park { fence: FENCE, wait: Wait::Target, until: AT, attempt: false },
        Event::Absent { fence: FENCE, confirm_at: AT },
        Event::Renew { lease: Lease { fence: FENCE, until: LEASE_END } },
        Event::Published { now: AT, staged_kib: 0 },
        Event::Register {
            run: RunNo(2),
            fingerprint: 2,
            verdict: Verdict::Filtered(Reason::NotWanted),
            now: AT,
        },
    ] {
        let after = next(Some(&doubted), event, ONE).unwrap();
        assert_eq!(after.state, State::InDoubt, "{}", event.name());
    }
    let once =
        next(Some(&doubted), Event::Absent { fence: FENCE, confirm_at: UnixMillis(30_000) }, ONE).unwrap();
    assert!(once.flight.unwrap().absent_once && once.flight.unwrap().lease.is_none());
    assert_eq!(
        next(Some(&once), claim(29_999, i64::MIN), ONE),
        Err(Refusal::NotYet { until: UnixMillis(30_000) })
    );
    let again = next(Some(&once), claim(30_000, i64::MIN), ONE).unwrap();
    let twice = next(Some(&again), Event::Absent { fence: Fence(6), confirm_at: AT }, ONE).unwrap();
    let flight = twice.flight.unwrap();
    assert_eq!(twice.state, State::Claimed);
    assert!(flight.alone && flight.last_send_at.is_none() && !flight.absent_once);
}

/// Rule 2 again: the probe comes after the quiet period, counted from the last possible send; a job can be asked at once.
#[test]
fn a_probe_waits_for_the_quiet_period() {
    let quiet_end = UnixMillis(5_000).plus(QUIET);
    for state in [State::Intended, State::InDoubt] {
        let row = Row { flight: row(state).flight.map(|f| Flight { lease: None, ..f }), ..row(state) };
        let early = next(Some(&row), claim(quiet_end.0 - 1, i64::MIN), ONE);
        assert_eq!(early, Err(Refusal::NotYet { until: quiet_end }), "{}", state.name());
        assert_eq!(next(Some(&row), claim(quiet_end.0, i64::MIN), ONE).unwrap().state, State::InDoubt);
        let job = row.flight.map(|f| Flight { job: Some(JobId(3)), ..f });
        assert!(next(Some(&Row { flight: job, ..row }), claim(1_000, i64::MIN), ONE).is_ok());
    }
}

/// Rule 3: the lease's end is the last moment at which a request may be on its way.
#[test]
fn nothing_is_sent_after_the_lease() {
    let claimed = row(State::Claimed);
    let late = intend(UnixMillis(LEASE_END.0 + 1));
    assert_eq!(next(Some(&claimed), late, ONE), Err(Refusal::PastLease));
    assert!(next(Some(&claimed), intend(LEASE_END), ONE).is_ok());
    let unleased = Row { flight: claimed.flight.map(|f| Flight { lease: None, ..f }), ..claimed };
    assert_eq!(next(Some(&unleased), intend(AT), ONE), Err(Refusal::StaleFence));
    for state in [State::Claimed, State::Intended, State::InDoubt, State::Created] {
        let busy = next(Some(&row(state)), claim(LEASE_END.0 - 1, i64::MIN), ONE);
        assert_eq!(busy, Err(Refusal::Busy { until: LEASE_END }), "{}", state.name());
    }
}

fn fenced(fence: Fence) -> Vec<Event> {
    let (until, attempt) = (AT, true);
    vec![
        Event::Renew { lease: Lease { fence, until: LEASE_END } },
        Event::Intend { fence, last_send_at: AT },
        Event::JobAccepted { fence, job: JobId(1) },
        Event::Unsent { fence, wait: Wait::Retry, until, attempt, alone: false },
        Event::Doubt { fence, until, absent: false },
        Event::Absent { fence, confirm_at: AT },
        Event::Created { fence, id: KayakoId(7), arrival: Arrival::Created },
        Event::Park { fence, wait: Wait::Retry, until, attempt },
        Event::Release { fence },
        Event::Commit { fence, command_hash: 1 },
        Event::Fail { fence: Some(fence), reason: Reason::RejectedByKayako },
        Event::Skip { fence: Some(fence), reason: Reason::NotWanted },
    ]
}

/// Rule 4: a worker whose claim was taken over is refused, whatever it wants to say.
#[test]
fn a_late_worker_is_refused() {
    for state in [State::Claimed, State::Intended, State::InDoubt, State::Created] {
        for event in fenced(Fence(4)) {
            let refused = next(Some(&row(state)), event, ONE);
            assert_eq!(refused, Err(Refusal::StaleFence), "{} while {}", event.name(), state.name());
        }
    }
}

/// Rule 4 again: so is one whose claim is of an older epoch. The ledger may have lost that another worker took the record over and
/// sent it; the old fence stands in the row again, and its holder could renew and send it once more.
#[test]
fn a_claim_of_an_older_epoch_is_void() {
    for state in [State::Claimed, State::Intended, State::InDoubt, State::Created] {
        for event in fenced(FENCE) {
            let refused = next(Some(&row(state)), event, Epoch(2));
            assert_eq!(refused, Err(Refusal::StaleFence), "{} while {}", event.name(), state.name());
        }
    }
}

/// Rule 5: what was touched in an older epoch may have been sent in what was lost. It is probed, and not before every
/// request and every holder of that epoch must be done.
#[test]
fn rows_of_an_older_epoch_are_in_doubt() {
    let begun = 50_000;
    for state in State::ALL.into_iter().filter(|state| !state.is_settled()) {
        let early = next(Some(&row(state)), claim(begun - 1, begun), Epoch(2));
        assert_eq!(early, Err(Refusal::NotYet { until: UnixMillis(begun) }), "{}", state.name());
        let claimed = next(Some(&row(state)), claim(begun, begun), Epoch(2)).unwrap();
        assert_eq!(claimed.flight.unwrap().epoch, Epoch(2));
        if state == State::Created {
            assert_eq!((claimed.state, claimed.kayako_id), (State::Created, Some(KayakoId(7))));
        } else {
            assert_eq!((claimed.state, claimed.doubted), (State::InDoubt, true), "{}", state.name());
        }
        // A lease that ends later than that was granted by a ledger that knew better.
        if row(state).flight.unwrap().lease.is_some() {
            let held = next(Some(&row(state)), claim(1_000, i64::MIN), Epoch(2));
            assert_eq!(held, Err(Refusal::NotYet { until: LEASE_END }), "{}", state.name());
        }
    }
}

/// Rule 5 again: in a later epoch even what seems new, or is tried again after it had been in doubt, is probed first.
#[test]
fn what_seems_new_in_a_later_epoch_is_probed() {
    let first = next(Some(&registered(ONE)), claim(0, i64::MIN), ONE).unwrap();
    assert_eq!(first.state, State::Claimed, "in the first epoch nothing can have been lost");
    let later = next(Some(&registered(Epoch(2))), claim(0, 0), Epoch(2)).unwrap();
    assert_eq!(later.state, State::InDoubt);
    let again = Event::Register { run: RunNo(2), fingerprint: 2, verdict: Verdict::Selected, now: AT };
    for (doubted, kayako_id, expected) in [
        (false, None, State::Claimed),
        (true, None, State::InDoubt),
        (false, Some(KayakoId(3)), State::InDoubt),
    ] {
        let failed = Row { doubted, kayako_id, ..row(State::Failed) };
        let tried = all(failed, ONE, &[again, claim(AT.0, i64::MIN)]).unwrap();
        assert_eq!(tried.state, expected, "doubted {doubted}, id {kayako_id:?}");
    }
}

/// Rule 5 again: in a later epoch this generation may have been queued, sent and lost before.
#[test]
fn a_new_generation_of_a_later_epoch_is_probed() {
    let gone = row(State::Committed);
    for (epoch, expected) in [(ONE, State::Claimed), (Epoch(2), State::InDoubt)] {
        let requeue = Event::Requeue { id: KayakoId(7), now: AT };
        let again = all(gone, epoch, &[requeue, claim(AT.0, i64::MIN)]).unwrap();
        assert_eq!(again.state, expected, "{epoch}");
    }
}

/// Whoever counts objects holds no lease: what it saw of an object counts for that object only, not for one that was written since.
#[test]
fn an_object_that_is_gone_has_its_record_written_once_more_and_not_twice() {
    let requeue = |id| Event::Requeue { id: KayakoId(id), now: AT };
    let doubted = Row { doubted: true, ..row(State::Committed) };
    let anew = next(Some(&doubted), requeue(7), ONE).unwrap();
    assert_eq!((anew.state, anew.kayako_id, anew.doubted), (State::Discovered, None, false));
    assert_eq!(
        (anew.generation.0, anew.run),
        (doubted.generation.0 + 1, doubted.run),
        "the same run writes it"
    );
    assert_eq!(anew.due(), Some(AT), "somebody looks after it");
    assert_eq!(next(Some(&anew), requeue(7), ONE), Err(Refusal::Illegal), "it is on its way");
    let id = KayakoId(9);
    let written =
        Row { state: State::Committed, kayako_id: Some(id), arrival: Some(Arrival::Created), ..anew };
    let written = Row { doubted: true, flight: None, ..written };
    assert_eq!(next(Some(&written), requeue(7), ONE), Err(Refusal::Replaced), "it has arrived");
    let counted = |id| next(Some(&written), Event::Recounted { id }, ONE);
    assert_eq!(counted(KayakoId(7)), Err(Refusal::Replaced), "its new object was not counted");
    assert_eq!(counted(id).map(|row| row.doubted), Ok(false));
    for arrival in [Arrival::Adopted, Arrival::Merged] {
        let others = Row { arrival: Some(arrival), ..doubted };
        assert_eq!(next(Some(&others), requeue(7), ONE), Err(Refusal::Illegal), "not ours to write");
    }
}

/// Rule 5 again: an absence that was seen before the loss may be older than a request that was lost with it. Two look-ups count anew.
#[test]
fn an_absence_of_an_older_epoch_counts_for_nothing() {
    let doubted = row(State::InDoubt);
    let once =
        Row { flight: doubted.flight.map(|f| Flight { absent_once: true, lease: None, ..f }), ..doubted };
    let begun = 50_000;
    let claimed = next(Some(&once), claim(begun, begun), Epoch(2)).unwrap();
    assert!(!claimed.flight.unwrap().absent_once);
    let absent = Event::Absent { fence: Fence(6), confirm_at: UnixMillis(begun + 1_000) };
    assert_eq!(next(Some(&claimed), absent, Epoch(2)).unwrap().state, State::InDoubt);
    // Within its own epoch it counts.
    let again = next(Some(&once), claim(begun, i64::MIN), ONE).unwrap();
    assert_eq!(next(Some(&again), absent, ONE).unwrap().state, State::Claimed);
}

/// Rule 5 again: the last intent that was lost may name a moment as late as its lease's end, and its request has the quiet period from then on.
#[test]
fn the_first_probe_of_an_epoch_waits_for_the_leases_of_the_older_one() {
    let (since, lease) = (UnixMillis(50_000), Duration::from_secs(10));
    assert_eq!(probe_from(Epoch(2), since, lease, QUIET), UnixMillis(64_000));
    assert_eq!(probe_from(ONE, since, lease, QUIET), UnixMillis(i64::MIN), "nothing can have been lost");
}

/// Rule 5 again: what was touched in an older epoch may be in Kayako. Nobody leaves it out without holding it.
#[test]
fn what_an_older_epoch_touched_is_not_left_out_unprobed() {
    for state in [State::Discovered, State::Queued] {
        for event in [
            Event::Fail { fence: None, reason: Reason::RejectedByKayako },
            Event::Skip { fence: None, reason: Reason::SourceGone },
        ] {
            assert!(next(Some(&row(state)), event, ONE).unwrap().state.is_settled(), "{}", state.name());
            assert_eq!(next(Some(&row(state)), event, Epoch(2)), Err(Refusal::Illegal), "{}", state.name());
        }
    }
    // What seems new in a later epoch is no exception.
    let skip = Event::Skip { fence: None, reason: Reason::SourceGone };
    assert_eq!(next(Some(&registered(Epoch(2))), skip, Epoch(2)), Err(Refusal::Illegal));
}

/// Waiting, throttling and shutdown never use up an attempt; only what the caller says does.
#[test]
fn attempts_are_used_up_only_when_said() {
    let claimed = row(State::Claimed);
    let parked = |attempt| {
        let park = Event::Park { fence: FENCE, wait: Wait::Throttled, until: AT, attempt };
        next(Some(&claimed), park, ONE).unwrap().flight.unwrap().attempts
    };
    assert_eq!((parked(false), parked(true)), (0, 1));
    let released = next(Some(&claimed), Event::Release { fence: FENCE }, ONE).unwrap();
    assert_eq!(released.flight.unwrap().attempts, 0);
}

/// A record that is in Kayako stays migrated whatever a later listing says; an unchanged one is not touched.
#[test]
fn what_arrived_stays_arrived() {
    let register = |fingerprint, verdict| Event::Register { run: RunNo(2), fingerprint, verdict, now: AT };
    for state in [State::Committed, State::Verified] {
        for (fingerprint, verdict, updating) in [
            (1, Verdict::Selected, false),
            (2, Verdict::Selected, true),
            (2, Verdict::Filtered(Reason::NotInSample), false),
            (2, Verdict::Skipped(Reason::DeletedAtSource), false),
        ] {
            let after = next(Some(&row(state)), register(fingerprint, verdict), ONE).unwrap();
            assert_eq!((after.state, after.updating), (state, updating), "{verdict:?}");
            assert_eq!(after.flight.is_some(), updating);
        }
    }
    let refused = next(Some(&row(State::Committed)), claim(20_000, i64::MIN), ONE);
    assert_eq!(refused, Err(Refusal::Settled));
}

/// A failure that the same input would meet again is not tried again by itself; an outage's is, and a filter is overruled on purpose.
#[test]
fn a_settled_record_is_tried_again_for_a_cause() {
    let register = |run, fingerprint| Event::Register {
        run: RunNo(run),
        fingerprint,
        verdict: Verdict::Selected,
        now: AT,
    };
    let failed = |reason| Row { reason: Some(reason), ..row(State::Failed) };
    for (reason, run, fingerprint, expected) in [
        (Reason::RejectedByKayako, 2, 1, State::Failed),
        (Reason::RejectedByKayako, 2, 2, State::Discovered),
        (Reason::RetriesExhausted, 1, 1, State::Failed),
        (Reason::RetriesExhausted, 2, 1, State::Discovered),
    ] {
        let after = next(Some(&failed(reason)), register(run, fingerprint), ONE).unwrap();
        assert_eq!(after.state, expected, "{reason} in run {run}, fingerprint {fingerprint}");
        assert_eq!(after.run, RunNo(run));
    }
    let filtered = Row { reason: Some(Reason::NotInSample), ..row(State::Filtered) };
    assert_eq!(next(Some(&filtered), register(1, 1), ONE).unwrap().state, State::Discovered);
}

/// A cancelled run leaves rows behind. The next run decides anew about those of which nothing was sent, and about no others.
#[test]
fn what_a_cancelled_run_left_over_is_judged_anew_unless_something_may_be_in_kayako() {
    let register =
        |run, verdict| Event::Register { run: RunNo(run), fingerprint: 2, verdict, now: LEASE_END };
    let filtered = Verdict::Filtered(Reason::NotWanted);
    for state in [State::Discovered, State::Queued, State::Waiting(Wait::Retry), State::Claimed] {
        let left = row(state);
        let again = next(Some(&left), register(2, filtered), ONE).unwrap();
        assert_eq!((again.state, again.run), (State::Filtered, RunNo(2)), "{}", state.name());
        let wanted = next(Some(&left), register(2, Verdict::Selected), ONE).unwrap();
        assert_eq!((wanted.state, wanted.run), (State::Discovered, RunNo(2)), "{}", state.name());
        // Within its own run it is on its way, whatever a second look at its page says.
        assert_eq!(next(Some(&left), register(1, filtered), ONE).unwrap().state, state, "{}", state.name());
        // A later epoch's ledger may have lost that it was sent.
        assert_eq!(
            next(Some(&left), register(2, filtered), Epoch(2)).unwrap().state,
            state,
            "{}",
            state.name()
        );
        let doubted = Row { doubted: true, ..left };
        assert_eq!(
            next(Some(&doubted), register(2, filtered), ONE).unwrap().state,
            state,
            "{}",
            state.name()
        );
    }
    for state in [State::Intended, State::InDoubt, State::Created] {
        let after = next(Some(&row(state)), register(2, filtered), ONE).unwrap();
        assert_eq!((after.state, after.run), (state, RunNo(2)), "{}", state.name());
    }
    // A worker that still holds it keeps it.
    let held = Event::Register { run: RunNo(2), fingerprint: 2, verdict: filtered, now: AT };
    assert_eq!(next(Some(&row(State::Claimed)), held, ONE).unwrap().state, State::Claimed);
}
