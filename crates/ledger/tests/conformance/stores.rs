//! A fresh ledger per test, and time that can pass.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures::FutureExt;
use ledger::{Access, Ledger, OpenOptions, Registration};
use model::transition::Verdict;
use model::{Kind, MigrationId, RecordKey, RunNo, UnixMillis};

/// What time is it in an embedded ledger.
const START: i64 = 1_795_648_396_938;

pub(crate) struct TestStore {
    pub(crate) ledger: Ledger,
    pub(crate) url: String,
    pub(crate) options: OpenOptions,
    /// Moves an embedded ledger's time; `None` for Redis.
    clock: Option<Arc<AtomicI64>>,
    /// Where its file lies.
    _directory: Option<tempfile::TempDir>,
}

pub(crate) fn migration() -> MigrationId {
    MigrationId::new("conformance").unwrap()
}

/// The test server's address.
pub(crate) fn redis_url() -> String {
    std::env::var("KAYAKO_MIGRATE_TEST_REDIS").expect(
        "KAYAKO_MIGRATE_TEST_REDIS is not set: run the tests by `.ci/run`, which starts a Redis, or set it to redis://host/db",
    )
}

impl TestStore {
    pub(crate) async fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("ledger.db").display());
        let clock = Arc::new(AtomicI64::new(START));
        let mut options = OpenOptions::create(10_000);
        let time = Arc::clone(&clock);
        options.clock = Arc::new(move || UnixMillis(time.load(Ordering::SeqCst)));
        let ledger = Ledger::open(&url, &migration(), options.clone()).await.unwrap();
        Self { ledger, url, options, clock: Some(clock), _directory: Some(directory) }
    }

    pub(crate) async fn redis() -> Self {
        let url = redis_url();
        let mut options = OpenOptions::create(10_000);
        options.prefix = format!("km-test-{}", uuid::Uuid::new_v4().simple());
        let ledger = Ledger::open(&url, &migration(), options.clone()).await.unwrap();
        Self { ledger, url, options, clock: None, _directory: None }
    }

    /// Another handle on the same ledger, as another process would have it.
    pub(crate) async fn attach(&self) -> Ledger {
        let options = OpenOptions { access: Access::Beside, ..self.options.clone() };
        Ledger::open(&self.url, &migration(), options).await.unwrap()
    }

    /// Lets the store's time pass.
    pub(crate) async fn pass(&self, by: Duration) {
        if let Some(clock) = &self.clock {
            clock.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
            return;
        }
        let until = self.ledger.now().await.unwrap().plus(by);
        while self.ledger.now().await.unwrap() <= until {
            tokio::task::yield_now().await;
        }
    }

    /// Deletes what the test wrote.
    pub(crate) async fn clear(&self) {
        self.ledger.destroy().await.unwrap();
    }
}

/// Runs a test and deletes what it wrote, also when it fails.
pub(crate) async fn run(store: &TestStore, test: impl Future<Output = ()>) {
    let result = AssertUnwindSafe(test).catch_unwind().await;
    store.clear().await;
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

pub(crate) fn case(id: u64) -> RecordKey {
    RecordKey::new(Kind::Case, id)
}

pub(crate) fn user(id: u64) -> RecordKey {
    RecordKey::new(Kind::User, id)
}

pub(crate) fn selected(key: &RecordKey) -> Registration {
    Registration { key: key.clone(), fingerprint: 7, verdict: Verdict::Selected, implied: false }
}

/// Registers and publishes records.
pub(crate) async fn queue(ledger: &Ledger, run: RunNo, keys: &[RecordKey]) {
    let page: Vec<Registration> = keys.iter().map(selected).collect();
    ledger.register(run, &page).await.unwrap();
    let published: Vec<_> = keys.iter().map(|key| (key.clone(), 0)).collect();
    for answer in ledger.published(&published).await.unwrap() {
        answer.unwrap();
    }
}
