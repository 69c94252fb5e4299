//! Budgets that tests hold in their hands.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use sources::{Bucket, Error, Pace, RateHeaders};
use tokio::sync::watch;

/// Grants everything at once and remembers what it granted.
#[derive(Default)]
pub(crate) struct Counting(Mutex<Vec<&'static str>>);

impl Counting {
    pub(crate) fn granted(&self, bucket: &str) -> u64 {
        self.0.lock().unwrap().iter().filter(|name| **name == bucket).count() as u64
    }
}

#[async_trait]
impl Pace for Counting {
    async fn acquire(&self, bucket: Bucket) -> Result<(), Error> {
        self.0.lock().unwrap().push(bucket.name);
        Ok(())
    }

    fn observe(&self, _: Bucket, _: RateHeaders) {}
}

/// Closes at a 429 and opens when the test says so: the test is the clock.
pub(crate) struct Gate {
    open: watch::Sender<bool>,
    refusals: Mutex<Vec<Option<Duration>>>,
}

impl Default for Gate {
    fn default() -> Self {
        Self { open: watch::Sender::new(true), refusals: Mutex::default() }
    }
}

impl Gate {
    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }

    /// `Retry-After` of every refusal that was reported.
    pub(crate) fn refusals(&self) -> Vec<Option<Duration>> {
        self.refusals.lock().unwrap().clone()
    }
}

#[async_trait]
impl Pace for Gate {
    async fn acquire(&self, _: Bucket) -> Result<(), Error> {
        let mut open = self.open.subscribe();
        open.wait_for(|open| *open).await.unwrap();
        Ok(())
    }

    fn observe(&self, _: Bucket, limits: RateHeaders) {
        if limits.throttled {
            self.refusals.lock().unwrap().push(limits.retry_after);
            self.open.send_replace(false);
        }
    }
}
