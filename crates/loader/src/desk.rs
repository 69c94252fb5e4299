//! What all steps of a batch share.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use blobs::Blobs;
use bytes::Bytes;
use kayako::Client;
use ledger::Ledger;
use model::facts;
use model::journal::{Entry, What};
use model::plan::{EmailAddress, Plan};
use model::run::{Run, RunStatus};
use model::timing::Timing;
use model::{Fence, MigrationId, Origin, RecordKey, RunNo, UnixMillis};
use queue::{Broker, Delivery, Publisher, QueueName, Stage};
use runtime::Context;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::catalogue::Catalogue;
use crate::error::{During, Error};
use crate::metrics::Metrics;
use crate::surplus::Surplus;
use crate::upload::FILE_ROOM;

/// The loader's tools.
pub(crate) struct Desk {
    pub(crate) migration: MigrationId,
    pub(crate) client: Client,
    pub(crate) ledger: Ledger,
    pub(crate) blobs: Blobs,
    pub(crate) publisher: Arc<dyn Publisher>,
    pub(crate) origin: Origin,
    pub(crate) timing: Timing,
    pub(crate) context: Context,
    pub(crate) metrics: Metrics,
    pub(crate) uploads_in_flight: usize,
    catalogues: tokio::sync::Mutex<HashMap<String, Arc<Catalogue>>>,
    /// A full run of this ledger is finished.
    pub(crate) knows_the_account: AtomicBool,
    /// Bytes of files that may be in memory; one for each.
    pub(crate) file_room: Semaphore,
}

/// The deliveries of a batch, so that a batch that cannot go on can still give its messages back.
pub(crate) struct Hands {
    deliveries: Mutex<Vec<Option<Delivery>>>,
    /// The ledger's time when the batch was claimed, and ours: the ledger's clock decides, and asking it for every
    /// comparison would cost a round trip.
    clock: Mutex<Option<(UnixMillis, Instant)>>,
    /// Until when each record is ours, by the ledger's clock.
    leases: Mutex<HashMap<RecordKey, UnixMillis>>,
}

impl Hands {
    pub(crate) fn new(deliveries: Vec<Delivery>) -> Self {
        Self {
            deliveries: Mutex::new(deliveries.into_iter().map(Some).collect()),
            clock: Mutex::new(None),
            leases: Mutex::default(),
        }
    }

    pub(crate) fn take(&self, ticket: usize) -> Option<Delivery> {
        self.deliveries.lock().unwrap_or_else(PoisonError::into_inner).get_mut(ticket).and_then(Option::take)
    }

    /// Every delivery that was not settled.
    pub(crate) fn rest(&self) -> Vec<Delivery> {
        let mut deliveries = self.deliveries.lock().unwrap_or_else(PoisonError::into_inner);
        deliveries.iter_mut().filter_map(Option::take).collect()
    }

    /// These records are ours until then.
    pub(crate) fn hold<'a>(&self, keys: impl IntoIterator<Item = &'a RecordKey>, until: UnixMillis) {
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        leases.extend(keys.into_iter().map(|key| (key.clone(), until)));
    }

    /// The moment at which the first of these records ceases to be ours: what must not be done by two is over by then.
    pub(crate) fn held_until<'a>(
        &self,
        keys: impl IntoIterator<Item = &'a RecordKey>,
    ) -> tokio::time::Instant {
        let (now, here) = (self.now(), tokio::time::Instant::now());
        let leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        let ends = keys.into_iter().map(|key| leases.get(key).copied().unwrap_or(now));
        here + now.until(ends.min().unwrap_or(now))
    }

    /// `asked` is when the claim was sent, `now` what the ledger's clock showed while it was answered.
    pub(crate) fn set_clock(&self, asked: Instant, now: UnixMillis) {
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, asked));
    }

    /// The ledger's time, estimated from the claim: never early, late at most by the claim's own round trip. Pauses become
    /// longer by it and a last moment of sending later, never the other way round, on which the quiet period rests.
    pub(crate) fn now(&self) -> UnixMillis {
        match *self.clock.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((at, asked)) => at.plus(asked.elapsed()),
            None => UnixMillis(0),
        }
    }
}

impl Desk {
    #[expect(clippy::too_many_arguments, reason = "built in one place, from the parts a service is given")]
    pub(crate) fn new(
        migration: MigrationId,
        client: Client,
        ledger: Ledger,
        blobs: Blobs,
        broker: &dyn Broker,
        origin: Origin,
        timing: Timing,
        context: Context,
        metrics: Metrics,
        uploads_in_flight: usize,
    ) -> Self {
        Self {
            migration,
            client,
            ledger,
            blobs,
            publisher: broker.publisher(),
            origin,
            timing,
            context,
            metrics,
            uploads_in_flight,
            catalogues: tokio::sync::Mutex::default(),
            knows_the_account: AtomicBool::new(false),
            file_room: Semaphore::new(FILE_ROOM as usize),
        }
    }

    pub(crate) fn queue(&self, stage: Stage) -> QueueName {
        QueueName::new(self.migration.as_str(), stage)
    }

