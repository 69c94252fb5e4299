//! The coordinator as a service: takes the lead or stands by, and turns its reconcilers.

use std::collections::HashMap;
use std::sync::Arc;

use ledger::{Ledger, LockToken};
use model::timing::Timing;
use model::{MigrationId, RecordKey, UnixMillis};
use queue::{Broker, Publisher};
use runtime::{Context, Crash, Draining};

use crate::commands::Commands;
use crate::crash_points;
use crate::error::{During, Error};
use crate::metrics::Metrics;

const LEADER: &str = "leader";

/// Looks at phases per turn: with real times every 250 ms, a few small reads of the ledger each.
const PULSES: u32 = 8;

/// How a coordinator works.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The migration.
    pub migration: MigrationId,
    /// Unique name of this process.
    pub owner: String,
    /// Waiting times.
    pub timing: Timing,
}

/// Reconciles one migration.
pub struct Coordinator {
    pub(crate) settings: Settings,
    pub(crate) commands: Commands,
    pub(crate) ledger: Ledger,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) publisher: Arc<dyn Publisher>,
    pub(crate) context: Context,
    pub(crate) metrics: Metrics,
    /// What this leader remembers between turns; losing it costs a repetition, never a record.
    pub(crate) memory: Memory,
    /// Whether this process has led for a turn: a queue that lives in the process was empty before that.
    pub(crate) first_turn_done: bool,
}

/// What was done lately, so that it is not done every turn.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) recovered: HashMap<RecordKey, UnixMillis>,
    pub(crate) opened_at: HashMap<model::Kind, UnixMillis>,
    pub(crate) chained_at: HashMap<String, UnixMillis>,
    /// In which run and when counts of doubted records were asked for, and how many were left out of that.
    pub(crate) recounted: Option<(model::RunNo, UnixMillis, u64)>,
    pub(crate) last_recount: Option<UnixMillis>,
    pub(crate) cleaned: Option<model::RunNo>,
    pub(crate) declared_for: Option<model::RunNo>,
    /// The kinds of the run with the plan of this hash.
    pub(crate) kinds: Option<(String, Vec<model::Kind>)>,
}

impl Coordinator {
    /// A coordinator over its parts.
    pub fn new(
        settings: Settings,
        ledger: Ledger,
        broker: Arc<dyn Broker>,
        context: Context,
        metrics: Metrics,
    ) -> Self {
        Self {
            settings,
            commands: Commands::new(ledger.clone()),
            ledger,
            publisher: broker.publisher(),
            broker,
            context,
            metrics,
            memory: Memory::default(),
            first_turn_done: false,
        }
    }

    /// Works until the shutdown begins.
    pub async fn run(mut self, draining: Draining) -> Result<(), Error> {
        let mut lead: Option<LockToken> = None;
        while !draining.is_begun() {
            match self.lead(lead.take()).await {
                Ok(token) => lead = token,
                Err(Error::Crash(crash @ Crash::Died(_))) => return Err(Error::Crash(crash)),
                Err(error) => tracing::warn!(error = %error, "leadership cannot be settled"),
            }
            self.metrics.leading.set(i64::from(lead.is_some()));
            if lead.is_some() {
                match self.turn().await {
                    Ok(()) => {}
                    Err(Error::Crash(crash @ Crash::Died(_))) => return Err(Error::Crash(crash)),
                    Err(error) => tracing::warn!(
                        error = runtime::error::chain(&error),
                        "a turn ended early; the next one looks again"
                    ),
                }
            } else {
                self.memory = Memory::default();
            }
            if !self.until_next_turn(lead.is_some(), &draining).await? {
                break;
            }
        }
        if let Some(token) = lead {
            // Lets the other replica lead at once. Without it the lead ends by itself: no reason to end badly.
            if let Err(error) = self.ledger.unlock(&token).await {
                tracing::warn!(
                    error = runtime::error::chain(&error),
                    "the lead could not be given back; it ends by itself"
                );
            }
        }
        Ok(())
    }

    /// Waits for the next turn, with pulses in between for the leader. False when the shutdown begins.
    async fn until_next_turn(&mut self, leading: bool, draining: &Draining) -> Result<bool, Error> {
        let pause = self.settings.timing.reconcile / PULSES;
        for pulse in 1..=PULSES {
            if draining.unless_begun(self.context.clock.sleep(pause)).await.is_none() {
                return Ok(false);
            }
            if !leading || pulse == PULSES {
                continue;
            }
            match self.pulse().await {
                Ok(()) => {}
                Err(Error::Crash(crash @ Crash::Died(_))) => return Err(Error::Crash(crash)),
                // The next turn meets the same and reports it.
                Err(error) => tracing::debug!(error = runtime::error::chain(&error), "a pulse ended early"),
            }
        }
        Ok(true)
    }

    async fn lead(&self, held: Option<LockToken>) -> Result<Option<LockToken>, Error> {
        let ttl = self.settings.timing.leadership;
        if let Some(token) = held {
            if self.ledger.renew_lock(&token, ttl).await.during("keep the lead")? {
                return Ok(Some(token));
            }
            tracing::warn!("the lead was lost");
        }
        let token = self.ledger.try_lock(LEADER, &self.settings.owner, ttl).await.during("take the lead")?;
        if token.is_some() {
            tracing::info!("leading");
            self.context.crash.reached(crash_points::LEADING).await?;
        }
        Ok(token)
    }
}
