//! Labels to ids, read once through the typed client: a dozen calls that do not count.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context as _;
use kayako::{Client, ClientConfig, Credentials, MailboxId, OpenGate, RoleType};
use model::record::Role;

use crate::accounts::Accounts;

pub(super) struct Catalogue {
    pub(super) default_agent: u64,
    pub(super) mailbox: MailboxId,
    pub(super) statuses: HashMap<String, u64>,
    pub(super) priorities: HashMap<String, u64>,
    pub(super) types: HashMap<String, u64>,
    locales: HashMap<String, u64>,
    roles: HashMap<RoleType, u64>,
}

/// The same label however it is typed.
pub(super) fn fold(label: &str) -> String {
    label.trim().to_lowercase()
}

fn labels<T>(items: &[T], of: impl Fn(&T) -> (Option<&str>, u64)) -> HashMap<String, u64> {
    let mut found = HashMap::new();
    for item in items {
        if let (Some(label), id) = of(item) {
            found.entry(fold(label)).or_insert(id);
        }
    }
    found
}

impl Catalogue {
    pub(super) async fn read(accounts: &Accounts) -> anyhow::Result<Self> {
        let credentials = Credentials::Password {
            email: accounts.kayako_email.clone(),
            password: accounts.kayako_password.clone().into(),
        };
        let config = ClientConfig::new(accounts.kayako_url.parse()?, credentials);
        let client = Client::new(config, Arc::new(OpenGate))?;
        let mailboxes = client.mailboxes().await?;
        let mailbox = mailboxes.iter().find(|one| one.is_default).or_else(|| mailboxes.first());
        let mut roles = HashMap::new();
        for role in client.roles().await? {
            if let Some(kind) = role.kind.filter(|_| role.is_system != Some(false)) {
                roles.entry(kind).or_insert(role.id.get());
            }
        }
        Ok(Self {
            default_agent: client.me().await?.id.get(),
            mailbox: mailbox.context("the account has no mailbox")?.id,
            statuses: labels(&client.statuses().await?, |one| (one.label.as_deref(), one.id.get())),
            priorities: labels(&client.priorities().await?, |one| (one.label.as_deref(), one.id.get())),
            types: labels(&client.case_types().await?, |one| (one.label.as_deref(), one.id.get())),
            locales: labels(&client.locales().await?, |one| (one.locale.as_deref(), one.id.get())),
            roles,
        })
    }

    pub(super) fn locale(&self, tag: &str) -> Option<u64> {
        let tag = fold(tag);
        let language = tag.split('-').next().unwrap_or_default();
        self.locales.get(&tag).or_else(|| self.locales.get(language)).copied()
    }

    pub(super) fn role(&self, role: Role) -> anyhow::Result<u64> {
        let kind = match role {
            Role::Customer => RoleType::Customer,
            Role::Collaborator => RoleType::Collaborator,
            Role::Agent => RoleType::Agent,
            Role::Admin => RoleType::Admin,
        };
        self.roles.get(&kind).copied().context("the account lacks a role")
    }
}
