//! The benchmark: one seeded account through a bare HTTP loop, one process, and four processes over RabbitMQ and Redis.
//!
//! Constraints:
//! - Every measured thing is a process of its own, so that processor time and memory are the kernel's own figures. All of them are this
//!   one binary: called `kayako-migrate` it is the product, with a role as its first argument a sandbox or the bare loop.
//! - Each measurement gets a fresh sandbox. What is compared is compared within one call of the benchmark, as ratios.
//! - Nothing is shortened: the protocol's real waiting times are the default (`--scale 1`).
//!
//! Reading order: [`options`] says what can be measured, [`suite`] measures it, [`table`] prints it; [`raw`] is the bare loop,
//! [`product`] runs ours, [`process`] reads the kernel's figures.

mod accounts;
mod brokers;
mod options;
mod process;
mod product;
mod raw;
mod rows;
mod source;
mod suite;
mod table;

use std::process::ExitCode;

use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};

/// Under this name the binary is the product.
pub(crate) const PRODUCT: &str = "kayako-migrate";
/// First argument of a sandbox process; the second is its configuration.
pub(crate) const SANDBOX_ROLE: &str = "role:sandbox";
/// First argument of the bare loop; the second is its order.
pub(crate) const RAW_ROLE: &str = "role:raw";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let word = |at: usize| arguments.get(at).map(String::as_str).unwrap_or_default();
    if word(0) == PRODUCT {
        return cli::main();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&error.into()),
    };
    let done = match word(1) {
        SANDBOX_ROLE => runtime.block_on(accounts::serve(word(2))),
        RAW_ROLE => runtime.block_on(raw::main(word(2))),
        _ => runtime.block_on(measure()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error),
    }
}

/// Measures until it is done or told to stop; either way everything that was started is ended.
async fn measure() -> anyhow::Result<()> {
    let options = options::Options::parse();
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    tokio::select! {
        done = suite::run(&options) => done,
        _ = terminated.recv() => anyhow::bail!("told to stop"),
        _ = interrupted.recv() => anyhow::bail!("interrupted"),
    }
}

#[expect(clippy::print_stderr, reason = "the only place where a failure is shown")]
fn complain(error: &anyhow::Error) -> ExitCode {
    eprintln!("benchmark: {error:#}");
    ExitCode::FAILURE
}
