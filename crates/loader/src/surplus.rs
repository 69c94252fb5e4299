//! Removes what is too many of one record: the only place that does, whoever found it (a probe, the count before a run's end, a
//! comparison with the ledger).
//!
//! Constraints: only what Kayako can give back is removed, which are cases, into the trash; of people, organizations and teams a
//! person has to decide. It is in the journal before it is done, so that a crash never removes something without a record.

use blobs::Blobs;
use bytes::Bytes;
use kayako::{CaseId, Client};
use model::journal::{Entry, What};
use model::{KayakoId, Kind, MigrationId, RecordKey, RunNo};
use prometheus::IntCounter;
use runtime::Context;

use crate::error::{During, Error};

/// What removing works with.
pub(crate) struct Surplus<'a> {
    pub(crate) migration: &'a MigrationId,
    pub(crate) client: &'a Client,
    pub(crate) blobs: &'a Blobs,
    pub(crate) context: &'a Context,
    /// Surplus objects trashed.
    pub(crate) trashed: &'a IntCounter,
}

impl Surplus<'_> {
    /// Whether surplus objects of this kind can be removed so that a person can take them back.
    pub(crate) const fn is_removable(kind: Kind) -> bool {
        match kind {
            Kind::Case => true,
            Kind::Team | Kind::Organization | Kind::User => false,
        }
    }

    /// Puts these objects of a record into the trash. False if Kayako has none for their kind; then they are noted only.
    pub(crate) async fn remove(
        &self,
        run: RunNo,
        key: &RecordKey,
        surplus: &[KayakoId],
    ) -> Result<bool, Error> {
        if surplus.is_empty() {
            return Ok(true);
        }
        tracing::warn!(record = %key, surplus = ?surplus, "one record has several objects in Kayako");
        let removable = Self::is_removable(key.kind);
        let what = if removable {
            What::Deduplicated { trashed: surplus.to_vec() }
        } else {
            What::Doubled { others: surplus.to_vec() }
        };
        let now = self.context.clock.now();
        let entry = Entry { at: now, run, key: key.clone(), what };
        let lines = vec![Bytes::from(entry.encode())];
        self.blobs.append(self.migration.as_str(), now, lines).await.during("write the journal")?;
        if removable {
            for id in surplus {
                self.client.trash_case(CaseId::from(id.0)).await.during("trash a surplus case")?;
                self.trashed.inc();
            }
        }
        Ok(removable)
    }
}
