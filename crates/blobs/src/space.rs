//! How much room there is: what preflight checks before everything is staged.

use futures::TryStreamExt as _;
use object_store::path::Path;

use crate::error::Error;
use crate::store::Blobs;

/// What is stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Number of objects.
    pub objects: u64,
    /// Their bytes, without what a file system or store adds.
    pub bytes: u64,
}

impl Blobs {
    /// Counts the stored content, everybody's. Reads the whole listing: for preflight and reports, not for every turn.
    pub async fn usage(&self) -> Result<Usage, Error> {
        self.content()
            .list(Some(&Path::from("blobs")))
            .map_err(Error::Store)
            .try_fold(Usage::default(), |usage, object| {
                let usage = Usage { objects: usage.objects + 1, bytes: usage.bytes + object.size };
                std::future::ready(Ok(usage))
            })
            .await
    }

    /// Bytes that may still be written by this user; `None` where the store cannot tell (S3, memory).
    ///
    /// # Errors
    /// [`Error::Directory`] if the directory is gone.
    pub fn free_bytes(&self) -> Result<Option<u64>, Error> {
        let Some(directory) = &self.shared.directory else { return Ok(None) };
        #[cfg(unix)]
        {
            let file_system = rustix::fs::statvfs(directory.as_path()).map_err(std::io::Error::from)?;
            // `f_bavail`, not `f_bfree`: the blocks kept for the superuser are not ours.
            Ok(Some(file_system.f_bavail.saturating_mul(file_system.f_frsize)))
        }
        #[cfg(not(unix))]
        {
            let _ = directory;
            Ok(None)
        }
    }
}
