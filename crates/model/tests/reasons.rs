//! `docs/reasons.md` explains every reason code in the program's own words: reports send people there.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};

use model::Reason;

const DOCUMENT: &str = include_str!("../../../docs/reasons.md");

/// The document's sections: heading, and the text below it up to the next heading.
fn sections() -> BTreeMap<&'static str, &'static str> {
    DOCUMENT
        .split("\n## ")
        .skip(1)
        .map(|section| section.split_once('\n').expect("a heading is followed by text"))
        .collect()
}

#[test]
fn every_code_has_its_section_and_every_section_its_code() {
    let documented: BTreeSet<&str> = sections().into_keys().collect();
    let codes: BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    assert_eq!(documented, codes);
}

#[test]
fn sections_say_what_the_program_says() {
    let sections = sections();
    for reason in Reason::ALL {
        let text = sections.get(reason.code()).copied().unwrap_or_default();
        let quoted: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("> ")).collect();
        assert_eq!(quoted, [reason.sentence(), reason.next_step()], "{reason}");
        let retried = if reason.retried_by_next_run() { "yes" } else { "no" };
        assert!(
            text.contains(&format!("Tried again by the next run: {retried}.")),
            "{reason} is retried: {retried}"
        );
    }
}
