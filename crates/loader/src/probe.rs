//! Settles records in doubt: finds out whether an earlier write took effect, before anything is sent again.
//!
//! Constraints: a job that is known is asked first, and only its end settles anything; without a job the claim has
//! already waited for the quiet period. Absence counts only when two completed look-ups, one visibility delay apart, agree. Several objects
//! of one origin key are a double: the oldest stays, the others go to the trash.

use std::collections::{BTreeMap, HashMap};

use futures::future::join_all;
use futures::stream::{self, StreamExt};
use kayako::JobStatus;
use model::journal::What;
use model::row::{Arrival, State, Wait};
use model::transition::Event;
use model::{Classify, FailureClass, Fence, JobId, Kind};

use crate::crash_points;
use crate::desk::{Desk, Hands};
use crate::error::{During, Error};
use crate::settle::Ending;
use crate::target::{Object, Seen, by_origin_key};
use crate::work::Work;

/// What the probe found out.
#[derive(Debug, Default)]
pub(crate) struct Probed {
    /// Certainly not there: to be sent, each alone.
    pub(crate) absent: Vec<Work>,
    /// There: the remaining steps are resumed.
    pub(crate) present: Vec<(Work, Object)>,
}

impl Desk {
    /// Probes records in doubt; those that cannot be settled yet are parked.
    pub(crate) async fn probe(
        &self,
        hands: &Hands,
        fence: Fence,
        kind: Kind,
        works: Vec<Work>,
    ) -> Result<Probed, Error> {
        let mut probed = Probed::default();
        if works.is_empty() {
            return Ok(probed);
        }
        let (ready, mut endings, halt) = self.jobs_over(hands, works).await;
        if let Some(error) = halt {
            self.halted_by(&error).await?;
        }
        let keys: Vec<&str> = ready.iter().map(|work| work.origin_key.as_str()).collect();
        let look_up = || async { Ok::<_, Error>(by_origin_key(&self.client, kind, &keys).await) };
        let mut found = match self.context.crash.step(crash_points::PROBED, [kind], look_up).await? {
            Ok(found) => found,
            Err(error) => {
                let class = error.class();
                let until = hands.now().plus(self.timing.visibility);
                endings.extend(
                    ready.into_iter().map(|work| (work, later(until, class.name(), &error.to_string()))),
                );
                self.settle(hands, fence, endings).await?;
                return self.halted_by(&error).await.map(|()| probed);
            }
        };
        let mut history = Vec::new();
        let mut absent = Vec::new();
        let mut present = Vec::new();
        for work in ready {
            let seen = found.remove(work.origin_key.as_str()).unwrap_or(Seen::Unknown);
            match seen {
                Seen::Found(objects) => {
                    let what = What::Probed { found: u32::try_from(objects.len()).unwrap_or(u32::MAX) };
                    history.push(self.entry(work.incoming.run, work.key(), what));
                    present.push((work, objects));
                }
                Seen::Absent => {
                    history.push(self.entry(work.incoming.run, work.key(), What::Probed { found: 0 }));
                    absent.push(work);
                }
                Seen::Unknown => {
                    let until = hands.now().plus(self.timing.visibility);
                    endings.push((work, later(until, "ambiguous", "the look-up did not settle it")));
                }
            }
        }
        self.journal(&history).await?;
        self.settle(hands, fence, endings).await?;
        probed.present = self.single_out(present).await?;
        probed.present = self.present(hands, fence, probed.present, Arrival::Created).await?;
        probed.absent = self.absent(hands, fence, absent).await?;
        Ok(probed)
    }

    /// Splits off records whose job still runs.
    async fn jobs_over(
        &self,
        hands: &Hands,
        works: Vec<Work>,
    ) -> (Vec<Work>, Vec<(Work, Ending)>, Option<kayako::Error>) {
        let mut by_job: BTreeMap<Option<JobId>, Vec<Work>> = BTreeMap::new();
        for work in works {
            by_job.entry(work.flight().job).or_default().push(work);
        }
        let asked = join_all(by_job.into_iter().map(|(job, works)| async move {
            let verdict = match job {
                None => Ok(true),
                Some(job) => {
                    self.client.job(kayako::JobId::from(job.0)).await.map(|job| job.status.is_terminal())
                }
            };
            (works, verdict)
        }));
        let mut ready = Vec::new();
        let mut endings = Vec::new();
        let mut halt = None;
        for (works, verdict) in asked.await {
            for work in works {
                let sent = work.flight().last_send_at.unwrap_or(hands.now());
                let given_up = sent.plus(self.timing.job_timeout.max(self.timing.quiet)) <= hands.now();
                match &verdict {
                    Ok(true) => ready.push(work),
                    // A job that never ends is, after its time, as good as unknown.
                    _ if given_up => ready.push(work),
                    Ok(false) => {
                        let until = hands.now().plus(self.timing.job_poll * 4);
                        endings.push((work, later(until, "ambiguous", "the job has not ended")));
                    }
                    Err(error) => {
                        let until = hands.now().plus(self.timing.visibility);
                        endings.push((work, later(until, error.class().name(), &error.to_string())));
                    }
                }
            }
            if let Err(error) = verdict
                && error.class() == FailureClass::Halt
            {
                halt = Some(error);
            }
        }
        (ready, endings, halt)
    }

    /// Keeps the oldest object of each record; what is too many is removed where that is possible.
    pub(crate) async fn single_out(
        &self,
        found: Vec<(Work, Vec<Object>)>,
    ) -> Result<Vec<(Work, Object)>, Error> {
        let mut kept = Vec::with_capacity(found.len());
        for (work, objects) in found {
            let mut objects = objects.into_iter();
            let Some(oldest) = objects.next() else { continue };
            let surplus: Vec<_> = objects.map(|object| object.id).collect();
            self.surplus().remove(work.incoming.run, work.key(), &surplus).await?;
            kept.push((work, oldest));
        }
        Ok(kept)
    }

