//! What happened, in order: a fingerprint for comparing two runs of a seed, and lines for reading one.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use runtime::Clock as _;

use crate::clock::VirtualClock;

/// Lines kept for the report of a seed that fails.
const KEPT: usize = 60;

/// The events of one simulation. Clones share them.
#[derive(Debug, Clone)]
pub struct Trace {
    clock: VirtualClock,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    fingerprint: blake3::Hasher,
    events: u64,
    last: std::collections::VecDeque<String>,
    print: bool,
}

impl Trace {
    /// Nothing happened yet; `print` shows every event as it happens.
    pub fn new(clock: VirtualClock, print: bool) -> Self {
        let shared = Shared {
            fingerprint: blake3::Hasher::new(),
            events: 0,
            last: std::collections::VecDeque::new(),
            print,
        };
        Self { clock, shared: Arc::new(Mutex::new(shared)) }
    }

    /// Something happened.
    pub fn note(&self, event: fmt::Arguments<'_>) {
        let line = format!("{:>12.3} {event}", self.clock.uptime().as_secs_f64());
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.fingerprint.update(line.as_bytes());
        shared.events += 1;
        if shared.print {
            println!("{line}");
        }
        if shared.last.len() == KEPT {
            shared.last.pop_front();
        }
        shared.last.push_back(line);
    }

    /// How many events there were.
    pub fn events(&self) -> u64 {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).events
    }

    /// Equal for two runs in which the same events happened in the same order at the same times.
    pub fn fingerprint(&self) -> String {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.fingerprint.finalize().to_hex()[..16].to_owned()
    }

    /// The last events.
    pub fn last(&self) -> Vec<String> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).last.iter().cloned().collect()
    }

    /// How much time has passed in the simulation.
    pub fn elapsed(&self) -> Duration {
        self.clock.uptime()
    }
}
