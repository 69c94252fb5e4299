//! Every operation on rows, one by one.

use std::time::Duration;

use ledger::{Claim, ClaimRequest, Cursor, Error, Ledger, OpenOptions, Outcome, Registration};
use model::row::{Arrival, Row, State, Wait};
use model::transition::{Refusal, Verdict};
use model::{JobId, KayakoId, Kind, MigrationId, Reason, RecordKey, RunNo, UnixMillis};

use crate::stores::{TestStore, case, queue, selected, user};

const RUN: RunNo = RunNo(1);
const LEASE: Duration = Duration::from_secs(40);
const QUIET: Duration = Duration::from_mins(2);

crate::on_both_stores!(
    registering_says_what_to_publish,
    a_record_goes_all_the_way,
    a_claim_waits_for_parents,
    a_claim_tells_why_it_is_not_granted,
    an_intent_must_end_before_the_lease,
    an_expired_claim_is_taken_over_and_its_intent_is_in_doubt,
    doubt_ends_by_two_absences_or_a_finding,
    records_wait_are_released_fail_and_are_skipped,
    several_events_of_one_record_apply_in_order,
    ids_are_opaque_bytes_of_any_length,
    due_lists_the_oldest_first,
    a_scan_sees_every_row_once_in_pages,
    a_recount_finds_no_drift_and_history_stays,
    attaching_needs_a_ledger,
);

fn request(key: &RecordKey) -> ClaimRequest {
    ClaimRequest { key: key.clone(), parents: Vec::new(), command_hash: 5, wait: None }
}

async fn claim(ledger: &Ledger, key: &RecordKey, quiet: Duration) -> (model::Fence, Row) {
    let batch = ledger.claim(&[request(key)], LEASE, quiet).await.unwrap();
    match &batch.claims[..] {
        [Claim::Go { row, .. }] => (batch.fence, *row),
        other => panic!("{key} was not claimed: {other:?}"),
    }
}

