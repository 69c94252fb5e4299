use blobs::{Blobs, Error};
use model::{Classify as _, FailureClass};

use crate::{Case, cases};

fn environment() -> Vec<(String, String)> {
    [
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "planted-secret"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_PAGER", "less"),
        ("PATH", "/bin"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

#[test]
fn locations_are_told_apart() {
    for location in ["s3://bucket", "s3://bucket/", "s3://bucket/some/prefix"] {
        let blobs = Blobs::open(location, environment()).unwrap();
        assert_eq!(format!("{blobs:?}"), "Blobs { store: \"s3\", .. }", "no credentials may be shown");
        assert_eq!(blobs.free_bytes().unwrap(), None);
    }
    for bad in ["", "s3://", "s3:///prefix", "gs://bucket", "https://example.com/blobs"] {
        let error = Blobs::open(bad, environment()).unwrap_err();
        assert!(matches!(error, Error::Location(_)), "{bad}: {error:?}");
        assert_eq!(error.class(), FailureClass::Halt);
    }
}

#[test]
fn a_directory_may_be_written_as_a_url() {
    let directory = tempfile::tempdir().unwrap();
    let location = format!("file://{}", directory.path().join("x").display());
    Blobs::open(&location, []).unwrap();
    assert!(directory.path().join("x").is_dir());
}

#[test]
fn a_location_that_is_a_file_halts() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = Blobs::open(file.path().to_str().unwrap(), []).unwrap_err();
    assert!(matches!(error, Error::Directory(_)), "{error:?}");
    assert_eq!(error.class(), FailureClass::Halt);
}

#[test]
fn only_a_directory_knows_its_free_space() {
    for Case { name, blobs, directory } in cases() {
        let free = blobs.free_bytes().unwrap();
        assert_eq!(free.is_some_and(|bytes| bytes > 0), directory.is_some(), "{name}");
    }
}
