//! The command that plays the matrix; `--help` says how.

mod options;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use clap::Parser as _;
use crash_matrix::cells::Cell;
use crash_matrix::judge::Reference;
use crash_matrix::play::play;
use crash_matrix::record::{Played, Record, commit};
use crash_matrix::table;
use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};

use crate::options::Options;

fn main() -> ExitCode {
    let options = Options::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&error.into()),
    };
    let done = runtime.block_on(async {
        let mut terminated = signal(SignalKind::terminate())?;
        let mut interrupted = signal(SignalKind::interrupt())?;
        // Either way every process that was started is killed with what holds it.
        tokio::select! {
            done = proof(&options) => done,
            _ = terminated.recv() => anyhow::bail!("told to stop; --resume goes on"),
            _ = interrupted.recv() => anyhow::bail!("interrupted; --resume goes on"),
        }
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => complain(&error),
    }
}

#[expect(clippy::print_stderr, reason = "the only place where a failure is shown")]
fn complain(error: &anyhow::Error) -> ExitCode {
    eprintln!("crash-matrix: {error:#}");
    ExitCode::FAILURE
}

fn say(text: &str) -> Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{text}")?;
    Ok(output.flush()?)
}

/// Plays what is asked for and shows the table. Whether no cell that was asked for has failed.
async fn proof(options: &Options) -> Result<bool> {
    let cells = if options.show { Vec::new() } else { options.cells()? };
    if options.list {
        for cell in &cells {
            say(&cell.to_string())?;
        }
        return Ok(true);
    }
    let mut record = Record::open(&options.results, options.resume || options.show)?;
    let seed = options.seed;
    let open: Vec<Cell> =
        cells.iter().filter(|cell| !record.has_passed(&cell.to_string(), seed)).copied().collect();
    if !open.is_empty() {
        say(&format!(
            "{} cells, {} of them passed before; seed {seed}",
            cells.len(),
            cells.len() - open.len()
        ))?;
        play_all(&open, seed, &mut record).await?;
    }
    let results = record.last(seed);
    let table = table::table(&results, seed);
    say(&format!("\n{table}"))?;
    if let Some(page) = &options.write {
        table::write(page, &table)?;
    }
    Ok(cells.iter().all(|cell| record.has_passed(&cell.to_string(), seed)))
}

async fn play_all(cells: &[Cell], seed: u64, record: &mut Record) -> Result<()> {
    let reference = Reference::of(seed).await?;
    let commit = commit();
    for (at, cell) in cells.iter().enumerate() {
        let started = Instant::now();
        let problem = play(*cell, seed, &reference).await.err().map(|error| format!("{error:#}"));
        let seconds = started.elapsed().as_secs_f64();
        let verdict = if problem.is_none() { "passed" } else { "FAILED" };
        say(&format!("{}/{} {cell} {verdict} {seconds:.1} s", at + 1, cells.len()))?;
        if let Some(problem) = &problem {
            say(&format!(
                "{problem}\nThis cell alone: tests/crash-matrix --cell {cell} --seed {seed} --resume"
            ))?;
        }
        let date = Timestamp::now().strftime("%Y-%m-%d").to_string();
        record.add(Played {
            cell: cell.to_string(),
            problem,
            seconds,
            seed,
            commit: commit.clone(),
            date,
        })?;
    }
    Ok(())
}
