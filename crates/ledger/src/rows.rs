//! Transitions: read rows, ask the state machine, swap the results in; again for rows that others changed meanwhile.
//!
//! An answer that got lost is settled by reading back: a row that is exactly what was to be swapped in was swapped in, counters and
//! all, because they are one atomic step.

use std::collections::HashSet;
use std::time::Duration;

use model::row::{Arrival, Row, Wait};
use model::transition::{Event, Refusal, next};
use model::{Fence, JobId, KayakoId, Reason, RecordKey, UnixMillis};

use crate::error::Error;
use crate::ledger::{Ledger, STEP};
use crate::store::{Change, Moment, Swapped};

/// How often rows that others keep changing are looked at again. A row has one holder and a few visitors: more than
/// a handful of collisions in a row means a defect.
const ROUNDS: u32 = 16;

/// Pause before a step whose answer got lost is looked at again; the connection re-establishes itself meanwhile. Grows by the
/// number of tries.
const LOST_ANSWER_PAUSE: Duration = Duration::from_millis(100);

/// Lost answers in a row before the caller is told; its own retries are slower.
const LOST_ANSWERS: u32 = 4;

/// One transition of a batch: the row before (as read) and after.
pub(crate) type Moved = Result<(Option<Row>, Row), Refusal>;

impl Ledger {
    /// Applies events, each atomically with its counters, and answers per event: the row after it, or why it does not apply. Several events of one
    /// record are applied in order.
    pub async fn apply(&self, events: &[(RecordKey, Event)]) -> Result<Vec<Result<Row, Refusal>>, Error> {
        self.apply_by(events, None).await
    }

    async fn apply_by(
        &self,
        events: &[(RecordKey, Event)],
        deadline: Option<UnixMillis>,
    ) -> Result<Vec<Result<Row, Refusal>>, Error> {
        let mut answers = Vec::with_capacity(events.len());
        for step in events.chunks(STEP) {
            let keys: Vec<&RecordKey> = step.iter().map(|(key, _)| key).collect();
            let moved = self
                .transition(&keys, deadline, |at, row, moment| {
                    // Constraint of `transition`: it asks for positions within `keys` only.
                    next(row, step[at].1, moment.epoch)
                })
                .await?;
            answers.extend(moved.into_iter().map(|moved| moved.map(|(_, row)| row)));
        }
        Ok(answers)
    }

    /// The same event for many records.
    async fn apply_all(&self, keys: &[RecordKey], event: Event) -> Result<Vec<Result<Row, Refusal>>, Error> {
        let events: Vec<_> = keys.iter().map(|key| (key.clone(), event)).collect();
        self.apply(&events).await
    }

