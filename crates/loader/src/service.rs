//! The loader as a service: takes messages, gathers them, works on batches side by side, pauses and drains.
//!
//! Constraints: it holds at most the plan's number of messages and bytes; paused or halted, it stops consuming and
//! gives back what it has not begun; draining, it finishes batches in hand and acks them.

use std::sync::Arc;

use blobs::Blobs;
use kayako::Client;
use ledger::Ledger;
use model::envelope::{HEADER_STAGED, Load, decode};
use model::record::BlobRef;
use model::timing::Timing;
use model::{Classify, MigrationId, Origin};
use queue::{Broker, Consumer, Delivery, Message, Stage};
use runtime::{Context, Crash, Draining, Valve, propagation};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::ask::AskedFor;
use crate::desk::Desk;
use crate::error::{During, Error};
use crate::gather::Gatherer;
use crate::metrics::Metrics;
use crate::work::Incoming;

/// How much a loader holds and does at once.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The migration.
    pub migration: MigrationId,
    /// First part of every origin key.
    pub origin: Origin,
    /// Most records in one bulk insert.
    pub batch_records: usize,
    /// Most bytes of commands in one bulk insert.
    pub batch_bytes: usize,
    /// Most messages held.
    pub messages: usize,
    /// Most bytes of messages held.
    pub bytes: usize,
    /// Batches worked on at the same time.
    pub batches_in_flight: usize,
    /// Files and remaining steps of one batch in flight.
    pub steps_in_flight: usize,
    /// Waiting times.
    pub timing: Timing,
}

/// A small batch is sent after so many lingers although others are on their way.
const PATIENCE: u32 = 10;

/// Writes the load commands of one migration.
pub struct Loader {
    desk: Arc<Desk>,
    broker: Arc<dyn Broker>,
    settings: Settings,
    valve: Valve,
    asked: Arc<AskedFor>,
}

/// Why a message was not read.
enum Unread {
    Later(blobs::Error),
    Never(String),
}

/// What a message takes in memory, in bytes: its body, wherever it lies.
fn weight(message: &Message) -> usize {
    let staged = message.headers.contains_key(HEADER_STAGED);
    let reference = staged.then(|| serde_json::from_slice::<BlobRef>(&message.body).ok()).flatten();
    reference.map_or(message.body.len(), |reference| usize::try_from(reference.size).unwrap_or(usize::MAX))
}

/// A message in hand, with the room it takes.
struct Held {
    delivery: Delivery,
    incoming: Incoming,
    room_taken: OwnedSemaphorePermit,
}

impl Loader {
    /// A loader over its parts. `valve` is open while the run wants work.
    #[expect(clippy::too_many_arguments, reason = "the parts of a service, each named")]
    pub fn new(
        settings: Settings,
        client: Client,
        ledger: Ledger,
        blobs: Blobs,
        broker: Arc<dyn Broker>,
        context: Context,
        metrics: Metrics,
        valve: Valve,
    ) -> Self {
        let desk = Desk::new(
            settings.migration.clone(),
            client,
            ledger,
            blobs,
            broker.as_ref(),
            settings.origin.clone(),
            settings.timing.clone(),
            context,
            metrics,
            settings.steps_in_flight.max(1),
        );
        Self { desk: Arc::new(desk), broker, settings, valve, asked: Arc::default() }
    }

    /// Works until the shutdown begins, then finishes what is in hand.
    pub async fn run(self, draining: Draining) -> Result<(), Error> {
        while !draining.is_begun() {
            if draining.unless_begun(self.valve.opened()).await.is_none() {
                break;
            }
            self.desk.start_afresh().await;
            if let Err(error) = self.desk.name_witnesses().await {
                tracing::warn!(error = %error, "the ledger cannot be read; trying again");
                draining.unless_begun(self.desk.context.clock.sleep(self.settings.timing.reconcile)).await;
                continue;
            }
            let prefetch = u16::try_from(self.settings.messages).unwrap_or(u16::MAX);
            let consumer = match self.broker.consume(&self.desk.queue(Stage::Load), prefetch).await {
                Ok(consumer) => consumer,
                Err(error) => {
                    tracing::warn!(error = %error, "the queue cannot be consumed; trying again");
                    self.desk.context.clock.sleep(self.settings.timing.reconcile).await;
                    continue;
                }
            };
            self.consume(consumer, &draining).await?;
        }
        Ok(())
    }

