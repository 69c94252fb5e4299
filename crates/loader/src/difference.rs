//! What a comparison of the ledger with Kayako finds: how a record and its objects disagree, and what can be done about it.

use std::collections::BTreeMap;

use model::{KayakoId, Kind};
use serde::Serialize;

use crate::surplus::Surplus;

/// How a record and its objects disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Discrepancy {
    /// Its object, and others under the same key.
    Surplus,
    /// No object, where there should be one.
    Missing,
    /// Not the object that the ledger knows, but another under its key.
    Strange,
    /// Of a record that did not arrive: objects that the ledger does not know.
    Stray,
    /// An object under a key of this migration's form that is no record's of this ledger, or of a record that has another generation by now.
    Foreign,
    /// Kayako's answers did not tell.
    Unknown,
}

/// What `--repair` does about a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The other objects go to the trash.
    Trash,
    /// The record is written again by the run that is going on, or the next full one.
    WriteAgain,
    /// Nothing: a person has to decide.
    None,
}

impl Action {
    /// Stable name: in documents and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trash => "trash",
            Self::WriteAgain => "write_again",
            Self::None => "none",
        }
    }
}

impl Discrepancy {
    /// Stable name: in documents and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Surplus => "surplus",
            Self::Missing => "missing",
            Self::Strange => "strange",
            Self::Stray => "stray",
            Self::Foreign => "foreign",
            Self::Unknown => "unknown",
        }
    }

    /// What it means, for a support lead.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Surplus => "The record has its object in Kayako, and others under the same origin key.",
            Self::Missing => "The record arrived, and its object is in Kayako no more.",
            Self::Strange => {
                "Under the record's origin key Kayako has another object than the one that was written."
            }
            Self::Stray => "The record did not arrive, and yet Kayako has an object under its origin key.",
            Self::Foreign => {
                "Kayako has an object under an origin key of this migration's form, and this ledger does not know it."
            }
            Self::Unknown => "Kayako's answers did not tell what is there.",
        }
    }

    /// What a person can do about it.
    pub const fn next_step(self, kind: Kind) -> &'static str {
        match (self, kind) {
            (Self::Surplus, Kind::Case) => {
                "`verify --reconcile --repair` puts the other ones into the trash, from which they can be restored."
            }
            (Self::Surplus, _) => {
                "Compare them through the links and delete the other ones by hand; Kayako has no trash for them."
            }
            (Self::Missing, _) => {
                "`verify --reconcile --repair` has it written again; leave it if somebody removed it on purpose."
            }
            (Self::Strange, _) => "Compare them through the links; keep one by hand.",
            (Self::Stray, _) => {
                "Look at it through the link: remove it by hand, or correct what made the record fail and run again."
            }
            (Self::Foreign, _) => {
                "Find out who wrote it: an earlier ledger, another machine or another migration of the same accounts. Remove it by hand if it is a copy."
            }
            (Self::Unknown, _) => "Compare again later.",
        }
    }

    /// What `--repair` does about it.
    pub const fn action(self, kind: Kind) -> Action {
        match self {
            Self::Surplus if Surplus::is_removable(kind) => Action::Trash,
            Self::Missing => Action::WriteAgain,
            Self::Surplus | Self::Strange | Self::Stray | Self::Foreign | Self::Unknown => Action::None,
        }
    }
}

/// One record, or one object, that disagrees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Its kind.
    pub kind: Kind,
    /// Its id at the source; none where the origin key of a foreign object names none.
    pub source_id: Option<String>,
    /// The key that the objects carry.
    pub origin_key: String,
    /// How.
    pub discrepancy: Discrepancy,
    /// The object that the ledger knows.
    pub kayako_id: Option<KayakoId>,
    /// The other objects.
    pub others: Vec<KayakoId>,
    /// What `--repair` does about it.
    pub action: Action,
    /// It was put right.
    pub repaired: bool,
}

/// What a comparison came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Reconciled {
    /// Records whose objects were counted.
    pub compared: u64,
    /// Objects of the account whose origin keys were looked at; `None` if that was not asked for.
    pub listed: Option<u64>,
    /// Differences, by how.
    pub differences: BTreeMap<Discrepancy, u64>,
    /// Of these, put right now.
    pub repaired: u64,
    /// Kinds of which the account did not list all objects, so that foreign ones may have been passed over.
    pub unsettled: Vec<Kind>,
}

impl Reconciled {
    /// Whether nothing is left for a person.
    pub fn is_clean(&self) -> bool {
        self.differences.values().sum::<u64>() == self.repaired && self.unsettled.is_empty()
    }
}
