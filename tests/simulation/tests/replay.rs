//! A seed is a whole migration in its own storm, and always the same one.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use simulation::world::play;

/// Played with every change. Chosen for what is in them: one process and many, deaths, crash points, frozen processes, lost queues, an
/// account that is away.
const FIXED: [u64; 10] = [2, 3, 5, 100, 131, 132, 133, 134, 135, 101];
/// Played besides, another choice every time.
const FRESH: u64 = 4;

fn well(seed: u64) {
    let outcome = play(seed, false).unwrap();
    if let Some(wrong) = outcome.wrong {
        let last = outcome.last.join("\n");
        panic!(
            "seed {seed}: {wrong}\nlast events:\n{last}\nagain: cargo run -p simulation -- --from {seed} --print"
        );
    }
    println!("seed {seed}: {} events, fingerprint {}", outcome.events, outcome.fingerprint);
}

#[test]
fn fixed_seeds_end_well() {
    FIXED.into_iter().for_each(well);
}

#[test]
fn fresh_seeds_end_well() {
    let from = runtime::SeededRandom::from_entropy().below(1_000_000_000);
    println!("fresh seeds: {from} to {}", from + FRESH - 1);
    (from..from + FRESH).for_each(well);
}

#[test]
fn a_seed_replays_exactly_and_another_one_is_another_world() {
    let [first, again, other] = [2, 2, 3].map(|seed| play(seed, false).unwrap());
    assert_eq!((first.events, &first.fingerprint), (again.events, &again.fingerprint));
    assert_ne!(first.fingerprint, other.fingerprint);
}
