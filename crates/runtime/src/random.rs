//! Randomness comes in from outside: one seed reproduces every jitter and every generated id of a test.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use uuid::Uuid;

/// A thread-safe random source that can be seeded. Clones share one stream. Not for keys or tokens.
#[derive(Clone)]
pub struct SeededRandom {
    seed: u64,
    stream: Arc<Mutex<ChaCha8Rng>>,
}

impl SeededRandom {
    /// The stream that belongs to `seed`.
    pub fn from_seed(seed: u64) -> Self {
        Self { seed, stream: Arc::new(Mutex::new(ChaCha8Rng::seed_from_u64(seed))) }
    }

    /// A stream that no other process shares.
    pub fn from_entropy() -> Self {
        Self::from_seed(rand::random())
    }

    /// The seed: what a failing test prints so that the failure can be repeated.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// An independent stream for one task. Concurrent tasks that share a stream would take its values in the order in
    /// which they happen to run, and the seed would reproduce nothing.
    #[must_use]
    pub fn fork(&self, label: &str) -> Self {
        // FNV-1a: the label only has to spread; `std`'s hasher may change between Rust versions.
        let hash = label.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self::from_seed(self.seed ^ hash)
    }

    /// A number in `0.0..1.0`.
    pub fn unit(&self) -> f64 {
        self.with(Rng::random)
    }

    /// Any 64 bits.
    pub fn bits(&self) -> u64 {
        self.with(Rng::random)
    }

    /// A number in `0..bound`; 0 for a bound of 0.
    pub fn below(&self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.with(|stream| stream.random_range(0..bound)) }
    }

    /// A duration in `0..=bound`.
    pub fn duration_up_to(&self, bound: Duration) -> Duration {
        bound.mul_f64(self.unit())
    }

    /// A random UUID (version 4).
    pub fn uuid(&self) -> Uuid {
        uuid::Builder::from_random_bytes(self.with(Rng::random)).into_uuid()
    }

    fn with<T>(&self, draw: impl FnOnce(&mut ChaCha8Rng) -> T) -> T {
        // A panic while drawing cannot leave the generator in a state that matters.
        draw(&mut self.stream.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for SeededRandom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeededRandom").field("seed", &self.seed).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ten(random: &SeededRandom) -> Vec<u64> {
        (0..10).map(|_| random.bits()).collect()
    }

    #[test]
    fn a_seed_reproduces_its_stream_and_forks_are_independent() {
        let random = SeededRandom::from_seed(7);
        assert_eq!(ten(&random), ten(&SeededRandom::from_seed(7)));
        assert_eq!(ten(&random.fork("loader")), ten(&SeededRandom::from_seed(7).fork("loader")));
        assert_ne!(ten(&random.fork("loader")), ten(&random.fork("extractor")));
        assert_ne!(ten(&SeededRandom::from_entropy()), ten(&SeededRandom::from_entropy()));
    }

    #[test]
    fn draws_stay_within_their_bounds() {
        let random = SeededRandom::from_seed(1);
        for _ in 0..1_000 {
            assert!((0.0..1.0).contains(&random.unit()));
            assert!(random.below(3) < 3);
            assert!(random.duration_up_to(Duration::from_millis(5)) <= Duration::from_millis(5));
        }
        assert_eq!(random.below(0), 0);
    }
}
