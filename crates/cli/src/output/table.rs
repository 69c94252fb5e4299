//! The four-column table: available, migrated, failed, skipped, and what is shown beside them.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use model::run::{KindCounts, RunCounts};

use crate::output::Output;

/// A column that is shown only if something is in it.
type Extra = (&'static str, fn(&KindCounts) -> u64);

const EXTRAS: [Extra; 5] = [
    ("Pending", |counts| counts.pending),
    ("Updating", |counts| counts.updating),
    ("Filtered", |counts| counts.filtered),
    ("Adopted", |counts| counts.adopted),
    ("Merged", |counts| counts.merged),
];

/// An empty table in the form that fits where it goes: lines on a terminal, Markdown in a file.
pub(crate) fn plain(output: Output, header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(if output.wide { presets::UTF8_HORIZONTAL_ONLY } else { presets::ASCII_MARKDOWN })
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header.iter().map(|title| (*title).to_owned()).collect::<Vec<_>>());
    table
}

/// The table of a run.
pub(crate) fn counts(output: Output, counts: &RunCounts) -> String {
    let extras: Vec<Extra> = EXTRAS
        .into_iter()
        .filter(|(_, amount)| counts.kinds.iter().any(|(_, counts)| amount(counts) > 0))
        .collect();
    let mut header = vec!["Kind", "Available", "Migrated", "Failed", "Skipped", "Written now"];
    header.extend(extras.iter().map(|(title, _)| *title));
    let mut table = plain(output, &header);
    for (kind, counts) in &counts.kinds {
        let mut amounts =
            vec![counts.available, counts.migrated, counts.failed, counts.skipped, counts.written_now];
        amounts.extend(extras.iter().map(|(_, amount)| amount(counts)));
        let mut row = vec![Cell::new(kind.plural())];
        row.extend(amounts.iter().map(|amount| Cell::new(amount).set_alignment(CellAlignment::Right)));
        table.add_row(row);
    }
    table.to_string()
}
