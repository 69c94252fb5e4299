//! Tables and lines of figures, in Markdown, so that they can be copied into docs/benchmarks.md.

use std::io::Write as _;

use crate::accounts::Calls;
use crate::brokers::RedisBytes;
use crate::process::Usage;

pub(crate) const RAW_WRITE: &str = "raw: writing only";
pub(crate) const RAW_BOTH: &str = "raw: reading, then writing";
pub(crate) const ONE: &str = "one process";
pub(crate) const AGAIN: &str = "one process, again";
pub(crate) const FOUR: &str = "four processes";

/// One measurement.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    pub(crate) way: String,
    pub(crate) latency: u64,
    pub(crate) seconds: f64,
    /// Migrated, all kinds.
    pub(crate) records: u64,
    pub(crate) cases: u64,
    pub(crate) failed: u64,
    pub(crate) calls: Calls,
    pub(crate) source_calls: u64,
    pub(crate) usages: Vec<(String, Usage)>,
    /// Processor seconds of RabbitMQ and Redis.
    pub(crate) brokers: Option<(f64, f64)>,
    pub(crate) sandbox: f64,
    /// Processor seconds of everything else on the machine meanwhile.
    pub(crate) others: f64,
    /// How long that was counted.
    pub(crate) wall: f64,
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn float(number: u64) -> f64 {
    number as f64
}

impl Row {
    pub(crate) fn per_second(&self) -> f64 {
        float(self.records) / self.seconds.max(0.001)
    }

    fn per_record(&self, number: f64) -> f64 {
        number / float(self.records.max(1))
    }

    fn cpu(&self) -> f64 {
        self.usages.iter().map(|(_, usage)| usage.cpu).sum()
    }

    pub(crate) fn cpu_with_brokers(&self) -> f64 {
        self.cpu() + self.brokers.map_or(0.0, |(rabbit, redis)| rabbit + redis)
    }

    /// The largest process.
    fn peak(&self) -> (f64, &str) {
        let largest = self.usages.iter().max_by_key(|(_, usage)| usage.peak_kib);
        largest.map_or((0.0, ""), |(name, usage)| (float(usage.peak_kib) / 1024.0, name.as_str()))
    }
}

/// A line of results.
pub(crate) fn say(line: &str) {
    // A reader that is gone is no reason to stop measuring.
    drop(writeln!(std::io::stdout(), "{line}"));
}

/// A line to whoever watches.
pub(crate) fn progress(rows: &[Row]) {
    if let Some(row) = rows.last() {
        let line = format!("{} ms done: {} in {:.1} s", row.latency, row.way, row.seconds);
        drop(writeln!(std::io::stderr(), "{line}"));
    }
}

