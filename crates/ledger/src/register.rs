//! Registering what a listing, or a parent fetch, shows.

use model::row::{Row, State};
use model::transition::{Event, Verdict, next};
use model::{RecordKey, RunNo};

use crate::error::Error;
use crate::ledger::{Ledger, STEP};

/// One record of a listing page, or one that another record names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Which record.
    pub key: RecordKey,
    /// Hash of the plan and the source's version.
    pub fingerprint: u64,
    /// What the plan says about it.
    pub verdict: Verdict,
    /// Named by another record (a parent in no listing, somebody in CC) rather than listed. A row that this run has already is then
    /// left as it is, unless the listing had filtered it.
    pub implied: bool,
}

/// What the extractor does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Read its content and publish it. Also after a crash between registering and publishing: a message too many is harmless.
    Publish,
    /// Nothing: it is settled, filtered, or a message carries it.
    Known,
}

/// A registered record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registered {
    /// What to do next.
    pub outcome: Outcome,
    /// The row now.
    pub row: Row,
}

impl Ledger {
    /// Registers a page of records for a run and says which of them have to be published. May be repeated; a record may come twice in one page.
    pub async fn register(&self, run: RunNo, page: &[Registration]) -> Result<Vec<Registered>, Error> {
        let mut answers = Vec::with_capacity(page.len());
        for step in page.chunks(STEP) {
            let keys: Vec<&RecordKey> = step.iter().map(|registration| &registration.key).collect();
            let moved = self
                .transition(&keys, None, |at, row, moment| {
                    let Registration { fingerprint, verdict, implied, .. } = step[at];
                    if let Some(row) = row
                        && implied
                        && row.run == run
                        && row.state != State::Filtered
                    {
                        return Ok(*row);
                    }
                    next(row, Event::Register { run, fingerprint, verdict, now: moment.now }, moment.epoch)
                })
                .await?;
            for moved in moved {
                // `next` refuses no registration.
                let (before, row) =
                    moved.map_err(|_| Error::Damaged { what: "the answer to a registration" })?;
                answers.push(Registered { outcome: outcome(before.as_ref(), &row), row });
            }
        }
        Ok(answers)
    }
}

fn outcome(before: Option<&Row>, row: &Row) -> Outcome {
    let publish = match (before, row.state) {
        (_, State::Discovered) => true,
        (_, state) if state.is_settled() => row.updating,
        // Work is under way: for another run, or with content that is not the newest.
        (Some(old), State::Queued) => old.run != row.run || old.fingerprint != row.fingerprint,
        (Some(old), _) => old.run != row.run,
        (None, _) => true,
    };
    if publish { Outcome::Publish } else { Outcome::Known }
}
