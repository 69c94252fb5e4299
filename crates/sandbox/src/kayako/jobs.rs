//! The jobs that carry out bulk inserts (reference section 4.2).
//!
//! Constraints. A job's effects come at their due times, item by item, whether or not anybody asks: every call first carries out
//! what has become due since the last one, with the clock set to the moment it was due. So a look-up made while a job runs sees
//! a part of its items, and a crash of the caller changes nothing.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::{Value, json};

use super::bulk::Batch;
use super::envelope::{Answer, Failure};
use super::state::{State, stamp};
use super::switches::JobResults;
use super::table::Table;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Completed,
    Failed,
}

/// What becomes of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It ends.
    Ends,
    /// It carries out so many items and fails.
    DiesAfter(usize),
    /// It carries out so many items and is RUNNING for ever.
    HangsAfter(usize),
}

/// One bulk insert.
struct Job {
    batch: Arc<Batch>,
    items: VecDeque<Value>,
    /// Items carried out or refused so far.
    next: usize,
    total: usize,
    submitted_ms: i64,
    start_ms: i64,
    first_item_ms: i64,
    item_ms: i64,
    fate: Fate,
    /// What it creates appears so much later.
    late_ms: u64,
    ending: Option<Ending>,
    changed_ms: i64,
    errors: Vec<Value>,
    invalid_records: Vec<Value>,
}

/// All jobs.
#[derive(Default)]
pub(crate) struct Jobs {
    rows: Table<Job>,
    active: VecDeque<u64>,
    /// When each worker is free again.
    workers: Vec<i64>,
    /// Items that jobs have come to, for [`super::Switches::job_passes_over_every`].
    items: u64,
}

impl Jobs {
    /// Jobs that will never end.
    pub(crate) fn hanging(&self) -> usize {
        self.active
            .iter()
            .filter(|id| self.rows.get(**id).is_some_and(|job| matches!(job.fate, Fate::HangsAfter(_))))
            .count()
    }
}

impl State {
    /// Carries out everything that has become due.
    pub(crate) fn run_due_jobs(&mut self) {
        if self.jobs.active.is_empty() {
            return;
        }
        let now = self.now_ms;
        let mut still = VecDeque::new();
        while let Some(id) = self.jobs.active.pop_front() {
            let Some(mut job) = self.jobs.rows.get_mut(id).map(Job::lend) else {
                continue;
            };
            self.late_ms = job.late_ms;
            if job.batch.partial {
                self.run_items(&mut job, now);
            } else if job.end_ms() <= now {
                self.run_whole(&mut job);
            }
            self.late_ms = 0;
            if job.ending.is_none() {
                still.push_back(id);
            }
            if let Some(slot) = self.jobs.rows.get_mut(id) {
                *slot = job;
            }
        }
        self.now_ms = now;
        self.jobs.active = still;
    }

    /// Item by item; invalid ones are left out.
    fn run_items(&mut self, job: &mut Job, now: i64) {
        while job.ending.is_none() {
            let due = job.first_item_ms + job.item_ms * i64::try_from(job.next + 1).unwrap_or(i64::MAX / 2);
            if job.fate == Fate::HangsAfter(job.next) {
                return;
            }
            let dies = job.fate == Fate::DiesAfter(job.next);
            if !dies && job.next < job.total && due > now {
                return;
            }
            self.now_ms = due.min(now);
            job.changed_ms = self.now_ms;
            if dies {
                job.end(Ending::Failed);
            } else if let Some(item) = job.items.pop_front() {
                self.run_item(job, item);
                job.next += 1;
            } else {
                job.end(Ending::Completed);
            }
        }
    }

    fn run_item(&mut self, job: &mut Job, item: Value) {
        let place = job.next;
        self.jobs.items += 1;
        let every = self.switches.job_passes_over_every;
        if every > 0 && self.jobs.items.is_multiple_of(every) {
            return;
        }
        let legacy_id = item.get("legacy_id").cloned().unwrap_or(Value::Null);
        let kept = (self.switches.job_results == JobResults::Records).then(|| item.clone());
        match self.draft(&job.batch, item) {
            Ok(draft) => self.insert_draft(draft),
            Err(failure) => {
                job.note_failure(failure.within(job.batch.kind.plural(), place), &legacy_id);
                job.invalid_records.extend(kept);
            }
        }
    }

    /// All items or none.
    fn run_whole(&mut self, job: &mut Job) {
        if matches!(job.fate, Fate::HangsAfter(_)) {
            return;
        }
        self.now_ms = job.end_ms();
        job.changed_ms = self.now_ms;
        let items = std::mem::take(&mut job.items);
        let (drafts, failures) = self.draft_all(&job.batch, items);
        let failed = !failures.is_empty();
        for (failure, legacy_id) in failures {
            job.note_failure(failure, &legacy_id);
        }
        if failed {
            job.end(Ending::Failed);
            return;
        }
        let (survivors, dies) = match job.fate {
            Fate::DiesAfter(survivors) => (survivors, true),
            Fate::Ends | Fate::HangsAfter(_) => (drafts.len(), false),
        };
        for draft in drafts.into_iter().take(survivors) {
            self.insert_draft(draft);
        }
        job.next = survivors;
        job.end(if dies { Ending::Failed } else { Ending::Completed });
    }

