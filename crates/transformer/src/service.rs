//! The transformer as a service: takes messages, works on batches side by side, pauses and drains.
//!
//! Constraints: it holds at most the given number of messages and bytes; a batch is what is ready, so that nothing waits
//! when little comes and publishes and acks overlap when much comes; paused, it stops consuming and lets go of what it
//! has not begun; draining, it finishes batches in hand.

use std::sync::Arc;

use blobs::Blobs;
use futures::FutureExt as _;
use ledger::Ledger;
use model::MigrationId;
use model::timing::Timing;
use queue::{Broker, Consumer, Delivery, Stage};
use runtime::{Context, Crash, Draining, Valve, propagation};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tracing::Instrument as _;

use crate::error::Error;
use crate::incoming::weight;
use crate::metrics::Metrics;
use crate::shift::Bench;

/// How much a transformer holds and does at once.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The migration.
    pub migration: MigrationId,
    /// Most messages held (the plan's `limits.transform_in_flight`).
    pub messages: usize,
    /// Most bytes of messages worked on; a bigger one is worked on alone.
    pub bytes: usize,
    /// Batches worked on at the same time.
    pub batches_in_flight: usize,
    /// Waiting times.
    pub timing: Timing,
}

impl Settings {
    /// Sensible bounds: two batches overlap (one translates while the other waits for its confirms), and 8 MiB of records are enough to
    /// keep both busy.
    pub fn new(migration: MigrationId, messages: usize, timing: Timing) -> Self {
        Self { migration, messages: messages.max(1), bytes: 8 * 1024 * 1024, batches_in_flight: 2, timing }
    }
}

/// What a transformer works with.
pub struct Parts {
    /// Rows, plans.
    pub ledger: Ledger,
    /// Staged bodies, the journal.
    pub blobs: Blobs,
    /// The queues.
    pub broker: Arc<dyn Broker>,
    /// Time and crash points.
    pub context: Context,
    /// Metrics.
    pub metrics: Metrics,
    /// Open while the run wants work.
    pub valve: Valve,
}

/// Translates the records of one migration.
pub struct Transformer {
    bench: Arc<Bench>,
    broker: Arc<dyn Broker>,
    valve: Valve,
}

/// A batch that is being gathered, with the room it takes.
#[derive(Default)]
struct Gathered {
    deliveries: Vec<Delivery>,
    room: Vec<OwnedSemaphorePermit>,
}

/// Batches in flight and their bounds.
struct Flight {
    room: Arc<Semaphore>,
    slots: Arc<Semaphore>,
    batches: JoinSet<Result<(), Error>>,
}

impl Transformer {
    /// A transformer over its parts.
    pub fn new(settings: Settings, parts: Parts) -> Self {
        let Parts { ledger, blobs, broker, context, metrics, valve } = parts;
        let bench = Bench::new(settings, ledger, blobs, broker.publisher(), context, metrics);
        Self { bench: Arc::new(bench), broker, valve }
    }

    /// Works until the shutdown begins, then finishes what is in hand.
    ///
    /// # Errors
    /// A crash point only; stores that are away are waited for.
    pub async fn run(self, draining: Draining) -> Result<(), Error> {
        let prefetch = u16::try_from(self.bench.settings.messages).unwrap_or(u16::MAX);
        while !draining.is_begun() {
            if draining.unless_begun(self.valve.opened()).await.is_none() {
                break;
            }
            match self.broker.consume(&self.bench.queue(Stage::Intake), prefetch).await {
                Ok(consumer) => self.consume(consumer, &draining).await?,
                Err(error) => {
                    tracing::warn!(error = %error, "the queue cannot be consumed; trying again");
                    let pause = self.bench.context.clock.sleep(self.bench.settings.timing.reconcile);
                    draining.unless_begun(pause).await;
                }
            }
        }
        Ok(())
    }

