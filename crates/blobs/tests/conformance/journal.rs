use blobs::{Blobs, ENTRY_LIMIT, Error};
use bytes::Bytes;
use futures::TryStreamExt as _;
use model::UnixMillis;

use crate::{Case, cases};

async fn scan(blobs: &Blobs, scope: &str) -> Vec<String> {
    let entries: Vec<Bytes> = blobs.scan(scope).try_collect().await.unwrap();
    entries.iter().map(|entry| String::from_utf8(entry.to_vec()).unwrap()).collect()
}

fn entries(texts: &[&str]) -> Vec<Bytes> {
    texts.iter().map(|text| Bytes::copy_from_slice(text.as_bytes())).collect()
}

#[tokio::test]
async fn entries_come_back_in_the_order_of_their_writing() {
    for Case { name, blobs, directory: _directory } in cases() {
        assert!(scan(&blobs, "acme/case").await.is_empty(), "{name}");
        // Twelve appends in one millisecond: the order must not come from the clock alone, nor from the sorting of
        // numbers as text.
        for number in 0..12 {
            let batch = entries(&[&format!("{{\"n\":{number}}}"), &format!("{{\"n\":{number}.5}}")]);
            blobs.append("acme/case", UnixMillis(9_999), batch).await.unwrap();
        }
        blobs.append("acme/case", UnixMillis(10_000), entries(&["\"last\""])).await.unwrap();
        blobs.append("acme/case", UnixMillis(1), entries(&["\"first\""])).await.unwrap();
        blobs.append("acme/case", UnixMillis(2), Vec::new()).await.unwrap();
        let seen = scan(&blobs, "acme/case").await;
        let mut expected = vec!["\"first\"".to_owned()];
        for number in 0..12 {
            expected.extend([format!("{{\"n\":{number}}}"), format!("{{\"n\":{number}.5}}")]);
        }
        expected.push("\"last\"".to_owned());
        assert_eq!(seen, expected, "{name}");
    }
}

#[tokio::test]
async fn scopes_are_apart_and_contain_those_below() {
    for Case { name, blobs, directory: _directory } in cases() {
        let odd = "acme/ticket ü%2F..#1";
        for (at, scope) in ["acme", odd, "acme-2", "acme/case"].into_iter().enumerate() {
            let at = UnixMillis(i64::try_from(at).unwrap());
            blobs.append(scope, at, entries(&[scope])).await.unwrap();
        }
        assert_eq!(scan(&blobs, odd).await, [odd], "{name}");
        assert_eq!(scan(&blobs, "acme-2").await, ["acme-2"], "{name}");
        assert_eq!(scan(&blobs, "acme").await, ["acme", odd, "acme/case"], "{name}: by time, not by scope");
        for bad in ["", "/acme", "acme//case", "acme/"] {
            assert!(
                matches!(blobs.append(bad, UnixMillis(0), Vec::new()).await, Err(Error::Name(_))),
                "{bad}"
            );
            assert!(matches!(blobs.scan(bad).try_next().await, Err(Error::Name(_))), "{bad}");
        }
    }
}

#[tokio::test]
async fn a_scope_cannot_leave_the_journal() {
    let case = cases().remove(0);
    case.blobs.append("../../outside", UnixMillis(0), entries(&["{}"])).await.unwrap();
    assert_eq!(scan(&case.blobs, "../../outside").await, ["{}"]);
    let root = case.directory.as_ref().unwrap().path().join("made/on/the/way");
    let below: Vec<_> = std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(below, ["journal"]);
}

#[tokio::test]
async fn entries_that_are_not_one_line_are_refused_before_anything_is_written() {
    for Case { name, blobs, directory: _directory } in cases() {
        for bad in ["", "two\nlines", &"x".repeat(ENTRY_LIMIT + 1)] {
            let error = blobs.append("acme", UnixMillis(0), entries(&["{}", bad])).await.unwrap_err();
            assert!(matches!(error, Error::Entry), "{name}: {error:?}");
        }
        assert!(scan(&blobs, "acme").await.is_empty(), "{name}");
    }
}

#[tokio::test]
async fn a_large_append_is_cut_into_segments_without_loss() {
    for Case { name, blobs, directory: _directory } in cases() {
        let line = "y".repeat(ENTRY_LIMIT - 10);
        let batch: Vec<String> = (0..200).map(|number| format!("{number:04}{line}")).collect();
        let bytes = batch.iter().map(|entry| Bytes::copy_from_slice(entry.as_bytes())).collect();
        blobs.append("acme", UnixMillis(5), bytes).await.unwrap();
        assert!(scan(&blobs, "acme").await == batch, "{name}");
    }
}

#[tokio::test]
async fn two_writers_do_not_overwrite_each_other() {
    let case = cases().remove(0);
    let location = case.directory.as_ref().unwrap().path().join("made/on/the/way");
    let other = Blobs::open(location.to_str().unwrap(), []).unwrap();
    let now = UnixMillis(7);
    case.blobs.append("acme", now, entries(&["\"one\""])).await.unwrap();
    other.append("acme", now, entries(&["\"other\""])).await.unwrap();
    let mut seen = scan(&case.blobs, "acme").await;
    seen.sort();
    assert_eq!(seen, ["\"one\"", "\"other\""]);
}
