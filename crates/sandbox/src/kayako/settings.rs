//! Settings, the plan, the session and oneself (reference sections 2.1, 4.11, 4.16).

use serde_json::{Value, json};

use super::call::{Call, Caller, Role};
use super::envelope::{Answer, Failure};
use super::state::State;

/// `GET|PUT /settings`.
pub(crate) fn serve(state: &mut State, caller: &Caller, call: &mut Call) -> Result<Answer, Failure> {
    if call.method == axum::http::Method::PUT {
        caller.require(Role::Admin)?;
        let Some(Value::Object(values)) = call.params.take("values") else {
            return Err(Failure::required("values"));
        };
        state.settings.extend(values);
    }
    let category = call.query.get("category");
    let rows: Vec<Value> = state
        .settings
        .iter()
        .filter(|(name, _)| category.is_none_or(|wanted| name.split('.').next() == Some(wanted)))
        .map(|(name, value)| json!({"name": name, "value": value, "resource_type": "setting"}))
        .collect();
    Ok(call.page(state, "setting", &rows, Clone::clone))
}

/// `GET /plan`.
pub(crate) fn plan(state: &State) -> Answer {
    let megabytes = state.switches.attachment_limit_bytes >> 20;
    let number = |value: usize| if value == 0 { Value::Null } else { json!(value) };
    let plan = json!({
        "id": 1,
        "name": "sandbox",
        "limits": {"agents": number(state.switches.seat_limit), "attachment_size_limit": number(megabytes)},
        "agent_count": state.staff_count,
        "resource_type": "plan",
    });
    Answer::one("plan", plan)
}

/// `GET /session`: who is logged in.
pub(crate) fn session(state: &State, caller: &Caller, call: &Call) -> Answer {
    let data = json!({
        "id": caller.session,
        "portal": "API",
        "user": state.reference("user", Some(caller.user_id), &call.shape, 0),
        "status": "ONLINE",
        "resource_type": "session",
    });
    Answer::one("session", data)
}
