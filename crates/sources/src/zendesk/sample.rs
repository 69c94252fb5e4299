//! Random tickets for a demo.
//!
//! Constraints: spread over the account's whole life, archived tickets included, at the price of a few calls; the same
//! seed draws the same ids as long as the highest id stays the same. Ids count up from 1 with gaps.

use std::collections::{BTreeSet, HashSet};

use model::{Kind, SourceId};
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::Zendesk;
use super::endpoint::{TICKET_EXPORT, TICKET_LIST};
use super::raw;
use crate::error::Error;
use crate::source::Fetched;

/// Ids per look-up, the most that one call takes.
const DRAW: usize = 100;
/// Look-ups before an account of gaps (nearly everything deleted) is given up.
const MOST_DRAWS: usize = 50;
/// Up to here every id is shuffled, so that a small account is covered whole.
const SMALL: u64 = 5_000;

impl Zendesk {
    pub(super) async fn draw_sample(
        &self,
        size: usize,
        seed: u64,
        exclude: &BTreeSet<SourceId>,
    ) -> Result<Vec<SourceId>, Error> {
        let mut draw = self.urn(seed).await?;
        let mut chosen = Vec::with_capacity(size.min(DRAW));
        for _ in 0..MOST_DRAWS {
            if chosen.len() >= size {
                break;
            }
            let mut candidates = draw.next(DRAW);
            if candidates.is_empty() {
                break;
            }
            candidates.retain(|id| !exclude.contains(id));
            for fetched in self.fetch_many(Kind::Case, &candidates).await? {
                if let Fetched::Found(listed) = fetched
                    && !listed.facts.deleted
                    && chosen.len() < size
                {
                    chosen.push(listed.key.id);
                }
            }
        }
        Ok(chosen)
    }

    async fn urn(&self, seed: u64) -> Result<Urn, Error> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let newest = self.client.list(TICKET_LIST, &[("sort", "-id"), ("page[size]", "1")]).await?;
        let highest = raw::items(&newest["tickets"]).first().and_then(|ticket| ticket["id"].as_u64());
        let mut all: Vec<u64> = match highest {
            Some(highest) if highest > SMALL => {
                return Ok(Urn::Large { random: Box::new(random), highest, drawn: HashSet::new() });
            }
            Some(highest) => (1..=highest).collect(),
            // Every ticket is archived and the plain listing is empty: the export's first page has to do.
            None => {
                let first =
                    self.client.list(TICKET_EXPORT, &[("start_time", "0"), ("per_page", "1000")]).await?;
                raw::items(&first["tickets"]).iter().filter_map(|ticket| ticket["id"].as_u64()).collect()
            }
        };
        all.shuffle(&mut random);
        Ok(Urn::Small(all))
    }
}

/// Ids drawn without putting back.
enum Urn {
    Small(Vec<u64>),
    Large { random: Box<ChaCha8Rng>, highest: u64, drawn: HashSet<u64> },
}

impl Urn {
    fn next(&mut self, count: usize) -> Vec<SourceId> {
        match self {
            Self::Small(left) => {
                left.split_off(left.len().saturating_sub(count)).into_iter().map(SourceId::from).collect()
            }
            Self::Large { random, highest, drawn } => {
                let mut ids = Vec::with_capacity(count);
                while ids.len() < count {
                    let id = random.random_range(1..=*highest);
                    if drawn.insert(id) {
                        ids.push(SourceId::from(id));
                    }
                }
                ids
            }
        }
    }
}
