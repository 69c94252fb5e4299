//! What decides a ticket's course: status, length, and its links to other tickets.
//!
//! Constraint: all of it follows from the index alone and cheaply, so that a neighbour can be asked (is the ticket seven
//! places on merged into this one?) and a whole account can be counted without making its tickets.

use super::{Status, TicketType};
use crate::seed::Company;
use crate::seed::draw::{Domain, Draw};
use crate::seed::ids::{self, TicketId};
use crate::seed::traps::Trap;

/// A merged ticket points this far back.
pub(super) const MERGE_DISTANCE: u64 = 7;
/// A follow-up points this far back.
pub(super) const FOLLOW_UP_DISTANCE: u64 = 11;
/// Incidents of a problem come within this distance.
const INCIDENT_DISTANCE: u64 = 5;
/// The service refuses the next comment.
const MOST_COMMENTS: u64 = 5000;

impl Company {
    /// The status of the ticket at an index; far cheaper than the whole ticket.
    pub fn status_of(&self, index: u64) -> Status {
        let linked = self.is_merged(index) || self.is_followed_up(index);
        let spared = linked || self.absorbs(index) || self.is_follow_up(index) || self.is_giant(index);
        if !spared && self.trap(Trap::DeletedTicket, index) {
            return Status::Deleted;
        }
        if linked {
            return Status::Closed;
        }
        match Draw::new(self.seed(), Domain::TicketStatus, index).below(100) {
            0..62 => Status::Closed,
            62..75 => Status::Solved,
            75..84 => Status::Open,
            84..92 => Status::Pending,
            92..96 => Status::Hold,
            _ => Status::New,
        }
    }

    /// Whether plain listings leave the ticket at an index out: closed for long. The newest tenth is not archived yet.
    pub fn is_archived(&self, index: u64) -> bool {
        index < self.size().tickets / 10 * 9 && self.status_of(index) == Status::Closed
    }

    /// How many comments the ticket at an index has: about 5 on average, with a heavy tail.
    pub fn comment_count(&self, index: u64) -> u64 {
        let draw = &mut Draw::new(self.seed(), Domain::Thread, index);
        if self.is_giant(index) {
            return MOST_COMMENTS;
        }
        if self.trap(Trap::LongThread, index) {
            return draw.between(120, 420);
        }
        let drawn = match draw.below(1000) {
            0..190 => 1,
            190..390 => 2,
            390..560 => 3,
            560..700 => 4,
            700..810 => 5,
            810..965 => draw.between(6, 12),
            965..998 => draw.between(13, 40),
            _ => draw.between(41, 90),
        };
        let needs_two = self.is_merged(index)
            || self.absorbs(index)
            || [Trap::SystemAuthor, Trap::GoneAuthor, Trap::VoiceComment, Trap::SameSecond]
                .into_iter()
                .any(|trap| self.trap(trap, index));
        if needs_two { drawn.max(3) } else { drawn }
    }

    pub(super) fn is_giant(&self, index: u64) -> bool {
        self.has_giant_thread() && index == self.size().tickets / 2
    }

    pub(super) fn is_merged(&self, index: u64) -> bool {
        index >= MERGE_DISTANCE && self.trap(Trap::MergedTicket, index)
    }

    pub(super) fn absorbs(&self, index: u64) -> bool {
        index + MERGE_DISTANCE < self.size().tickets && self.is_merged(index + MERGE_DISTANCE)
    }

    pub(super) fn is_follow_up(&self, index: u64) -> bool {
        index >= FOLLOW_UP_DISTANCE && self.trap(Trap::FollowUp, index)
    }

    pub(super) fn is_followed_up(&self, index: u64) -> bool {
        index + FOLLOW_UP_DISTANCE < self.size().tickets && self.is_follow_up(index + FOLLOW_UP_DISTANCE)
    }

    pub(super) fn kind_of(&self, index: u64) -> Option<TicketType> {
        if self.trap(Trap::Problem, index) {
            return Some(TicketType::Problem);
        }
        match Draw::new(self.seed() ^ 1, Domain::TicketStatus, index).below(10) {
            0..3 => Some(TicketType::Incident),
            3..6 => Some(TicketType::Question),
            6 => Some(TicketType::Task),
            _ => None,
        }
    }

    pub(super) fn problem_of(&self, index: u64) -> Option<TicketId> {
        let incident = self.kind_of(index) == Some(TicketType::Incident);
        let problem =
            (1..=INCIDENT_DISTANCE.min(index)).map(|d| index - d).find(|&p| self.trap(Trap::Problem, p));
        problem.filter(|_| incident).map(ids::ticket_id)
    }

    pub(super) fn has_incidents(&self, index: u64) -> bool {
        let last = (index + INCIDENT_DISTANCE + 1).min(self.size().tickets);
        self.trap(Trap::Problem, index)
            && (index + 1..last).any(|i| self.problem_of(i) == Some(ids::ticket_id(index)))
    }

    pub(super) fn creation(&self, index: u64) -> i64 {
        let created = self.ticket_timeline().created(index);
        if self.trap(Trap::AncientTicket, index) {
            created - 631_152_000 // twenty years
        } else if self.trap(Trap::LeapDay, index) {
            1_456_790_399 // 2016-02-29T23:59:59Z
        } else {
            created
        }
    }
}
