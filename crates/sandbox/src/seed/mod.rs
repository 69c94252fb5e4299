//! A company's help desk, generated from a seed: the truth against which a migration is compared.
//!
//! Constraints
//! - Nothing is stored. Every record is a pure function of (seed, size, index): an account of a million tickets costs
//!   as much memory as one of ten, and two processes with the same seed hold the same account.
//! - The account looks real (languages, long tails, odd dates) and holds the traps of [`traps`], so that code which
//!   works on it has met them.
//! - It knows nothing about HTTP. Inline images are referred to as `attachment:ID`; whoever serves the account puts
//!   real addresses there.

mod attachment;
pub mod catalog;
mod comment;
mod content;
mod draw;
mod fields;
mod ids;
mod organization;
mod people;
mod text;
mod ticket;
mod timeline;
mod traps;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use attachment::{Attachment, AttachmentState};
pub use comment::{Author, Comment, CommentKind};
pub use fields::{Field, FieldOption, Owner};
pub use ids::{AttachmentId, CommentId, FieldId, GroupId, IdentityId, OrganizationId, TicketId, UserId};
pub use organization::{Group, GroupMembership, Organization, OrganizationMembership};
pub use people::{Identity, IdentityKind, OWNER_EMAIL, Person, Role, User};
pub use text::Language;
pub use ticket::{CustomField, Priority, Status, Ticket, TicketType};
pub use timeline::Timeline;

/// How many records the account has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    /// Tickets, the deleted ones included.
    pub tickets: u64,
    /// Customers; at least 1 is generated.
    pub end_users: u64,
    /// Organizations that exist; a few deleted ones come on top.
    pub organizations: u64,
    /// Groups that exist; at least 1 is generated, and a few deleted ones come on top.
    pub groups: u64,
    /// Staff, including suspended, deleted and former agents; at least 1 (the owner) is generated.
    pub agents: u64,
}

impl Size {
    /// The account of the demo: small enough to be read at a glance, large enough for nearly every trap.
    pub const fn sample() -> Self {
        Self { tickets: 150, end_users: 60, organizations: 12, groups: 5, agents: 9 }
    }

    /// An account with this many tickets and a realistic number of everything else.
    pub const fn tickets(tickets: u64) -> Self {
        Self {
            tickets,
            end_users: clamp(tickets * 2 / 5, 20, u64::MAX),
            organizations: clamp(tickets / 12, 3, 50_000),
            groups: clamp(4 + tickets / 5_000, 4, 40),
            agents: clamp(8 + tickets / 1_000, 8, 250),
        }
    }
}

const fn clamp(value: u64, least: u64, most: u64) -> u64 {
    if value < least {
        least
    } else if value > most {
        most
    } else {
        value
    }
}

/// A generated account. Cheap to copy: it is only a seed and a size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Company {
    seed: u64,
    #[serde(default = "Size::sample")]
    size: Size,
    #[serde(default)]
    giant_thread: bool,
    #[serde(default = "default_attachment_per_mille")]
    attachment_per_mille: u64,
}

/// About every eighth message of a help desk carries a file.
const fn default_attachment_per_mille() -> u64 {
    120
}

impl Company {
    /// The account that belongs to a seed.
    pub const fn new(seed: u64, size: Size) -> Self {
        let size = Size {
            tickets: size.tickets,
            end_users: clamp(size.end_users, 1, u64::MAX),
            organizations: size.organizations,
            groups: clamp(size.groups, 1, u64::MAX),
            agents: clamp(size.agents, 1, u64::MAX),
        };
        Self { seed, size, giant_thread: false, attachment_per_mille: default_attachment_per_mille() }
    }

    /// The same account with the least sizes applied, for values that were read from a file.
    #[must_use]
    pub const fn normalized(self) -> Self {
        let mut company = Self::new(self.seed, self.size);
        company.giant_thread = self.giant_thread;
        company.attachment_per_mille = self.attachment_per_mille;
        company
    }

    /// Gives one ticket (the middle one) a thread of 5,000 comments, the most that the service allows.
    #[must_use]
    pub const fn with_giant_thread(mut self) -> Self {
        self.giant_thread = true;
        self
    }

    /// How many of 1,000 comments carry files, apart from those that a trap adds.
    #[must_use]
    pub const fn with_attachments(mut self, per_mille: u64) -> Self {
        self.attachment_per_mille = per_mille;
        self
    }

    pub(crate) const fn has_giant_thread(&self) -> bool {
        self.giant_thread
    }

    /// The seed.
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// How many records there are.
    pub const fn size(&self) -> Size {
        self.size
    }

    /// Creation times and export order of the tickets.
    pub const fn ticket_timeline(&self) -> Timeline {
        Timeline::new(self.seed, self.size.tickets)
    }

    /// Creation times and export order of the users, staff first.
    pub const fn user_timeline(&self) -> Timeline {
        Timeline::new(self.seed ^ 0x55, self.user_count())
    }

    /// Creation times of the organizations, deleted ones included; they are exported in order of creation.
    pub const fn organization_timeline(&self) -> Timeline {
        Timeline::new(self.seed ^ 0xaa, self.organization_count())
    }
}

/// A time from unix seconds; all generated times lie far inside the range that the type can hold.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A number that only somebody who knows the seed can tell: for tokens in addresses.
pub fn fingerprint(seed: u64, of: u64) -> u64 {
    draw::mix(draw::mix(seed ^ 0x746f_6b65_6e00_0001) ^ of)
}

/// HTML of a comment that only has text.
pub(crate) fn html_of_text(text: &str) -> String {
    content::html(&[content::Block::Paragraph(text.to_owned())], false)
}
