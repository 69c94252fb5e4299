//! Facts: small JSON documents that change by compare-and-set. Runs (`run/1`), plans (`plan/<hash>`), checkpoints
//! (`shard/<run>/<kind>/<n>`), controls, rate budgets (`budget/<class>`).

use model::RunNo;
use model::facts::{CURRENT, Current};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::ledger::Ledger;

/// Which state of a document somebody has read. Grows with every write; never handed out twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

/// The document is not in the expected state: somebody else wrote it. Read it and decide again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the document was changed by somebody else")]
pub struct Conflict;

impl Ledger {
    /// A document and its version.
    pub async fn document<T: DeserializeOwned>(&self, name: &str) -> Result<Option<(Version, T)>, Error> {
        let (_, found) = self.store.document(name).await?;
        found.map(|(version, body)| Ok((Version(version), parse(name, &body)?))).transpose()
    }

    /// The run that is worked on or was last; `None` before the first. Messages of earlier runs are left over from a cancelled one: what
    /// they carry was decided by a plan that counts no more.
    pub async fn current_run(&self) -> Result<Option<RunNo>, Error> {
        Ok(self.document::<Current>(CURRENT).await?.map(|(_, current)| current.run))
    }

    /// Writes a document if its version is still the expected one (`None`: if it does not exist). The inner result says whether it was.
    pub async fn put_document<T: Serialize + Sync>(
        &self,
        name: &str,
        expected: Option<Version>,
        document: &T,
    ) -> Result<Result<Version, Conflict>, Error> {
        let body = serde_json::to_vec(document)
            .map_err(|source| Error::Document { name: name.to_owned(), source })?;
        match self.store.put_document(name, expected.map(|version| version.0), &body).await {
            Ok(version) => Ok(version.map(Version).ok_or(Conflict)),
            Err(error) if error.is_unsure() => self.written(name, expected, &body, error).await,
            Err(error) => Err(error),
        }
    }

    /// The answer to a write got lost: if the very body is there in a later version, it was written.
    async fn written(
        &self,
        name: &str,
        expected: Option<Version>,
        body: &[u8],
        error: Error,
    ) -> Result<Result<Version, Conflict>, Error> {
        match self.store.document(name).await?.1 {
            Some((version, found)) if found == body && Some(Version(version)) > expected => {
                Ok(Ok(Version(version)))
            }
            found if found.as_ref().map(|(version, _)| Version(*version)) == expected => Err(error),
            _ => Ok(Err(Conflict)),
        }
    }

    /// All documents whose name begins with `prefix`, ordered by name.
    pub async fn documents<T: DeserializeOwned>(
        &self,
        prefix: &str,
    ) -> Result<Vec<(String, Version, T)>, Error> {
        let found = self.store.documents(prefix).await?;
        found
            .into_iter()
            .map(|(name, (version, body))| {
                let document = parse(&name, &body)?;
                Ok((name, Version(version), document))
            })
            .collect()
    }
}

pub(crate) fn parse<T: DeserializeOwned>(name: &str, body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|source| Error::Document { name: name.to_owned(), source })
}
