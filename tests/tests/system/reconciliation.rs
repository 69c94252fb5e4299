//! What is in Kayako, against what the ledger says: what is too many, missing or nobody's is found, told, and put right where that is safe.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use sandbox::faults::{Fault, Rule, Schedule, When};
use sandbox::kayako::CaseTruth;
use serde_json::{Value, json};
use system_tests::accounts::{Accounts, config, rule, slow};
use system_tests::migration::{Finished, Migration};
use system_tests::processes::PATIENCE;
use system_tests::waiting::until;

const RUN: [&str; 2] = ["run", "--full"];
const LOOK: [&str; 2] = ["verify", "--reconcile"];
const REPAIR: [&str; 3] = ["verify", "--reconcile", "--repair"];

fn active(accounts: &Accounts) -> Vec<CaseTruth> {
    accounts.sandbox.kayako.cases(0, 500).into_iter().filter(|case| case.state == "ACTIVE").collect()
}

fn key(case: &CaseTruth) -> &str {
    case.legacy_id.as_deref().unwrap_or_default()
}

/// The differences that a comparison has written down.
fn listed(migration: &Migration<'_>, document: &Value) -> Result<Vec<Value>> {
    let file = document["file"].as_str().context("a file")?;
    Ok(serde_json::from_str(&fs::read_to_string(migration.path(file))?)?)
}

/// A case that somebody else writes under this key.
async fn write_case(accounts: &Accounts, like: &CaseTruth, legacy_id: &str) -> Result<u64> {
    let before = accounts.cases();
    let case = json!({"cases": [{"subject": "again", "contents": "again", "legacy_id": legacy_id,
        "requester_id": like.requester.id, "channel": "NOTE"}]});
    accounts.kayako.api("POST", "bulk/cases", Some(&case)).await?;
    until("the case", PATIENCE, async || Ok((accounts.cases() > before).then_some(()))).await?;
    let written =
        active(accounts).into_iter().filter(|case| key(case) == legacy_id).map(|case| case.id).max();
    written.context("the case that was written")
}

/// Somebody creates a second case under a record's key and throws another case away. The comparison finds both and says what it would do
/// about them; with `--repair` the surplus one goes to the trash and the next run writes the missing one again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_many_and_what_is_missing_is_found_and_repaired() -> Result<()> {
    let accounts = Accounts::open(config(87, 40)).await?;
    let mut migration = Migration::in_one_process(&accounts)?;
    migration.carried_out(&RUN).await?;
    let clean = migration.done(&LOOK).await?;
    assert!(clean["compared"].as_u64().unwrap_or(0) > 40, "{clean}");
    let there = accounts.sandbox.kayako.counts();
    let there = there.teams + there.organizations + there.users + there.cases;
    assert_eq!(clean["listed"].as_u64(), Some(there as u64), "every object of the account: {clean}");
    assert_eq!((&clean["differences"], &clean["unsettled"]), (&json!({}), &json!([])), "{clean}");

    let cases = active(&accounts);
    let (doubled, gone) = (&cases[0], &cases[1]);
    let twin = write_case(&accounts, doubled, key(doubled)).await?;
    accounts.kayako.api("PUT", &format!("cases/{}/trash", gone.id), None).await?;
    let found = migration.run(&LOOK).await?;
    assert_eq!(found.code, Some(6), "differences have their own exit code: {}", found.document);
    assert_eq!(found.document["differences"], json!({"surplus": 1, "missing": 1}), "{}", found.document);
    assert_eq!(found.document["repaired"], 0, "{}", found.document);
    let preview = listed(&migration, &found.document)?;
    let of = |lines: &[Value], name: &str| {
        lines.iter().find(|line| line["discrepancy"] == name).cloned().unwrap_or_default()
    };
    let surplus = of(&preview, "surplus");
    assert_eq!((&surplus["action"], &surplus["others"]), (&json!("trash"), &json!([twin])), "{surplus}");
    assert_eq!((surplus["kayako_id"].as_u64(), &surplus["repaired"]), (Some(doubled.id), &json!(false)));
    assert!(surplus["other_links"][0].as_str().is_some_and(|link| link.ends_with(&twin.to_string())));
    assert_eq!(of(&preview, "missing")["action"], "write_again", "{preview:?}");
    assert_eq!(active(&accounts).len(), cases.len(), "nothing was changed: one more, one less");

    let repaired = migration.done(&REPAIR).await?;
    assert_eq!(repaired["repaired"], 2, "{repaired}");
    let status = migration.done(&["status"]).await?;
    assert_eq!(status["reconciliation"]["repaired"], 2, "part of the run: {status}");
    let report = migration.done(&["report"]).await?;
    assert_eq!(report["reconciliation"]["file"], repaired["file"], "{report}");
    let again = migration.carried_out(&RUN).await?;
    assert_eq!(again["kinds"]["case"]["written_now"], 1, "{again}");
    let clean = migration.done(&LOOK).await?;
    assert_eq!(clean["differences"], json!({}), "{clean}");
    assert_eq!(active(&accounts).len(), accounts.expected_cases() + accounts.before.cases.len());
    // The record of what was done outlives later looks, in the files and in the records' histories.
    let record = listed(&migration, &repaired)?;
    assert!(record.iter().all(|line| line["repaired"] == true), "{record:?}");
    let ticket = key(doubled).rsplit(':').next().unwrap_or_default();
    let told = migration.done(&["explain", ticket]).await?;
    let trashed =
        told["history"].as_array().into_iter().flatten().find(|line| line["trashed"] == json!([twin]));
    assert!(trashed.is_some(), "{told}");
    migration.passed();
    Ok(())
}

