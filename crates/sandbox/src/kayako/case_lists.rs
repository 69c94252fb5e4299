//! Lists and look-ups of cases (reference section 1.8). The main list runs backwards by `updated_at` and moves while one writes.

use super::call::Call;
use super::cases::{Case, CaseState};
use super::catalog::Catalog;
use super::envelope::{Answer, Failure};
use super::params::as_int;
use super::state::State;

/// `GET /cases`.
pub(crate) fn list(state: &State, call: &Call) -> Result<Answer, Failure> {
    let show = |case: &Case| state.show_case(case, &call.shape, 0);
    if let Some(wanted) = call.lookup_list(state, "legacy_ids") {
        let ids = wanted.iter().flat_map(|legacy_id| state.cases_by_legacy.get(legacy_id)).copied().collect();
        return Ok(looked_up(state, call, ids));
    }
    if let Some(ids) = call.lookup_list(state, "ids") {
        return Ok(looked_up(state, call, ids.iter().filter_map(|id| id.parse().ok()).collect()));
    }
    let rows = || state.case_order.iter().rev().filter_map(|(_, id)| state.cases.get(*id));
    let filter = Filter::new(state, call)?;
    if filter.is_none() && state.all_visible() {
        return Ok(call.page_of(state, "case", rows(), state.case_order.len(), show));
    }
    let fits = |case: &&Case| {
        case.visible_from <= state.now_ms && filter.as_ref().is_none_or(|filter| filter.fits(state, case))
    };
    let rows: Vec<&Case> = rows().filter(fits).collect();
    Ok(call.page(state, "case", &rows, |case| show(case)))
}

fn looked_up(state: &State, call: &Call, mut ids: Vec<u64>) -> Answer {
    ids.sort_unstable();
    ids.dedup();
    let seen = |case: &&Case| {
        case.visible_from <= state.now_ms
            && (case.state == CaseState::Active || state.switches.legacy_ids_see_trash)
    };
    let mut rows: Vec<&Case> = ids.iter().filter_map(|id| state.cases.get(*id)).filter(seen).collect();
    rows.sort_by_key(|case| std::cmp::Reverse((case.updated_at, case.id)));
    call.page(state, "case", &rows, |case| state.show_case(case, &call.shape, 0))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Requester {
    Anybody,
    /// An identity that nobody has.
    Nobody,
    User(u64),
}

/// The documented filter arguments, all of which must hold.
struct Filter {
    requester: Requester,
    tags: Vec<String>,
    status_types: Vec<String>,
    priority_level: Option<u64>,
    start_time: Option<i64>,
}

impl Filter {
    /// `None` if the call names no filter.
    fn new(state: &State, call: &Call) -> Result<Option<Self>, Failure> {
        let upper = |name: &str| -> Vec<String> {
            call.query.list(name).unwrap_or_default().iter().map(|part| part.to_uppercase()).collect()
        };
        let words = |name: &str| -> Vec<String> {
            call.query.list(name).unwrap_or_default().into_iter().map(str::to_owned).collect()
        };
        let requester = match (call.query.get("identity_type"), call.query.get("identity_value")) {
            (Some(kind), Some(value)) if kind.eq_ignore_ascii_case("EMAIL") => {
                state.user_of_email(value).map_or(Requester::Nobody, Requester::User)
            }
            (Some(_), Some(_)) => Requester::Nobody,
            (None, None) => Requester::Anybody,
            _ => {
                return Err(Failure::new(
                    400,
                    "PARAMETERS_INCONSISTENT",
                    "identity_type and identity_value go together",
                ));
            }
        };
        let filter = Self {
            requester,
            tags: words("tags"),
            status_types: upper("status"),
            priority_level: call.query.get("priority").and_then(|level| level.parse().ok()),
            start_time: call.query.get("start_time").and_then(|time| {
                time.parse()
                    .ok()
                    .or_else(|| time.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second))
            }),
        };
        let empty = filter.requester == Requester::Anybody
            && filter.tags.is_empty()
            && filter.status_types.is_empty()
            && filter.priority_level.is_none()
            && filter.start_time.is_none();
        Ok((!empty).then_some(filter))
    }

    fn fits(&self, state: &State, case: &Case) -> bool {
        let level = || {
            let row = state.catalogs.get(Catalog::Priorities, case.priority_id?)?;
            row.get("level").and_then(as_int)
        };
        let by_requester = match self.requester {
            Requester::Anybody => true,
            Requester::Nobody => false,
            Requester::User(id) => id == case.requester_id,
        };
        by_requester
            && self.tags.iter().all(|tag| case.tags.contains(tag))
            && (self.status_types.is_empty()
                || state
                    .catalogs
                    .text(Catalog::Statuses, case.status_id, "type")
                    .is_some_and(|kind| self.status_types.iter().any(|wanted| wanted == kind)))
            && self.priority_level.is_none_or(|most| level().is_some_and(|level| level <= most))
            && self.start_time.is_none_or(|start| case.updated_at >= start)
    }
}

/// `GET /users/:id/cases`.
pub(crate) fn of_requester(state: &State, call: &Call, user_id: u64) -> Result<Answer, Failure> {
    state.users.get(user_id).ok_or_else(Failure::not_found)?;
    matching(state, call, |case| case.requester_id == user_id)
}

/// `GET /organizations/:id/cases`: a case has no organization of its own, it follows the requester.
pub(crate) fn of_organization(state: &State, call: &Call, organization_id: u64) -> Result<Answer, Failure> {
    state.organizations.get(organization_id).ok_or_else(Failure::not_found)?;
    matching(state, call, |case| {
        state.users.get(case.requester_id).is_some_and(|user| user.organization_id == Some(organization_id))
    })
}

fn matching(state: &State, call: &Call, wanted: impl Fn(&Case) -> bool) -> Result<Answer, Failure> {
    let filter = Filter::new(state, call)?;
    let ordered = state.case_order.iter().rev().filter_map(|(_, id)| state.cases.get(*id));
    let rows: Vec<&Case> = ordered
        .filter(|case| wanted(case) && case.visible_from <= state.now_ms)
        .filter(|case| filter.as_ref().is_none_or(|filter| filter.fits(state, case)))
        .collect();
    Ok(call.page(state, "case", &rows, |case| state.show_case(case, &call.shape, 0)))
}
