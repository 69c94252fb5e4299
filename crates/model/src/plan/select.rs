//! Which records are moved. How a record is judged by it is in [`crate::selection`].

use std::collections::BTreeSet;

use super::condition::FieldCondition;
use super::created::CreatedRange;
use super::decode::{Decode, Section, choice, section};
use super::problem::Report;
use super::tree::Node;
use crate::kind::Kind;

/// Stands in a list of groups, organizations or assignees for "has none".
pub const NONE: &str = "none";

section! {
    /// Which records are moved. Everything but `kinds` and `demo` narrows the cases; what a selected case refers to comes along.
    pub struct Selection {
        /// Kinds to move.
        kinds: Vec<Kind> = Kind::ALL.to_vec();
        /// Creation time of cases. Absent: any.
        created: Option<CreatedRange> = None;
        /// Tags of cases.
        tags: TagSelection = TagSelection::default();
        /// Groups that cases belong to, by name or id.
        groups: Members = Members::default();
        /// Organizations that cases belong to, by name or id.
        organizations: Members = Members::default();
        /// Agents whom cases are assigned to, by e-mail, name or id.
        assignees: Members = Members::default();
        /// Custom fields of cases; all conditions must hold.
        fields: Vec<FieldCondition> = Vec::new();
        /// The sample that `run --demo` moves.
        demo: Demo = Demo::default();
    }
    check check_selection;
}

fn check_selection(selection: &mut Selection, section: &mut Section<'_>) {
    if selection.kinds.is_empty() {
        section.problem("kinds", "selects nothing", "name at least one of team, organization, user, case");
    }
    let unique: BTreeSet<Kind> = selection.kinds.iter().copied().collect();
    if unique.len() < selection.kinds.len() {
        section.problem("kinds", "names a kind twice", "name each kind once");
    }
    selection.kinds = unique.into_iter().collect();
    if !selection.kinds.contains(&Kind::Case) && !selection.demo.ids.is_empty() {
        section.problem(
            "demo",
            "names cases although cases are not selected",
            "add `case` to selection.kinds",
        );
    }
}

section! {
    /// Tags of cases, compared without regard to upper and lower case.
    pub struct TagSelection {
        /// At least one of these.
        any: Vec<String> = Vec::new();
        /// Every one of these.
        all: Vec<String> = Vec::new();
        /// Not one of these.
        none: Vec<String> = Vec::new();
    }
    check check_tags;
}

fn check_tags(tags: &mut TagSelection, section: &mut Section<'_>) {
    for list in [&mut tags.any, &mut tags.all, &mut tags.none] {
        for tag in list.iter_mut() {
            *tag = tag.trim().to_lowercase();
        }
    }
    let wanted = tags.any.iter().chain(&tags.all);
    for tag in wanted.filter(|tag| tags.none.contains(tag)).collect::<BTreeSet<_>>() {
        section.problem(
            "none",
            format!("`{tag}` is both wanted and unwanted"),
            "remove it from one of the lists",
        );
    }
}

section! {
    /// Groups, organizations or assignees. The word `none` means cases that have none.
    pub struct Members {
        /// Only these. Empty: all.
        include: Vec<String> = Vec::new();
        /// Not these.
        exclude: Vec<String> = Vec::new();
    }
    check check_members;
}

fn check_members(members: &mut Members, section: &mut Section<'_>) {
    for list in [&mut members.include, &mut members.exclude] {
        for name in list.iter_mut() {
            name.truncate(name.trim_end().len());
        }
    }
    let both: Vec<String> =
        members.include.iter().filter(|name| members.exclude.contains(name)).cloned().collect();
    for name in both {
        section.problem(
            "exclude",
            format!("`{name}` is both included and excluded"),
            "remove it from one list",
        );
    }
}

section! {
    /// The sample that `run --demo` moves.
    pub struct Demo {
        /// Cases drawn at random, 1 to 1000.
        size: u32 = 20, from 1 to 1000;
        /// Seed of the draw, so that it can be repeated. Absent: chosen and recorded by the run.
        seed: Option<u64> = None;
        /// Cases to move instead of drawing, by source id.
        ids: Vec<String> = Vec::new();
    }
    check check_demo;
}

fn check_demo(demo: &mut Demo, section: &mut Section<'_>) {
    if !demo.ids.is_empty() && (demo.size != Demo::default().size || demo.seed.is_some()) {
        section.problem("ids", "names the cases, so nothing is drawn", "remove size and seed, or ids");
    }
    if demo.ids.iter().collect::<BTreeSet<_>>().len() < demo.ids.len() {
        section.problem("ids", "names a case twice", "name each case once");
    }
}

impl Decode for Kind {
    fn decode(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        choice(node, path, report, &Self::ALL.map(|kind| (kind.name(), kind)))
    }
}
