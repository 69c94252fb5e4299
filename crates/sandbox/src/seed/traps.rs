//! The data traps of a real account, each at a fixed rhythm.
//!
//! Constraint: an account of 150 tickets (the sample) already contains nearly all of them, so rhythms are at most
//! 149; primes keep two traps from always falling on the same record. The seed moves where each rhythm starts.

use super::Company;
use super::draw::{Domain, hash};

macro_rules! traps {
    ($($(#[$doc:meta])* $name:ident = $period:literal),* $(,)?) => {
        /// Something unusual about a record.
        #[derive(Clone, Copy)]
        pub(crate) enum Trap { $($(#[$doc])* $name),* }

        impl Trap {
            /// One record in this many has the trap.
            const fn period(self) -> u64 {
                match self { $(Self::$name => $period),* }
            }
        }
    };
}

traps! {
    /// Subject null.
    NullSubject = 61,
    /// Subject empty.
    EmptySubject = 67,
    /// Subject of 600 characters: targets cut or refuse it.
    LongSubject = 71,
    /// Subject of emoji, some of several code points.
    EmojiSubject = 53,
    /// A placeholder of dynamic content in the raw subject.
    PlaceholderSubject = 101,
    /// Deleted at the source; still delivered by exports.
    DeletedTicket = 73,
    /// Closed and merged into an older ticket.
    MergedTicket = 59,
    /// Continues a closed ticket.
    FollowUp = 43,
    /// A problem, to which the next incidents belong.
    Problem = 37,
    /// Opened by an agent for the customer: the first comment's author is not the requester.
    OpenedByAgent = 17,
    /// The first comment is private.
    PrivateFirst = 41,
    /// The assignee was deleted.
    DeletedAssignee = 47,
    /// The group was deleted.
    DeletedGroup = 79,
    /// The organization was deleted.
    DeletedOrganization = 83,
    /// The brand and the form were deleted.
    DeletedBrand = 131,
    /// The requester was deleted.
    DeletedRequester = 31,
    /// Created long before the account: imported from an older system.
    AncientTicket = 89,
    /// Created on 29 February, one second before midnight.
    LeapDay = 127,
    /// The first comment is older than the ticket.
    CommentBeforeTicket = 97,
    /// Due after the last second that fits into 32 bits.
    LateDueDate = 137,
    /// The second comment was written by the system (author -1).
    SystemAuthor = 29,
    /// A comment by a user who was deleted for good.
    GoneAuthor = 103,
    /// A telephone call as a comment.
    VoiceComment = 23,
    /// Two comments in the same second.
    SameSecond = 19,
    /// A body of about 64 KiB.
    HugeBody = 149,
    /// A thread of 120 to 420 comments.
    LongThread = 139,
    /// An inline image in the first comment.
    InlineImage = 13,
    /// An image that lies on a foreign host, a `cid:` left-over and a data URI.
    ForeignImages = 107,
    /// An ordinary attachment that the body refers to as well.
    ReferencedAttachment = 109,
    /// An attachment's name in several scripts.
    UnicodeFileName = 11,
    /// Two attachments of one comment with one name.
    TwinFileNames = 113,
    /// An attachment of zero bytes.
    EmptyFile = 53,
    /// An attachment whose download is refused.
    MalwareFile = 67,
    /// An attachment that was redacted: a text stands in for it.
    RedactedFile = 71,
    /// An attachment above 1 MiB.
    BigFile = 143,
    /// A file name without extension, with path characters.
    OddFileName = 83,

    /// A user without an e-mail address.
    NoEmail = 9,
    /// An address in upper case.
    UpperCaseEmail = 13,
    /// An address with a trailing dot or a blank: not valid.
    InvalidEmail = 41,
    /// The same address as the user before, in another case.
    SharedEmail = 47,
    /// A blocked sender.
    SuspendedUser = 19,
    /// A deleted user.
    DeletedUser = 23,
    /// A user deleted for good: no name, no address.
    GoneUser = 37,
    /// A second e-mail address, which only the identities show.
    SecondEmail = 7,
    /// Member of a second organization.
    SecondOrganization = 17,
    /// A name of 280 characters.
    LongName = 59,
    /// A display name that is an e-mail address.
    NameIsEmail = 29,

    /// Organization without a domain.
    NoDomain = 5,
    /// Organization that shares its domain with the one before.
    SharedDomain = 7,
}

impl Company {
    pub(crate) fn trap(&self, trap: Trap, index: u64) -> bool {
        let period = trap.period();
        // The phase is drawn from 1.. so that record 0 (the owner, the first ticket) stays ordinary.
        let phase = 1 + hash(self.seed(), Domain::Trap, trap as u64) % (period - 1);
        index % period == phase
    }
}
