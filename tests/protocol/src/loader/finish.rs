//! The steps after an object exists, each of which may run twice, and the commit.
//!
//! Constraint: as `crates/loader/src/finish.rs`. A step is one action, adding is two: what is missing is listed first.

use model::transition::Event;
use model::{KayakoId, Reason};

use super::later;
use crate::rule::Rule;
use crate::scenario::{Scenario, Step, TICK};
use crate::world::{NOW, Stage, World, fence};

impl World {
    /// One step of what is left to do to an object, and at last the commit.
    pub(super) fn finish(&mut self, scenario: &Scenario, loader: usize, record: usize) {
        let commit = Event::Commit { fence: fence(loader), command_hash: 1 };
        let (id, adding) = match self.loaders[loader].works[record].map(|work| work.stage) {
            Some(Stage::Exists(id)) => (id, None),
            Some(Stage::Adding { id, step }) => (id, Some(step)),
            _ => return,
        };
        if let Some(step) = adding {
            // The last look at the clock and the sending are one action, as for any request.
            let ours = self.is_held(record, loader) || !scenario.has(Rule::AdditionEndsWithLease);
            if !ours {
                self.end(scenario, loader, record, later(loader, NOW.plus(TICK)));
                return;
            }
            if let Some(done) = self.object(id).and_then(|object| object.steps.get_mut(step)) {
                *done = (*done + 1).min(2);
            }
            self.set(loader, record, Stage::Exists(id));
            return;
        }
        // Of a record that is left out nothing is known that could be done. A team, which has no steps, is whole.
        let unknown = self.left_out.has(record) && !scenario.steps.is_empty();
        if unknown && scenario.has(Rule::UnknownIsNotWhole) {
            let fail = Event::Fail { fence: Some(fence(loader)), reason: Reason::Unfinished };
            self.end(scenario, loader, record, fail);
            return;
        }
        if !unknown
            && scenario.has(Rule::StepsBeforeCommit)
            && let Some((step, kind)) = self.next_step(scenario, id)
        {
            let shown = self.object(id).is_some_and(|object| object.hidden.is_none());
            match kind {
                _ if !shown => self.end(scenario, loader, record, later(loader, NOW.plus(TICK))),
                Step::Set => {
                    if let Some(done) = self.object(id).and_then(|object| object.steps.get_mut(step)) {
                        *done = 1;
                    }
                }
                Step::Add => self.set(loader, record, Stage::Adding { id, step }),
                Step::Shown => self.end(scenario, loader, record, later(loader, NOW.plus(TICK))),
            }
            return;
        }
        self.end(scenario, loader, record, commit);
    }

    /// Whether this loader's lease on the record lasts. It knows that without asking: it is the end of its last renewal.
    fn is_held(&self, record: usize, loader: usize) -> bool {
        let lease = self.ledger.rows[record].and_then(|row| row.flight).and_then(|flight| flight.lease);
        lease.is_some_and(|lease| lease.fence == fence(loader) && lease.until > NOW)
    }

    /// The first step that the object lacks, as far as this loader looks.
    pub(super) fn next_step(&mut self, scenario: &Scenario, id: KayakoId) -> Option<(usize, Step)> {
        let object = self.object(id)?;
        let lacking = |(at, step): (usize, &Step)| {
            let looks = *step != Step::Shown || scenario.has(Rule::ReadBackBeforeCommit);
            (looks && object.steps[at] == 0).then_some((at, *step))
        };
        scenario.steps.iter().enumerate().find_map(lacking)
    }
}
