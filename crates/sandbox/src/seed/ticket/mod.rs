//! Tickets: everything but what was said in them.

mod course;
mod values;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Company;
use super::ids::{self, FieldId, GroupId, OrganizationId, TicketId, UserId};
use super::text::Language;

/// How far a ticket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Nobody took it yet.
    New,
    /// Waits for an agent.
    Open,
    /// Waits for the customer.
    Pending,
    /// Waits for somebody else.
    Hold,
    /// Done; an answer opens it again.
    Solved,
    /// Done for good.
    Closed,
    /// Deleted; only exports still deliver it.
    Deleted,
}

/// What a ticket is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TicketType {
    /// A cause behind several incidents.
    Problem,
    /// One occurrence.
    Incident,
    /// A question.
    Question,
    /// Something to do, possibly with a due date.
    Task,
}

/// How urgent a ticket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// At once.
    Urgent,
    /// Soon.
    High,
    /// In turn.
    Normal,
    /// When there is time.
    Low,
}

/// A ticket's value in one of the company's own fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomField {
    /// The field.
    pub id: FieldId,
    /// The value as the service sends it: numbers are strings, unset is null.
    pub value: Value,
}

/// A ticket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ticket {
    /// Its number.
    pub id: TicketId,
    /// The number in an older system.
    pub external_id: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed by somebody.
    pub updated_at: Timestamp,
    /// When anything last touched it, in unix seconds: the order of exports.
    pub generated_timestamp: i64,
    /// What it is about.
    #[serde(rename = "type")]
    pub kind: Option<TicketType>,
    /// May be null, empty or very long.
    pub subject: Option<String>,
    /// The subject before dynamic content was put in.
    pub raw_subject: Option<String>,
    /// How urgent it is.
    pub priority: Option<Priority>,
    /// How far it is.
    pub status: Status,
    /// The company's own status within `status`.
    pub custom_status_id: Option<u64>,
    /// The address it was sent to.
    pub recipient: Option<String>,
    /// The customer.
    pub requester_id: UserId,
    /// Who wrote the first comment.
    pub submitter_id: UserId,
    /// The agent in charge; may be deleted.
    pub assignee_id: Option<UserId>,
    /// The group in charge; may be deleted.
    pub group_id: Option<GroupId>,
    /// The organization at that time; may be deleted and may differ from the requester's today.
    pub organization_id: Option<OrganizationId>,
    /// The brand; may be deleted.
    pub brand_id: Option<u64>,
    /// The form; may be deleted.
    pub ticket_form_id: Option<u64>,
    /// Copied customers and following agents together.
    pub collaborator_ids: Vec<UserId>,
    /// Following agents; some are no agents any more.
    pub follower_ids: Vec<UserId>,
    /// Copied customers; some have no address.
    pub email_cc_ids: Vec<UserId>,
    /// The problem of an incident.
    pub problem_id: Option<TicketId>,
    /// A problem with incidents.
    pub has_incidents: bool,
    /// False when the first comment is private.
    pub is_public: bool,
    /// When a task is due.
    pub due_at: Option<Timestamp>,
    /// Labels, those set by field values included.
    pub tags: Vec<String>,
    /// Values of the company's own fields.
    pub custom_fields: Vec<CustomField>,
    /// What the customer thought of it.
    pub satisfaction_rating: Value,
    /// Tickets that continue this one.
    pub followup_ids: Vec<TicketId>,
    /// Where it came from.
    pub via: Value,
    /// Its index in the generated account.
    #[serde(skip)]
    pub index: u64,
    /// The language of the conversation.
    #[serde(skip)]
    pub language: Language,
    /// How many comments were generated.
    #[serde(skip)]
    pub comment_count: u64,
    /// Closed long ago: plain listings leave it out.
    #[serde(skip)]
    pub archived: bool,
    /// The ticket that this one was merged into.
    #[serde(skip)]
    pub merged_into: Option<TicketId>,
    /// The ticket that was merged into this one.
    #[serde(skip)]
    pub merged_from: Option<TicketId>,
    /// Seconds from the first comment to the last.
    #[serde(skip)]
    pub(crate) thread_seconds: u64,
}

impl Company {
    /// The ticket at an index; indexes start at 0 and follow the creation times.
    pub fn ticket(&self, index: u64) -> Option<Ticket> {
        (index < self.size().tickets).then(|| self.draw_ticket(index))
    }

    /// The ticket with a number.
    pub fn ticket_with_id(&self, id: TicketId) -> Option<Ticket> {
        self.ticket(ids::ticket_index(id)?)
    }

    /// The number of the ticket at an index, also of indexes after the last generated one.
    pub fn ticket_id(&self, index: u64) -> TicketId {
        ids::ticket_id(index)
    }

    /// The index that belongs to a number, also after the last generated one.
    pub fn ticket_index(&self, id: TicketId) -> Option<u64> {
        ids::ticket_index(id)
    }
}
