//! Teams and their members (reference section 4.7).

use serde_json::{Value, json};

use super::call::{Call, Caller, Role};
use super::catalog::Catalog;
use super::envelope::{Answer, Failure, Problems};
use super::params::Params;
use super::shape::Shape;
use super::state::{State, stamp};

/// A team.
#[derive(Debug, Clone)]
pub(crate) struct Team {
    pub(crate) id: u64,
    pub(crate) title: String,
    pub(crate) legacy_id: Option<String>,
    pub(crate) businesshour_id: Option<u64>,
    pub(crate) member_ids: Vec<u64>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) visible_from: i64,
}

/// A team that passed validation.
#[derive(Debug, Default)]
pub(crate) struct TeamDraft {
    pub(crate) title: String,
    pub(crate) legacy_id: Option<String>,
    businesshour_id: Option<u64>,
}

impl State {
    pub(crate) fn show_team(&self, team: &Team, shape: &Shape, depth: u8) -> Value {
        json!({
            "id": team.id,
            "title": team.title,
            "legacy_id": team.legacy_id,
            "businesshour": self.reference("business_hour", team.businesshour_id, shape, depth),
            "member_count": team.member_ids.len(),
            "created_at": stamp(team.created_at),
            "updated_at": stamp(team.updated_at),
            "resource_type": "team",
            "resource_url": self.url("teams", team.id),
        })
    }

    /// Checks a team record of a single or bulk insert.
    pub(crate) fn draft_team(&self, mut params: Params) -> Result<TeamDraft, Failure> {
        let mut problems = Problems::default();
        let p = &mut problems;
        let mut draft = TeamDraft::default();
        match params.text("title", p) {
            Some(title) if title.trim().is_empty() => {
                p.add(Failure::field("FIELD_EMPTY", "title", "The title is empty"));
            }
            Some(title) => draft.title = title,
            None => p.add(Failure::required("title")),
        }
        if self.switches.team_title_unique && !self.teams_by_title.get(&draft.title.to_lowercase()).is_empty()
        {
            p.add(Failure::duplicate("title"));
        }
        draft.legacy_id = self.check_legacy_id(&mut params, |id| self.teams_by_legacy.get(id), p);
        draft.businesshour_id =
            self.check_entry(&mut params, "businesshour_id", Catalog::BusinessHours, p).or(Some(1));
        problems.finish().map(|()| draft)
    }

    /// Puts a team into the account.
    pub(crate) fn insert_team(&mut self, draft: TeamDraft) -> u64 {
        let id = self.teams.next_id();
        if let Some(legacy_id) = &draft.legacy_id {
            self.teams_by_legacy.add(legacy_id, id);
        }
        self.teams_by_title.add(&draft.title.to_lowercase(), id);
        let now = self.now();
        let visible_from = self.visible_from();
        self.teams.insert(Team {
            id,
            title: draft.title,
            legacy_id: draft.legacy_id,
            businesshour_id: draft.businesshour_id,
            member_ids: Vec::new(),
            created_at: now,
            updated_at: now,
            visible_from,
        })
    }

    pub(crate) fn join_team(&mut self, team_id: u64, user_id: u64) {
        if let Some(team) = self.teams.get_mut(team_id)
            && !team.member_ids.contains(&user_id)
        {
            team.member_ids.push(user_id);
        }
    }

    pub(crate) fn leave_team(&mut self, team_id: u64, user_id: u64) {
        if let Some(team) = self.teams.get_mut(team_id) {
            team.member_ids.retain(|member| *member != user_id);
        }
    }
}

