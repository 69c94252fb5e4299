//! Teams and their members.

use serde::{Deserialize, Serialize};

use crate::call::Request;
use crate::client::Client;
use crate::error::Error;
use crate::ids::{BusinessHourId, TeamId, UserId};
use crate::lookup::{LegacyCollection, LegacyIdentified, LookupBatch};
use crate::paging::identified;
use crate::resources::users::User;
use crate::slot::Slot;
use crate::wire;

/// A team.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Team {
    /// Its id.
    pub id: TeamId,
    /// The id we gave it.
    #[serde(default, deserialize_with = "wire::text")]
    pub legacy_id: Option<String>,
    /// Its name.
    #[serde(default, deserialize_with = "wire::text")]
    pub title: Option<String>,
}

identified!(Team);

impl LegacyIdentified for Team {
    const COLLECTION: LegacyCollection = LegacyCollection::Teams;

    fn legacy_id(&self) -> Option<&str> {
        self.legacy_id.as_deref()
    }
}

/// A team to be created, alone or in bulk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NewTeam {
    /// The id we give it; cannot be changed later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub legacy_id: Option<String>,
    /// Its name.
    pub title: String,
    /// Its business hours; the account's default if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub businesshour_id: Option<BusinessHourId>,
}

#[derive(Serialize)]
struct Members<'a> {
    #[serde(serialize_with = "wire::write_csv")]
    agent_ids: &'a [UserId],
}

impl Client {
    /// All teams. API 4.7.
    pub async fn teams(&self) -> Result<Vec<Team>, Error> {
        self.list(Request::get("/teams")).await
    }

    /// Finds teams by the ids we gave them. API 1.8.
    pub async fn teams_by_legacy_ids(&self, ids: &[&str]) -> Result<LookupBatch<Team>, Error> {
        self.look_up(ids).await
    }

    /// Creates a team. API 4.7.
    pub async fn create_team(&self, slot: Slot, team: &NewTeam) -> Result<Team, Error> {
        self.create(slot, Request::create("/teams").json(team)?).await
    }

    /// The members of a team. API 4.7.
    pub async fn team_members(&self, team: TeamId) -> Result<Vec<User>, Error> {
        self.list(Request::get("/teams/{id}/members").id(team)).await
    }

    /// Adds members. List first and add what is missing: what a second adding does is not documented. API 4.7.
    pub async fn add_team_members(&self, slot: Slot, team: TeamId, agents: &[UserId]) -> Result<(), Error> {
        let request = Request::create("/teams/{id}/members").id(team).json(&Members { agent_ids: agents })?;
        self.create_with_answer::<serde::de::IgnoredAny>(slot, request).await.map(drop)
    }
}
