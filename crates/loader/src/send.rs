//! Sends one bulk insert: budget, intent, request, job, look-up.
//!
//! Constraints: all waiting (session, budget, connection) comes before the intent; the intent names the last moment at
//! which the request can be on its way, and the client sends nothing after it. What the answer proves decides the ending: certainly
//! without effect, certainly refused, or in doubt.

use kayako::{Job, RateClass, Slot};
use model::command::{LoadCommand, NothingCommand};
use model::journal::What;
use model::row::{Arrival, Wait};
use model::{Fence, Kind, Reason, RecordKey, UnixMillis};
use tokio::time::Instant;

use crate::crash_points;
use crate::desk::{Desk, Hands};
use crate::error::{During, Error};
use crate::items::{self, Item, Unwritable};
use crate::outcome::doubt;
use crate::settle::Ending;
use crate::target::Object;
use crate::upload::Uploaded;
use crate::work::Work;

/// The items of one request.
enum Items {
    Teams(Vec<kayako::NewTeam>),
    Organizations(Vec<kayako::NewOrganization>),
    Users(Vec<kayako::NewUser>),
    Cases(Vec<kayako::BulkCase>, Option<kayako::SessionGeneration>),
}

/// What a request led to.
enum Answer {
    /// A bulk insert: the job that does it.
    Job(Job),
    /// A single insert: the object.
    Object(Object),
}

impl Desk {
    /// Writes records that are certainly not in Kayako, as one request. Returns those that are there now.
    pub(crate) async fn send(
        &self,
        hands: &Hands,
        fence: Fence,
        kind: Kind,
        works: Vec<Work>,
    ) -> Result<Vec<(Work, Object)>, Error> {
        let (works, exhausted): (Vec<_>, Vec<_>) =
            works.into_iter().partition(|work| work.flight().attempts < self.timing.attempts);
        let given_up = exhausted.into_iter().map(|work| {
            let detail = "every write of it ended without an outcome and without an object".to_owned();
            (work, Ending::Failed { reason: Reason::RetriesExhausted, detail })
        });
        self.settle(hands, fence, given_up.collect()).await?;
        let Some((works, items)) = self.prepare(hands, fence, kind, works).await? else {
            return Ok(Vec::new());
        };
        let slot = match self.client.slot(RateClass::Bulk).await {
            Ok(slot) => slot,
            Err(error) => {
                let endings = works.into_iter().map(|work| (work, self.unreached(hands, &error))).collect();
                self.settle(hands, fence, endings).await?;
                self.halted_by(&error).await?;
                return Ok(Vec::new());
            }
        };
        let Some((works, items, slot, last_send_at)) =
            self.intend(hands, fence, kind, works, items, slot).await?
        else {
            return Ok(Vec::new());
        };
        self.metrics.batches.with_label_values(&[kind.name()]).inc();
        #[expect(clippy::cast_precision_loss, reason = "a batch has at most 200 records")]
        self.metrics.batch_records.observe(works.len() as f64);
        let alone = works.len() == 1 && works.iter().all(|work| work.flight().alone);
        let answer = self.post(slot, &items, alone).await;
        drop(items);
        self.context.crash.reached_with(crash_points::SENT, [kind]).await?;
        match answer {
            Ok(Answer::Job(job)) => self.accepted(hands, fence, kind, works, job).await,
            Ok(Answer::Object(object)) => {
                let found = works.into_iter().map(|work| (work, object.clone())).collect();
                self.present(hands, fence, found, Arrival::Created).await
            }
            Err(error) => {
                self.unanswered(hands, fence, works, &error, last_send_at).await?;
                Ok(Vec::new())
            }
        }
    }

