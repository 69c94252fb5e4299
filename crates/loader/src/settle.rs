//! How a record's time in a loader's hands ends.
//!
//! Constraint: always in this order: journal, ledger, delayed copy, ack. Whatever is lost by a crash in between is
//! done again by whoever gets the message next, because the row tells the truth.

use std::time::Duration;

use futures::future::join_all;
use model::journal::What;
use model::row::{Row, State, Wait};
use model::transition::{Event, Refusal};
use model::{FailureClass, Fence, Reason, RecordKey, UnixMillis};
use queue::{Stage, UNTIL};
use runtime::propagation;

use crate::crash_points;
use crate::desk::{Desk, Hands};
use crate::error::{During, Error};
use crate::work::{Incoming, Work};

/// What becomes of a record now.
#[derive(Debug)]
pub(crate) enum Ending {
    /// Every step done and read back.
    Committed,
    /// Nothing was sent since the claim (or the object exists and a step has to wait).
    Parked { wait: Wait, until: UnixMillis, attempt: bool, class: &'static str, detail: String },
    /// Intended, but certainly without effect.
    Unsent { wait: Wait, until: UnixMillis, attempt: bool, alone: bool, class: &'static str, detail: String },
    /// Intended, and perhaps with effect.
    InDoubt { until: UnixMillis, absent: bool, detail: String },
    /// Does not arrive.
    Failed { reason: Reason, detail: String },
    /// Is left out.
    Skipped { reason: Reason, detail: String },
}

impl Ending {
    fn name(&self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Parked { .. } => "parked",
            Self::Unsent { .. } => "unsent",
            Self::InDoubt { .. } => "in_doubt",
            Self::Failed { .. } => "failed",
            Self::Skipped { .. } => "skipped",
        }
    }

    /// Whether this try would count, and failed in a way that may be the account's fault rather than the record's.
    fn may_blame_the_account(&self) -> bool {
        const ACCOUNTS: [&str; 3] =
            [FailureClass::TargetDown.name(), FailureClass::NotSent.name(), FailureClass::Ambiguous.name()];
        matches!(self, Self::Parked { attempt: true, class, .. } | Self::Unsent { attempt: true, class, .. }
            if ACCOUNTS.contains(class))
    }

    /// While the account as a whole is away, what fails (the call that opened the circuit, and the one a minute that is let through)
    /// is not held against the record in whose name it was made: else a long outage would use up the attempts.
    fn uncounted(self) -> Self {
        match self {
            Self::Parked { wait, until, class, detail, .. } => {
                Self::Parked { wait, until, attempt: false, class, detail }
            }
            Self::Unsent { wait, until, alone, class, detail, .. } => {
                Self::Unsent { wait, until, attempt: false, alone, class, detail }
            }
            ending => ending,
        }
    }

    /// A try that uses up the last attempt fails the record, except where the truth is not known yet: a row leaves
    /// doubt only through a probe.
    fn or_exhausted(self, row: &Row, most: u8) -> Self {
        let attempts = row.flight.map_or(0, |flight| flight.attempts);
        match self {
            Self::Parked { attempt: true, detail, class, .. }
            | Self::Unsent { attempt: true, detail, class, .. }
                if attempts.saturating_add(1) >= most && row.state != State::InDoubt =>
            {
                Self::Failed { reason: Reason::RetriesExhausted, detail: format!("{class}: {detail}") }
            }
            ending => ending,
        }
    }
}

impl Desk {
    /// Whether the account as a whole is away. Each loader's circuit opens after five failures of its own; until all have seen five, a record
    /// that goes from one loader to the next would have used up its attempts. So before a try counts, another call has to be answered.
    async fn is_away(&self, endings: &[(Work, Ending)]) -> bool {
        if self.client.is_away() {
            return true;
        }
        if !endings.iter().any(|(_, ending)| ending.may_blame_the_account()) {
            return false;
        }
        // Not for longer than a call may take: a pause of the rate limit must not outlast the lease.
        let witness = tokio::time::timeout(self.timing.request_timeout, self.client.check_session());
        !matches!(witness.await, Ok(Ok(())))
    }

