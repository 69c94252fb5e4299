//! Organizations: name, domains, tags, fields, notes.

use std::collections::{BTreeMap, BTreeSet};

use sandbox::kayako::OrganizationTruth;
use sandbox::seed::{Company, Organization, OrganizationId, Owner};

use super::difference::Differences;
use super::words::{one_line, tags, unordered};
use super::{Expectation, origin_key, values};
use crate::holding::Holding;

/// Which object stands for which organization of the source.
#[derive(Debug, Default)]
pub(crate) struct Organizations(BTreeMap<OrganizationId, u64>);

impl Organizations {
    pub(crate) fn of(&self, id: OrganizationId) -> Option<u64> {
        self.0.get(&id).copied()
    }
}

fn all(company: &Company) -> impl Iterator<Item = Organization> {
    (0..company.organization_count()).filter_map(|place| company.organization_at(place))
}

fn domains(organization: &Organization) -> BTreeSet<String> {
    organization.domain_names.iter().map(|domain| domain.trim().to_lowercase()).collect()
}

/// Domains that several organizations claim.
pub(crate) fn contested(company: &Company) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    all(company).flat_map(|row| domains(&row)).filter(|domain| !seen.insert(domain.clone())).collect()
}

pub(crate) fn compare(expected: &Expectation<'_>, now: &Holding, found: &mut Differences) -> Organizations {
    let mut by_key: BTreeMap<&str, Vec<&OrganizationTruth>> = BTreeMap::new();
    for row in &now.organizations {
        by_key.entry(row.legacy_id.as_deref().unwrap_or_default()).or_default().push(row);
    }
    // A domain belongs to one organization in Kayako: whichever of the claimants came first has it.
    let mut holders: BTreeMap<&str, usize> = BTreeMap::new();
    for domain in now.organizations.iter().flat_map(|row| &row.domains) {
        *holders.entry(domain).or_default() += 1;
    }
    let contested = contested(expected.company);
    let mut matched = BTreeSet::new();
    let mut known = Organizations::default();
    for source in all(expected.company) {
        let record = format!("organization {}", source.id);
        let objects = by_key.get(origin_key("organization", source.id).as_str()).cloned().unwrap_or_default();
        matched.extend(objects.iter().map(|row| row.id));
        let Some(row) = found.only(&record, &objects) else { continue };
        known.0.insert(source.id, row.id);
        found.value(&record, "name", &one_line(&source.name), &row.name);
        found.value(&record, "shared", &source.shared_tickets, &row.is_shared);
        found.value(&record, "tags", &tags(source.tags.iter().map(String::as_str)), &unordered(&row.tags));
        let notes: Vec<String> = source.details.iter().chain(&source.notes).cloned().collect();
        found.value(&record, "notes", &unordered(&notes), &unordered(&row.notes));
        let fields = expected.rules.fields.then(|| {
            values::expected(expected.fields, Owner::Organization, |key| source.organization_fields.get(key))
        });
        found.value(&record, "fields", &fields.unwrap_or_default(), &row.custom_fields);
        let wanted = domains(&source);
        let held: BTreeSet<String> = row.domains.iter().cloned().collect();
        let sure: BTreeSet<String> = wanted.difference(&contested).cloned().collect();
        if !(held.is_subset(&wanted) && sure.is_subset(&held)) || held.len() != row.domains.len() {
            found.value(&record, "domains", &wanted, &held);
        }
        for domain in wanted.intersection(&contested) {
            let holders = holders.get(domain.as_str()).copied().unwrap_or_default();
            found.value(&record, &format!("owners of domain {domain}"), &1, &holders);
        }
    }
    for row in &now.organizations {
        match expected.before.organizations.iter().find(|before| before.id == row.id) {
            Some(before) => found.value(&format!("organization {} of before", row.id), "whole", before, row),
            None if !matched.contains(&row.id) => {
                found.unexpected("organization", row.id, row.legacy_id.as_ref());
            }
            None => {}
        }
    }
    known
}
