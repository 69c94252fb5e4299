//! Teams, organizations and users.

use std::collections::{HashMap, HashSet};

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use kayako::{
    AgentCaseAccess, NewOrganization, NewTeam, NewUser, Organization, RoleType, Tag, Team, User, UserUpdate,
};
use model::RecordKey;
use model::command::{IfAbsent, LoadCommand, UserCommand};
use serde_json::json;

use super::Loop;
use super::catalogue::fold;
use super::http::{Anything, Query};
use crate::source::Item;

const USER_PARTS: &str = "role,identity_email,identity_phone";
const USER_QUERY: Query<'static> = &[("fields", "+tags"), ("include", USER_PARTS)];

/// Who has a natural key.
pub(super) type Owners<'a> = HashMap<String, &'a RecordKey>;

/// Records, and those whose deciding natural key an earlier one has, with that one's key.
pub(super) fn merge(items: &[Item]) -> (Vec<&Item>, Vec<(RecordKey, RecordKey)>) {
    let mut owner: HashMap<String, &RecordKey> = HashMap::new();
    let (mut first, mut merged) = (Vec::with_capacity(items.len()), Vec::new());
    for item in items {
        let key = natural_keys(&item.command).into_iter().next();
        if let Some(holder) = key.as_ref().and_then(|key| owner.get(key)) {
            merged.push((item.key.clone(), (*holder).clone()));
        } else {
            owner.extend(key.map(|key| (key, &item.key)));
            first.push(item);
        }
    }
    (first, merged)
}

/// Who has which natural key, the deciding keys first.
pub(super) fn owners<'a>(items: &[&'a Item]) -> Owners<'a> {
    let mut owners = Owners::new();
    for item in items {
        if let Some(key) = natural_keys(&item.command).into_iter().next() {
            owners.insert(key, &item.key);
        }
    }
    for item in items {
        for key in natural_keys(&item.command) {
            owners.entry(key).or_insert(&item.key);
        }
    }
    owners
}

fn natural_keys(command: &LoadCommand) -> Vec<String> {
    match command {
        LoadCommand::Team(team) => vec![fold(&team.title)],
        LoadCommand::Organization(one) => {
            std::iter::once(fold(&one.name)).chain(one.domains.iter().cloned()).collect()
        }
        LoadCommand::User(user) => user.emails.clone(),
        LoadCommand::Case(_) | LoadCommand::Nothing(_) | LoadCommand::Recount => Vec::new(),
    }
}

fn tags(tags: &[String]) -> Vec<Tag> {
    tags.iter().filter_map(|tag| Tag::new(tag).ok()).collect()
}

impl Loop {
    pub(super) async fn teams(&self, batch: &[&Item]) -> anyhow::Result<Vec<(RecordKey, u64)>> {
        let present: HashMap<String, u64> = self
            .http
            .list::<Team>("/teams", &[])
            .await?
            .into_iter()
            .filter_map(|team| Some((fold(team.title.as_deref()?), team.id.get())))
            .collect();
        let (mut written, mut missing) = (Vec::new(), Vec::new());
        for item in batch {
            let LoadCommand::Team(command) = &item.command else { continue };
            match present.get(&fold(&command.title)) {
                Some(id) => written.push((item.key.clone(), *id)),
                None => missing.push((
                    item,
                    NewTeam {
                        legacy_id: Some(self.legacy_id(&item.key)),
                        title: command.title.clone(),
                        businesshour_id: None,
                    },
                )),
            }
        }
        let created = self.create::<Team, _>("teams", &[], &missing).await?;
        written.extend(created.into_iter().map(|(item, team)| (item.key.clone(), team.id.get())));
        Ok(written)
    }

