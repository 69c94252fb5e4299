//! Everything that exists in the model at one moment, in a normal form.
//!
//! Constraints: all times are relative to now, and the past is forgotten where no rule can tell it apart, so that time never
//! ends and the number of worlds is finite all the same. Worlds that differ only in names (fences, jobs, which loader is which) are
//! one world.

use std::hash::{DefaultHasher, Hash, Hasher};

use model::row::{Lease, Row, State};
use model::{Epoch, Fence, JobId, KayakoId, UnixMillis};

use crate::scenario::{Scenario, TICK};

/// Now, in every world.
pub const NOW: UnixMillis = UnixMillis(0);
/// The job that has ended, whichever it was.
pub const ENDED: JobId = JobId(0);

/// A set of records, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Records(pub u8);

impl Records {
    /// Whether the record is in it.
    pub fn has(self, record: usize) -> bool {
        self.0 & (1 << record) != 0
    }

    /// The set with the record.
    #[must_use]
    pub fn with(self, record: usize) -> Self {
        Self(self.0 | 1 << record)
    }

    /// The set without the record.
    #[must_use]
    pub fn without(self, record: usize) -> Self {
        Self(self.0 & !(1 << record))
    }

    /// Every subset, the empty one included.
    pub fn subsets(self) -> impl Iterator<Item = Self> {
        (0..=self.0).filter(move |bits| bits & !self.0 == 0).map(Self)
    }
}

/// Where a loader stands with one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Claimed in doubt: to be probed.
    Doubtful {
        /// As the claim found it.
        job: Option<JobId>,
        /// As the claim found it.
        last_send_at: Option<UnixMillis>,
    },
    /// A look-up showed the object; the ledger does not know yet.
    Found(KayakoId),
    /// A look-up showed nothing; the ledger does not know yet.
    Missing {
        /// When to look again.
        until: UnixMillis,
        /// After the end of the job that this loader sent, not in a probe.
        after_job: bool,
    },
    /// To be sent.
    Ready {
        /// In a request of its own.
        alone: bool,
    },
    /// The intent is stored; the request leaves next.
    Intended {
        /// The last moment at which it may.
        last_send_at: UnixMillis,
    },
    /// Sent; no answer yet.
    Waiting {
        /// The request.
        request: JobId,
        /// What the intent says.
        last_send_at: UnixMillis,
    },
    /// The account took it as a job.
    Polling {
        /// That job.
        job: JobId,
    },
    /// The ledger knows the object; steps remain.
    Exists(KayakoId),
    /// The object was read, and this step was missing.
    Adding {
        /// The object.
        id: KayakoId,
        /// Which step.
        step: usize,
    },
}

/// A record in a loader's hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Work {
    /// How far it is.
    pub stage: Stage,
    /// Whether the broker still counts the message as this loader's.
    pub has_message: bool,
}

/// A loader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Loader {
    /// Per record.
    pub works: [Option<Work>; 2],
}

impl Loader {
    /// Whether it holds nothing.
    pub fn is_idle(&self) -> bool {
        self.works.iter().all(Option::is_none)
    }
}

/// A request that was sent and has had no effect yet: on its way, or a job of the account.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Request {
    /// Names it, and the job it becomes.
    pub id: JobId,
    /// What it would create.
    pub records: Records,
    /// Ticks that may pass before its effect.
    pub left: u8,
}

/// An object in the account, named by its place in the list (from 1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Object {
    /// Whose origin key it carries.
    pub record: usize,
    /// Ticks that may pass before look-ups show it; `None` if they do.
    pub hidden: Option<u8>,
    /// How often each step was done.
    pub steps: Vec<u8>,
}

/// The ledger.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ledger {
    /// One row per record.
    pub rows: Vec<Option<Row>>,
    /// What would be left if it lost its last writes; `None` if it loses none any more.
    pub durable: Option<Vec<Option<Row>>>,
    /// Its epoch.
    pub epoch: Epoch,
    /// Since when.
    pub epoch_since: UnixMillis,
}

