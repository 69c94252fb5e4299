//! Who belongs to which teams and companies.
//!
//! Constraints: the service has no call for the memberships of a page of users, so both lists are read whole (a hundredth of one call
//! per user) and kept. Only what a user's own object does not say is kept: all of the staff's teams, and companies
//! beyond the first. They are read again when old, so that a long-lived process does not write the past.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use model::SourceId;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::client::Client;
use super::endpoint::{GROUP_MEMBERSHIPS, ORGANIZATION_MEMBERSHIPS};
use super::paging::every_page;
use super::raw;
use crate::error::Error;

/// After this the lists are read again. Large lists live longer: reading must not become the main work.
const LIFETIME: Duration = Duration::from_mins(15);
/// ... namely this many times as long as reading them took.
const LIFETIME_PER_READING: u32 = 8;

/// Memberships as they were read.
#[derive(Default)]
pub(super) struct Memberships {
    teams: HashMap<SourceId, Vec<SourceId>>,
    /// Companies that are not the user's default one.
    further: HashMap<SourceId, Vec<SourceId>>,
}

impl Memberships {
    /// The teams of a member of staff, the default one first.
    pub(super) fn teams(&self, user: &SourceId) -> Vec<SourceId> {
        self.teams.get(user).cloned().unwrap_or_default()
    }

    /// The companies of a user, the default one (as the user's object says) first.
    pub(super) fn organizations(&self, user: &SourceId, default: Option<SourceId>) -> Vec<SourceId> {
        let further = self.further.get(user).into_iter().flatten().cloned();
        let mut found: Vec<SourceId> = Vec::new();
        for id in default.into_iter().chain(further) {
            if !found.contains(&id) {
                found.push(id);
            }
        }
        found
    }

    async fn read(client: &Client) -> Result<Self, Error> {
        let mut read = Self::default();
        every_page(client, GROUP_MEMBERSHIPS, "group_memberships", &[], |entry| {
            if let (Some(user), Some(team)) = (raw::id(&entry["user_id"]), raw::id(&entry["group_id"])) {
                let teams = read.teams.entry(user).or_default();
                let place = if raw::is_true(&entry["default"]) { 0 } else { teams.len() };
                if !teams.contains(&team) {
                    teams.insert(place, team);
                }
            }
        })
        .await?;
        every_page(client, ORGANIZATION_MEMBERSHIPS, "organization_memberships", &[], |entry| {
            if let (Some(user), Some(company)) =
                (raw::id(&entry["user_id"]), raw::id(&entry["organization_id"]))
                && !raw::is_true(&entry["default"])
            {
                read.further.entry(user).or_default().push(company);
            }
        })
        .await?;
        Ok(read)
    }
}

/// The lists, read when first needed.
#[derive(Default)]
pub(super) struct MembershipCache(Mutex<Option<Kept>>);

struct Kept {
    lists: Arc<Memberships>,
    good_until: Instant,
}

impl MembershipCache {
    /// The lists; one reader at a time, the others wait for what it reads.
    pub(super) async fn get(&self, client: &Client) -> Result<Arc<Memberships>, Error> {
        let mut kept = self.0.lock().await;
        let begin = Instant::now();
        if let Some(fresh) = kept.as_ref().filter(|kept| begin < kept.good_until) {
            return Ok(Arc::clone(&fresh.lists));
        }
        let lists = Arc::new(Memberships::read(client).await?);
        let lifetime = LIFETIME.max(begin.elapsed() * LIFETIME_PER_READING);
        *kept = Some(Kept { lists: Arc::clone(&lists), good_until: Instant::now() + lifetime });
        Ok(lists)
    }
}
