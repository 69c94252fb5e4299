//! Bulk inserts and the jobs that carry them out (reference section 4.2).
//!
//! Constraints. A job's effects come at their due times, item by item, whether or not anybody asks: every call first carries out
//! what has become due since the last one, with the clock set to the moment it was due. So a look-up made while a job runs sees
//! a part of its items, and a crash of the caller changes nothing.

use std::collections::{HashMap, HashSet, VecDeque};

use serde_json::{Value, json};

use super::call::{Call, Caller, Role, Upload};
use super::case_drafts::{CaseDraft, Origin};
use super::envelope::{Answer, Failure};
use super::files::FileAccess;
use super::organizations::OrganizationDraft;
use super::params::Params;
use super::state::{State, stamp};
use super::switches::JobResults;
use super::table::Table;
use super::teams::TeamDraft;
use super::users::UserDraft;

/// Most items in one bulk insert (documented).
pub(crate) const MOST_ITEMS: usize = 200;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BulkKind {
    Teams,
    Organizations,
    Users,
    Cases,
}

impl BulkKind {
    fn from_path(name: &str) -> Option<Self> {
        Some(match name {
            "teams" => Self::Teams,
            "organizations" => Self::Organizations,
            "users" => Self::Users,
            "cases" => Self::Cases,
            _ => return None,
        })
    }

    fn plural(self) -> &'static str {
        match self {
            Self::Teams => "teams",
            Self::Organizations => "organizations",
            Self::Users => "users",
            Self::Cases => "cases",
        }
    }

    fn role(self) -> Role {
        match self {
            Self::Organizations | Self::Users => Role::Agent,
            // Not stated for cases; assumed.
            Self::Teams | Self::Cases => Role::Admin,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Completed,
    Failed,
}

/// One bulk insert.
struct Job {
    kind: BulkKind,
    items: VecDeque<Value>,
    /// Items carried out or refused so far.
    next: usize,
    total: usize,
    partial: bool,
    caller: Caller,
    /// Files taken at submission.
    held: Option<HashMap<u64, Upload>>,
    submitted_ms: i64,
    start_ms: i64,
    first_item_ms: i64,
    item_ms: i64,
    /// Carries out so many items and fails.
    dies_after: Option<usize>,
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
}

/// A record that passed validation.
enum Draft {
    Team(TeamDraft),
    Organization(OrganizationDraft),
    User(Box<UserDraft>),
    Case(Box<CaseDraft>),
}

impl State {
    fn draft(&self, job: &Job, item: Value) -> Result<Draft, Failure> {
        let params = Params::from_value(item).ok_or_else(|| Failure::invalid("", "An object is expected"))?;
        Ok(match job.kind {
            BulkKind::Teams => Draft::Team(self.draft_team(params)?),
            BulkKind::Organizations => Draft::Organization(self.draft_organization(params)?),
            BulkKind::Users => Draft::User(Box::new(self.draft_user(params, &job.caller)?)),
            BulkKind::Cases => {
                let access = FileAccess { owner: &job.caller.file_owner, held: job.held.as_ref() };
                Draft::Case(Box::new(self.draft_case(params, &job.caller, access, Origin::Bulk)?))
            }
        })
    }

    fn insert_draft(&mut self, draft: Draft) {
        match draft {
            Draft::Team(draft) => self.insert_team(draft),
            Draft::Organization(draft) => self.insert_organization(draft),
            Draft::User(draft) => self.insert_user(*draft),
            Draft::Case(draft) => self.insert_case(*draft),
        };
    }

    /// What two items of one batch may not share, with the parameter's name.
    fn natural_key(&self, draft: &Draft) -> Option<(&'static str, String)> {
        match draft {
            Draft::Team(draft) => {
                self.switches.team_title_unique.then(|| ("title", draft.title.to_lowercase()))
            }
            Draft::Organization(draft) => {
                self.switches.organization_name_unique.then(|| ("name", draft.name.to_lowercase()))
            }
            Draft::User(draft) => draft.email.as_ref().map(|email| ("email", email.to_lowercase())),
            Draft::Case(_) => None,
        }
    }

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
            if job.partial {
                self.run_items(&mut job, now);
            } else if job.end_ms() <= now {
                self.run_whole(&mut job);
            }
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
            let dies = job.dies_after == Some(job.next);
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
        let legacy_id = item.get("legacy_id").cloned().unwrap_or(Value::Null);
        let kept = (self.switches.job_results == JobResults::Records).then(|| item.clone());
        match self.draft(job, item) {
            Ok(draft) => self.insert_draft(draft),
            Err(failure) => {
                job.note_failure(failure.within(job.kind.plural(), place), &legacy_id);
                job.invalid_records.extend(kept);
            }
        }
    }

    /// All items or none.
    fn run_whole(&mut self, job: &mut Job) {
        self.now_ms = job.end_ms();
        job.changed_ms = self.now_ms;
        let items = std::mem::take(&mut job.items);
        let (drafts, failures) = self.draft_all(job, items);
        let failed = !failures.is_empty();
        for (failure, legacy_id) in failures {
            job.note_failure(failure, &legacy_id);
        }
        if failed {
            job.end(Ending::Failed);
            return;
        }
        let survivors = job.dies_after.unwrap_or(drafts.len());
        let dies = job.dies_after.is_some();
        for draft in drafts.into_iter().take(survivors) {
            self.insert_draft(draft);
        }
        job.next = survivors;
        job.end(if dies { Ending::Failed } else { Ending::Completed });
    }

    fn draft_all(&self, job: &Job, items: VecDeque<Value>) -> (Vec<Draft>, Vec<(Failure, Value)>) {
        let mut drafts = Vec::with_capacity(items.len());
        let mut failures = Vec::new();
        let mut keys = HashSet::new();
        for (place, item) in items.into_iter().enumerate() {
            let legacy_id = item.get("legacy_id").cloned().unwrap_or(Value::Null);
            let outcome = self.draft(job, item).and_then(|draft| match self.natural_key(&draft) {
                Some((name, key)) if !keys.insert(key.clone()) => Err(Failure::duplicate(name)),
                _ => Ok(draft),
            });
            match outcome {
                Ok(draft) => drafts.push(draft),
                Err(failure) => failures.push((failure.within(job.kind.plural(), place), legacy_id)),
            }
        }
        (drafts, failures)
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
            held: self.held.take(),
            errors: std::mem::take(&mut self.errors),
            invalid_records: std::mem::take(&mut self.invalid_records),
            caller: self.caller.clone(),
            ..*self
        }
    }

    fn end_ms(&self) -> i64 {
        self.first_item_ms + self.item_ms * i64::try_from(self.total).unwrap_or(i64::MAX / 4)
    }

    fn end(&mut self, ending: Ending) {
        self.ending = Some(ending);
        self.items = VecDeque::new();
        self.held = None;
    }

    fn note_failure(&mut self, failure: Failure, legacy_id: &Value) {
        for complaint in failure.complaints {
            let mut error = json!(complaint);
            error["legacy_id"] = legacy_id.clone();
            self.errors.push(error);
        }
    }
}

