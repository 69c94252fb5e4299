//! What a freshly opened account holds: its owner, roles, statuses, one mailbox, one team, two triggers.
//!
//! The ids of the lists follow the reference's samples (section 4.13), but nobody should rely on them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Config;
use super::call::Caller;
use super::call::Role;
use super::catalog::Catalog;
use super::envelope::Failure;
use super::fields::FieldOwner;
use super::params::Params;
use super::state::State;

/// Fills an empty account.
pub(crate) fn fill(state: &mut State, config: &Config) -> Result<(), Failure> {
    fill_catalogs(state);
    fill_fields(state)?;
    let rows: BTreeMap<&str, Value> = BTreeMap::from([
        ("account.default_language", json!("en-us")),
        ("account.timezone", json!("UTC")),
        ("email.email_inbound_html", json!(true)),
        ("general.companyname", json!("Sandbox")),
        ("security.agent.session_expiry", json!(state.switches.session_lifetime_s / 60)),
        ("security.allow_unsafe_html_in_articles", json!(false)),
        ("users.allow_requests_from_unregistered", json!(true)),
        ("users.require_captcha", json!(false)),
    ]);
    state.settings = rows.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let team = state.draft_team(params(json!({"title": "General"})))?;
    let team_id = state.insert_team(team);
    let owner = json!({
        "full_name": "Sandbox Owner", "role_id": role(state, "OWNER"), "email": config.email, "password": config.password,
        "team_ids": [team_id], "time_zone": "UTC",
    });
    let owner = state.draft_user(params(owner), &the_account_itself())?;
    let owner_id = state.insert_user(owner);
    // What an account is born with need not become visible.
    if let Some(owner) = state.users.get_mut(owner_id) {
        owner.visible_from = 0;
    }
    if let Some(team) = state.teams.get_mut(team_id) {
        team.visible_from = 0;
    }
    state.mails.clear();
    Ok(())
}

/// Who creates what the account is born with.
pub(crate) fn the_account_itself() -> Caller {
    Caller { user_id: 1, role: Role::Owner, file_owner: String::new(), session: None, fresh: None }
}

/// The id of the first role of a type.
pub(crate) fn role(state: &State, kind: &str) -> u64 {
    state.catalogs.find(Catalog::Roles, "type", kind).unwrap_or(1)
}

pub(crate) fn params(value: Value) -> Params {
    Params::from_value(value).unwrap_or_default()
}

fn fill_catalogs(state: &mut State) {
    for (title, kind) in [
        ("Administrator", "ADMIN"),
        ("Agent", "AGENT"),
        ("Collaborator", "COLLABORATOR"),
        ("Customer", "CUSTOMER"),
        ("Owner", "OWNER"),
    ] {
        let role = json!({"title": title, "type": kind, "is_system": true, "agent_case_access": "ALL"});
        state.add_to_catalog(Catalog::Roles, role);
    }
    for (locale, name) in [
        ("en-us", "English"),
        ("de", "Deutsch"),
        ("fr", "Français"),
        ("es", "Español"),
        ("ja", "日本語"),
        ("ar", "العربية"),
    ] {
        let direction = if locale == "ar" { "RTL" } else { "LTR" };
        let row = json!({"locale": locale, "name": name, "native_name": name, "direction": direction, "is_public": locale == "en-us"});
        state.add_to_catalog(Catalog::Locales, row);
    }
    let instance = state.instance_name.clone();
    let brand = json!({"name": "Sandbox", "sub_domain": instance, "domain": Value::Null, "alias": Value::Null,
        "locale": {"id": 1, "resource_type": "locale"}, "is_default": true, "is_enabled": true});
    state.add_to_catalog(Catalog::Brands, brand);
    let mailbox = json!({"service": "STANDARD", "address": format!("support@{instance}.kayako.example"), "prefix": Value::Null,
        "brand": {"id": 1, "resource_type": "brand"}, "is_default": true, "is_enabled": true, "is_verified": true});
    state.add_to_catalog(Catalog::Mailboxes, mailbox);
    let hours = json!({"title": "Default business hours", "zones": {"monday": "9-17"}, "holidays": [], "is_default": true});
    state.add_to_catalog(Catalog::BusinessHours, hours);
    for (place, (label, kind)) in [
        ("New", "NEW"),
        ("Open", "OPEN"),
        ("Pending", "PENDING"),
        ("Completed", "COMPLETED"),
        ("Closed", "CLOSED"),
    ]
    .into_iter()
    .enumerate()
    {
        let active = matches!(kind, "NEW" | "OPEN");
        let row = json!({"label": label, "type": kind, "is_sla_active": active, "is_deleted": false, "sort_order": place + 1});
        state.add_to_catalog(Catalog::Statuses, row);
    }
    for (place, label) in ["Low", "Normal", "High", "Urgent"].into_iter().enumerate() {
        state.add_to_catalog(
            Catalog::Priorities,
            json!({"label": label, "level": place + 1, "color": Value::Null}),
        );
    }
    for label in ["Question", "Task", "Problem", "Incident"] {
        state.add_to_catalog(Catalog::Types, json!({"label": label, "type": label.to_uppercase()}));
    }
    let system_fields: Vec<Value> =
        (1..=7).map(|id| json!({"id": id, "resource_type": "case_field"})).collect();
    let form = json!({"title": "Default form", "fields": system_fields, "is_default": true, "is_enabled": true,
        "is_visible_to_customers": true, "brand": Value::Null});
    state.add_to_catalog(Catalog::Forms, form);
    let sla = json!({"title": "Default SLA", "is_enabled": true, "targets": []});
    state.add_to_catalog(Catalog::Slas, sla);
    for (title, event) in [
        ("Tell the requester that we got the message", "CASE_CREATED"),
        ("Tell the requester about an update", "CASE_UPDATED"),
    ] {
        let row = json!({"title": title, "channel": "API", "event": event, "is_enabled": true,
            "predicate_collections": [], "actions": [{"name": "SEND_MAIL", "option": "requester"}]});
        state.add_to_catalog(Catalog::Triggers, row);
    }
    let monitor = json!({"title": "Ask the requester after a week of silence", "is_enabled": true, "days": 7,
        "predicate_collections": [], "actions": [{"name": "SEND_MAIL", "option": "requester"}]});
    state.add_to_catalog(Catalog::Monitors, monitor);
}

fn fill_fields(state: &mut State) -> Result<(), Failure> {
    for kind in ["SUBJECT", "MESSAGE", "PRIORITY", "STATUS", "TYPE", "TEAM", "ASSIGNEE"] {
        let title: String = kind.chars().take(1).chain(kind.to_lowercase().chars().skip(1)).collect();
        state.insert_field(FieldOwner::Case, params(json!({"system_type": kind, "title": title})), true)?;
    }
    Ok(())
}
