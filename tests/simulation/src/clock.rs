//! The simulation's time: the runtime's, which is paused.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use runtime::{Clock, UnixMillis};
use tokio::time::Instant;

/// When every simulation begins: 2026-01-01T00:00:00Z.
pub const BEGIN: UnixMillis = UnixMillis(1_767_225_600_000);

/// A clock over the runtime's time. Clones are the same clock.
#[derive(Debug, Clone)]
pub struct VirtualClock {
    began: Instant,
}

impl VirtualClock {
    /// A clock that shows [`BEGIN`] now.
    pub fn start() -> Self {
        Self { began: Instant::now() }
    }

    /// For the ledger.
    pub fn reading(&self) -> Arc<dyn Fn() -> UnixMillis + Send + Sync> {
        let clock = self.clone();
        Arc::new(move || clock.now())
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> UnixMillis {
        BEGIN.plus(self.uptime())
    }

    fn uptime(&self) -> Duration {
        self.began.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