/// `POST /bulk/:kind`.
pub(crate) fn submit(
    state: &mut State,
    caller: &Caller,
    call: &mut Call,
    kind: &str,
) -> Result<Answer, Failure> {
    let kind = BulkKind::from_path(kind).ok_or_else(Failure::not_found)?;
    caller.require(kind.role())?;
    let items = match call.params.take(kind.plural()) {
        Some(Value::Array(items)) if !items.is_empty() => items,
        Some(Value::Array(_)) => {
            return Err(Failure::field("FIELD_EMPTY", kind.plural(), "The list is empty"));
        }
        Some(_) => return Err(Failure::invalid(kind.plural(), "An array is expected")),
        None => return Err(Failure::required(kind.plural())),
    };
    if items.len() > MOST_ITEMS {
        return Err(Failure::field(
            "PARAMETER_INVALID",
            kind.plural(),
            "At most 200 records can be inserted at once",
        ));
    }
    let partial = call.query.flag("partial_import").unwrap_or(false);
    let held = (!state.switches.bulk_takes_files_when_it_runs).then(|| hold_files(state, caller, &items));
    let total = items.len();
    let mut job = Job {
        kind,
        items: items.into(),
        next: 0,
        total,
        partial,
        caller: Caller { fresh: None, ..caller.clone() },
        held,
        submitted_ms: state.now_ms,
        start_ms: 0,
        first_item_ms: 0,
        item_ms: 0,
        dies_after: None,
        ending: None,
        changed_ms: state.now_ms,
        errors: Vec::new(),
        invalid_records: Vec::new(),
    };
    if !partial && state.switches.bulk_validates_at_once {
        let (_, failures) = state.draft_all(&job, job.items.clone());
        let mut problems = super::envelope::Problems::default();
        failures.into_iter().for_each(|(failure, _)| problems.add(failure));
        problems.finish()?;
    }
    let every = state.switches.job_dies_every;
    if every > 0 && state.jobs.rows.next_id().is_multiple_of(every) {
        job.dies_after = Some(total / 2);
    }
    (job.start_ms, job.first_item_ms, job.item_ms) = state.schedule(i64::try_from(total).unwrap_or(0));
    let id = state.jobs.rows.insert(job);
    state.jobs.active.push_back(id);
    let now = stamp(state.now());
    let data = json!({
        "id": id,
        "status": "PENDING",
        "created_at": now,
        "updated_at": now,
        "resource_type": "bulk_job",
        "resource_url": state.url("jobs", id),
    });
    Ok(Answer { status: 202, ..Answer::one("job", data) })
}

/// The files that the items name and the caller may attach now.
fn hold_files(state: &State, caller: &Caller, items: &[Value]) -> HashMap<u64, Upload> {
    let mut held = HashMap::new();
    let mut hold = |value: Option<&Value>| {
        let Some(value) = value else {
            return;
        };
        let mut one = Params::default();
        one.0.insert("ids".into(), value.clone());
        for id in one.ids("ids", &mut super::envelope::Problems::default()).unwrap_or_default() {
            if let Some(file) = state.file_for(id, &caller.file_owner) {
                held.insert(id, file.upload.clone());
            }
        }
    };
    for item in items {
        hold(item.get("attachment_file_ids"));
        for post in item.get("posts").and_then(Value::as_array).into_iter().flatten() {
            hold(post.get("attachment_file_ids"));
        }
    }
    held
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
