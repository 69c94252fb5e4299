//! An account's clock: the machine's, or one that starts at a given time and may stand still.
//!
//! Constraint: it runs with the runtime's time, so that in a runtime whose time is paused an account lives in that time.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// Where an account's time comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClockConfig {
    /// When the account is opened; absent = the machine's time.
    pub start: Option<Timestamp>,
    /// The clock moves only when it is told to.
    pub stopped: bool,
}

/// A running clock.
#[derive(Debug)]
pub(crate) struct Clock {
    start_ms: i64,
    opened: Instant,
    stopped: bool,
    moved_ms: AtomicI64,
}

impl Clock {
    pub(crate) fn new(config: ClockConfig) -> Self {
        Self {
            start_ms: config.start.unwrap_or_else(Timestamp::now).as_millisecond(),
            opened: Instant::now(),
            stopped: config.stopped,
            moved_ms: AtomicI64::new(0),
        }
    }

    /// Unix milliseconds; never goes back.
    pub(crate) fn now_ms(&self) -> i64 {
        let run = if self.stopped { Duration::ZERO } else { self.opened.elapsed() };
        self.start_ms
            + i64::try_from(run.as_millis()).unwrap_or(i64::MAX / 2)
            + self.moved_ms.load(Ordering::Acquire)
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.moved_ms.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX / 2), Ordering::AcqRel);
    }
}