    /// Builds the items; files are uploaded here. Records that cannot be built are settled.
    async fn prepare(
        &self,
        hands: &Hands,
        fence: Fence,
        kind: Kind,
        works: Vec<Work>,
    ) -> Result<Option<(Vec<Work>, Items)>, Error> {
        let mut ready: Vec<Work> = Vec::with_capacity(works.len());
        let mut endings = Vec::new();
        let mut history = Vec::new();
        let (mut teams, mut organizations, mut users, mut cases) = (vec![], vec![], vec![], vec![]);
        let mut session = None;
        let upload = || self.uploads(hands, &works);
        let uploads = self.context.crash.step(crash_points::UPLOADED, [kind], upload).await?;
        for (work, files) in works.into_iter().zip(uploads) {
            let built: Result<Vec<String>, Ending> = match work.command() {
                LoadCommand::Team(command) => Ok(put(&mut teams, items::team(&work, command))),
                LoadCommand::Organization(command) => {
                    Ok(put(&mut organizations, items::organization(&work, command)))
                }
                LoadCommand::User(command) => {
                    items::user(&work, command).map(|item| put(&mut users, item)).map_err(refused)
                }
                LoadCommand::Case(command) => match files {
                    Ok(Uploaded { per_post, session: files }) => {
                        if files.is_some() && session.is_some() && files != session {
                            Err(Ending::Parked {
                                wait: Wait::Retry,
                                until: hands.now().plus(self.short_pause()),
                                attempt: false,
                                class: "not_sent",
                                detail: "the session changed during the uploads".to_owned(),
                            })
                        } else {
                            session = session.or(files);
                            items::case(&work, command, &per_post)
                                .map(|item| put(&mut cases, item))
                                .map_err(refused)
                        }
                    }
                    Err(ending) => Err(ending),
                },
                LoadCommand::Nothing(command) => Err(nothing(*command)),
                LoadCommand::Recount => continue,
            };
            match built {
                Ok(left_out) => {
                    if !left_out.is_empty() {
                        let what = What::Noted { detail: left_out.join("; ") };
                        history.push(self.entry(work.incoming.run, work.key(), what));
                    }
                    ready.push(work);
                }
                Err(ending) => endings.push((work, ending)),
            }
        }
        self.journal(&history).await?;
        self.settle(hands, fence, endings).await?;
        if ready.is_empty() {
            return Ok(None);
        }
        let items = match kind {
            Kind::Team => Items::Teams(teams),
            Kind::Organization => Items::Organizations(organizations),
            Kind::User => Items::Users(users),
            Kind::Case => Items::Cases(cases, session),
        };
        Ok(Some((ready, items)))
    }

    /// Stores the intent. Records that another worker took over meanwhile are let go.
    async fn intend(
        &self,
        hands: &Hands,
        fence: Fence,
        kind: Kind,
        works: Vec<Work>,
        mut items: Items,
        slot: Slot,
    ) -> Result<Option<(Vec<Work>, Items, Slot, UnixMillis)>, Error> {
        let keys: Vec<RecordKey> = works.iter().map(|work| work.key().clone()).collect();
        self.ledger.renew(fence, &keys, self.timing.lease).await.during("renew")?;
        // Taken before the intent is stored, so that the time for storing it is part of the limit.
        let limit = self.client.request_timeout(RateClass::Bulk).min(self.timing.request_timeout);
        let last_send_at = hands.now().plus(limit);
        let slot = slot.finish_by(Instant::now() + limit);
        let store = || async { self.ledger.intend(fence, &keys, last_send_at).await.during("intend") };
        let rows = self.context.crash.step(crash_points::INTENDED, [kind], store).await?;
        let mut kept = Vec::with_capacity(works.len());
        let mut gone = Vec::new();
        for (at, (mut work, row)) in works.into_iter().zip(rows).enumerate() {
            match row {
                Ok(row) => {
                    work.row = row;
                    kept.push(work);
                }
                Err(refusal) => {
                    tracing::debug!(record = %work.key(), %refusal, "not sent: the claim is no longer ours");
                    gone.push(at);
                    self.delay(hands, work.incoming, self.timing.lease).await?;
                }
            }
        }
        for at in gone.into_iter().rev() {
            items.remove(at);
        }
        Ok((!kept.is_empty()).then_some((kept, items, slot, last_send_at)))
    }

