//! The messages themselves: queues, and the steps of the delay ladder.
//!
//! Constraints: one lock, never held across an await and never while a caller's code runs; every operation under it is
//! O(log n) except purge and delete. A waiter is woken after the lock is released.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::Shared;
use crate::{Error, Ladder, Message, QueueName, Result, Stage};

/// A queue: of a stage, or of a migration's dead letters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Place {
    Stage(QueueName),
    Dead(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stage(queue) => queue.fmt(f),
            Self::Dead(migration) => write!(f, "{migration}.dead"),
        }
    }
}

/// Where a delivered message came from, so that it can go back there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Position {
    /// Distinguishes a queue from a later one of the same name: a delivery of a deleted queue must not reappear.
    generation: u64,
    /// The message's place in the queue.
    sequence: u64,
}

/// A message taken out of a queue.
pub(super) struct Taken {
    pub(super) message: Message,
    pub(super) redelivered: bool,
    pub(super) position: Position,
}

struct Queue {
    generation: u64,
    ready: BTreeMap<u64, (Message, bool)>,
    arrivals: Arc<Notify>,
}

struct Parked {
    due: Instant,
    queue: QueueName,
    message: Message,
}

/// One step of the ladder. First in, first out: all its messages wait equally long.
#[derive(Default)]
struct Step {
    parked: VecDeque<Parked>,
    /// Whether a timer task serves this step.
    served: bool,
}

struct Inner {
    queues: HashMap<Place, Queue>,
    steps: BTreeMap<Duration, Step>,
    delayed: HashMap<QueueName, u64>,
    unroutable: u64,
    next_sequence: u64,
}

/// All queues and all parked messages.
pub(super) struct Store(Mutex<Inner>);

impl Store {
    pub(super) fn new(ladder: &Ladder) -> Self {
        let steps = ladder.steps().iter().map(|step| (*step, Step::default())).collect();
        Self(Mutex::new(Inner {
            queues: HashMap::new(),
            steps,
            delayed: HashMap::new(),
            unroutable: 0,
            next_sequence: 0,
        }))
    }

    /// The data behind the lock stays consistent if a panic happens under it: every operation changes it in one step.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn declare(&self, migration: &str) {
        let mut inner = self.lock();
        for place in places(migration) {
            let generation = inner.sequence();
            inner.queues.entry(place).or_insert_with(|| Queue {
                generation,
                ready: BTreeMap::new(),
                arrivals: Arc::default(),
            });
        }
    }

    /// Appends a message. `false` if there is no such queue.
    pub(super) fn push(&self, place: &Place, message: Message) -> bool {
        let arrivals = self.lock().push(place, message);
        arrivals.map(|arrivals| arrivals.notify_one()).is_some()
    }

    /// Takes the first message, or tells what to wait for: the arrival of one.
    pub(super) fn take(&self, place: &Place) -> Result<std::result::Result<Taken, Arc<Notify>>> {
        let mut inner = self.lock();
        let queue = inner.queue(place)?;
        Ok(match queue.ready.pop_first() {
            Some((sequence, (message, redelivered))) => {
                let position = Position { generation: queue.generation, sequence };
                Ok(Taken { message, redelivered, position })
            }
            None => Err(Arc::clone(&queue.arrivals)),
        })
    }

    /// Puts a message back where it was. If its queue was deleted meanwhile, it is gone with the queue.
    pub(super) fn put_back(&self, place: &Place, position: Position, message: Message) {
        let mut inner = self.lock();
        let Ok(queue) = inner.queue(place) else { return };
        if queue.generation != position.generation {
            return;
        }
        queue.ready.insert(position.sequence, (message, true));
        let arrivals = Arc::clone(&queue.arrivals);
        drop(inner);
        arrivals.notify_one();
    }

    pub(super) fn depth(&self, place: &Place) -> Result<u64> {
        Ok(self.lock().queue(place)?.ready.len() as u64)
    }

    pub(super) fn delayed(&self, queue: &QueueName) -> u64 {
        self.lock().delayed.get(queue).copied().unwrap_or(0)
    }

    pub(super) fn unroutable(&self) -> u64 {
        self.lock().unroutable
    }

    pub(super) fn purge(&self, place: &Place) -> Result<u64> {
        let purged = std::mem::take(&mut self.lock().queue(place)?.ready);
        Ok(purged.len() as u64)
    }

    pub(super) fn delete(&self, migration: &str) {
        let mut inner = self.lock();
        let deleted: Vec<Queue> = places(migration).filter_map(|place| inner.queues.remove(&place)).collect();
        drop(inner);
        // Waiting consumers must learn that their queue is gone.
        for queue in deleted {
            queue.arrivals.notify_waiters();
        }
    }

    /// Parks a message on a step. `true` if the caller has to start the step's timer ([`release`]).
    pub(super) fn park(&self, queue: &QueueName, message: Message, wait: Duration) -> bool {
        let mut inner = self.lock();
        *inner.delayed.entry(queue.clone()).or_default() += 1;
        let step = inner.steps.entry(wait).or_default();
        step.parked.push_back(Parked { due: Instant::now() + wait, queue: queue.clone(), message });
        !std::mem::replace(&mut step.served, true)
    }

    /// Moves everything that is due on a step to its queues. The moment of the next one, if any; without one, the
    /// step is no longer served.
    fn release_due(&self, wait: Duration) -> Option<Instant> {
        let now = Instant::now();
        let mut woken = Vec::new();
        let mut inner = self.lock();
        let next = loop {
            let step = inner.steps.get_mut(&wait)?;
            match step.parked.front().map(|parked| parked.due) {
                Some(due) if due > now => break Some(due),
                None => {
                    step.served = false;
                    break None;
                }
                Some(_) => {}
            }
            let Some(Parked { queue, message, .. }) = step.parked.pop_front() else { break None };
            inner.no_longer_delayed(&queue);
            match inner.push(&Place::Stage(queue), message) {
                Some(arrivals) => woken.push(arrivals),
                None => inner.unroutable += 1,
            }
        };
        drop(inner);
        for arrivals in woken {
            arrivals.notify_one();
        }
        next
    }
}

impl Inner {
    fn sequence(&mut self) -> u64 {
        self.next_sequence += 1;
        self.next_sequence
    }

    fn queue(&mut self, place: &Place) -> Result<&mut Queue> {
        self.queues.get_mut(place).ok_or_else(|| Error::QueueMissing { queue: place.to_string() })
    }

    fn push(&mut self, place: &Place, message: Message) -> Option<Arc<Notify>> {
        let sequence = self.sequence();
        let queue = self.queues.get_mut(place)?;
        queue.ready.insert(sequence, (message, false));
        Some(Arc::clone(&queue.arrivals))
    }

    fn no_longer_delayed(&mut self, queue: &QueueName) {
        if let Some(count) = self.delayed.get_mut(queue) {
            *count -= 1;
            if *count == 0 {
                self.delayed.remove(queue);
            }
        }
    }
}

fn places(migration: &str) -> impl Iterator<Item = Place> + '_ {
    let stages = Stage::ALL.into_iter().map(move |stage| Place::Stage(QueueName::new(migration, stage)));
    stages.chain(std::iter::once(Place::Dead(migration.to_owned())))
}

/// The timer of one ladder step: moves due messages until the step is empty, then ends. Ends too when the last handle
/// of the broker is gone.
pub(super) async fn release(shared: Weak<Shared>, step: Duration) {
    loop {
        let Some(next) = shared.upgrade().and_then(|shared| shared.store.release_due(step)) else { return };
        tokio::time::sleep_until(next).await;
    }
}
