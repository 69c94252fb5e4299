//! Cases, which Kayako's interface calls conversations (reference section 4.8).

use serde_json::{Value, json};

use super::automation::{Cause, Event};
use super::call::{Call, Caller, Role};
use super::case_drafts::{CaseDraft, Origin};
use super::catalog::Catalog;
use super::envelope::{Answer, Failure, Problems};
use super::field_values::Values;
use super::fields::FieldOwner;
use super::files::FileAccess;
use super::params::Params;
use super::posts::{self, Channel, show_channel};
use super::shape::Shape;
use super::state::{State, stamp};

/// Where a case stands outside its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CaseState {
    Active,
    Trash,
}

impl CaseState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Trash => "TRASH",
        }
    }
}

/// A case.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) id: u64,
    pub(crate) legacy_id: Option<String>,
    pub(crate) subject: String,
    pub(crate) requester_id: u64,
    pub(crate) creator_id: u64,
    pub(crate) status_id: u64,
    pub(crate) priority_id: Option<u64>,
    pub(crate) type_id: Option<u64>,
    pub(crate) form_id: u64,
    pub(crate) brand_id: u64,
    pub(crate) team_id: Option<u64>,
    pub(crate) agent_id: Option<u64>,
    pub(crate) values: Values,
    pub(crate) tags: Vec<String>,
    pub(crate) state: CaseState,
    channel: Channel,
    pub(crate) post_ids: Vec<u64>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) visible_from: i64,
}

impl State {
    pub(crate) fn show_case(&self, case: &Case, shape: &Shape, depth: u8) -> Value {
        let posts = || case.post_ids.iter().filter_map(|id| self.posts.get(*id));
        let email_id = self.users.get(case.requester_id).and_then(|user| user.email_ids.first().copied());
        let channel = show_channel(case.channel, posts().next().and_then(|post| post.mailbox_id));
        let mut shown = json!({
            "id": case.id,
            "legacy_id": case.legacy_id,
            "subject": case.subject,
            "portal": "API",
            "source_channel": channel,
            "last_public_channel": if case.channel == Channel::Mail { channel.clone() } else { Value::Null },
            "requester": self.reference("user", Some(case.requester_id), shape, depth),
            "creator": self.reference("user", Some(case.creator_id), shape, depth),
            "identity": self.reference("identity_email", email_id, shape, depth),
            "assigned_agent": self.reference("user", case.agent_id, shape, depth),
            "assigned_team": self.reference("team", case.team_id, shape, depth),
            "brand": self.reference("brand", Some(case.brand_id), shape, depth),
            "status": self.reference("case_status", Some(case.status_id), shape, depth),
            "priority": self.reference("case_priority", case.priority_id, shape, depth),
            "type": self.reference("case_type", case.type_id, shape, depth),
            "form": self.reference("case_form", Some(case.form_id), shape, depth),
            "custom_fields": self.show_values(FieldOwner::Case, &case.values, shape, depth),
            "sla_version": Value::Null,
            "sla_metrics": [],
            "state": case.state.name(),
            "post_count": case.post_ids.len(),
            "has_notes": posts().any(|post| post.channel == Channel::Note),
            "has_attachments": posts().any(|post| !post.attachment_ids.is_empty()),
            "is_merged": false,
            "rating": Value::Null,
            "rating_status": "UNOFFERED",
            "created_at": stamp(case.created_at),
            "updated_at": stamp(case.updated_at),
            "resource_type": "case",
            "resource_url": self.url("cases", case.id),
        });
        if shape.wants("tags") {
            let tags: Vec<Value> =
                case.tags.iter().map(|tag| json!({"name": tag, "resource_type": "tag"})).collect();
            shown["tags"] = Value::Array(tags);
        }
        if shape.wants("reply_channels") {
            shown["reply_channels"] = Value::Array(self.reply_channels());
        }
        shown
    }

