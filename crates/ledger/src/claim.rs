//! Claiming records for work: a lease, the parents' ids, and what is known about an earlier try.

use std::collections::HashMap;
use std::time::Duration;

use model::row::{Arrival, Lease, Row, State, Wait};
use model::timing::probe_from;
use model::transition::{Event, Refusal, next};
use model::{Epoch, Fence, KayakoId, Reason, RecordKey, UnixMillis};

use crate::error::Error;
use crate::ledger::{Ledger, STEP};

/// Most parents read together with the fence; the rest of them are read as any rows.
const MOST_PARENTS: usize = 2 * STEP;

/// A record somebody wants to work on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRequest {
    /// Which record.
    pub key: RecordKey,
    /// What it refers to. All of them must be settled before it is handed out.
    pub parents: Vec<RecordKey>,
    /// Hash of the command at hand.
    pub command_hash: u64,
    /// If parents are missing: park the record so long. `None`: leave it as it is.
    pub wait: Option<Duration>,
}

/// A settled parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParentState {
    /// Committed, verified, failed, skipped or filtered.
    pub state: State,
    /// Its object, if it is in Kayako.
    pub kayako_id: Option<KayakoId>,
    /// How it came to be there.
    pub arrival: Option<Arrival>,
    /// Why it is not.
    pub reason: Option<Reason>,
}

impl From<&Row> for ParentState {
    fn from(row: &Row) -> Self {
        Self { state: row.state, kayako_id: row.kayako_id, arrival: row.arrival, reason: row.reason }
    }
}

/// The answer to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// The record is yours until the lease ends. `row.state` says what to do: `Claimed` = write it, `InDoubt` = probe (poll
    /// `flight.job` if there is one), `Created` = only the remaining steps.
    Go {
        /// The row after the claim.
        row: Row,
        /// In the order asked for.
        parents: Vec<(RecordKey, ParentState)>,
    },
    /// Parents are not settled; `None` are not even registered.
    Parents {
        /// Those parents.
        missing: Vec<(RecordKey, Option<Row>)>,
        /// End of the pause, if it was parked.
        until: Option<UnixMillis>,
    },
    /// Somebody else works on it.
    Busy {
        /// End of the lease.
        until: UnixMillis,
    },
    /// Parked, or too early for a probe.
    NotYet {
        /// End of the pause.
        until: UnixMillis,
    },
    /// Nothing to write, unless `row.updating` and not `same_command`: then the plan's `on_changed` decides.
    Settled {
        /// The row.
        row: Row,
        /// Whether it was written from the very command at hand.
        same_command: bool,
    },
    /// Never registered: the message is of another ledger, or older than a lost one.
    Unknown,
}

/// The answers to a batch of requests, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimBatch {
    /// Names this claim in everything that follows.
    pub fence: Fence,
    /// End of all leases of the batch, by the store's time.
    pub lease_until: UnixMillis,
    /// The store's time.
    pub now: UnixMillis,
    /// The epoch.
    pub epoch: Epoch,
    /// One per request.
    pub claims: Vec<Claim>,
}

