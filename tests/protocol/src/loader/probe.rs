//! Looking for objects: of records in doubt, and after the end of a loader's own job.
//!
//! Constraint: as `crates/loader/src/probe.rs` and `outcomes` in `send.rs` there. What was seen is stored by an action of its own, because a
//! loader may be paused in between and another one may act on what it sees.

use model::Reason;
use model::row::{Arrival, State};
use model::transition::Event;

use super::{doubt, later};
use crate::rule::Rule;
use crate::scenario::Scenario;
use crate::world::{NOW, Stage, Work, World, fence};

impl World {
    /// Whether the look-up of a record in doubt proves anything yet.
    pub(super) fn may_look(&self, scenario: &Scenario, loader: usize, record: usize) -> bool {
        let Some(Work { stage: Stage::Doubtful { job: Some(job), last_send_at }, .. }) =
            self.loaders[loader].works[record]
        else {
            return true;
        };
        let patience = scenario.timing.job_timeout.max(scenario.timing.quiet);
        let given_up = last_send_at.unwrap_or(NOW).plus(patience) <= NOW;
        !scenario.has(Rule::JobIsAsked) || given_up || !self.is_pending(job)
    }

    pub(super) fn probe(&mut self, scenario: &Scenario, loader: usize, record: usize) {
        if !self.may_look(scenario, loader, record) {
            self.end(scenario, loader, record, later(loader, NOW.plus(scenario.timing.job_poll)));
            return;
        }
        let stage = match self.look_up(record).first() {
            Some(oldest) => Stage::Found(*oldest),
            None => Stage::Missing { until: NOW.plus(scenario.timing.visibility), after_job: false },
        };
        self.set(loader, record, stage);
    }

    /// The loader's own job has ended.
    pub(super) fn look_after_job(&mut self, scenario: &Scenario, loader: usize, record: usize) {
        let until = NOW.plus(scenario.timing.visibility);
        match self.look_up(record)[..] {
            [id] => self.set(loader, record, Stage::Found(id)),
            [] => self.set(loader, record, Stage::Missing { until, after_job: true }),
            _ => self.end(scenario, loader, record, doubt(loader, until, false)),
        }
    }

    /// A look-up whose pages do not add up. False if the loader is not looking anything up.
    pub(crate) fn unclear(&mut self, scenario: &Scenario, loader: usize) -> bool {
        let until = NOW.plus(scenario.timing.visibility);
        let mut looked = false;
        for record in self.records_at(loader, |_| true) {
            let after_job = match self.loaders[loader].works[record].map(|work| work.stage) {
                Some(Stage::Doubtful { .. }) if self.may_look(scenario, loader, record) => false,
                Some(Stage::Polling { job }) if !self.is_pending(job) => true,
                _ => continue,
            };
            looked = true;
            match (scenario.has(Rule::UnclearIsNotAbsent), after_job) {
                (false, _) => self.set(loader, record, Stage::Missing { until, after_job }),
                (true, true) => self.end(scenario, loader, record, doubt(loader, until, false)),
                (true, false) => self.end(scenario, loader, record, later(loader, until)),
            }
        }
        looked
    }

    pub(super) fn store_found(&mut self, scenario: &Scenario, loader: usize, record: usize) {
        let Some(Work { stage: Stage::Found(id), .. }) = self.loaders[loader].works[record] else { return };
        let created = Event::Created { fence: fence(loader), id, arrival: Arrival::Created };
        match self.apply(scenario, record, created) {
            Ok(_) => self.set(loader, record, Stage::Exists(id)),
            Err(_) => self.loaders[loader].works[record] = None,
        }
    }

    pub(super) fn store_missing(&mut self, scenario: &Scenario, loader: usize, record: usize) {
        let stage = self.loaders[loader].works[record].map(|work| work.stage);
        let Some(Stage::Missing { until, after_job }) = stage else { return };
        if after_job {
            self.end(scenario, loader, record, doubt(loader, until, true));
            return;
        }
        let absent = Event::Absent { fence: fence(loader), confirm_at: until };
        match self.apply(scenario, record, absent) {
            Ok(row) if row.state == State::Claimed => {
                let alone = row.flight.is_some_and(|flight| flight.alone);
                self.set(loader, record, Stage::Ready { alone });
                return;
            }
            Ok(_) => self.queue = self.queue.with(record),
            Err(_) => {}
        }
        self.loaders[loader].works[record] = None;
    }

    /// The job says what it did not like about a record that it did not create. False if it cannot say so.
    pub(crate) fn complain(&mut self, scenario: &Scenario, loader: usize, record: usize) -> bool {
        let stage = self.loaders[loader].works[record].map(|work| work.stage);
        let told = matches!(stage, Some(Stage::Missing { after_job: true, .. }));
        if !told || !self.is_certainly_nothing(record) {
            return false;
        }
        let fail = Event::Fail { fence: Some(fence(loader)), reason: Reason::RejectedByKayako };
        self.end(scenario, loader, record, fail);
        true
    }
}
