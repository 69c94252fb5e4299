//! The oracle: compares what the source holds with what Kayako really holds, field by field.
//!
//! Constraints: expected values come from the generated company and the plan's documented rules, never from the product's own code;
//! what is left open on purpose (which of two people with one address came first) accepts each of the documented outcomes and
//! nothing else. Every object that nobody ordered is a difference, too.

mod cases;
mod difference;
mod organizations;
mod people;
mod teams;
mod values;
mod words;

use std::collections::BTreeSet;

use sandbox::seed::{Company, TicketId};

pub use difference::Difference;

use crate::fields::Fields;
use crate::holding::{Contested, Holding};
use crate::rules::Rules;
use difference::Differences;

/// What must have arrived.
#[derive(Debug, Clone, Copy)]
pub struct Expectation<'a> {
    /// The source.
    pub company: &'a Company,
    /// The plan's rules.
    pub rules: &'a Rules,
    /// The mapped fields.
    pub fields: &'a Fields,
    /// What Kayako held beforehand; nothing of it may have changed.
    pub before: &'a Holding,
    /// The source's address: bodies refer to their images by it.
    pub zendesk_url: &'a str,
    /// Who stands in for staff who are not in Kayako, and for the system.
    pub kayako_email: &'a str,
    /// Cases that a demo moved. A demo fetches parents by id, and the source does not show people who were deleted for good that
    /// way: the stand-in customer takes their place in these cases.
    pub sample: &'a BTreeSet<TicketId>,
    /// Whether a process died. What it had in memory is read again by id, and of people who were deleted for good the source then
    /// shows nothing: they may be there under the stand-in's name.
    pub killed: bool,
}

/// Everything in which `now` differs from what is expected; empty if the migration is complete and right.
pub fn compare(expected: &Expectation<'_>, now: &Holding) -> Vec<Difference> {
    let mut found = Differences::default();
    let organizations = organizations::compare(expected, now, &mut found);
    let people = people::compare(expected, now, &organizations, &mut found);
    let teams = teams::compare(expected, now, &people, &mut found);
    cases::compare(expected, now, &people, &teams, &mut found);
    for mail in &now.mails {
        found.0.push(Difference::Mailed { cause: format!("{:?}", mail.cause), case: mail.case_id });
    }
    found.0
}

/// What several records of the source claim; see [`Contested`].
pub fn contested(company: &Company) -> Contested {
    Contested { emails: people::contested(company), domains: organizations::contested(company) }
}

/// The origin key of a record of the sample source. Sample accounts are known by their host.
pub fn origin_key(kind: &str, id: impl std::fmt::Display) -> String {
    format!("zendesk-127.0.0.1:{kind}:{id}")
}
