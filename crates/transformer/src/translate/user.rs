//! People: customers and staff.

use std::collections::BTreeSet;

use model::command::{IfAbsent, LoadCommand, Otherwise, Parent, UserCommand};
use model::plan::{AgentMatch, Agents, EmailAddress, MissingAgent, Plan, Zone};
use model::record::{Email, Role, Standing, User};
use model::{Kind, Reason, RecordKey, SourceId};

use super::Translation;
use super::organization::free_text;
use super::seen::one_line;
use super::{fields, tags};

pub(super) fn translate(user: User, plan: &Plan) -> Translation {
    if user.id.is_placeholder() {
        return Translation::Load { command: LoadCommand::User(stand_in(plan)), notes: Vec::new() };
    }
    let staff = user.role.is_staff();
    if user.standing != Standing::Active && !staff && !plan.options.inactive_users {
        return Translation::skip(Reason::NotWanted, "options.inactive_users is false");
    }
    let mut notes = Vec::new();
    let own = addresses(&user.emails, &mut notes);
    let phones = phones(&user.phones);
    let full_name = full_name(&user, &own, &phones);
    let (emails, if_absent) =
        if staff { staff_identity(&user.id, own, &plan.agents) } else { (own, IfAbsent::Create) };
    if user.organizations.len() > 1 {
        notes.push(format!("{} further organizations left out: one is kept", user.organizations.len() - 1));
    }
    if !user.twitter.is_empty() {
        notes.push(format!("{} Twitter names left out", user.twitter.len()));
    }
    let omit = |kind: Kind, id: &SourceId| Parent {
        key: RecordKey { kind, id: id.clone() },
        otherwise: Otherwise::Omit,
    };
    let teams: &[SourceId] = if staff { &user.teams } else { &[] };
    let command = UserCommand {
        full_name,
        role: user.role,
        emails,
        if_absent,
        phones,
        enabled: user.standing == Standing::Active,
        organization: user.organizations.first().map(|id| omit(Kind::Organization, id)),
        teams: each_once(teams).map(|id| omit(Kind::Team, id)).collect(),
        tags: tags::normalise(&user.tags),
        locale: user.locale.as_deref().and_then(locale),
        time_zone: user.time_zone.as_deref().and_then(|name| time_zone(name, &mut notes)),
        designation: user.designation.as_deref().map(one_line).filter(|text| !text.is_empty()),
        signature: user.signature.filter(|text| staff && !one_line(text).is_empty()),
        notes: free_text(user.notes),
        fields: fields::assign(&user.fields, &plan.mapping.user_fields, &mut notes),
    };
    Translation::Load { command: LoadCommand::User(command), notes }
}

/// The one customer who owns what people left behind who no longer exist at the source. Without an address nobody can
/// write to it or sign in as it.
fn stand_in(plan: &Plan) -> UserCommand {
    UserCommand {
        full_name: one_line(&plan.options.placeholder_name),
        role: Role::Customer,
        emails: Vec::new(),
        if_absent: IfAbsent::Create,
        phones: Vec::new(),
        enabled: true,
        organization: None,
        teams: Vec::new(),
        tags: Vec::new(),
        locale: None,
        time_zone: None,
        designation: None,
        signature: None,
        notes: Vec::new(),
        fields: Vec::new(),
    }
}

/// Usable addresses in their normal form and order, each once.
fn addresses(emails: &[Email], notes: &mut Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    let mut bad = 0_usize;
    for email in emails {
        match EmailAddress::parse(&email.address) {
            Ok(address) => {
                let address = String::from(address);
                if seen.insert(address.clone()) {
                    found.push(address);
                }
            }
            Err(_) => bad += 1,
        }
    }
    if bad > 0 {
        notes.push(format!("{bad} of {} e-mail addresses left out: not usable", emails.len()));
    }
    found
}

/// By which addresses a member of staff is found in Kayako, and what happens if nobody has one of them. Kayako takes
/// no staff without an address, so those are always represented by the default agent.
fn staff_identity(id: &SourceId, own: Vec<String>, agents: &Agents) -> (Vec<String>, IfAbsent) {
    let mapped = agents
        .map
        .get(id.as_str())
        .or_else(|| own.iter().find_map(|address| agents.map.get(address)))
        .map(|address| vec![address.to_string()]);
    let emails = match (mapped, agents.match_by) {
        (Some(mapped), _) => mapped,
        (None, AgentMatch::Email) => own,
        (None, AgentMatch::None) => Vec::new(),
    };
    match agents.missing {
        MissingAgent::Create if !emails.is_empty() => (emails, IfAbsent::Create),
        MissingAgent::Create | MissingAgent::Default => (emails, IfAbsent::UseDefaultAgent),
    }
}

/// Never empty: Kayako refuses people without a name.
fn full_name(user: &User, emails: &[String], phones: &[String]) -> String {
    let local_part = || emails.first().and_then(|address| address.split('@').next()).map(ToOwned::to_owned);
    Some(one_line(&user.name))
        .filter(|name| !name.is_empty())
        .or_else(local_part)
        .or_else(|| phones.first().cloned())
        .unwrap_or_else(|| format!("User {}", user.id))
}

fn phones(phones: &[String]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for phone in phones.iter().map(|phone| one_line(phone)) {
        if phone.bytes().any(|byte| byte.is_ascii_digit()) && !found.contains(&phone) {
            found.push(phone);
        }
    }
    found
}

fn each_once(ids: &[SourceId]) -> impl Iterator<Item = &SourceId> {
    let mut seen = BTreeSet::new();
    ids.iter().filter(move |id| seen.insert(*id))
}

/// Kayako writes locales in lower case with a hyphen.
fn locale(tag: &str) -> Option<String> {
    let tag = tag.trim().replace('_', "-").to_lowercase();
    (!tag.is_empty()).then_some(tag)
}

/// Only zones that exist: sources mix them with names of their own (`Eastern Time (US & Canada)`).
fn time_zone(name: &str, notes: &mut Vec<String>) -> Option<String> {
    let name = name.trim();
    if name.is_empty() {
        return None;
    }
    let zone = Zone::named(name).ok();
    if zone.is_none() {
        notes.push("the time zone is left out: not an IANA name".to_owned());
    }
    zone.map(|zone| zone.name().to_owned())
}
