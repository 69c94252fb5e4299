//! The ledger: the production state machine, and what it would be without one of its rules.
//!
//! Constraint: there is no second state machine here. Every row comes out of [`model::transition::next`]; a missing rule is a lie
//! about what goes in (another epoch, another fence, no quiet period), never a transition of our own.

use std::time::Duration;

use model::row::{Flight, Lease, Row, State, Wait};
use model::timing::probe_from;
use model::transition::{Event, Refusal, Verdict, next};
use model::{Epoch, Fence, Reason, RunNo, UnixMillis};

use crate::rule::Rule;
use crate::scenario::Scenario;
use crate::world::{NOW, Records, World, fence};

impl World {
    /// Has the ledger apply an event, and remembers if it made no sense.
    pub(crate) fn apply(&mut self, scenario: &Scenario, record: usize, event: Event) -> Result<Row, Refusal> {
        let answer = asked(scenario, self.ledger.rows[record].as_ref(), event, self.ledger.epoch);
        match &answer {
            Ok(row) => self.ledger.rows[record] = Some(*row),
            // Who holds no fence asks on the chance that nobody else does.
            Err(Refusal::Illegal) if event_fence(event).is_some() => self.absurd = true,
            Err(_) => {}
        }
        answer
    }

    /// A claim, and in the same step the pause of a record that refers to one that is not settled. `None`: it waits.
    pub(crate) fn claim_row(
        &mut self,
        scenario: &Scenario,
        loader: usize,
        record: usize,
    ) -> Result<Option<Row>, Refusal> {
        let timing = &scenario.timing;
        let quiet = if scenario.has(Rule::ProbeWaitsForQuiet) { timing.quiet } else { Duration::ZERO };
        let leases = if scenario.has(Rule::EpochWaitsForLeases) { timing.lease } else { Duration::ZERO };
        let event = Event::Claim {
            lease: Lease { fence: fence(loader), until: NOW.plus(timing.lease) },
            now: NOW,
            quiet,
            probe_from: probe_from(self.ledger.epoch, self.ledger.epoch_since, leases, quiet),
        };
        let epoch = self.ledger.epoch;
        let claimed = asked(scenario, self.ledger.rows[record].as_ref(), event, epoch)?;
        if scenario.has(Rule::ParentsFirst) && !self.has_its_parent(scenario, record) {
            let until = NOW.plus(timing.parent_wait);
            let park = Event::Park { fence: fence(loader), wait: Wait::Parent, until, attempt: false };
            self.ledger.rows[record] = Some(asked(scenario, Some(&claimed), park, epoch)?);
            return Ok(None);
        }
        self.ledger.rows[record] = Some(claimed);
        Ok(Some(claimed))
    }

    fn has_its_parent(&self, scenario: &Scenario, record: usize) -> bool {
        !(scenario.in_order && record == 1) || self.ledger.rows[0].is_some_and(|row| row.state.is_settled())
    }

    /// A record that can never be written because the one before it did not arrive.
    pub(crate) fn is_orphaned(&self, scenario: &Scenario, record: usize) -> bool {
        let failed = |row: Row| row.state.is_settled() && !row.state.is_migrated();
        scenario.in_order && record == 1 && self.ledger.rows[0].is_some_and(failed)
    }

    /// A listing shows the record, or it is read again because no message carries it; then a message does.
    pub(crate) fn read_again(&mut self, scenario: &Scenario, record: usize) {
        let register =
            Event::Register { run: RunNo(1), fingerprint: 1, verdict: Verdict::Selected, now: NOW };
        // Constraint: the same run registers the same version, which changes no row that is there.
        let _ = self.apply(scenario, record, register);
        if self.apply(scenario, record, Event::Published { now: NOW, staged_kib: 0 }).is_ok() {
            self.queue = self.queue.with(record);
        }
    }

    /// The source does not know the record any more: it is left out, or a loader is to settle it if it may have been sent.
    pub(crate) fn leave_out(&mut self, scenario: &Scenario, record: usize) {
        let skip = Event::Skip { fence: None, reason: Reason::SourceGone };
        if self.apply(scenario, record, skip) == Err(Refusal::Illegal) {
            self.left_out = self.left_out.with(record);
            self.queue = self.queue.with(record);
        }
    }

    /// Its last writes are gone; it notices and begins an epoch.
    pub(crate) fn lose_writes(&mut self, scenario: &Scenario) -> bool {
        let Some(rows) = self.ledger.durable.clone() else { return false };
        self.ledger.rows = rows;
        self.ledger.epoch = Epoch(self.ledger.epoch.0 + 1);
        self.ledger.epoch_since = NOW;
        if self.ledger.epoch.0 > scenario.losses {
            self.ledger.durable = None;
        }
        true
    }