    pub(super) async fn organizations(
        &self,
        batch: &[&Item],
        owners: &Owners<'_>,
    ) -> anyhow::Result<Vec<(RecordKey, u64)>> {
        let names: Vec<&str> = batch
            .iter()
            .filter_map(|item| match &item.command {
                LoadCommand::Organization(command) => Some(command.name.as_str()),
                _ => None,
            })
            .collect();
        let present: HashMap<String, u64> = self
            .http
            .filter::<Organization>("/organizations/filter", "organizations.name", &names, &[])
            .await?
            .into_iter()
            .filter_map(|one| Some((fold(one.name.as_deref()?), one.id.get())))
            .collect();
        let (mut written, mut missing) = (Vec::new(), Vec::new());
        for item in batch {
            let LoadCommand::Organization(command) = &item.command else { continue };
            let own = |key: &&String| owners.get(*key).is_none_or(|owner| **owner == item.key);
            match present.get(&fold(&command.name)) {
                Some(id) => written.push((item.key.clone(), *id)),
                None => missing.push((
                    item,
                    NewOrganization {
                        legacy_id: Some(self.legacy_id(&item.key)),
                        name: command.name.clone(),
                        domains: command.domains.iter().filter(own).cloned().collect(),
                        is_shared: command.shared.then_some(true),
                        tags: tags(&command.tags),
                        ..NewOrganization::default()
                    },
                )),
            }
        }
        let created =
            self.create::<Organization, _>("organizations", &[("fields", "+tags")], &missing).await?;
        stream::iter(&created)
            .map(|(item, one)| async move {
                let LoadCommand::Organization(command) = &item.command else { return Ok(()) };
                self.notes(&format!("/organizations/{}/notes", one.id), &command.notes).await
            })
            .buffer_unordered(self.steps)
            .try_collect::<()>()
            .await?;
        written.extend(created.into_iter().map(|(item, one)| (item.key.clone(), one.id.get())));
        Ok(written)
    }

    pub(super) async fn users(
        &self,
        batch: &[&Item],
        owners: &Owners<'_>,
    ) -> anyhow::Result<Vec<(RecordKey, u64)>> {
        let people: Vec<(&Item, &UserCommand, Vec<&str>)> = batch
            .iter()
            .filter_map(|item| match &item.command {
                LoadCommand::User(command) => {
                    let own = |email: &&String| owners.get(*email).is_none_or(|owner| **owner == item.key);
                    let emails = command.emails.iter().filter(own).map(String::as_str).collect();
                    Some((*item, command, emails))
                }
                _ => None,
            })
            .collect();
        let asked: Vec<&str> = people.iter().flat_map(|(_, _, emails)| emails.iter().copied()).collect();
        let mut present: HashMap<String, User> = HashMap::new();
        let query = [("include", USER_PARTS)];
        for user in
            self.http.filter::<User>("/users/filter", "identityemails.address", &asked, &query).await?
        {
            for email in user.emails.iter().filter_map(|email| email.email.as_deref()) {
                present.insert(fold(email), user.clone());
            }
        }
        let (mut written, mut missing) = (Vec::new(), Vec::new());
        for (item, command, emails) in &people {
            let staff = command.role.is_staff();
            match emails.iter().find_map(|email| present.get(*email)) {
                Some(user) if staff && is_customer(user) => {
                    written.push((item.key.clone(), self.catalogue.default_agent));
                }
                Some(user) => written.push((item.key.clone(), user.id.get())),
                None if staff && command.if_absent == IfAbsent::UseDefaultAgent => {
                    written.push((item.key.clone(), self.catalogue.default_agent));
                }
                None => missing.push((item, self.new_user(item, command)?)),
            }
        }
        let created = self.create::<User, _>("users", USER_QUERY, &missing).await?;
        stream::iter(&created)
            .map(|(item, user)| async move {
                let LoadCommand::User(command) = &item.command else { return Ok(()) };
                self.user_steps(&item.key, command, user, owners).await
            })
            .buffer_unordered(self.steps)
            .try_collect::<()>()
            .await?;
        written.extend(created.into_iter().map(|(item, user)| (item.key.clone(), user.id.get())));
        self.join_teams(&people, &written).await?;
        Ok(written)
    }

    fn new_user(&self, item: &Item, command: &UserCommand) -> anyhow::Result<NewUser> {
        let mut new = NewUser::new(command.full_name.clone(), self.catalogue.role(command.role)?.into());
        new.legacy_id = Some(self.legacy_id(&item.key));
        new.email = command.emails.first().cloned();
        new.designation.clone_from(&command.designation);
        new.locale_id = command.locale.as_deref().and_then(|tag| self.catalogue.locale(tag)).map(Into::into);
        new.time_zone.clone_from(&command.time_zone);
        if command.role.is_staff() {
            new.team_ids =
                command.teams.iter().filter_map(|team| self.parent(team)).map(Into::into).collect();
            new.signature.clone_from(&command.signature);
            new.agent_case_access = Some(AgentCaseAccess::All);
        }
        Ok(new)
    }

