//! Claims a batch: which of its records may be worked on now, and with which parents' ids.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use ledger::{Claim, ClaimRequest, ParentState};
use model::command::{NothingCommand, Otherwise, Parent};
use model::journal::What;
use model::row::{Row, State, Wait};
use model::{Fence, KayakoId, Reason, RecordKey};
use queue::Stage;
use tokio::time::Instant;

use crate::ask::AskedFor;
use crate::desk::{Desk, Hands};
use crate::error::{During, Error};
use crate::settle::Ending;
use crate::work::{Incoming, Work};

/// What a parent that was settled means for its child.
enum Standing {
    Ready(Arc<HashMap<RecordKey, KayakoId>>),
    NeedsPlaceholder,
    Fails(RecordKey),
}

impl Desk {
    /// Claims the batch. Records that cannot be worked on now are settled here; the others are returned.
    pub(crate) async fn claim(
        &self,
        hands: &Hands,
        asked: &AskedFor,
        incoming: Vec<Incoming>,
    ) -> Result<(Fence, Vec<Work>), Error> {
        let parents: Vec<Vec<Parent>> = incoming.iter().map(|one| one.load.command.parents()).collect();
        let requests: Vec<ClaimRequest> = incoming
            .iter()
            .zip(&parents)
            .map(|(one, parents)| ClaimRequest {
                key: one.load.key.clone(),
                parents: parents.iter().map(|parent| parent.key.clone()).collect(),
                command_hash: one.command_hash,
                wait: Some(self.timing.parent_wait),
            })
            .collect();
        let asked_at = Instant::now();
        let batch =
            self.ledger.claim(&requests, self.timing.lease, self.timing.quiet).await.during("claim")?;
        hands.set_clock(asked_at, batch.now);
        let mut working = Vec::new();
        let mut endings = Vec::new();
        let mut parked: Vec<(Incoming, Duration)> = Vec::new();
        let mut missing: Vec<RecordKey> = Vec::new();
        let mut placeholder: Option<Option<Row>> = None;
        let (run, plan_hash) =
            incoming.first().map_or((model::RunNo(0), String::new()), |one| (one.run, one.plan.clone()));
        for ((one, parents), claim) in incoming.into_iter().zip(parents).zip(batch.claims) {
            match claim {
                Claim::Go { row, parents: states } => {
                    let mut answer = standing(&parents, &states, None);
                    if matches!(answer, Standing::NeedsPlaceholder) {
                        let row = match placeholder {
                            Some(row) => row,
                            None => self
                                .ledger
                                .row(&RecordKey::placeholder_user())
                                .await
                                .during("read the stand-in")?,
                        };
                        placeholder = Some(row);
                        answer = standing(&parents, &states, row);
                    }
                    if matches!(answer, Standing::NeedsPlaceholder) {
                        missing.push(RecordKey::placeholder_user());
                    }
                    let work = self.work(one, row).await?;
                    match self.begin(hands, work, answer) {
                        Ok(work) => working.push(work),
                        Err((work, ending)) => endings.push((*work, ending)),
                    }
                }
                Claim::Parents { missing: unsettled, until } => {
                    // One that a cancelled run has left over is in no message of this run.
                    let unheard_of = |row: Option<Row>| row.is_none_or(|row| row.run < one.run);
                    missing.extend(
                        unsettled.into_iter().filter(|(_, row)| unheard_of(*row)).map(|(key, _)| key),
                    );
                    let wait = until.map_or(self.timing.parent_wait, |until| hands.now().until(until));
                    parked.push((one, wait));
                }
                Claim::Busy { until } | Claim::NotYet { until } => {
                    parked.push((one, hands.now().until(until)));
                }
                Claim::Settled { row, same_command } => {
                    if row.updating {
                        self.keep(&one, same_command).await?;
                    }
                    // What this message staged is needed by nobody: the record is settled.
                    if one.has_staged() {
                        self.release(std::slice::from_ref(&one.load.key)).await?;
                    }
                    self.done(hands, one.ticket).await?;
                }
                Claim::Unknown => {
                    // The source still has it: a listing or the next run finds it again. The message itself is kept for a person to see.
                    tracing::warn!(record = %one.load.key, "a message names a record that the ledger does not know");
                    self.publisher
                        .dead_letter(
                            &self.queue(Stage::Load),
                            one.message,
                            "the ledger does not know this record",
                        )
                        .await
                        .during("dead-letter a message")?;
                    self.done(hands, one.ticket).await?;
                }
            }
        }
        hands.hold(working.iter().map(Work::key), batch.lease_until);
        self.settle(hands, batch.fence, endings).await?;
        let parked = parked.into_iter().map(|(one, wait)| self.delay(hands, one, wait));
        join_all(parked).await.into_iter().collect::<Result<Vec<()>, Error>>()?;
        self.ask_for(asked, missing, run, &plan_hash).await?;
        Ok((batch.fence, working))
    }

