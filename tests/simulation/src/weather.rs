//! What one process meets: how long things take, what gets lost on the way, whether the process stands still.
//!
//! Constraint: every draw is the process's own stream, so that what one process meets does not depend on how often another one asked.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ledger::Interruption;
use runtime::{SeededRandom, Valve};
use tokio::sync::watch;

use crate::scenario::Hazards;
use crate::trace::Trace;

/// The weather around one process. Clones share it.
#[derive(Debug, Clone)]
pub struct Weather {
    name: Arc<str>,
    random: SeededRandom,
    trace: Trace,
    hazards: watch::Receiver<Hazards>,
    awake: Valve,
}

impl Weather {
    /// Weather around the process called `name`; `hazards` may change at any time.
    pub fn new(name: &str, random: SeededRandom, trace: Trace, hazards: watch::Receiver<Hazards>) -> Self {
        Self { name: name.into(), random, trace, hazards, awake: Valve::new(true) }
    }

    /// The process's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Notes what this process met.
    pub fn note(&self, event: std::fmt::Arguments<'_>) {
        self.trace.note(format_args!("{} {event}", self.name));
    }

    /// The process stands still, as one that is stopped or swapped out: from now on nothing that it asks of the outside is sent, and no
    /// answer arrives, until it is let go on.
    pub fn freeze(&self, frozen: bool) {
        self.awake.set(!frozen);
    }

    /// Waits while the process stands still.
    pub async fn awake(&self) {
        self.awake.opened().await;
    }

    /// Whether something with this chance happens now.
    pub fn strikes(&self, chance: impl Fn(&Hazards) -> f64) -> bool {
        let chance = chance(&self.hazards.borrow());
        chance > 0.0 && self.random.unit() < chance
    }

    /// Lets some time pass: mostly little, now and then much.
    pub async fn delay(&self, usual: Duration, longest: impl Fn(&Hazards) -> Duration) {
        let longest = longest(&self.hazards.borrow());
        let long = self.strikes(|hazards| hazards.long_delay);
        let most = if long { longest.max(usual) } else { usual };
        tokio::time::sleep(self.random.duration_up_to(most)).await;
    }
}

/// The usual round trip to the ledger.
const LEDGER: Duration = Duration::from_millis(2);

#[async_trait]
impl Interruption for Weather {
    async fn before(&self) -> Result<(), ledger::Error> {
        self.awake().await;
        self.delay(LEDGER, |hazards| hazards.slow_ledger).await;
        if self.strikes(|hazards| hazards.ledger_not_reached) {
            self.note(format_args!("the ledger is not reached"));
            return Err(ledger::Error::AnswerLost);
        }
        Ok(())
    }

    async fn after(&self) -> Result<(), ledger::Error> {
        self.delay(LEDGER, |hazards| hazards.slow_ledger).await;
        self.awake().await;
        if self.strikes(|hazards| hazards.ledger_answer_lost) {
            self.note(format_args!("the ledger's answer is lost"));
            return Err(ledger::Error::AnswerLost);
        }
        Ok(())
    }
}
