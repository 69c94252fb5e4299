//! Bulk inserts: what is accepted, and the records of a batch (reference section 4.2). [`super::jobs`] carries them out.

use std::collections::{HashMap, HashSet, VecDeque};

use serde_json::{Value, json};

use super::call::{Call, Caller, Role, Upload};
use super::case_drafts::{CaseDraft, Origin};
use super::envelope::{Answer, Failure, Problems};
use super::files::FileAccess;
use super::organizations::OrganizationDraft;
use super::params::Params;
use super::state::{State, stamp};
use super::teams::TeamDraft;
use super::user_drafts::UserDraft;

/// Most items in one bulk insert (documented).
const MOST_ITEMS: usize = 200;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BulkKind {
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

    pub(crate) fn plural(self) -> &'static str {
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

/// What all records of a bulk insert have in common.
pub(crate) struct Batch {
    pub(crate) kind: BulkKind,
    pub(crate) partial: bool,
    pub(crate) caller: Caller,
    /// Files taken at submission; `None` = they are taken when the job runs.
    pub(crate) held: Option<HashMap<u64, Upload>>,
}

/// A record that passed validation.
pub(crate) enum Draft {
    Team(TeamDraft),
    Organization(OrganizationDraft),
    User(Box<UserDraft>),
    Case(Box<CaseDraft>),
}

impl State {
    pub(crate) fn draft(&self, batch: &Batch, item: Value) -> Result<Draft, Failure> {
        let params = Params::from_value(item).ok_or_else(|| Failure::invalid("", "An object is expected"))?;
        Ok(match batch.kind {
            BulkKind::Teams => Draft::Team(self.draft_team(params)?),
            BulkKind::Organizations => Draft::Organization(self.draft_organization(params)?),
            BulkKind::Users => Draft::User(Box::new(self.draft_user(params, &batch.caller)?)),
            BulkKind::Cases => {
                let access = FileAccess { owner: &batch.caller.file_owner, held: batch.held.as_ref() };
                Draft::Case(Box::new(self.draft_case(params, &batch.caller, access, Origin::Bulk)?))
            }
        })
    }

    pub(crate) fn insert_draft(&mut self, draft: Draft) {
        match draft {
            Draft::Team(draft) => self.insert_team(draft),
            Draft::Organization(draft) => self.insert_organization(draft),
            Draft::User(draft) => self.insert_user(*draft),
            Draft::Case(draft) => self.insert_case(*draft),
        };
    }

    /// What two items of one batch may not share, with the parameter's name.
    pub(crate) fn natural_key(&self, draft: &Draft) -> Option<(&'static str, String)> {
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

    pub(crate) fn draft_all(
        &self,
        batch: &Batch,
        items: VecDeque<Value>,
    ) -> (Vec<Draft>, Vec<(Failure, Value)>) {
        let mut drafts = Vec::with_capacity(items.len());
        let mut failures = Vec::new();
        let mut keys = HashSet::new();
        for (place, item) in items.into_iter().enumerate() {
            let legacy_id = item.get("legacy_id").cloned().unwrap_or(Value::Null);
            let outcome = self.draft(batch, item).and_then(|draft| match self.natural_key(&draft) {
                Some((name, key)) if !keys.insert(key.clone()) => Err(Failure::duplicate(name)),
                _ => Ok(draft),
            });
            match outcome {
                Ok(draft) => drafts.push(draft),
                Err(failure) => failures.push((failure.within(batch.kind.plural(), place), legacy_id)),
            }
        }
        (drafts, failures)
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
    let batch = Batch { kind, partial, caller: Caller { fresh: None, ..caller.clone() }, held };
    let items: VecDeque<Value> = items.into();
    if !partial && state.switches.bulk_validates_at_once {
        let (_, failures) = state.draft_all(&batch, items.clone());
        let mut problems = Problems::default();
        for (failure, _) in failures {
            problems.add(failure);
        }
        problems.finish()?;
    }
    let id = state.enqueue(batch, items);
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
    let mut take = |value: Option<&Value>| {
        let Some(value) = value else {
            return;
        };
        let mut one = Params::default();
        one.0.insert("ids".into(), value.clone());
        for id in one.ids("ids", &mut Problems::default()).unwrap_or_default() {
            if let Some(file) = state.file_for(id, &caller.file_owner) {
                held.insert(id, file.upload.clone());
            }
        }
    };
    for item in items {
        take(item.get("attachment_file_ids"));
        for post in item.get("posts").and_then(Value::as_array).into_iter().flatten() {
            take(post.get("attachment_file_ids"));
        }
    }
    held
}
