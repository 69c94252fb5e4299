//! People: who stands for whom, and what is known about those who were created.
//!
//! The rules, as the plan documents them: a customer whose address exists in Kayako is adopted, untouched; two customers with one
//! address become one; staff who are in Kayako are adopted, the default agent stands in for the others; people without a
//! usable address are created without one; suspended and deleted customers are created disabled.

use std::collections::{BTreeMap, BTreeSet};

use sandbox::kayako::UserTruth;
use sandbox::seed::{Company, IdentityKind, OrganizationId, Owner, Role, User, UserId};

use super::difference::Differences;
use super::organizations::Organizations;
use super::words::{email, one_line, tags, unordered};
use super::{Expectation, origin_key, values};
use crate::holding::Holding;

/// Languages that the sample Kayako account has; the first is everybody's who has none of them.
const LOCALES: [&str; 6] = ["en-us", "de", "fr", "es", "ja", "ar"];

/// Name of those of whom nothing is known, unless the plan says otherwise.
const STAND_IN: &str = "Former customer";

/// Which objects stand for which people of the source.
#[derive(Debug, Default)]
pub(crate) struct People {
    known: BTreeMap<UserId, u64>,
    /// Staff who are in Kayako themselves.
    staff: BTreeMap<UserId, u64>,
    /// Who stands in for staff and for the system.
    pub(crate) default_agent: Option<u64>,
    /// The customer who stands in for people who never arrive.
    pub(crate) stand_in: Option<u64>,
    lost_for_good: BTreeSet<UserId>,
}

impl People {
    /// The object that stands for a person.
    pub(crate) fn of(&self, id: UserId) -> Option<u64> {
        self.known.get(&id).copied()
    }

    /// Staff with objects of their own.
    pub(crate) fn staff(&self) -> impl Iterator<Item = (UserId, u64)> {
        self.staff.iter().map(|(&user, &id)| (user, id))
    }

    /// Whether a person was deleted for good, so that the source shows them in listings only.
    pub(crate) fn is_lost_for_good(&self, id: UserId) -> bool {
        self.lost_for_good.contains(&id)
    }
}

/// A person of the source.
struct Person {
    user: User,
    place: u64,
    /// Usable addresses, the deciding one first.
    emails: Vec<String>,
}

fn all(company: &Company) -> impl Iterator<Item = Person> {
    (0..company.user_count()).filter_map(|place| {
        let user = company.user_at(place)?;
        let mut emails: Vec<String> = Vec::new();
        // Deleted people's further addresses are not shown any more.
        let further = if user.active { company.identities(place) } else { Vec::new() };
        let further = further.into_iter().filter(|identity| identity.kind == IdentityKind::Email);
        for address in user.email.iter().cloned().chain(further.map(|identity| identity.value)) {
            if let Some(address) = email(&address).filter(|address| !emails.contains(address)) {
                emails.push(address);
            }
        }
        Some(Person { user, place, emails })
    })
}

fn is_staff(user: &User) -> bool {
    user.role != Role::EndUser
}

/// Addresses that decide who several customers are.
pub(crate) fn contested(company: &Company) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let deciding = all(company).filter_map(|person| person.emails.into_iter().next());
    deciding.filter(|address| !seen.insert(address.clone())).collect()
}

pub(crate) fn compare(
    expected: &Expectation<'_>,
    now: &Holding,
    organizations: &Organizations,
    found: &mut Differences,
) -> People {
    let mut by_address: BTreeMap<String, &UserTruth> = BTreeMap::new();
    for user in &expected.before.users {
        by_address.extend(user.emails.iter().map(|email| (email.address.to_lowercase(), user)));
    }
    let mut by_key: BTreeMap<&str, Vec<&UserTruth>> = BTreeMap::new();
    for user in &now.users {
        by_key.entry(user.legacy_id.as_deref().unwrap_or_default()).or_default().push(user);
    }
    let mut people = People {
        default_agent: by_address.get(expected.kayako_email).map(|user| user.id),
        ..People::default()
    };
    let mut groups: BTreeMap<String, Vec<Person>> = BTreeMap::new();
    for person in all(expected.company) {
        if person.user.permanently_deleted {
            people.lost_for_good.insert(person.user.id);
        }
        let existing = person.emails.iter().find_map(|address| by_address.get(address));
        if is_staff(&person.user) {
            let own = existing.filter(|user| user.role != "CUSTOMER").map(|user| user.id);
            people.staff.extend(own.map(|id| (person.user.id, id)));
            people.known.extend(own.or(people.default_agent).map(|id| (person.user.id, id)));
            continue;
        }
        let name = person.emails.first().cloned().unwrap_or_else(|| format!("#{}", person.user.id));
        groups.entry(name).or_default().push(person);
    }
    let mut matched = BTreeSet::new();
    for (name, members) in groups {
        let existing = members.iter().flat_map(|one| &one.emails).find_map(|address| by_address.get(address));
        let mut objects: Vec<&UserTruth> = members
            .iter()
            .flat_map(|one| by_key.get(origin_key("user", one.user.id).as_str()).cloned().unwrap_or_default())
            .collect();
        let ids: Vec<String> = members.iter().map(|one| one.user.id.to_string()).collect();
        let record = format!("user {}", ids.join(" = "));
        matched.extend(objects.iter().map(|object| object.id));
        if let Some(existing) = existing {
            // Adopted: a second object would be a double of the first.
            objects.push(existing);
        }
        let Some(object) = found.only(&record, &objects) else { continue };
        people.known.extend(members.iter().map(|one| (one.user.id, object.id)));
        if existing.is_none() {
            let key = object.legacy_id.as_deref();
            let winner = members.iter().find(|one| key == Some(origin_key("user", one.user.id).as_str()));
            if let Some(winner) = winner {
                created(expected, organizations, now, winner, object, &record, found);
            }
        }
        drop(name);
    }
    if let Some(objects) = by_key.get(origin_key("user", "placeholder").as_str()) {
        matched.extend(objects.iter().map(|object| object.id));
        if let Some(object) = found.only("the stand-in customer", objects) {
            people.stand_in = Some(object.id);
            found.value("the stand-in customer", "emails", &0, &object.emails.len());
            found.value("the stand-in customer", "role", &"CUSTOMER", &object.role.as_str());
        }
    }
    untouched(expected, now, &matched, found);
    people
}

