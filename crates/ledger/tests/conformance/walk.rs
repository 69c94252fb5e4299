//! A random walk: thousands of events against the ledger and against the pure state machine, compared after every batch.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ledger::Ledger;
use model::legal::LEGAL;
use model::row::{Arrival, Delta, Lease, Row, State, Tally, Wait};
use model::transition::{Event, Refusal, Verdict, next};
use model::{Epoch, Fence, JobId, KayakoId, Kind, Reason, RecordKey, RunNo, UnixMillis};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::stores::{TestStore, case, user};

crate::on_both_stores!(the_ledger_is_the_state_machine);

/// The first epoch lasts until every legal transition was taken, at least so many batches; it is given up after so many.
const FEWEST: usize = 150;
const MOST: usize = 1_500;
/// Batches in each later epoch, and how many of those there are. New records begin in doubt there, so most transitions are rare.
const LATER: usize = 60;
const LATER_EPOCHS: u32 = 3;
/// Records the walk is busy with.
const RECENT: usize = 30;
const QUIET: Duration = Duration::from_millis(500);

/// The ledger as it should be.
struct Mirror {
    random: ChaCha8Rng,
    keys: Vec<RecordKey>,
    rows: BTreeMap<RecordKey, Row>,
    counters: BTreeMap<(RunNo, Kind, Tally), i64>,
    epoch: Epoch,
    run: RunNo,
    now: i64,
    fence: u64,
    taken: BTreeSet<(&'static str, &'static str)>,
}

impl Mirror {
    /// A new record now and then; the walk goes on with the latest ones, because the others settle.
    fn pick(&mut self) -> RecordKey {
        if self.random.random_bool(0.05) || self.keys.is_empty() {
            let n = self.keys.len() as u64;
            self.keys.push(match n % 3 {
                0 => case(n),
                1 => user(n),
                // Too long to be a field of its own.
                _ => RecordKey::new(Kind::Organization, format!("{n:090}").as_str()),
            });
        }
        self.recent().choose(&mut self.random).unwrap().clone()
    }

    fn recent(&self) -> Vec<RecordKey> {
        self.keys[self.keys.len().saturating_sub(RECENT)..].to_vec()
    }

