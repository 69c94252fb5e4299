//! Many workers at once: one winner per record, sums that always hold, nothing lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ledger::{Claim, ClaimRequest};
use model::row::Arrival;
use model::{Fence, KayakoId, Kind, RecordKey, RunNo};

use crate::stores::{TestStore, case, queue, selected};

const RUN: RunNo = RunNo(1);
const LEASE: Duration = Duration::from_mins(10);

crate::on_both_stores!(
    every_record_has_one_winner,
    sums_hold_while_workers_work,
    pages_registered_twice_at_once_count_once,
    documents_written_at_once_lose_no_change,
);

async fn every_record_has_one_winner(store: &TestStore) {
    let keys: Vec<RecordKey> = (0..300).map(case).collect();
    queue(&store.ledger, RUN, &keys).await;
    let workers: Vec<_> = (0..8)
        .map(|worker| {
            let ledger = store.ledger.clone();
            let mut keys = keys.clone();
            // Each begins elsewhere, so that batches overlap in part.
            keys.rotate_left(worker * 37);
            tokio::spawn(async move {
                let mut won: Vec<(RecordKey, Fence)> = Vec::new();
                for some in keys.chunks(70) {
                    let requests: Vec<_> = some
                        .iter()
                        .map(|key| ClaimRequest {
                            key: key.clone(),
                            parents: Vec::new(),
                            command_hash: 0,
                            wait: None,
                        })
                        .collect();
                    let batch = ledger.claim(&requests, LEASE, LEASE).await.unwrap();
                    for (key, claim) in some.iter().zip(&batch.claims) {
                        match claim {
                            Claim::Go { .. } => won.push((key.clone(), batch.fence)),
                            Claim::Busy { .. } => {}
                            other => panic!("{other:?}"),
                        }
                    }
                }
                won
            })
        })
        .collect();
    let mut winners = BTreeMap::new();
    for worker in workers {
        for (key, fence) in worker.await.unwrap() {
            assert_eq!(winners.insert(key.clone(), fence), None, "{key} has two winners");
        }
    }
    assert_eq!(winners.len(), keys.len());
    for (row, key) in store.ledger.rows(&keys).await.unwrap().into_iter().zip(&keys) {
        assert_eq!(row.unwrap().flight.unwrap().lease.unwrap().fence, winners[key]);
    }
}

async fn sums_hold_while_workers_work(store: &TestStore) {
    const RECORDS: u64 = 200;
    let keys: Vec<RecordKey> = (0..RECORDS).map(case).collect();
    queue(&store.ledger, RUN, &keys).await;
    let done = Arc::new(AtomicBool::new(false));
    let reader = {
        let (ledger, done) = (store.ledger.clone(), Arc::clone(&done));
        tokio::spawn(async move {
            let mut reads = 0u32;
            while !done.load(Ordering::SeqCst) || reads == 0 {
                let counts = ledger.counts(RUN).await.unwrap().of(Kind::Case);
                assert_eq!(counts.available, RECORDS, "{counts:?}");
                reads += 1;
            }
            reads
        })
    };
    let workers: Vec<_> = keys
        .chunks(50)
        .map(|some| {
            let (ledger, some) = (store.ledger.clone(), some.to_vec());
            tokio::spawn(async move {
                for few in some.chunks(10) {
                    let requests: Vec<_> = few
                        .iter()
                        .map(|key| ClaimRequest {
                            key: key.clone(),
                            parents: Vec::new(),
                            command_hash: 0,
                            wait: None,
                        })
                        .collect();
                    let batch = ledger.claim(&requests, LEASE, LEASE).await.unwrap();
                    ledger.intend(batch.fence, few, batch.lease_until).await.unwrap();
                    let created: Vec<_> =
                        few.iter().map(|key| (key.clone(), KayakoId(1), Arrival::Created)).collect();
                    ledger.created(batch.fence, &created).await.unwrap();
                    let written: Vec<_> = few.iter().map(|key| (key.clone(), 1)).collect();
                    for answer in ledger.commit(batch.fence, &written).await.unwrap() {
                        answer.unwrap();
                    }
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    done.store(true, Ordering::SeqCst);
    reader.await.unwrap();
    let counts = store.ledger.counts(RUN).await.unwrap().of(Kind::Case);
    assert_eq!((counts.migrated, counts.written_now, counts.pending), (RECORDS, RECORDS, 0));
    assert_eq!(store.ledger.recount(RUN).await.unwrap().drift, []);
}

async fn pages_registered_twice_at_once_count_once(store: &TestStore) {
    let page: Vec<_> = (0..200).map(|id| selected(&case(id))).collect();
    let both: Vec<_> = (0..6)
        .map(|_| {
            let (ledger, page) = (store.ledger.clone(), page.clone());
            tokio::spawn(async move { ledger.register(RUN, &page).await.unwrap() })
        })
        .collect();
    for one in both {
        assert_eq!(one.await.unwrap().len(), 200);
    }
    assert_eq!(store.ledger.counts(RUN).await.unwrap().of(Kind::Case).available, 200);
}

async fn documents_written_at_once_lose_no_change(store: &TestStore) {
    store.ledger.put_document("n", None, &0u32).await.unwrap().unwrap();
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let ledger = store.ledger.clone();
            tokio::spawn(async move {
                for _ in 0..10 {
                    loop {
                        let (version, n) = ledger.document::<u32>("n").await.unwrap().unwrap();
                        if ledger.put_document("n", Some(version), &(n + 1)).await.unwrap().is_ok() {
                            break;
                        }
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(store.ledger.document::<u32>("n").await.unwrap().unwrap().1, 80);
}
