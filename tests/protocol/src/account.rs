//! The account: what it does with requests, and what its look-ups show.

use model::{JobId, KayakoId, UnixMillis};

use crate::scenario::{Scenario, Step, TICK};
use crate::world::{Object, Records, Request, World};

impl World {
    /// A request leaves. It may take effect until the account's time for it, counted from the last moment at which it could leave, is over.
    pub(crate) fn send(&mut self, scenario: &Scenario, records: Records, last_send_at: UnixMillis) -> JobId {
        // Constraint: what is not pending has no name (the normal form calls it ended), so that a free number is a new name.
        let id = (1..=u64::MAX).map(JobId).find(|id| !self.is_pending(*id)).unwrap_or_default();
        let left = ticks(last_send_at.max(crate::world::NOW)) + scenario.account.effect - 1;
        self.requests.push(Request { id, records, left });
        id
    }

    /// The account said that it took the request as a job, and the ledger has the job's id.
    pub(crate) fn known_as_job(&mut self, scenario: &Scenario, job: JobId) {
        let account = scenario.account;
        for request in self.requests.iter_mut().filter(|request| request.id == job) {
            request.left += account.job.saturating_sub(account.effect);
        }
    }

    /// The request takes effect for some of its records (none: it was lost on its way, or refused in silence) and is over.
    pub(crate) fn carry_out(&mut self, scenario: &Scenario, at: usize, created: Records) {
        self.requests.remove(at);
        for record in (0..scenario.records).filter(|record| created.has(*record)) {
            let hidden = Some(scenario.account.visible - 1);
            self.objects.push(Object { record, hidden, steps: vec![0; scenario.steps.len()] });
        }
    }

    /// What a look-up by origin key shows, oldest first.
    pub(crate) fn look_up(&self, record: usize) -> Vec<KayakoId> {
        let shown = |object: &Object| object.record == record && object.hidden.is_none();
        (0..self.objects.len()).filter(|&at| shown(&self.objects[at])).map(Self::id).collect()
    }

    /// Whether the record has no object and none is on its way to it.
    pub(crate) fn is_certainly_nothing(&self, record: usize) -> bool {
        self.objects.iter().all(|object| object.record != record)
            && self.requests.iter().all(|request| !request.records.has(record))
    }

    /// Parts of an object that show later than the object do so now.
    pub(crate) fn show_parts(&mut self, scenario: &Scenario, at: usize) -> bool {
        let Some(object) = self.objects.get_mut(at) else { return false };
        let mut shown = false;
        for (done, step) in object.steps.iter_mut().zip(&scenario.steps) {
            if *step == Step::Shown && *done == 0 {
                *done = 1;
                shown = true;
            }
        }
        shown
    }
}

/// Whole ticks from now.
fn ticks(time: UnixMillis) -> u8 {
    let tick = i64::try_from(TICK.as_millis()).unwrap_or(i64::MAX);
    u8::try_from(time.0 / tick).unwrap_or(u8::MAX)
}
