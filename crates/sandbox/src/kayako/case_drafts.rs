//! Validation of new cases, single and bulk (reference section 4.8).

use super::call::{Caller, Role};
use super::catalog::Catalog;
use super::envelope::{Failure, Problems};
use super::field_values::Values;
use super::fields::FieldOwner;
use super::files::FileAccess;
use super::params::{Change, Params};
use super::posts::PostDraft;
use super::state::State;
use super::switches::{CreatorRule, FinalStatusRule};

/// Whether a record came alone or in a bulk insert: only the latter may name authors and times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Single,
    Bulk,
}

/// A case that passed validation.
#[derive(Debug)]
pub(crate) struct CaseDraft {
    pub(crate) subject: String,
    pub(crate) legacy_id: Option<String>,
    pub(crate) requester_id: u64,
    pub(crate) creator_id: u64,
    pub(crate) status_id: u64,
    pub(crate) priority_id: Option<u64>,
    pub(crate) type_id: Option<u64>,
    pub(crate) form_id: u64,
    pub(crate) team_id: Option<u64>,
    pub(crate) agent_id: Option<u64>,
    pub(crate) values: Values,
    pub(crate) tags: Vec<String>,
    pub(crate) created_at: Option<i64>,
    pub(crate) updated_at: Option<i64>,
    /// The first one holds the case's own contents.
    pub(crate) posts: Vec<PostDraft>,
    pub(crate) origin: Origin,
}

impl State {
    /// Checks a case of `POST /cases` or one item of `POST /bulk/cases`.
    pub(crate) fn draft_case(
        &self,
        mut params: Params,
        caller: &Caller,
        access: FileAccess<'_>,
        origin: Origin,
    ) -> Result<CaseDraft, Failure> {
        let mut problems = Problems::default();
        let p = &mut problems;
        let bulk = origin == Origin::Bulk;
        let subject = params.text("subject", p);
        match subject.as_deref() {
            None => p.add(Failure::required("subject")),
            Some(text) if text.trim().is_empty() => {
                p.add(Failure::field("FIELD_EMPTY", "subject", "The subject is empty"));
            }
            Some(_) => {}
        }
        let requester_id = params.int("requester_id", p);
        match requester_id {
            None => p.add(Failure::required("requester_id")),
            Some(id) if self.users.get(id).is_none() => {
                p.add(Failure::invalid("requester_id", "The user does not exist"));
            }
            Some(_) => {}
        }
        let creator_id = self.check_creator(&mut params, caller, origin, p);
        let mut first = self.draft_post(&mut params, access, creator_id, p);
        let (created_at, updated_at) =
            if bulk { (params.time("created_at", p), params.time("updated_at", p)) } else { (None, None) };
        if self.switches.bulk_keeps_post_dates {
            first.created_at = created_at;
            first.updated_at = created_at;
        }
        let (status_id, status_type) = self.check_new_status(&mut params, p);
        let (team_id, agent_id) = self.check_assignment(&mut params, None, None, p);
        let form_id = self.check_entry(&mut params, "form_id", Catalog::Forms, p).unwrap_or(1);
        let values = params.object("field_values", p).unwrap_or_default();
        let values = self.check_values(FieldOwner::Case, values, Some(form_id), p);
        let resolved = matches!(status_type, "COMPLETED" | "CLOSED");
        self.check_required(FieldOwner::Case, &values, Some(form_id), resolved, p);
        let legacy_id = self.check_legacy_id(&mut params, |id| self.cases_by_legacy.get(id), p);
        let mut tags = Vec::new();
        super::tags::add(&mut tags, params.csv("tags").unwrap_or_default());
        if self.switches.option_adds_tag {
            super::tags::add(&mut tags, self.option_tags(FieldOwner::Case, &values));
        }
        let mut posts = vec![first];
        if bulk && let Some(list) = params.take("posts") {
            self.draft_bulk_posts(list, caller, access, &mut posts, p);
        }
        let draft = CaseDraft {
            subject: subject.unwrap_or_default(),
            legacy_id,
            requester_id: requester_id.unwrap_or_default(),
            creator_id,
            status_id,
            priority_id: self.check_entry(&mut params, "priority_id", Catalog::Priorities, p),
            type_id: self.check_entry(&mut params, "type_id", Catalog::Types, p),
            form_id,
            team_id,
            agent_id,
            values,
            tags,
            created_at: created_at.filter(|_| self.switches.bulk_keeps_case_dates),
            updated_at: updated_at
                .or(created_at)
                .filter(|_| self.switches.bulk_keeps_case_dates && !self.switches.bulk_updated_at_is_now),
            posts,
            origin,
        };
        problems.finish().map(|()| draft)
    }