    /// Mostly an event that is possible in the record's state, mostly by whoever holds it.
    fn event(&mut self, key: &RecordKey) -> Event {
        let row = self.rows.get(key).copied();
        let state = row.map_or("none", |row| row.state.name());
        let possible: Vec<&str> =
            LEGAL.iter().filter(|(_, states)| states.contains(&state)).map(|(event, _)| *event).collect();
        // What was never taken comes first, so that the walk ends where it should whatever the seed.
        let new: Vec<&str> =
            possible.iter().copied().filter(|event| !self.taken.contains(&(state, *event))).collect();
        let names: Vec<&str> = match self.random.random_range(0..10) {
            0..5 if !new.is_empty() => new,
            0..8 => possible,
            _ => LEGAL.iter().map(|(event, _)| *event).collect(),
        };
        let name = *names.choose(&mut self.random).unwrap();
        let held = row.and_then(|row| row.flight?.lease).map(|lease| lease.fence);
        let random = &mut self.random;
        let fence = match held {
            Some(fence) if random.random_bool(0.9) => fence,
            _ => Fence(random.random_range(0..=self.fence)),
        };
        let now = UnixMillis(self.now);
        let until = UnixMillis(self.now + random.random_range(-300..300));
        let reason = *Reason::ALL.choose(random).unwrap();
        let wait = *[Wait::Parent, Wait::Retry, Wait::Throttled, Wait::Target].choose(random).unwrap();
        let attempt = random.random_bool(0.5);
        let holder = held.map(|_| fence);
        // Sometimes of an object that the record has no longer.
        let its_own =
            row.and_then(|row| row.kayako_id).filter(|_| random.random_bool(0.9)).unwrap_or(KayakoId(0));
        match name {
            "register" => {
                let verdict = match random.random_range(0..10) {
                    0 => Verdict::Filtered(Reason::NotInSample),
                    1 => Verdict::Skipped(reason),
                    _ => Verdict::Selected,
                };
                Event::Register { run: self.run, fingerprint: random.random_range(0..3), verdict, now }
            }
            "published" => Event::Published { now, staged_kib: random.random_range(0..3) * 40 },
            "claim" => {
                self.fence += 1;
                let lease = Lease { fence: Fence(self.fence), until: UnixMillis(self.now + 200) };
                let probe_from = UnixMillis(if self.epoch.0 > 1 { self.now - 100 } else { i64::MIN });
                Event::Claim { lease, now, quiet: QUIET, probe_from }
            }
            "renew" => Event::Renew { lease: Lease { fence, until: UnixMillis(self.now + 300) } },
            "intend" => {
                Event::Intend { fence, last_send_at: UnixMillis(self.now + random.random_range(0..250)) }
            }
            "job_accepted" => Event::JobAccepted { fence, job: JobId(random.random()) },
            "unsent" => Event::Unsent { fence, wait, until, attempt, alone: random.random_bool(0.2) },
            "doubt" => Event::Doubt { fence, until, absent: random.random_bool(0.2) },
            "absent" => Event::Absent { fence, confirm_at: until },
            "created" => {
                let arrival = *[Arrival::Created, Arrival::Adopted, Arrival::Merged].choose(random).unwrap();
                let id = row.and_then(|row| row.kayako_id).filter(|_| random.random_bool(0.7));
                Event::Created {
                    fence,
                    id: id.unwrap_or(KayakoId(random.random_range(1..u64::MAX))),
                    arrival,
                }
            }
            "recovered" => Event::Recovered { fence, id: KayakoId(random.random_range(1..u64::MAX)) },
            "park" => Event::Park { fence, wait, until, attempt },
            "release" => Event::Release { fence },
            "commit" => Event::Commit { fence, command_hash: random.random() },
            "fail" => Event::Fail { fence: holder, reason },
            "skip" => Event::Skip { fence: holder, reason },
            "kept" => Event::Kept,
            "recounted" => Event::Recounted { id: its_own },
            "requeue" => Event::Requeue { id: its_own, now },
            "verified" => Event::Verified,
            other => panic!("the walk does not know the event {other}"),
        }
    }

    fn apply(&mut self, key: &RecordKey, event: Event) -> Result<Row, Refusal> {
        let before = self.rows.get(key).copied();
        let after = next(before.as_ref(), event, self.epoch)?;
        self.taken.insert((before.map_or("none", |row| row.state.name()), event.name()));
        for Delta { run, kind, tally, by } in after.deltas(key.kind, before.as_ref()) {
            *self.counters.entry((run, kind, tally)).or_default() += by;
        }
        self.rows.insert(key.clone(), after);
        Ok(after)
    }

    async fn assert_rows(&self, ledger: &Ledger, keys: &[RecordKey], batch: usize) {
        let expected: Vec<_> = keys.iter().map(|key| self.rows.get(key).copied()).collect();
        assert_eq!(ledger.rows(keys).await.unwrap(), expected, "batch {batch}: rows");
    }

    fn due(&self) -> Vec<(RecordKey, UnixMillis)> {
        self.rows.iter().filter_map(|(key, row)| Some((key.clone(), row.due()?))).collect()
    }
}

