//! Natural keys: people, teams and companies that exist in Kayako already are adopted, and two source records
//! with one natural key become one object.
//!
//! Constraints: a natural key has one owner in the ledger, decided atomically before anything is sent; an adopted object is
//! never overwritten; addresses leave this file only towards Kayako (the ledger sees keyed hashes).

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use kayako::RoleType;
use ledger::NaturalKey;
use model::command::{IfAbsent, LoadCommand};
use model::journal::What;
use model::row::{Arrival, Wait};
use model::run::{Run, RunMode, RunStatus};
use model::{Classify, Fence, Kind, Reason, RecordKey, facts};

use crate::catalogue::fold;
use crate::crash_points;
use crate::desk::{Desk, Hands};
use crate::error::{During, Error};
use crate::settle::Ending;
use crate::target::{Detail, Object, Seen, by_origin_key};
use crate::work::Work;

/// What is left to do after natural keys were looked at.
#[derive(Debug, Default)]
pub(crate) struct Adoption {
    /// In Kayako neither by us nor by others.
    pub(crate) to_send: Vec<Work>,
    /// There.
    pub(crate) present: Vec<(Work, Object)>,
}

/// The natural keys of a command, the deciding one first.
fn natural_keys(command: &LoadCommand) -> Vec<String> {
    match command {
        LoadCommand::Team(team) => vec![fold(&team.title)],
        LoadCommand::Organization(organization) => {
            std::iter::once(fold(&organization.name)).chain(organization.domains.iter().cloned()).collect()
        }
        LoadCommand::User(user) => user.emails.clone(),
        LoadCommand::Case(_) | LoadCommand::Nothing(_) | LoadCommand::Recount => Vec::new(),
    }
}

impl Desk {
    /// Sorts fresh records by natural key.
    pub(crate) async fn adopt(
        &self,
        hands: &Hands,
        fence: Fence,
        kind: Kind,
        works: Vec<Work>,
    ) -> Result<Adoption, Error> {
        if works.is_empty() {
            return Ok(Adoption::default());
        }
        let (works, mut present) = self.of_an_earlier_ledger(hands, fence, kind, works).await?;
        if kind == Kind::Case {
            return Ok(Adoption { to_send: works, present });
        }
        let (owners, merged) = self.merge(hands, fence, kind, works).await?;
        present.extend(merged);
        let keys: Vec<Vec<String>> = owners
            .iter()
            .map(|work| {
                let mut keys = natural_keys(work.command());
                // A company is known by its name; a domain alone does not make two companies one.
                if kind == Kind::Organization {
                    keys.truncate(1);
                }
                keys.retain(|key| !work.lost_keys.contains(key));
                keys
            })
            .collect();
        let asked: Vec<&str> = keys.iter().flatten().map(String::as_str).collect();
        let found = match self.existing(kind, &asked).await {
            Ok(found) => found,
            Err(error) => {
                let endings = owners.into_iter().map(|work| (work, self.unreached(hands, &error))).collect();
                self.settle(hands, fence, endings).await?;
                self.halted_by(&error).await?;
                return Ok(Adoption { to_send: Vec::new(), present });
            }
        };
        let mut adoption = Adoption::default();
        let mut ours = Vec::new();
        let mut adopted = Vec::new();
        let mut substituted = Vec::new();
        let mut endings = Vec::new();
        for (work, keys) in owners.into_iter().zip(keys) {
            let seen = keys.iter().filter_map(|key| found.get(key));
            let mut object = None;
            let mut unknown = false;
            for seen in seen {
                match seen {
                    Seen::Found(objects) => object = object.or_else(|| objects.first().cloned()),
                    Seen::Unknown => unknown = true,
                    Seen::Absent => {}
                }
            }
            match object {
                Some(object) if unfit(&work, &object) => substituted.push(default_agent(work)),
                Some(object) if object.legacy_id.as_deref() == Some(work.origin_key.as_str()) => {
                    ours.push((work, object));
                }
                Some(object) => adopted.push((work, object)),
                None if unknown => {
                    let until = hands.now().plus(self.timing.visibility);
                    endings.push((
                        work,
                        crate::probe::later(
                            until,
                            "ambiguous",
                            "the look-up by natural key did not settle it",
                        ),
                    ));
                }
                None if stands_in(&work) => substituted.push(default_agent(work)),
                None => adoption.to_send.push(work),
            }
        }
        self.settle(hands, fence, endings).await?;
        present.extend(self.present(hands, fence, ours, Arrival::Created).await?);
        present.extend(self.present(hands, fence, adopted, Arrival::Adopted).await?);
        present.extend(self.present(hands, fence, substituted, Arrival::Merged).await?);
        adoption.present = present;
        Ok(adoption)
    }

