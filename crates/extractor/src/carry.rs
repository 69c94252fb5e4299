//! Takes listed records into the queue: judge, register, complete, stage, publish, note.

use std::collections::HashSet;

use futures::stream::{self, StreamExt};
use ledger::{Outcome, Registration};
use model::command::{LoadCommand, NothingCommand};
use model::envelope::{Intake, Load};
use model::journal::{Entry, What};
use model::listing::{Listed, version_of};
use model::record::{Content, Record};
use model::transition::{Refusal, Verdict};
use model::{Classify, FailureClass, Kind, Reason, RecordKey};
use queue::{Message, Stage};
use runtime::retry;
use sources::Completed;
use tokio::sync::mpsc;
use tracing::Instrument as _;

use crate::crash_points;
use crate::desk::{Desk, Errand};
use crate::error::{During, Error};

/// Records published and noted together: many enough that confirms and ledger calls do not count, few enough that a
/// crash repeats little.
const CHUNK: usize = 50;

/// Why records are carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A listing shows them: the plan's selection decides.
    Listing,
    /// Something else names them: a parent, a sample, lost work. They are selected.
    Named {
        /// Publish even what a message seems to carry: that message is lost.
        lost: bool,
    },
}

/// A record ready to be published.
pub(crate) struct Ready {
    key: RecordKey,
    message: Message,
    staged_kib: u32,
    told: Entry,
}

/// What completing a record led to.
pub(crate) enum Made {
    Ready(Box<Ready>),
    Settled(RecordKey, Reason, String),
}

impl Desk {
    /// Carries records. Whatever happens, each of them is afterwards published, settled, or registered and found again by
    /// the next reading of the page.
    pub(crate) async fn carry(
        &self,
        errand: &Errand,
        listed: Vec<Listed>,
        cause: Cause,
    ) -> Result<(), Error> {
        let listed = last_of_each(listed);
        let registrations: Vec<Registration> = listed.iter().map(|one| judge(errand, one, cause)).collect();
        let register = || async { self.ledger.register(errand.run, &registrations).await.during("register") };
        let kind = listed.first().map(|one| one.key.kind);
        let registered = self.context.crash.step(crash_points::REGISTERED, kind, register).await?;
        let mut to_publish = Vec::new();
        for ((one, registration), answer) in listed.into_iter().zip(&registrations).zip(&registered) {
            let lost = cause == Cause::Named { lost: true } && answer.row.due().is_some();
            let outcome = match (registration.verdict, answer.outcome) {
                (_, Outcome::Publish) => "published",
                (_, Outcome::Known) if lost => "published",
                (Verdict::Selected, Outcome::Known) => "known",
                (Verdict::Filtered(_), Outcome::Known) => "filtered",
                (Verdict::Skipped(_), Outcome::Known) => "skipped",
            };
            self.metrics.records.with_label_values(&[one.key.kind.name(), outcome]).inc();
            if outcome == "published" {
                to_publish.push(one);
            }
        }
        let (finished, mut ready) = mpsc::channel(CHUNK);
        let making = async {
            let in_flight = errand.plan.plan.limits.extract_in_flight.max(1);
            let mut made = std::pin::pin!(
                stream::iter(to_publish)
                    .map(|one| {
                        // A span of its own: by its key a person finds what became of it, here and in the services behind.
                        let span = tracing::info_span!("extract record", record = %one.key);
                        self.make(errand, one).instrument(span)
                    })
                    .buffer_unordered(in_flight)
            );
            while let Some(one) = made.next().await {
                // Refused only when handing over has failed, which says more than this would.
                if finished.send(one?).await.is_err() {
                    break;
                }
            }
            drop(finished);
            Ok(())
        };
        // What gets ready while one chunk is published and noted is the next chunk; reading never waits for it. Constraint: the block
        // owns the receiver, so that the makers hear of its failure and do not wait for room for ever.
        let handing_over = async move {
            let mut chunk = Vec::new();
            while ready.recv_many(&mut chunk, CHUNK).await > 0 {
                self.hand_over(errand, std::mem::take(&mut chunk)).await?;
            }
            Ok(())
        };
        let (made, handed_over): (Result<(), Error>, Result<(), Error>) = tokio::join!(making, handing_over);
        handed_over.and(made)
    }