    fn draft_bulk_posts(
        &self,
        list: serde_json::Value,
        caller: &Caller,
        access: FileAccess<'_>,
        posts: &mut Vec<PostDraft>,
        problems: &mut Problems,
    ) {
        let serde_json::Value::Array(list) = list else {
            problems.add(Failure::invalid("posts", "An array is expected"));
            return;
        };
        let most = self.switches.max_posts_per_bulk_case;
        if most > 0 && list.len() + 1 > most {
            problems.add(Failure::invalid("posts", "The case has too many posts"));
            return;
        }
        posts.reserve_exact(list.len());
        for (place, item) in list.into_iter().enumerate() {
            let mut own = Problems::default();
            let p = &mut own;
            let Some(mut item) = Params::from_value(item) else {
                problems.add(Failure::invalid(&format!("posts/{place}"), "An object is expected"));
                continue;
            };
            let creator_id = self.check_creator(&mut item, caller, Origin::Bulk, p);
            let mut post = self.draft_post(&mut item, access, creator_id, p);
            let (created_at, updated_at) = (item.time("created_at", p), item.time("updated_at", p));
            if self.switches.bulk_keeps_post_dates {
                (post.created_at, post.updated_at) = (created_at, updated_at);
            }
            match own.finish() {
                Ok(()) => posts.push(post),
                Err(mut failure) => {
                    for complaint in &mut failure.complaints {
                        complaint.parameter =
                            complaint.parameter.as_ref().map(|name| format!("posts/{place}/{name}"));
                    }
                    problems.add(failure);
                }
            }
        }
    }

    /// Who is shown as the author. Outside bulk inserts it is always the caller.
    fn check_creator(
        &self,
        params: &mut Params,
        caller: &Caller,
        origin: Origin,
        problems: &mut Problems,
    ) -> u64 {
        if origin == Origin::Single {
            return caller.user_id;
        }
        let Some(id) = params.int("creator_id", problems) else {
            return caller.user_id;
        };
        let Some(user) = self.users.get(id) else {
            problems.add(Failure::invalid("creator_id", "The user does not exist"));
            return id;
        };
        let rule = match self.role(user.role_id) {
            Some(Role::Customer) | None => self.switches.bulk_customer_creator,
            Some(_) if user.is_enabled => self.switches.bulk_agent_creator,
            Some(_) => self.switches.bulk_disabled_agent_creator,
        };
        match rule {
            CreatorRule::Kept => id,
            CreatorRule::Replaced => caller.user_id,
            CreatorRule::Refused => {
                problems.add(Failure::invalid("creator_id", "The user cannot be the creator"));
                id
            }
        }
    }

    /// The status a new case gets, and its type.
    fn check_new_status(&self, params: &mut Params, problems: &mut Problems) -> (u64, &str) {
        let first_of = |kind: &str| self.catalogs.find(Catalog::Statuses, "type", kind).unwrap_or(1);
        let kind_of = |id: u64| self.catalogs.text(Catalog::Statuses, id, "type").unwrap_or("CUSTOM");
        let id = self
            .check_entry(params, "status_id", Catalog::Statuses, problems)
            .unwrap_or_else(|| first_of("NEW"));
        if !matches!(kind_of(id), "COMPLETED" | "CLOSED") {
            return (id, kind_of(id));
        }
        match self.switches.create_final_status {
            FinalStatusRule::Kept => (id, kind_of(id)),
            FinalStatusRule::BecomesOpen => (first_of("OPEN"), "OPEN"),
            FinalStatusRule::Refused => {
                problems
                    .add(Failure::invalid("status_id", "A conversation cannot be created with this status"));
                (id, kind_of(id))
            }
        }
    }

    /// Reads the assigned team and agent; what is not sent stays as it is.
    pub(crate) fn check_assignment(
        &self,
        params: &mut Params,
        team: Option<u64>,
        agent: Option<u64>,
        problems: &mut Problems,
    ) -> (Option<u64>, Option<u64>) {
        let asked_team = params.change_of_id("assigned_team_id", problems);
        let asked_agent = params.change_of_id("assigned_agent_id", problems);
        let (team, agent) = (asked_team.over(team), asked_agent.over(agent));
        if asked_team == Change::Keep && asked_agent == Change::Keep {
            return (team, agent);
        }
        if team.is_some_and(|id| self.teams.get(id).is_none()) {
            problems.add(Failure::invalid("assigned_team_id", "The team does not exist"));
        }
        if let Some(id) = agent {
            let user = self.users.get(id).filter(|_| self.role_of(id) > Role::Customer);
            let enabled = user.is_some_and(|user| user.is_enabled || self.switches.disabled_agent_assignable);
            let member = team.is_none_or(|team| user.is_some_and(|user| user.team_ids.contains(&team)));
            if !enabled {
                problems
                    .add(Failure::invalid("assigned_agent_id", "The agent does not exist or is disabled"));
            } else if !member && self.switches.agent_must_be_in_team {
                problems.add(Failure::invalid("assigned_agent_id", "The agent is not a member of the team"));
            }
        }
        (team, agent)
    }
}
