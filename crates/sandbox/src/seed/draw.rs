//! Random values that depend on nothing but (seed, domain, index).
//!
//! Constraint: every record is computed alone, in any order, in any process, and must come out the same in every
//! version of the program. A generator of our own (splitmix64, six lines) keeps that promise; the streams of a
//! random-number crate may change between its major versions.

/// What a stream of values is for. Each record family draws from its own stream, so that a new draw in one
/// family does not change every other record of the account.
#[derive(Clone, Copy)]
#[repr(u64)]
pub(crate) enum Domain {
    Organization = 1,
    User,
    UserOrganization,
    Identity,
    Ticket,
    TicketStatus,
    Fields,
    Thread,
    Comment,
    Body,
    Attachment,
    Bytes,
    Order,
    Trap,
}

/// The finaliser of splitmix64: a bijection of 64 bits in which every input bit reaches every output bit.
pub(crate) const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// One hash of several numbers.
pub(crate) fn hash(seed: u64, domain: Domain, index: u64) -> u64 {
    mix(mix(seed.wrapping_add((domain as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
        ^ index.wrapping_add(0x51_7cc1))
}

/// A stream of random values.
#[derive(Clone)]
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(seed: u64, domain: Domain, index: u64) -> Self {
        Self(hash(seed, domain, index))
    }

    /// The next 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `bound`; 0 when the bound is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        // The bias of the remainder is below bound / 2^64: nobody can see it.
        self.bits().checked_rem(bound).unwrap_or(0)
    }

    /// A number in `low..=high`.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True in `per_mille` of 1,000 cases.
    pub(crate) fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    /// One of the choices, which must not be empty.
    pub(crate) fn pick<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.index(choices.len())]
    }

    /// A position in a slice of this length.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        let bound = u64::try_from(length).unwrap_or(u64::MAX);
        usize::try_from(self.below(bound)).unwrap_or(0)
    }
}
