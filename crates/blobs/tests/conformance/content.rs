use std::time::Duration;

use blobs::{BlobRef, Blobs, Error, Usage};
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use model::{Classify as _, FailureClass, UnixMillis};

use crate::{Case, cases};

const NO_LIMIT: u64 = u64::MAX;

fn chunks(content: &[u8], length: usize) -> Vec<Result<Bytes, std::io::Error>> {
    content.chunks(length).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect()
}

/// Twelve MiB that are no repetition of a short pattern: three parts of a long stream.
fn long() -> Vec<u8> {
    let mut content = vec![0; 12 * 1024 * 1024 + 17];
    blake3::Hasher::new().update(b"long").finalize_xof().fill(&mut content);
    content
}

/// Every file below a case's directory, relative, sorted; nothing for a case without one.
fn files(case: &Case) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    let mut open: Vec<_> = case.directory.iter().map(|directory| directory.path().to_owned()).collect();
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { open.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

#[tokio::test]
async fn content_comes_back_by_its_hash() {
    for Case { name, blobs, directory: _directory } in cases() {
        for content in [&b""[..], b"a", "Grüße 🙂".as_bytes()] {
            let reference = blobs.put(Bytes::copy_from_slice(content)).await.unwrap();
            assert_eq!(reference.hash, blake3::hash(content).to_hex().as_str(), "{name}");
            assert!(blobs.exists(&reference).await.unwrap(), "{name}");
            assert_eq!(blobs.get(&reference).await.unwrap(), content, "{name}");
        }
    }
}

#[tokio::test]
async fn putting_again_changes_nothing() {
    for case in cases() {
        let Case { name, blobs, .. } = &case;
        let first = blobs.put(Bytes::from("same")).await.unwrap();
        let modified = |case: &Case| -> Vec<_> {
            files(case).iter().map(|file| file.metadata().unwrap().modified().unwrap()).collect()
        };
        let before = modified(&case);
        assert_eq!(blobs.put(Bytes::from("same")).await.unwrap(), first, "{name}");
        let streamed = blobs.put_stream(futures::stream::iter(chunks(b"same", 1)), NO_LIMIT).await.unwrap();
        assert_eq!(streamed, first, "{name}");
        assert_eq!(modified(&case), before, "{name}: the object was written again");
        assert_eq!(blobs.usage().await.unwrap(), Usage { objects: 1, bytes: 4 }, "{name}");
    }
}

#[tokio::test]
async fn a_long_stream_is_stored_once_and_leaves_no_spool() {
    let content = long();
    for case in cases() {
        let Case { name, blobs, .. } = &case;
        let stream = || futures::stream::iter(chunks(&content, 700_001));
        let reference = blobs.put_stream(stream(), NO_LIMIT).await.unwrap();
        assert_eq!(reference.hash, blake3::hash(&content).to_hex().as_str(), "{name}");
        assert_eq!(blobs.put_stream(stream(), NO_LIMIT).await.unwrap(), reference, "{name}");
        let read: Vec<Bytes> = blobs.get_stream(&reference).await.unwrap().try_collect().await.unwrap();
        assert!(read.concat() == content, "{name}: other bytes came back");
        assert!(blobs.get(&reference).await.unwrap() == content, "{name}");
        assert_eq!(blobs.usage().await.unwrap().objects, 1, "{name}");
        let left = blobs.sweep_spool(UnixMillis(i64::MAX), Duration::ZERO).await.unwrap();
        assert_eq!(left, 0, "{name}");
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_leaves_nothing() {
    let content = long();
    for case in cases() {
        let Case { name, blobs, .. } = &case;
        for good in [1, 10] {
            let mut broken = chunks(&content[..good * 700_000], 700_000);
            broken.push(Err(std::io::Error::other("connection reset")));
            let error = blobs.put_stream(futures::stream::iter(broken), NO_LIMIT).await.unwrap_err();
            assert!(matches!(error, Error::Content(_)), "{name}: {error:?}");
            assert_eq!(error.class(), FailureClass::Ambiguous);
        }
        assert_eq!(blobs.usage().await.unwrap(), Usage::default(), "{name}");
        assert_eq!(files(&case), Vec::<std::path::PathBuf>::new(), "{name}");
    }
}

#[tokio::test]
async fn the_limit_is_exact() {
    let content = long();
    for Case { name, blobs, directory: _directory } in cases() {
        for length in [1_000, content.len()] {
            let stream = || futures::stream::iter(chunks(&content[..length], 300_000));
            let limit = u64::try_from(length).unwrap();
            let error = blobs.put_stream(stream(), limit - 1).await.unwrap_err();
            assert!(matches!(error, Error::TooLarge { .. }), "{name}: {error:?}");
            assert_eq!(error.class(), FailureClass::Rejected);
            assert_eq!(blobs.put_stream(stream(), limit).await.unwrap().size, limit, "{name}");
        }
    }
}

#[tokio::test]
async fn what_is_deleted_is_gone_and_deleting_again_is_fine() {
    for Case { name, blobs, directory: _directory } in cases() {
        let reference = blobs.put(Bytes::from("short-lived")).await.unwrap();
        blobs.delete(&reference).await.unwrap();
        blobs.delete(&reference).await.unwrap();
        assert!(!blobs.exists(&reference).await.unwrap(), "{name}");
        assert!(matches!(blobs.get(&reference).await, Err(Error::NotFound { .. })), "{name}");
        assert!(matches!(blobs.get_stream(&reference).await.err(), Some(Error::NotFound { .. })), "{name}");
    }
}

#[tokio::test]
async fn a_holder_releases_its_own_copies_only() {
    for Case { name, blobs, directory: _directory } in cases() {
        let first = blobs.within("case:1").unwrap();
        let second = blobs.within("case:1/2").unwrap();
        let logo = Bytes::from("the logo in everybody's signature");
        let reference = first.put(logo.clone()).await.unwrap();
        assert_eq!(second.put(logo.clone()).await.unwrap(), reference, "{name}");
        first.put(Bytes::from("more")).await.unwrap();
        blobs.put(logo.clone()).await.unwrap();
        assert_eq!(first.release().await.unwrap(), 2, "{name}");
        assert!(!first.exists(&reference).await.unwrap(), "{name}");
        assert_eq!(second.get(&reference).await.unwrap(), logo, "{name}");
        assert_eq!(blobs.release().await.unwrap(), 0, "{name}: the shared content has no holder");
        assert_eq!(blobs.get(&reference).await.unwrap(), logo, "{name}");
    }
    assert!(matches!(Blobs::open("memory:", []).unwrap().within(""), Err(Error::Name(_))));
}

#[tokio::test]
async fn damaged_bytes_are_never_returned() {
    let case = cases().remove(0);
    let blobs = &case.blobs;
    let content = long();
    let reference = blobs.put(Bytes::from(content.clone())).await.unwrap();
    let [file] = &files(&case)[..] else { panic!("one object expected") };

    let mut flipped = content.clone();
    *flipped.last_mut().unwrap() ^= 1;
    std::fs::write(file, &flipped).unwrap();
    assert!(matches!(blobs.get(&reference).await, Err(Error::Damaged { .. })));
    let mut received = 0;
    let mut stream = blobs.get_stream(&reference).await.unwrap();
    let error = loop {
        match stream.next().await.expect("an error must come before the end") {
            Ok(chunk) => received += chunk.len(),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
    assert!(received < content.len(), "the end was handed out");

    // Torn by a power failure: noticed without reading, and healed by putting again.
    std::fs::write(file, &content[..100]).unwrap();
    assert!(matches!(blobs.get_stream(&reference).await.err(), Some(Error::Damaged { .. })));
    assert!(!blobs.exists(&reference).await.unwrap());
    blobs.put(Bytes::from(content.clone())).await.unwrap();
    assert!(blobs.get(&reference).await.unwrap() == content);
}

#[tokio::test]
async fn a_reference_cannot_point_outside() {
    for Case { name, blobs, directory: _directory } in cases() {
        for hash in ["", "../../../etc/passwd", &"G".repeat(64), &"A".repeat(64), &"a".repeat(63)] {
            let reference = BlobRef { hash: hash.to_owned(), size: 1 };
            assert!(matches!(blobs.get(&reference).await, Err(Error::Reference)), "{name}: {hash}");
            assert!(matches!(blobs.delete(&reference).await, Err(Error::Reference)), "{name}: {hash}");
        }
    }
}

#[tokio::test]
async fn what_a_dead_process_left_in_the_spool_is_swept_by_age() {
    let case = cases().remove(0);
    case.blobs.put(Bytes::from("content")).await.unwrap();
    let spool = case.directory.as_ref().unwrap().path().join("made/on/the/way/spool");
    std::fs::create_dir_all(&spool).unwrap();
    std::fs::write(spool.join("0f8fad5b-d9cb-469f-a165-70867728950e"), "half a stream").unwrap();
    let hour = Duration::from_hours(1);
    assert_eq!(case.blobs.sweep_spool(UnixMillis(0), hour).await.unwrap(), 0, "not old enough");
    assert_eq!(case.blobs.sweep_spool(UnixMillis(i64::MAX), hour).await.unwrap(), 1);
    assert_eq!(case.blobs.usage().await.unwrap().objects, 1, "content is not spool");
}
