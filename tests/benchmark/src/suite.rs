//! Measures what was asked for and prints each table as soon as it is known.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use sandbox::seed::Size;
use tempfile::TempDir;

use crate::accounts::{Ground, Latency};
use crate::brokers::Brokers;
use crate::options::{Mode, Options};
use crate::process::{self, Usage, Worker};
use crate::product::{Done, Migration, Tuning};
use crate::raw::{Order, Report};
use crate::table::{self, Row, say};
use crate::{RAW_ROLE, product};

/// Latency of the measurements that are about waiting.
const SLOW_MS: u64 = 100;
/// Calls each loader may have in flight when loaders are compared.
const LOADER_CALLS: usize = 16;

/// What all measurements of one call share.
struct Suite<'a> {
    options: &'a Options,
    directory: TempDir,
    brokers: Option<Brokers>,
    measured: usize,
}

/// A run of ours with what its accounts saw.
struct Measured {
    done: Done,
    row: Row,
}

/// Everything that was asked for.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    if let Some(rows) = options.rows {
        let brokers = Brokers::open(options, directory.path()).await?;
        return crate::rows::fill(rows, &brokers, directory.path()).await;
    }
    let four = options.modes.contains(&Mode::Four) || options.loaders || !options.growth.is_empty();
    let brokers = if four { Some(Brokers::open(options, directory.path()).await?) } else { None };
    let mut suite = Suite { options, directory, brokers, measured: 0 };
    let size = options.size();
    say(&format!(
        "Account: {} tickets, {} customers, {} organizations, seed {}. Waiting times x {}. {} processors.\n",
        size.tickets,
        size.end_users,
        size.organizations,
        options.seed,
        options.scale,
        std::thread::available_parallelism().map_or(0, usize::from),
    ));
    suite.main_table(size).await?;
    if options.loaders {
        suite.loaders(size).await?;
    }
    if options.overlap {
        suite.overlap(size).await?;
    }
    if !options.growth.is_empty() {
        suite.growth().await?;
    }
    Ok(())
}