fn only<T>(mut answers: Vec<Result<T, Refusal>>) -> Result<T, Refusal> {
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

async fn registering_says_what_to_publish(store: &TestStore) {
    let ledger = &store.ledger;
    let filtered = Registration { verdict: Verdict::Filtered(Reason::NotInSample), ..selected(&case(2)) };
    let page = [selected(&case(1)), filtered.clone(), selected(&case(1))];
    let answers = ledger.register(RUN, &page).await.unwrap();
    let outcomes: Vec<_> = answers.iter().map(|answer| (answer.outcome, answer.row.state)).collect();
    assert_eq!(
        outcomes,
        [
            (Outcome::Publish, State::Discovered),
            (Outcome::Known, State::Filtered),
            // Twice in a page: still discovered, so a crash in between cannot lose it.
            (Outcome::Publish, State::Discovered),
        ]
    );
    let published = ledger.published(&[(case(1), 64), (case(2), 1), (case(3), 1)]).await.unwrap();
    assert_eq!(published[0].unwrap().state, State::Queued);
    assert_eq!((published[1], published[2]), (Err(Refusal::Settled), Err(Refusal::Unknown)));
    assert_eq!(ledger.counts(RUN).await.unwrap().of(Kind::Case).staged_kib, 64);

    let again = |fingerprint| Registration { fingerprint, ..selected(&case(1)) };
    let outcome = async |run, registration: Registration| {
        ledger.register(run, &[registration]).await.unwrap()[0].outcome
    };
    assert_eq!(outcome(RUN, again(7)).await, Outcome::Known, "a message carries it");
    assert_eq!(outcome(RUN, again(8)).await, Outcome::Publish, "the queued content is not the newest");
    assert_eq!(outcome(RunNo(2), again(8)).await, Outcome::Publish, "another run selected it");
    only(ledger.published(&[(case(1), 0)]).await.unwrap()).unwrap();
    // Named by another record: what the listing knew stays, but its filter is overruled.
    let implied = Registration { implied: true, fingerprint: 99, ..selected(&case(1)) };
    assert_eq!(outcome(RunNo(2), implied).await, Outcome::Known);
    assert_eq!(ledger.row(&case(1)).await.unwrap().unwrap().fingerprint, 8);
    let implied = Registration { implied: true, ..selected(&case(2)) };
    assert_eq!(outcome(RUN, implied).await, Outcome::Publish);
}

async fn a_record_goes_all_the_way(store: &TestStore) {
    let ledger = &store.ledger;
    queue(ledger, RUN, &[case(1)]).await;
    let before = ledger.now().await.unwrap();
    let batch = ledger.claim(&[request(&case(1))], LEASE, QUIET).await.unwrap();
    assert!(matches!(&batch.claims[..], [Claim::Go { row, .. }] if row.state == State::Claimed));
    assert!(batch.now >= before && batch.lease_until == batch.now.plus(LEASE));
    let (fence, keys) = (batch.fence, [case(1)]);

    let sent = batch.now.plus(Duration::from_secs(30));
    let row = only(ledger.intend(fence, &keys, sent).await.unwrap()).unwrap();
    assert_eq!((row.state, row.flight.unwrap().last_send_at), (State::Intended, Some(sent)));
    let row = only(ledger.job_accepted(fence, &keys, JobId(77)).await.unwrap()).unwrap();
    assert_eq!(row.flight.unwrap().job, Some(JobId(77)));
    let (until, answers) = ledger.renew(fence, &keys, LEASE * 2).await.unwrap();
    assert_eq!(only(answers).unwrap().flight.unwrap().lease.unwrap().until, until);
    // An id above 2^53 must survive every store.
    let id = KayakoId(9_007_199_254_740_993);
    let created = [(case(1), id, Arrival::Created)];
    for _ in 0..2 {
        let row = only(ledger.created(fence, &created).await.unwrap()).unwrap();
        assert_eq!((row.state, row.kayako_id), (State::Created, Some(id)));
    }
    let row = only(ledger.commit(fence, &[(case(1), 5)]).await.unwrap()).unwrap();
    assert_eq!((row.state, row.command_hash, row.flight), (State::Committed, 5, None));
    let row = only(ledger.verified(&keys).await.unwrap()).unwrap();
    assert_eq!(row.state, State::Verified);
    assert_eq!(ledger.row(&case(1)).await.unwrap(), Some(row));
    assert_eq!(ledger.rows(&[case(9), case(1)]).await.unwrap(), [None, Some(row)]);

    let counts = ledger.counts(RUN).await.unwrap().of(Kind::Case);
    assert_eq!((counts.available, counts.migrated, counts.written_now, counts.pending), (1, 1, 1, 0));
    assert_eq!(ledger.due(UnixMillis(i64::MAX), 10).await.unwrap(), []);

    // A newer version arrives: it stays migrated, is updating beside it, and the plan keeps what is there.
    let newer = Registration { fingerprint: 8, ..selected(&case(1)) };
    let answer = ledger.register(RunNo(2), &[newer]).await.unwrap()[0];
    assert_eq!((answer.outcome, answer.row.updating), (Outcome::Publish, true));
    let counts = ledger.counts(RunNo(2)).await.unwrap().of(Kind::Case);
    assert_eq!((counts.migrated, counts.updating, counts.written_now), (1, 1, 0));
    let claims = ledger.claim(&[request(&case(1))], LEASE, QUIET).await.unwrap().claims;
    assert!(matches!(&claims[..], [Claim::Settled { row, same_command: true }] if row.updating));
    assert!(!only(ledger.kept(&keys).await.unwrap()).unwrap().updating);
    assert_eq!(ledger.counts(RunNo(2)).await.unwrap().outstanding(), 0);
    assert_eq!(ledger.counts(RUN).await.unwrap().of(Kind::Case).migrated, 1, "history stays");
}

async fn a_claim_waits_for_parents(store: &TestStore) {
    let ledger = &store.ledger;
    queue(ledger, RUN, &[case(1), user(1), user(2)]).await;
    let parents = vec![user(1), user(2), user(3)];
    let asked = ClaimRequest { parents: parents.clone(), ..request(&case(1)) };
    let before = ledger.row(&case(1)).await.unwrap();
    let claims = ledger.claim(std::slice::from_ref(&asked), LEASE, QUIET).await.unwrap().claims;
    let rows = ledger.rows(&parents).await.unwrap();
    assert_eq!(
        rows.iter().map(|row| row.map(|row| row.state)).collect::<Vec<_>>(),
        [Some(State::Queued), Some(State::Queued), None]
    );
    let missing = parents.iter().cloned().zip(rows).collect();
    assert_eq!(claims, [Claim::Parents { missing, until: None }]);
    assert_eq!(ledger.row(&case(1)).await.unwrap(), before, "it was to be left as it is");

    // One parent arrives, one fails, one is filtered: all are settled, and the claim tells how.
    let (fence, _) = claim(ledger, &user(1), QUIET).await;
    let created = [(user(1), KayakoId(12), Arrival::Adopted)];
    only(ledger.created(fence, &created).await.unwrap()).unwrap();
    only(ledger.commit(fence, &[(user(1), 3)]).await.unwrap()).unwrap();
    only(ledger.fail(None, &[(user(2), Reason::Untranslatable)]).await.unwrap()).unwrap();
    queue(ledger, RUN, &[case(2)]).await;
    let parked = |id, wait| ClaimRequest { wait: Some(wait), key: case(id), ..asked.clone() };
    let wait = Duration::from_mins(50);
    let batch = ledger.claim(&[parked(2, wait), parked(1, Duration::ZERO)], LEASE, QUIET).await.unwrap();
    let Claim::Parents { missing, until: Some(until) } = &batch.claims[0] else {
        panic!("{:?}", batch.claims);
    };
    assert_eq!(missing, &[(user(3), None)]);
    assert!(*until >= batch.now.plus(wait));
    for key in [case(1), case(2)] {
        let row = ledger.row(&key).await.unwrap().unwrap();
        assert_eq!(row.state, State::Waiting(Wait::Parent));
        let flight = row.flight.unwrap();
        assert_eq!((flight.lease, flight.attempts), (None, 0), "waiting is not an attempt");
    }
    let filtered = Registration { verdict: Verdict::Filtered(Reason::NotInSample), ..selected(&user(3)) };
    ledger.register(RUN, &[filtered]).await.unwrap();

    let asked = [ClaimRequest { key: case(2), ..asked.clone() }, asked];
    let claims = ledger.claim(&asked, LEASE, QUIET).await.unwrap().claims;
    let [Claim::NotYet { until: later }, Claim::Go { parents: found, .. }] = &claims[..] else {
        panic!("{claims:?}");
    };
    assert_eq!(later, until);
    let found: Vec<_> =
        found.iter().map(|(key, p)| (key.clone(), p.state, p.kayako_id, p.arrival, p.reason)).collect();
    assert_eq!(
        found,
        [
            (user(1), State::Committed, Some(KayakoId(12)), Some(Arrival::Adopted), None),
            (user(2), State::Failed, None, None, Some(Reason::Untranslatable)),
            (user(3), State::Filtered, None, None, Some(Reason::NotInSample)),
        ]
    );
}

async fn a_claim_tells_why_it_is_not_granted(store: &TestStore) {
    let ledger = &store.ledger;
    queue(ledger, RUN, &[case(1), case(2), case(3)]).await;
    let first = ledger.claim(&[request(&case(1))], LEASE, QUIET).await.unwrap();
    only(ledger.skip(None, &[(case(2), Reason::NotWanted)]).await.unwrap()).unwrap();
    let requests = [case(1), case(2), case(3), case(4)].map(|key| request(&key));
    let second = ledger.claim(&requests, LEASE, QUIET).await.unwrap();
    assert!(second.fence > first.fence, "fences grow");
    assert_eq!(second.claims[0], Claim::Busy { until: first.lease_until });
    assert!(matches!(second.claims[1], Claim::Settled { same_command: false, .. }));
    assert!(matches!(second.claims[2], Claim::Go { .. }));
    assert_eq!(second.claims[3], Claim::Unknown);
    // A late worker is refused whatever it wants.
    let late = ledger.release(second.fence, &[case(1)]).await.unwrap();
    assert_eq!(only(late), Err(Refusal::StaleFence));
}

async fn an_intent_must_end_before_the_lease(store: &TestStore) {
    let ledger = &store.ledger;
    queue(ledger, RUN, &[case(1)]).await;
    let batch = ledger.claim(&[request(&case(1))], LEASE, QUIET).await.unwrap();
    let late = UnixMillis(batch.lease_until.0 + 1);
    let past = UnixMillis(batch.now.0 - 1);
    for send_at in [late, past] {
        let answer = only(ledger.intend(batch.fence, &[case(1)], send_at).await.unwrap());
        assert_eq!(answer, Err(Refusal::PastLease), "sent at {send_at}");
        assert_eq!(ledger.row(&case(1)).await.unwrap().unwrap().state, State::Claimed);
    }
    only(ledger.intend(batch.fence, &[case(1)], batch.lease_until).await.unwrap()).unwrap();
}

async fn an_expired_claim_is_taken_over_and_its_intent_is_in_doubt(store: &TestStore) {
    let ledger = &store.ledger;
    let (lease, quiet) = (Duration::from_millis(60), Duration::from_millis(120));
    queue(ledger, RUN, &[case(1), case(2)]).await;
    let requests = [request(&case(1)), request(&case(2))];
    let dead = ledger.claim(&requests, lease, quiet).await.unwrap();
    let intended = only(ledger.intend(dead.fence, &[case(2)], dead.lease_until).await.unwrap()).is_ok();
    store.pass(lease).await;
    let taken = ledger.claim(&requests, LEASE, quiet).await.unwrap();
    assert!(matches!(&taken.claims[0], Claim::Go { row, .. } if row.state == State::Claimed));
    assert_eq!(only(ledger.renew(dead.fence, &[case(1)], lease).await.unwrap().1), Err(Refusal::StaleFence));
    // On a machine so slow that the intent came too late there is nothing to doubt.
    if intended {
        let until = dead.lease_until.plus(quiet);
        let told = taken.claims[1] == Claim::NotYet { until };
        assert!(told || ledger.now().await.unwrap() >= until, "probed early: {:?}", taken.claims[1]);
        store.pass(quiet).await;
        let (fence, row) = match &taken.claims[1] {
            Claim::Go { row, .. } => (taken.fence, *row),
            _ => claim(ledger, &case(2), quiet).await,
        };
        assert_eq!((row.state, row.doubted), (State::InDoubt, true));
        let refused =
            only(ledger.intend(fence, &[case(2)], row.flight.unwrap().lease.unwrap().until).await.unwrap());
        assert_eq!(refused, Err(Refusal::Illegal), "a row in doubt must be probed first");
        assert_eq!(ledger.counts(RUN).await.unwrap().of(Kind::Case).in_doubt, 1);
    }
}

async fn doubt_ends_by_two_absences_or_a_finding(store: &TestStore) {
    let ledger = &store.ledger;
    queue(ledger, RUN, &[case(1), case(2), case(3)]).await;
    let nothing = Duration::ZERO;
    for key in [case(1), case(2), case(3)] {
        let keys = [key.clone()];
        let batch = ledger.claim(&[request(&key)], LEASE, nothing).await.unwrap();
        only(ledger.intend(batch.fence, &keys, batch.lease_until).await.unwrap()).unwrap();
        if key != case(3) {
            only(ledger.job_accepted(batch.fence, &keys, JobId(8)).await.unwrap()).unwrap();
        }
        let row = only(ledger.doubt(batch.fence, &keys, batch.now, false).await.unwrap()).unwrap();
        assert_eq!((row.state, row.flight.unwrap().lease), (State::InDoubt, None));
    }
    // Nobody may fail or skip what may exist.
    let refused = ledger.fail(None, &[(case(1), Reason::RetriesExhausted)]).await.unwrap();
    assert_eq!(only(refused), Err(Refusal::Illegal));
    // Without a job nothing can be told before the last possible send. A job can be asked at once.
    let until = ledger.row(&case(3)).await.unwrap().unwrap().flight.unwrap().last_send_at.unwrap();
    let claims = ledger.claim(&[request(&case(3))], LEASE, nothing).await.unwrap().claims;
    assert_eq!(claims, [Claim::NotYet { until }]);

    let (fence, row) = claim(ledger, &case(1), nothing).await;
    assert_eq!((row.state, row.flight.unwrap().job), (State::InDoubt, Some(JobId(8))));
    let now = ledger.now().await.unwrap();
    let row = only(ledger.absent(fence, &[case(1)], now).await.unwrap()).unwrap();
    assert_eq!(row.state, State::InDoubt, "one absence does not settle it");
    let (fence, _) = claim(ledger, &case(1), nothing).await;
    let row = only(ledger.absent(fence, &[case(1)], now).await.unwrap()).unwrap();
    assert!(row.state == State::Claimed && row.flight.unwrap().alone && row.doubted);

    let (fence, _) = claim(ledger, &case(2), nothing).await;
    let found = [(case(2), KayakoId(4), Arrival::Created)];
    let row = only(ledger.created(fence, &found).await.unwrap()).unwrap();
    assert_eq!((row.state, row.kayako_id), (State::Created, Some(KayakoId(4))));
}

async fn records_wait_are_released_fail_and_are_skipped(store: &TestStore) {
    let ledger = &store.ledger;
    let keys: Vec<_> = (1..=6).map(case).collect();
    queue(ledger, RUN, &keys).await;
    let requests: Vec<_> = keys.iter().map(request).collect();
    let batch = ledger.claim(&requests, LEASE, QUIET).await.unwrap();
    let fence = batch.fence;
    let later = batch.now.plus(Duration::from_secs(10));
    let row = only(ledger.park(fence, &keys[..1], Wait::Throttled, later, false).await.unwrap()).unwrap();
    assert_eq!((row.state, row.due()), (State::Waiting(Wait::Throttled), Some(later)));
    let row = only(ledger.release(fence, &keys[1..2]).await.unwrap()).unwrap();
    assert_eq!((row.state, row.flight.unwrap().lease), (State::Queued, None));
    only(ledger.intend(fence, &keys[2..3], batch.lease_until).await.unwrap()).unwrap();
    let unsent = ledger.unsent(fence, &keys[2..3], Wait::Retry, later, true, true).await.unwrap();
    let flight = only(unsent).unwrap().flight.unwrap();
    assert_eq!((flight.attempts, flight.last_send_at, flight.alone), (1, None, true));
    let failed = ledger.fail(Some(fence), &[(case(4), Reason::RejectedByKayako)]).await.unwrap();
    assert_eq!(only(failed).unwrap().state, State::Failed);
    let skipped = ledger.skip(Some(fence), &[(case(5), Reason::NothingToWrite)]).await.unwrap();
    assert_eq!(only(skipped).unwrap().reason, Some(Reason::NothingToWrite));
    assert_eq!(only(ledger.kept(&keys[5..]).await.unwrap()), Err(Refusal::Illegal));
    let counts = ledger.counts(RUN).await.unwrap().of(Kind::Case);
    assert_eq!(
        (counts.available, counts.pending, counts.waiting, counts.failed, counts.skipped),
        (6, 4, 2, 1, 1)
    );
}

async fn several_events_of_one_record_apply_in_order(store: &TestStore) {
    use model::transition::Event;
    let ledger = &store.ledger;
    queue(ledger, RUN, &[case(1)]).await;
    let batch = ledger.claim(&[request(&case(1))], LEASE, QUIET).await.unwrap();
    let fence = batch.fence;
    let created = |id| Event::Created { fence, id: KayakoId(id), arrival: Arrival::Created };
    let events = [
        Event::Intend { fence, last_send_at: batch.lease_until },
        created(1),
        created(2),
        Event::Commit { fence, command_hash: 1 },
        Event::Commit { fence, command_hash: 2 },
    ]
    .map(|event| (case(1), event));
    let answers = ledger.apply(&events).await.unwrap();
    let states: Vec<_> = answers.iter().map(|answer| answer.map(|row| row.state)).collect();
    assert_eq!(
        states,
        [
            Ok(State::Intended),
            Ok(State::Created),
            Err(Refusal::Illegal),
            Ok(State::Committed),
            Err(Refusal::Settled)
        ]
    );
}

async fn ids_are_opaque_bytes_of_any_length(store: &TestStore) {
    let ledger = &store.ledger;
    let ids = [
        "9007199254740993",
        "9007199254740992",
        "007",
        "7",
        "-0",
        "1e3",
        "#1",
        "",
        "a:b c\n\"'",
        "\u{fc}\u{1f600}",
        "%s {x}",
    ];
    let mut keys: Vec<RecordKey> = ids.iter().map(|id| RecordKey::new(Kind::Case, *id)).collect();
    keys.push(RecordKey::new(Kind::Case, "x".repeat(40).as_str()));
    keys.push(RecordKey::new(Kind::Case, "x".repeat(41).as_str()));
    keys.push(RecordKey::new(Kind::Case, "x".repeat(5000).as_str()));
    keys.push(RecordKey::new(Kind::User, "7"));
    let page: Vec<_> =
        (0u64..).zip(&keys).map(|(fingerprint, key)| Registration { fingerprint, ..selected(key) }).collect();
    ledger.register(RUN, &page).await.unwrap();
    for (fingerprint, row) in (0u64..).zip(ledger.rows(&keys).await.unwrap()) {
        assert_eq!(row.unwrap().fingerprint, fingerprint);
    }
    keys.sort();
    let mut due: Vec<_> =
        ledger.due(UnixMillis(i64::MAX), 100).await.unwrap().into_iter().map(|(key, _)| key).collect();
    due.sort();
    assert_eq!(due, keys);
    let (scanned, _) = scan_all(ledger, 4).await;
    let mut scanned: Vec<_> = scanned.into_iter().map(|(key, _)| key).collect();
    scanned.sort();
    assert_eq!(scanned, keys);
}

async fn due_lists_the_oldest_first(store: &TestStore) {
    let ledger = &store.ledger;
    let keys: Vec<_> = (1..=5).map(case).collect();
    queue(ledger, RUN, &keys).await;
    let requests: Vec<_> = keys.iter().map(request).collect();
    let batch = ledger.claim(&requests, LEASE, QUIET).await.unwrap();
    let at = |seconds: u64| batch.now.plus(Duration::from_secs(seconds));
    for (key, seconds) in keys.iter().zip([50, 20, 40, 10, 30]) {
        let parked = ledger.park(batch.fence, std::slice::from_ref(key), Wait::Retry, at(seconds), true);
        only(parked.await.unwrap()).unwrap();
    }
    let due = ledger.due(at(40), 10).await.unwrap();
    assert_eq!(due, [(case(4), at(10)), (case(2), at(20)), (case(5), at(30))], "before means before");
    assert_eq!(ledger.due(at(100), 2).await.unwrap().len(), 2);
}

async fn scan_all(ledger: &Ledger, limit: usize) -> (Vec<(RecordKey, Row)>, usize) {
    let (mut all, mut pages, mut cursor) = (Vec::new(), 0, None::<Cursor>);
    loop {
        let (page, next) = ledger.scan(cursor.as_ref(), limit).await.unwrap();
        all.extend(page);
        pages += 1;
        let Some(next) = next else { return (all, pages) };
        // A cursor survives being written down.
        let stored = serde_json::to_string(&next).unwrap();
        cursor = Some(serde_json::from_str(&stored).unwrap());
    }
}

async fn a_scan_sees_every_row_once_in_pages(store: &TestStore) {
    let ledger = &store.ledger;
    let mut keys: Vec<_> = (0..900).map(case).chain((0..300).map(user)).collect();
    let page: Vec<_> = keys.iter().map(selected).collect();
    ledger.register(RUN, &page).await.unwrap();
    let (all, pages) = scan_all(ledger, 100).await;
    assert!(pages >= 5, "{pages} pages");
    let mut found: Vec<_> = all.into_iter().map(|(key, _)| key).collect();
    found.sort();
    keys.sort();
    assert_eq!(found, keys);
}

async fn a_recount_finds_no_drift_and_history_stays(store: &TestStore) {
    let ledger = &store.ledger;
    let keys: Vec<_> = (1..=50).map(case).collect();
    queue(ledger, RUN, &keys).await;
    let failed: Vec<_> = keys[..10].iter().map(|key| (key.clone(), Reason::SourceUnreadable)).collect();
    ledger.fail(None, &failed).await.unwrap();
    let recount = ledger.recount(RUN).await.unwrap();
    assert!(recount.exact && recount.drift.is_empty() && recount.rows == 50, "{recount:?}");
    // A later run: the pending ones move, the failed ones are tried again and stay failed in the first run's table.
    queue(ledger, RunNo(2), &keys).await;
    let first = ledger.counts(RUN).await.unwrap().of(Kind::Case);
    assert_eq!((first.available, first.failed, first.pending), (10, 10, 0));
    let second = ledger.counts(RunNo(2)).await.unwrap().of(Kind::Case);
    assert_eq!((second.available, second.failed, second.pending), (50, 0, 50));
    assert_eq!(ledger.recount(RunNo(2)).await.unwrap().drift, []);
}

async fn attaching_needs_a_ledger(store: &TestStore) {
    let beside = store.attach().await;
    queue(&store.ledger, RUN, &[case(1)]).await;
    assert!(beside.row(&case(1)).await.unwrap().is_some());

    let other = MigrationId::new("nobody").unwrap();
    let mut options = OpenOptions::beside();
    options.prefix.clone_from(&store.options.prefix);
    let error = Ledger::open(&store.url, &other, options).await.unwrap_err();
    match (&error, store.url.starts_with("sqlite")) {
        (Error::OtherMigration { .. }, true) | (Error::Empty { .. }, false) => {}
        _ => panic!("{error}"),
    }
    let error =
        Ledger::open("postgres://user:secret@host/", &other, OpenOptions::attach()).await.unwrap_err();
    assert!(error.to_string().contains("postgres") && !error.to_string().contains("secret"), "{error}");
}

#[tokio::test]
async fn an_absent_file_is_an_empty_ledger_and_a_second_process_is_kept_out() {
    let store = TestStore::sqlite().await;
    let missing = format!("{}-not-there", store.url);
    let error = Ledger::open(&missing, &crate::stores::migration(), OpenOptions::attach()).await.unwrap_err();
    assert!(matches!(error, Error::Empty { .. }), "{error}");
    let path = missing.trim_start_matches("sqlite:");
    assert!(!std::path::Path::new(path).exists(), "attaching must not create anything");

    let migration = crate::stores::migration();
    let error = Ledger::open(&store.url, &migration, store.options.clone()).await.unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    drop(store.ledger);
    Ledger::open(&store.url, &migration, store.options).await.unwrap();
}