    async fn user_steps(
        &self,
        key: &RecordKey,
        command: &UserCommand,
        user: &User,
        owners: &Owners<'_>,
    ) -> anyhow::Result<()> {
        let (id, path) = (user.id, format!("/users/{}", user.id));
        let organization = command.organization.as_ref().and_then(|parent| self.parent(parent));
        let has: HashSet<&str> = user.tags.iter().flatten().map(String::as_str).collect();
        let complete = command.tags.iter().all(|tag| has.contains(tag.as_str()));
        let update = UserUpdate {
            organization_id: organization.map(Into::into).filter(|one| user.organization != Some(*one)),
            tags: (!complete).then(|| tags(&command.tags)),
            ..UserUpdate::default()
        };
        if update != UserUpdate::default() {
            self.http.put(&path, &update).await?;
        }
        let (text, of_user) = (id.to_string(), id.get());
        if command.emails.len() > 1 {
            self.http.list::<Anything>("/identities/emails", &[("user_id", &text)]).await?;
            for email in command.emails.iter().skip(1).filter(|email| owners.get(*email) == Some(&key)) {
                let body = json!({"user_id": of_user, "email": email, "is_primary": false, "is_validated": true,
                    "is_notification_enabled": false});
                self.http.offer("/identities/emails", &body).await?;
            }
        }
        if !command.phones.is_empty() {
            self.http.list::<Anything>("/identities/phones", &[("user_id", &text)]).await?;
            for (at, number) in command.phones.iter().enumerate() {
                let body = json!({"user_id": of_user, "number": number, "is_primary": at == 0, "is_validated": true});
                self.http.offer("/identities/phones", &body).await?;
            }
        }
        self.notes(&format!("{path}/notes"), &command.notes).await?;
        if !command.enabled && user.is_enabled != Some(false) {
            self.http.put(&path, &UserUpdate { is_enabled: Some(false), ..UserUpdate::default() }).await?;
        }
        Ok(())
    }

    async fn notes(&self, path: &str, notes: &[String]) -> anyhow::Result<()> {
        if notes.is_empty() {
            return Ok(());
        }
        self.http.list::<Anything>(path, &[]).await?;
        for contents in notes {
            self.http.act(path, &json!({"contents": contents, "is_html": false})).await?;
        }
        Ok(())
    }

    async fn join_teams(
        &self,
        people: &[(&Item, &UserCommand, Vec<&str>)],
        written: &[(RecordKey, u64)],
    ) -> anyhow::Result<()> {
        let ids: HashMap<&RecordKey, u64> = written.iter().map(|(key, id)| (key, *id)).collect();
        let mut wanted: HashMap<u64, Vec<u64>> = HashMap::new();
        for (item, command, _) in people.iter().filter(|(_, command, _)| command.role.is_staff()) {
            let id = ids.get(&item.key).copied().filter(|id| *id != self.catalogue.default_agent);
            for team in command.teams.iter().filter_map(|team| self.parent(team)) {
                wanted.entry(team).or_default().extend(id);
            }
        }
        for (team, mut members) in wanted {
            let path = format!("/teams/{team}/members");
            let present: HashSet<u64> =
                self.http.list::<User>(&path, &[]).await?.iter().map(|user| user.id.get()).collect();
            members.retain(|id| !present.contains(id));
            if !members.is_empty() {
                let members = members.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
                self.http.act(&path, &json!({"agent_ids": members})).await?;
            }
        }
        Ok(())
    }

    /// A bulk insert and the look-up of what it created.
    pub(super) async fn create<'a, T, N>(
        &self,
        plural: &str,
        query: Query<'_>,
        new: &[(&'a &'a Item, N)],
    ) -> anyhow::Result<Vec<(&'a Item, T)>>
    where
        T: serde::de::DeserializeOwned + Labelled,
        N: serde::Serialize,
    {
        if new.is_empty() {
            return Ok(Vec::new());
        }
        let bodies: Vec<&N> = new.iter().map(|(_, body)| body).collect();
        self.http.bulk(plural, &bodies).await?;
        let by_id: HashMap<String, &Item> =
            new.iter().map(|(item, _)| (self.legacy_id(&item.key), **item)).collect();
        let ids: Vec<String> = by_id.keys().cloned().collect();
        let found = self.http.by_legacy_ids::<T>(&format!("/{plural}"), query, &ids).await?;
        Ok(found.into_iter().filter_map(|one| Some((*by_id.get(one.label()?)?, one))).collect())
    }
}

/// Something that shows the id we gave it.
pub(super) trait Labelled {
    fn label(&self) -> Option<&str>;
}

macro_rules! labelled {
    ($($name:ty),+) => {$(
        impl Labelled for $name {
            fn label(&self) -> Option<&str> {
                self.legacy_id.as_deref()
            }
        }
    )+};
}
labelled!(Team, Organization, User, kayako::Case);

fn is_customer(user: &User) -> bool {
    user.role.as_ref().and_then(|role| role.kind.as_ref()) == Some(&RoleType::Customer)
}
