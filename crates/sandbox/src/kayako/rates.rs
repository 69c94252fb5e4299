//! Rate limits per minute and class of calls (reference section 3).

use super::envelope::Failure;
use super::state::State;

/// What a call counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RateClass {
    Read,
    Write,
    Bulk,
    Files,
    Login,
}

impl RateClass {
    /// The class of a call by its method and the first segments of its path.
    pub(crate) fn of(method: &str, path: &[&str]) -> Self {
        match (method, path.first().copied()) {
            // A filter reads although it is a POST.
            ("GET" | "HEAD", _) => Self::Read,
            ("POST", Some("bulk")) => Self::Bulk,
            ("POST", Some("files" | "media")) => Self::Files,
            ("POST", Some("users" | "organizations")) if path.get(1) == Some(&"filter") => Self::Read,
            _ => Self::Write,
        }
    }
}

/// The window of each class: when it began (ms) and the calls in it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rates([(i64, u32); 5]);

impl State {
    /// Counts a call, or refuses it with the time until the window ends. A refused call does not count.
    pub(crate) fn spend(&mut self, class: RateClass) -> Result<(), Failure> {
        let allowed = match class {
            RateClass::Read => self.switches.reads_per_minute,
            RateClass::Write => self.switches.writes_per_minute,
            RateClass::Bulk => self.switches.bulks_per_minute,
            RateClass::Files => self.switches.files_per_minute,
            RateClass::Login => self.switches.logins_per_minute,
        };
        if allowed == 0 {
            return Ok(());
        }
        let window = self.scaled_ms(60).max(1);
        let now = self.now_ms;
        let (began, calls) = &mut self.rates.0[class as usize];
        if now - *began >= window {
            (*began, *calls) = (now, 0);
        }
        if *calls < allowed {
            *calls += 1;
            return Ok(());
        }
        // Whole seconds, rounded up: who waits so long is never early.
        let wait_ms = u64::try_from(*began + window - now).unwrap_or(1);
        let failure = Failure::new(429, "RATE_LIMIT_REACHED", "The allowed rate of calls is used up");
        Err(failure.retry_after(wait_ms.div_ceil(1000).max(1)))
    }
}
