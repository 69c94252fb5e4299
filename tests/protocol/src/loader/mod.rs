//! A loader: what it does next with the records in its hands.
//!
//! Constraints: the order of `crates/loader/src/batch.rs`. An action is what happens between two moments at which the process may
//! die or be paused and it makes a difference; what only this process knows (an answer that is not stored yet) needs no moment of its own,
//! because dying with it is dying without it. The last look at the clock and the sending are one action: a pause between them
//! is part of the time that the request takes.

mod finish;
mod probe;
mod send;

use model::row::{Lease, State, Wait};
use model::transition::{Event, Refusal};
use model::{JobId, Reason, UnixMillis};

pub use send::Reply;

use crate::rule::Rule;
use crate::scenario::Scenario;
use crate::world::{NOW, Records, Stage, Work, World, fence};

impl World {
    /// Takes messages and claims their records. False if nothing came of it.
    pub(crate) fn take(&mut self, scenario: &Scenario, loader: usize, records: Records) -> bool {
        let mut moved = false;
        for record in (0..scenario.records).filter(|record| records.has(*record)) {
            match self.claim_row(scenario, loader, record) {
                Ok(Some(row)) => {
                    let flight = row.flight.unwrap_or_default();
                    let stage = match (row.state, row.kayako_id) {
                        (State::InDoubt, _) => {
                            Stage::Doubtful { job: flight.job, last_send_at: flight.last_send_at }
                        }
                        (State::Created, Some(id)) => Stage::Exists(id),
                        _ => Stage::Ready { alone: flight.alone },
                    };
                    self.queue = self.queue.without(record);
                    self.loaders[loader].works[record] = Some(Work { stage, has_message: true });
                    moved = true;
                    if self.is_orphaned(scenario, record)
                        && !(scenario.has(Rule::OrphansAreProbed) && row.state == State::InDoubt)
                    {
                        let fence = Some(fence(loader));
                        self.end(
                            scenario,
                            loader,
                            record,
                            Event::Fail { fence, reason: Reason::ParentFailed },
                        );
                    }
                }
                // Its copy waits in the ladder.
                Ok(None) => moved = true,
                // Settled: acknowledged. Unknown: put aside for a person; the source still has the record.
                Err(Refusal::Settled | Refusal::Unknown) => {
                    self.queue = self.queue.without(record);
                    moved = true;
                }
                Err(_) => {}
            }
        }
        moved
    }

    /// The next thing the loader does by itself. False if it waits.
    pub(crate) fn advance(&mut self, scenario: &Scenario, loader: usize) -> bool {
        let doubtful = self.records_at(loader, |stage| matches!(stage, Stage::Doubtful { .. }));
        if !doubtful.is_empty() {
            for record in doubtful {
                self.probe(scenario, loader, record);
            }
            return true;
        }
        let found = self.records_at(loader, |stage| matches!(stage, Stage::Found(_)));
        if !found.is_empty() {
            for record in found {
                self.store_found(scenario, loader, record);
            }
            return true;
        }
        let missing = self.records_at(loader, |stage| matches!(stage, Stage::Missing { .. }));
        if !missing.is_empty() {
            for record in missing {
                self.store_missing(scenario, loader, record);
            }
            return true;
        }
        let intended = self.records_at(loader, |stage| matches!(stage, Stage::Intended { .. }));
        if !intended.is_empty() {
            self.post(scenario, loader, &intended);
            return true;
        }
        if !self.records_at(loader, |stage| matches!(stage, Stage::Waiting { .. })).is_empty() {
            return false;
        }
        let polling = self.records_at(loader, |stage| matches!(stage, Stage::Polling { .. }));
        if let Some(&first) = polling.first() {
            let ended = !self.job_of(loader, first).is_some_and(|job| self.is_pending(job));
            if ended {
                for record in polling {
                    self.look_after_job(scenario, loader, record);
                }
            }
            return ended;
        }
        let together = self.records_at(loader, |stage| matches!(stage, Stage::Ready { alone: false }));
        let alone = self.records_at(loader, |stage| matches!(stage, Stage::Ready { alone: true }));
        if !together.is_empty() {
            self.intend(scenario, loader, &together);
            return true;
        }
        if let Some(&first) = alone.first() {
            self.intend(scenario, loader, &[first]);
            return true;
        }
        let rest = self.records_at(loader, |_| true);
        if let Some(&first) = rest.first() {
            self.finish(scenario, loader, first);
            return true;
        }
        false
    }