    /// A record alone is one that a batch lost without a word: a single insert tells why. Not so for cases, which would
    /// lose dates and authors; they go as a bulk of one.
    async fn post(&self, slot: Slot, items: &Items, alone: bool) -> Result<Answer, kayako::Error> {
        let job = match (items, alone) {
            (Items::Teams(items), true) if let [item] = items.as_slice() => {
                return Ok(Answer::Object(self.client.create_team(slot, item).await?.into()));
            }
            (Items::Organizations(items), true) if let [item] = items.as_slice() => {
                return Ok(Answer::Object(self.client.create_organization(slot, item).await?.into()));
            }
            (Items::Users(items), true) if let [item] = items.as_slice() => {
                return Ok(Answer::Object(self.client.create_user(slot, item).await?.into()));
            }
            (Items::Teams(items), _) => self.client.bulk_teams(slot, items).await?,
            (Items::Organizations(items), _) => self.client.bulk_organizations(slot, items).await?,
            (Items::Users(items), _) => self.client.bulk_users(slot, items).await?,
            (Items::Cases(items, session), _) => self.client.bulk_cases(slot, items, *session).await?,
        };
        Ok(Answer::Job(job))
    }

    /// The account took the batch as a job: wait for its end and see what is there.
    async fn accepted(
        &self,
        hands: &Hands,
        fence: Fence,
        kind: Kind,
        works: Vec<Work>,
        job: Job,
    ) -> Result<Vec<(Work, Object)>, Error> {
        let keys: Vec<RecordKey> = works.iter().map(|work| work.key().clone()).collect();
        let id = model::JobId(job.id.get());
        let store = || async { self.ledger.job_accepted(fence, &keys, id).await.during("store the job") };
        self.context.crash.step(crash_points::ACCEPTED, [kind], store).await?;
        let batch = u32::try_from(works.len()).unwrap_or(u32::MAX);
        let sent: Vec<_> = works
            .iter()
            .map(|work| self.entry(work.incoming.run, work.key(), What::Sent { job: Some(id.0), batch }))
            .collect();
        self.journal(&sent).await?;
        let Some(job) = self.job_end(job).await? else {
            let until = hands.now().plus(self.timing.job_poll * 4);
            let detail = "the job did not end while we waited";
            let endings = works.into_iter().map(|work| (work, doubt(until, false, detail))).collect();
            self.settle(hands, fence, endings).await?;
            return Ok(Vec::new());
        };
        let look_up = || async { Ok::<_, Error>(self.look_up(kind, &works).await) };
        let seen = match self.context.crash.step(crash_points::MAPPED, [kind], look_up).await? {
            Ok(seen) => seen,
            Err(error) => {
                let until = hands.now().plus(self.timing.job_poll);
                let detail = error.to_string();
                let endings = works.into_iter().map(|work| (work, doubt(until, false, &detail))).collect();
                self.settle(hands, fence, endings).await?;
                self.halted_by(&error).await?;
                return Ok(Vec::new());
            }
        };
        let present = self.outcomes(hands, fence, works, seen, &job).await?;
        self.present(hands, fence, present, Arrival::Created).await
    }
}

impl Items {
    fn remove(&mut self, at: usize) {
        match self {
            Self::Teams(items) => drop(items.remove(at)),
            Self::Organizations(items) => drop(items.remove(at)),
            Self::Users(items) => drop(items.remove(at)),
            Self::Cases(items, _) => drop(items.remove(at)),
        }
    }
}

fn put<T>(items: &mut Vec<T>, item: Item<T>) -> Vec<String> {
    items.push(item.item);
    item.left_out
}

fn refused(unwritable: Unwritable) -> Ending {
    Ending::Failed { reason: unwritable.reason, detail: unwritable.detail }
}

/// How a record ends that is to be left out and is certainly not in Kayako.
pub(crate) fn nothing(command: NothingCommand) -> Ending {
    let NothingCommand { failed, reason } = command;
    let detail = "an earlier try wrote nothing of it".to_owned();
    if failed { Ending::Failed { reason, detail } } else { Ending::Skipped { reason, detail } }
}