    async fn make(&self, errand: &Errand, one: Listed) -> Result<Made, Error> {
        // Constraint: the semaphore is never closed, so this cannot fail.
        let _turn = errand.plan.turns.acquire().await.ok();
        let started = std::time::Instant::now();
        let key = one.key.clone();
        let completed =
            retry(&self.context, &self.retry, &self.draining, || self.source.complete(one.clone())).await;
        let record = match completed {
            Ok(Completed::Record(record)) => {
                self.witness.read(&one);
                *record
            }
            Ok(Completed::Gone) => {
                return Ok(Made::Settled(
                    key,
                    Reason::DeletedAtSource,
                    "deleted while it was read".to_owned(),
                ));
            }
            Err(error) => match error.into_last() {
                Some(last) if is_its_own(&last) || self.witness.blames(&*self.source, &key, &last).await => {
                    return Ok(Made::Settled(key, Reason::SourceUnreadable, last.to_string()));
                }
                Some(last) => return Err(Error::Source { what: "a record's details", source: last }),
                None => return Err(Error::Draining),
            },
        };
        let made = self.ready(errand, key, record).await?;
        self.metrics.carry_seconds.observe(started.elapsed().as_secs_f64());
        Ok(made)
    }

    /// Stages a record's files and puts it into a message.
    pub(crate) async fn ready(
        &self,
        errand: &Errand,
        key: RecordKey,
        mut record: Record,
    ) -> Result<Made, Error> {
        let staged_bytes = self.stage(errand, &key, &mut record).await?;
        self.context.crash.reached_with(crash_points::STAGED, [key.kind]).await?;
        let told = self.entry(errand.run, &key, extracted(&record));
        let message = self.message(errand, &key, &Intake { record }).await?;
        let staged_kib = u32::try_from(staged_bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        Ok(Made::Ready(Box::new(Ready { key, message, staged_kib, told })))
    }

    /// Publishes a record that comes from no source (the stand-in customer).
    pub(crate) async fn carry_made(&self, errand: &Errand, record: Record) -> Result<(), Error> {
        let key = record.key();
        let registration = Registration {
            key: key.clone(),
            fingerprint: fingerprint(&errand.plan.hash, 0),
            verdict: Verdict::Selected,
            implied: true,
        };
        let registered = self.ledger.register(errand.run, &[registration]).await.during("register")?;
        if registered.iter().any(|answer| answer.outcome == Outcome::Publish || answer.row.due().is_some()) {
            let made = self.ready(errand, key, record).await?;
            self.hand_over(errand, vec![made]).await?;
        }
        Ok(())
    }

    pub(crate) async fn hand_over(&self, errand: &Errand, chunk: Vec<Made>) -> Result<(), Error> {
        let (mut history, mut messages, mut carried, mut settled) = (vec![], vec![], vec![], vec![]);
        for made in chunk {
            match made {
                Made::Ready(ready) => {
                    history.push(ready.told);
                    messages.push(ready.message);
                    carried.push((ready.key, ready.staged_kib));
                }
                Made::Settled(key, reason, detail) => {
                    history.push(self.entry(errand.run, &key, settled_line(reason, detail)));
                    settled.push((key, reason));
                }
            }
        }
        self.journal(&history).await?;
        let kind = carried.first().map(|(key, _)| key.kind);
        let publish = || async {
            for result in self.publisher.publish(&self.queue(Stage::Intake), messages.clone()).await {
                result.during("publish a record")?;
            }
            Ok::<(), Error>(())
        };
        self.context.crash.step(crash_points::PUBLISHED, kind, publish).await?;
        let note = || async { self.ledger.published(&carried).await.during("note publications") };
        self.context.crash.step(crash_points::NOTED, kind, note).await?;
        let (skipped, failed): (Vec<_>, Vec<_>) =
            settled.into_iter().partition(|(_, reason)| *reason == Reason::DeletedAtSource);
        self.leave_out(errand, skipped, false).await?;
        self.leave_out(errand, failed, true).await
    }

    /// Settles records without writing them. Those that a loader had in its hands, so that something of them may be in Kayako,
    /// go to a loader, which finds out first.
    pub(crate) async fn leave_out(
        &self,
        errand: &Errand,
        records: Vec<(RecordKey, Reason)>,
        failed: bool,
    ) -> Result<(), Error> {
        if records.is_empty() {
            return Ok(());
        }
        let answers = if failed {
            self.ledger.fail(None, &records).await.during("fail")?
        } else {
            self.ledger.skip(None, &records).await.during("skip")?
        };
        let mut messages = Vec::new();
        for ((key, reason), answer) in records.into_iter().zip(answers) {
            if answer == Err(Refusal::Illegal) {
                let command = LoadCommand::Nothing(NothingCommand { failed, reason });
                let load = Load { key: key.clone(), command };
                messages.push(self.message(errand, &key, &load).await?);
            }
        }
        for result in self.publisher.publish(&self.queue(Stage::Load), messages).await {
            result.during("publish what a loader has to settle")?;
        }
        Ok(())
    }
}

fn judge(errand: &Errand, one: &Listed, cause: Cause) -> Registration {
    let plan = &errand.plan;
    let verdict = if one.facts.deleted && one.key.kind == Kind::Case {
        Verdict::Skipped(Reason::DeletedAtSource)
    } else if cause == Cause::Listing && one.key.kind == Kind::Case {
        model::selection::judge(&plan.criteria, &one.facts).map_or(Verdict::Selected, Verdict::Filtered)
    } else {
        Verdict::Selected
    };
    Registration {
        key: one.key.clone(),
        fingerprint: fingerprint(&plan.hash, one.version),
        verdict,
        implied: cause != Cause::Listing,
    }
}

/// Hash of everything that decides what a record becomes: the plan and the source's version.
pub(crate) fn fingerprint(plan_hash: &str, version: u64) -> u64 {
    version_of(&[plan_hash.as_bytes(), &version.to_le_bytes()])
}

/// A listing may show a record twice; the later one is the newer.
fn last_of_each(mut listed: Vec<Listed>) -> Vec<Listed> {
    let mut seen = HashSet::new();
    listed.reverse();
    listed.retain(|one| seen.insert(one.key.clone()));
    listed.reverse();
    listed
}

/// Whether a failed reading says something about this record only, rather than about the source.
fn is_its_own(error: &sources::Error) -> bool {
    matches!(error.class(), FailureClass::Rejected | FailureClass::Internal)
        || matches!(error, sources::Error::Incomplete { .. } | sources::Error::UnusableRecord { .. })
}

fn settled_line(reason: Reason, detail: String) -> What {
    if reason == Reason::DeletedAtSource {
        What::Skipped { reason, detail }
    } else {
        What::Failed { reason, detail }
    }
}

fn extracted(record: &Record) -> What {
    let Record::Case(case) = record else {
        return What::Extracted { posts: 0, attachments: 0, missing: Vec::new() };
    };
    let files = case.posts.iter().flat_map(|post| &post.attachments);
    let mut attachments = 0;
    let mut missing = Vec::new();
    for file in files {
        match &file.content {
            Content::Missing(why) => missing.push(format!("{}: {why}", file.id)),
            _ => attachments += 1,
        }
    }
    What::Extracted { posts: u32::try_from(case.posts.len()).unwrap_or(u32::MAX), attachments, missing }
}
