//! Users, organizations and groups as canonical records.
//!
//! Constraints: a person without a name, an address or a role is still a person who owns cases; second addresses live
//! only in the identities; `time_zone` mixes two naming schemes, so only `iana_time_zone` is read.

use model::record::{Email, Organization, Role, Standing, Team, User};
use model::{RecordKey, SourceId};
use serde_json::Value;

use super::fields::FieldTypes;
use super::memberships::Memberships;
use super::raw;

/// `role_type` of staff that may only write private comments.
const LIGHT_AGENT: u64 = 1;
const CONTRIBUTOR: u64 = 3;

pub(super) fn team(key: &RecordKey, group: &Value) -> Team {
    Team {
        id: key.id.clone(),
        name: raw::text(&group["name"]).unwrap_or_default(),
        deleted: raw::is_true(&group["deleted"]),
    }
}

pub(super) fn organization(key: &RecordKey, raw: &Value, types: &FieldTypes) -> Organization {
    Organization {
        id: key.id.clone(),
        name: raw::text(&raw["name"]).unwrap_or_default(),
        domains: raw::texts(&raw["domain_names"]),
        tags: raw::texts(&raw["tags"]),
        shared: raw::is_true(&raw["shared_tickets"]),
        notes: notes(raw),
        fields: types.of_organization(raw),
    }
}

/// A user; `identities` as the service lists them, or none.
pub(super) fn user(
    key: &RecordKey,
    raw: &Value,
    identities: &[Value],
    memberships: &Memberships,
    types: &FieldTypes,
) -> User {
    let role = role(raw);
    let addresses = Addresses::of(raw, identities);
    User {
        id: key.id.clone(),
        name: raw::text(&raw["name"]).unwrap_or_default(),
        role,
        standing: standing(raw),
        emails: addresses.emails,
        phones: addresses.phones,
        twitter: addresses.twitter,
        organizations: memberships.organizations(&key.id, raw::id(&raw["organization_id"])),
        teams: if role.is_staff() { teams(&key.id, raw, memberships) } else { Vec::new() },
        tags: raw::texts(&raw["tags"]),
        fields: types.of_user(raw),
        locale: raw::text(&raw["locale"]),
        time_zone: raw::text(&raw["iana_time_zone"]),
        designation: raw::text(&raw["alias"]),
        signature: raw::text(&raw["signature"]),
        notes: notes(raw),
    }
}

pub(super) fn role(user: &Value) -> Role {
    match user["role"].as_str() {
        Some("admin") => Role::Admin,
        Some("agent") => {
            let internal = matches!(user["role_type"].as_u64(), Some(LIGHT_AGENT | CONTRIBUTOR))
                || raw::is_true(&user["only_private_comments"]);
            if internal { Role::Collaborator } else { Role::Agent }
        }
        _ => Role::Customer,
    }
}

pub(super) fn standing(user: &Value) -> Standing {
    if raw::is_false(&user["active"]) {
        Standing::Deleted
    } else if raw::is_true(&user["suspended"]) {
        Standing::Suspended
    } else {
        Standing::Active
    }
}

/// The memberships, or where the account does not list any the default team.
fn teams(id: &SourceId, user: &Value, memberships: &Memberships) -> Vec<SourceId> {
    let listed = memberships.teams(id);
    if listed.is_empty() { raw::id(&user["default_group_id"]).into_iter().collect() } else { listed }
}

fn notes(raw: &Value) -> Vec<String> {
    ["details", "notes"].iter().filter_map(|property| raw::text(&raw[*property])).collect()
}

#[derive(Default)]
struct Addresses {
    emails: Vec<Email>,
    phones: Vec<String>,
    twitter: Vec<String>,
}

impl Addresses {
    /// What the user's own object says comes first, then primary identities, then the others in their order.
    fn of(user: &Value, identities: &[Value]) -> Self {
        let mut found = Self::default();
        if let Some(address) = raw::text(&user["email"]) {
            found.emails.push(Email { address, verified: raw::is_true(&user["verified"]) });
        }
        found.phones.extend(raw::text(&user["phone"]));
        let primary = identities.iter().filter(|identity| raw::is_true(&identity["primary"]));
        let others = identities.iter().filter(|identity| !raw::is_true(&identity["primary"]));
        for identity in primary.chain(others) {
            found.add(identity);
        }
        found
    }

    fn add(&mut self, identity: &Value) {
        let Some(value) = raw::text(&identity["value"]) else { return };
        match identity["type"].as_str() {
            Some("email") => {
                let verified = raw::is_true(&identity["verified"]);
                match self.emails.iter_mut().find(|email| email.address.eq_ignore_ascii_case(&value)) {
                    Some(known) => known.verified = verified,
                    None => self.emails.push(Email { address: value, verified }),
                }
            }
            Some("phone_number") if !self.phones.contains(&value) => self.phones.push(value),
            Some("twitter") if !self.twitter.contains(&value) => self.twitter.push(value),
            // Accounts of other networks, forwarding addresses and kinds to come have no place in Kayako.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn light_agents_and_contributors_are_collaborators() {
        for (user, expected) in [
            (json!({"role": "end-user", "role_type": null}), Role::Customer),
            (json!({"role": "agent", "role_type": 0}), Role::Agent),
            (json!({"role": "agent", "role_type": 1}), Role::Collaborator),
            (json!({"role": "agent", "role_type": 3}), Role::Collaborator),
            (json!({"role": "agent", "role_type": 0, "only_private_comments": true}), Role::Collaborator),
            (json!({"role": "admin", "role_type": 4}), Role::Admin),
            (json!({}), Role::Customer),
        ] {
            assert_eq!(role(&user), expected, "{user}");
        }
    }

    #[test]
    fn a_deleted_user_is_deleted_even_if_suspended_before() {
        assert_eq!(standing(&json!({"active": false, "suspended": true})), Standing::Deleted);
        assert_eq!(standing(&json!({"active": true, "suspended": true})), Standing::Suspended);
        assert_eq!(standing(&json!({})), Standing::Active);
    }

    #[test]
    fn identities_add_to_the_primary_address_and_never_repeat_it() {
        let user = json!({"email": "Jo@X.example", "verified": true, "phone": "+49301"});
        let identities = [
            json!({"type": "email", "value": "second@x.example", "verified": false, "primary": false}),
            json!({"type": "email", "value": "jo@x.example", "verified": true, "primary": true}),
            json!({"type": "phone_number", "value": "+49301", "verified": true, "primary": true}),
            json!({"type": "phone_number", "value": "+49302", "verified": true, "primary": false}),
            json!({"type": "twitter", "value": "jo"}),
            json!({"type": "carrier_pigeon", "value": "coo"}),
        ];
        let found = Addresses::of(&user, &identities);
        let emails: Vec<_> =
            found.emails.iter().map(|email| (email.address.as_str(), email.verified)).collect();
        assert_eq!(emails, [("Jo@X.example", true), ("second@x.example", false)]);
        assert_eq!(found.phones, ["+49301", "+49302"]);
        assert_eq!(found.twitter, ["jo"]);
    }
}
