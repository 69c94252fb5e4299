//! One channel that publishes: a window at a time, settled exactly.
//!
//! Constraints, from measurements:
//! - A confirmation alone does not mean "routed": an unroutable message is returned *and* confirmed.
//! - With several publishes in flight, the client library pins a returned message to another publish's confirmation
//!   (51 of 2,000). So no answer of a window is believed before all are in; then the returned messages, whichever
//!   confirmation carried them, are matched by a token that each publish carries. Everything a window has returned is
//!   in by then, because the broker sends a return before the confirmation of the same publish.
//! - If a window is not complete (time limit, lost connection), nothing in it counts as stored, and the channel is
//!   given up: a late return must not be mistaken for one of the next window.

use std::collections::HashSet;
use std::future::ready;
use std::sync::Arc;
use std::task::Poll;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::poll;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{Confirmation, PublisherConfirm};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::config::RabbitConfig;
use super::link::{Line, Link};
use super::{fault, wire};
use crate::{Error, Message, Result};

/// A message with its destination. The routing key is the name of the queue meant.
pub(super) struct Outgoing {
    pub(super) exchange: ShortString,
    pub(super) routing_key: ShortString,
    pub(super) message: Message,
}

/// One answer per message, in order.
pub(super) type Answers = Vec<Result<()>>;

/// Some messages of one caller.
pub(super) struct Parcel {
    pub(super) messages: Vec<Outgoing>,
    /// When the caller must have its answers.
    pub(super) deadline: Instant,
    pub(super) answer: oneshot::Sender<Answers>,
    /// The parcel's share of the lane's memory; given back when it is settled.
    pub(super) room: OwnedSemaphorePermit,
}

impl Parcel {
    fn bytes(&self) -> usize {
        self.messages.iter().map(|outgoing| outgoing.message.size()).sum()
    }
}

/// One publishing channel.
pub(super) struct Lane {
    config: Arc<RabbitConfig>,
    link: Arc<Link>,
    line: Option<Line>,
    next_token: u64,
}

impl Lane {
    pub(super) fn new(config: Arc<RabbitConfig>, link: Arc<Link>) -> Self {
        Self { config, link, line: None, next_token: 0 }
    }

    /// Publishes parcels until the last publisher is gone.
    pub(super) async fn run(mut self, mut parcels: mpsc::UnboundedReceiver<Parcel>) {
        let mut held_over = None;
        loop {
            let first = match held_over.take() {
                Some(parcel) => parcel,
                None => match parcels.recv().await {
                    Some(parcel) => parcel,
                    None => return,
                },
            };
            // Callers that publish a message each share one window, and so one wait for confirmations.
            let (mut count, mut bytes) = (first.messages.len(), first.bytes());
            let mut window = vec![first];
            while let Ok(parcel) = parcels.try_recv() {
                count += parcel.messages.len();
                bytes += parcel.bytes();
                if count > self.config.window || bytes > self.config.window_bytes {
                    held_over = Some(parcel);
                    break;
                }
                window.push(parcel);
            }
            self.settle(window).await;
        }
    }

    async fn settle(&mut self, window: Vec<Parcel>) {
        let Some(deadline) = window.iter().map(|parcel| parcel.deadline).min() else { return };
        let messages: Vec<&Outgoing> = window.iter().flat_map(|parcel| &parcel.messages).collect();
        let answers = match self.ready_line(deadline).await {
            Ok(line) => self.publish(&line, &messages, deadline).await,
            Err(error) => vec![Err(error); messages.len()],
        };
        let mut answers = answers.into_iter();
        for parcel in window {
            let share = answers.by_ref().take(parcel.messages.len()).collect();
            // A caller that went away does not want its answer.
            let _ = parcel.answer.send(share);
            drop(parcel.room);
        }
    }

    /// A confirming channel on a connection that accepts publishes.
    async fn ready_line(&mut self, deadline: Instant) -> Result<Line> {
        loop {
            let kept = self.line.take().filter(Line::is_open);
            let line = if let Some(line) = kept { line } else { self.open_line(deadline).await? };
            self.link.unblocked(deadline).await?;
            // The wait may have ended because the connection broke.
            if line.is_open() {
                self.line = Some(line.clone());
                return Ok(line);
            }
        }
    }

    async fn open_line(&self, deadline: Instant) -> Result<Line> {
        loop {
            let line = self.link.line(deadline).await?;
            let confirming = line.unless_lost(line.channel.confirm_select(ConfirmSelectOptions::default()));
            match timeout_at(deadline, confirming).await {
                Err(_) => return Err(self.link.unsent()),
                Ok(Some(Ok(()))) => return Ok(line),
                Ok(Some(Err(error))) if line.is_open() => return Err(fault::connecting(error)),
                Ok(_) => {}
            }
        }
    }