    async fn consume(&self, mut consumer: Box<dyn Consumer>, draining: &Draining) -> Result<(), Error> {
        let settings = &self.bench.settings;
        let mut flight = Flight {
            room: Arc::new(Semaphore::new(settings.bytes.clamp(1, Semaphore::MAX_PERMITS))),
            slots: Arc::new(Semaphore::new(settings.batches_in_flight.max(1))),
            batches: JoinSet::new(),
        };
        let mut result = loop {
            tokio::select! {
                biased;
                () = draining.begun() => break Ok(()),
                () = self.valve.closed() => break Ok(()),
                Some(ended) = flight.batches.join_next(), if !flight.batches.is_empty() => {
                    if let Err(error) = ended_well(ended) {
                        break Err(error);
                    }
                }
                delivery = consumer.next() => match delivery {
                    None => break Ok(()),
                    Some(Err(error)) => {
                        tracing::warn!(error = %error, "the queue's deliveries were interrupted");
                        break Ok(());
                    }
                    Some(Ok(first)) => self.gather(first, consumer.as_mut(), &mut flight).await,
                },
            }
        };
        consumer.cancel().await;
        while let Some(ended) = flight.batches.join_next().await {
            result = result.and(ended_well(ended));
        }
        result
    }

    /// Puts a delivery and what is ready behind it into batches.
    async fn gather(&self, first: Delivery, consumer: &mut dyn Consumer, flight: &mut Flight) {
        let settings = &self.bench.settings;
        // With one batch of everything held, nothing would come in while it waits for its confirms.
        let most = settings.messages.div_ceil(settings.batches_in_flight.max(1)).max(1);
        let mut gathered = Gathered::default();
        let mut next = Some(first);
        while let Some(delivery) = next.take() {
            let weight = weight(delivery.message()).clamp(1, settings.bytes.max(1));
            let permits = u32::try_from(weight).unwrap_or(u32::MAX);
            let mut room = Arc::clone(&flight.room).try_acquire_many_owned(permits).ok();
            if room.is_none() {
                // Constraint: nothing gathered is held while waiting for room, else a batch that was not begun could keep the
                // room that it waits for itself.
                self.start(std::mem::take(&mut gathered), flight).await;
                room = Arc::clone(&flight.room).acquire_many_owned(permits).await.ok();
            }
            gathered.deliveries.push(delivery);
            gathered.room.extend(room);
            if gathered.deliveries.len() >= most {
                break;
            }
            // Only what is there already; an error shows again in the main loop.
            if let Some(Some(Ok(ready))) = consumer.next().now_or_never() {
                next = Some(ready);
            }
        }
        self.start(gathered, flight).await;
    }

    async fn start(&self, batch: Gathered, flight: &mut Flight) {
        let Gathered { deliveries, room } = batch;
        if deliveries.is_empty() {
            return;
        }
        // Constraint: the semaphore is never closed, so this cannot fail.
        let slot = Arc::clone(&flight.slots).acquire_owned().await.ok();
        let bench = Arc::clone(&self.bench);
        let span = tracing::info_span!("translate batch", records = deliveries.len());
        for delivery in &deliveries {
            span.in_scope(|| propagation::link_from(&delivery.message().headers));
        }
        let work = async move {
            bench.metrics.in_flight.inc();
            let started = bench.context.clock.uptime();
            let result = bench.shift(deliveries).await;
            let took = bench.context.clock.uptime().saturating_sub(started);
            bench.metrics.batch_seconds.observe(took.as_secs_f64());
            bench.metrics.in_flight.dec();
            drop((slot, room));
            result
        };
        flight.batches.spawn(work.instrument(span));
    }
}

fn ended_well(ended: Result<Result<(), Error>, JoinError>) -> Result<(), Error> {
    match ended {
        // Only a death at a crash point ends the transformer.
        Ok(Err(Error::Crash(crash @ Crash::Died(_)))) => Err(Error::Crash(crash)),
        Ok(Err(error)) => {
            tracing::warn!(error = error.chain(), "a batch could not go on; its messages come again");
            Ok(())
        }
        Ok(Ok(())) => Ok(()),
        Err(error) => {
            // The panic's text may quote a record; the hook of the process has withheld it already.
            tracing::error!(panicked = error.is_panic(), "a batch did not end; its messages come again");
            Ok(())
        }
    }
}
