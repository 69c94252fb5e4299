//! A ledger that may have lost writes: claims are void, what was in flight is probed, and nothing is sent before.

use std::time::Duration;

use ledger::{Claim, ClaimRequest, Ledger, OpenOptions};
use model::row::State;
use model::transition::Refusal;
use model::{Epoch, RunNo, UnixMillis};

use crate::stores::{TestStore, case, migration, queue, redis_url};

const RUN: RunNo = RunNo(1);
const LEASE: Duration = Duration::from_millis(40);
const QUIET: Duration = Duration::from_millis(80);

crate::on_both_stores!(a_new_epoch_voids_claims_and_puts_rows_in_doubt, a_young_epoch_grants_no_locks);

fn request(id: u64) -> ClaimRequest {
    ClaimRequest { key: case(id), parents: Vec::new(), command_hash: 0, wait: None }
}

async fn a_new_epoch_voids_claims_and_puts_rows_in_doubt(store: &TestStore) {
    let ledger = &store.ledger;
    queue(ledger, RUN, &[case(1), case(2)]).await;
    let long = Duration::from_mins(1);
    let old = ledger.claim(&[request(1)], long, QUIET).await.unwrap();
    assert_eq!(old.epoch, Epoch(1));
    assert_eq!(ledger.start_epoch().await.unwrap(), Epoch(2));
    assert_eq!(ledger.epoch().await.unwrap(), Epoch(2));

    // The holder may go on neither writing nor renewing: somebody may have taken over in what was lost.
    let (_, renewed) = ledger.renew(old.fence, &[case(1)], long).await.unwrap();
    assert_eq!(renewed, [Err(Refusal::StaleFence)]);
    let intended = ledger.intend(old.fence, &[case(1)], old.lease_until).await.unwrap();
    assert_eq!(intended, [Err(Refusal::StaleFence)]);

    // A row that was only queued may have been sent in what was lost. Its probe waits until the last one can have taken effect.
    let batch = ledger.claim(&[request(1), request(2)], LEASE, QUIET).await.unwrap();
    assert_eq!(batch.claims[0], Claim::NotYet { until: old.lease_until }, "its holder may be sending still");
    if let Claim::NotYet { until } = batch.claims[1] {
        assert!(until > batch.now.plus(Duration::ZERO));
        store.pass(LEASE + QUIET).await;
    } else {
        assert!(!store.url.starts_with("sqlite"), "{:?}", batch.claims[1]);
    }
    let batch = match &batch.claims[1] {
        Claim::Go { .. } => batch,
        _ => ledger.claim(&[request(1), request(2)], LEASE, QUIET).await.unwrap(),
    };
    let Claim::Go { row, .. } = &batch.claims[1] else { panic!("{:?}", batch.claims) };
    assert_eq!((row.state, row.flight.unwrap().epoch, row.doubted), (State::InDoubt, Epoch(2), true));
    assert!(batch.fence > old.fence);

    // What seems new now may have been registered, and sent, before.
    queue(ledger, RUN, &[case(3)]).await;
    let claims = ledger.claim(&[request(3)], LEASE, QUIET).await.unwrap().claims;
    assert!(matches!(&claims[..], [Claim::Go { row, .. }] if row.state == State::InDoubt), "{claims:?}");
}

async fn a_young_epoch_grants_no_locks(store: &TestStore) {
    let ttl = Duration::from_millis(50);
    let ledger = &store.ledger;
    let before = ledger.now().await.unwrap();
    ledger.start_epoch().await.unwrap();
    let lock = ledger.try_lock("leader", "a", ttl).await.unwrap();
    // On a slow machine the waiting time may be over already.
    assert!(lock.is_none() || ledger.now().await.unwrap() >= before.plus(ttl));
    store.pass(ttl).await;
    assert!(lock.is_some() || ledger.try_lock("leader", "a", ttl).await.unwrap().is_some());
}