    async fn publish(&mut self, line: &Line, messages: &[&Outgoing], deadline: Instant) -> Answers {
        let first_token = self.next_token;
        self.next_token += messages.len() as u64;
        let mut cause = None;
        let mut publishes: Vec<BoxFuture<'_, lapin::Result<PublisherConfirm>>> =
            Vec::with_capacity(messages.len());
        for (token, outgoing) in (first_token..).zip(messages) {
            let mut publish = line
                .channel
                .basic_publish(
                    outgoing.exchange.clone(),
                    outgoing.routing_key.clone(),
                    BasicPublishOptions { mandatory: true, immediate: false },
                    &outgoing.message.body,
                    wire::properties(&outgoing.message, token),
                )
                .boxed();
            // The first poll hands the message to the connection. Waiting for each to be written before the next is
            // handed over would halve the throughput.
            match poll!(publish.as_mut()) {
                Poll::Pending => publishes.push(publish),
                Poll::Ready(Ok(confirm)) => publishes.push(ready(Ok(confirm)).boxed()),
                Poll::Ready(Err(error)) => {
                    cause = Some(error);
                    break;
                }
            }
        }
        let mut settlement = Settlement::new(first_token, messages.len(), publishes.len());
        let confirming = async {
            for (index, publish) in publishes.into_iter().enumerate() {
                let confirmation = match publish.await {
                    Ok(confirm) => confirm.await,
                    Err(error) => Err(error),
                };
                let (positive, returned) = match confirmation {
                    Ok(Confirmation::Ack(returned)) => (true, returned),
                    Ok(Confirmation::Nack(returned)) => (false, returned),
                    // The channel is a confirming one; anything else leaves the publish unconfirmed.
                    Ok(Confirmation::NotRequested) => continue,
                    Err(error) => {
                        cause = Some(error);
                        continue;
                    }
                };
                settlement.answered(
                    index,
                    positive,
                    returned.map(|returned| wire::token(&returned.properties)),
                );
            }
        };
        // What stops the wait leaves the rest unanswered, which the settlement accounts for.
        let _ = timeout_at(deadline, line.unless_lost(confirming)).await;
        if !settlement.is_complete() {
            self.line = None;
        }
        let verdicts = settlement.verdicts();
        let queue = |index: usize| messages[index].routing_key.to_string();
        let verdict = |(index, verdict)| match verdict {
            Verdict::Stored => Ok(()),
            Verdict::Returned => Err(Error::Unroutable { queue: queue(index) }),
            Verdict::Declined => Err(Error::Declined { queue: queue(index) }),
            Verdict::Unknown => Err(Error::Unconfirmed { queue: queue(index), source: cause.clone() }),
            Verdict::Unsent => Err(match &cause {
                Some(cause) => Error::NotConnected(Some(cause.clone())),
                None => self.link.unsent(),
            }),
        };
        verdicts.into_iter().enumerate().map(verdict).collect()
    }
}

/// What became of one publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Confirmed and not returned.
    Stored,
    /// Returned: no queue.
    Returned,
    /// Negatively confirmed.
    Declined,
    /// Sent, or being sent, without a trustworthy answer.
    Unknown,
    /// Not even begun.
    Unsent,
}

/// Collects the answers to a window. Pure, so that the mix-ups of the client library can be replayed in a test.
struct Settlement {
    first_token: u64,
    /// Publishes handed to the connection; the next one (if any) was refused or half taken.
    sent: usize,
    /// Per publish: confirmed positively, negatively, or not yet.
    answers: Vec<Option<bool>>,
    returned: HashSet<u64>,
    /// A returned message that is none of this window's: nothing can be trusted.
    stray: bool,
}

impl Settlement {
    fn new(first_token: u64, publishes: usize, sent: usize) -> Self {
        Self { first_token, sent, answers: vec![None; publishes], returned: HashSet::new(), stray: false }
    }

    /// Notes a confirmation, and the token of the returned message it carried, which may be any publish's.
    fn answered(&mut self, index: usize, positive: bool, returned: Option<u64>) {
        self.answers[index] = Some(positive);
        match returned {
            None => {}
            Some(token) if self.index(token).is_some() => {
                self.returned.insert(token);
            }
            Some(_) => self.stray = true,
        }
    }

    fn index(&self, token: u64) -> Option<usize> {
        let index = usize::try_from(token.checked_sub(self.first_token)?).ok()?;
        (index < self.answers.len()).then_some(index)
    }

    fn is_complete(&self) -> bool {
        !self.stray && self.answers.iter().all(Option::is_some)
    }

    fn verdicts(&self) -> Vec<Verdict> {
        let complete = self.is_complete();
        let verdict = |(index, answer): (usize, &Option<bool>)| {
            if self.returned.contains(&(self.first_token + index as u64)) {
                return Verdict::Returned;
            }
            match answer {
                Some(false) => Verdict::Declined,
                Some(true) if complete => Verdict::Stored,
                None if index > self.sent => Verdict::Unsent,
                Some(true) | None => Verdict::Unknown,
            }
        };
        self.answers.iter().enumerate().map(verdict).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_return_pinned_to_another_publish_counts_for_its_own() {
        let mut window = Settlement::new(100, 3, 3);
        window.answered(0, true, Some(102));
        window.answered(1, true, None);
        window.answered(2, true, None);
        assert!(window.is_complete());
        assert_eq!(window.verdicts(), [Verdict::Stored, Verdict::Stored, Verdict::Returned]);
    }

    #[test]
    fn an_incomplete_window_stores_nothing_for_sure() {
        let mut window = Settlement::new(0, 5, 3);
        window.answered(0, true, Some(1));
        window.answered(1, true, None);
        assert!(!window.is_complete());
        let expected =
            [Verdict::Unknown, Verdict::Returned, Verdict::Unknown, Verdict::Unknown, Verdict::Unsent];
        assert_eq!(window.verdicts(), expected);
    }

    #[test]
    fn a_return_of_another_window_makes_all_answers_doubtful() {
        for stray in [9, 12, wire::NO_TOKEN] {
            let mut window = Settlement::new(10, 2, 2);
            window.answered(0, true, Some(stray));
            window.answered(1, true, None);
            assert!(!window.is_complete());
            assert_eq!(window.verdicts(), [Verdict::Unknown, Verdict::Unknown]);
        }
    }

    #[test]
    fn a_negative_confirmation_is_final() {
        let mut window = Settlement::new(0, 2, 2);
        window.answered(0, false, None);
        window.answered(1, true, None);
        assert_eq!(window.verdicts(), [Verdict::Declined, Verdict::Stored]);
    }
}
