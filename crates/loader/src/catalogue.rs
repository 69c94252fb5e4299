//! What the Kayako account offers, read once per plan: labels to ids.
//!
//! Constraint: ids differ between accounts (API 4.3, 4.13), so nothing is hard-coded. Labels compare without case and surrounding
//! blanks, as people type them.

use std::collections::HashMap;

use kayako::{
    Client, Field, FieldOwner, FormId, LocaleId, MailboxId, PriorityId, RoleId, RoleType, StatusId, TypeId,
};
use model::KayakoId;
use model::record::Role;

use crate::error::{During, Error};

/// One custom field.
#[derive(Debug, Clone)]
pub(crate) struct TargetField {
    /// Option ids by folded label.
    pub(crate) options: HashMap<String, u64>,
}

/// The account as a loader needs it.
#[derive(Debug)]
pub struct Catalogue {
    /// Who stands for authors and agents that have no counterpart.
    pub(crate) default_agent: KayakoId,
    /// What public posts are filed under.
    pub(crate) mailbox: MailboxId,
    statuses: HashMap<String, StatusId>,
    priorities: HashMap<String, PriorityId>,
    types: HashMap<String, TypeId>,
    forms: HashMap<String, FormId>,
    locales: HashMap<String, LocaleId>,
    roles: HashMap<&'static str, RoleId>,
    case_fields: HashMap<String, TargetField>,
    user_fields: HashMap<String, TargetField>,
    organization_fields: HashMap<String, TargetField>,
}

/// The same label however it is typed.
pub(crate) fn fold(label: &str) -> String {
    label.trim().to_lowercase()
}

fn by_label<T, I: Copy>(items: &[T], of: impl Fn(&T) -> (Option<&str>, I)) -> HashMap<String, I> {
    let mut found = HashMap::new();
    for item in items {
        if let (Some(label), id) = of(item) {
            // The first one wins: lists are in the account's own order.
            found.entry(fold(label)).or_insert(id);
        }
    }
    found
}

fn fields(list: Vec<Field>) -> HashMap<String, TargetField> {
    let mut found = HashMap::new();
    for field in list {
        let Some(key) = field.key else { continue };
        let mut options = HashMap::new();
        for option in &field.options {
            for value in &option.values {
                if let Some(label) = &value.translation {
                    options.entry(fold(label)).or_insert(option.id.get());
                }
            }
        }
        found.insert(key, TargetField { options });
    }
    found
}

impl Catalogue {
    /// Reads the account. `default_agent` and `mailbox` are addresses from the plan; without them the log-in itself and the
    /// account's default mailbox are used.
    pub async fn read(
        client: &Client,
        default_agent: Option<&str>,
        mailbox: Option<&str>,
    ) -> Result<Self, Error> {
        let default_agent = Self::agent(client, default_agent).await?;
        let mailboxes = client.mailboxes().await.during("mailboxes")?;
        let chosen = match mailbox {
            Some(address) => Some(
                mailboxes
                    .iter()
                    .find(|m| m.address.as_deref().is_some_and(|a| fold(a) == fold(address)))
                    .ok_or_else(|| Error::Account {
                        problem: format!("the Kayako account has no mailbox \"{address}\": correct `target.mailbox` in the plan"),
                    })?,
            ),
            None => mailboxes
                .iter()
                .find(|m| m.is_default && m.is_enabled != Some(false))
                .or_else(|| mailboxes.iter().find(|m| m.is_enabled != Some(false))),
        };
        let mailbox = chosen.map(|mailbox| mailbox.id).ok_or_else(|| Error::Account {
            problem: "the Kayako account has no enabled mailbox, and public posts are filed under one: add one in Kayako".to_owned(),
        })?;
        let mut roles = HashMap::new();
        for role in client.roles().await.during("roles")? {
            let name = match role.kind {
                Some(RoleType::Customer) => "customer",
                Some(RoleType::Collaborator) => "collaborator",
                Some(RoleType::Agent) => "agent",
                Some(RoleType::Admin) => "admin",
                _ => continue,
            };
            // System roles come first and are never renamed; a custom role of the same type may have fewer rights.
            if role.is_system != Some(false) {
                roles.entry(name).or_insert(role.id);
            }
        }
        Ok(Self {
            default_agent,
            mailbox,
            statuses: by_label(&client.statuses().await.during("statuses")?, |s| (s.label.as_deref(), s.id)),
            priorities: by_label(&client.priorities().await.during("priorities")?, |p| {
                (p.label.as_deref(), p.id)
            }),
            types: by_label(&client.case_types().await.during("types")?, |t| (t.label.as_deref(), t.id)),
            forms: by_label(&client.forms().await.during("forms")?, |f| (f.title.as_deref(), f.id)),
            locales: by_label(&client.locales().await.during("locales")?, |l| (l.locale.as_deref(), l.id)),
            roles,
            case_fields: fields(client.fields(FieldOwner::Case).await.during("case fields")?),
            user_fields: fields(client.fields(FieldOwner::User).await.during("user fields")?),
            organization_fields: fields(
                client.fields(FieldOwner::Organization).await.during("organization fields")?,
            ),
        })
    }

    async fn agent(client: &Client, email: Option<&str>) -> Result<KayakoId, Error> {
        let Some(email) = email else {
            return Ok(KayakoId(client.me().await.during("the log-in's own user")?.id.get()));
        };
        let found = client.users_by_emails(&[email]).await.during("the default agent")?;
        let staff = found.get(email).and_then(|finding| {
            finding.active.found().iter().find(|user| {
                let kind = user.role.as_ref().and_then(|role| role.kind.as_ref());
                kind.is_none_or(|kind| *kind != RoleType::Customer)
            })
        });
        staff.map(|user| KayakoId(user.id.get())).ok_or_else(|| Error::Account {
            problem: format!(
                "the Kayako account has no agent with the address \"{email}\": correct `agents.default` in the plan or add the agent"
            ),
        })
    }

    pub(crate) fn status(&self, label: &str) -> Option<StatusId> {
        self.statuses.get(&fold(label)).copied()
    }

    pub(crate) fn priority(&self, label: &str) -> Option<PriorityId> {
        self.priorities.get(&fold(label)).copied()
    }

    pub(crate) fn case_type(&self, label: &str) -> Option<TypeId> {
        self.types.get(&fold(label)).copied()
    }

    pub(crate) fn form(&self, title: &str) -> Option<FormId> {
        self.forms.get(&fold(title)).copied()
    }

    /// The exact locale, else the language alone (`de-AT` -> `de`).
    pub(crate) fn locale(&self, tag: &str) -> Option<LocaleId> {
        let tag = fold(tag);
        let language = tag.split('-').next().unwrap_or_default();
        self.locales.get(&tag).or_else(|| self.locales.get(language)).copied()
    }

    pub(crate) fn role(&self, role: Role) -> Option<RoleId> {
        let name = match role {
            Role::Customer => "customer",
            Role::Collaborator => "collaborator",
            Role::Agent => "agent",
            Role::Admin => "admin",
        };
        self.roles.get(name).copied()
    }

    pub(crate) fn field(&self, owner: FieldOwner, key: &str) -> Option<&TargetField> {
        match owner {
            FieldOwner::Case => self.case_fields.get(key),
            FieldOwner::User => self.user_fields.get(key),
            FieldOwner::Organization => self.organization_fields.get(key),
        }
    }
}
