//! Kayako's objects of every kind in one shape, for the steps that treat kinds alike.

use std::collections::HashMap;

use kayako::{Case, Client, Error, Finding, Lookup, LookupBatch, Organization, Team, User};
use model::{KayakoId, Kind};

/// An object as it was read.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) id: KayakoId,
    pub(crate) legacy_id: Option<String>,
    pub(crate) detail: Detail,
}

/// What only some kinds have.
#[derive(Debug, Clone)]
pub(crate) enum Detail {
    Plain,
    User(Box<User>),
    Case(Box<Case>),
}

impl From<Team> for Object {
    fn from(team: Team) -> Self {
        Self { id: KayakoId(team.id.get()), legacy_id: team.legacy_id, detail: Detail::Plain }
    }
}

impl From<Organization> for Object {
    fn from(organization: Organization) -> Self {
        Self { id: KayakoId(organization.id.get()), legacy_id: organization.legacy_id, detail: Detail::Plain }
    }
}

impl From<User> for Object {
    fn from(user: User) -> Self {
        Self {
            id: KayakoId(user.id.get()),
            legacy_id: user.legacy_id.clone(),
            detail: Detail::User(Box::new(user)),
        }
    }
}

impl From<Case> for Object {
    fn from(case: Case) -> Self {
        Self {
            id: KayakoId(case.id.get()),
            legacy_id: case.legacy_id.clone(),
            detail: Detail::Case(Box::new(case)),
        }
    }
}

/// What a look-up says about one key. Objects in the trash do not count: they are not the record.
#[derive(Debug)]
pub(crate) enum Seen {
    /// Oldest first.
    Found(Vec<Object>),
    Absent,
    Unknown,
}

impl<T: Into<Object>> From<Finding<T>> for Seen {
    fn from(finding: Finding<T>) -> Self {
        match finding.active {
            Lookup::Found(objects) => {
                let mut objects: Vec<Object> = objects.into_iter().map(Into::into).collect();
                objects.sort_by_key(|object| object.id);
                Self::Found(objects)
            }
            Lookup::Absent => Self::Absent,
            Lookup::Unknown => Self::Unknown,
        }
    }
}

fn seen<T: Into<Object>>(keys: &[&str], mut batch: LookupBatch<T>) -> HashMap<String, Seen> {
    keys.iter().map(|key| ((*key).to_owned(), batch.take(key).map_or(Seen::Unknown, Seen::from))).collect()
}

/// Looks objects up by origin key.
pub(crate) async fn by_origin_key(
    client: &Client,
    kind: Kind,
    keys: &[&str],
) -> Result<HashMap<String, Seen>, Error> {
    Ok(match kind {
        Kind::Team => seen(keys, client.teams_by_legacy_ids(keys).await?),
        Kind::Organization => seen(keys, client.organizations_by_legacy_ids(keys).await?),
        Kind::User => seen(keys, client.users_by_legacy_ids(keys).await?),
        Kind::Case => seen(keys, client.cases_by_legacy_ids(keys).await?),
    })
}
