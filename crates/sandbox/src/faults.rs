//! What goes wrong, and when: a seeded schedule of faults around any account.
//!
//! Constraints. A schedule is data (JSON), so that a failing run can be repeated and a user's CI can keep it in a file. Whether
//! a rule fires depends only on the seed, the rule's place and how many calls it has matched, never on wall-clock time or on the
//! order in which different rules were asked: the n-th matching call of a rule always meets the same fate.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use crate::lock;

/// A list of rules; every rule looks at every call. Latencies of all matching rules add up; of the other faults the first
/// one that fires is taken.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Schedule {
    /// Seed of all `probability` rules; another seed hits other calls.
    pub seed: u64,
    /// The rules, in order of precedence.
    pub rules: Vec<Rule>,
}

/// One kind of fault for a part of the calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// HTTP method the rule is limited to, upper case; absent = every method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Prefix of the path (without query); empty = every path. The control API under `/_sandbox/` is never hit.
    #[serde(default)]
    pub path: String,
    /// Which of the matching calls are hit.
    #[serde(default)]
    pub when: When,
    /// How many times the rule fires at most; absent = without limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// What happens to a call that is hit.
    pub fault: Fault,
}

/// Which of the calls that match a rule are hit. Calls are counted from 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Every matching call.
    #[default]
    Always,
    /// Each call with this probability, 0 to 1.
    Probability(f64),
    /// Only the n-th call.
    Nth(u64),
    /// The n-th, 2n-th, 3n-th ... call; 0 never.
    EveryNth(u64),
}

/// What happens to a call. "Before" means that the account never sees the call; "after" means that it carries the call out
/// and the caller never learns it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// The call takes this much longer, half on the way in and half on the way out.
    Latency {
        /// Milliseconds added.
        ms: u64,
        /// Up to so many milliseconds more, drawn per call.
        #[serde(default)]
        jitter_ms: u64,
    },
    /// 429 `RATE_LIMIT_REACHED` before the effect.
    RateLimit {
        /// Seconds in `Retry-After`.
        retry_after: u64,
    },
    /// 500 with a JSON error, before the effect.
    ErrorBefore,
    /// 500 with a JSON error, after the effect.
    ErrorAfter,
    /// The connection closes without an answer, before the effect.
    DropBefore,
    /// The connection closes without an answer, after the effect.
    DropAfter,
    /// A proxy's 502 page in HTML, before the effect.
    HtmlBefore,
    /// A proxy's 502 page in HTML, after the effect.
    HtmlAfter,
    /// 200 with a body that is not JSON, after the effect.
    NotJson,
    /// The account's own answer, cut in the middle of the body, after the effect.
    Truncated,
    /// All sessions of the account end just before the call (Kayako).
    ExpireSessions,
    /// What the call creates, also by way of a job, appears in look-ups only so many milliseconds after it exists (Kayako).
    Late {
        /// Milliseconds.
        ms: u64,
    },
}

/// The fate of one call.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Verdict {
    /// Milliseconds of latency in total.
    pub latency_ms: u64,
    /// The fault, if one fired; never `Fault::Latency`.
    pub fault: Option<Fault>,
}

/// A schedule at work: the rules and how often each has matched and fired. Shared by all connections of one account.
#[derive(Debug, Default)]
pub struct Faults {
    /// Lets calls pass without a lock while there are no rules: the usual case, and the one a benchmark measures.
    armed: AtomicBool,
    running: Mutex<Running>,
}

#[derive(Debug, Default)]
struct Running {
    schedule: Schedule,
    tallies: Vec<Tally>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    matched: u64,
    fired: u64,
}

impl Faults {
    /// Starts with the given schedule.
    pub fn new(schedule: Schedule) -> Self {
        let faults = Self::default();
        faults.replace(schedule);
        faults
    }

    /// Replaces the schedule; all counters start again.
    pub fn replace(&self, schedule: Schedule) {
        let mut running = lock(&self.running);
        self.armed.store(!schedule.rules.is_empty(), Ordering::Release);
        running.tallies = vec![Tally::default(); schedule.rules.len()];
        running.schedule = schedule;
    }

    /// The schedule in force.
    pub fn schedule(&self) -> Schedule {
        lock(&self.running).schedule.clone()
    }

