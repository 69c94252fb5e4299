//! Ids as the real service gives them: tickets count up from 1 with gaps where tickets were deleted for good,
//! everything else is a 14-digit number above 2^32 (a client with 32-bit ids must fail here, not in production).
//!
//! Constraint: an id can be turned back into its ordinal without a table, so that any record is found at once.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

ids! {
    /// A ticket's number.
    TicketId,
    /// An agent or an end user.
    UserId,
    /// A user's e-mail address, phone number or social account.
    IdentityId,
    /// A customer company.
    OrganizationId,
    /// A team of agents.
    GroupId,
    /// One message or note of a ticket.
    CommentId,
    /// A file of a comment.
    AttachmentId,
    /// A ticket, user or organization field.
    FieldId,
}

/// Ids of one record family: `base + ordinal * stride`.
pub(crate) struct Series {
    base: u64,
    stride: u64,
    /// Ordinals end here, so that families never overlap.
    limit: u64,
}

impl Series {
    pub(crate) const fn id(&self, ordinal: u64) -> u64 {
        self.base + ordinal * self.stride
    }

    pub(crate) fn ordinal(&self, id: u64) -> Option<u64> {
        let distance = id.checked_sub(self.base)?;
        let ordinal = distance / self.stride;
        (distance.is_multiple_of(self.stride) && ordinal < self.limit).then_some(ordinal)
    }
}

const FAMILY: u64 = 1_000_000_000;
pub(crate) const USERS: Series = Series { base: 13_104_000_000_019, stride: 37, limit: FAMILY };
pub(crate) const ORGANIZATIONS: Series = Series { base: 14_220_000_000_007, stride: 23, limit: FAMILY };
pub(crate) const GROUPS: Series = Series { base: 15_300_000_000_003, stride: 29, limit: FAMILY };
pub(crate) const FIELDS: Series = Series { base: 16_410_000_000_011, stride: 31, limit: FAMILY };
pub(crate) const IDENTITIES: Series = Series { base: 17_500_000_000_000, stride: 8, limit: FAMILY };
pub(crate) const COMMENTS: Series = Series { base: 20_600_000_000_000, stride: 2, limit: FAMILY * 8192 };
pub(crate) const ATTACHMENTS: Series =
    Series { base: 51_700_000_000_000, stride: 1, limit: FAMILY * 131_072 };

/// Comments of one ticket get ids from a block of this size; the service allows 5,000 comments.
pub(crate) const COMMENTS_PER_TICKET: u64 = 8192;
/// Attachments of one comment get ids from a block of this size.
pub(crate) const ATTACHMENTS_PER_COMMENT: u64 = 16;

/// After each run of this many tickets one number is missing: tickets that were deleted for good.
const GAP_AFTER: u64 = 97;

pub(crate) fn ticket_id(index: u64) -> TicketId {
    TicketId(1 + index + index / GAP_AFTER)
}

pub(crate) fn ticket_index(id: TicketId) -> Option<u64> {
    let position = id.0.checked_sub(1)?;
    let (block, offset) = (position / (GAP_AFTER + 1), position % (GAP_AFTER + 1));
    (offset < GAP_AFTER).then_some(block * GAP_AFTER + offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_lead_back_to_their_ordinal() {
        for index in (0..2000).chain([99_999, 12_345_678]) {
            assert_eq!(ticket_index(ticket_id(index)), Some(index));
            assert_eq!(USERS.ordinal(USERS.id(index)), Some(index));
        }
        assert_eq!(ticket_index(TicketId(0)), None);
        assert_eq!(ticket_index(TicketId(98)), None, "the first gap");
        assert_eq!(USERS.ordinal(USERS.id(3) + 1), None);
    }
}