    fn show_job(&self, id: u64, job: &Job) -> Value {
        let status = match job.ending {
            Some(Ending::Completed) => "COMPLETED",
            Some(Ending::Failed) => "FAILED",
            None if self.now_ms < job.start_ms => "PENDING",
            None => "RUNNING",
        };
        let mut shown = json!({
            "id": id,
            "status": status,
            "created_at": stamp(job.submitted_ms.div_euclid(1000)),
            "updated_at": stamp(job.changed_ms.div_euclid(1000)),
            "resource_type": "bulk_job",
            "resource_url": self.url("jobs", id),
        });
        if job.ending.is_some() && self.switches.job_results != JobResults::Nothing {
            shown["errors"] = Value::Array(job.errors.clone());
            if self.switches.job_results == JobResults::Records {
                shown["invalid_records"] = Value::Array(job.invalid_records.clone());
            }
        }
        shown
    }

    /// Queues a batch; answers the job's id.
    pub(crate) fn enqueue(&mut self, batch: Batch, items: VecDeque<Value>) -> u64 {
        let total = items.len();
        let (start_ms, first_item_ms, item_ms) = self.schedule(i64::try_from(total).unwrap_or(0));
        let number = self.jobs.rows.next_id();
        let is_one_of = |every: u64| every > 0 && number.is_multiple_of(every);
        let fate = if is_one_of(self.switches.job_dies_every) {
            Fate::DiesAfter(total / 2)
        } else if is_one_of(self.switches.job_hangs_every) {
            Fate::HangsAfter(total / 2)
        } else {
            Fate::Ends
        };
        let id = self.jobs.rows.insert(Job {
            batch: Arc::new(batch),
            items,
            next: 0,
            total,
            submitted_ms: self.now_ms,
            start_ms,
            first_item_ms,
            item_ms,
            fate,
            late_ms: self.late_ms,
            ending: None,
            changed_ms: self.now_ms,
            errors: Vec::new(),
            invalid_records: Vec::new(),
        });
        self.jobs.active.push_back(id);
        id
    }

    /// When a job of so many items starts, under the limit of workers.
    fn schedule(&mut self, total: i64) -> (i64, i64, i64) {
        let ms = |value: u64| i64::try_from(value).unwrap_or(i64::MAX / 4);
        let (pending, base) = (ms(self.switches.job_pending_ms), ms(self.switches.job_base_ms));
        let item = ms(self.switches.job_item_ms);
        let mut start = self.now_ms + pending;
        let workers = self.switches.job_workers;
        if workers > 0 {
            self.jobs.workers.resize(workers, 0);
            if let Some(free) = self.jobs.workers.iter_mut().min() {
                start = start.max(*free);
                *free = start + base + item * total;
            }
        }
        (start, start + base, item)
    }
}

impl Job {
    /// Takes the contents out, so that the account can be changed meanwhile; the caller puts them back.
    fn lend(&mut self) -> Self {
        Self {
            items: std::mem::take(&mut self.items),
            errors: std::mem::take(&mut self.errors),
            invalid_records: std::mem::take(&mut self.invalid_records),
            batch: Arc::clone(&self.batch),
            ..*self
        }
    }

    fn end_ms(&self) -> i64 {
        self.first_item_ms + self.item_ms * i64::try_from(self.total).unwrap_or(i64::MAX / 4)
    }

    fn end(&mut self, ending: Ending) {
        self.ending = Some(ending);
        self.items = VecDeque::new();
        // Lets go of the files that were held.
        let Batch { kind, partial, caller, .. } = &*self.batch;
        self.batch = Arc::new(Batch { kind: *kind, partial: *partial, caller: caller.clone(), held: None });
    }

    fn note_failure(&mut self, failure: Failure, legacy_id: &Value) {
        for complaint in failure.complaints {
            let mut error = json!(complaint);
            error["legacy_id"] = legacy_id.clone();
            self.errors.push(error);
        }
    }
}

/// `GET /jobs/:id`.
pub(crate) fn show(state: &State, id: u64) -> Result<Answer, Failure> {
    let job = state.jobs.rows.get(id).ok_or_else(Failure::not_found)?;
    let retention = state.scaled_ms(state.switches.job_retention_minutes * 60);
    if state.switches.job_retention_minutes > 0
        && job.ending.is_some()
        && state.now_ms - job.changed_ms > retention
    {
        return Err(Failure::not_found());
    }
    Ok(Answer::one("job", state.show_job(id, job)))
}