/// Objects under this migration's keys that its ledger has no row for, or another generation: they are told and left alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_ledger_does_not_know_is_found_and_left_alone() -> Result<()> {
    let accounts = Accounts::open(config(88, 30)).await?;
    let mut migration = Migration::in_one_process(&accounts)?;
    migration.carried_out(&RUN).await?;
    let like = active(&accounts).into_iter().next().context("a case")?;
    let origin = key(&like).split(':').next().unwrap_or_default().to_owned();
    let no_row = format!("{origin}:case:999999999");
    let generation = format!("{}@3", key(&like));
    let mut foreign = vec![write_case(&accounts, &like, &no_row).await?];
    foreign.push(write_case(&accounts, &like, &generation).await?);
    write_case(&accounts, &like, "YAK-923-46434").await?;
    write_case(&accounts, &like, &format!("{origin}x:case:1")).await?;
    let company = json!({"name": "Left over", "legacy_id": format!("{origin}:organization:424242")});
    let company = accounts.kayako.api("POST", "organizations", Some(&company)).await?;
    foreign.push(company["data"]["id"].as_u64().context("the organization's id")?);
    let written = active(&accounts).len();

    let Finished { code, document } = migration.run(&REPAIR).await?;
    assert_eq!(code, Some(6), "{document}");
    assert_eq!((&document["differences"], &document["repaired"]), (&json!({"foreign": 3}), &json!(0)));
    let lines = listed(&migration, &document)?;
    let mut told: Vec<u64> = lines.iter().filter_map(|line| line["others"][0].as_u64()).collect();
    told.sort_unstable();
    foreign.sort_unstable();
    assert_eq!(told, foreign, "{lines:?}");
    let case =
        lines.iter().find(|line| line["origin_key"] == no_row.as_str()).context("the case without a row")?;
    assert_eq!(
        (&case["kind"], &case["source_id"], &case["action"]),
        (&json!("case"), &json!("999999999"), &json!("none"))
    );
    assert_eq!(active(&accounts).len(), written, "they may be somebody's");

    let skipped = migration.done(&["verify", "--reconcile", "--skip-foreign"]).await?;
    assert_eq!((&skipped["differences"], &skipped["listed"]), (&json!({}), &Value::Null), "{skipped}");
    // An account whose lists do not show the keys cannot be searched, and that is said.
    let mut switches = accounts.sandbox.kayako.switches();
    switches.lists_show_legacy_id = false;
    accounts.sandbox.kayako.set_switches(switches);
    let Finished { code, document } = migration.run(&LOOK).await?;
    assert_eq!((code, &document["differences"]), (Some(6), &json!({})), "{document}");
    let unsettled: Vec<&str> =
        document["unsettled"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    assert!(unsettled.contains(&"case") && unsettled.contains(&"user"), "{document}");
    migration.passed();
    Ok(())
}

