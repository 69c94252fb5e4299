//! Agents and teams: who at the source is who in Kayako.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::address::EmailAddress;
use super::decode::{Decode, Section, choice, section};
use super::problem::Report;
use super::tree::Node;

section! {
    /// Which Kayako user stands for which member of staff.
    pub struct Agents {
        /// How staff who are not in `map` are found in Kayako.
        match_by as "match": AgentMatch = AgentMatch::Email;
        /// Source e-mail or source id to Kayako e-mail. Several may share one.
        map: BTreeMap<String, EmailAddress> = BTreeMap::new();
        /// E-mail of the Kayako user who stands in for staff who are not in Kayako and for the system. Absent: `target.email`.
        default: Option<EmailAddress> = None;
        /// What happens with staff who are not in Kayako. Creating one takes a seat of the Kayako plan.
        missing: MissingAgent = MissingAgent::Default;
    }
    check check_agents;
}

/// How staff are found in Kayako.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AgentMatch {
    /// By their e-mail addresses.
    Email,
    /// Not at all: only `map` counts.
    None,
}

/// What happens with staff who are not in Kayako.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MissingAgent {
    /// The default agent stands in for them.
    Default,
    /// They are created.
    Create,
}

fn check_agents(agents: &mut Agents, section: &mut Section<'_>) {
    let mut map = BTreeMap::new();
    for (from, to) in std::mem::take(&mut agents.map) {
        let key = match EmailAddress::parse(&from) {
            Ok(address) => address.to_string(),
            Err(_) if from.contains('@') => {
                section.problem_below(
                    "map",
                    &from,
                    "is not an e-mail address",
                    "write it like name@example.com",
                );
                continue;
            }
            Err(_) => from.trim().to_owned(),
        };
        if key == to.as_str() && agents.match_by == AgentMatch::Email {
            section.problem_below(
                "map",
                &from,
                "is mapped to itself",
                "remove the line: equal addresses match anyway",
            );
        }
        if map.insert(key, to).is_some() {
            section.problem_below(
                "map",
                &from,
                "is mapped twice (upper and lower case are equal)",
                "remove one line",
            );
        }
    }
    agents.map = map;
    if agents.match_by == AgentMatch::None && agents.missing == MissingAgent::Create {
        section.problem(
            "missing",
            "creates agents although `match: none` lets nobody be found again",
            "use `match: email` or `missing: default`",
        );
    }
}

impl Decode for AgentMatch {
    fn decode(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        choice(node, path, report, &[("email", Self::Email), ("none", Self::None)])
    }
}

impl Decode for MissingAgent {
    fn decode(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        choice(node, path, report, &[("default", Self::Default), ("create", Self::Create)])
    }
}

section! {
    /// Which Kayako team stands for which group.
    pub struct Teams {
        /// Source group, by name or id, to the title of a Kayako team. Several may share one; a team that does not exist is created.
        map: BTreeMap<String, String> = BTreeMap::new();
        /// What happens with groups that are not in `map`.
        missing: MissingTeam = MissingTeam::Create;
        /// Title of the team for them when `missing` is `default`.
        default: Option<String> = None;
    }
    check check_teams;
}

/// What happens with groups that are not mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MissingTeam {
    /// A team of the same name is used, and created if there is none.
    Create,
    /// The default team takes their cases.
    Default,
}

fn check_teams(teams: &mut Teams, section: &mut Section<'_>) {
    if teams.missing == MissingTeam::Default && teams.default.is_none() && !section.has("default") {
        section.problem(
            "default",
            "is missing although `missing` is `default`",
            "add `default: \"<team title>\"`",
        );
    }
    if teams.missing == MissingTeam::Create && teams.default.is_some() {
        section.problem(
            "default",
            "has no effect because `missing` is `create`",
            "add `missing: default` or remove it",
        );
    }
}

impl Decode for MissingTeam {
    fn decode(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        choice(node, path, report, &[("create", Self::Create), ("default", Self::Default)])
    }
}
