//! When records were created and in which order an export delivers them.
//!
//! Constraint: a listing of millions of records is read from any point of time without storing or sorting it.
//! The export time therefore grows with the *position*, and positions are record indexes shuffled within blocks:
//! exports are not sorted by id, as on the real service, yet position and index lead to each other at once.

use super::draw::{Domain, hash};

/// The account was opened at 2019-01-07T08:00:00Z.
pub(crate) const OPENED: i64 = 1_546_848_000;
/// The last generated record was created before 2025-03-31T00:00:00Z. It lies in the past of every real clock, so
/// that whatever a test changes comes after it.
const SPAN: i64 = 196_531_200;
/// Seconds between a record's last change and its export time: the service moves `generated_timestamp` once more
/// when it archives a ticket, 120 days after closing. Nothing in a thread may happen later than this.
pub(crate) const ARCHIVE_LAG: i64 = 125 * 86_400;
/// The longest time from a ticket's creation to its last change.
pub(crate) const LONGEST_THREAD: i64 = 110 * 86_400;

const BLOCK: u64 = 64;
/// How far ahead of its cell the export time lies: a block, and room for the records that share a second.
const LEAD: u64 = BLOCK + 6;

/// The order and times of one family of records.
#[derive(Clone, Copy)]
pub struct Timeline {
    seed: u64,
    length: u64,
}

impl Timeline {
    pub(crate) const fn new(seed: u64, length: u64) -> Self {
        Self { seed, length }
    }

    /// How many records there are.
    pub const fn len(&self) -> u64 {
        self.length
    }

    /// True if there are none.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    fn cell(&self, place: u64) -> i64 {
        let cells = i128::from(self.length + LEAD);
        let seconds = i128::from(SPAN) * i128::from(place) / cells;
        // Bounded by SPAN as place never exceeds the number of cells.
        OPENED + i64::try_from(seconds).unwrap_or(SPAN)
    }

    /// Creation time of the record with this index, in unix seconds; grows with the index.
    pub fn created(&self, index: u64) -> i64 {
        let start = self.cell(index);
        let width = u64::try_from(self.cell(index + 1) - start).unwrap_or(0).max(1);
        let jitter = hash(self.seed, Domain::Order, index) % width;
        start + i64::try_from(jitter).unwrap_or(0)
    }

    /// Export time (`generated_timestamp`) at a position; never falls. Now and then five records share a second.
    pub fn generated(&self, position: u64) -> i64 {
        let group = position / 5;
        let position = if group.is_multiple_of(20) { group * 5 } else { position };
        self.cell(position + LEAD) + ARCHIVE_LAG
    }

    /// The first position whose export time is not before `start`.
    pub fn first_since(&self, start: i64) -> u64 {
        let (mut low, mut high) = (0, self.length);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.generated(middle) < start { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// The record at a position.
    pub fn index_at(&self, position: u64) -> u64 {
        self.shuffle(position, |factor, shift, offset| (offset * factor + shift) % BLOCK)
    }

    /// The position of a record.
    pub fn position_of(&self, index: u64) -> u64 {
        self.shuffle(index, |factor, shift, offset| (offset + BLOCK - shift) * inverse(factor) % BLOCK)
    }

    /// Export time of the last record: everything that changes later must come after it.
    pub fn end(&self) -> i64 {
        self.cell(self.length + LEAD) + ARCHIVE_LAG
    }

    fn shuffle(&self, place: u64, within: impl Fn(u64, u64, u64) -> u64) -> u64 {
        let (block, offset) = (place / BLOCK, place % BLOCK);
        if (block + 1) * BLOCK > self.length {
            return place; // the last, incomplete block keeps its order
        }
        let key = hash(self.seed, Domain::Order, u64::MAX - block);
        block * BLOCK + within((key % BLOCK) | 1, (key >> 32) % BLOCK, offset)
    }
}

/// The inverse of an odd number modulo 64: the unit group has exponent 16, so x^15 is x^-1.
fn inverse(odd: u64) -> u64 {
    (0..15).fold(1, |power, _| power * odd % BLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_a_permutation_and_times_fit() {
        for length in [0, 1, 63, 64, 1000] {
            let line = Timeline::new(11, length);
            let mut seen = vec![false; usize::try_from(length).unwrap_or(0)];
            for position in 0..length {
                let index = line.index_at(position);
                assert_eq!(line.position_of(index), position);
                seen[usize::try_from(index).unwrap_or(0)] = true;
                assert!(line.generated(position) >= line.created(index) + LONGEST_THREAD);
                assert!(position == 0 || line.generated(position) >= line.generated(position - 1));
                assert!(line.generated(position) < line.end());
                assert!(
                    line.generated(line.first_since(line.generated(position))) == line.generated(position)
                );
            }
            assert!(seen.iter().all(|&s| s));
        }
        assert_eq!(Timeline::new(1, 500).first_since(i64::MAX), 500);
        assert!((0..500).any(|p| Timeline::new(1, 500).index_at(p) != p));
    }
}