impl Ledger {
    /// Claims records for `lease`. `quiet` is how long after the last possible send a write may still become visible.
    ///
    /// A record is handed out only if all its parents are settled, checked before the swap; a settled parent may be selected again
    /// by a later run meanwhile, which changes nothing about its object.
    pub async fn claim(
        &self,
        requests: &[ClaimRequest],
        lease: Duration,
        quiet: Duration,
    ) -> Result<ClaimBatch, Error> {
        // One fence and one end of lease for the whole batch; the first step's parents come with them.
        let first = parents_of(requests.get(..STEP.min(requests.len())).unwrap_or_default());
        let asked: Vec<&RecordKey> = first.iter().take(MOST_PARENTS).collect();
        let drawn = self.store.read(&asked, true).await?;
        let fence = drawn.fence;
        let lease_until = drawn.moment.now.plus(lease);
        let granted = Lease { fence, until: lease_until };
        let mut known: HashMap<RecordKey, Option<Row>> = asked.into_iter().cloned().zip(drawn.rows).collect();
        let mut claims = Vec::with_capacity(requests.len());
        for step in requests.chunks(STEP) {
            let unknown: Vec<RecordKey> =
                parents_of(step).into_iter().filter(|key| !known.contains_key(key)).collect();
            let rows = self.rows(&unknown).await?;
            known.extend(unknown.into_iter().zip(rows));
            let keys: Vec<&RecordKey> = step.iter().map(|request| &request.key).collect();
            let moved = self
                .transition(&keys, None, |at, row, moment| {
                    let event = Event::Claim {
                        lease: granted,
                        now: moment.now,
                        quiet,
                        probe_from: probe_from(moment.epoch, moment.epoch_since, lease, quiet),
                    };
                    let claimed = next(row, event, moment.epoch)?;
                    if missing(&step[at], &known).is_empty() {
                        return Ok(claimed);
                    }
                    match (step[at].wait, row) {
                        (Some(wait), _) => {
                            let until = moment.now.plus(wait);
                            let park = Event::Park { fence, wait: Wait::Parent, until, attempt: false };
                            next(Some(&claimed), park, moment.epoch)
                        }
                        (None, Some(row)) => Ok(*row),
                        (None, None) => Err(Refusal::Unknown),
                    }
                })
                .await?;
            let settled: Vec<RecordKey> = step
                .iter()
                .zip(&moved)
                .filter(|(_, moved)| matches!(moved, Err(Refusal::Settled)))
                .map(|(request, _)| request.key.clone())
                .collect();
            let mut settled = self.rows(&settled).await?.into_iter();
            for (request, moved) in step.iter().zip(moved) {
                let row = match moved {
                    Err(Refusal::Settled) => settled.next().flatten(),
                    _ => None,
                };
                claims.push(answer(request, moved.map(|(_, row)| row), row, &known));
            }
        }
        Ok(ClaimBatch { fence, lease_until, now: drawn.moment.now, epoch: drawn.moment.epoch, claims })
    }
}

/// The answer to one request; `settled` is the row of a settled record.
fn answer(
    request: &ClaimRequest,
    moved: Result<Row, Refusal>,
    settled: Option<Row>,
    known: &HashMap<RecordKey, Option<Row>>,
) -> Claim {
    match (moved, settled) {
        (Ok(row), _) => {
            let missing = missing(request, known);
            if missing.is_empty() {
                Claim::Go { row, parents: found(request, known) }
            } else {
                let until = request.wait.and(row.flight).map(|flight| flight.not_before);
                Claim::Parents { missing, until }
            }
        }
        (Err(Refusal::Busy { until }), _) => Claim::Busy { until },
        (Err(Refusal::NotYet { until }), _) => Claim::NotYet { until },
        (Err(Refusal::Settled), Some(row)) => {
            Claim::Settled { row, same_command: row.command_hash == request.command_hash }
        }
        (Err(_), _) => Claim::Unknown,
    }
}

fn parents_of(step: &[ClaimRequest]) -> Vec<RecordKey> {
    let mut keys: Vec<RecordKey> = step.iter().flat_map(|request| request.parents.clone()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn missing(request: &ClaimRequest, known: &HashMap<RecordKey, Option<Row>>) -> Vec<(RecordKey, Option<Row>)> {
    request
        .parents
        .iter()
        .map(|key| (key.clone(), known.get(key).copied().flatten()))
        .filter(|(_, row)| !row.is_some_and(|row| row.state.is_settled()))
        .collect()
}

fn found(request: &ClaimRequest, known: &HashMap<RecordKey, Option<Row>>) -> Vec<(RecordKey, ParentState)> {
    let parent = |key: &RecordKey| {
        known.get(key).and_then(Option::as_ref).map(|row| (key.clone(), ParentState::from(row)))
    };
    request.parents.iter().filter_map(parent).collect()
}
