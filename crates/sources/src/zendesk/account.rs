//! The account as a whole: whether the credentials open it, how much is in it, what it consists of.
//!
//! Constraints: `users/me` can answer 200 with an anonymous user, so a status proves nothing; an agent silently sees
//! fewer tickets, so only an administrator will do. Counts are approximate and only shown.

use model::Kind;
use model::record::{Role, Standing};
use serde_json::Value;

use super::client::{Answer, Client};
use super::endpoint::{
    BRANDS, CUSTOM_STATUSES, Endpoint, FORMS, GROUP_COUNT, GROUPS, ME, ORGANIZATION_COUNT, SEARCH_COUNT,
    STAFF, TICKET_LIST, USER_COUNT,
};
use super::fields;
use super::limits;
use super::paging::every_page;
use super::person;
use super::raw;
use crate::catalogue::{Agent, Brand, Catalogue, Form, Group, Status};
use crate::error::Error;
use crate::source::Account;

/// Statuses of an account without custom ones.
const STATUSES: [(&str, &str); 6] = [
    ("new", "New"),
    ("open", "Open"),
    ("pending", "Pending"),
    ("hold", "On-hold"),
    ("solved", "Solved"),
    ("closed", "Closed"),
];

pub(super) async fn check(client: &Client) -> Result<Account, Error> {
    let (answer, headers) = client.get_with_headers(ME, &ME.path(""), &[]).await?;
    let user = match answer {
        Answer::Found(mut answer) => answer["user"].take(),
        Answer::Absent => Value::Null,
    };
    let Some(operator) = raw::id(&user["id"]) else { return Err(client.not_logged_in(ME.template)) };
    let role = person::role(&user);
    if role != Role::Admin {
        return Err(Error::Forbidden {
            endpoint: ME.template,
            status: 200,
            advice: "the credentials belong to somebody who is not an administrator and would silently see fewer tickets; use an administrator's",
        });
    }
    client.list(TICKET_LIST, &[("page[size]", "1")]).await?;
    let host = client.base.host_str().unwrap_or_default();
    Ok(Account {
        host: client.base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
        operator,
        role,
        requests_per_minute: limits::account_limit(&headers),
    })
}

pub(super) async fn estimate(client: &Client, kind: Kind) -> Result<Option<u64>, Error> {
    // `tickets/count` leaves archived tickets out, which are most of an old account.
    let (endpoint, query): (Endpoint, &[(&str, &str)]) = match kind {
        Kind::Case => (SEARCH_COUNT, &[("query", "type:ticket")]),
        Kind::User => (USER_COUNT, &[]),
        Kind::Organization => (ORGANIZATION_COUNT, &[]),
        Kind::Team => (GROUP_COUNT, &[]),
    };
    let answer = client.list(endpoint, query).await?;
    Ok(raw::count(&answer["count"]))
}

pub(super) async fn catalogue(client: &Client) -> Result<Catalogue, Error> {
    let mut catalogue = Catalogue {
        case_fields: fields::ticket_fields(client).await?,
        user_fields: fields::user_fields(client).await?,
        organization_fields: fields::organization_fields(client).await?,
        ..Catalogue::default()
    };
    every_page(client, CUSTOM_STATUSES, "custom_statuses", &[], |status| {
        if let (Some(category), Some(label)) =
            (raw::text(&status["status_category"]), raw::text(&status["agent_label"]))
        {
            let active = !raw::is_false(&status["active"]);
            catalogue.statuses.push(Status { id: raw::id(&status["id"]), category, label, active });
        }
    })
    .await?;
    for (category, label) in STATUSES {
        // `closed` is never a custom status; an account without custom statuses lists none at all.
        if catalogue.statuses.iter().all(|status| status.category != category) {
            let (category, label) = (category.to_owned(), label.to_owned());
            catalogue.statuses.push(Status { id: None, category, label, active: true });
        }
    }
    every_page(client, GROUPS, "groups", &[("exclude_deleted", "false")], |group| {
        if let (Some(id), Some(name)) = (raw::id(&group["id"]), raw::text(&group["name"])) {
            catalogue.groups.push(Group { id, name, deleted: raw::is_true(&group["deleted"]) });
        }
    })
    .await?;
    every_page(client, STAFF, "users", &[("role[]", "agent"), ("role[]", "admin")], |user| {
        if let Some(id) = raw::id(&user["id"]) {
            catalogue.agents.push(Agent {
                id,
                name: raw::text(&user["name"]).unwrap_or_default(),
                email: raw::text(&user["email"]),
                role: person::role(user),
                active: person::standing(user) == Standing::Active,
            });
        }
    })
    .await?;
    every_page(client, BRANDS, "brands", &[], |brand| {
        if let (Some(id), Some(name)) = (raw::id(&brand["id"]), raw::text(&brand["name"])) {
            let active = !raw::is_false(&brand["active"]) && !raw::is_true(&brand["is_deleted"]);
            catalogue.brands.push(Brand { id, name, active, default: raw::is_true(&brand["default"]) });
        }
    })
    .await?;
    every_page(client, FORMS, "ticket_forms", &[], |form| {
        if let (Some(id), Some(name)) = (raw::id(&form["id"]), raw::text(&form["name"])) {
            let fields = raw::ids(&form["ticket_field_ids"]).iter().map(ToString::to_string).collect();
            catalogue.forms.push(Form { id, name, active: !raw::is_false(&form["active"]), fields });
        }
    })
    .await?;
    Ok(catalogue)
}
