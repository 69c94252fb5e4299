//! Cases: every value, every comment in its order, every file by its bytes.

use std::collections::{BTreeMap, BTreeSet};

use sandbox::kayako::{CaseTruth, PostTruth};
use sandbox::seed::{
    Attachment, AttachmentState, Author, Comment, CommentKind, Owner, Status, Ticket, UserId,
};
use serde::Serialize;
use serde_json::Value;

use super::difference::Differences;
use super::people::People;
use super::teams::Teams;
use super::words::{escape, one_line, subject_of, tags, unordered, without_addresses};
use super::{Expectation, origin_key, values};
use crate::holding::Holding;

/// What is at hand for every case.
struct Desk<'a> {
    expected: &'a Expectation<'a>,
    people: &'a People,
    teams: &'a Teams,
    organizations: BTreeMap<u64, Option<String>>,
}

pub(crate) fn compare(
    expected: &Expectation<'_>,
    now: &Holding,
    people: &People,
    teams: &Teams,
    found: &mut Differences,
) {
    let names: BTreeMap<u64, &String> = now.organizations.iter().map(|row| (row.id, &row.name)).collect();
    let name_of = |id: Option<u64>| id.and_then(|id| names.get(&id)).map(|name| (*name).clone());
    let organizations = now.users.iter().map(|user| (user.id, name_of(user.organization_id))).collect();
    let desk = Desk { expected, people, teams, organizations };
    let mut by_key: BTreeMap<&str, Vec<&CaseTruth>> = BTreeMap::new();
    for case in now.cases.iter().filter(|case| case.state == "ACTIVE") {
        by_key.entry(case.legacy_id.as_deref().unwrap_or_default()).or_default().push(case);
    }
    let mut matched = BTreeSet::new();
    for ticket in (0..expected.company.size().tickets).filter_map(|index| expected.company.ticket(index)) {
        // What a deleted ticket said cannot be read any more: a case for it would be made up.
        if ticket.status == Status::Deleted {
            continue;
        }
        let objects = by_key.get(origin_key("case", ticket.id).as_str()).cloned().unwrap_or_default();
        matched.extend(objects.iter().map(|case| case.id));
        let record = format!("case {}", ticket.id);
        if let Some(case) = found.only(&record, &objects) {
            desk.case(&ticket, case, &record, found);
        }
    }
    for case in by_key.values().flatten().filter(|case| !matched.contains(&case.id)) {
        if !expected.before.cases.iter().any(|before| before.id == case.id) {
            found.unexpected("case", case.id, case.legacy_id.as_ref());
        }
    }
}

/// The word that the source's JSON uses.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

