//! One record in a loader's hands.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use kayako::{OrganizationId, TeamId, UserId};
use model::command::{LoadCommand, NothingCommand, Otherwise, Parent, PersonRef};
use model::envelope::{HEADER_STAGED, Load};
use model::row::{Flight, Row};
use model::{KayakoId, Kind, OriginKey, RecordKey, RunNo};
use queue::Message;

use crate::catalogue::Catalogue;

/// A message whose body was read.
#[derive(Debug)]
pub(crate) struct Incoming {
    /// Index of its delivery in the batch.
    pub(crate) ticket: usize,
    pub(crate) run: RunNo,
    pub(crate) plan: String,
    pub(crate) load: Load,
    pub(crate) command_hash: u64,
    /// The message as it came, for the delay ladder.
    pub(crate) message: Message,
}

impl Incoming {
    /// Whether anything of it lies in the staging area.
    pub(crate) fn has_staged(&self) -> bool {
        crate::upload::has_staged(&self.load.command) || self.message.headers.contains_key(HEADER_STAGED)
    }
}

/// A claimed record.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) incoming: Incoming,
    pub(crate) row: Row,
    /// The objects that its parents became; a parent that never arrived is in no entry.
    pub(crate) parents: Arc<HashMap<RecordKey, KayakoId>>,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) origin_key: OriginKey,
    /// Natural keys (second addresses, domains) that are another record's: left out of what is written.
    pub(crate) lost_keys: HashSet<String>,
    /// It cannot be written any more because of a parent: if an earlier try has written it, it is finished, else it ends like this.
    pub(crate) orphaned: Option<NothingCommand>,
}

impl Work {
    pub(crate) fn key(&self) -> &RecordKey {
        &self.incoming.load.key
    }

    pub(crate) fn kind(&self) -> Kind {
        self.incoming.load.key.kind
    }

    pub(crate) fn command(&self) -> &LoadCommand {
        &self.incoming.load.command
    }

    /// How it ends if nothing of it is in Kayako, where it is not to be written.
    pub(crate) fn left_out(&self) -> Option<NothingCommand> {
        match self.command() {
            LoadCommand::Nothing(command) => Some(*command),
            _ => self.orphaned,
        }
    }

    pub(crate) fn flight(&self) -> Flight {
        self.row.flight.unwrap_or_default()
    }

    /// What a parent became; `None` where the plan says to leave it out.
    pub(crate) fn parent(&self, parent: &Parent) -> Option<KayakoId> {
        if let Some(id) = self.parents.get(&parent.key) {
            return Some(*id);
        }
        match parent.otherwise {
            Otherwise::Placeholder => self.parents.get(&RecordKey::placeholder_user()).copied(),
            Otherwise::DefaultAgent => Some(self.catalogue.default_agent),
            Otherwise::Omit | Otherwise::Fail => None,
        }
    }

    pub(crate) fn person(&self, person: &PersonRef) -> Option<UserId> {
        let id = match person {
            PersonRef::DefaultAgent => Some(self.catalogue.default_agent),
            PersonRef::Record(parent) => self.parent(parent),
        };
        id.map(|id| UserId::from(id.0))
    }

    pub(crate) fn organization(&self, parent: Option<&Parent>) -> Option<OrganizationId> {
        parent.and_then(|parent| self.parent(parent)).map(|id| OrganizationId::from(id.0))
    }

    pub(crate) fn team(&self, parent: &Parent) -> Option<TeamId> {
        self.parent(parent).map(|id| TeamId::from(id.0))
    }
}