    pub(crate) fn reply_channels(&self) -> Vec<Value> {
        let mailboxes = self.catalogs.list(Catalog::Mailboxes).iter();
        let mut channels: Vec<Value> =
            mailboxes.map(|(id, _)| show_channel(Channel::Mail, Some(id))).collect();
        channels.push(show_channel(Channel::Note, None));
        channels
    }

    /// Puts a case into the account, with everything that happens on such an occasion.
    pub(crate) fn insert_case(&mut self, draft: CaseDraft) -> u64 {
        let id = self.cases.next_id();
        let now = self.now();
        let created_at = draft.created_at.unwrap_or(now);
        let updated_at = draft.updated_at.unwrap_or(now);
        let channel = draft.posts.first().map_or(Channel::Note, |post| post.channel);
        if let Some(legacy_id) = &draft.legacy_id {
            self.cases_by_legacy.add(legacy_id, id);
        }
        self.case_order.insert((updated_at, id));
        let visible_from = self.visible_from();
        self.cases.insert(Case {
            id,
            legacy_id: draft.legacy_id,
            subject: draft.subject,
            requester_id: draft.requester_id,
            creator_id: draft.creator_id,
            status_id: draft.status_id,
            priority_id: draft.priority_id,
            type_id: draft.type_id,
            form_id: draft.form_id,
            brand_id: 1,
            team_id: draft.team_id,
            agent_id: draft.agent_id,
            values: draft.values,
            tags: draft.tags,
            state: CaseState::Active,
            channel,
            post_ids: Vec::with_capacity(draft.posts.len()),
            created_at,
            updated_at,
            visible_from,
        });
        let bulk = draft.origin == Origin::Bulk;
        for post in draft.posts {
            if post.channel == Channel::Mail && (!bulk || self.switches.bulk_mail_sends_mail) {
                self.mail_post(draft.requester_id, &post.cc, id, bulk);
            }
            self.insert_post(id, post);
        }
        if !bulk || self.switches.bulk_fires_triggers {
            self.run_automations(id, Event::Created);
        }
        if let Some(agent_id) = draft.agent_id
            && (!bulk || self.switches.bulk_notifies_agents)
        {
            self.mail_user(agent_id, Cause::Assignment, Some(id));
        }
        id
    }

    fn mail_post(&mut self, requester_id: u64, cc: &[String], case_id: u64, bulk: bool) {
        let cause = if bulk { Cause::BulkPost } else { Cause::Message };
        self.mail_user(requester_id, cause, Some(case_id));
        for address in cc {
            self.mail(address.clone(), cause, Some(case_id));
        }
    }

