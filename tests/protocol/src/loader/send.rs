//! Sending: the intent, the request, its answer.
//!
//! Constraint: as `crates/loader/src/send.rs`.

use model::row::Wait;
use model::transition::Event;
use model::{Reason, UnixMillis};

use super::doubt;
use crate::rule::Rule;
use crate::scenario::Scenario;
use crate::world::{ENDED, NOW, Records, Stage, Work, World, fence};

/// How the account answers a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reply {
    /// With a job.
    Job,
    /// Not at all, or not in a way that proves anything.
    Nothing,
    /// With proof that the request had no effect.
    Refused,
}

impl World {
    pub(super) fn intend(&mut self, scenario: &Scenario, loader: usize, records: &[usize]) {
        let timing = &scenario.timing;
        // Without the rule nothing keeps a request from being longer than a lease.
        let limit = if scenario.has(Rule::IntentEndsWithLease) {
            timing.request_timeout
        } else {
            timing.lease + timing.quiet
        };
        let last_send_at = NOW.plus(limit);
        for &record in records {
            let row = self.ledger.rows[record];
            let attempts = row.and_then(|row| row.flight).map_or(0, |flight| flight.attempts);
            let fenced = Some(fence(loader));
            if attempts >= timing.attempts {
                let reason = Reason::RetriesExhausted;
                self.end(scenario, loader, record, Event::Fail { fence: fenced, reason });
            } else if self.left_out.has(record) {
                let reason = Reason::SourceGone;
                self.end(scenario, loader, record, Event::Skip { fence: fenced, reason });
            } else if self.is_orphaned(scenario, record) {
                let reason = Reason::ParentFailed;
                self.end(scenario, loader, record, Event::Fail { fence: fenced, reason });
            } else if !scenario.has(Rule::IntentBeforeSend)
                || self.store_intent(scenario, loader, record, last_send_at)
            {
                self.set(loader, record, Stage::Intended { last_send_at });
            } else {
                // Another loader took it over; a copy of the message goes round.
                self.queue = self.queue.with(record);
                self.loaders[loader].works[record] = None;
            }
        }
    }

    pub(super) fn store_intent(
        &mut self,
        scenario: &Scenario,
        loader: usize,
        record: usize,
        last_send_at: UnixMillis,
    ) -> bool {
        self.renew(scenario, loader, record);
        self.apply(scenario, record, Event::Intend { fence: fence(loader), last_send_at }).is_ok()
    }

    pub(super) fn post(&mut self, scenario: &Scenario, loader: usize, records: &[usize]) {
        let Some(Stage::Intended { last_send_at }) =
            self.loaders[loader].works[records[0]].map(|work| work.stage)
        else {
            return;
        };
        if last_send_at < NOW && scenario.has(Rule::SelfFence) {
            for &record in records {
                self.end(scenario, loader, record, unsent(scenario, loader, false));
            }
            return;
        }
        let set = records.iter().fold(Records::default(), |set, &record| set.with(record));
        let request = self.send(scenario, set, last_send_at);
        for &record in records {
            self.set(loader, record, Stage::Waiting { request, last_send_at });
        }
    }

    /// An answer arrives, or does not. False if the account cannot answer so.
    pub(crate) fn answer(&mut self, scenario: &Scenario, loader: usize, reply: Reply) -> bool {
        let waiting = self.records_at(loader, |stage| matches!(stage, Stage::Waiting { .. }));
        let Some(request) = waiting.first().and_then(|&first| self.job_of(loader, first)) else {
            return false;
        };
        if reply == Reply::Refused {
            if request == ENDED {
                return false;
            }
            self.requests.retain(|pending| pending.id != request);
        }
        let several = waiting.len() > 1;
        let mut stored = false;
        for record in waiting {
            let Some(Work { stage: Stage::Waiting { last_send_at, .. }, .. }) =
                self.loaders[loader].works[record]
            else {
                continue;
            };
            if !scenario.has(Rule::IntentBeforeSend) {
                self.store_intent(scenario, loader, record, NOW.plus(scenario.timing.request_timeout));
            }
            match reply {
                Reply::Job => {
                    let accepted = Event::JobAccepted { fence: fence(loader), job: request };
                    stored |= self.apply(scenario, record, accepted).is_ok();
                    self.set(loader, record, Stage::Polling { job: request });
                }
                Reply::Nothing if scenario.has(Rule::SilenceIsDoubt) => {
                    let until = last_send_at.plus(scenario.timing.quiet);
                    self.end(scenario, loader, record, doubt(loader, until, false));
                }
                Reply::Nothing => self.end(scenario, loader, record, unsent(scenario, loader, false)),
                Reply::Refused => self.end(scenario, loader, record, unsent(scenario, loader, several)),
            }
        }
        if stored {
            self.known_as_job(scenario, request);
        }
        true
    }

    /// The loader waits no longer for its job. False if it waits for none.
    pub(crate) fn stop_waiting(&mut self, scenario: &Scenario, loader: usize) -> bool {
        let polling = self.records_at(loader, |stage| matches!(stage, Stage::Polling { .. }));
        let waits = polling
            .first()
            .and_then(|&first| self.job_of(loader, first))
            .is_some_and(|job| self.is_pending(job));
        if waits {
            for record in polling {
                self.end(scenario, loader, record, doubt(loader, NOW.plus(scenario.timing.job_poll), false));
            }
        }
        waits
    }
}

fn unsent(scenario: &Scenario, loader: usize, alone: bool) -> Event {
    let until = NOW.plus(scenario.timing.pause(0));
    Event::Unsent { fence: fence(loader), wait: Wait::Retry, until, attempt: !alone, alone }
}
