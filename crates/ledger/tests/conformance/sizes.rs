//! What a record costs in Redis: every bucket stays in the compact encoding, whatever its rows go through.

use std::time::Duration;

use ledger::ClaimRequest;
use model::row::Arrival;
use model::{JobId, KayakoId, RecordKey, RunNo};

use crate::stores::{TestStore, case, migration, queue, redis_url};

const RUN: RunNo = RunNo(120);
const LEASE: Duration = Duration::from_secs(40);

/// Asks the server about every bucket of cases that exists: its encoding and its bytes.
async fn buckets(store: &TestStore) -> Vec<(String, u64)> {
    let client = ::redis::Client::open(redis_url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut found = Vec::new();
    for bucket in 0..1024 {
        let key = format!("{{{}:{}}}:rows1:c:{bucket}", store.options.prefix, migration());
        let (encoding, bytes): (Option<String>, Option<u64>) = ::redis::pipe()
            .cmd("OBJECT")
            .arg("ENCODING")
            .arg(&key)
            .cmd("MEMORY")
            .arg("USAGE")
            .arg(&key)
            .query_async(&mut connection)
            .await
            .unwrap();
        found.extend(encoding.zip(bytes));
    }
    found
}

#[tokio::test]
async fn buckets_stay_compact_through_a_records_whole_life() {
    let store = TestStore::redis().await;
    let ledger = &store.ledger;
    // Ids as large accounts have them.
    let mut keys: Vec<RecordKey> = (0..2_000).map(|n| case(36_028_797_018_963_968 + n * 7)).collect();
    keys.push(RecordKey::new(model::Kind::Case, "i".repeat(40).as_str()));
    keys.push(RecordKey::new(model::Kind::Case, "i".repeat(500).as_str()));
    queue(ledger, RUN, &keys).await;
    let requests: Vec<_> = keys
        .iter()
        .map(|key| ClaimRequest { key: key.clone(), parents: Vec::new(), command_hash: 0, wait: None })
        .collect();
    let batch = ledger.claim(&requests, LEASE, LEASE).await.unwrap();
    let sent = ledger.now().await.unwrap().plus(Duration::from_secs(20));
    let intended = ledger.intend(batch.fence, &keys, sent).await.unwrap();
    assert!(intended.iter().all(Result::is_ok), "{:?}", intended.iter().find(|row| row.is_err()));
    ledger.job_accepted(batch.fence, &keys, JobId(4_000_000_000)).await.unwrap();
    let found = buckets(&store).await;
    assert!(found.len() > 500, "{} buckets", found.len());
    assert!(found.iter().all(|(encoding, _)| encoding == "listpack"), "in flight: {found:?}");

    let created: Vec<_> = (1u64..)
        .zip(&keys)
        .map(|(n, key)| (key.clone(), KayakoId((1 << 32) + n), Arrival::Created))
        .collect();
    ledger.created(batch.fence, &created).await.unwrap();
    let written: Vec<_> = keys.iter().map(|key| (key.clone(), u64::MAX)).collect();
    for answer in ledger.commit(batch.fence, &written).await.unwrap() {
        answer.unwrap();
    }
    let found = buckets(&store).await;
    assert!(found.iter().all(|(encoding, _)| encoding == "listpack"), "settled: {found:?}");
    // The goal of docs/benchmarks.md: at most 60 bytes for a settled record. Here a bucket holds two instead of 160, so
    // what an empty bucket costs (its key and its head: about 130 bytes) is taken off.
    let bytes: u64 = found.iter().map(|(_, bytes)| bytes.saturating_sub(130)).sum();
    let per_record = bytes / keys.len() as u64;
    assert!(per_record <= 60, "{per_record} bytes for a settled record");
    store.clear().await;
}