    /// Records that the objects exist.
    pub(crate) async fn present(
        &self,
        hands: &Hands,
        fence: Fence,
        found: Vec<(Work, Object)>,
        arrival: Arrival,
    ) -> Result<Vec<(Work, Object)>, Error> {
        if found.is_empty() {
            return Ok(found);
        }
        let mut history = Vec::with_capacity(found.len());
        let mut events = Vec::with_capacity(found.len());
        for (work, object) in &found {
            let what = What::Present { id: object.id, arrival };
            history.push(self.entry(work.incoming.run, work.key(), what));
            // From a fresh claim only an earlier ledger's own object can have arrived by being created.
            let event = if work.row.state == State::Claimed && arrival == Arrival::Created {
                Event::Recovered { fence, id: object.id }
            } else {
                Event::Created { fence, id: object.id, arrival }
            };
            events.push((work.key().clone(), event));
        }
        // Adopted objects carry no origin key of ours: only the journal could find them again after a lost ledger.
        self.journal(&history).await?;
        let rows = self.ledger.apply(&events).await.during("store created ids")?;
        let mut present = Vec::with_capacity(found.len());
        for ((mut work, object), row) in found.into_iter().zip(rows) {
            match row {
                Ok(row) => {
                    work.row = row;
                    present.push((work, object));
                }
                Err(refusal) => {
                    tracing::debug!(record = %work.key(), %refusal, "another worker took the record over");
                    self.done(hands, work.incoming.ticket).await?;
                }
            }
        }
        Ok(present)
    }

    async fn absent(&self, hands: &Hands, fence: Fence, works: Vec<Work>) -> Result<Vec<Work>, Error> {
        let confirm_at = hands.now().plus(self.timing.visibility);
        let events: Vec<_> =
            works.iter().map(|work| (work.key().clone(), Event::Absent { fence, confirm_at })).collect();
        let rows = self.ledger.apply(&events).await.during("store absence")?;
        let mut to_send = Vec::new();
        for (mut work, row) in works.into_iter().zip(rows) {
            match row {
                Ok(row) if row.state == State::Claimed => {
                    work.row = row;
                    to_send.push(work);
                }
                Ok(row) => {
                    let until = row.flight.map_or(confirm_at, |flight| flight.not_before);
                    self.delay(hands, work.incoming, hands.now().until(until)).await?;
                }
                Err(_) => self.done(hands, work.incoming.ticket).await?,
            }
        }
        Ok(to_send)
    }

    /// Waits for a job's end; `None` if it did not end in time.
    pub(crate) async fn job_end(&self, job: kayako::Job) -> Result<Option<kayako::Job>, Error> {
        let clock = &self.context.clock;
        let started = clock.now();
        let mut pause = self.timing.job_poll / 8;
        let mut current = job;
        // A lease that ends while we wait is not a danger (the job is stored), but another loader would do our work again.
        let patience = self.timing.lease * 4;
        loop {
            if current.status.is_terminal() {
                return Ok(Some(current));
            }
            if let JobStatus::Other(word) = &current.status {
                tracing::warn!(status = %word, "a bulk job has a state we do not know; waiting for one we know");
            }
            if started.until(clock.now()) > patience {
                return Ok(None);
            }
            clock.sleep(pause).await;
            pause = (pause * 2).min(self.timing.job_poll);
            match self.client.job(current.id).await {
                Ok(next) => current = next,
                Err(error) if error.class().is_retryable_read() => {
                    tracing::debug!(error = %error, "a job could not be asked; asking again");
                }
                Err(error) => {
                    tracing::warn!(error = %error, "a job could not be asked");
                    return Ok(None);
                }
            }
        }
    }

    /// Looks created objects up, again after growing pauses while some are not visible yet.
    pub(crate) async fn look_up(
        &self,
        kind: Kind,
        works: &[Work],
    ) -> Result<HashMap<String, Seen>, kayako::Error> {
        let keys: Vec<&str> = works.iter().map(|work| work.origin_key.as_str()).collect();
        let mut found = by_origin_key(&self.client, kind, &keys).await?;
        // Objects usually show within a second; the long visibility delay is spent in the ladder, not here.
        let mut pauses = stream::iter([50, 10, 3].map(|part| self.timing.visibility / (part * 4)));
        while let Some(pause) = pauses.next().await {
            let open: Vec<&str> =
                keys.iter().copied().filter(|key| !matches!(found.get(*key), Some(Seen::Found(_)))).collect();
            if open.is_empty() {
                break;
            }
            self.context.clock.sleep(pause).await;
            for (key, seen) in by_origin_key(&self.client, kind, &open).await? {
                found.insert(key, seen);
            }
        }
        Ok(found)
    }

    /// Halts the run if this error means that nothing can succeed until a person acts.
    pub(crate) async fn halted_by(&self, error: &kayako::Error) -> Result<(), Error> {
        if error.class() != model::FailureClass::Halt {
            return Ok(());
        }
        let Some(current) = self.ledger.current_run().await.during("read the current run")? else {
            return Ok(());
        };
        self.halt(current, error.to_string()).await
    }
}

pub(crate) fn later(until: model::UnixMillis, class: &'static str, detail: &str) -> Ending {
    Ending::Parked { wait: Wait::Retry, until, attempt: false, class, detail: detail.to_owned() }
}