#[tokio::test]
async fn another_redis_identity_begins_an_epoch_and_refuses_what_was_read_before() {
    let store = TestStore::redis().await;
    let ledger = &store.ledger;
    queue(ledger, RUN, &[case(1)]).await;
    let old = ledger.claim(&[request(1)], Duration::from_mins(1), QUIET).await.unwrap();
    let version = ledger.put_document("d", None, &1).await.unwrap().unwrap();
    let held = ledger.try_lock("l", "a", Duration::from_mins(1)).await.unwrap().unwrap();

    // What a restart or a promoted replica looks like: the stored identity is not the live one. The fence goes back too, as it would.
    let client = ::redis::Client::open(redis_url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let meta = format!("{{{}:{}}}:meta1", store.options.prefix, migration());
    let tamper = ::redis::cmd("HSET")
        .arg(&meta)
        .arg(&["identity", "elsewhere", "fence", "0"])
        .query_async::<u32>(&mut connection)
        .await
        .unwrap();
    assert_eq!(tamper, 0, "the fields must have been there");

    let refused = ledger.intend(old.fence, &[case(1)], old.lease_until).await.unwrap();
    assert_eq!(refused, [Err(Refusal::StaleFence)]);
    assert_eq!(ledger.epoch().await.unwrap(), Epoch(2));
    let next = ledger.claim(&[request(1)], LEASE, QUIET).await.unwrap();
    assert_eq!(next.epoch, Epoch(2));
    assert!(next.fence > old.fence && next.fence > held.fence, "a lost fence was handed out again");
    assert!(ledger.put_document("d", Some(version), &2).await.unwrap().unwrap() > version);
    let identity: String =
        ::redis::cmd("HGET").arg(&meta).arg("identity").query_async(&mut connection).await.unwrap();
    let info: String = ::redis::cmd("INFO").query_async(&mut connection).await.unwrap();
    for part in identity.split('.') {
        assert!(part.len() == 40 && info.contains(part), "{identity} is not this server");
    }
    // And it stays the second epoch.
    assert_eq!(store.attach().await.epoch().await.unwrap(), Epoch(2));
    store.clear().await;
}

#[tokio::test]
async fn a_copied_file_begins_an_epoch_and_the_same_file_does_not() {
    let store = TestStore::sqlite().await;
    queue(&store.ledger, RUN, &[case(1)]).await;
    let path = store.url.trim_start_matches("sqlite:").to_owned();
    drop(store.ledger);
    let open = async || Ledger::open(&store.url, &migration(), store.options.clone()).await.unwrap();
    let ledger = open().await;
    assert_eq!(ledger.epoch().await.unwrap(), Epoch(1), "nothing was lost");
    drop(ledger);
    // A restored copy: another file under the same name.
    let copy = format!("{path}.copy");
    std::fs::copy(&path, &copy).unwrap();
    std::fs::rename(&copy, &path).unwrap();
    let ledger = open().await;
    assert_eq!(ledger.epoch().await.unwrap(), Epoch(2));
    assert!(ledger.row(&case(1)).await.unwrap().is_some());
    drop(ledger);
    assert_eq!(open().await.epoch().await.unwrap(), Epoch(2));
}

#[tokio::test]
async fn the_file_explains_itself_to_the_usual_tools() {
    let store = TestStore::sqlite().await;
    queue(&store.ledger, RUN, &[case(12)]).await;
    let path = store.url.trim_start_matches("sqlite:");
    let connection = rusqlite::Connection::open(path).unwrap();
    let (kind, id, state, epoch): (String, String, String, u32) = connection
        .query_row("select kind, source_id, state, epoch from records", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .unwrap();
    assert_eq!((kind.as_str(), id.as_str(), state.as_str(), epoch), ("case", "12", "queued", 1));
    let amount: i64 = connection
        .query_row(
            "select amount from counters where run = 1 and kind = 'case' and tally = 'pending'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(amount, 1);
}

#[tokio::test]
async fn a_newer_file_or_ledger_is_refused_by_its_version() {
    let store = TestStore::sqlite().await;
    let path = store.url.trim_start_matches("sqlite:").to_owned();
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 9).unwrap();
    let error = Ledger::open(&store.url, &migration(), OpenOptions::beside()).await.unwrap_err();
    assert!(error.to_string().contains("version 9"), "{error}");

    let store = TestStore::redis().await;
    let client = ::redis::Client::open(redis_url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let meta = format!("{{{}:{}}}:meta1", store.options.prefix, migration());
    let set = ::redis::cmd("HSET").arg(&meta).arg("format").arg(9).query_async::<u32>(&mut connection).await;
    assert_eq!(set.unwrap(), 0);
    let options = OpenOptions { opening: ledger::Opening::Attach, ..store.options.clone() };
    let error = Ledger::open(&store.url, &migration(), options).await.unwrap_err();
    assert!(error.to_string().contains("version 9"), "{error}");
    store.clear().await;
}

/// Time in both stores is the store's: an embedded clock that stands still does not move.
#[tokio::test]
async fn an_embedded_ledger_takes_its_time_from_outside() {
    let store = TestStore::sqlite().await;
    let before = store.ledger.now().await.unwrap();
    assert_eq!(store.ledger.now().await.unwrap(), before);
    store.pass(Duration::from_secs(5)).await;
    assert_eq!(store.ledger.now().await.unwrap(), UnixMillis(before.0 + 5000));
}
