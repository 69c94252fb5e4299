//! Opening a location and finding one's way in it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{DynObjectStore, ObjectStore};
use uuid::Uuid;

use crate::error::Error;

/// A place for blobs and journals. Clones share it.
#[derive(Clone)]
pub struct Blobs {
    pub(crate) shared: Arc<Shared>,
    /// Whose copies this handle sees; `None`: those shared by content.
    pub(crate) holder: Option<String>,
}

pub(crate) struct Shared {
    /// For content: may be lost with the power, since the source has it.
    pub(crate) content: Arc<DynObjectStore>,
    /// For journals: written through to the disk, because adoptions are known from nowhere else.
    pub(crate) durable: Arc<DynObjectStore>,
    pub(crate) directory: Option<PathBuf>,
    /// Tells this process's segments from those of others within the same millisecond.
    pub(crate) writer: Uuid,
    pub(crate) segments: AtomicU64,
    kind: &'static str,
}

impl Blobs {
    /// Opens a location:
    /// - `memory:` keeps everything in this process (tests, demos);
    /// - `s3://bucket/prefix` with the customary `AWS_*` variables out of `environment` (`AWS_ENDPOINT_URL` and
    ///   `AWS_ALLOW_HTTP` for MinIO and the like);
    /// - anything else is a directory, `file://` in front allowed; it is created.
    ///
    /// Nothing is contacted or written yet except the directory.
    ///
    /// # Errors
    /// [`Error::Location`] for another scheme or contradicting `AWS_*` variables, [`Error::Directory`].
    pub fn open(
        location: &str,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Error> {
        if location.is_empty() {
            return Err(Error::Location("it is empty".to_owned()));
        }
        if matches!(location, "memory:" | "memory://" | "memory:///") {
            let store: Arc<DynObjectStore> = Arc::new(InMemory::new());
            return Ok(Self::new("memory", Arc::clone(&store), store, None));
        }
        if let Some(bucket_and_prefix) = location.strip_prefix("s3://") {
            return Self::open_s3(bucket_and_prefix, environment);
        }
        let directory = location.strip_prefix("file://").unwrap_or(location);
        if let Some((scheme, _)) = directory.split_once("://") {
            return Err(Error::Location(format!(
                "scheme {scheme} is not known; use a directory, memory: or s3://"
            )));
        }
        std::fs::create_dir_all(directory)?;
        let directory = std::fs::canonicalize(directory)?;
        let content = LocalFileSystem::new_with_prefix(&directory)?.with_automatic_cleanup(true);
        let durable = LocalFileSystem::new_with_prefix(&directory)?.with_fsync(true);
        Ok(Self::new("directory", Arc::new(content), Arc::new(durable), Some(directory)))
    }

    fn open_s3(
        bucket_and_prefix: &str,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Error> {
        let (bucket, prefix) = bucket_and_prefix.split_once('/').unwrap_or((bucket_and_prefix, ""));
        if bucket.is_empty() {
            return Err(Error::Location("s3:// needs a bucket".to_owned()));
        }
        let mut builder = AmazonS3Builder::new();
        for (name, value) in environment {
            // Variables of the same prefix that are meant for other programs are passed over.
            if let Ok(key) = name.to_ascii_lowercase().parse()
                && name.starts_with("AWS_")
            {
                builder = builder.with_config(key, value);
            }
        }
        // The store's message names the variable that is missing, never a value.
        let bucket = builder.with_bucket_name(bucket).build()?;
        let store: Arc<DynObjectStore> = match Path::parse(prefix) {
            Ok(prefix) if prefix.as_ref().is_empty() => Arc::new(bucket),
            Ok(prefix) => Arc::new(PrefixStore::new(bucket, prefix)),
            Err(_) => return Err(Error::Location("the prefix after the bucket is not a path".to_owned())),
        };
        Ok(Self::new("s3", Arc::clone(&store), store, None))
    }

    fn new(
        kind: &'static str,
        content: Arc<DynObjectStore>,
        durable: Arc<DynObjectStore>,
        directory: Option<PathBuf>,
    ) -> Self {
        let shared =
            Shared { content, durable, directory, writer: Uuid::new_v4(), segments: AtomicU64::new(0), kind };
        Self { shared: Arc::new(shared), holder: None }
    }

    /// A view of the same location in which `holder` (a record) has copies of its own. Content shared between records
    /// cannot be deleted safely when one of them is done: another may just have found it present and go without
    /// writing it. With a holder, [`Blobs::delete`] and [`Blobs::release`] touch that holder's copies only.
    ///
    /// # Errors
    /// [`Error::Name`] for an empty name.
    pub fn within(&self, holder: &str) -> Result<Self, Error> {
        if holder.is_empty() {
            return Err(Error::Name("it is empty"));
        }
        Ok(Self { shared: Arc::clone(&self.shared), holder: Some(holder.to_owned()) })
    }

    pub(crate) fn content(&self) -> &dyn ObjectStore {
        self.shared.content.as_ref()
    }
}

impl fmt::Debug for Blobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The store's own output could show an access key.
        f.debug_struct("Blobs").field("store", &self.shared.kind).finish_non_exhaustive()
    }
}
