//! `POST /users/filter` and `POST /organizations/filter` (reference section 1.8).
//!
//! Constraints. Equality on an e-mail or a name uses the index, so that asking for 200 addresses in an account of a million
//! people takes 200 steps. `legacy_id` is no predicate field: a filter cannot replace the `legacy_ids` look-up.

use std::collections::BTreeSet;

use serde_json::Value;

use super::call::Call;
use super::envelope::{Answer, Failure};
use super::field_values::Values;
use super::fields::FieldOwner;
use super::organizations::Organization;
use super::params::{as_flag, as_int, scalar_text};
use super::state::State;
use super::users::User;

/// One condition.
#[derive(Debug)]
struct Proposition {
    field: String,
    operator: String,
    value: Value,
}

/// `any` of groups, or all of them; a group is `any` of its conditions, or all of them.
#[derive(Debug)]
struct Predicates {
    any: bool,
    groups: Vec<(bool, Vec<Proposition>)>,
}

impl Predicates {
    fn read(call: &mut Call) -> Result<Self, Failure> {
        let refuse = |message: &'static str| Failure::invalid("predicates", message);
        let given = match call.params.take("predicates") {
            None => return Err(Failure::required("predicates")),
            // The documentation calls it a string.
            Some(Value::String(text)) => {
                serde_json::from_str(&text).map_err(|_| refuse("JSON is expected"))?
            }
            Some(value) => value,
        };
        let is_or = |value: &Value, name: &str| {
            value[name].as_str().is_some_and(|word| word.eq_ignore_ascii_case("OR"))
        };
        let mut groups = Vec::new();
        for group in given["collections"].as_array().ok_or_else(|| refuse("collections are missing"))? {
            let list = group["propositions"].as_array().ok_or_else(|| refuse("propositions are missing"))?;
            let mut propositions = Vec::with_capacity(list.len());
            for item in list {
                let (Some(field), Some(operator)) = (item["field"].as_str(), item["operator"].as_str())
                else {
                    return Err(refuse("A proposition needs a field and an operator"));
                };
                let (field, operator) = (field.to_lowercase(), operator.to_lowercase());
                propositions.push(Proposition { field, operator, value: item["value"].clone() });
            }
            groups.push((is_or(group, "proposition_operator"), propositions));
        }
        Ok(Self { any: is_or(&given, "collection_operator"), groups })
    }

    fn hold(&self, test: impl Fn(&Proposition) -> bool) -> bool {
        let group = |(any, list): &(bool, Vec<Proposition>)| {
            if *any { list.iter().any(&test) } else { list.iter().all(&test) }
        };
        if self.any { self.groups.iter().any(group) } else { self.groups.iter().all(group) }
    }

    /// If every group is decided by one equality on `field` (groups joined by OR, each an OR or a single condition): the values.
    fn only_equalities(&self, field: &str) -> Option<Vec<String>> {
        let mut values = Vec::new();
        if !self.any && self.groups.len() > 1 {
            return None;
        }
        for (any, list) in &self.groups {
            if !any && list.len() != 1 {
                return None;
            }
            for proposition in list {
                if proposition.field != field || proposition.operator != "comparison_equalto" {
                    return None;
                }
                values.push(scalar_text(&proposition.value)?);
            }
        }
        Some(values)
    }
}

impl Proposition {
    /// Compares with a set of texts, as operators on collections and strings do.
    fn texts<'a>(&self, actual: impl Iterator<Item = &'a str>) -> bool {
        let wanted = scalar_text(&self.value).unwrap_or_default().to_lowercase();
        let listed = || match &self.value {
            Value::Array(list) => {
                list.iter().filter_map(scalar_text).map(|text| text.to_lowercase()).collect()
            }
            _ => super::params::split_csv(&wanted),
        };
        let mut actual = actual.map(str::to_lowercase);
        match self.operator.as_str() {
            "comparison_equalto" => actual.any(|text| text == wanted),
            "comparison_not_equalto" => actual.all(|text| text != wanted),
            "string_contains_insensitive" => actual.any(|text| text.contains(&wanted)),
            "collection_contains_insensitive" | "collection_contains_any_insensitive" => {
                let listed: Vec<String> = listed();
                actual.any(|text| listed.contains(&text))
            }
            "collection_does_not_contain_insensitive" => {
                let listed: Vec<String> = listed();
                actual.all(|text| !listed.contains(&text))
            }
            _ => false,
        }
    }

    fn number(&self, actual: Option<u64>) -> bool {
        let wanted = as_int(&self.value);
        match self.operator.as_str() {
            "comparison_equalto" => actual == wanted,
            "comparison_not_equalto" => actual != wanted,
            "comparison_greaterthan" => actual > wanted,
            "comparison_lessthan" => actual < wanted && actual.is_some(),
            _ => false,
        }
    }

    fn date(&self, actual: i64) -> bool {
        let text = scalar_text(&self.value).unwrap_or_default();
        let Some(day) =
            text.get(..10).and_then(|day| format!("{day}T00:00:00Z").parse::<jiff::Timestamp>().ok())
        else {
            return false;
        };
        let (actual, day) = (actual.div_euclid(86_400), day.as_second().div_euclid(86_400));
        match self.operator.as_str() {
            "date_is" => actual == day,
            "date_is_not" => actual != day,
            "date_after_or_on" => actual >= day,
            "date_before_or_on" => actual <= day,
            _ => false,
        }
    }

    fn custom(&self, state: &State, owner: FieldOwner, values: &Values, key: &str) -> bool {
        let found = state.values_by_key(owner, values);
        self.texts(found.get(key).map(String::as_str).into_iter())
    }
}