    async fn consume(&self, mut consumer: Box<dyn Consumer>, draining: &Draining) -> Result<(), Error> {
        let room = Arc::new(Semaphore::new(self.settings.bytes.min(Semaphore::MAX_PERMITS)));
        let slots = Arc::new(Semaphore::new(self.settings.batches_in_flight.max(1)));
        let mut gatherer = Gatherer::new(self.settings.batch_records, self.settings.batch_bytes);
        let mut batches: JoinSet<Result<(), Error>> = JoinSet::new();
        let mut gathering_since = tokio::time::Instant::now();
        let mut linger = std::pin::pin!(tokio::time::sleep(self.settings.timing.linger));
        let result = loop {
            tokio::select! {
                biased;
                () = draining.begun() => break Ok(()),
                () = self.valve.closed() => break Ok(()),
                Some(ended) = batches.join_next(), if !batches.is_empty() => {
                    if let Err(error) = ended_well(ended) { break Err(error) }
                }
                delivery = consumer.next() => match delivery {
                    None => break Ok(()),
                    Some(Err(error)) => {
                        tracing::warn!(error = %error, "the queue's deliveries were interrupted");
                        break Ok(());
                    }
                    Some(Ok(delivery)) => {
                        // What waits to become a batch must not keep the room that the next message needs.
                        let size = weight(delivery.message());
                        if room.available_permits() < size.min(self.settings.bytes) {
                            for (kind, batch) in gatherer.flush() {
                                self.start(&mut batches, &slots, kind, batch).await;
                            }
                        }
                        let Some(held) = self.receive(delivery, &room).await else { continue };
                        if gatherer.is_empty() {
                            gathering_since = tokio::time::Instant::now();
                            linger.as_mut().reset(tokio::time::Instant::now() + self.settings.timing.linger);
                        }
                        for (kind, batch) in gatherer.add(held.incoming.load.key.kind, held, size) {
                            self.start(&mut batches, &slots, kind, batch).await;
                        }
                    }
                },
                () = &mut linger, if !gatherer.is_empty() => {
                    // While other batches are on their way, waiting costs nothing and fills this one; but not for ever.
                    if batches.is_empty() || gathering_since.elapsed() >= self.settings.timing.linger * PATIENCE {
                        for (kind, batch) in gatherer.flush() {
                            self.start(&mut batches, &slots, kind, batch).await;
                        }
                    }
                    linger.as_mut().reset(tokio::time::Instant::now() + self.settings.timing.linger);
                }
            }
        };
        consumer.cancel().await;
        // Not begun: dropped unsettled, so the broker gives them to others.
        drop(gatherer);
        let mut result = result;
        while let Some(ended) = batches.join_next().await {
            if let Err(error) = ended_well(ended) {
                result = result.and(Err(error));
            }
        }
        result
    }

