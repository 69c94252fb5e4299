//! Whether a finished run's table and its reports add up.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::migration::Migration;

/// Available = migrated + failed + skipped + pending, for every kind; every ticket of the source is in it.
pub fn adds_up(document: &Value, tickets: u64) -> Result<()> {
    for (kind, counts) in document["kinds"].as_object().context("kinds")? {
        let of = |column: &str| counts[column].as_u64().unwrap_or(u64::MAX);
        let parts = of("migrated") + of("failed") + of("skipped") + of("pending");
        ensure!(of("available") == parts, "{kind} does not add up: {counts}");
        ensure!((of("failed"), of("pending")) == (0, 0), "{kind} is not all there: {counts}");
    }
    let cases = &document["kinds"]["case"]["available"];
    ensure!(*cases == tickets, "{cases} cases are available, not {tickets}");
    Ok(())
}

/// The reports of a finished run have one line for every record of the table, as CSV and as JSON.
pub fn reports_add_up(migration: &Migration<'_>, document: &Value) -> Result<()> {
    let files = document["reports"].as_array().context("reports")?;
    let find = |name: &str| {
        let ends = |file: &&str| Path::new(file).file_name().is_some_and(|own| own == name);
        let file = files.iter().filter_map(Value::as_str).find(ends);
        file.map(|file| migration.path(file)).with_context(|| format!("there is no report {name}"))
    };
    for (kind, counts) in document["kinds"].as_object().context("kinds")? {
        for outcome in ["migrated", "failed", "skipped"] {
            let stem = format!("{kind}s-{outcome}");
            let lines = csv::Reader::from_path(find(&format!("{stem}.csv"))?)?.into_records().count();
            let rows: Vec<Value> =
                serde_json::from_str(&fs::read_to_string(find(&format!("{stem}.json"))?)?)?;
            ensure!(counts[outcome] == lines, "{stem}.csv has {lines} lines: {counts}");
            ensure!(counts[outcome] == rows.len(), "{stem}.json has {} rows: {counts}", rows.len());
        }
    }
    Ok(())
}