    /// Until a ledger has seen a full run to its end, the account may hold what an earlier, lost ledger of this migration created: it is
    /// looked up by origin key before anything is sent. One look-up call for some 50 records.
    async fn of_an_earlier_ledger(
        &self,
        hands: &Hands,
        fence: Fence,
        kind: Kind,
        works: Vec<Work>,
    ) -> Result<(Vec<Work>, Vec<(Work, Object)>), Error> {
        if self.knows_the_account().await? {
            return Ok((works, Vec::new()));
        }
        let (asked, rest): (Vec<Work>, Vec<Work>) = works.into_iter().partition(|work| !work.flight().alone);
        if asked.is_empty() {
            return Ok((rest, Vec::new()));
        }
        let keys: Vec<&str> = asked.iter().map(|work| work.origin_key.as_str()).collect();
        let mut found = match by_origin_key(&self.client, kind, &keys).await {
            Ok(found) => found,
            Err(error) => {
                let endings = asked.into_iter().map(|work| (work, self.unreached(hands, &error))).collect();
                self.settle(hands, fence, endings).await?;
                self.halted_by(&error).await?;
                return Ok((rest, Vec::new()));
            }
        };
        let mut fresh = rest;
        let (mut known, mut endings) = (Vec::new(), Vec::new());
        for work in asked {
            match found.remove(work.origin_key.as_str()) {
                Some(Seen::Absent) => fresh.push(work),
                Some(Seen::Found(objects)) => known.push((work, objects)),
                Some(Seen::Unknown) | None => {
                    let until = hands.now().plus(self.timing.visibility);
                    endings.push((
                        work,
                        crate::probe::later(until, "ambiguous", "the look-up did not settle it"),
                    ));
                }
            }
        }
        self.settle(hands, fence, endings).await?;
        let known = self.single_out(known).await?;
        let present = self.present(hands, fence, known, Arrival::Created).await?;
        Ok((fresh, present))
    }

    /// Whether a full run of this ledger is finished: then the ledger knows every object of this migration.
    async fn knows_the_account(&self) -> Result<bool, Error> {
        if self.knows_the_account.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let runs = self.ledger.documents::<Run>(facts::RUNS).await.during("read the runs")?;
        let knows =
            runs.iter().any(|(_, _, run)| run.mode == RunMode::Full && run.status == RunStatus::Finished);
        self.knows_the_account.store(knows, Ordering::Relaxed);
        Ok(knows)
    }

    /// Claims natural keys in the ledger. Records whose deciding key belongs to another record become that record's
    /// object; the rest own theirs.
    async fn merge(
        &self,
        hands: &Hands,
        fence: Fence,
        kind: Kind,
        works: Vec<Work>,
    ) -> Result<(Vec<Work>, Vec<(Work, Object)>), Error> {
        let mut pairs: Vec<(NaturalKey, RecordKey)> = Vec::new();
        let mut spans: Vec<(usize, Vec<String>)> = Vec::with_capacity(works.len());
        for work in &works {
            let keys = natural_keys(work.command());
            let start = pairs.len();
            pairs.extend(keys.iter().map(|key| (self.natural_key(work.kind(), key), work.key().clone())));
            spans.push((start, keys));
        }
        let claim = || async { self.ledger.claim_natural(&pairs).await.during("claim natural keys") };
        let holders = self.context.crash.step(crash_points::NAMED, [kind], claim).await?;
        let mut owners = Vec::new();
        let mut others: Vec<(Work, RecordKey)> = Vec::new();
        let mut history = Vec::new();
        for (mut work, (start, keys)) in works.into_iter().zip(spans) {
            let mut held = keys.into_iter().zip(holders.iter().skip(start));
            // Only the deciding key merges: with any key, two people who list each other's address second would wait for
            // each other for ever.
            match held.next() {
                Some((_, holder)) if holder != work.key() => {
                    let holder = holder.clone();
                    others.push((work, holder));
                    continue;
                }
                _ => {}
            }
            work.lost_keys = held.filter(|(_, holder)| *holder != work.key()).map(|(key, _)| key).collect();
            if !work.lost_keys.is_empty() {
                let detail = format!(
                    "{} addresses or domains belong to another record and were left there",
                    work.lost_keys.len()
                );
                history.push(self.entry(work.incoming.run, work.key(), What::Noted { detail }));
            }
            owners.push(work);
        }
        self.journal(&history).await?;
        let keys: Vec<RecordKey> = others.iter().map(|(_, holder)| holder.clone()).collect();
        let rows = self.ledger.rows(&keys).await.during("read owners of natural keys")?;
        let mut merged = Vec::new();
        let mut endings = Vec::new();
        for ((work, holder), row) in others.into_iter().zip(rows) {
            match row {
                Some(row) if row.state.is_migrated() => {
                    if let Some(id) = row.kayako_id {
                        merged.push((work, Object { id, legacy_id: None, detail: Detail::Plain }));
                    }
                }
                Some(row) if row.state.is_settled() => {
                    let detail =
                        format!("it shares its e-mail address or name with {holder}, which did not arrive");
                    endings.push((work, Ending::Failed { reason: Reason::ParentFailed, detail }));
                }
                _ => {
                    let until = hands.now().plus(self.timing.parent_wait);
                    let detail = format!("{holder} has the same e-mail address or name and comes first");
                    endings.push((
                        work,
                        Ending::Parked {
                            wait: Wait::Parent,
                            until,
                            attempt: false,
                            class: "waiting",
                            detail,
                        },
                    ));
                }
            }
        }
        self.settle(hands, fence, endings).await?;
        let merged = self.present(hands, fence, merged, Arrival::Merged).await?;
        Ok((owners, merged))
    }