impl Desk<'_> {
    /// The objects that may stand for a person in a case.
    fn accepted(&self, user: UserId, in_sample: bool) -> Vec<Option<u64>> {
        let stand_in = self.people.stand_in.filter(|_| in_sample && self.people.is_lost_for_good(user));
        std::iter::once(self.people.of(user)).chain(stand_in.map(Some)).collect()
    }

    fn author(&self, author: Author, in_sample: bool) -> Vec<Option<u64>> {
        match author {
            Author::System => vec![self.people.default_agent],
            Author::User(user) => self.accepted(user, in_sample),
        }
    }

    fn case(&self, ticket: &Ticket, case: &CaseTruth, record: &str, found: &mut Differences) {
        let (rules, company) = (self.expected.rules, self.expected.company);
        let in_sample = self.expected.sample.contains(&ticket.id);
        let comments: Vec<Comment> = company.comments(ticket).collect();
        let own = ticket.subject.as_deref().map(one_line).filter(|subject| !subject.is_empty());
        let subject = own
            .or_else(|| subject_of(&comments.first()?.plain_body))
            .unwrap_or_else(|| rules.subject_when_empty.to_owned());
        found.value(record, "subject", &subject, &case.subject);
        let requester = self.accepted(ticket.requester_id, in_sample);
        found.one_of(record, "requester", &requester, &Some(case.requester.id));
        let organization = self.organizations.get(&case.requester.id).cloned().flatten();
        found.value(record, "organization", &organization, &case.organization);
        if let Some(first) = comments.first() {
            found.one_of(record, "creator", &self.author(first.author_id, in_sample), &Some(case.creator.id));
        }
        let agent = ticket.assignee_id.and_then(|user| self.people.of(user));
        found.value(record, "agent", &agent, &case.agent.as_ref().map(|agent| agent.id));
        let team = ticket.group_id.and_then(|group| self.teams.of(group)).map(str::to_owned);
        found.value(record, "team", &team, &case.team);
        let label = |map: &BTreeMap<&str, &str>, word: String| {
            map.get(word.as_str()).map(|label| (*label).to_owned())
        };
        let status = label(&rules.status, word(&ticket.status)).unwrap_or_default();
        found.value(record, "status", &status, &case.status);
        let priority = ticket.priority.and_then(|priority| label(&rules.priority, word(&priority)));
        found.value(record, "priority", &priority, &case.priority);
        let case_type = ticket.kind.and_then(|kind| label(&rules.case_type, word(&kind)));
        found.value(record, "type", &case_type, &case.case_type);
        let wanted = tags(ticket.tags.iter().map(String::as_str).chain(rules.extra_tags.iter().copied()));
        found.value(record, "tags", &wanted, &unordered(&case.tags));
        let values: BTreeMap<String, &Value> =
            ticket.custom_fields.iter().map(|field| (field.id.to_string(), &field.value)).collect();
        let fields = rules
            .fields
            .then(|| values::expected(self.expected.fields, Owner::Ticket, |id| values.get(id).copied()));
        found.value(record, "fields", &fields.unwrap_or_default(), &case.custom_fields);
        found.value(record, "created", &ticket.created_at.as_second(), &case.created_at);
        let updated = ticket.updated_at.max(ticket.created_at);
        found.value(record, "updated", &updated.as_second(), &case.updated_at);
        found.value(record, "number of posts", &comments.len(), &case.posts.len());
        for (at, (comment, post)) in comments.iter().zip(&case.posts).enumerate() {
            // The first post is the case itself to Kayako and has its time.
            let time = if at == 0 { ticket.created_at } else { comment.created_at };
            let record = format!("{record}, post {}", at + 1);
            found.value(&record, "time", &time.as_second(), &post.created_at);
            let authors = self.author(comment.author_id, in_sample);
            found.one_of(&record, "author", &authors, &Some(post.creator.id));
            self.post(comment, post, &record, found);
        }
    }

    fn post(&self, comment: &Comment, post: &PostTruth, record: &str, found: &mut Differences) {
        let visibility = if comment.public { "MAIL" } else { "NOTE" };
        found.value(record, "visibility", &visibility, &post.visibility.as_str());
        // The page around a telephone call is a player for a recording that nobody can open later.
        let is_html = comment.kind != CommentKind::VoiceComment;
        found.value(record, "html", &is_html, &post.is_html);
        let mut contents = if is_html { comment.html_body.clone() } else { comment.plain_body.clone() };
        let mut files: Vec<(String, String)> = Vec::new();
        for file in comment.attachments.iter().filter(|_| self.expected.rules.attachments) {
            match unavailable(file) {
                None => {
                    let hash = self.expected.company.attachment_sha256(file.id).unwrap_or_default();
                    files.push((file.file_name.clone(), hash));
                }
                Some(why) => {
                    let line = format!("[Attachment not available: {} ({why})]", one_line(&file.file_name));
                    let line =
                        if is_html { format!("<p>{}</p>", escape(&line)) } else { format!("\n\n{line}") };
                    contents.push_str(&line);
                }
            }
        }
        found.value(record, "text", &contents, &without_addresses(&post.contents, self.expected.zendesk_url));
        let held: Vec<(String, String)> =
            post.attachments.iter().map(|file| (file.name.clone(), file.sha256.clone())).collect();
        found.value(record, "files", &files, &held);
    }
}

/// Why a file cannot be had, in the words that stand in its place.
fn unavailable(file: &Attachment) -> Option<&'static str> {
    match file.state {
        AttachmentState::Available => None,
        AttachmentState::Redacted => Some("deleted at the source"),
        AttachmentState::Malware => Some("blocked as malware"),
    }
}
