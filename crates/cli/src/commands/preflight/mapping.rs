//! Compares what the plan maps with what both accounts have.

use std::collections::{BTreeMap, BTreeSet};

use kayako::Field;
use model::plan::{AgentMatch, FieldMapping, MissingAgent, MissingTeam, Plan};

use super::findings::Finding;
use crate::survey::{SourceSurvey, TargetSurvey, fold};

/// More names than this are only counted.
const NAMED: usize = 10;

/// All comparisons.
pub(crate) fn compare(plan: &Plan, source: &SourceSurvey, target: &TargetSurvey) -> Vec<Finding> {
    let mut findings = agents(plan, source, target);
    findings.push(teams(plan, source, target));
    findings.push(statuses(plan, source, target));
    let priorities = target.priorities.iter().filter_map(|priority| priority.label.as_deref());
    findings.push(labels("priorities", "mapping.priority", plan.mapping.priority.values(), priorities));
    let types = target.types.iter().filter_map(|case_type| case_type.label.as_deref());
    findings.push(labels("types", "mapping.type", plan.mapping.case_type.values(), types));
    findings.extend(fields(plan, target));
    findings
}

fn listed(names: &[String]) -> String {
    let mut text = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > NAMED {
        text.push_str(&format!(" and {} more", names.len() - NAMED));
    }
    text
}

fn agents(plan: &Plan, source: &SourceSurvey, target: &TargetSurvey) -> Vec<Finding> {
    let staff = target.staff_by_email();
    let mut findings = Vec::new();
    let default = plan.default_agent().as_str();
    if !staff.contains_key(default) {
        findings.push(Finding::block(
            "default agent",
            format!("Kayako has no agent with the address {default}"),
            "correct `agents.default` in the plan, or add the agent in Kayako",
        ));
    }
    let strangers: BTreeSet<String> = plan
        .agents
        .map
        .values()
        .map(ToString::to_string)
        .filter(|email| !staff.contains_key(email))
        .collect();
    if !strangers.is_empty() {
        findings.push(Finding::block(
            "agents",
            format!(
                "`agents.map` names people who are no agents in Kayako: {}",
                listed(&Vec::from_iter(strangers))
            ),
            "correct the addresses, or add the agents in Kayako",
        ));
    }
    let (mut matched, mut missing, mut inactive) = (0, Vec::new(), Vec::new());
    for agent in source.catalogue.agents.iter().filter(|agent| agent.active) {
        let email = agent.email.as_deref().map(fold);
        let by_map = email.as_ref().and_then(|email| plan.agents.map.get(email));
        let found = match by_map.or_else(|| plan.agents.map.get(agent.id.as_str())) {
            Some(mapped) => staff.get(mapped.as_str()),
            None if plan.agents.match_by == AgentMatch::Email => {
                email.as_ref().and_then(|email| staff.get(email))
            }
            None => None,
        };
        match found {
            Some(user) if user.is_enabled == Some(false) => inactive.push(agent.name.clone()),
            Some(_) => matched += 1,
            None => missing.push(agent.email.clone().unwrap_or_else(|| agent.name.clone())),
        }
    }
    findings.push(Finding::pass("agents", format!("{matched} are in Kayako")));
    if !inactive.is_empty() {
        findings.push(Finding::warn(
            "inactive agents",
            format!("{} have not been activated in Kayako: {}", inactive.len(), listed(&inactive)),
            "let them confirm the invitation, or map them to somebody else in `agents.map`",
        ));
    }
    if !missing.is_empty() {
        let (fate, fix) = match plan.agents.missing {
            MissingAgent::Default => (
                format!("{default} stands in for them"),
                "add them in Kayako, or name somebody in `agents.map`".to_owned(),
            ),
            MissingAgent::Create => {
                let seats = target.seats.map_or_else(
                    || "make sure that the Kayako plan has the seats".to_owned(),
                    |seats| format!("the Kayako plan has {seats} seats, {} are taken", target.staff.len()),
                );
                ("they are created".to_owned(), seats)
            }
        };
        findings.push(Finding::warn(
            "missing agents",
            format!("{} are not in Kayako, {fate}: {}", missing.len(), listed(&missing)),
            fix,
        ));
    }
    findings
}