/// The main table. "Others' load" is the number of processors that everything else on the machine kept busy. Ratios are to the raw rows of the same latency, where there are any.
pub(crate) fn main(rows: &[Row]) {
    say(
        "\n| latency | way | seconds | records/s | cases/s | speed / raw write | speed / raw both | Kayako calls/record | source calls/record | CPU s/1,000: ours | brokers | sum / raw write | sum / raw both | peak MiB (largest) | sandbox CPU s/1,000 | failed |",
    );
    say("|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for row in rows {
        let raw = |way: &str| rows.iter().find(|other| other.way == way && other.latency == row.latency);
        let ours = !row.way.starts_with("raw") && row.way != AGAIN;
        let against = |way: &str, of: fn(&Row) -> f64| match raw(way).filter(|_| ours) {
            Some(raw) => format!("{:.2}", of(row) / of(raw).max(1e-9)),
            None => "-".to_owned(),
        };
        let speed: fn(&Row) -> f64 = Row::per_second;
        let cost: fn(&Row) -> f64 = |row| row.per_record(row.cpu_with_brokers());
        let (peak, name) = row.peak();
        let brokers = match row.brokers {
            Some((rabbit, redis)) => {
                format!("{:.2} + {:.2}", row.per_record(rabbit) * 1000.0, row.per_record(redis) * 1000.0)
            }
            None => "-".to_owned(),
        };
        say(&format!(
            "| {} | {} | {:.1} | {:.0} | {:.0} | {} | {} | {:.3} | {:.2} | {:.2} | {} | {} | {} | {:.0} ({name}) | {:.2} | {:.1} | {} |",
            row.latency,
            row.way,
            row.seconds,
            row.per_second(),
            float(row.cases) / row.seconds.max(0.001),
            against(RAW_WRITE, speed),
            against(RAW_BOTH, speed),
            row.per_record(float(row.calls.total)),
            row.per_record(float(row.source_calls)),
            row.per_record(row.cpu()) * 1000.0,
            brokers,
            against(RAW_WRITE, cost),
            against(RAW_BOTH, cost),
            peak,
            row.per_record(row.sandbox) * 1000.0,
            row.others.max(0.0) / row.wall.max(0.001),
            row.failed,
        ));
    }
    for row in rows.iter().filter(|row| row.usages.len() > 1) {
        let each: Vec<String> = row
            .usages
            .iter()
            .map(|(name, usage)| {
                let cpu = row.per_record(usage.cpu) * 1000.0;
                format!("{name} {cpu:.2} s/1,000, {:.0} MiB", float(usage.peak_kib) / 1024.0)
            })
            .collect();
        say(&format!("{}, {} ms: {}", row.way, row.latency, each.join("; ")));
    }
}

/// The second run beside the first.
pub(crate) fn again(latency: u64, first: &Row, again: &Row) -> String {
    format!(
        "Second run over finished work, {latency} ms: {:.1} s of {:.1} s = {:.2}; {} creating calls",
        again.seconds,
        first.seconds,
        again.seconds / first.seconds.max(0.001),
        again.calls.creating
    )
}

/// Redis bytes per settled record.
pub(crate) fn redis(latency: u64, rows: u64, before: RedisBytes, after: RedisBytes) -> String {
    let per = |bytes: u64| float(bytes) / float(rows.max(1));
    format!(
        "Redis, {latency} ms, {rows} settled records: rows {:.1} bytes each, natural keys {:.1}, everything else {:.1}; the server's own memory grew by {:.1}",
        per(after.rows),
        per(after.natural),
        per(after.rest),
        per(after.used.saturating_sub(before.used)),
    )
}

/// A named ratio.
pub(crate) fn ratio(name: &str, value: f64, to: f64) {
    say(&format!("{name}: {:.2}", value / to.max(1e-9)));
}

/// Peak memory by number of records; printed anew with each measurement, the last one is whole.
pub(crate) fn growth(measured: &[(u64, Row)]) {
    say(
        "\n| records asked | way | records | seconds | records/s | peak MiB | against the smallest | failed |",
    );
    say("|--:|---|--:|--:|--:|---|---|--:|");
    for (asked, row) in measured {
        let base = measured.iter().find(|(_, other)| other.way == row.way).map(|(_, other)| other);
        let peaks = |row: &Row| -> Vec<String> {
            let mib = |usage: &Usage| float(usage.peak_kib) / 1024.0;
            row.usages.iter().map(|(name, usage)| format!("{name} {:.0}", mib(usage))).collect()
        };
        let against: Vec<String> = row
            .usages
            .iter()
            .filter_map(|(name, usage)| {
                let (_, before) = base?.usages.iter().find(|(other, _)| other == name)?;
                Some(format!("{:.2}", float(usage.peak_kib) / float(before.peak_kib.max(1))))
            })
            .collect();
        say(&format!(
            "| {asked} | {} | {} | {:.1} | {:.0} | {} | {} | {} |",
            row.way,
            row.records,
            row.seconds,
            row.per_second(),
            peaks(row).join(", "),
            against.join(", "),
            row.failed
        ));
    }
}
