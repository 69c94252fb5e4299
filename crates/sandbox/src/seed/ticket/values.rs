//! A ticket's values, drawn.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::course::{FOLLOW_UP_DISTANCE, MERGE_DISTANCE};
use super::{Priority, Status, Ticket, TicketType};
use crate::seed::catalog::{BRANDS, FORMS, STATUSES};
use crate::seed::draw::{Domain, Draw};
use crate::seed::ids::{self, GroupId, ORGANIZATIONS, OrganizationId, UserId};
use crate::seed::text::{Language, PRODUCTS, Section};
use crate::seed::timeline::LONGEST_THREAD;
use crate::seed::traps::Trap;
use crate::seed::{Company, at};

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
    pub(super) fn draw_ticket(&self, index: u64) -> Ticket {
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
        let has_agent = status != Status::New && !draw.chance(80);
        let assignee = if self.trap(Trap::DeletedAssignee, index) {
            self.past_agent(false, draw).or(Some(agent))
        } else {
            has_agent.then_some(agent)
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