    /// What was written is safe from now on.
    pub(crate) fn save(&mut self) -> bool {
        let moved = self.ledger.durable.as_ref().is_some_and(|durable| *durable != self.ledger.rows);
        if moved {
            self.ledger.durable = Some(self.ledger.rows.clone());
        }
        moved
    }

    /// Records that are not settled.
    pub(crate) fn outstanding(&self) -> Records {
        let settled = |row: &Option<Row>| row.is_some_and(|row| row.state.is_settled());
        let open = self.ledger.rows.iter().enumerate().filter(|(_, row)| !settled(row));
        open.fold(Records::default(), |records, (record, _)| records.with(record))
    }
}

fn asked(scenario: &Scenario, row: Option<&Row>, event: Event, epoch: Epoch) -> Result<Row, Refusal> {
    let Some(removed) = scenario.without else { return next(row, event, epoch) };
    let Some(before) = row.copied() else { return next(row, event, epoch) };
    let flight = |change: fn(Flight, Epoch) -> Flight| Row {
        flight: before.flight.map(|flight| change(flight, epoch)),
        ..before
    };
    let current = flight(|flight, epoch| Flight { epoch, ..flight });
    let is_claim = matches!(event, Event::Claim { .. });
    match removed {
        Rule::ProbeWaitsForQuiet if is_claim => {
            next(Some(&flight(|flight, _| Flight { not_before: NOW, ..flight })), event, epoch)
        }
        Rule::OlderEpochIsDoubt if is_claim => next(Some(&current), event, epoch),
        Rule::OlderClaimIsVoid if event_fence(event).is_some() => next(Some(&current), event, epoch),
        Rule::OlderEpochIsNotLeftOut if !is_claim && event_fence(event).is_none() => {
            next(Some(&current), event, epoch)
        }
        Rule::AbsenceEndsWithEpoch if is_claim => {
            let seen_once = before.flight.is_some_and(|flight| flight.absent_once);
            let mut after = next(row, event, epoch)?;
            if let Some(flight) = &mut after.flight {
                flight.absent_once = seen_once;
            }
            Ok(after)
        }
        Rule::DoubtIsProbed if is_claim && matches!(before.state, State::Intended | State::InDoubt) => {
            let queued = Row { state: State::Queued, ..before };
            next(Some(&queued), event, epoch)
        }
        Rule::TwoAbsences if matches!(event, Event::Absent { .. }) => {
            next(Some(&flight(|flight, _| Flight { absent_once: true, ..flight })), event, epoch)
        }
        Rule::IntentEndsWithLease if matches!(event, Event::Intend { .. }) => {
            let Some(held) = before.flight.and_then(|flight| flight.lease) else {
                return next(row, event, epoch);
            };
            let lease = Some(Lease { until: UnixMillis(i64::MAX), ..held });
            let endless = Row { flight: before.flight.map(|flight| Flight { lease, ..flight }), ..before };
            let mut after = next(Some(&endless), event, epoch)?;
            if let Some(flight) = &mut after.flight {
                flight.lease = Some(held);
            }
            Ok(after)
        }
        Rule::FenceIsChecked => {
            let holder = before.flight.and_then(|flight| flight.lease).map(|lease| lease.fence);
            next(row, with_fence(event, holder), epoch)
        }
        _ => next(row, event, epoch),
    }
}

/// Whose event it is; `None` also for those that nobody has to hold the record for.
fn event_fence(event: Event) -> Option<Fence> {
    match event {
        Event::Renew { lease } => Some(lease.fence),
        Event::Intend { fence, .. }
        | Event::JobAccepted { fence, .. }
        | Event::Unsent { fence, .. }
        | Event::Doubt { fence, .. }
        | Event::Absent { fence, .. }
        | Event::Created { fence, .. }
        | Event::Recovered { fence, .. }
        | Event::Park { fence, .. }
        | Event::Release { fence }
        | Event::Commit { fence, .. } => Some(fence),
        Event::Fail { fence, .. } | Event::Skip { fence, .. } => fence,
        Event::Register { .. }
        | Event::Published { .. }
        | Event::Claim { .. }
        | Event::Kept
        | Event::Recounted { .. }
        | Event::Requeue { .. }
        | Event::Verified => None,
    }
}

/// The event as if the one who holds the record had sent it.
fn with_fence(mut event: Event, holder: Option<Fence>) -> Event {
    let Some(holder) = holder else { return event };
    match &mut event {
        Event::Renew { lease } => lease.fence = holder,
        Event::Intend { fence, .. }
        | Event::JobAccepted { fence, .. }
        | Event::Unsent { fence, .. }
        | Event::Doubt { fence, .. }
        | Event::Absent { fence, .. }
        | Event::Created { fence, .. }
        | Event::Park { fence, .. }
        | Event::Commit { fence, .. }
        | Event::Fail { fence: Some(fence), .. }
        | Event::Skip { fence: Some(fence), .. } => *fence = holder,
        _ => {}
    }
    event
}
