//! The append-only journal: what happened to records, in segments that are never changed.
//!
//! Constraints:
//! - A segment is one object with one JSON entry per line. Write few, well-filled ones: an object per entry would be
//!   10 million objects in a large migration.
//! - An append has happened when it returns; on a directory it has reached the disk. Repeating an append whose answer
//!   got lost writes the entries twice, so entries must mean the same when read twice.
//! - Order: a writer's segments come in the order in which it wrote them, as long as its clock is not set back. Between
//!   writers only time orders.

use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use model::UnixMillis;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;

use crate::error::Error;
use crate::store::Blobs;

/// Longest entry in bytes. Entries hold ids, reasons and counts; one of this size is a defect, and a reader keeps a whole
/// segment in memory.
pub const ENTRY_LIMIT: usize = 64 * 1024;

/// Segments are cut at this many bytes, which is also what a reader holds at a time.
const SEGMENT: usize = 4 * 1024 * 1024;

impl Blobs {
    /// Appends `entries` (one line of JSON each) to the journal of `scope`, as one segment or, beyond 4 MiB, several.
    /// No entries, no segment. A scope is a path (`acme/case`) whose parts may hold any characters.
    ///
    /// # Errors
    /// [`Error::Name`], [`Error::Entry`] before anything is written; a failure of the store, after which the leading
    /// segments may have been written.
    pub async fn append(&self, scope: &str, now: UnixMillis, entries: Vec<Bytes>) -> Result<(), Error> {
        let directory = scope_path(scope)?;
        if entries.iter().any(|entry| entry.is_empty() || entry.len() > ENTRY_LIMIT || entry.contains(&b'\n'))
        {
            return Err(Error::Entry);
        }
        let mut segment = BytesMut::new();
        for entry in entries {
            if !segment.is_empty() && segment.len() + entry.len() >= SEGMENT {
                self.write_segment(&directory, now, segment.split().freeze()).await?;
            }
            segment.extend_from_slice(&entry);
            segment.extend_from_slice(b"\n");
        }
        if segment.is_empty() { Ok(()) } else { self.write_segment(&directory, now, segment.freeze()).await }
    }

    async fn write_segment(&self, directory: &Path, now: UnixMillis, segment: Bytes) -> Result<(), Error> {
        let sequence = self.shared.segments.fetch_add(1, Ordering::Relaxed);
        // Fixed widths, so that the order of names is the order of writing; 13 digits last until the year 2286.
        // The sequence stands before the writer, else two segments of one millisecond would be in no order.
        let name = format!("{:013}-{sequence:010}-{}.ndjson", now.0.max(0), self.shared.writer.as_simple());
        self.shared.durable.put(&directory.clone().join(name), segment.into()).await?;
        Ok(())
    }

    /// All entries of `scope` and of the scopes below it that were appended before the scan began, in the order of
    /// their segments. One segment is held in memory at a time, besides the names of all.
    pub fn scan(&self, scope: &str) -> BoxStream<'static, Result<Bytes, Error>> {
        let directory = match scope_path(scope) {
            Ok(directory) => directory,
            Err(error) => return futures::stream::iter([Err(error)]).boxed(),
        };
        let store = std::sync::Arc::clone(&self.shared.durable);
        futures::stream::once(async move {
            let mut segments: Vec<Path> =
                store.list(Some(&directory)).map_ok(|object| object.location).try_collect().await?;
            // By name, not by path: time counts before the scope below which a segment happens to lie.
            segments.sort_unstable_by(|a, b| (a.filename(), a.as_ref()).cmp(&(b.filename(), b.as_ref())));
            Ok::<_, Error>(futures::stream::iter(segments).map(Ok::<_, Error>).and_then(move |segment| {
                let store = std::sync::Arc::clone(&store);
                async move {
                    let lines = store.get(&segment).await?.bytes().await?;
                    Ok(futures::stream::iter(entries(&lines).map(Ok::<_, Error>)))
                }
            }))
        })
        .try_flatten()
        .try_flatten()
        .boxed()
    }
}

/// The lines of a segment, sharing its memory.
fn entries(segment: &Bytes) -> impl Iterator<Item = Bytes> + Send + use<> {
    let mut rest = segment.clone();
    std::iter::from_fn(move || {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let line = rest.split_to(end);
        let _ = rest.split_to(1);
        Some(line)
    })
}

fn scope_path(scope: &str) -> Result<Path, Error> {
    if scope.is_empty() || scope.split('/').any(str::is_empty) {
        return Err(Error::Name("a part of it is empty"));
    }
    Ok(std::iter::once("journal").chain(scope.split('/')).collect())
}