/// A world.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    /// The ledger.
    pub ledger: Ledger,
    /// Records of which the queue holds a message. A second message of a record changes nothing that a repeated one does not.
    pub queue: Records,
    /// The loaders.
    pub loaders: Vec<Loader>,
    /// What is on its way.
    pub requests: Vec<Request>,
    /// What is there.
    pub objects: Vec<Object>,
    /// Records that the source has deleted.
    pub deleted: Records,
    /// Records whose message says only that they are left out: they were deleted, and something of them may have been sent.
    pub left_out: Records,
    /// The ledger was asked for something that makes no sense in the row's state: a defect, whatever becomes of it.
    pub absurd: bool,
}

pub(crate) fn fence(loader: usize) -> Fence {
    Fence(loader as u64 + 1)
}

/// A fence that no loader has.
const NOBODY: Fence = Fence(0);

impl World {
    pub(crate) fn id(place: usize) -> KayakoId {
        KayakoId(place as u64 + 1)
    }

    pub(crate) fn object(&mut self, id: KayakoId) -> Option<&mut Object> {
        let place = usize::try_from(id.0).ok()?.checked_sub(1)?;
        self.objects.get_mut(place)
    }

    /// Whether a request that is not over is so called.
    pub(crate) fn is_pending(&self, job: JobId) -> bool {
        self.requests.iter().any(|request| request.id == job)
    }

    /// Whether a message of the record is anywhere.
    pub(crate) fn is_carried(&self, record: usize) -> bool {
        let held = |loader: &Loader| loader.works[record].is_some_and(|work| work.has_message);
        self.queue.has(record) || self.loaders.iter().any(held)
    }

    /// A moment passes.
    pub(crate) fn tick(&mut self) {
        let by = i64::try_from(TICK.as_millis()).unwrap_or(i64::MAX);
        let earlier = |time: &mut UnixMillis| time.0 = time.0.saturating_sub(by);
        for row in self.every_row() {
            let Some(flight) = &mut row.flight else { continue };
            earlier(&mut flight.not_before);
            flight.last_send_at.iter_mut().for_each(earlier);
            if let Some(lease) = &mut flight.lease {
                earlier(&mut lease.until);
            }
        }
        earlier(&mut self.ledger.epoch_since);
        for work in self.loaders.iter_mut().flat_map(|loader| loader.works.iter_mut().flatten()) {
            match &mut work.stage {
                Stage::Missing { until, .. } => earlier(until),
                Stage::Intended { last_send_at } | Stage::Waiting { last_send_at, .. } => {
                    earlier(last_send_at);
                }
                Stage::Doubtful { last_send_at, .. } => last_send_at.iter_mut().for_each(earlier),
                _ => {}
            }
        }
        for request in &mut self.requests {
            request.left -= 1;
        }
        for object in &mut self.objects {
            object.hidden = object.hidden.map(|left| left - 1);
        }
    }

    fn every_row(&mut self) -> impl Iterator<Item = &mut Row> {
        let durable = self.ledger.durable.iter_mut().flatten();
        self.ledger.rows.iter_mut().chain(durable).flatten()
    }