    fn natural_key(&self, kind: Kind, text: &str) -> NaturalKey {
        // No secret: it keeps addresses out of sight in the ledger and different between migrations, not from somebody
        // who guesses them.
        let secret =
            blake3::derive_key("kayako-migrate 2026 natural keys", self.migration.as_str().as_bytes());
        NaturalKey::new(&secret, kind, text)
    }

    /// What exists in the account under these natural keys.
    async fn existing(&self, kind: Kind, keys: &[&str]) -> Result<HashMap<String, Seen>, kayako::Error> {
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let mut found = HashMap::new();
        match kind {
            Kind::Team => {
                for team in self.client.teams().await? {
                    let Some(title) = team.title.as_deref().map(fold) else { continue };
                    found.entry(title).or_insert_with(|| Seen::Found(vec![Object::from(team)]));
                }
            }
            Kind::Organization => {
                let mut batch = self.client.organizations_by_names(keys).await?;
                for key in keys {
                    if let Some(finding) = batch.take(key) {
                        found.insert((*key).to_owned(), Seen::from(finding));
                    }
                }
            }
            Kind::User => {
                let mut batch = self.client.users_by_emails(keys).await?;
                for key in keys {
                    if let Some(finding) = batch.take(key) {
                        found.insert((*key).to_owned(), Seen::from(finding));
                    }
                }
            }
            Kind::Case => {}
        }
        Ok(found)
    }

    /// A read that failed before anything was sent for these records.
    pub(crate) fn unreached(&self, hands: &Hands, error: &kayako::Error) -> Ending {
        let class = error.class();
        let now = hands.now();
        let (wait, until, attempt) = match &class {
            model::FailureClass::Throttled { retry_after } => {
                (Wait::Throttled, now.plus(retry_after.unwrap_or(self.timing.visibility)), false)
            }
            model::FailureClass::TargetDown | model::FailureClass::Halt => (
                Wait::Target,
                now.plus(self.timing.ladder.first().copied().unwrap_or(self.timing.visibility)),
                false,
            ),
            class => (Wait::Retry, now.plus(self.timing.pause(0)), class.counts_as_attempt()),
        };
        Ending::Parked { wait, until, attempt, class: class.name(), detail: error.to_string() }
    }
}

fn default_agent(work: Work) -> (Work, Object) {
    let id = work.catalogue.default_agent;
    (work, Object { id, legacy_id: None, detail: Detail::Plain })
}

/// Staff whom the plan does not create.
fn stands_in(work: &Work) -> bool {
    matches!(work.command(), LoadCommand::User(user) if user.role.is_staff() && user.if_absent == IfAbsent::UseDefaultAgent)
}

/// A member of staff who is a customer in Kayako cannot be assigned or answer: the default agent stands for them.
fn unfit(work: &Work, object: &Object) -> bool {
    let LoadCommand::User(user) = work.command() else { return false };
    let Detail::User(found) = &object.detail else { return false };
    let kind = found.role.as_ref().and_then(|role| role.kind.as_ref());
    user.role.is_staff() && kind == Some(&RoleType::Customer)
}