    /// Reads and applies what `PUT /cases/:id` and a reply may change; all or nothing.
    fn change_case(&mut self, id: u64, params: &mut Params) -> Result<(), Failure> {
        let mut problems = Problems::default();
        let p = &mut problems;
        let mut case = self.cases.get(id).ok_or_else(Failure::not_found)?.clone();
        case.subject = params.text("subject", p).unwrap_or(case.subject);
        if let Some(requester_id) = params.int("requester_id", p) {
            if self.users.get(requester_id).is_none() {
                p.add(Failure::invalid("requester_id", "The user does not exist"));
            }
            case.requester_id = requester_id;
        }
        let agent_before = case.agent_id;
        (case.team_id, case.agent_id) = self.check_assignment(params, case.team_id, case.agent_id, p);
        case.brand_id = self.check_entry(params, "brand_id", Catalog::Brands, p).unwrap_or(case.brand_id);
        case.status_id =
            self.check_entry(params, "status_id", Catalog::Statuses, p).unwrap_or(case.status_id);
        if params.has("priority_id") {
            case.priority_id = self.check_entry(params, "priority_id", Catalog::Priorities, p);
        }
        if params.has("type_id") {
            case.type_id = self.check_entry(params, "type_id", Catalog::Types, p);
        }
        case.form_id = self.check_entry(params, "form_id", Catalog::Forms, p).unwrap_or(case.form_id);
        if let Some(values) = params.object("field_values", p) {
            let changed = self.check_values(FieldOwner::Case, values, Some(case.form_id), p);
            if self.switches.option_adds_tag {
                super::tags::add(&mut case.tags, self.option_tags(FieldOwner::Case, &changed));
            }
            super::field_values::merge(&mut case.values, changed);
        }
        let resolved = matches!(
            self.catalogs.text(Catalog::Statuses, case.status_id, "type"),
            Some("COMPLETED" | "CLOSED")
        );
        self.check_required(FieldOwner::Case, &case.values, Some(case.form_id), resolved, p);
        if let Some(tags) = params.csv("tags") {
            case.tags.clear();
            super::tags::add(&mut case.tags, tags);
        }
        let trash = params.choice("state", &["TRASH", "ACTIVE"], p);
        problems.finish()?;
        let agent_id = case.agent_id;
        if let Some(slot) = self.cases.get_mut(id) {
            *slot = case;
        }
        match trash {
            Some("TRASH") => self.set_case_state(id, CaseState::Trash),
            Some(_) => self.set_case_state(id, CaseState::Active),
            None => self.touch_case(id),
        }
        if let Some(agent_id) = agent_id.filter(|_| agent_id != agent_before) {
            self.mail_user(agent_id, Cause::Assignment, Some(id));
        }
        Ok(())
    }

    /// Moves the case to the top of the list.
    fn touch_case(&mut self, id: u64) {
        let now = self.now();
        if let Some(case) = self.cases.get_mut(id) {
            self.case_order.remove(&(case.updated_at, id));
            case.updated_at = now;
            if case.state == CaseState::Active {
                self.case_order.insert((now, id));
            }
        }
    }

    fn set_case_state(&mut self, id: u64, state: CaseState) {
        if let Some(case) = self.cases.get_mut(id) {
            case.state = state;
        }
        self.touch_case(id);
    }

    /// Deletes a trashed case for good.
    fn erase_case(&mut self, id: u64) {
        if let Some(case) = self.cases.remove(id) {
            if let Some(legacy_id) = &case.legacy_id {
                self.cases_by_legacy.remove(legacy_id, id);
            }
            for post_id in case.post_ids {
                if let Some(post) = self.posts.remove(post_id) {
                    for attachment_id in post.attachment_ids {
                        self.attachments.remove(attachment_id);
                    }
                }
            }
        }
    }
}