    /// Decides the fate of one call and counts it.
    pub fn judge(&self, method: &str, path: &str) -> Verdict {
        let mut verdict = Verdict::default();
        if !self.armed.load(Ordering::Acquire) {
            return verdict;
        }
        let mut guard = lock(&self.running);
        let Running { schedule, tallies } = &mut *guard;
        for (place, (rule, tally)) in schedule.rules.iter().zip(tallies.iter_mut()).enumerate() {
            if rule.method.as_deref().is_some_and(|wanted| !wanted.eq_ignore_ascii_case(method))
                || !path.starts_with(&rule.path)
            {
                continue;
            }
            tally.matched += 1;
            let draw = mix(schedule.seed, place as u64, tally.matched);
            if rule.times.is_some_and(|times| tally.fired >= times) || !rule.when.hits(tally.matched, draw) {
                continue;
            }
            match rule.fault {
                Fault::Latency { ms, jitter_ms } => {
                    tally.fired += 1;
                    verdict.latency_ms += ms + if jitter_ms == 0 { 0 } else { draw % (jitter_ms + 1) };
                }
                fault if verdict.fault.is_none() => {
                    tally.fired += 1;
                    verdict.fault = Some(fault);
                }
                _ => {}
            }
        }
        verdict
    }
}

impl When {
    fn hits(self, count: u64, draw: u64) -> bool {
        match self {
            Self::Always => true,
            // The upper 53 bits make an evenly spread number in [0, 1).
            #[expect(clippy::cast_precision_loss, reason = "53 bits fit the mantissa exactly")]
            Self::Probability(share) => ((draw >> 11) as f64) / ((1_u64 << 53) as f64) < share,
            Self::Nth(n) => count == n,
            Self::EveryNth(n) => n != 0 && count.is_multiple_of(n),
        }
    }
}

/// Spreads (seed, rule, call) over 64 bits, so that a draw needs no state beside the counter (the finalizer of SplitMix64,
/// applied twice because neighbouring rules and calls differ in few bits).
fn mix(seed: u64, place: u64, count: u64) -> u64 {
    let mut z = seed ^ place.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ count.wrapping_mul(0xD1B5_4A32_D192_ED03);
    for _ in 0..2 {
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
    }
    z
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(when: When, fault: Fault) -> Rule {
        Rule { method: Some("POST".into()), path: "/api/v1/bulk/".into(), when, times: None, fault }
    }

    fn hit_calls(schedule: &Schedule, calls: u64) -> Vec<u64> {
        let faults = Faults::new(schedule.clone());
        (1..=calls).filter(|_| faults.judge("POST", "/api/v1/bulk/cases").fault.is_some()).collect()
    }

    #[test]
    fn every_nth_and_nth_count_only_matching_calls() {
        let faults =
            Faults::new(Schedule { seed: 1, rules: vec![rule(When::EveryNth(3), Fault::DropAfter)] });
        let mut hits = Vec::new();
        for call in 1..=9 {
            assert_eq!(faults.judge("GET", "/api/v1/bulk/cases").fault, None);
            assert_eq!(faults.judge("POST", "/api/v1/users").fault, None);
            if faults.judge("POST", "/api/v1/bulk/cases").fault.is_some() {
                hits.push(call);
            }
        }
        assert_eq!(hits, [3, 6, 9]);
        assert_eq!(
            hit_calls(&Schedule { seed: 1, rules: vec![rule(When::Nth(2), Fault::ErrorBefore)] }, 9),
            [2]
        );
    }

    #[test]
    fn the_same_seed_hits_the_same_calls_and_another_seed_others() {
        let of = |seed| {
            hit_calls(&Schedule { seed, rules: vec![rule(When::Probability(0.2), Fault::ErrorAfter)] }, 1_000)
        };
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
        // 200 expected; 5 standard deviations are 63.
        assert!((137..=263).contains(&of(7).len()), "{}", of(7).len());
    }

    #[test]
    fn latencies_add_up_and_the_first_fault_wins() {
        let mut slow = rule(When::Always, Fault::Latency { ms: 20, jitter_ms: 0 });
        slow.method = None;
        let schedule = Schedule {
            seed: 0,
            rules: vec![
                slow.clone(),
                slow,
                rule(When::Always, Fault::DropBefore),
                rule(When::Always, Fault::ErrorAfter),
            ],
        };
        let verdict = Faults::new(schedule).judge("POST", "/api/v1/bulk/users");
        assert_eq!(verdict, Verdict { latency_ms: 40, fault: Some(Fault::DropBefore) });
    }

    #[test]
    fn a_schedule_is_plain_json() -> Result<(), serde_json::Error> {
        let text = r#"{"seed":3,"rules":[{"method":"POST","path":"/api/v1/bulk/","when":{"every_nth":7},"times":2,"fault":{"kind":"drop_after"}},
            {"fault":{"kind":"latency","ms":100}}]}"#;
        let schedule: Schedule = serde_json::from_str(text)?;
        assert_eq!(schedule.rules[0].when, When::EveryNth(7));
        assert_eq!(schedule.rules[1].when, When::Always);
        assert_eq!(serde_json::from_str::<Schedule>(&serde_json::to_string(&schedule)?)?, schedule);
        assert!(serde_json::from_str::<Schedule>(r#"{"ruls":[]}"#).is_err());
        Ok(())
    }
}
