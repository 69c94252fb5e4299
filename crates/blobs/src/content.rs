//! Content by hash: put, get, exists, delete.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use model::UnixMillis;
use model::record::BlobRef;
use object_store::path::{Path, PathPart};
use object_store::{ObjectStoreExt as _, WriteMultipart};
use uuid::Uuid;

use crate::error::Error;
use crate::store::Blobs;
use crate::verified::verified;

/// Streams up to this length are collected and put in one call: a temporary object costs a store like S3 four calls
/// more, and nine in ten attachments of a help desk are smaller. 1 MiB per open stream is what it costs in memory.
const COLLECT_UP_TO: usize = 1024 * 1024;

/// Size of a part of a long stream: the smallest that S3 accepts.
const PART: usize = 5 * 1024 * 1024;

/// Parts on their way at the same time, so that a slow store slows the stream and not fills the memory.
const PARTS_IN_FLIGHT: usize = 2;

impl Blobs {
    /// Stores `bytes` and returns their reference. Does nothing if they are there already.
    pub async fn put(&self, bytes: Bytes) -> Result<BlobRef, Error> {
        let reference =
            BlobRef { hash: blake3::hash(&bytes).to_hex().to_string(), size: length(bytes.len()) };
        if !self.exists(&reference).await? {
            self.content().put(&self.path(&reference)?, bytes.into()).await?;
        }
        Ok(reference)
    }

