//! `serve` without the things it needs: it waits, says what is missing, and ends when told.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::sample::{program, run_in};

#[test]
fn a_service_waits_for_its_ledger_and_drains_when_told() {
    let directory = tempfile::tempdir().unwrap();
    let mut service = program(directory.path())
        .args(["serve", "loader", "--migration", "acme", "--queue", "amqp://127.0.0.1:1", "--ledger"])
        // Port 1 is nobody's.
        .args(["redis://127.0.0.1:1/0", "--blobs", "blobs", "--log", "info"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(service.stderr.take().unwrap()).lines();
    let waits = lines.by_ref().map(Result::unwrap).find(|line| line.contains("the ledger does not answer"));
    assert!(waits.is_some(), "it ended instead of waiting");
    let told = Command::new("kill").args(["-TERM", &service.id().to_string()]).status().unwrap();
    assert!(told.success());
    // Read to the end, so that it never blocks on a full pipe.
    lines.for_each(drop);
    assert_eq!(service.wait().unwrap().code(), Some(0));
}

#[test]
fn addresses_that_cannot_be_used_are_refused_without_their_passwords() {
    let directory = tempfile::tempdir().unwrap();
    let serve = |queue: &str, ledger: &str| {
        let arguments = [
            "serve",
            "coordinator",
            "--migration",
            "acme",
            "--queue",
            queue,
            "--ledger",
            ledger,
            "--blobs",
            "b",
        ];
        run_in(directory.path(), &arguments).expect_failure(2, "usage")
    };
    for told in [
        serve("http://guest:s3cret@127.0.0.1", "redis://127.0.0.1/0"),
        serve("amqp://127.0.0.1", "mysql://root:s3cret@127.0.0.1"),
    ] {
        assert!(!told.err.contains("s3cret"), "{}", told.err);
    }
    run_in(
        directory.path(),
        &[
            "serve",
            "loader",
            "--migration",
            "Not A Name",
            "--queue",
            "amqp://h",
            "--ledger",
            "redis://h",
            "--blobs",
            "b",
        ],
    )
    .expect_failure(2, "usage");
}