fn teams(plan: &Plan, source: &SourceSurvey, target: &TargetSurvey) -> Finding {
    let known: BTreeSet<String> =
        target.teams.iter().filter_map(|team| team.title.as_deref()).map(fold).collect();
    let (mut there, mut new, mut defaulted) = (0, Vec::new(), Vec::new());
    for group in source.catalogue.groups.iter().filter(|group| !group.deleted) {
        let mapped = plan.teams.map.get(&group.name).or_else(|| plan.teams.map.get(group.id.as_str()));
        let title = match (mapped, plan.teams.missing) {
            (Some(title), _) => title,
            (None, MissingTeam::Create) => &group.name,
            (None, MissingTeam::Default) => {
                defaulted.push(group.name.clone());
                continue;
            }
        };
        if known.contains(&fold(title)) {
            there += 1;
        } else {
            new.push(title.clone());
        }
    }
    let mut found = format!("{there} are in Kayako");
    if !new.is_empty() {
        found.push_str(&format!(", {} will be created ({})", new.len(), listed(&new)));
    }
    if !defaulted.is_empty() {
        found.push_str(&format!(", {} go to the default team ({})", defaulted.len(), listed(&defaulted)));
    }
    Finding::pass("teams", found)
}

fn statuses(plan: &Plan, source: &SourceSurvey, target: &TargetSurvey) -> Finding {
    let unmapped: BTreeSet<String> = source
        .catalogue
        .statuses
        .iter()
        .map(|status| status.category.clone())
        .filter(|category| !plan.mapping.status.contains_key(category))
        .collect();
    if !unmapped.is_empty() {
        return Finding::block(
            "statuses",
            format!(
                "the source has statuses that the plan does not map: {}",
                listed(&Vec::from_iter(unmapped))
            ),
            "add them to `mapping.status`",
        );
    }
    let used: BTreeSet<&str> =
        source.catalogue.statuses.iter().map(|status| status.category.as_str()).collect();
    let wanted =
        plan.mapping.status.iter().filter(|(from, _)| used.contains(from.as_str())).map(|(_, to)| to);
    let there = target.statuses.iter().filter_map(|status| status.label.as_deref());
    labels("statuses", "mapping.status", wanted, there)
}

/// Whether every label that the plan names exists in Kayako.
fn labels<'a>(
    check: &'static str,
    setting: &str,
    wanted: impl Iterator<Item = &'a String>,
    there: impl Iterator<Item = &'a str>,
) -> Finding {
    let there: Vec<&str> = there.collect();
    let known: BTreeSet<String> = there.iter().map(|label| fold(label)).collect();
    let wanted: BTreeSet<&String> = wanted.collect();
    let missing: Vec<String> =
        wanted.iter().filter(|label| !known.contains(&fold(label))).map(|label| (*label).clone()).collect();
    if missing.is_empty() {
        return Finding::pass(check, format!("all {} that the plan names are in Kayako", wanted.len()));
    }
    Finding::block(
        check,
        format!("Kayako does not have: {}", listed(&missing)),
        format!("map them in `{setting}` to one of: {}", there.join(", ")),
    )
}

/// The fields of one kind of record: name of the check, setting, what the plan maps, what Kayako has.
type Owner<'a> = (&'static str, &'a str, &'a BTreeMap<String, FieldMapping>, &'a [Field]);

fn fields(plan: &Plan, target: &TargetSurvey) -> Vec<Finding> {
    let mapping = &plan.mapping;
    let owners: [Owner<'_>; 3] = [
        ("case fields", "mapping.case_fields", &mapping.case_fields, &target.case_fields),
        ("user fields", "mapping.user_fields", &mapping.user_fields, &target.user_fields),
        (
            "organization fields",
            "mapping.organization_fields",
            &mapping.organization_fields,
            &target.organization_fields,
        ),
    ];
    let mut findings = Vec::new();
    for (check, setting, mapped, there) in owners {
        let keys: BTreeSet<&str> = there.iter().filter_map(|field| field.key.as_deref()).collect();
        let used: BTreeSet<&str> = mapped.values().map(|field| field.to.as_str()).collect();
        let missing: Vec<String> = used.difference(&keys).map(|key| (*key).to_owned()).collect();
        findings.push(if missing.is_empty() {
            Finding::pass(check, format!("{} mapped, all are in Kayako", used.len()))
        } else {
            Finding::block(
                check,
                format!("Kayako has no field with the key {}", listed(&missing)),
                format!("create them in Kayako (Administration > Customization > Custom fields) or correct `{setting}`"),
            )
        });
        let required: Vec<String> = there
            .iter()
            .filter(|field| !field.is_system && field.is_enabled != Some(false))
            .filter(|field| field.is_required_for_agents || field.is_required_on_resolution)
            .filter_map(|field| field.key.clone())
            .filter(|key| !used.contains(key.as_str()))
            .collect();
        if !required.is_empty() {
            findings.push(Finding::warn(
                check,
                format!("required in Kayako, but nothing is mapped to them: {}", listed(&required)),
                format!("map a source field to each in `{setting}`, or make them optional in Kayako"),
            ));
        }
    }
    findings
}
