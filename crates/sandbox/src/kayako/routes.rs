//! Which resource answers which path.

use axum::http::Method;
use serde_json::json;

use super::call::{Call, Caller, Role};
use super::catalog::{self, Catalog};
use super::envelope::{Answer, Failure};
use super::fields::{self, FieldOwner};
use super::state::State;
use super::{automation, bulk, cases, files, identities, jobs, organizations, settings, teams, users};

/// Carries out one call.
pub(crate) fn dispatch(
    state: &mut State,
    caller: &Caller,
    call: &mut Call,
    path: &[&str],
) -> Result<Answer, Failure> {
    let id = |text: &str| text.parse::<u64>().map_err(|_| Failure::not_found());
    if !matches!(call.method, Method::GET | Method::POST | Method::PUT | Method::DELETE) {
        return Err(Failure::new(405, "METHOD_NOT_SUPPORTED", "The method is not supported"));
    }
    // Customers have an API of their own, which the sandbox does not serve.
    if path != ["me"] && path != ["session"] && path != ["tests"] {
        caller.require(Role::Collaborator)?;
    }
    match (call.method.as_str(), path) {
        ("GET", ["tests"]) if call.query.flag("non_existent") == Some(true) => Err(Failure::not_found()),
        (_, ["tests"]) => Ok(Answer::one("test", json!({"id": 1, "resource_type": "test"}))),
        ("GET", ["session"]) => Ok(settings::session(state, caller, call)),
        ("DELETE", ["session"]) => {
            if let Some(session) = &caller.session {
                state.sessions.close(session);
            }
            Ok(Answer::count(1))
        }
        ("GET", ["me"]) => users::show(state, call, caller.user_id, 200),
        ("GET" | "PUT", ["settings"]) => settings::serve(state, caller, call),
        ("GET", ["plan"]) => Ok(settings::plan(state)),
        ("POST", ["password", "reset"]) => automation::reset_password(state, call),
        ("POST", ["bulk", kind]) => bulk::submit(state, caller, call, kind),
        ("GET", ["jobs", job]) => jobs::show(state, id(job)?),
        (_, ["files", rest @ ..]) => files::serve(state, caller, call, rest),
        (_, ["identities", rest @ ..]) => identities::serve(state, caller, call, rest),
        (_, ["cases", "fields", rest @ ..]) => fields::serve(state, caller, call, FieldOwner::Case, rest),
        (_, ["users", "fields", rest @ ..]) => fields::serve(state, caller, call, FieldOwner::User, rest),
        (_, ["organizations", "fields", rest @ ..]) => {
            fields::serve(state, caller, call, FieldOwner::Organization, rest)
        }
        (_, ["cases", list @ ("statuses" | "priorities" | "types" | "forms"), rest @ ..]) => {
            let catalog = Catalog::from_path(&["cases", list]).ok_or_else(Failure::not_found)?;
            configuration(state, caller, call, catalog, rest)
        }
        (_, ["users", rest @ ..]) => users::serve(state, caller, call, rest),
        (_, ["organizations", rest @ ..]) => organizations::serve(state, caller, call, rest),
        (_, ["teams", rest @ ..]) => teams::serve(state, caller, call, rest),
        (_, ["cases", rest @ ..]) => cases::serve(state, caller, call, rest),
        (_, [list, rest @ ..]) => match Catalog::from_path(&[list]) {
            Some(catalog) => configuration(state, caller, call, catalog, rest),
            None => Err(Failure::not_found()),
        },
        (_, []) => Err(Failure::not_found()),
    }
}

fn configuration(
    state: &mut State,
    caller: &Caller,
    call: &mut Call,
    catalog: Catalog,
    rest: &[&str],
) -> Result<Answer, Failure> {
    match rest {
        [] => catalog::serve(state, caller, call, catalog, None),
        [id] => {
            let id = id.parse().map_err(|_| Failure::not_found())?;
            catalog::serve(state, caller, call, catalog, Some(id))
        }
        _ => Err(Failure::not_found()),
    }
}
