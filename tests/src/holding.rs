//! What a Kayako account holds, read from outside through the sandbox's control API.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use sandbox::kayako::{CaseTruth, Mail, OrganizationTruth, PersonTruth, TeamTruth, UserTruth};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::accounts::Control;

/// Everything an account holds, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holding {
    /// Teams.
    pub teams: Vec<TeamTruth>,
    /// Organizations.
    pub organizations: Vec<OrganizationTruth>,
    /// Users, staff included.
    pub users: Vec<UserTruth>,
    /// Cases, those in the trash included.
    pub cases: Vec<CaseTruth>,
    /// Mails that would have been sent.
    pub mails: Vec<Mail>,
}

#[derive(serde::Deserialize)]
struct Exported<T> {
    total_count: usize,
    data: Vec<T>,
}

/// What several source records claim and one of them gets, whichever comes first: apart from the winner, both outcomes are right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contested {
    /// Addresses in lower case.
    pub emails: BTreeSet<String>,
    /// Domains.
    pub domains: BTreeSet<String>,
}

impl Holding {
    /// Reads everything.
    pub async fn read(account: &Control) -> Result<Self> {
        Ok(Self {
            teams: export(account, "teams").await?,
            organizations: export(account, "organizations").await?,
            users: export(account, "users").await?,
            cases: export(account, "cases").await?,
            mails: serde_json::from_value(account.sandbox("mails").await?).context("mails in JSON")?,
        })
    }

    /// The content without everything that differs between two accounts with the same content: Kayako's ids, the order and the
    /// time of creation of people and teams, and who won what is contested. One entry per object, by its stable name.
    pub fn masked(&self, contested: &Contested) -> BTreeMap<String, Value> {
        let organizations: BTreeMap<u64, &str> =
            self.organizations.iter().map(|row| (row.id, row.name.as_str())).collect();
        let people: BTreeMap<u64, String> = self.users.iter().map(|user| (user.id, name_of(user))).collect();
        let mut masked = BTreeMap::new();
        for team in &self.teams {
            let mut members: Vec<&String> = team.member_ids.iter().filter_map(|id| people.get(id)).collect();
            members.sort();
            masked.insert(
                format!("team {}", team.title),
                json!({"members": members, "legacy_id": team.legacy_id}),
            );
        }
        for row in &self.organizations {
            let domains: Vec<&String> =
                row.domains.iter().filter(|domain| !contested.domains.contains(*domain)).collect();
            masked.insert(
                format!("organization {}", row.name),
                json!({"domains": domains, "legacy_id": row.legacy_id, "shared": row.is_shared, "tags": sorted(&row.tags),
                    "fields": row.custom_fields, "notes": sorted(&row.notes)}),
            );
        }
        for user in &self.users {
            let name = name_of(user);
            if user.emails.iter().any(|email| contested.emails.contains(&email.address.to_lowercase())) {
                masked.insert(format!("user {name}"), json!("one of several"));
                continue;
            }
            let emails: Vec<_> = user
                .emails
                .iter()
                .map(|e| (e.address.to_lowercase(), e.is_primary, e.is_validated))
                .collect();
            let phones: Vec<_> = user.phones.iter().map(|phone| &phone.number).collect();
            let mut whole = json!(user);
            for property in ["id", "created_at", "team_ids", "organization_id", "emails", "phones"] {
                whole.as_object_mut().map(|whole| whole.remove(property));
            }
            whole["organization"] = json!(user.organization_id.and_then(|id| organizations.get(&id)));
            whole["emails"] = json!(emails);
            whole["phones"] = json!(phones);
            whole["tags"] = json!(sorted(&user.tags));
            whole["notes"] = json!(sorted(&user.notes));
            masked.insert(format!("user {name}"), whole);
        }
        let person = |who: &PersonTruth| people.get(&who.id).cloned().unwrap_or_else(|| "nobody".to_owned());
        for case in self.cases.iter().filter(|case| case.state == "ACTIVE") {
            let posts: Vec<Value> = case
                .posts
                .iter()
                .map(|post| {
                    let files: Vec<_> =
                        post.attachments.iter().map(|file| (&file.name, &file.sha256)).collect();
                    json!({"by": person(&post.creator), "visibility": post.visibility, "html": post.is_html,
                        "contents": post.contents, "at": post.created_at, "files": files})
                })
                .collect();
            let requester = self.users.iter().find(|user| user.id == case.requester.id);
            let contested = requester.is_some_and(|user| {
                user.emails.iter().any(|email| contested.emails.contains(&email.address.to_lowercase()))
            });
            let content = json!({"subject": case.subject, "requester": person(&case.requester), "creator": person(&case.creator),
                "team": case.team, "agent": case.agent.as_ref().map(person), "status": case.status, "priority": case.priority,
                "organization": case.organization.as_ref().filter(|_| !contested), "type": case.case_type, "tags": sorted(&case.tags),
                "fields": case.custom_fields, "created_at": case.created_at, "updated_at": case.updated_at, "posts": posts});
            let name = format!("case {}", case.legacy_id.as_deref().unwrap_or("of others"));
            // A double must not hide behind its twin.
            let mut key = name.clone();
            let mut copies = 1;
            while masked.contains_key(&key) {
                copies += 1;
                key = format!("{name} (copy {copies})");
            }
            masked.insert(key, content);
        }
        masked
    }
}

fn sorted(texts: &[String]) -> Vec<&String> {
    let mut texts: Vec<&String> = texts.iter().collect();
    texts.sort();
    texts
}

/// By address, else by origin key: two source users who became one have one address and two keys.
fn name_of(user: &UserTruth) -> String {
    let primary = user.emails.iter().find(|email| email.is_primary).or(user.emails.first());
    primary
        .map(|email| email.address.to_lowercase())
        .or_else(|| user.legacy_id.clone())
        .unwrap_or_else(|| user.full_name.clone())
}

async fn export<T: DeserializeOwned>(account: &Control, kind: &str) -> Result<Vec<T>> {
    let mut all = Vec::new();
    loop {
        let page = account.sandbox(&format!("export/{kind}?offset={}", all.len())).await?;
        let page: Exported<T> = serde_json::from_value(page)?;
        let done = page.data.is_empty();
        all.extend(page.data);
        if done || all.len() >= page.total_count {
            return Ok(all);
        }
    }
}