    /// Stores a stream of at most `limit` bytes without holding it in memory. Nothing appears under the reference
    /// before the stream has ended well.
    ///
    /// # Errors
    /// [`Error::Content`] with the stream's error, [`Error::TooLarge`], or a failure of the store.
    pub async fn put_stream<S, E>(&self, content: S, limit: u64) -> Result<BlobRef, Error>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut content = std::pin::pin!(content);
        let mut head = BytesMut::new();
        while let Some(chunk) = content.next().await {
            let chunk = chunk.map_err(|error| Error::Content(error.into()))?;
            if length(head.len() + chunk.len()) > limit {
                return Err(Error::TooLarge { limit });
            }
            head.extend_from_slice(&chunk);
            if head.len() > COLLECT_UP_TO {
                return self.spool(head.freeze(), content, limit).await;
            }
        }
        self.put(head.freeze()).await
    }

    async fn spool<S, E>(&self, head: Bytes, rest: S, limit: u64) -> Result<BlobRef, Error>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let temporary = Path::from_iter(["spool".to_owned(), Uuid::new_v4().to_string()]);
        let upload = self.content().put_multipart(&temporary).await?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PART);
        let mut hasher = blake3::Hasher::new();
        let mut size = 0;
        let mut content = std::pin::pin!(
            futures::stream::iter([Ok(head)]).chain(rest.map_err(|error| Error::Content(error.into())))
        );
        let written: Result<(), Error> = async {
            while let Some(chunk) = content.next().await {
                let chunk = chunk?;
                size += length(chunk.len());
                if size > limit {
                    return Err(Error::TooLarge { limit });
                }
                hasher.update(&chunk);
                upload.wait_for_capacity(PARTS_IN_FLIGHT).await?;
                upload.put(chunk);
            }
            Ok(())
        }
        .await;
        if let Err(error) = written {
            // The first error is the one to tell; what an abort leaves behind, `sweep_spool` removes.
            let _ = upload.abort().await;
            return Err(error);
        }
        upload.finish().await?;
        let reference = BlobRef { hash: hasher.finalize().to_hex().to_string(), size };
        if self.exists(&reference).await? {
            self.content().delete(&temporary).await?;
        } else {
            self.content().rename(&temporary, &self.path(&reference)?).await?;
        }
        Ok(reference)
    }

    /// The bytes, checked.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Damaged`], or a failure of the store.
    pub async fn get(&self, reference: &BlobRef) -> Result<Bytes, Error> {
        let stored = self.open_object(reference).await?.bytes().await?;
        if blake3::hash(&stored).to_hex().as_str() == reference.hash {
            Ok(stored)
        } else {
            Err(Error::Damaged { hash: reference.hash.clone() })
        }
    }

    /// The bytes in chunks. The last chunk is handed out only once the whole has proved right, so a consumer that
    /// treats an error as the end of everything never completes with wrong bytes.
    ///
    /// # Errors
    /// [`Error::NotFound`] and wrong lengths at once; [`Error::Damaged`] and failures of the store within the stream.
    pub async fn get_stream(
        &self,
        reference: &BlobRef,
    ) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
        let stored = self.open_object(reference).await?;
        Ok(verified(stored.into_stream().map_err(Error::Store), reference.clone()).boxed())
    }

    async fn open_object(&self, reference: &BlobRef) -> Result<object_store::GetResult, Error> {
        let stored = self.content().get(&self.path(reference)?).await;
        let stored = match stored {
            Err(object_store::Error::NotFound { .. }) => {
                return Err(Error::NotFound { hash: reference.hash.clone() });
            }
            other => other?,
        };
        if stored.meta.size != reference.size {
            return Err(Error::Damaged { hash: reference.hash.clone() });
        }
        Ok(stored)
    }

    /// Whether an object of this hash and length is stored. Its bytes are not read.
    pub async fn exists(&self, reference: &BlobRef) -> Result<bool, Error> {
        match self.content().head(&self.path(reference)?).await {
            // Another length: a torn write after a power failure. Saying no has it written again.
            Ok(stored) => Ok(stored.size == reference.size),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes the object; does nothing if it is gone already. Without a holder ([`Blobs::within`]) it is gone for
    /// every record with the same content.
    pub async fn delete(&self, reference: &BlobRef) -> Result<(), Error> {
        self.delete_object(&self.path(reference)?).await
    }

    /// Deletes everything that this handle's holder has and returns how many objects that were. Without a holder it
    /// does nothing: emptying the shared content is no part of any protocol.
    pub async fn release(&self) -> Result<u64, Error> {
        match &self.holder {
            Some(_) => self.delete_all(self.root(), |_| true).await,
            None => Ok(0),
        }
    }

    /// Removes what streams left behind that were cut off by the death of a process, older than `age`. `age` must be
    /// longer than any single stream takes.
    pub async fn sweep_spool(&self, now: UnixMillis, age: Duration) -> Result<u64, Error> {
        let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let oldest = now.0.saturating_sub(age);
        self.delete_all(Path::from("spool"), move |meta| meta.last_modified.timestamp_millis() < oldest).await
    }

    async fn delete_all(
        &self,
        below: Path,
        choose: impl Fn(&object_store::ObjectMeta) -> bool,
    ) -> Result<u64, Error> {
        let mut listing = self.content().list(Some(&below));
        let mut deleted = 0;
        while let Some(object) = listing.try_next().await? {
            if choose(&object) {
                self.delete_object(&object.location).await?;
                deleted += 1;
            }
        }
        Ok(deleted)
    }

    async fn delete_object(&self, path: &Path) -> Result<(), Error> {
        match self.content().delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn path(&self, reference: &BlobRef) -> Result<Path, Error> {
        let hash = &reference.hash;
        let is_hash = hash.len() == 64 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !is_hash {
            return Err(Error::Reference);
        }
        // Two digits in between: a directory with a million entries is slow on many file systems. A holder has a handful of files, and
        // every directory more costs a call to make and one to remove.
        let directory = if self.holder.is_some() { self.root() } else { self.root().join(&hash[..2]) };
        Ok(directory.join(hash.as_str()))
    }

    fn root(&self) -> Path {
        match &self.holder {
            None => Path::from("blobs"),
            // `PathPart` encodes whatever a path cannot hold, a slash included.
            Some(holder) => Path::from_iter(["blobs", "of"]).join(PathPart::from(holder.as_str())),
        }
    }
}

fn length(bytes: usize) -> u64 {
    // A usize is at most 64 bits on every platform that Rust has.
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
