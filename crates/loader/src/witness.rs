//! Names objects that certainly exist to the Kayako client.
//!
//! Constraint: an account that silently cuts a list of ids answers for the rest as if they were absent. The client notices by a witness
//! among the ids, which it learns from what it finds; after a restart it has found nothing yet, and its first look-up is a probe.

use std::collections::BTreeSet;

use kayako::LegacyCollection;
use model::Kind;
use model::row::Arrival;

use crate::desk::Desk;
use crate::error::{During, Error};

/// Rows looked at: in a ledger of any size the first few thousand hold a created object of each kind, if there are any.
const ROWS: usize = 1_000;
const PAGES: usize = 3;

fn collection(kind: Kind) -> LegacyCollection {
    match kind {
        Kind::Team => LegacyCollection::Teams,
        Kind::Organization => LegacyCollection::Organizations,
        Kind::User => LegacyCollection::Users,
        Kind::Case => LegacyCollection::Cases,
    }
}

impl Desk {
    /// Tells the client one object of each kind that this migration created.
    pub(crate) async fn name_witnesses(&self) -> Result<(), Error> {
        let mut wanted: BTreeSet<Kind> = Kind::ALL.into_iter().collect();
        let mut from = None;
        for _ in 0..PAGES {
            let (rows, next) = self.ledger.scan(from.as_ref(), ROWS).await.during("look for witnesses")?;
            for (key, row) in rows {
                let created = row.state.is_migrated() && row.arrival == Some(Arrival::Created);
                if created && wanted.remove(&key.kind) {
                    let origin_key = self.origin.key(&key, row.generation);
                    self.client.know_legacy_id(collection(key.kind), origin_key.as_str());
                }
            }
            from = next;
            if from.is_none() || wanted.is_empty() {
                break;
            }
        }
        Ok(())
    }
}
