//! The right to send one call, and the promise to tell how it ended.
//!
//! Constraint: the gate is told exactly once per permission it gave, however the call ends: answered, failed, never
//! sent, or dropped in the middle.

use std::fmt;
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::gate::{CallOutcome, Gate, RateClass};

/// A paid place in the account's budget, with a connection and a session at hand: what is sent with it leaves at
/// once. Every call that creates something takes one, so that its caller can write down the intent *after* all
/// waiting and immediately before sending.
///
/// Dropping it unused gives the place back.
#[must_use = "a slot that is dropped gives its place in the budget back"]
pub struct Slot {
    pub(crate) ticket: Ticket,
    pub(crate) deadline: Option<Instant>,
}

impl Slot {
    /// The call made with this slot, including a repeat after a dead session, is over at this moment: nothing is
    /// sent later. This is the `last_send_at` that a quiet period counts from.
    pub fn finish_by(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// The budget it was paid from.
    pub fn class(&self) -> RateClass {
        self.ticket.class
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("class", &self.ticket.class).field("deadline", &self.deadline).finish()
    }
}

/// Tells the gate exactly once how a call ended, also when the call's future is dropped half-way.
pub(crate) struct Ticket {
    gate: Arc<dyn Gate>,
    pub(crate) class: RateClass,
    started: Instant,
    settled: bool,
    /// Held for as long as the connection is in use.
    permit: Option<OwnedSemaphorePermit>,
}

impl Ticket {
    /// Right after the gate let the call through: from here on the gate will be told.
    pub(crate) fn new(gate: Arc<dyn Gate>, class: RateClass) -> Self {
        Self { gate, class, started: Instant::now(), settled: false, permit: None }
    }

    pub(crate) fn hold(&mut self, permit: OwnedSemaphorePermit) {
        self.permit = Some(permit);
    }

    /// The request leaves now: what went before was waiting, which says nothing about the account.
    pub(crate) fn start(&mut self) {
        self.started = Instant::now();
    }

    pub(crate) fn settle(mut self, outcome: CallOutcome) {
        self.settled = true;
        self.gate.after(self.class, outcome, self.started.elapsed());
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.settled {
            self.gate.after(self.class, CallOutcome::Abandoned, self.started.elapsed());
        }
    }
}
