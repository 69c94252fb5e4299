//! What an operator can do to a migration. Each command changes one fact; services and reconcilers follow it.

use ledger::Ledger;
use model::RunNo;
use model::facts::{self, Accounts, Current, LoginBlock, StoredPlan};
use model::plan::Plan;
use model::run::{Run, RunMode, RunStatus};

use crate::error::{During, Error};

/// The commands of one migration.
#[derive(Debug, Clone)]
pub struct Commands {
    pub(crate) ledger: Ledger,
}

impl Commands {
    /// Over the migration's ledger.
    pub fn new(ledger: Ledger) -> Self {
        Self { ledger }
    }

    /// Starts a run of a resolved plan. An unfinished run of the same plan and mode is resumed instead.
    ///
    /// # Errors
    /// [`Error::Unfinished`] if another run is not over, [`Error::OtherAccount`] if the ledger's rows speak of other accounts.
    pub async fn start(&self, plan: &Plan, mode: RunMode, seed: Option<u64>) -> Result<Run, Error> {
        self.same_accounts(plan).await?;
        let hash = plan.hash();
        loop {
            let current =
                self.ledger.document::<Current>(facts::CURRENT).await.during("read the current run")?;
            if let Some((_, current)) = &current
                && let Some(run) = self.run(current.run).await?
                && !run.status.is_over()
            {
                if run.plan_hash == hash && run.mode == mode {
                    self.store_plan(&hash, plan).await?;
                    return if run.status == RunStatus::Running { Ok(run) } else { self.resume().await };
                }
                return Err(Error::Unfinished {
                    number: run.number.0,
                    mode: run.mode.name(),
                    status: run.status.name(),
                });
            }
            self.store_plan(&hash, plan).await?;
            let number = RunNo(current.as_ref().map_or(0, |(_, current)| current.run.0) + 1);
            let started_at = self.ledger.now().await.during("read the time")?;
            let run = Run {
                number,
                mode,
                status: RunStatus::Running,
                plan_hash: hash.clone(),
                sample: Vec::new(),
                seed,
                opened: Vec::new(),
                started_at,
                ended_at: None,
            };
            // The run first, then the pointer: a pointer to nothing would stop every service.
            let name = facts::run(number);
            let known =
                self.ledger.document::<Run>(&name).await.during("read the run")?.map(|(version, _)| version);
            if self.ledger.put_document(&name, known, &run).await.during("store the run")?.is_err() {
                continue;
            }
            let expected = current.map(|(version, _)| version);
            let pointer = Current { run: number };
            if self
                .ledger
                .put_document(facts::CURRENT, expected, &pointer)
                .await
                .during("start the run")?
                .is_ok()
            {
                return Ok(run);
            }
        }
    }

    /// Refuses a plan between other accounts than those the ledger's rows speak of; notes them at the first start.
    async fn same_accounts(&self, plan: &Plan) -> Result<(), Error> {
        let given = Accounts { source: plan.source.url().to_string(), target: plan.target.url.to_string() };
        loop {
            let known =
                self.ledger.document::<Accounts>(facts::ACCOUNTS).await.during("read the accounts")?;
            let Some((_, known)) = known else {
                let noted = self.ledger.put_document(facts::ACCOUNTS, None, &given).await;
                if noted.during("note the accounts")?.is_ok() {
                    return Ok(());
                }
                continue;
            };
            let sides = [("source", known.source, given.source), ("target", known.target, given.target)];
            let other = sides.into_iter().find(|(_, known, given)| known != given);
            return match other {
                Some((side, known, given)) => Err(Error::OtherAccount { side, known, given }),
                None => Ok(()),
            };
        }
    }

    async fn store_plan(&self, hash: &str, plan: &Plan) -> Result<(), Error> {
        let name = facts::plan(hash);
        let stored = StoredPlan { yaml: plan.document() };
        let found = self.ledger.document::<StoredPlan>(&name).await.during("read the plan")?;
        // The same hash may come with other limits or another secret's name: the newest counts.
        if found.as_ref().is_some_and(|(_, known)| *known == stored) {
            return Ok(());
        }
        let expected = found.map(|(version, _)| version);
        self.ledger.put_document(&name, expected, &stored).await.during("store the plan")?.ok();
        Ok(())
    }

