//! The matrix as a Markdown table, for the terminal and for docs/guarantees.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::cells::{Cell, MODES, all};
use crate::record::Played;

const BEGIN: &str = "<!-- crash matrix: written by tests/crash-matrix --write -->";
const END: &str = "<!-- end of the crash matrix -->";

/// What is known of a cell.
enum Standing<'a> {
    Passed,
    Failed,
    NotPlayed,
    WithoutMeaning(&'a str),
}

/// The table with what has to be known about it: seed, day, commit, counts, notes.
pub fn table(results: &[&Played], seed: u64) -> String {
    let by_cell: BTreeMap<&str, &Played> =
        results.iter().map(|played| (played.cell.as_str(), *played)).collect();
    let standing = |cell: &Cell| match (cell.without_meaning(), by_cell.get(cell.to_string().as_str())) {
        (Some(reason), _) => Standing::WithoutMeaning(reason),
        (None, None) => Standing::NotPlayed,
        (None, Some(played)) if played.problem.is_none() => Standing::Passed,
        (None, Some(_)) => Standing::Failed,
    };
    let cells = all();
    let mut notes: Vec<&str> = Vec::new();
    let mut rows: Vec<String> = Vec::new();
    let mut points: Vec<_> = cells.iter().map(|cell| cell.point).collect();
    points.dedup();
    for point in points {
        let mut row = vec![format!("`{point}`")];
        for mode in MODES {
            let of_mode: Vec<_> =
                cells.iter().filter(|cell| cell.point == point && cell.mode == mode).collect();
            row.push(words(&of_mode, &standing, &mut notes));
        }
        rows.push(format!("| {} |", row.join(" | ")));
    }
    let count = |fits: fn(&Standing<'_>) -> bool| cells.iter().filter(|cell| fits(&standing(cell))).count();
    let (passed, failed, not_played, without) = (
        count(|standing| matches!(standing, Standing::Passed)),
        count(|standing| matches!(standing, Standing::Failed)),
        count(|standing| matches!(standing, Standing::NotPlayed)),
        count(|standing| matches!(standing, Standing::WithoutMeaning(_))),
    );
    let commits: BTreeSet<&str> = results.iter().map(|played| played.commit.as_str()).collect();
    let days: BTreeSet<&str> = results.iter().map(|played| played.date.as_str()).collect();
    let minutes = results.iter().map(|played| played.seconds).sum::<f64>() / 60.0;
    let list = |words: BTreeSet<&str>| words.into_iter().collect::<Vec<_>>().join(", ");
    let mut text = format!(
        "{passed} cells passed, {failed} failed, {not_played} not played, {without} without meaning; {minutes:.0} minutes; seed {seed}; \
         {}; commit {}.\n\n| crash point | {} |\n|{}\n{}\n",
        list(days),
        list(commits),
        MODES.map(runtime::crash::Mode::name).join(" | "),
        " --- |".repeat(MODES.len() + 1),
        rows.join("\n"),
    );
    if !notes.is_empty() {
        text.push('\n');
    }
    let notes = notes.iter().enumerate().map(|(at, note)| format!("{}. {note}\n", at + 1));
    text.extend(notes);
    text
}

/// One place of the table: how many kinds have passed, which if it is only some, and which have failed.
fn words<'a>(cells: &[&Cell], standing: &impl Fn(&Cell) -> Standing<'a>, notes: &mut Vec<&'a str>) -> String {
    let (mut passed, mut failed, mut not_played) = (Vec::new(), Vec::new(), 0);
    let mut mark = String::new();
    for cell in cells {
        let name = cell.kind.map_or("", model::Kind::name);
        match standing(cell) {
            Standing::Passed => passed.push(name),
            Standing::Failed => failed.push(name),
            Standing::NotPlayed => not_played += 1,
            Standing::WithoutMeaning(reason) => {
                let at = notes.iter().position(|note| *note == reason).unwrap_or_else(|| {
                    notes.push(reason);
                    notes.len() - 1
                });
                mark = format!(" ({})", at + 1);
            }
        }
    }
    let all = passed.len() + failed.len() + not_played;
    if all == 0 {
        return format!("n/a{mark}");
    }
    if not_played == all {
        return format!("not played{mark}");
    }
    let with_kinds = cells.iter().any(|cell| cell.kind.is_some());
    let mut parts = Vec::new();
    match passed.len() {
        0 => {}
        some if some == all && with_kinds => parts.push(format!("{some} of {all}{mark}")),
        some if with_kinds => parts.push(format!("{some} of {all}{mark}: {}", passed.join(" "))),
        _ => parts.push(format!("passed{mark}")),
    }
    if !failed.is_empty() {
        parts.push(format!("**FAILED** {}", failed.join(" ")).trim_end().to_owned());
    }
    if not_played > 0 {
        parts.push(format!("{not_played} not played"));
    }
    parts.join(", ")
}

/// Puts the table between the marks of a page.
///
/// # Errors
/// The page cannot be read or written, or has no marks.
pub fn write(page: &Path, table: &str) -> Result<()> {
    let text = fs::read_to_string(page).with_context(|| format!("{} cannot be read", page.display()))?;
    let marks =
        || format!("{} has no place for the matrix: a line\n{BEGIN}\nand a line\n{END}", page.display());
    let (before, rest) = text.split_once(BEGIN).with_context(marks)?;
    let (_, after) = rest.split_once(END).with_context(marks)?;
    fs::write(page, format!("{before}{BEGIN}\n\n{table}\n{END}{after}"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn the_table_says_what_passed_what_failed_and_what_does_not_apply() {
        let played = |cell: &str, problem: Option<&str>| Played {
            cell: cell.to_owned(),
            problem: problem.map(str::to_owned),
            seconds: 60.0,
            seed: 3,
            commit: "abc".to_owned(),
            date: "2026-01-01".to_owned(),
        };
        let kinds = ["team", "organization", "user", "case"];
        let mut results: Vec<Played> =
            kinds.map(|kind| played(&format!("loader.sent@{kind}:abort"), None)).to_vec();
        results.push(played("loader.sent@user:error", None));
        results.push(played("loader.sent@case:error", Some("a double")));
        results.push(played("coordinator.leading:abort", None));
        let table = table(&results.iter().collect::<Vec<_>>(), 3);
        assert!(table.starts_with("6 cells passed, 1 failed,"), "{table}");
        assert!(table.contains("7 minutes; seed 3; 2026-01-01; commit abc."), "{table}");
        let row = |point: &str| table.lines().find(|line| line.contains(point)).unwrap();
        let sent =
            "| `loader.sent` | 4 of 4 | 1 of 4: user, **FAILED** case, 2 not played | not played | n/a (";
        assert!(row("loader.sent").starts_with(sent), "{table}");
        assert!(
            row("coordinator.leading").starts_with("| `coordinator.leading` | passed | not played |"),
            "{table}"
        );
        assert!(
            row("loader.named").contains("not played (") && table.contains("cases have no natural key"),
            "{table}"
        );
    }

    #[test]
    fn a_page_without_a_place_is_refused_and_one_with_it_keeps_the_rest() {
        let page = std::env::temp_dir().join(format!("crash-matrix-page-{}.md", std::process::id()));
        fs::write(&page, "nothing here").unwrap();
        assert!(write(&page, "table").unwrap_err().to_string().contains(BEGIN));
        fs::write(&page, format!("before\n{BEGIN}\nold\n{END}\nafter\n")).unwrap();
        write(&page, "new\n").unwrap();
        let text = fs::read_to_string(&page).unwrap();
        assert_eq!(text, format!("before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"));
        fs::remove_file(page).unwrap();
    }
}
