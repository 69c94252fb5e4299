//! Whether work is wanted: open while the run is running, closed while it is paused, halted or over.
//!
//! Constraint: level-triggered. Whoever looks late sees the state, not a missed signal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Cheap to clone; clones share the state.
#[derive(Debug, Clone)]
pub struct Valve {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    open: AtomicBool,
    /// Wakes in the order in which they began to wait; a watch channel wakes in an order of its own, which no simulation could repeat.
    changed: Notify,
}

impl Valve {
    /// A valve in the given state.
    pub fn new(open: bool) -> Self {
        Self { shared: Arc::new(Shared { open: AtomicBool::new(open), changed: Notify::new() }) }
    }

    /// Opens or closes it.
    pub fn set(&self, open: bool) {
        if self.shared.open.swap(open, Ordering::SeqCst) != open {
            self.shared.changed.notify_waiters();
        }
    }

    /// Whether it is open now.
    pub fn is_open(&self) -> bool {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// Returns once it is open.
    pub async fn opened(&self) {
        self.becomes(true).await;
    }

    /// Returns once it is closed.
    pub async fn closed(&self) {
        self.becomes(false).await;
    }

    async fn becomes(&self, open: bool) {
        loop {
            let mut changed = std::pin::pin!(self.shared.changed.notified());
            // Registered before the look: a change between the look and the wait is not missed.
            changed.as_mut().enable();
            if self.is_open() == open {
                return;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn late_observers_see_the_state() {
        let valve = Valve::new(false);
        valve.closed().await;
        let other = valve.clone();
        let waiting = tokio::spawn(async move { other.opened().await });
        valve.set(true);
        assert!(waiting.await.is_ok());
        assert!(valve.is_open());
    }
}
