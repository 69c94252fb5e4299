//! Whether work is wanted: open while the run is running, closed while it is paused, halted or over.
//!
//! Constraint: level-triggered. Whoever looks late sees the state, not a missed signal.

use tokio::sync::watch;

/// Cheap to clone; clones share the state.
#[derive(Debug, Clone)]
pub struct Valve {
    state: watch::Sender<bool>,
}

impl Valve {
    /// A valve in the given state.
    pub fn new(open: bool) -> Self {
        Self { state: watch::Sender::new(open) }
    }

    /// Opens or closes it.
    pub fn set(&self, open: bool) {
        self.state.send_if_modified(|state| {
            let changed = *state != open;
            *state = open;
            changed
        });
    }

    /// Whether it is open now.
    pub fn is_open(&self) -> bool {
        *self.state.borrow()
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
        let mut state = self.state.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        drop(state.wait_for(|state| *state == open).await);
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
