//! Redis did it, and the answer never came: the ledger finds out, and does it exactly once.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use ledger::{Claim, ClaimRequest, Ledger};
use model::row::{Arrival, State};
use model::{KayakoId, Kind, RunNo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::stores::{TestStore, case, migration, queue, redis_url};

const RUN: RunNo = RunNo(1);
const LEASE: Duration = Duration::from_mins(1);

/// A line to Redis that breaks instead of carrying the n-th answer from now.
struct Line {
    url: String,
    answers_left: Arc<AtomicI64>,
}

impl Line {
    async fn new() -> Self {
        let client = ::redis::Client::open(redis_url()).unwrap();
        let (host, port) = match client.get_connection_info().addr() {
            ::redis::ConnectionAddr::Tcp(host, port) => (host.clone(), *port),
            other => panic!("the test redis must be reachable by TCP, not {other:?}"),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let database = client.get_connection_info().redis_settings().db();
        let url = format!("redis://{}/{database}", listener.local_addr().unwrap());
        let answers_left = Arc::new(AtomicI64::new(i64::MAX));
        let left = Arc::clone(&answers_left);
        tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let far = TcpStream::connect((host.as_str(), port)).await.unwrap();
                tokio::spawn(carry(near, far, Arc::clone(&left)));
            }
        });
        Self { url, answers_left }
    }

    fn break_at_answer(&self, n: i64) {
        self.answers_left.store(n, Ordering::SeqCst);
    }

    fn has_broken(&self) -> bool {
        self.answers_left.load(Ordering::SeqCst) <= 0
    }
}

async fn carry(near: TcpStream, far: TcpStream, answers_left: Arc<AtomicI64>) {
    let (mut from_near, mut to_near) = near.into_split();
    let (mut from_far, mut to_far) = far.into_split();
    let requests = tokio::spawn(async move { tokio::io::copy(&mut from_near, &mut to_far).await });
    let mut answer = vec![0; 1 << 20];
    while let Ok(length @ 1..) = from_far.read(&mut answer).await {
        if answers_left.fetch_sub(1, Ordering::SeqCst) == 1 {
            break;
        }
        if to_near.write_all(&answer[..length]).await.is_err() {
            break;
        }
    }
    requests.abort();
}

#[tokio::test]
async fn a_transition_whose_answer_was_lost_happens_exactly_once() {
    let store = TestStore::redis().await;
    let line = Line::new().await;
    let ledger = Ledger::open(&line.url, &migration(), store.options.clone()).await.unwrap();
    // Answer 1 is that of the read, answer 2 that of the swap, which took effect. 0: nothing breaks, for comparison.
    for lost in 0..=2 {
        let key = case(u64::try_from(lost).unwrap());
        queue(&ledger, RUN, std::slice::from_ref(&key)).await;
        let request = ClaimRequest { key: key.clone(), parents: Vec::new(), command_hash: 0, wait: None };
        let batch = ledger.claim(&[request], LEASE, LEASE).await.unwrap();
        assert!(matches!(batch.claims[..], [Claim::Go { .. }]));
        let fence = batch.fence;
        let breaks = async || {
            if lost > 0 {
                line.break_at_answer(lost);
            }
        };
        breaks().await;
        let intended = ledger.intend(fence, std::slice::from_ref(&key), batch.lease_until).await.unwrap();
        assert_eq!(intended[0].unwrap().state, State::Intended, "answer {lost} lost");
        breaks().await;
        let found = [(key.clone(), KayakoId(3), Arrival::Created)];
        let created = ledger.created(fence, &found).await.unwrap();
        assert_eq!(created[0].unwrap().state, State::Created, "answer {lost} lost");
        breaks().await;
        let committed = ledger.commit(fence, &[(key.clone(), 9)]).await.unwrap();
        assert_eq!(committed[0].unwrap().state, State::Committed, "answer {lost} lost");
        assert_eq!(line.has_broken(), lost > 0, "the line was to break");
        line.break_at_answer(i64::MAX);
    }
    let counts = ledger.counts(RUN).await.unwrap().of(Kind::Case);
    assert_eq!((counts.available, counts.migrated, counts.written_now), (3, 3, 3));
    assert_eq!(ledger.recount(RUN).await.unwrap().drift, []);

    // A document: written once, and the writer learns the version although its answer was lost.
    line.break_at_answer(1);
    let version = ledger.put_document("d", None, &1).await.unwrap().unwrap();
    assert!(line.has_broken());
    assert_eq!(store.ledger.document::<u32>("d").await.unwrap(), Some((version, 1)));
    store.clear().await;
}
