//! The part of the matrix that fits into a check of every change: a death at every crash point, once.
//!
//! The whole matrix is `tests/crash-matrix --all`; docs/guarantees.md has its last results.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use anyhow::{Result, ensure};
use crash_matrix::cells::short;
use crash_matrix::judge::Reference;
use crash_matrix::play::play;
use futures::stream::{self, StreamExt as _};

/// Cells played at the same time: they wait most of the time, and two cores carry this many without coming near a time-out.
const ABREAST: usize = 3;

const SEED: u64 = 71;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_at_every_crash_point_leaves_nothing_behind() -> Result<()> {
    let reference = &Reference::of(SEED).await?;
    let cells = short();
    let played = stream::iter(cells.clone()).map(|cell| async move {
        let problem = play(cell, SEED, reference).await.err();
        problem.map(|problem| {
            format!("{cell}: {problem:#}\nAlone: tests/crash-matrix --cell {cell} --seed {SEED} --resume")
        })
    });
    let problems: Vec<String> =
        played.buffer_unordered(ABREAST).filter_map(|problem| async { problem }).collect().await;
    ensure!(
        problems.is_empty(),
        "{} of {} cells failed:\n{}",
        problems.len(),
        cells.len(),
        problems.join("\n")
    );
    Ok(())
}