/// Everything below `/cases` but lists, fields and the configuration of cases.
pub(crate) fn serve(
    state: &mut State,
    caller: &Caller,
    call: &mut Call,
    path: &[&str],
) -> Result<Answer, Failure> {
    caller.require(Role::Collaborator)?;
    let id = |text: &str| text.parse::<u64>().map_err(|_| Failure::not_found());
    match (call.method.as_str(), path) {
        ("GET", []) => super::case_lists::list(state, call),
        ("POST", []) => {
            let access = FileAccess { owner: &caller.file_owner, held: None };
            let mut draft =
                state.draft_case(std::mem::take(&mut call.params), caller, access, Origin::Single)?;
            if let Some(first) = draft.posts.first_mut() {
                State::attach_uploads(first, std::mem::take(&mut call.uploads));
            }
            let id = state.insert_case(draft);
            show(state, call, id).map(|answer| Answer { status: 201, ..answer })
        }
        ("PUT", [] | ["trash"]) => {
            let trash = !path.is_empty();
            let ids: Vec<u64> =
                call.query.list("ids").unwrap_or_default().iter().filter_map(|id| id.parse().ok()).collect();
            for id in &ids {
                if trash {
                    state.cases.get(*id).ok_or_else(Failure::not_found)?;
                    state.set_case_state(*id, CaseState::Trash);
                } else {
                    state.change_case(*id, &mut call.params.clone())?;
                }
            }
            Ok(Answer::count(ids.len()))
        }
        ("DELETE", ["trash"]) => {
            caller.require(Role::Admin)?;
            let trashed: Vec<u64> = state
                .cases
                .iter()
                .filter(|(_, case)| case.state == CaseState::Trash)
                .map(|(id, _)| id)
                .collect();
            for id in &trashed {
                state.erase_case(*id);
            }
            Ok(Answer::count(trashed.len()))
        }
        ("GET", ["channels"] | [_, "channels"] | [_, "reply", "channels"]) => {
            let channels = state.reply_channels();
            Ok(call.page(state, "channel", &channels, Clone::clone))
        }
        ("GET" | "PUT", ["posts", post]) => posts::serve_one(state, call, id(post)?),
        ("GET", [case]) => show(state, call, id(case)?),
        ("PUT", [case]) => {
            let id = id(case)?;
            state.change_case(id, &mut std::mem::take(&mut call.params))?;
            state.run_automations(id, Event::Updated);
            show(state, call, id)
        }
        ("PUT", [case, action @ ("trash" | "restore")]) => {
            let id = id(case)?;
            state.cases.get(id).ok_or_else(Failure::not_found)?;
            state.set_case_state(id, if *action == "trash" { CaseState::Trash } else { CaseState::Active });
            show(state, call, id)
        }
        ("GET", [case, "posts"]) => posts::list(state, call, id(case)?),
        ("POST", [case, "reply"]) => reply(state, caller, call, id(case)?),
        ("GET" | "POST" | "PUT" | "DELETE", [case, "tags"]) => {
            let id = id(case)?;
            let case = state.cases.get_mut(id).ok_or_else(Failure::not_found)?;
            super::tags::change(
                &call.method,
                &mut case.tags,
                call.params.csv("tags").or_else(|| super::tags::of_query(&call.query)),
            );
            let answer = super::tags::answer(&case.tags);
            if call.method != axum::http::Method::GET {
                state.touch_case(id);
            }
            Ok(answer)
        }
        ("GET", [_, "messages" | "notes", _, "attachments", attachment, "download" | "url"]) => {
            posts::download(state, id(attachment)?)
        }
        _ => Err(Failure::not_found()),
    }
}

fn show(state: &State, call: &Call, id: u64) -> Result<Answer, Failure> {
    let case = state.cases.get(id).ok_or_else(Failure::not_found)?;
    Ok(Answer::one("case", state.show_case(case, &call.shape, 0)))
}

fn reply(state: &mut State, caller: &Caller, call: &mut Call, id: u64) -> Result<Answer, Failure> {
    let case = state.cases.get(id).ok_or_else(Failure::not_found)?;
    let closed = state.catalogs.text(Catalog::Statuses, case.status_id, "type") == Some("CLOSED");
    if case.state == CaseState::Trash || (closed && state.switches.reply_to_closed_refused) {
        return Err(Failure::new(
            403,
            "RESOURCE_ACTION_NOT_AVAILABLE",
            "The conversation does not take replies",
        ));
    }
    let requester_id = case.requester_id;
    let mut params = std::mem::take(&mut call.params);
    let mut problems = Problems::default();
    let access = FileAccess { owner: &caller.file_owner, held: None };
    let mut post = state.draft_post(&mut params, access, caller.user_id, &mut problems);
    problems.finish()?;
    State::attach_uploads(&mut post, std::mem::take(&mut call.uploads));
    state.change_case(id, &mut params)?;
    if post.channel == Channel::Mail {
        state.mail_post(requester_id, &post.cc, id, false);
    }
    let post_id = state.insert_post(id, post);
    state.run_automations(id, Event::Updated);
    let post = state.posts.get(post_id).ok_or_else(Failure::not_found)?;
    let data = json!({
        "posts": [state.show_post(post, &call.shape, 0)],
        "case": state.reference("case", Some(id), &call.shape, 0),
        "resource_type": "case_reply",
    });
    Ok(Answer::created("case_reply", data))
}
