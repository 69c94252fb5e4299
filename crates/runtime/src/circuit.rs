//! Decides over several calls whether the other side as a whole is down.
//!
//! Pure: time is an argument, and the state is plain data, so that it can be kept where all replicas see it.
//!
//! Numbers (chosen, not measured): five failures in a row open it, then one probe a minute. A single failing call says
//! nothing about the other side; five in a row hardly come from anything else, and while it is down, attempts would
//! only use up the records' retries.

use std::time::Duration;

use model::UnixMillis;
use serde::{Deserialize, Serialize};

/// When a circuit opens and how often it is probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitSettings {
    /// Consecutive failures that open it; at least 1.
    pub failures_to_open: u32,
    /// Time between two probes, and after which a probe without an answer is given up (its process may be dead).
    pub probe_interval: Duration,
}

impl Default for CircuitSettings {
    fn default() -> Self {
        Self { failures_to_open: 5, probe_interval: Duration::from_mins(1) }
    }
}

/// What is known about the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum CircuitState {
    /// Calls pass.
    Closed {
        /// Failures since the last success.
        consecutive_failures: u32,
    },
    /// No call passes before the next probe is due.
    Open {
        /// When it opened.
        since: UnixMillis,
        /// When the pause before the next probe started.
        waiting_since: UnixMillis,
    },
    /// One probe is on its way; no other call passes.
    HalfOpen {
        /// When it opened.
        since: UnixMillis,
        /// When the probe was let through.
        probed_at: UnixMillis,
    },
}

/// The answer to "may I call?".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Yes.
    Call,
    /// Yes, and this call decides; make it a cheap, harmless one.
    Probe,
    /// No. Ask again then.
    Wait {
        /// When the next probe is due.
        until: UnixMillis,
    },
}

/// A change that people want to hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The other side is considered down.
    Opened,
    /// The other side is back.
    Closed,
}

/// A circuit for one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Circuit {
    settings: CircuitSettings,
    state: CircuitState,
}

impl Circuit {
    /// A closed circuit.
    pub fn new(settings: CircuitSettings) -> Self {
        Self::restore(settings, CircuitState::Closed { consecutive_failures: 0 })
    }

    /// A circuit in a state that was kept elsewhere.
    pub fn restore(settings: CircuitSettings, state: CircuitState) -> Self {
        Self { settings, state }
    }

    /// What is known.
    pub fn state(&self) -> CircuitState {
        self.state
    }

    /// Whether a call may be made now. `Probe` is answered once per interval.
    pub fn admit(&mut self, now: UnixMillis) -> Admission {
        let (since, last) = match self.state {
            CircuitState::Closed { .. } => return Admission::Call,
            CircuitState::Open { since, waiting_since } => (since, waiting_since),
            CircuitState::HalfOpen { since, probed_at } => (since, probed_at),
        };
        let until = last.plus(self.settings.probe_interval);
        // `now < last`: the wall clock was set back; without this a jump of a day would keep us out for a day.
        if now >= until || now < last {
            self.state = CircuitState::HalfOpen { since, probed_at: now };
            Admission::Probe
        } else {
            Admission::Wait { until }
        }
    }

    /// A call got an answer that proves the other side to be up: any answer that is not 5xx, a refusal too.
    pub fn succeeded(&mut self) -> Option<Change> {
        let was_closed = matches!(self.state, CircuitState::Closed { .. });
        self.state = CircuitState::Closed { consecutive_failures: 0 };
        (!was_closed).then_some(Change::Closed)
    }

    /// A call failed in a way that a dead host fails: connect, DNS, TLS, timeout, 5xx.
    pub fn failed(&mut self, now: UnixMillis) -> Option<Change> {
        match self.state {
            CircuitState::Closed { consecutive_failures } => {
                let failures = consecutive_failures.saturating_add(1);
                if failures >= self.settings.failures_to_open {
                    self.state = CircuitState::Open { since: now, waiting_since: now };
                    return Some(Change::Opened);
                }
                self.state = CircuitState::Closed { consecutive_failures: failures };
                None
            }
            // A straggler that was sent before it opened: the pause must not start again with each of them.
            CircuitState::Open { .. } => None,
            CircuitState::HalfOpen { since, .. } => {
                self.state = CircuitState::Open { since, waiting_since: now };
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> UnixMillis {
        UnixMillis(seconds * 1_000)
    }

    fn opened_at(seconds: i64) -> Circuit {
        let mut circuit = Circuit::new(CircuitSettings::default());
        for _ in 0..4 {
            assert_eq!(circuit.failed(at(seconds)), None);
        }
        assert_eq!(circuit.failed(at(seconds)), Some(Change::Opened));
        circuit
    }

    #[test]
    fn only_consecutive_failures_open_it() {
        let mut circuit = Circuit::new(CircuitSettings::default());
        for _ in 0..100 {
            for _ in 0..4 {
                assert_eq!(circuit.failed(at(0)), None);
            }
            assert_eq!(circuit.succeeded(), None);
            assert_eq!(circuit.admit(at(0)), Admission::Call);
        }
    }

    #[test]
    fn open_lets_one_probe_through_per_minute() {
        let mut circuit = opened_at(0);
        assert_eq!(circuit.admit(at(59)), Admission::Wait { until: at(60) });
        assert_eq!(circuit.admit(at(60)), Admission::Probe);
        assert_eq!(circuit.admit(at(61)), Admission::Wait { until: at(120) });
        assert_eq!(circuit.failed(at(70)), None);
        assert_eq!(circuit.admit(at(129)), Admission::Wait { until: at(130) });
        assert_eq!(circuit.admit(at(130)), Admission::Probe);
        assert_eq!(circuit.succeeded(), Some(Change::Closed));
        assert_eq!(circuit.admit(at(131)), Admission::Call);
    }

    #[test]
    fn stragglers_do_not_postpone_the_probe() {
        let mut circuit = opened_at(0);
        assert_eq!(circuit.failed(at(50)), None);
        assert_eq!(circuit.admit(at(60)), Admission::Probe);
    }

    #[test]
    fn a_probe_whose_process_died_is_replaced() {
        let mut circuit = opened_at(0);
        assert_eq!(circuit.admit(at(60)), Admission::Probe);
        assert_eq!(circuit.admit(at(120)), Admission::Probe);
    }

    #[test]
    fn a_clock_set_back_does_not_lock_us_out() {
        let mut circuit = opened_at(100_000);
        assert_eq!(circuit.admit(at(10)), Admission::Probe);
    }

    #[test]
    fn the_state_can_be_kept_elsewhere() {
        let kept = opened_at(5).state();
        let mut circuit = Circuit::restore(CircuitSettings::default(), kept);
        assert_eq!(circuit.admit(at(6)), Admission::Wait { until: at(65) });
    }
}
