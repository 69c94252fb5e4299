//! Organizations.

use std::collections::BTreeSet;

use model::command::{LoadCommand, OrganizationCommand};
use model::plan::{EmailAddress, Plan};
use model::record::Organization;

use super::Translation;
use super::seen::one_line;
use super::{fields, tags};

pub(super) fn translate(organization: Organization, plan: &Plan) -> Translation {
    let mut notes = Vec::new();
    let domains = domains(&organization.domains, &mut notes);
    let name = Some(one_line(&organization.name))
        .filter(|name| !name.is_empty())
        .or_else(|| domains.first().cloned())
        .unwrap_or_else(|| format!("Organization {}", organization.id));
    let command = OrganizationCommand {
        name,
        domains,
        tags: tags::normalise(&organization.tags),
        shared: organization.shared,
        notes: free_text(organization.notes),
        fields: fields::assign(&organization.fields, &plan.mapping.organization_fields, &mut notes),
    };
    Translation::Load { command: LoadCommand::Organization(command), notes }
}

/// Domains in their normal form, each once. What is no domain is noted and left out: one bad domain would cost the
/// whole organization.
fn domains(domains: &[String], notes: &mut Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    let mut bad = 0_usize;
    for domain in domains {
        let domain = domain.trim();
        let domain = domain.strip_prefix('@').unwrap_or(domain);
        // The rules of the part behind an address's `@`.
        match EmailAddress::parse(&format!("x@{domain}")) {
            Ok(address) => {
                let domain = address.as_str().strip_prefix("x@").unwrap_or_default();
                if seen.insert(domain.to_owned()) {
                    found.push(domain.to_owned());
                }
            }
            Err(_) => bad += 1,
        }
    }
    if bad > 0 {
        notes.push(format!("{bad} of {} domains left out: not usable", domains.len()));
    }
    found
}

/// Texts with something in them.
pub(super) fn free_text(texts: Vec<String>) -> Vec<String> {
    texts.into_iter().filter(|text| !one_line(text).is_empty()).collect()
}
