//! Tickets: everything but what was said in them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::catalog::{BRANDS, FORMS, STATUSES};
use super::draw::{Domain, Draw};
use super::ids::{self, FieldId, GroupId, ORGANIZATIONS, OrganizationId, TicketId, UserId};
use super::text::{Language, PRODUCTS, Section};
use super::timeline::LONGEST_THREAD;
use super::traps::Trap;
use super::{Company, at};

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

/// A merged ticket points this far back.
const MERGE_DISTANCE: u64 = 7;
/// A follow-up points this far back.
const FOLLOW_UP_DISTANCE: u64 = 11;
/// Incidents of a problem come within this distance.
const INCIDENT_DISTANCE: u64 = 5;
/// The service refuses the next comment.
const MOST_COMMENTS: u64 = 5000;

const TAGS: [&str; 14] = [
    "billing",
    "refund",
    "shipping",
    "login",
    "bug",
    "feature_request",
    "urgent_customer",
    "rückgabe",
    "b2b",
    "web",
    "escalation-2",
    "日本",
    "follow_up_call",
    "legal",
];

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

    fn is_giant(&self, index: u64) -> bool {
        self.has_giant_thread() && index == self.size().tickets / 2
    }

    fn is_merged(&self, index: u64) -> bool {
        index >= MERGE_DISTANCE && self.trap(Trap::MergedTicket, index)
    }

    fn absorbs(&self, index: u64) -> bool {
        index + MERGE_DISTANCE < self.size().tickets && self.is_merged(index + MERGE_DISTANCE)
    }

    fn is_follow_up(&self, index: u64) -> bool {
        index >= FOLLOW_UP_DISTANCE && self.trap(Trap::FollowUp, index)
    }

    fn is_followed_up(&self, index: u64) -> bool {
        index + FOLLOW_UP_DISTANCE < self.size().tickets && self.is_follow_up(index + FOLLOW_UP_DISTANCE)
    }

    fn kind_of(&self, index: u64) -> Option<TicketType> {
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

    fn problem_of(&self, index: u64) -> Option<TicketId> {
        let incident = self.kind_of(index) == Some(TicketType::Incident);
        let problem =
            (1..=INCIDENT_DISTANCE.min(index)).map(|d| index - d).find(|&p| self.trap(Trap::Problem, p));
        problem.filter(|_| incident).map(ids::ticket_id)
    }

    fn has_incidents(&self, index: u64) -> bool {
        let last = (index + INCIDENT_DISTANCE + 1).min(self.size().tickets);
        self.trap(Trap::Problem, index)
            && (index + 1..last).any(|i| self.problem_of(i) == Some(ids::ticket_id(index)))
    }

    fn creation(&self, index: u64) -> i64 {
        let created = self.ticket_timeline().created(index);
        if self.trap(Trap::AncientTicket, index) {
            created - 631_152_000 // twenty years
        } else if self.trap(Trap::LeapDay, index) {
            1_456_790_399 // 2016-02-29T23:59:59Z
        } else {
            created
        }
    }

    fn draw_ticket(&self, index: u64) -> Ticket {
        let draw = &mut Draw::new(self.seed(), Domain::Ticket, index);
        let status = self.status_of(index);
        let kind = self.kind_of(index);
        let comment_count = self.comment_count(index);
        let people = self.draw_people(index, status, draw);
        let requester = self.user(people.requester);
        let language = requester.as_ref().map_or(Language::En, |user| user.language);
        let organization_id =
            self.draw_organization(index, requester.and_then(|user| user.organization_id), draw);

        let created = self.creation(index);
        let longest = u64::try_from(LONGEST_THREAD).unwrap_or(0) - 5 * 86_400;
        let thread_seconds = draw.between(900, (comment_count * 2 * 86_400).min(longest));
        let after = if comment_count > 1 { thread_seconds } else { 0 } + draw.below(4 * 86_400);
        let (subject, raw_subject) = self.draw_subject(index, language, draw);
        let (custom_fields, field_tags) = self.ticket_fields(index);
        let merged_into = self.is_merged(index).then(|| ids::ticket_id(index - MERGE_DISTANCE));
        let mut tags: Vec<String> =
            TAGS.iter().filter(|_| draw.chance(90)).map(|&tag| tag.to_owned()).collect();
        tags.extend(field_tags);
        tags.extend(merged_into.map(|_| "closed_by_merge".to_owned()));
        let gone_catalog = self.trap(Trap::DeletedBrand, index);
        let timeline = self.ticket_timeline();

        Ticket {
            id: ids::ticket_id(index),
            external_id: draw.chance(60).then(|| format!("old-{index}")),
            created_at: at(created),
            updated_at: at(created + i64::try_from(after).unwrap_or(0)),
            generated_timestamp: timeline.generated(timeline.position_of(index)),
            kind,
            subject,
            raw_subject,
            priority: match draw.below(10) {
                0 => Some(Priority::Urgent),
                1 | 2 => Some(Priority::High),
                3..=6 => Some(Priority::Normal),
                7 => Some(Priority::Low),
                _ => None,
            },
            status,
            custom_status_id: STATUSES.iter().find(|s| s.category == status && !s.default).map_or_else(
                || STATUSES.iter().find(|s| s.category == status).map(|s| s.id),
                |own| if draw.chance(300) { Some(own.id) } else { Some(own.id - 1) },
            ),
            recipient: draw.chance(600).then(|| "help@acme.example".to_owned()),
            requester_id: people.requester,
            submitter_id: people.submitter,
            assignee_id: people.assignee,
            group_id: people.group,
            organization_id,
            brand_id: Some(if gone_catalog {
                BRANDS[2].id
            } else {
                BRANDS[usize::from(draw.chance(200))].id
            }),
            ticket_form_id: Some(if gone_catalog {
                FORMS[0].id + 90
            } else {
                FORMS[usize::from(draw.chance(200))].id
            }),
            collaborator_ids: people.ccs.iter().chain(&people.followers).copied().collect(),
            follower_ids: people.followers,
            email_cc_ids: people.ccs,
            problem_id: self.problem_of(index),
            has_incidents: self.has_incidents(index),
            is_public: !self.trap(Trap::PrivateFirst, index),
            due_at: self.draw_due(index, kind, created, draw),
            tags,
            custom_fields,
            satisfaction_rating: draw_rating(index, status, draw),
            followup_ids: if self.is_followed_up(index) {
                vec![ids::ticket_id(index + FOLLOW_UP_DISTANCE)]
            } else {
                Vec::new()
            },
            via: self.draw_via(index, draw),
            index,
            language,
            comment_count,
            archived: self.is_archived(index),
            merged_into,
            merged_from: self.absorbs(index).then(|| ids::ticket_id(index + MERGE_DISTANCE)),
            thread_seconds,
        }
    }

    fn draw_people(&self, index: u64, status: Status, draw: &mut Draw) -> People {
        let requester = if self.trap(Trap::DeletedRequester, index) {
            self.past_customer(index.is_multiple_of(2), draw)
        } else {
            self.busy_customer(draw)
        };
        let agent = self.current_agent(draw);
        let assigned = status != Status::New && !draw.chance(80);
        let assignee = if self.trap(Trap::DeletedAssignee, index) {
            self.past_agent(false, draw).or(Some(agent))
        } else {
            assigned.then_some(agent)
        };
        let group = if self.trap(Trap::DeletedGroup, index) {
            Some(self.deleted_group(draw))
        } else {
            (assignee.is_some() || draw.chance(500)).then(|| self.agent_group(agent))
        };
        let opened_by_agent = self.trap(Trap::OpenedByAgent, index);
        let submitter = if opened_by_agent { self.current_agent(draw) } else { requester };
        let mut ccs = Vec::new();
        let mut followers = Vec::new();
        if draw.chance(150) {
            for _ in 0..draw.between(1, 3) {
                let cc = self.busy_customer(draw);
                if cc != requester && !ccs.contains(&self.user_id(cc)) {
                    ccs.push(self.user_id(cc));
                }
            }
        }
        if draw.chance(120) {
            let former = if draw.chance(300) { self.past_agent(true, draw) } else { None };
            followers.push(self.user_id(former.unwrap_or_else(|| self.current_agent(draw))));
        }
        People {
            requester: self.user_id(requester),
            submitter: self.user_id(submitter),
            assignee: assignee.map(|a| self.user_id(a)),
            group,
            ccs,
            followers,
        }
    }

    fn draw_organization(
        &self,
        index: u64,
        own: Option<OrganizationId>,
        draw: &mut Draw,
    ) -> Option<OrganizationId> {
        if self.trap(Trap::DeletedOrganization, index) {
            return Some(self.deleted_organization(draw));
        }
        match draw.below(100) {
            0..8 => None,
            8..12 if self.size().organizations > 0 => {
                Some(OrganizationId(ORGANIZATIONS.id(draw.below(self.size().organizations))))
            }
            _ => own,
        }
    }

    fn draw_subject(
        &self,
        index: u64,
        language: Language,
        draw: &mut Draw,
    ) -> (Option<String>, Option<String>) {
        let product = draw.pick(&PRODUCTS);
        let plain = language.line(Section::Subjects, draw).replace("{p}", product);
        let same = |subject: String| (Some(subject.clone()), Some(subject));
        if self.trap(Trap::NullSubject, index) {
            (None, None)
        } else if self.trap(Trap::EmptySubject, index) {
            same(String::new())
        } else if self.trap(Trap::LongSubject, index) {
            same(format!("{plain} — ").repeat(40).chars().take(600).collect())
        } else if self.trap(Trap::EmojiSubject, index) {
            same(format!("🔥🔥 {plain} 👨‍👩‍👧‍👦 🇪🇺"))
        } else if self.trap(Trap::PlaceholderSubject, index) {
            (Some(format!("{product}: {plain}")), Some(format!("{{{{dc.product_name}}}}: {plain}")))
        } else {
            let prefix = draw.pick(&["", "", "", "", "Re: ", "AW: Fwd: ", "[EXTERNAL] "]);
            same(format!("{prefix}{plain}"))
        }
    }

    fn draw_due(
        &self,
        index: u64,
        kind: Option<TicketType>,
        created: i64,
        draw: &mut Draw,
    ) -> Option<Timestamp> {
        if self.trap(Trap::LateDueDate, index) {
            return Some(at(2_147_483_648));
        }
        (kind == Some(TicketType::Task) && draw.chance(600)).then(|| at(created + 86_400 * 14))
    }

    fn draw_via(&self, index: u64, draw: &mut Draw) -> Value {
        if self.is_follow_up(index) {
            let parent = ids::ticket_id(index - FOLLOW_UP_DISTANCE);
            return json!({"channel": "closed_ticket", "source": {"from": {"ticket_id": parent, "subject": "…", "channel": "web"},
                "to": {}, "rel": "follow_up"}});
        }
        let channel = draw.pick(&[
            "email",
            "email",
            "email",
            "email",
            "web",
            "web",
            "api",
            "chat",
            "web_widget",
            "mobile_sdk",
            "whatsapp",
            "facebook",
            "voice",
            "sample_ticket",
            "any_channel",
            "galactic_post",
        ]);
        let from = match channel {
            "email" => json!({"address": "customer@post.example", "name": "Customer"}),
            "voice" => json!({"phone": "+15550100", "formatted_phone": "+1 (555) 0100", "name": "Caller"}),
            "facebook" => json!({"profile_url": "https://social.example/p/1", "username": "fan"}),
            _ => json!({}),
        };
        json!({"channel": channel, "source": {"from": from, "to": {}, "rel": null}})
    }
}

struct People {
    requester: UserId,
    submitter: UserId,
    assignee: Option<UserId>,
    group: Option<GroupId>,
    ccs: Vec<UserId>,
    followers: Vec<UserId>,
}

fn draw_rating(index: u64, status: Status, draw: &mut Draw) -> Value {
    if !matches!(status, Status::Solved | Status::Closed) {
        return json!({"score": "unoffered"});
    }
    match draw.below(10) {
        0 | 1 => {
            json!({"score": "good", "id": 70_000_000_000 + index, "comment": "Merci ! 👍", "reason": "No reason", "reason_id": 0})
        }
        2 => {
            json!({"score": "bad", "id": 70_000_000_000 + index, "comment": null, "reason": "Took too long", "reason_id": 5})
        }
        3..6 => json!({"score": "offered"}),
        6 => Value::Null,
        _ => json!({"score": "unoffered"}),
    }
}
