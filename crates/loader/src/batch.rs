//! The life of one batch, from claim to ack.

use std::sync::Arc;

use futures::stream::{self, StreamExt};
use model::command::LoadCommand;
use model::row::State;
use model::{Classify, FailureClass, Fence, Kind, RecordKey};
use queue::{Delivery, Stage};
use runtime::Crash;

use crate::ask::AskedFor;
use crate::crash_points;
use crate::desk::{Desk, Hands};
use crate::error::{During, Error};
use crate::send;
use crate::target::Object;
use crate::watch;
use crate::work::{Incoming, Work};

/// Requests for single records (each told its own error) in flight from one batch.
const ALONE_IN_FLIGHT: usize = 4;

/// A batch that did nothing for so many times `lost_after` is given up. One of them is as long as the longest call may take (an upload).
const STANDSTILL: u32 = 2;

impl Desk {
    /// Works on a batch. If it cannot go on (a store is away), every message that was not settled yet goes through the
    /// delay ladder; rows in the middle of something are found in the right state when it comes back.
    pub(crate) async fn process(
        self: &Arc<Self>,
        asked: &AskedFor,
        kind: Kind,
        incoming: Vec<Incoming>,
        deliveries: Vec<Delivery>,
    ) -> Result<(), Error> {
        let hands = Hands::new(deliveries);
        let started = std::time::Instant::now();
        let run = incoming.first().map(|one| one.run);
        let life = Box::pin(self.life(&hands, asked, kind, incoming));
        let life = watch::watched(self.timing.lost_after * STANDSTILL, life).await;
        let result = life.unwrap_or(Err(Error::StoodStill));
        self.metrics.batch_seconds.observe(started.elapsed().as_secs_f64());
        let rest = hands.rest();
        if let Err(error) = &result {
            if matches!(error, Error::Crash(Crash::Died(_))) {
                return result;
            }
            let error_chain = runtime::error::chain(error);
            if let (FailureClass::Halt, Some(run)) = (error.class(), run) {
                // Where the ledger cannot take that either (one full disk for both), the messages are given back all the same: let
                // go unsettled they would come again at once, and fill the log until there is room.
                if let Err(unheard) = self.halt(run, error_chain.clone()).await {
                    let unheard = runtime::error::chain(&unheard);
                    tracing::error!(
                        error = error_chain,
                        unheard,
                        "the run ought to be halted, and the ledger does not take it"
                    );
                }
            } else {
                tracing::warn!(
                    error = error_chain,
                    kind = kind.name(),
                    "a batch could not go on; its messages come again"
                );
            }
        }
        self.give_back(rest).await?;
        result
    }

    async fn give_back(&self, rest: Vec<Delivery>) -> Result<(), Error> {
        for delivery in rest {
            let message = delivery.message().clone();
            self.publisher
                .delay(&self.queue(Stage::Load), message, self.timing.visibility)
                .await
                .during("give a message back")?;
            if let Err(error) = delivery.ack().await {
                tracing::debug!(error = %error, "an ack was not taken; the message comes again");
            }
        }
        Ok(())
    }

    async fn life(
        &self,
        hands: &Hands,
        asked: &AskedFor,
        kind: Kind,
        incoming: Vec<Incoming>,
    ) -> Result<(), Error> {
        let incoming = self.of_the_current_run(hands, incoming).await?;
        let (counts, incoming): (Vec<Incoming>, Vec<Incoming>) =
            incoming.into_iter().partition(|one| matches!(one.load.command, LoadCommand::Recount));
        self.recount(hands, kind, counts).await?;
        if incoming.is_empty() {
            return Ok(());
        }
        let (fence, works) = self.claim(hands, asked, incoming).await?;
        if works.is_empty() {
            return Ok(());
        }
        self.context.crash.reached_with(crash_points::CLAIMED, [kind]).await?;
        let keys: Vec<RecordKey> = works.iter().map(|work| work.key().clone()).collect();
        self.renewing(hands, fence, &keys, self.write(hands, fence, kind, works)).await
    }

    /// Lets go of messages that are left over from a cancelled run. What such a run left in doubt is found by the coordinator.
    async fn of_the_current_run(
        &self,
        hands: &Hands,
        incoming: Vec<Incoming>,
    ) -> Result<Vec<Incoming>, Error> {
        let current = self.ledger.current_run().await.during("read the current run")?;
        let (current, outdated): (Vec<_>, Vec<_>) =
            incoming.into_iter().partition(|one| current.is_none_or(|current| one.run >= current));
        for one in outdated {
            self.done(hands, one.ticket).await?;
        }
        Ok(current)
    }

    /// From claim to ack.
    async fn write(&self, hands: &Hands, fence: Fence, kind: Kind, works: Vec<Work>) -> Result<(), Error> {
        let (mut fresh, mut doubtful, mut resumed) = (Vec::new(), Vec::new(), Vec::new());
        for work in works {
            match work.row.state {
                State::InDoubt => doubtful.push(work),
                State::Created => resumed.push(work),
                _ => fresh.push(work),
            }
        }
        let probed = self.probe(hands, fence, kind, doubtful).await?;
        fresh.extend(probed.absent);
        let mut left_out = Vec::new();
        let mut wanted = Vec::with_capacity(fresh.len());
        for work in fresh {
            match work.left_out() {
                Some(command) => left_out.push((work, send::nothing(command))),
                // Counted before anything is claimed, so never here; its message would be given back.
                None if matches!(work.command(), LoadCommand::Recount) => {}
                None => wanted.push(work),
            }
        }
        self.settle(hands, fence, left_out).await?;
        let adoption = self.adopt(hands, fence, kind, wanted).await?;
        let (alone, together): (Vec<Work>, Vec<Work>) =
            adoption.to_send.into_iter().partition(|work| work.flight().alone);
        let mut done: Vec<(Work, Option<Object>)> = resumed.into_iter().map(|work| (work, None)).collect();
        let found = probed.present.into_iter().chain(adoption.present);
        done.extend(found.map(|(work, object)| (work, Some(object))));
        if !together.is_empty() {
            let sent = self.send(hands, fence, kind, together).await?;
            done.extend(sent.into_iter().map(|(work, object)| (work, Some(object))));
        }
        let mut singles = stream::iter(alone)
            .map(|work| self.send(hands, fence, kind, vec![work]))
            .buffer_unordered(ALONE_IN_FLIGHT);
        while let Some(sent) = singles.next().await {
            done.extend(sent?.into_iter().map(|(work, object)| (work, Some(object))));
        }
        drop(singles);
        self.finish(hands, fence, kind, done).await
    }
}