    pub(super) fn records_at(&self, loader: usize, test: impl Fn(Stage) -> bool) -> Vec<usize> {
        let works = self.loaders[loader].works.iter().enumerate();
        works
            .filter(|(_, work)| work.is_some_and(|work| test(work.stage)))
            .map(|(record, _)| record)
            .collect()
    }

    pub(super) fn set(&mut self, loader: usize, record: usize, stage: Stage) {
        if let Some(work) = &mut self.loaders[loader].works[record] {
            work.stage = stage;
        }
    }

    pub(super) fn job_of(&self, loader: usize, record: usize) -> Option<JobId> {
        match self.loaders[loader].works[record]?.stage {
            Stage::Polling { job } => Some(job),
            Stage::Waiting { request, .. } => Some(request),
            Stage::Doubtful { job, .. } => job,
            _ => None,
        }
    }

    /// Stores how the record's time in these hands ends: then a delayed copy of its message if it goes on, then the ack.
    pub(super) fn end(&mut self, scenario: &Scenario, loader: usize, record: usize, event: Event) {
        let event = self.or_exhausted(scenario, loader, record, event);
        match self.apply(scenario, record, event) {
            Ok(row) if row.state.is_settled() => {}
            Err(Refusal::StaleFence | Refusal::Settled) => {}
            Ok(_) | Err(_) => self.queue = self.queue.with(record),
        }
        self.loaders[loader].works[record] = None;
    }

    pub(super) fn or_exhausted(
        &self,
        scenario: &Scenario,
        loader: usize,
        record: usize,
        event: Event,
    ) -> Event {
        let row = self.ledger.rows[record];
        let attempts = row.and_then(|row| row.flight).map_or(0, |flight| flight.attempts);
        let doubtful = row.is_some_and(|row| row.state == State::InDoubt);
        let tried = matches!(event, Event::Unsent { attempt: true, .. } | Event::Park { attempt: true, .. });
        if tried && !doubtful && attempts.saturating_add(1) >= scenario.timing.attempts {
            return Event::Fail { fence: Some(fence(loader)), reason: Reason::RetriesExhausted };
        }
        event
    }

    pub(super) fn renew(&mut self, scenario: &Scenario, loader: usize, record: usize) {
        let lease = Lease { fence: fence(loader), until: NOW.plus(scenario.timing.lease) };
        // A refusal is noticed by the next step, which is refused as well.
        let _ = self.apply(scenario, record, Event::Renew { lease });
    }

    /// The lease is extended while the loader is busy.
    pub(crate) fn renew_all(&mut self, scenario: &Scenario, loader: usize) {
        for record in self.records_at(loader, |_| true) {
            self.renew(scenario, loader, record);
        }
    }

    /// The process dies; the broker gives its messages to others.
    pub(crate) fn crash(&mut self, loader: usize) {
        self.redeliver(loader);
        self.loaders[loader].works = [None, None];
    }

    /// The broker loses the loader's connection and gives its messages to others, while the loader goes on. False if it had none.
    pub(crate) fn redeliver(&mut self, loader: usize) -> bool {
        let mut given = false;
        for (record, work) in self.loaders[loader].works.iter_mut().enumerate() {
            if let Some(work) = work.as_mut().filter(|work| work.has_message) {
                work.has_message = false;
                self.queue = self.queue.with(record);
                given = true;
            }
        }
        given
    }

    /// The queue loses everything, also what loaders have not acknowledged. False if there was nothing to lose.
    pub(crate) fn lose_queue(&mut self) -> bool {
        let mut lost = self.queue != Records::default();
        self.queue = Records::default();
        for work in self.loaders.iter_mut().flat_map(|loader| loader.works.iter_mut().flatten()) {
            lost |= work.has_message;
            work.has_message = false;
        }
        lost
    }
}

fn later(loader: usize, until: UnixMillis) -> Event {
    Event::Park { fence: fence(loader), wait: Wait::Retry, until, attempt: false }
}

fn doubt(loader: usize, until: UnixMillis, absent: bool) -> Event {
    Event::Doubt { fence: fence(loader), until, absent }
}
