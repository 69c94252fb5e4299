//! Whole migrations: the quickstart, and a run whose table, reports and histories must agree.

use sandbox::seed::TicketId;
use serde_json::Value;

use crate::sample::{Sample, report_lines, run_in};

#[test]
fn quickstart_proves_itself_and_leaves_the_reports() {
    let directory = tempfile::tempdir().unwrap();
    let shown = run_in(directory.path(), &["quickstart", "--tickets", "30", "--dir", "q"]).expect(0);
    for word in
        ["Available", "Migrated", "Failed", "Skipped", "Written now", "mails trapped: 0", "0 creating"]
    {
        assert!(shown.out.contains(word), "{word} is missing:\n{}", shown.out);
    }
    assert!(!shown.out.contains("BROKEN"), "{}", shown.out);
    let reports = directory.path().join("q/plan.kayako-migrate/reports/run-000001");
    assert_eq!(report_lines(&reports, "cases-migrated") + report_lines(&reports, "cases-skipped"), 20);
    // The state is there after the accounts are gone.
    let status = run_in(directory.path(), &["status", "--json", "--plan", "q/plan.yaml"]).expect(0).json();
    assert_eq!(status["run"]["status"], "finished");
    // A second quickstart in the same place begins anew.
    let again =
        run_in(directory.path(), &["quickstart", "--tickets", "20", "--dir", "q", "--json"]).expect(0).json();
    assert_eq!(again["proofs"].as_array().unwrap().len(), 5);
    assert!(again["proofs"].as_array().unwrap().iter().all(|proof| proof["holds"] == true), "{again}");
    assert_eq!(again["runs"]["again"]["kinds"]["case"]["written_now"], 0);
}

#[test]
fn table_reports_and_histories_agree_for_migrated_skipped_and_failed() {
    // Long conversations are refused, so that some records fail.
    let sample = Sample::with(40, |config| config.kayako.switches.max_posts_per_bulk_case = 4);
    let deleted = TicketId(3);
    assert!(sample.sandbox.zendesk.delete_ticket(deleted, false));
    // Exports leave out what changed within the last minute.
    sample.sandbox.zendesk.advance(120);
    let ended = sample.run(&["run", "--full", "--json"]).expect(6).json();
    assert_eq!(ended["run"]["status"], "finished");

    let reported = sample.run(&["report", "--json", "--out", "out"]).expect(0).json();
    assert_eq!(reported["kinds"], ended["kinds"], "a finished run's table does not change");
    let out = sample.path("out");
    for (kind, plural) in
        [("team", "teams"), ("organization", "organizations"), ("user", "users"), ("case", "cases")]
    {
        let counts = &ended["kinds"][kind];
        let of = |name: &str| usize::try_from(counts[name].as_u64().unwrap()).unwrap();
        assert_eq!(of("available"), of("migrated") + of("failed") + of("skipped"), "{kind}: {counts}");
        for outcome in ["migrated", "failed", "skipped", "filtered"] {
            assert_eq!(report_lines(&out, &format!("{plural}-{outcome}")), of(outcome), "{kind} {outcome}");
        }
    }
    let first = |name: &str| -> Value {
        let text = std::fs::read_to_string(out.join(name)).unwrap();
        serde_json::from_str::<Vec<Value>>(&text).unwrap().into_iter().next().expect("at least one")
    };
    let explain =
        |row: &Value| sample.run(&["explain", row["source_id"].as_str().unwrap(), "--json"]).expect(0).json();

    let migrated = first("cases-migrated.json");
    let told = explain(&migrated);
    assert_eq!((&told["state"], &told["kayako_id"]), (&Value::from("committed"), &migrated["kayako_id"]));
    assert!(told["history"].as_array().unwrap().iter().any(|entry| entry["event"] == "committed"), "{told}");

    let failed = first("cases-failed.json");
    let told = explain(&failed);
    assert_eq!((&told["state"], &told["reason"]), (&Value::from("failed"), &failed["reason"]));
    assert!(told["next_step"].as_str().is_some_and(|step| !step.is_empty()), "{told}");

    let told = sample.run(&["explain", &deleted.0.to_string()]).expect(0);
    assert!(told.out.contains("skipped") && told.out.contains("deleted_at_source"), "{}", told.out);
    sample.run(&["explain", "987654321"]).expect_failure(8, "no-record");
}

#[test]
fn one_run_at_a_time_and_a_demo_can_be_repeated_by_its_seed() {
    let sample = Sample::new(30);
    let demo = sample.run(&["run", "--demo", "--seed", "5", "--json"]).expect(0).json();
    let again = sample.run(&["run", "--demo", "--seed", "5", "--json"]).expect(0).json();
    assert_eq!(demo["run"]["sample"], again["run"]["sample"]);
    assert_eq!(again["kinds"]["case"]["written_now"], 0, "a repeated demo writes nothing");
    assert_eq!(again["reports"].as_array().unwrap().len(), 32);
    // Finished: nothing to pause or cancel.
    sample.run(&["pause"]).expect_failure(8, "run-over");
}