async fn the_ledger_is_the_state_machine(store: &TestStore) {
    let seed = std::env::var("KAYAKO_MIGRATE_TEST_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(20_251_125);
    // Shown when the test fails.
    println!("seed {seed}; set KAYAKO_MIGRATE_TEST_SEED to walk another way");
    let ledger = &store.ledger;
    let mut mirror = Mirror {
        random: ChaCha8Rng::seed_from_u64(seed),
        keys: Vec::new(),
        rows: BTreeMap::new(),
        counters: BTreeMap::new(),
        epoch: Epoch(1),
        run: RunNo(1),
        now: 1_795_648_396_938,
        fence: 1,
        taken: BTreeSet::new(),
    };
    let legal: BTreeSet<_> =
        LEGAL.iter().flat_map(|(event, states)| states.iter().map(move |state| (*state, *event))).collect();
    let mut epoch_ends = None;
    for batch in 0.. {
        let covered = batch >= FEWEST && legal.is_subset(&mirror.taken);
        if epoch_ends.map_or(covered || batch == MOST, |end| batch == end) {
            if mirror.epoch.0 > LATER_EPOCHS {
                break;
            }
            mirror.epoch = ledger.start_epoch().await.unwrap();
            epoch_ends = Some(batch + LATER);
        }
        mirror.now += mirror.random.random_range(0..120);
        if batch % 110 == 109 {
            mirror.run.0 += 1;
        }
        let mut events = Vec::new();
        let mut expected = Vec::new();
        for _ in 0..mirror.random.random_range(1..40) {
            let key = mirror.pick();
            let event = mirror.event(&key);
            expected.push(mirror.apply(&key, event));
            events.push((key, event));
        }
        let answers = ledger.apply(&events).await.unwrap();
        for ((answer, expected), (key, event)) in answers.iter().zip(&expected).zip(&events) {
            assert_eq!(answer, expected, "batch {batch}: {key} {event:?}");
        }

        mirror.assert_rows(ledger, &mirror.recent(), batch).await;
        for run in 1..=mirror.run.0 {
            let counts = ledger.counts(RunNo(run)).await.unwrap();
            for kind in Kind::ALL {
                let of = counts.of(kind);
                let counter = |tally| mirror.counters.get(&(RunNo(run), kind, tally)).copied().unwrap_or(0);
                let all =
                    Tally::ALL.map(|tally| u64::try_from(counter(tally)).expect("a counter is negative"));
                assert_eq!(
                    [
                        of.filtered,
                        of.migrated,
                        of.failed,
                        of.skipped,
                        of.pending,
                        of.updating,
                        of.in_doubt,
                        of.waiting,
                        of.written_now,
                        of.adopted,
                        of.merged,
                        of.staged_kib,
                        of.doubted
                    ],
                    all,
                    "batch {batch}: counters of run {run}, {kind}"
                );
                // The promise itself, not by way of the deltas: of the newest run every row is counted once.
                if run == mirror.run.0 {
                    let selected = mirror.rows.iter().filter(|(key, row)| {
                        key.kind == kind && row.run == RunNo(run) && row.state != State::Filtered
                    });
                    assert_eq!(of.available, selected.count() as u64, "batch {batch}: the sum of {kind}");
                }
            }
        }
        let mut due = ledger.due(UnixMillis(i64::MAX), 100_000).await.unwrap();
        assert!(due.is_sorted_by_key(|(_, at)| *at), "batch {batch}: due out of order");
        due.sort();
        // The first difference says enough; whole lists would fill screens.
        let expected = mirror.due();
        let wrong = due.iter().zip(&expected).find(|(found, expected)| found != expected);
        assert!(wrong.is_none() && due.len() == expected.len(), "batch {batch}: due: {wrong:?}");
    }
    mirror.assert_rows(ledger, &mirror.keys, usize::MAX).await;
    let recount = ledger.recount(mirror.run).await.unwrap();
    assert!(recount.exact && recount.drift.is_empty(), "{recount:?}");

    let never: Vec<_> = legal.difference(&mirror.taken).collect();
    assert!(never.is_empty(), "legal, but never taken: {never:?}");
    let illegal: Vec<_> = mirror.taken.difference(&legal).collect();
    assert!(illegal.is_empty(), "taken, but not in the table: {illegal:?}");
}