/// A person who was created.
fn created(
    expected: &Expectation<'_>,
    organizations: &Organizations,
    now: &Holding,
    person: &Person,
    object: &UserTruth,
    record: &str,
    found: &mut Differences,
) {
    let (user, company) = (&person.user, expected.company);
    if expected.killed && user.permanently_deleted && object.full_name == STAND_IN {
        found.value(record, "enabled", &false, &object.is_enabled);
        found.value(record, "addresses", &0, &object.emails.len());
        return;
    }
    found.value(record, "name", &one_line(&user.name), &object.full_name);
    found.value(record, "role", &"CUSTOMER", &object.role.as_str());
    found.value(record, "enabled", &(user.active && !user.suspended), &object.is_enabled);
    // Created whole from the listing, finished after a death from what is left of them: nothing.
    let nothing_left = expected.killed && user.permanently_deleted;
    if !(nothing_left && object.tags.is_empty()) {
        found.value(record, "tags", &tags(user.tags.iter().map(String::as_str)), &unordered(&object.tags));
    }
    if !(nothing_left && object.notes.is_empty()) {
        let notes: Vec<String> = user.details.iter().chain(&user.notes).cloned().collect();
        found.value(record, "notes", &unordered(&notes), &unordered(&object.notes));
    }
    found.value(record, "time zone", &Some(user.iana_time_zone.clone()), &object.time_zone);
    found.value(record, "designation", &user.alias, &object.designation);
    found.value(record, "teams", &Vec::new(), &object.team_ids);
    let tag = user.locale.to_lowercase();
    let language = tag.split('-').next().unwrap_or_default();
    let locale = LOCALES.iter().find(|locale| **locale == tag).or(LOCALES.iter().find(|l| **l == language));
    found.value(record, "locale", &Some((*locale.unwrap_or(&LOCALES[0])).to_owned()), &object.locale);
    let customer = person.place.checked_sub(company.size().agents);
    let memberships = customer.map_or_else(Vec::new, |place| company.organization_memberships(place));
    let first: Option<OrganizationId> = memberships.first().map(|membership| membership.organization_id);
    let organization = first.and_then(|id| organizations.of(id));
    found.value(record, "organization", &organization, &object.organization_id);
    let fields = expected
        .rules
        .fields
        .then(|| values::expected(expected.fields, Owner::User, |key| user.user_fields.get(key)));
    found.value(record, "fields", &fields.unwrap_or_default(), &object.custom_fields);
    let digits = |number: &str| number.chars().filter(char::is_ascii_digit).collect::<String>();
    let phones: BTreeSet<String> = user.phone.iter().map(|number| digits(number)).collect();
    let held: Vec<String> = object.phones.iter().map(|phone| digits(&phone.number)).collect();
    found.value(record, "phones", &phones.into_iter().collect(), &held);
    let primary =
        object.emails.iter().find(|email| email.is_primary).map(|email| email.address.to_lowercase());
    found.value(record, "primary address", &person.emails.first().cloned(), &primary);
    let held: Vec<String> =
        unordered(&object.emails.iter().map(|email| email.address.to_lowercase()).collect::<Vec<_>>());
    // A further address that somebody else has stays theirs.
    let elsewhere = |address: &String| {
        let has = |user: &UserTruth| user.emails.iter().any(|email| email.address.to_lowercase() == *address);
        now.users.iter().any(|user| user.id != object.id && has(user))
    };
    let own: Vec<String> = person.emails.iter().filter(|address| !elsewhere(address)).cloned().collect();
    found.value(record, "addresses", &unordered(&own), &held);
    let notified = object.emails.iter().any(|email| email.is_notification_enabled);
    found.value(record, "notified", &false, &notified);
}

/// Nothing of what was there beforehand may have changed, except that agents joined teams; nobody may have come uncalled.
fn untouched(expected: &Expectation<'_>, now: &Holding, matched: &BTreeSet<u64>, found: &mut Differences) {
    let after: BTreeMap<u64, &UserTruth> = now.users.iter().map(|user| (user.id, user)).collect();
    let before: BTreeMap<u64, &UserTruth> =
        expected.before.users.iter().map(|user| (user.id, user)).collect();
    for (id, before) in &before {
        let record = format!("user with id {id} of before");
        let Some(after) = after.get(id) else {
            found.missing(&record);
            continue;
        };
        let stayed = before.team_ids.iter().all(|team| after.team_ids.contains(team));
        found.value(&record, "old teams", &true, &stayed);
        let mut after = (*after).clone();
        if before.role != "CUSTOMER" {
            after.team_ids.clone_from(&before.team_ids);
        }
        found.value(&record, "whole", *before, &after);
    }
    for user in now.users.iter().filter(|user| !before.contains_key(&user.id) && !matched.contains(&user.id))
    {
        found.unexpected("user", user.id, user.legacy_id.as_ref());
    }
}
