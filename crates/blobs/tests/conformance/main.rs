//! What every store promises, run over each of them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod content;
mod journal;
mod location;

use blobs::Blobs;
use tempfile::TempDir;

/// A store under test; the directory lives as long as this.
struct Case {
    name: &'static str,
    blobs: Blobs,
    directory: Option<TempDir>,
}

fn cases() -> Vec<Case> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("made/on/the/way");
    let open = |location: &str| Blobs::open(location, std::iter::empty()).unwrap();
    vec![
        Case { name: "directory", blobs: open(path.to_str().unwrap()), directory: Some(directory) },
        Case { name: "memory", blobs: open("memory:"), directory: None },
    ]
}
