//! Plays seeds and says which of them failed.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use clap::Parser;
use simulation::scenario::Scenario;
use simulation::world::play;

/// All services in one process with seeded time, scheduling and faults
///
/// Every seed is a small migration through its own storm: processes die, freeze and fail at crash points, messages and answers get lost,
/// accounts misbehave. Afterwards everything must have arrived once and whole, and a further run must create nothing. A seed that fails is
/// printed; playing it again shows the same.
///
/// Examples:
///   cargo run --release -p simulation -- --seeds 1000
///   cargo run --release -p simulation -- --from 4711 --print
#[derive(Debug, Parser)]
#[command(verbatim_doc_comment)]
struct Arguments {
    /// First seed [default: a fresh one from the system]
    #[arg(long)]
    from: Option<u64>,
    /// How many seeds, one after the other
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Processes that share the seeds [default: one per core]
    #[arg(long)]
    jobs: Option<u64>,
    /// Shows every event, and between them the product's own warnings (for one seed)
    #[arg(long)]
    print: bool,
    /// Shows what a seed stands for, and plays nothing
    #[arg(long)]
    show: bool,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let from = arguments.from.unwrap_or_else(|| runtime::SeededRandom::from_entropy().below(1_000_000_000));
    if arguments.show {
        println!("{:#?}", Scenario::of(from));
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.print {
        // Without their time, which is the machine's.
        tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
            .without_time()
            .init();
    }
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let jobs = arguments.jobs.unwrap_or(cores).clamp(1, arguments.seeds.max(1));
    if jobs > 1 {
        return shared(from, arguments.seeds, jobs);
    }
    let mut failed = 0_u64;
    for seed in from..from + arguments.seeds {
        let outcome = play(seed, arguments.print)?;
        match &outcome.wrong {
            None => println!(
                "seed {seed}: well, {} events in {:.0} simulated minutes, fingerprint {}",
                outcome.events,
                outcome.elapsed.as_secs_f64() / 60.0,
                outcome.fingerprint
            ),
            Some(wrong) => {
                failed += 1;
                println!("seed {seed}: FAILED, fingerprint {}: {wrong}", outcome.fingerprint);
            }
        }
    }
    println!("seeds {from} to {}: {failed} failed", from + arguments.seeds - 1);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Splits the seeds between processes: a simulation is one thread, and nothing may be shared by two of them.
fn shared(from: u64, seeds: u64, jobs: u64) -> Result<ExitCode> {
    let program = std::env::current_exe().context("this program's path")?;
    let each = seeds.div_ceil(jobs);
    let mut children = Vec::new();
    for job in 0..jobs {
        let (first, end) = (from + job * each, (from + (job + 1) * each).min(from + seeds));
        if first < end {
            let count = (end - first).to_string();
            let mut command = Command::new(&program);
            command.args(["--jobs", "1", "--from", &first.to_string(), "--seeds", &count]);
            children.push(command.spawn()?);
        }
    }
    let mut code = ExitCode::SUCCESS;
    for mut child in children {
        if !child.wait()?.success() {
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}