/// Everything below `/teams`.
pub(crate) fn serve(
    state: &mut State,
    caller: &Caller,
    call: &mut Call,
    path: &[&str],
) -> Result<Answer, Failure> {
    let id = |text: &str| text.parse::<u64>().map_err(|_| Failure::not_found());
    let show = |state: &State, call: &Call, id: u64| {
        let team = state.teams.get(id).ok_or_else(Failure::not_found)?;
        Ok(Answer::one("team", state.show_team(team, &call.shape, 0)))
    };
    match (call.method.as_str(), path) {
        ("GET", []) => Ok(list(state, call)),
        ("POST", []) => {
            caller.require(Role::Admin)?;
            let draft = state.draft_team(std::mem::take(&mut call.params))?;
            let id = state.insert_team(draft);
            show(state, call, id).map(|answer| Answer { status: 201, ..answer })
        }
        ("GET", [team]) => show(state, call, id(team)?),
        ("PUT", [team]) => {
            caller.require(Role::Admin)?;
            let id = id(team)?;
            update(state, call, id)?;
            show(state, call, id)
        }
        ("DELETE", [team]) => {
            caller.require(Role::Admin)?;
            let id = id(team)?;
            let team = state.teams.remove(id).ok_or_else(Failure::not_found)?;
            state.teams_by_title.remove(&team.title.to_lowercase(), id);
            if let Some(legacy_id) = &team.legacy_id {
                state.teams_by_legacy.remove(legacy_id, id);
            }
            for member in team.member_ids {
                if let Some(user) = state.users.get_mut(member) {
                    user.team_ids.retain(|known| *known != id);
                }
            }
            Ok(Answer::count(1))
        }
        ("GET", [team, "members"]) => {
            let team = state.teams.get(id(team)?).ok_or_else(Failure::not_found)?;
            let wanted = call.query.flag("is_enabled");
            let members: Vec<_> = team
                .member_ids
                .iter()
                .filter_map(|member| state.users.get(*member))
                .filter(|user| wanted.is_none_or(|wanted| user.is_enabled == wanted))
                .collect();
            Ok(call.page(state, "user", &members, |user| state.show_user(user, &call.shape, 0)))
        }
        ("POST" | "DELETE", [team, "members"]) => {
            caller.require(Role::Admin)?;
            change_members(state, call, id(team)?)
        }
        _ => Err(Failure::not_found()),
    }
}

fn update(state: &mut State, call: &mut Call, id: u64) -> Result<(), Failure> {
    let mut problems = Problems::default();
    let title = call.params.text("title", &mut problems);
    let hours = state.check_entry(&mut call.params, "businesshour_id", Catalog::BusinessHours, &mut problems);
    let old = state.teams.get(id).ok_or_else(Failure::not_found)?.title.to_lowercase();
    if let Some(title) = &title {
        let others = state.teams_by_title.get(&title.to_lowercase()).iter().any(|known| *known != id);
        if others && state.switches.team_title_unique {
            problems.add(Failure::duplicate("title"));
        }
    }
    problems.finish()?;
    let now = state.now();
    if let Some(title) = &title {
        state.teams_by_title.remove(&old, id);
        state.teams_by_title.add(&title.to_lowercase(), id);
    }
    if let Some(team) = state.teams.get_mut(id) {
        team.title = title.unwrap_or_else(|| std::mem::take(&mut team.title));
        team.businesshour_id = hours.or(team.businesshour_id);
        team.updated_at = now;
    }
    Ok(())
}

fn change_members(state: &mut State, call: &mut Call, team_id: u64) -> Result<Answer, Failure> {
    let mut problems = Problems::default();
    state.teams.get(team_id).ok_or_else(Failure::not_found)?;
    let in_query =
        || call.query.list("agent_ids").map(|ids| ids.iter().filter_map(|id| id.parse().ok()).collect());
    let ids: Vec<u64> = call.params.ids("agent_ids", &mut problems).or_else(in_query).unwrap_or_default();
    if ids.is_empty() {
        problems.add(Failure::required("agent_ids"));
    }
    if ids.iter().any(|id| state.role_of(*id) == Role::Customer) {
        problems.add(Failure::invalid("agent_ids", "Only staff can be members of a team"));
    }
    problems.finish()?;
    let adds = call.method == axum::http::Method::POST;
    for id in &ids {
        if adds {
            state.join_team(team_id, *id);
        } else {
            state.leave_team(team_id, *id);
        }
        if let Some(user) = state.users.get_mut(*id) {
            user.team_ids.retain(|known| *known != team_id);
            if adds {
                user.team_ids.push(team_id);
            }
        }
    }
    Ok(Answer::count(ids.len()))
}

fn list(state: &State, call: &Call) -> Answer {
    let visible = |team: &&Team| team.visible_from <= state.now_ms;
    let rows: Vec<&Team> = if let Some(wanted) = call.lookup_list(state, "legacy_ids") {
        let mut ids: Vec<u64> = wanted.iter().flat_map(|id| state.teams_by_legacy.get(id)).copied().collect();
        ids.sort_unstable();
        ids.dedup();
        ids.iter().filter_map(|id| state.teams.get(*id)).filter(visible).collect()
    } else {
        state.teams.iter().map(|(_, team)| team).filter(visible).collect()
    };
    call.page(state, "team", &rows, |team| state.show_team(team, &call.shape, 0))
}