/// `POST /users/filter`.
pub(crate) fn filter_users(state: &State, call: &mut Call) -> Result<Answer, Failure> {
    let predicates = Predicates::read(call)?;
    let visible = |user: &&User| user.visible_from <= state.now_ms;
    let rows: Vec<&User> = if let Some(addresses) = predicates.only_equalities("identityemails.address") {
        let ids: BTreeSet<u64> =
            addresses.iter().filter_map(|address| state.user_of_email(address)).collect();
        ids.iter().rev().filter_map(|id| state.users.get(*id)).filter(visible).collect()
    } else {
        let users = state.users.iter().rev().map(|(_, user)| user).filter(visible);
        users.filter(|user| predicates.hold(|proposition| user_fits(state, user, proposition))).collect()
    };
    Ok(call.page(state, "user", &rows, |user| state.show_user(user, &call.shape, 0)))
}

fn user_fits(state: &State, user: &User, proposition: &Proposition) -> bool {
    let emails =
        || user.email_ids.iter().filter_map(|id| state.emails.get(*id)).map(|email| email.address.as_str());
    let phones =
        || user.phone_ids.iter().filter_map(|id| state.phones.get(*id)).map(|phone| phone.number.as_str());
    match proposition.field.as_str() {
        "users.fullname" => proposition.texts(std::iter::once(user.full_name.as_str())),
        "users.organizationid" => proposition.number(user.organization_id),
        "roles.type" => proposition.number(state.role(user.role_id).map(super::call::Role::number)),
        "tags.name" => proposition.texts(user.tags.iter().map(String::as_str)),
        "identityemails.address" => proposition.texts(emails()),
        "identityphones.number" => proposition.texts(phones()),
        "users.timezone" => proposition.texts(user.time_zone.as_deref().into_iter()),
        "users.languageid" => proposition.number(user.locale_id),
        "users.isenabled" => as_flag(&proposition.value) == Some(user.is_enabled),
        "users.createdat" => proposition.date(user.created_at),
        "users.updatedat" => proposition.date(user.updated_at),
        other => other
            .strip_prefix("userfields.")
            .is_some_and(|key| proposition.custom(state, FieldOwner::User, &user.values, key)),
    }
}

/// `POST /organizations/filter`.
pub(crate) fn filter_organizations(state: &State, call: &mut Call) -> Result<Answer, Failure> {
    let predicates = Predicates::read(call)?;
    let visible = |row: &&Organization| row.visible_from <= state.now_ms;
    let rows: Vec<&Organization> = if let Some(names) = predicates.only_equalities("organizations.name") {
        let named = names.iter().flat_map(|name| state.organizations_by_name.get(&name.to_lowercase()));
        let ids: BTreeSet<u64> = named.copied().collect();
        ids.iter().filter_map(|id| state.organizations.get(*id)).filter(visible).collect()
    } else {
        let rows = state.organizations.iter().map(|(_, row)| row).filter(visible);
        rows.filter(|row| predicates.hold(|proposition| organization_fits(state, row, proposition))).collect()
    };
    Ok(call.page(state, "organization", &rows, |row| state.show_organization(row, &call.shape, 0)))
}

fn organization_fits(state: &State, row: &Organization, proposition: &Proposition) -> bool {
    match proposition.field.as_str() {
        "organizations.name" => proposition.texts(std::iter::once(row.name.as_str())),
        "tags.name" => proposition.texts(row.tags.iter().map(String::as_str)),
        "organizations.createdat" => proposition.date(row.created_at),
        "organizations.updatedat" => proposition.date(row.updated_at),
        other => other
            .strip_prefix("organizationfields.")
            .is_some_and(|key| proposition.custom(state, FieldOwner::Organization, &row.values, key)),
    }
}