impl Suite<'_> {
    /// A directory of its own for each measurement.
    fn place(&mut self) -> (String, PathBuf) {
        self.measured += 1;
        let name = format!("bench-{}", self.measured);
        let place = self.directory.path().join(&name);
        (name, place)
    }

    async fn main_table(&mut self, size: Size) -> anyhow::Result<()> {
        let mut rows = Vec::new();
        let mut after = Vec::new();
        for ms in self.options.latency.clone() {
            let latency = Latency::of_both(ms);
            if self.options.modes.contains(&Mode::Raw) {
                let raw = self.raw(size, latency).await?;
                rows.extend(raw);
            }
            if self.options.modes.contains(&Mode::One) {
                let (first, again) = self.one_twice(size, latency).await?;
                after.push(table::again(ms, &first, &again));
                rows.extend([first, again]);
            }
            if self.options.modes.contains(&Mode::Four) {
                let (row, redis) = self.four(size, latency).await?;
                rows.push(row);
                after.push(redis);
            }
            table::progress(&rows);
        }
        table::main(&rows);
        for line in &after {
            say(line);
        }
        Ok(())
    }

    /// The bare loop: writing only, and reading then writing.
    async fn raw(&mut self, size: Size, latency: Latency) -> anyhow::Result<[Row; 2]> {
        let (mut ground, place) = (self.ground(size, latency).await?, self.place().1);
        let (sandbox, machine, began) = (ground.worker.usage().cpu, process::machine_cpu(), Instant::now());
        let (report, usage) = self.raw_loop(&mut ground, &place).await?;
        let sandbox = ground.worker.usage().cpu - sandbox;
        let others = process::machine_cpu() - machine - sandbox - report.read.cpu - report.write.cpu;
        let calls = ground.kayako_calls().await?;
        let source_calls = ground.zendesk_calls().await?;
        let row = |way: &str, seconds: f64, cpu: f64| Row {
            way: way.to_owned(),
            latency: latency.kayako,
            seconds,
            records: report.records,
            cases: report.cases,
            calls,
            usages: vec![("raw".to_owned(), Usage { cpu, ..usage })],
            others,
            wall: began.elapsed().as_secs_f64(),
            ..Row::default()
        };
        let (read, write) = (report.read, report.write);
        Self::forget(&place);
        say(&format!(
            "{} ms: {} cases with {} posts and {} files, read in {:.1} s, written in {:.1} s",
            latency.kayako, report.cases, report.posts, report.files, read.seconds, write.seconds
        ));
        Ok([
            row(table::RAW_WRITE, write.seconds, write.cpu),
            Row {
                source_calls,
                sandbox,
                ..row(table::RAW_BOTH, read.seconds + write.seconds, read.cpu + write.cpu)
            },
        ])
    }

    async fn raw_loop(&self, ground: &mut Ground, place: &Path) -> anyhow::Result<(Report, Usage)> {
        std::fs::create_dir_all(place)?;
        let order = Order {
            accounts: ground.accounts.clone(),
            directory: place.to_owned(),
            batches: self.options.batches.max(1),
            steps: self.options.steps.max(1),
        };
        let mut command = process::ourselves()?;
        command.arg(RAW_ROLE).arg(serde_json::to_string(&order)?);
        let mut worker = Worker::spawn_into(place, "raw", command)?;
        let ended = process::until_ended(&mut worker, std::slice::from_mut(&mut ground.worker)).await;
        let log = || std::fs::read_to_string(place.join("raw.log")).unwrap_or_default();
        let usage = ended.with_context(log)?;
        let report = serde_json::from_str(std::fs::read_to_string(place.join("raw.out"))?.trim())?;
        Ok((report, usage))
    }

    async fn ground(&self, size: Size, latency: Latency) -> anyhow::Result<Ground> {
        Ground::open(self.options.seed, size, latency).await
    }

    /// Runs ours with everything around it counted.
    async fn measure(
        &self,
        way: String,
        latency: Latency,
        migration: &mut Migration<'_>,
        loaders: Option<usize>,
    ) -> anyhow::Result<Measured> {
        migration.ground.reset_calls().await?;
        let sandbox = migration.ground.worker.usage().cpu;
        let before = self.brokers.as_ref().and_then(Brokers::cpu);
        let (machine, began) = (process::machine_cpu(), Instant::now());
        let done = match (loaders, &self.brokers) {
            (Some(loaders), Some(brokers)) => migration.services(brokers, loaders).await?,
            _ => migration.one().await?,
        };
        let (machine, wall) = (process::machine_cpu() - machine, began.elapsed().as_secs_f64());
        let after = self.brokers.as_ref().and_then(Brokers::cpu);
        let brokers = before.zip(after).filter(|_| loaders.is_some());
        let mut row = Row {
            way,
            latency: latency.kayako,
            seconds: done.seconds,
            records: done.migrated,
            cases: done.cases,
            failed: done.failed,
            calls: migration.ground.kayako_calls().await?,
            source_calls: migration.ground.zendesk_calls().await?,
            usages: done.usages.clone(),
            brokers: brokers.map(|(before, after)| (after.0 - before.0, after.1 - before.1)),
            sandbox: migration.ground.worker.usage().cpu - sandbox,
            others: 0.0,
            wall,
        };
        row.others = machine - row.sandbox - row.cpu_with_brokers();
        Ok(Measured { done, row })
    }

    fn migration<'g>(&mut self, ground: &'g mut Ground, tuning: Tuning) -> Migration<'g> {
        let (name, directory) = self.place();
        Migration { name, directory, ground, tuning, scale: self.options.scale }
    }

    /// One process, and the same command once more.
    async fn one_twice(&mut self, size: Size, latency: Latency) -> anyhow::Result<(Row, Row)> {
        let mut ground = self.ground(size, latency).await?;
        let mut migration = self.migration(&mut ground, Tuning::default());
        let first = self.measure(table::ONE.to_owned(), latency, &mut migration, None).await?;
        let again = self.measure(table::AGAIN.to_owned(), latency, &mut migration, None).await?;
        Self::forget(&migration.directory);
        Ok((first.row, again.row))
    }

    /// One process per service, and what is left in Redis.
    async fn four(&mut self, size: Size, latency: Latency) -> anyhow::Result<(Row, String)> {
        let mut ground = self.ground(size, latency).await?;
        let mut migration = self.migration(&mut ground, Tuning::default());
        let before = self.redis(&migration.name).await?;
        let run = self.measure(table::FOUR.to_owned(), latency, &mut migration, Some(1)).await?;
        let after = self.redis(&migration.name).await?;
        Self::forget(&migration.directory);
        let rows = run.done.rows;
        Ok((run.row, table::redis(latency.kayako, rows, before, after)))
    }

    async fn redis(&self, migration: &str) -> anyhow::Result<crate::brokers::RedisBytes> {
        self.brokers.as_ref().context("no Redis")?.redis_bytes(migration).await
    }

    /// Staged files and state of a large account would fill the disk by the end.
    fn forget(directory: &Path) {
        drop(std::fs::remove_dir_all(directory));
    }

    /// Four loaders against one; only Kayako is slow, so that reading is not what is waited for.
    async fn loaders(&mut self, size: Size) -> anyhow::Result<()> {
        let latency = Latency { kayako: SLOW_MS, zendesk: 0 };
        let mut rows = Vec::new();
        for loaders in [1, 4] {
            let mut ground = self.ground(size, latency).await?;
            let tuning = Tuning { load_in_flight: Some(LOADER_CALLS) };
            let mut migration = self.migration(&mut ground, tuning);
            let run =
                self.measure(format!("{loaders} loaders"), latency, &mut migration, Some(loaders)).await?;
            rows.push(run.row);
        }
        say(&format!("\nLoaders, {SLOW_MS} ms, {LOADER_CALLS} calls in flight each:"));
        table::main(&rows);
        table::ratio("4 loaders against 1, records/s", rows[1].per_second(), rows[0].per_second());
        Ok(())
    }

    /// The run with both accounts slow against the runs with only one of them slow.
    async fn overlap(&mut self, size: Size) -> anyhow::Result<()> {
        let mut seconds = Vec::new();
        for (kayako, zendesk) in [(SLOW_MS, SLOW_MS), (SLOW_MS, 0), (0, SLOW_MS)] {
            let latency = Latency { kayako, zendesk };
            let mut ground = self.ground(size, latency).await?;
            let mut migration = self.migration(&mut ground, Tuning::default());
            let run = self.measure(table::ONE.to_owned(), latency, &mut migration, None).await?;
            say(&format!(
                "One process, Kayako {kayako} ms, Zendesk {zendesk} ms: {:.1} s ({} failed)",
                run.row.seconds, run.row.failed
            ));
            seconds.push(run.row.seconds);
        }
        table::ratio(
            "overlap: T / max(T target slow, T source slow)",
            seconds[0],
            seconds[1].max(seconds[2]),
        );
        Ok(())
    }

    /// Peak memory by number of records.
    async fn growth(&mut self) -> anyhow::Result<()> {
        let mut measured: Vec<(u64, Row)> = Vec::new();
        for records in self.options.growth.clone() {
            // Each ticket comes with 0.4 customers and a twelfth of an organization.
            let size = Size::tickets(records * 12 / 18);
            for loaders in [None, Some(1)] {
                let latency = Latency::default();
                let mut ground = self.ground(size, latency).await?;
                let mut migration = self.migration(&mut ground, product::Tuning::default());
                let way = if loaders.is_some() { table::FOUR } else { table::ONE };
                let run = self.measure(way.to_owned(), latency, &mut migration, loaders).await?;
                Self::forget(&migration.directory);
                measured.push((records, run.row));
                table::growth(&measured);
            }
        }
        Ok(())
    }
}
