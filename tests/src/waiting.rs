//! Waiting for events.
//!
//! Constraint: a test never sleeps and hopes; it looks until it sees what it waits for, and fails by name if that does not come.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep};

/// Pause between two looks: short beside everything that is waited for.
const LOOK: Duration = Duration::from_millis(40);

/// Looks until there is an answer. Fails if it has not come within `limit`, which bounds a hang and says nothing about speed.
pub async fn until<T>(
    what: &str,
    limit: Duration,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(seen) = look().await? {
            return Ok(seen);
        }
        anyhow::ensure!(Instant::now() < end, "waited {} s in vain for {what}", limit.as_secs());
        sleep(LOOK).await;
    }
}
