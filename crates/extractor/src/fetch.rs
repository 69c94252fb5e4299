//! Reads records by id: parents that no listing has shown, the cases of a demo, records whose message was lost.

use std::collections::BTreeSet;

use ledger::Registration;
use model::journal::What;
use model::record::{Record, Role, Standing, User};
use model::row::State;
use model::transition::Verdict;
use model::{Kind, Reason, RecordKey, SourceId};
use runtime::retry;
use sources::{Cursor, Fetched, Next};

use crate::carry::{Cause, fingerprint};
use crate::desk::{Desk, Errand};
use crate::error::{During, Error};
use crate::open::failed;

impl Desk {
    /// Fetches and carries records by id; ids that the source does not know are settled as gone.
    pub(crate) async fn fetch(
        &self,
        errand: &Errand,
        kind: Kind,
        ids: &[SourceId],
        lost: bool,
    ) -> Result<(), Error> {
        let (stand_ins, ids): (Vec<_>, Vec<_>) = ids.iter().cloned().partition(SourceId::is_placeholder);
        if kind == Kind::User && !stand_ins.is_empty() {
            self.carry_made(errand, Record::User(stand_in(errand))).await?;
        }
        if ids.is_empty() {
            return Ok(());
        }
        let found = retry(&self.context, &self.retry, &self.draining, || self.source.fetch(kind, &ids))
            .await
            .map_err(|error| failed(error, "records by id"))?;
        let mut listed = Vec::new();
        let mut gone = Vec::new();
        for one in found {
            match one {
                Fetched::Found(one) => listed.push(*one),
                Fetched::Gone(id) => gone.push(RecordKey { kind, id }),
            }
        }
        self.carry(errand, listed, Cause::Named { lost }).await?;
        let gone = if lost { self.in_listings_only(errand, gone).await? } else { gone };
        let gone = if lost { self.lost_and_gone(errand, gone).await? } else { gone };
        self.settle_gone(errand, gone).await
    }

    /// Companies and teams that were deleted stand in listings only. A listing has shown these before, so the lists, which are short, are
    /// read until they are found again: what is lost on the way arrives as if it were not. Returns the others.
    async fn in_listings_only(&self, errand: &Errand, gone: Vec<RecordKey>) -> Result<Vec<RecordKey>, Error> {
        let listed = |key: &RecordKey| matches!(key.kind, Kind::Organization | Kind::Team);
        let (mut wanted, others): (BTreeSet<RecordKey>, Vec<RecordKey>) = {
            let (wanted, others): (Vec<_>, Vec<_>) = gone.into_iter().partition(listed);
            (wanted.into_iter().collect(), others)
        };
        let Some(kind) = wanted.iter().next().map(|key| key.kind) else { return Ok(others) };
        let failed = |error| failed(error, "a listing");
        let shards = retry(&self.context, &self.retry, &self.draining, || self.source.shards(kind)).await;
        let mut found = Vec::new();
        for shard in shards.map_err(failed)? {
            let mut at: Option<Cursor> = None;
            while !wanted.is_empty() {
                let page = retry(&self.context, &self.retry, &self.draining, || {
                    self.source.list(&shard, at.as_ref())
                })
                .await
                .map_err(failed)?;
                found.extend(page.records.into_iter().filter(|one| wanted.remove(&one.key)));
                match page.next {
                    Next::More(next) => at = Some(next),
                    Next::End(_) => break,
                }
            }
        }
        self.carry(errand, found, Cause::Named { lost: true }).await?;
        Ok(others.into_iter().chain(wanted).collect())
    }

    /// Records whose message was lost and that the source does not show by id. People still own their cases, so each is
    /// carried as somebody of whom only the id is left (those who were deleted for good stand in listings only). Returns the others.
    async fn lost_and_gone(&self, errand: &Errand, gone: Vec<RecordKey>) -> Result<Vec<RecordKey>, Error> {
        let rows = self.ledger.rows(&gone).await.during("read the rows of what is gone")?;
        let (mut others, mut people) = (Vec::new(), Vec::new());
        for (key, row) in gone.into_iter().zip(rows) {
            let state = row.map(|row| row.state);
            if state.is_some_and(State::is_settled) {
                continue;
            }
            if key.kind == Kind::User && state.is_some() {
                let person = Record::User(nobody(&key.id, errand));
                people.push(self.ready(errand, key, person).await?);
            } else {
                others.push(key);
            }
        }
        if !people.is_empty() {
            self.hand_over(errand, people).await?;
        }
        Ok(others)
    }

    async fn settle_gone(&self, errand: &Errand, gone: Vec<RecordKey>) -> Result<(), Error> {
        if gone.is_empty() {
            return Ok(());
        }
        let reason = Reason::SourceGone;
        let history: Vec<_> = gone
            .iter()
            .map(|key| {
                let detail = "the source does not know this id".to_owned();
                self.entry(errand.run, key, What::Skipped { reason, detail })
            })
            .collect();
        self.journal(&history).await?;
        let registrations: Vec<Registration> = gone
            .iter()
            .map(|key| Registration {
                key: key.clone(),
                fingerprint: fingerprint(&errand.plan.hash, 0),
                verdict: Verdict::Skipped(reason),
                implied: true,
            })
            .collect();
        self.ledger.register(errand.run, &registrations).await.during("register what is gone")?;
        // A row that was there before (listed, then deleted for good) is not settled by registering.
        let skipped = gone.into_iter().map(|key| (key, reason)).collect();
        self.leave_out(errand, skipped, false).await
    }
}

/// The one customer who owns what people left behind that no longer exist at the source.
fn stand_in(errand: &Errand) -> User {
    User { standing: Standing::Active, ..nobody(&SourceId::placeholder(), errand) }
}

/// A person of whom only the id is left; owns cases all the same.
fn nobody(id: &SourceId, errand: &Errand) -> User {
    User {
        id: id.clone(),
        name: errand.plan.plan.options.placeholder_name.clone(),
        role: Role::Customer,
        standing: Standing::Deleted,
        emails: Vec::new(),
        phones: Vec::new(),
        twitter: Vec::new(),
        organizations: Vec::new(),
        teams: Vec::new(),
        tags: Vec::new(),
        fields: std::collections::BTreeMap::new(),
        locale: None,
        time_zone: None,
        designation: None,
        signature: None,
        notes: Vec::new(),
    }
}