    /// A run by number.
    pub async fn run(&self, number: RunNo) -> Result<Option<Run>, Error> {
        Ok(self.ledger.document(&facts::run(number)).await.during("read the run")?.map(|(_, run)| run))
    }

    /// All runs, oldest first.
    pub async fn runs(&self) -> Result<Vec<Run>, Error> {
        let found = self.ledger.documents::<Run>(facts::RUNS).await.during("read the runs")?;
        Ok(found.into_iter().map(|(_, _, run)| run).collect())
    }

    /// The run that is worked on, or was last.
    pub async fn current(&self) -> Result<Option<Run>, Error> {
        let current = self.ledger.document::<Current>(facts::CURRENT).await.during("read the current run")?;
        match current {
            Some((_, current)) => self.run(current.run).await,
            None => Ok(None),
        }
    }

    /// The plan of a run, as it was resolved.
    pub async fn plan_of(&self, run: &Run) -> Result<Option<StoredPlan>, Error> {
        let found = self.ledger.document(&facts::plan(&run.plan_hash)).await.during("read the plan")?;
        Ok(found.map(|(_, plan)| plan))
    }

    /// What the last comparison of a run with Kayako came to.
    pub async fn reconciliation(&self, run: RunNo) -> Result<Option<facts::Reconciliation>, Error> {
        let name = facts::reconciliation(run);
        let found = self.ledger.document(&name).await.during("read the last comparison")?;
        Ok(found.map(|(_, reconciliation)| reconciliation))
    }

    /// Remembers what a comparison with Kayako came to, as part of the run.
    pub async fn note_reconciliation(
        &self,
        run: RunNo,
        reconciliation: &facts::Reconciliation,
    ) -> Result<(), Error> {
        let name = facts::reconciliation(run);
        loop {
            let known = self
                .ledger
                .document::<facts::Reconciliation>(&name)
                .await
                .during("read the last comparison")?
                .map(|(version, _)| version);
            let noted = self.ledger.put_document(&name, known, reconciliation).await;
            if noted.during("note a comparison")?.is_ok() {
                return Ok(());
            }
        }
    }

    /// Services stop taking work and finish what is in hand.
    pub async fn pause(&self) -> Result<Run, Error> {
        self.change(|_| RunStatus::Paused).await
    }

    /// Work goes on, also after a halt.
    pub async fn resume(&self) -> Result<Run, Error> {
        self.allow_login_again().await?;
        self.change(|_| RunStatus::Running).await
    }

    /// Forgets a refused log-in: an operator says that the credentials are right now.
    async fn allow_login_again(&self) -> Result<(), Error> {
        loop {
            let found = self
                .ledger
                .document::<Option<LoginBlock>>(facts::LOGIN_BLOCK)
                .await
                .during("read the log-in block")?;
            let Some((version, Some(_))) = found else { return Ok(()) };
            let cleared =
                self.ledger.put_document(facts::LOGIN_BLOCK, Some(version), &None::<LoginBlock>).await;
            if cleared.during("remove the log-in block")?.is_ok() {
                return Ok(());
            }
        }
    }

    /// Gives the run up. What was migrated stays; what is in the queues is deleted by a reconciler.
    pub async fn cancel(&self) -> Result<Run, Error> {
        self.change(|_| RunStatus::Cancelled).await
    }

    async fn change(&self, to: impl Fn(&Run) -> RunStatus) -> Result<Run, Error> {
        loop {
            let Some(current) = self.current().await? else { return Err(Error::NoRun) };
            let name = facts::run(current.number);
            let Some((version, mut run)) = self.ledger.document::<Run>(&name).await.during("read the run")?
            else {
                return Err(Error::NoRun);
            };
            if run.status.is_over() {
                return Err(Error::Over { number: run.number.0, status: run.status.name() });
            }
            run.status = to(&run);
            if run.status.is_over() {
                run.ended_at = Some(self.ledger.now().await.during("read the time")?);
            }
            if self.ledger.put_document(&name, Some(version), &run).await.during("change the run")?.is_ok() {
                return Ok(run);
            }
        }
    }
}