/// A ledger is lost and begun anew with a demo: all that the lost one wrote beyond the sample is foreign to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_lost_ledger_wrote_is_foreign_to_the_next_one() -> Result<()> {
    let accounts = Accounts::open(config(90, 40)).await?;
    let mut migration = Migration::in_one_process(&accounts)?;
    migration.carried_out(&RUN).await?;
    fs::remove_dir_all(migration.path("plan.kayako-migrate"))?;
    migration.carried_out(&["run", "--demo", "--seed", "4"]).await?;
    let Finished { code, document } = migration.run(&LOOK).await?;
    assert_eq!(code, Some(6), "{document}");
    let cases = listed(&migration, &document)?
        .iter()
        .filter(|line| line["kind"] == "case" && line["discrepancy"] == "foreign")
        .count();
    assert_eq!(cases, accounts.expected_cases() - 20, "all but the sample: {document}");
    migration.passed();
    Ok(())
}

/// A case was in doubt and has arrived; then somebody throws it away while the run goes on. The count before the run's end notices, and
/// the run ends with the case written anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_that_is_thrown_away_before_the_last_count_is_written_again_within_the_run() -> Result<()> {
    let mut config = config(91, 150);
    let lost = Rule { times: Some(1), ..rule("POST", "/api/v1/bulk/cases", When::Nth(1), Fault::DropAfter) };
    config.faults.kayako = Schedule { seed: 91, rules: vec![lost] };
    config.faults.zendesk = slow(40);
    let accounts = Accounts::open(config).await?;
    let migration = Migration::in_one_process(&accounts)?;
    let mut run = migration.start(&RUN)?;
    let first = until("a case", PATIENCE, async || Ok(active(&accounts).into_iter().next())).await?;
    // The run cannot end while the source is away.
    let broken = rule("", "", When::Always, Fault::ErrorBefore);
    accounts.sandbox.zendesk_server.set_faults(Schedule { seed: 1, rules: vec![broken] });
    let ticket = key(&first).rsplit(':').next().unwrap_or_default().to_owned();
    let known = until("the end of the doubt", PATIENCE, async || {
        let told = migration.done(&["explain", &ticket]).await?;
        Ok((told["state"] == "committed").then_some(told))
    })
    .await?;
    let id = known["kayako_id"].as_u64().context("its object")?;
    accounts.kayako.api("PUT", &format!("cases/{id}/trash"), None).await?;
    accounts.sandbox.zendesk_server.set_faults(Schedule::default());
    let ended = run.ended().await?;
    let document = run.document()?;
    ensure!(ended.code() == Some(0), "the run ended with {ended}: {document}");
    let counts = &document["kinds"]["case"];
    assert_eq!((&counts["failed"], &counts["pending"]), (&json!(0), &json!(0)), "{document}");
    let told = migration.done(&["explain", &ticket]).await?;
    assert_eq!((&told["state"], &told["generation"]), (&json!("committed"), &json!(1)), "{told}");
    assert_ne!(told["kayako_id"].as_u64(), Some(id), "{told}");
    let requeued = told["history"].as_array().into_iter().flatten().any(|line| line["event"] == "requeued");
    assert!(requeued, "{told}");
    assert_eq!(active(&accounts).len(), accounts.expected_cases() + accounts.before.cases.len());
    migration.passed();
    Ok(())
}