    /// Ends the work on these records.
    pub(crate) async fn settle(
        &self,
        hands: &Hands,
        fence: Fence,
        endings: Vec<(Work, Ending)>,
    ) -> Result<(), Error> {
        if endings.is_empty() {
            return Ok(());
        }
        let away = self.is_away(&endings).await;
        let endings: Vec<(Work, Ending)> = endings
            .into_iter()
            .map(|(work, ending)| {
                let ending = if away { ending.uncounted() } else { ending };
                let ending = ending.or_exhausted(&work.row, self.timing.attempts);
                (work, ending)
            })
            .collect();
        let mut history = Vec::with_capacity(endings.len());
        let mut events = Vec::with_capacity(endings.len());
        for (work, ending) in &endings {
            self.metrics.endings.with_label_values(&[work.kind().name(), ending.name()]).inc();
            let span = tracing::info_span!("load record", record = %work.key(), ending = ending.name());
            span.in_scope(|| propagation::link_from(&work.incoming.message.headers));
            if let Some(what) = told(work, ending) {
                history.push(self.entry(work.incoming.run, work.key(), what));
            }
            events.push((work.key().clone(), event(work, ending, fence)));
        }
        let kind = endings.first().map(|(work, _)| work.kind());
        let write = || self.journal(&history);
        self.context.crash.step(crash_points::JOURNALLED, kind, write).await?;
        let apply = || async { self.ledger.apply(&events).await.during("settle") };
        let rows = self.context.crash.step(crash_points::SETTLED, kind, apply).await?;
        let doubts = endings.iter().filter(|(_, ending)| matches!(ending, Ending::InDoubt { .. })).count();
        self.metrics.doubts.inc_by(doubts as u64);
        let released: Vec<RecordKey> = endings
            .iter()
            .zip(&rows)
            .filter(|(_, row)| row.as_ref().is_ok_and(|row| row.state.is_settled()))
            .filter(|((work, _), _)| work.incoming.has_staged())
            .map(|((work, _), _)| work.key().clone())
            .collect();
        let moves = endings.into_iter().zip(rows).map(|((work, _), row)| async move {
            match row {
                Ok(row) => self.pass_on(hands, work.incoming, &row).await,
                Err(Refusal::StaleFence | Refusal::Settled) => self.done(hands, work.incoming.ticket).await,
                Err(refusal) => {
                    tracing::error!(record = %work.key(), state = work.row.state.name(), %refusal, "an ending was refused");
                    self.delay(hands, work.incoming, self.timing.visibility).await
                }
            }
        });
        join_all(moves).await.into_iter().collect::<Result<Vec<()>, Error>>()?;
        self.release(&released).await
    }

    /// Staged files of settled records are not needed any more. A crash before this leaves files behind, never a
    /// record without its files; retention removes them with the migration.
    pub(crate) async fn release(&self, records: &[RecordKey]) -> Result<(), Error> {
        for key in records {
            self.staged(key)?.release().await.during("release staged files")?;
        }
        Ok(())
    }

    /// Acks if the row is settled, else sends the message through the delay ladder until the row's time has come.
    async fn pass_on(&self, hands: &Hands, incoming: Incoming, row: &Row) -> Result<(), Error> {
        match row.flight {
            Some(flight) if !row.state.is_settled() => {
                self.delay(hands, incoming, hands.now().until(flight.not_before)).await
            }
            _ => self.done(hands, incoming.ticket).await,
        }
    }

    /// A delayed copy, then the ack of the original.
    pub(crate) async fn delay(&self, hands: &Hands, incoming: Incoming, wait: Duration) -> Result<(), Error> {
        let until = hands.now().plus(wait);
        let message = incoming.message.with_header(UNTIL, until.0.to_string());
        let queue = self.queue(Stage::Load);
        let wait = wait.max(self.short_pause());
        let park =
            || async { self.publisher.delay(&queue, message.clone(), wait).await.during("park a message") };
        let kind = incoming.load.key.kind;
        self.context.crash.step(crash_points::PARKED, [kind], park).await?;
        self.done(hands, incoming.ticket).await
    }

    /// Acks.
    pub(crate) async fn done(&self, hands: &Hands, ticket: usize) -> Result<(), Error> {
        match hands.take(ticket) {
            // An ack that fails means that the message comes again; the row knows what to do with it.
            Some(delivery) => {
                if let Err(error) = delivery.ack().await {
                    tracing::debug!(error = %error, "an ack was not taken; the message comes again");
                }
                Ok(())
            }
            None => Ok(()),
        }
    }
}

fn event(work: &Work, ending: &Ending, fence: Fence) -> Event {
    match *ending {
        Ending::Committed => Event::Commit { fence, command_hash: work.incoming.command_hash },
        Ending::Parked { wait, until, attempt, .. } => Event::Park { fence, wait, until, attempt },
        Ending::Unsent { wait, until, attempt, alone, .. } => {
            Event::Unsent { fence, wait, until, attempt, alone }
        }
        Ending::InDoubt { until, absent, .. } => Event::Doubt { fence, until, absent },
        Ending::Failed { reason, .. } => Event::Fail { fence: Some(fence), reason },
        Ending::Skipped { reason, .. } => Event::Skip { fence: Some(fence), reason },
    }
}

fn told(work: &Work, ending: &Ending) -> Option<What> {
    match ending {
        Ending::Committed => match (work.row.kayako_id, work.row.arrival) {
            (Some(id), Some(arrival)) => Some(What::Committed { id, arrival }),
            _ => None,
        },
        // Waiting for a parent is the normal life of a record and not worth a line each time.
        Ending::Parked { wait: Wait::Parent, .. } => None,
        Ending::Parked { class, detail, .. } | Ending::Unsent { class, detail, .. } => {
            Some(What::Tried { class: (*class).to_owned(), detail: detail.clone() })
        }
        Ending::InDoubt { detail, .. } => Some(What::InDoubt { detail: detail.clone() }),
        Ending::Failed { reason, detail } => Some(What::Failed { reason: *reason, detail: detail.clone() }),
        Ending::Skipped { reason, detail } => Some(What::Skipped { reason: *reason, detail: detail.clone() }),
    }
}