    async fn work(&self, incoming: Incoming, row: Row) -> Result<Work, Error> {
        let catalogue = self.catalogue(&incoming.plan).await?;
        let origin_key = self.origin.key(&incoming.load.key, row.generation);
        Ok(Work {
            incoming,
            row,
            parents: Arc::default(),
            catalogue,
            origin_key,
            lost_keys: HashSet::new(),
            orphaned: None,
        })
    }

    /// The work with its parents' ids, or how it ends because of them.
    fn begin(&self, hands: &Hands, mut work: Work, standing: Standing) -> Result<Work, (Box<Work>, Ending)> {
        match standing {
            Standing::Ready(ids) => {
                work.parents = ids;
                Ok(work)
            }
            Standing::NeedsPlaceholder => {
                let ending = Ending::Parked {
                    wait: Wait::Parent,
                    until: hands.now().plus(self.timing.parent_wait),
                    attempt: false,
                    class: "waiting",
                    detail: "the stand-in customer is not there yet".to_owned(),
                };
                Err((Box::new(work), ending))
            }
            // Something of it may be in Kayako: a row leaves its doubt through a probe only. If it is there it is finished, else it fails.
            Standing::Fails(_) if work.row.state == State::InDoubt => {
                work.orphaned = Some(NothingCommand { failed: true, reason: Reason::ParentFailed });
                Ok(work)
            }
            Standing::Fails(parent) => {
                let detail = format!("{parent} did not arrive");
                Err((Box::new(work), Ending::Failed { reason: Reason::ParentFailed, detail }))
            }
        }
    }

    /// A newer version of a committed record that the plan's `on_changed: keep` leaves as it is.
    async fn keep(&self, one: &Incoming, same_command: bool) -> Result<(), Error> {
        if !same_command {
            self.journal(&[self.entry(one.run, &one.load.key, What::Kept)]).await?;
        }
        self.ledger.kept(std::slice::from_ref(&one.load.key)).await.during("keep")?;
        Ok(())
    }
}

fn standing(parents: &[Parent], states: &[(RecordKey, ParentState)], placeholder: Option<Row>) -> Standing {
    let states: HashMap<&RecordKey, &ParentState> = states.iter().map(|(key, state)| (key, state)).collect();
    let mut ids = HashMap::new();
    for parent in parents {
        // What failed after its object existed is in Kayako all the same: its children belong to it, not to a stand-in.
        let is_there = |state: &&&ParentState| state.state.is_migrated() || state.state == State::Failed;
        let arrived = states.get(&parent.key).filter(is_there).and_then(|state| state.kayako_id);
        match (arrived, parent.otherwise) {
            (Some(id), _) => {
                ids.insert(parent.key.clone(), id);
            }
            (None, Otherwise::Placeholder) => {
                let key = RecordKey::placeholder_user();
                let id = placeholder.filter(|row| row.state.is_migrated()).and_then(|row| row.kayako_id);
                match id {
                    Some(id) => {
                        ids.insert(key, id);
                    }
                    // The stand-in itself failed: its children cannot have it either.
                    None if placeholder.is_some_and(|row| row.state == State::Failed) => {
                        return Standing::Fails(key);
                    }
                    None => return Standing::NeedsPlaceholder,
                }
            }
            (None, Otherwise::Fail) => return Standing::Fails(parent.key.clone()),
            (None, Otherwise::DefaultAgent | Otherwise::Omit) => {}
        }
    }
    Standing::Ready(Arc::new(ids))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use model::Kind;

    use super::*;

    fn child_of(state: State, kayako_id: Option<KayakoId>) -> Standing {
        let key = RecordKey::new(Kind::User, "7");
        let parents = [Parent { key: key.clone(), otherwise: Otherwise::Placeholder }];
        let states = [(key, ParentState { state, kayako_id, arrival: None, reason: None })];
        standing(&parents, &states, None)
    }

    #[test]
    fn a_parent_that_failed_after_it_existed_is_not_replaced_by_a_stand_in() {
        let id = Some(KayakoId(3));
        for (state, kayako_id) in [(State::Committed, id), (State::Failed, id)] {
            let Standing::Ready(ids) = child_of(state, kayako_id) else {
                panic!("a parent that is in Kayako, and {} at that", state.name());
            };
            assert_eq!(ids.get(&RecordKey::new(Kind::User, "7")), id.as_ref(), "{}", state.name());
        }
        assert!(matches!(child_of(State::Failed, None), Standing::NeedsPlaceholder));
        assert!(
            matches!(child_of(State::Skipped, id), Standing::NeedsPlaceholder),
            "nobody says that it is whole"
        );
    }
}
