//! A run that is paused, told to stop, and killed: the same command goes on, and what arrives is what an undisturbed run brings.

use std::collections::BTreeMap;
use std::process::{Child, Command};

use sandbox::faults::{Fault, Rule, When};
use serde_json::Value;

use crate::sample::{Ended, Sample};

const TICKETS: u64 = 60;

/// Slow enough to be met in the middle.
fn slow() -> Sample {
    Sample::with(TICKETS, |config| {
        let fault = Fault::Latency { ms: 60, jitter_ms: 40 };
        config.faults.kayako.rules.push(Rule {
            method: None,
            path: String::new(),
            when: When::Always,
            times: None,
            fault,
        });
    })
}

fn migrated(status: &Value) -> u64 {
    status["kinds"]["case"]["migrated"].as_u64().unwrap()
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

fn end(child: Child) -> Ended {
    child.wait_with_output().unwrap().into()
}

/// What is in the Kayako account, as far as it does not depend on when it was written.
fn content(sample: &Sample) -> BTreeMap<String, String> {
    let cases = sample.sandbox.kayako.cases(0, 10_000);
    let described = cases.into_iter().filter(|case| case.state == "ACTIVE").map(|case| {
        let posts: Vec<String> = case
            .posts
            .iter()
            .map(|post| {
                let mut files: Vec<&str> = post.attachments.iter().map(|file| file.sha256.as_str()).collect();
                files.sort_unstable();
                format!("{:?} {} {} {files:?}", post.creator.email, post.visibility, post.created_at)
            })
            .collect();
        let key = case.legacy_id.clone().expect("every case carries its origin key");
        // The account's port is part of no comparison.
        let key = key.split(':').skip(1).collect::<Vec<_>>().join(":");
        let about = format!(
            "{} {} {:?} {:?} {:?} {:?} {posts:?}",
            case.subject, case.status, case.requester.email, case.organization, case.team, case.tags
        );
        (key, about)
    });
    let mut found = BTreeMap::new();
    for (key, about) in described {
        assert!(found.insert(key.clone(), about).is_none(), "{key} is there twice");
    }
    found
}

#[test]
fn a_killed_run_goes_on_and_nothing_is_missing_or_double() {
    let calm = Sample::new(TICKETS);
    let expected = calm.run(&["run", "--full", "--json"]).expect(0).json();

    let sample = slow();
    // Told to stop: finishes what is in hand, says how to go on.
    let run = sample.spawn(&["run", "--full"]);
    sample.wait_for("progress", |status| status["kinds"]["user"]["migrated"].as_u64().unwrap() > 0);
    sample.run(&["run", "--full"]).expect_failure(8, "in-use");
    signal(&run, "-INT");
    let stopped = end(run).expect(130);
    assert!(stopped.out.contains("The same command goes on"), "{}", stopped.out);
    sample.run(&["run", "--demo"]).expect_failure(8, "run-unfinished");

    // Killed in the middle of the cases, twice.
    for least in [1, 10] {
        let mut run = sample.spawn(&["run", "--full"]);
        sample.wait_for("progress", |status| migrated(status) >= least);
        run.kill().unwrap();
        run.wait().unwrap();
    }
    let ended = sample.run(&["run", "--full", "--json"]).expect(0).json();
    assert_eq!(ended["run"]["number"], 1, "it is still the same run");
    for kind in ["team", "organization", "user", "case"] {
        for column in ["available", "migrated", "failed", "skipped"] {
            assert_eq!(ended["kinds"][kind][column], expected["kinds"][kind][column], "{kind} {column}");
        }
    }
    let (arrived, wanted) = (content(&sample), content(&calm));
    assert_eq!(arrived.len() as u64, migrated(&ended));
    for (key, about) in &wanted {
        assert_eq!(arrived.get(key), Some(about), "{key}");
    }
    assert!(sample.sandbox.kayako.mails().is_empty());
}

#[test]
fn a_paused_run_waits_and_a_cancelled_one_ends() {
    let sample = slow();
    let run = sample.spawn(&["run", "--full"]);
    sample.wait_for("progress", |status| status["kinds"]["user"]["migrated"].as_u64().unwrap() > 0);
    assert_eq!(sample.run(&["pause", "--json"]).expect(0).json()["status"], "paused");
    let status = sample.wait_for("pause", |status| status["run"]["status"] == "paused");
    assert!(status["waiting_for"].to_string().contains("resume"), "{status}");
    assert_eq!(sample.run(&["resume", "--json"]).expect(0).json()["status"], "running");
    // Cases are read by now and not all written: their files alone take longer than the command.
    sample.wait_for("cases", |status| status["kinds"]["case"]["available"].as_u64().unwrap() > 0);
    sample.run(&["cancel"]).expect(0);
    let ended = end(run);
    assert_eq!(ended.code, Some(5), "{}", ended.err);
    assert!(ended.err.contains("run-cancelled"), "{}", ended.err);
    // What was migrated stays, and the next run does not write it again.
    let next = sample.run(&["run", "--full", "--json"]).expect(0).json();
    let user = &next["kinds"]["user"];
    assert!(user["written_now"].as_u64().unwrap() < user["migrated"].as_u64().unwrap(), "{user}");
}