    /// All that is particular to a record, as a number.
    fn face(&self, record: usize) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.ledger.rows[record].hash(&mut hasher);
        self.ledger.durable.as_ref().map(|rows| rows[record]).hash(&mut hasher);
        for records in self.record_sets() {
            records.has(record).hash(&mut hasher);
        }
        for loader in &self.loaders {
            loader.works[record].hash(&mut hasher);
        }
        for object in &self.objects {
            (object.record == record).hash(&mut hasher);
        }
        hasher.finish()
    }

    fn record_sets(&self) -> impl Iterator<Item = Records> {
        let sent = self.requests.iter().map(|request| request.records);
        [self.queue, self.deleted, self.left_out].into_iter().chain(sent)
    }

    fn swap_records(&mut self) {
        self.ledger.rows.swap(0, 1);
        if let Some(durable) = &mut self.ledger.durable {
            durable.swap(0, 1);
        }
        let sent = self.requests.iter_mut().map(|request| &mut request.records);
        for records in [&mut self.queue, &mut self.deleted, &mut self.left_out].into_iter().chain(sent) {
            *records = Records((records.0 & 1) << 1 | records.0 >> 1);
        }
        for loader in &mut self.loaders {
            loader.works.swap(0, 1);
        }
        for object in &mut self.objects {
            object.record = 1 - object.record;
        }
    }

    /// The normal form.
    pub(crate) fn normal(mut self, scenario: &Scenario) -> Self {
        let timing = &scenario.timing;
        let floor = |by: std::time::Duration| UnixMillis(-i64::try_from(by.as_millis()).unwrap_or(i64::MAX));
        let forgotten = floor(timing.job_timeout.max(timing.quiet));
        let quiet_ago = floor(timing.quiet);
        let pending: Vec<JobId> = self.requests.iter().map(|request| request.id).collect();
        let known = |job: JobId| if pending.contains(&job) { job } else { ENDED };
        let holds: Vec<[bool; 2]> =
            self.loaders.iter().map(|loader| loader.works.map(|work| work.is_some())).collect();
        let records = self.ledger.rows.len();
        for (at, row) in
            self.ledger.rows.iter_mut().chain(self.ledger.durable.iter_mut().flatten()).enumerate()
        {
            let state = row.map(|row| row.state);
            let Some(flight) = row.as_mut().and_then(|row| row.flight.as_mut()) else { continue };
            let record = at % records;
            flight.not_before = flight.not_before.max(NOW);
            flight.job = flight.job.map(known);
            // To forget when it was sent is to wait for nothing: never more careful than the protocol is.
            flight.last_send_at = flight.last_send_at.map(|sent| match flight.job {
                Some(ENDED) => forgotten,
                Some(_) => sent.max(forgotten),
                None => sent.max(quiet_ago),
            });
            if scenario.losses == 0 && state == Some(State::Created) {
                flight.last_send_at = None;
            }
            flight.lease = flight.lease.and_then(|lease| {
                let holder = (0..holds.len()).find(|&at| fence(at) == lease.fence && holds[at][record]);
                let until = lease.until.max(NOW);
                let alive = holder.is_some() || until > NOW;
                alive.then_some(Lease { fence: holder.map_or(NOBODY, fence), until })
            });
        }
        let oldest = floor(timing.lease + timing.quiet);
        self.ledger.epoch_since = self.ledger.epoch_since.max(oldest);
        for work in self.loaders.iter_mut().flat_map(|loader| loader.works.iter_mut().flatten()) {
            match &mut work.stage {
                Stage::Missing { until, .. } => *until = (*until).max(NOW),
                Stage::Intended { last_send_at } => *last_send_at = (*last_send_at).max(UnixMillis(-1)),
                Stage::Waiting { request, last_send_at } => {
                    *request = known(*request);
                    *last_send_at = (*last_send_at).max(quiet_ago);
                }
                Stage::Polling { job } => *job = known(*job),
                Stage::Doubtful { job, last_send_at } => {
                    *job = job.map(known);
                    let pending = job.is_some_and(|job| job != ENDED);
                    *last_send_at = last_send_at.filter(|_| pending).map(|sent| sent.max(forgotten));
                }
                _ => {}
            }
        }
        self.requests.sort_by_key(|request| request.id);
        if records == 2 && !scenario.in_order && self.face(0) > self.face(1) {
            self.swap_records();
        }
        if let [first, second] = self.loaders[..]
            && first > second
        {
            self.loaders.swap(0, 1);
            for row in self.every_row() {
                let Some(lease) = row.flight.as_mut().and_then(|flight| flight.lease.as_mut()) else {
                    continue;
                };
                lease.fence = match lease.fence {
                    Fence(1) => Fence(2),
                    Fence(2) => Fence(1),
                    other => other,
                };
            }
        }
        self
    }
}
