//! Users, their identities and memberships.

use serde_json::{Value, json};

use super::Call;
use super::answer::{self, Answer, Refused};
use super::paging::Listing;
use super::render::{identity_json, user_json};
use crate::seed::{Role, User, UserId};

/// `GET /users/me`. Without or with wrong credentials it answers 200 with a user that has no id.
pub(super) fn me(call: &Call, admitted: Result<(), Refused>) -> Answer {
    match admitted {
        Ok(()) => {}
        Err(Refused::Anonymous) => {
            return answer::ok(
                &json!({"user": {"id": null, "url": call.bases.api("users/.json"), "name": "Anonymous user",
                "email": "invalid@example.com", "created_at": null, "updated_at": null, "time_zone": "UTC", "phone": null,
                "locale": "en-US", "organization_id": null, "role": "end-user", "verified": false, "photo": null}}),
            );
        }
        Err(refusal) => return Err(refusal),
    }
    let mut owner = call.account.user_at(0).ok_or(Refused::NotFound)?;
    owner.email = Some(call.account.0.config.auth.email.clone());
    if !call.account.switches().caller_is_admin {
        owner.role = Role::Agent;
    }
    answer::ok(&json!({"user": user_json(&owner, &call.bases)}))
}

/// `GET /users`, with `role` or `role[]`.
pub(super) fn list(call: &Call) -> Answer {
    let account = call.account;
    let roles: Vec<&str> = call
        .query
        .0
        .iter()
        .filter(|(key, _)| key == "role" || key == "role[]")
        .map(|(_, role)| role.as_str())
        .collect();
    let visible = |ordinal: u64| {
        account.is_active_user(ordinal)
            && (roles.is_empty()
                || account.user_at(ordinal).is_some_and(|user| roles.contains(&role_name(user.role))))
    };
    let length = account.user_total();
    let more: String = roles.iter().fold(String::new(), |all, role| all + "&role[]=" + role);
    Listing {
        key: "users",
        length,
        descending: false,
        visible: &visible,
        render: &|ordinal| account.user_at(ordinal).map(|user| user_json(&user, &call.bases)),
        count: &|| {
            if roles.is_empty() {
                account.count_users()
            } else {
                u64::try_from((0..length).filter(|&ordinal| visible(ordinal)).count()).unwrap_or(0)
            }
        },
    }
    .page(&call.query, &call.url(), &more)
}

const fn role_name(role: Role) -> &'static str {
    match role {
        Role::EndUser => "end-user",
        Role::Agent => "agent",
        Role::Admin => "admin",
    }
}

/// Deleted users can still be shown; those deleted for good cannot.
fn existing(call: &Call, id: u64) -> Option<User> {
    call.account.user(UserId(id)).filter(|user| !user.permanently_deleted)
}

/// `GET /users/{id}`.
pub(super) fn show(call: &Call, id: &str) -> Answer {
    let id = id.parse().map_err(|_| answer::invalid("InvalidValue", "user id is not a number"))?;
    let user = existing(call, id).ok_or(Refused::NotFound)?;
    answer::ok(&json!({"user": user_json(&user, &call.bases)}))
}

/// `GET /users/show_many`.
pub(super) fn show_many(call: &Call) -> Answer {
    let users = call.query.ids()?.into_iter().filter_map(|id| existing(call, id));
    let users: Vec<Value> = users.map(|user| user_json(&user, &call.bases)).collect();
    let count = users.len();
    answer::ok(&json!({"users": users, "count": count, "next_page": null, "previous_page": null}))
}

/// `GET /users/{id}/identities`.
pub(super) fn identities(call: &Call, id: &str) -> Answer {
    let id = id.parse().map_err(|_| answer::invalid("InvalidValue", "user id is not a number"))?;
    let user = existing(call, id).ok_or(Refused::NotFound)?;
    let identities = call.account.identities_json(&user, &call.bases);
    super::paging::all("identities", &identities, &call.query, &call.url())
}

/// `GET /deleted_users`: deleted ones, for good or not.
pub(super) fn deleted(call: &Call) -> Answer {
    let account = call.account;
    let length = account.user_total();
    let visible = |ordinal: u64| !account.is_active_user(ordinal);
    Listing {
        key: "deleted_users",
        length,
        descending: false,
        visible: &visible,
        render: &|ordinal| account.user_at(ordinal).map(|user| user_json(&user, &call.bases)),
        count: &|| length.saturating_sub(account.count_users()),
    }
    .page(&call.query, &call.url(), "")
}

/// `GET /group_memberships`.
pub(super) fn group_memberships(call: &Call) -> Answer {
    let company = call.account.company();
    let items: Vec<Value> = (0..company.size().agents)
        .flat_map(|staff| company.group_memberships(staff))
        .filter_map(|membership| serde_json::to_value(membership).ok())
        .collect();
    super::paging::all("group_memberships", &items, &call.query, &call.url())
}

/// Places per customer in the listing of organization memberships.
const SLOTS: u64 = 2;

/// `GET /organization_memberships`, and those of one user.
pub(super) fn organization_memberships(call: &Call, user: Option<&str>) -> Answer {
    let company = call.account.company();
    let size = company.size();
    let range = match user {
        None => 0..size.end_users,
        Some(id) => {
            let ordinal =
                id.parse().ok().and_then(|id| company.user_ordinal(UserId(id))).ok_or(Refused::NotFound)?;
            ordinal.checked_sub(size.agents).map_or(0..0, |customer| customer..customer + 1)
        }
    };
    let of = |place: u64| {
        let slot = usize::try_from(place % SLOTS).unwrap_or(0);
        company.organization_memberships(range.start + place / SLOTS).get(slot).copied()
    };
    let length = (range.end - range.start) * SLOTS;
    Listing {
        key: "organization_memberships",
        length,
        descending: false,
        visible: &|place| of(place).is_some(),
        render: &|place| of(place).and_then(|membership| serde_json::to_value(membership).ok()),
        count: &|| u64::try_from((0..length).filter(|&place| of(place).is_some()).count()).unwrap_or(0),
    }
    .page(&call.query, &call.url(), "")
}

/// 403 for whoever is no admin.
pub(super) fn admins_only(call: &Call) -> Result<(), Refused> {
    if call.account.switches().caller_is_admin {
        return Ok(());
    }
    Err(Refused::AdminsOnly)
}

impl super::Account {
    pub(super) fn identities_json(&self, user: &User, bases: &super::render::Bases) -> Vec<Value> {
        let company = self.company();
        let generated =
            company.user_ordinal(user.id).map(|ordinal| company.identities(ordinal)).unwrap_or_default();
        generated.iter().map(|identity| identity_json(identity, bases)).collect()
    }
}