    async fn start(
        &self,
        batches: &mut JoinSet<Result<(), Error>>,
        slots: &Arc<Semaphore>,
        kind: model::Kind,
        batch: Vec<Held>,
    ) {
        // Constraint: the semaphore is never closed, so this cannot fail; without a permit the batch would only run unbounded.
        let slot = Arc::clone(slots).acquire_owned().await.ok();
        let (mut deliveries, mut incoming, mut rooms) = (Vec::new(), Vec::new(), Vec::new());
        for (ticket, held) in batch.into_iter().enumerate() {
            deliveries.push(held.delivery);
            incoming.push(Incoming { ticket, ..held.incoming });
            rooms.push(held.room_taken);
        }
        let desk = Arc::clone(&self.desk);
        let asked = Arc::clone(&self.asked);
        let span = tracing::info_span!("load batch", kind = kind.name(), records = incoming.len());
        for one in &incoming {
            span.in_scope(|| propagation::link_from(&one.message.headers));
        }
        let work = async move {
            desk.metrics.in_flight.inc();
            let result = desk.process(&asked, kind, incoming, deliveries).await;
            desk.metrics.in_flight.dec();
            drop((slot, rooms));
            result
        };
        batches.spawn(work.instrument(span));
    }

    /// Reads a message. One that cannot be read is kept for a person and does not stop the others.
    async fn receive(&self, delivery: Delivery, room: &Arc<Semaphore>) -> Option<Held> {
        let size = weight(delivery.message()).min(self.settings.bytes);
        let permits = u32::try_from(size).unwrap_or(u32::MAX);
        let room_taken = Arc::clone(room).acquire_many_owned(permits).await.ok()?;
        let read = self.read(delivery.message()).await;
        match read {
            Ok(incoming) => Some(Held { delivery, incoming, room_taken }),
            Err(unread) => {
                // Not acked where the broker is away: it gives the message again.
                if let Err(error) = self.put_aside(delivery, unread).await {
                    tracing::warn!(error = %error, "a message could not be put aside; it comes again");
                }
                None
            }
        }
    }

    async fn read(&self, message: &Message) -> Result<Incoming, Unread> {
        let body = match message.headers.get(HEADER_STAGED) {
            None => message.body.clone(),
            Some(holder) => match self.staged_body(holder, &message.body).await {
                Ok(body) => body,
                Err(error) if error.class().is_retryable_read() => return Err(Unread::Later(error)),
                Err(error) => return Err(Unread::Never(error.to_string())),
            },
        };
        let envelope = decode::<Load>(&body).map_err(|error| Unread::Never(error.to_string()))?;
        let command_hash = envelope.body.command.hash();
        Ok(Incoming {
            ticket: 0,
            run: envelope.run,
            plan: envelope.plan,
            load: envelope.body,
            command_hash,
            message: message.clone(),
        })
    }

    async fn put_aside(&self, delivery: Delivery, unread: Unread) -> Result<(), Error> {
        let queue = self.desk.queue(Stage::Load);
        let message = delivery.message().clone();
        match unread {
            // The store is away, the body is not.
            Unread::Later(error) => {
                tracing::warn!(error = %error, "a staged body cannot be read now; the message comes again");
                let wait = self.settings.timing.visibility;
                self.desk.publisher.delay(&queue, message, wait).await.during("park a message")?;
            }
            Unread::Never(problem) => {
                tracing::error!(message = %message.id, problem, "a message cannot be read; it is kept as a dead letter");
                let kept = self.desk.publisher.dead_letter(&queue, message, &problem).await;
                kept.during("dead-letter a message")?;
            }
        }
        delivery.ack().await.during("ack a message")
    }

    async fn staged_body(&self, holder: &str, reference: &[u8]) -> Result<bytes::Bytes, blobs::Error> {
        let reference: BlobRef = serde_json::from_slice(reference).map_err(|_| blobs::Error::Reference)?;
        self.desk.blobs.within(holder)?.get(&reference).await
    }
}

fn ended_well(ended: Result<Result<(), Error>, tokio::task::JoinError>) -> Result<(), Error> {
    match ended {
        // Only a death at a crash point ends the loader; a batch that could not go on has given its messages back.
        Ok(Err(Error::Crash(crash @ Crash::Died(_)))) => Err(Error::Crash(crash)),
        Ok(_) => Ok(()),
        Err(error) => {
            tracing::error!(error = %error, "a batch panicked; its messages come again when the connection is renewed");
            Ok(())
        }
    }
}