    /// What the account offers for a run's plan, read once.
    pub(crate) async fn catalogue(&self, hash: &str) -> Result<Arc<Catalogue>, Error> {
        let mut catalogues = self.catalogues.lock().await;
        if let Some(catalogue) = catalogues.get(hash) {
            return Ok(Arc::clone(catalogue));
        }
        let stored: Option<(_, facts::StoredPlan)> =
            self.ledger.document(&facts::plan(hash)).await.during("read the plan")?;
        let broken = |problem: String| Error::Plan { hash: hash.to_owned(), problem };
        let (_, stored) = stored.ok_or_else(|| broken("it is not in the ledger".to_owned()))?;
        let plan = Plan::parse(&stored.yaml).map_err(|problems| broken(problems.to_string()))?;
        let default_agent = plan.agents.default.as_ref().map(EmailAddress::as_str);
        let mailbox = plan.target.mailbox.as_ref().map(EmailAddress::as_str);
        let catalogue = Arc::new(Catalogue::read(&self.client, default_agent, mailbox).await?);
        catalogues.insert(hash.to_owned(), Arc::clone(&catalogue));
        Ok(catalogue)
    }

    /// A person may have changed the account while the run was stopped: log in and look again.
    pub(crate) async fn start_afresh(&self) {
        self.client.allow_login_again();
        self.catalogues.lock().await.clear();
    }

    /// Runs `work` while renewing the lease of the records in hand, so that long uploads or many steps do not cost
    /// the claim. Rows that are settled meanwhile refuse the renewal, which is fine.
    pub(crate) async fn renewing<T>(
        &self,
        hands: &Hands,
        fence: Fence,
        keys: &[RecordKey],
        work: impl Future<Output = T>,
    ) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = self.context.clock.sleep(self.timing.lease / 3) => {
                    // A request on its way is not given up for one lost renewal: a lease that ends is noticed by the ledger, which
                    // refuses the next step, and giving up would put the whole batch in doubt.
                    match self.ledger.renew(fence, keys, self.timing.lease).await {
                        Ok((until, answers)) => {
                            let ours = keys.iter().zip(&answers).filter(|(_, answer)| answer.is_ok());
                            hands.hold(ours.map(|(key, _)| key), until);
                        }
                        Err(error) => {
                            tracing::warn!(error = %error, "a lease could not be renewed; trying again");
                        }
                    }
                }
            }
        }
    }

    /// One line of a record's history.
    pub(crate) fn entry(&self, run: RunNo, key: &RecordKey, what: What) -> Entry {
        Entry { at: self.context.clock.now(), run, key: key.clone(), what }
    }

    /// Stores history lines; durable when it returns.
    pub(crate) async fn journal(&self, entries: &[Entry]) -> Result<(), Error> {
        if entries.is_empty() {
            return Ok(());
        }
        let lines = entries.iter().map(|entry| Bytes::from(entry.encode())).collect();
        let now = self.context.clock.now();
        self.blobs.append(self.migration.as_str(), now, lines).await.during("write the journal")
    }

    /// What removes surplus objects.
    pub(crate) fn surplus(&self) -> Surplus<'_> {
        Surplus {
            migration: &self.migration,
            client: &self.client,
            blobs: &self.blobs,
            context: &self.context,
            trashed: &self.metrics.surplus,
        }
    }

    /// Stops the run for all replicas: no further call can succeed until a person acts.
    pub(crate) async fn halt(&self, run: RunNo, message: String) -> Result<(), Error> {
        let name = facts::run(run);
        loop {
            let Some((version, mut found)) =
                self.ledger.document::<Run>(&name).await.during("read the run")?
            else {
                return Ok(());
            };
            if found.status != RunStatus::Running {
                return Ok(());
            }
            tracing::error!(run = run.0, reason = message, "the run is halted");
            found.status = RunStatus::Halted { message: message.clone() };
            if self.ledger.put_document(&name, Some(version), &found).await.during("halt the run")?.is_ok() {
                self.metrics.halts.inc();
                return Ok(());
            }
        }
    }

    /// Where a record's staged bytes lie.
    pub(crate) fn staged(&self, key: &RecordKey) -> Result<Blobs, Error> {
        self.blobs.within(&key.staging(&self.migration)).during("find staged files")
    }

    /// How long the shortest useful pause is.
    pub(crate) fn short_pause(&self) -> Duration {
        self.timing.job_poll
    }
}

#[cfg(test)]
mod tests {
    use model::Kind;

    use super::*;

    #[test]
    fn what_two_must_not_do_is_over_when_the_first_lease_ends() {
        let [long, short, others] = ["1", "2", "3"].map(|id| RecordKey::new(Kind::User, id));
        let hands = Hands::new(Vec::new());
        hands.set_clock(Instant::now(), UnixMillis(1_000));
        hands.hold([&long, &short], UnixMillis(1_001_000));
        // The renewal of one of them was refused.
        hands.hold([&long], UnixMillis(2_001_000));
        assert!(hands.held_until([&long, &short]) < hands.held_until([&long]));
        assert!(hands.held_until([&short]) > tokio::time::Instant::now());
        assert!(hands.held_until([&others]) <= tokio::time::Instant::now(), "not ours");
        assert!(hands.held_until([&long, &others]) <= tokio::time::Instant::now());
        hands.hold([&short], UnixMillis(500));
        assert!(hands.held_until([&short]) <= tokio::time::Instant::now(), "its lease has ended");
    }
}
