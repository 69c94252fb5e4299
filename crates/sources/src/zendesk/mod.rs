//! Zendesk Support: tickets with their comments and attachments, users, organizations, groups.
//!
//! Constraints: read only (all HTTP is in `http`, which can GET and ask for tokens, nothing else); the rate limits of
//! account and endpoints are obeyed through the caller's [`Pace`]; nothing that grows with the account is held, except the
//! second and further companies of people who have several.

mod account;
mod auth;
mod client;
mod conversation;
mod endpoint;
mod fields;
mod files;
mod http;
mod limits;
mod listing;
mod memberships;
mod paging;
mod person;
mod raw;
mod sample;
mod settings;

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use model::listing::Listed;
use model::record::{Record, Standing};
use model::{Kind, Origin, SourceId};
use serde_json::Value;
use tokio::sync::OnceCell;
use url::Url;

pub use settings::{Auth, Grant, Identities, OAuth, Settings};

use crate::catalogue::Catalogue;
use crate::error::Error;
use crate::pace::Pace;
use crate::source::{Account, Completed, Cursor, Download, Fetched, Page, Shard, Source};
use client::Client;
use fields::FieldTypes;
use memberships::MembershipCache;

/// A Zendesk account as a [`Source`]. Cheap calls only at first use; create one per process and share it.
pub struct Zendesk {
    client: Client,
    settings: Settings,
    field_types: OnceCell<FieldTypes>,
    memberships: MembershipCache,
}

impl Zendesk {
    /// Checks the settings; calls nothing.
    pub fn new(settings: Settings, pace: Arc<dyn Pace>) -> Result<Self, Error> {
        let client = Client::new(&settings, pace)?;
        Ok(Self { client, settings, field_types: OnceCell::new(), memberships: MembershipCache::default() })
    }

    async fn field_types(&self) -> Result<&FieldTypes, Error> {
        self.field_types.get_or_try_init(|| FieldTypes::read(&self.client)).await
    }

    /// One call per user, see [`Identities`]. A user deleted meanwhile has none left, but still owns cases.
    async fn identities(&self, user: &Listed) -> Result<Vec<Value>, Error> {
        if self.settings.identities == Identities::Never || person::standing(&user.raw) == Standing::Deleted {
            return Ok(Vec::new());
        }
        let path = endpoint::IDENTITIES.path(user.key.id.as_str());
        let page = paging::page(&self.client, endpoint::IDENTITIES, &path, "identities", &[], None).await?;
        // A hundred addresses are more than any person has; a second page is not worth a call per user.
        Ok(page.map(|page| page.items).unwrap_or_default())
    }
}

/// The first part of every origin key of the account at `url`; needs no credentials.
///
/// # Errors
/// [`Error::Settings`] if the address is none.
pub fn origin(url: &Url) -> Result<Origin, Error> {
    Ok(origin_of(&settings::base_of(url)?))
}

fn origin_of(base: &Url) -> Origin {
    Origin::new("zendesk", &settings::account_name(base))
}

#[async_trait]
impl Source for Zendesk {
    fn origin(&self) -> Origin {
        origin_of(&self.client.base)
    }

    async fn check(&self) -> Result<Account, Error> {
        account::check(&self.client).await
    }

    async fn estimate(&self, kind: Kind) -> Result<Option<u64>, Error> {
        account::estimate(&self.client, kind).await
    }

    async fn shards(&self, kind: Kind) -> Result<Vec<Shard>, Error> {
        Ok(listing::shards(kind))
    }

    async fn list(&self, shard: &Shard, cursor: Option<&Cursor>) -> Result<Page, Error> {
        self.list_page(shard, cursor).await
    }

    async fn complete(&self, listed: Listed) -> Result<Completed, Error> {
        let types = self.field_types().await?;
        let key = &listed.key;
        let record = match key.kind {
            Kind::Team => Record::Team(person::team(key, &listed.raw)),
            Kind::Organization => Record::Organization(person::organization(key, &listed.raw, types)),
            Kind::User => {
                let identities = self.identities(&listed).await?;
                let memberships = self.memberships.get(&self.client).await?;
                Record::User(person::user(key, &listed.raw, &identities, &memberships, types))
            }
            Kind::Case if listed.facts.deleted => return Ok(Completed::Gone),
            Kind::Case => {
                let tries = self.settings.conversation_tries;
                let Some((ticket, comments)) =
                    conversation::read(&self.client, key, listed.raw, tries).await?
                else {
                    return Ok(Completed::Gone);
                };
                Record::Case(Box::new(conversation::case(key, &ticket, &comments, types, &self.client.base)?))
            }
        };
        Ok(Completed::Record(Box::new(record)))
    }

    async fn fetch(&self, kind: Kind, ids: &[SourceId]) -> Result<Vec<Fetched>, Error> {
        self.fetch_many(kind, ids).await
    }

    async fn download(&self, url: &str) -> Result<Download, Error> {
        files::download(&self.client, url, self.settings.attachment_limit).await
    }

    async fn sample(
        &self,
        size: usize,
        seed: u64,
        exclude: &BTreeSet<SourceId>,
    ) -> Result<Vec<SourceId>, Error> {
        self.draw_sample(size, seed, exclude).await
    }

    async fn catalogue(&self) -> Result<Catalogue, Error> {
        account::catalogue(&self.client).await
    }
}