    /// Moves each row by `decide(position, row, moment)`, which may be asked again with a later row.
    pub(crate) async fn transition<F>(
        &self,
        keys: &[&RecordKey],
        deadline: Option<UnixMillis>,
        decide: F,
    ) -> Result<Vec<Moved>, Error>
    where
        F: Fn(usize, Option<&Row>, &Moment) -> Result<Row, Refusal> + Send + Sync,
    {
        let mut answers: Vec<Option<Moved>> = vec![None; keys.len()];
        let mut open: Vec<usize> = (0..keys.len()).collect();
        // What a swap with a lost answer wanted to write, per position.
        let mut unsure: Vec<Option<(Option<Row>, Row)>> = vec![None; keys.len()];
        let (mut rounds, mut lost) = (0, 0);
        while !open.is_empty() {
            if rounds == ROUNDS {
                return Err(Error::Contended { rounds });
            }
            let (step, later) = first_of_each(keys, &open);
            let asked: Vec<&RecordKey> = step.iter().map(|&at| keys[at]).collect();
            let snapshot = match self.store.read(&asked, false).await {
                Ok(snapshot) => snapshot,
                Err(error) if error.is_unsure() && lost < LOST_ANSWERS => {
                    lost += 1;
                    tokio::time::sleep(LOST_ANSWER_PAUSE * lost).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let mut changes = Vec::with_capacity(step.len());
            let mut changed = Vec::with_capacity(step.len());
            for (&at, row) in step.iter().zip(&snapshot.rows) {
                if let Some((before, wanted)) = unsure[at].take()
                    && row.as_ref() == Some(&wanted)
                {
                    answers[at] = Some(Ok((before, wanted)));
                    continue;
                }
                match decide(at, row.as_ref(), &snapshot.moment) {
                    Err(refusal) => answers[at] = Some(Err(refusal)),
                    Ok(after) if row.as_ref() == Some(&after) => answers[at] = Some(Ok((*row, after))),
                    Ok(after) => {
                        let deltas = after.deltas(keys[at].kind, row.as_ref());
                        changes.push(Change { key: keys[at], expected: *row, row: after, deltas });
                        changed.push(at);
                    }
                }
            }
            let mut again = Vec::new();
            if !changes.is_empty() {
                match self.store.swap(snapshot.moment.epoch, deadline, &changes).await {
                    Ok(Swapped::Done(applied)) => {
                        for ((&at, change), applied) in changed.iter().zip(&changes).zip(applied) {
                            if applied {
                                answers[at] = Some(Ok((change.expected, change.row)));
                            } else {
                                again.push(at);
                            }
                        }
                    }
                    Ok(Swapped::OtherEpoch) => again = changed,
                    Ok(Swapped::Late) => {
                        for at in changed {
                            answers[at] = Some(Err(Refusal::PastLease));
                        }
                    }
                    Err(error) if error.is_unsure() && lost < LOST_ANSWERS => {
                        lost += 1;
                        for (&at, change) in changed.iter().zip(&changes) {
                            unsure[at] = Some((change.expected, change.row));
                        }
                        again = changed;
                        tokio::time::sleep(LOST_ANSWER_PAUSE * lost).await;
                    }
                    Err(error) => return Err(error),
                }
            }
            // Only collisions use up rounds; the later events of a record wait for their turn.
            rounds += u32::from(!again.is_empty());
            again.extend(later);
            again.sort_unstable();
            open = again;
        }
        Ok(answers.into_iter().map(|answer| answer.unwrap_or(Err(Refusal::Unknown))).collect())
    }

    /// A confirmed message carries these records now; with the KiB of attachments staged for each.
    pub async fn published(&self, records: &[(RecordKey, u32)]) -> Result<Vec<Result<Row, Refusal>>, Error> {
        let mut answers = Vec::with_capacity(records.len());
        for step in records.chunks(STEP) {
            let keys: Vec<&RecordKey> = step.iter().map(|(key, _)| key).collect();
            let moved = self
                .transition(&keys, None, |at, row, moment| {
                    let event = Event::Published { now: moment.now, staged_kib: step[at].1 };
                    next(row, event, moment.epoch)
                })
                .await?;
            answers.extend(moved.into_iter().map(|moved| moved.map(|(_, row)| row)));
        }
        Ok(answers)
    }

    /// The holder goes on working; all leases then end `lease` from now (the store's time). Returns that end.
    pub async fn renew(
        &self,
        fence: Fence,
        keys: &[RecordKey],
        lease: Duration,
    ) -> Result<(UnixMillis, Vec<Result<Row, Refusal>>), Error> {
        let until = self.now().await?.plus(lease);
        let event = Event::Renew { lease: model::row::Lease { fence, until } };
        Ok((until, self.apply_all(keys, event).await?))
    }

    /// The write is about to be sent, at the latest at `last_send_at` (the store's time). Refused with [`Refusal::PastLease`] if that is after the
    /// lease's end, or over already. Send at once, and only the records that were not refused.
    pub async fn intend(
        &self,
        fence: Fence,
        keys: &[RecordKey],
        last_send_at: UnixMillis,
    ) -> Result<Vec<Result<Row, Refusal>>, Error> {
        let event = Event::Intend { fence, last_send_at };
        let events: Vec<_> = keys.iter().map(|key| (key.clone(), event)).collect();
        self.apply_by(&events, Some(last_send_at)).await
    }

    /// Kayako took the batch as a job.
    pub async fn job_accepted(
        &self,
        fence: Fence,
        keys: &[RecordKey],
        job: JobId,
    ) -> Result<Vec<Result<Row, Refusal>>, Error> {
        self.apply_all(keys, Event::JobAccepted { fence, job }).await
    }

    /// The request certainly had no effect. `alone`: to be sent in a batch of its own next time.
    pub async fn unsent(
        &self,
        fence: Fence,
        keys: &[RecordKey],
        wait: Wait,
        until: UnixMillis,
        attempt: bool,
        alone: bool,
    ) -> Result<Vec<Result<Row, Refusal>>, Error> {
        self.apply_all(keys, Event::Unsent { fence, wait, until, attempt, alone }).await
    }

    /// The request may have had an effect; not to be probed before `until`. `absent`: its job has ended, and a completed look-up after that found nothing.
    pub async fn doubt(
        &self,
        fence: Fence,
        keys: &[RecordKey],
        until: UnixMillis,
        absent: bool,
    ) -> Result<Vec<Result<Row, Refusal>>, Error> {
        self.apply_all(keys, Event::Doubt { fence, until, absent }).await
    }

    /// A completed probe found nothing. The first time the record is parked until `confirm_at`; the second time it is claimed again,
    /// to be sent in a batch of its own.
    pub async fn absent(
        &self,
        fence: Fence,
        keys: &[RecordKey],
        confirm_at: UnixMillis,
    ) -> Result<Vec<Result<Row, Refusal>>, Error> {
        self.apply_all(keys, Event::Absent { fence, confirm_at }).await
    }

    /// These objects exist in Kayako.
    pub async fn created(
        &self,
        fence: Fence,
        found: &[(RecordKey, KayakoId, Arrival)],
    ) -> Result<Vec<Result<Row, Refusal>>, Error> {
        let events: Vec<_> = found
            .iter()
            .map(|(key, id, arrival)| (key.clone(), Event::Created { fence, id: *id, arrival: *arrival }))
            .collect();
        self.apply(&events).await
    }

    /// Nothing can be done now, and nothing was sent since the claim.
    pub async fn park(
        &self,
        fence: Fence,
        keys: &[RecordKey],
        wait: Wait,
        until: UnixMillis,
        attempt: bool,
    ) -> Result<Vec<Result<Row, Refusal>>, Error> {
        self.apply_all(keys, Event::Park { fence, wait, until, attempt }).await
    }

    /// The holder stops, and sent nothing since the claim.
    pub async fn release(
        &self,
        fence: Fence,
        keys: &[RecordKey],
    ) -> Result<Vec<Result<Row, Refusal>>, Error> {
        self.apply_all(keys, Event::Release { fence }).await
    }

    /// Every step is done and was read back; with the hash of the command written.
    pub async fn commit(
        &self,
        fence: Fence,
        written: &[(RecordKey, u64)],
    ) -> Result<Vec<Result<Row, Refusal>>, Error> {
        let events: Vec<_> = written
            .iter()
            .map(|(key, command_hash)| (key.clone(), Event::Commit { fence, command_hash: *command_hash }))
            .collect();
        self.apply(&events).await
    }

    /// These records do not arrive. `fence` is `None` from the transformer, which holds no lease.
    pub async fn fail(
        &self,
        fence: Option<Fence>,
        records: &[(RecordKey, Reason)],
    ) -> Result<Vec<Result<Row, Refusal>>, Error> {
        let events: Vec<_> = records
            .iter()
            .map(|(key, reason)| (key.clone(), Event::Fail { fence, reason: *reason }))
            .collect();
        self.apply(&events).await
    }

    /// These records are left out. `fence` is `None` from extractor and transformer.
    pub async fn skip(
        &self,
        fence: Option<Fence>,
        records: &[(RecordKey, Reason)],
    ) -> Result<Vec<Result<Row, Refusal>>, Error> {
        let events: Vec<_> = records
            .iter()
            .map(|(key, reason)| (key.clone(), Event::Skip { fence, reason: *reason }))
            .collect();
        self.apply(&events).await
    }

    /// A newer version needed no write, or the plan keeps what is there.
    pub async fn kept(&self, keys: &[RecordKey]) -> Result<Vec<Result<Row, Refusal>>, Error> {
        self.apply_all(keys, Event::Kept).await
    }

    /// The objects of these records were counted; with the object that each had then.
    pub async fn recounted(
        &self,
        counted: &[(RecordKey, KayakoId)],
    ) -> Result<Vec<Result<Row, Refusal>>, Error> {
        let events: Vec<_> =
            counted.iter().map(|(key, id)| (key.clone(), Event::Recounted { id: *id })).collect();
        self.apply(&events).await
    }

    /// These objects of records are in Kayako no more: the records are to be written again.
    pub async fn requeue(&self, gone: &[(RecordKey, KayakoId)]) -> Result<Vec<Result<Row, Refusal>>, Error> {
        let now = self.now().await?;
        let events: Vec<_> =
            gone.iter().map(|(key, id)| (key.clone(), Event::Requeue { id: *id, now })).collect();
        self.apply(&events).await
    }

    /// These objects were compared field by field.
    pub async fn verified(&self, keys: &[RecordKey]) -> Result<Vec<Result<Row, Refusal>>, Error> {
        self.apply_all(keys, Event::Verified).await
    }
}

/// The positions whose record comes up for the first time, and the rest: one atomic step moves a row once.
fn first_of_each(keys: &[&RecordKey], open: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let mut seen = HashSet::with_capacity(open.len());
    open.iter().partition(|&&at| seen.insert(keys[at]))
}
