//! No secret and nothing that customers wrote leaves the data path: not into logs, the ledger, metrics or results.

use std::fs;

use anyhow::{Context as _, Result};
use redis::Commands as _;
use sandbox::faults::{Fault, Schedule, When};
use sandbox::zendesk::NewComment;
use serde_json::{Map, Value, json};
use system_tests::accounts::{Accounts, config, rule};
use system_tests::migration::Migration;
use system_tests::service_runs::finish;

/// Planted in names, addresses, subjects and comments; nothing else contains it.
const MARKER: &str = "Zq7markerK2";
/// Everything that our own crates have to say.
const TALKATIVE: &str = "info,cli=trace,coordinator=trace,extractor=trace,transformer=trace,loader=trace,kayako=trace,\
                         sources=trace,ledger=trace,blobs=trace,queue=trace,runtime=trace,model=trace";

/// Accounts with planted texts, and with faults, because errors are where texts leak.
async fn planted(seed: u64) -> Result<Accounts> {
    let mut config = config(seed, 30);
    let once = |path: &str, nth, fault| rule("", path, When::Nth(nth), fault);
    config.faults.kayako = Schedule {
        seed,
        rules: vec![
            once("/api/v1/bulk/users", 1, Fault::DropAfter),
            once("/api/v1/users", 2, Fault::NotJson),
            once("/api/v1/bulk/cases", 1, Fault::HtmlBefore),
            once("/api/v1/files", 1, Fault::ErrorBefore),
        ],
    };
    config.faults.zendesk = Schedule { seed, rules: vec![once("/api/v2/tickets/", 2, Fault::NotJson)] };
    let accounts = Accounts::open(config).await?;
    let fields = |value: Value| -> Map<String, Value> { value.as_object().cloned().unwrap_or_default() };
    let zendesk = &accounts.sandbox.zendesk;
    let user = zendesk.add_user(fields(json!({
        "name": format!("{MARKER} Person"), "email": format!("{MARKER}@{MARKER}.example"), "notes": format!("note {MARKER}"),
        "tags": [format!("tag-{MARKER}")],
    })));
    let user = user.map_err(|error| anyhow::anyhow!("{error:?}"))?;
    let comment: NewComment = serde_json::from_value(
        json!({"body": format!("text {MARKER}"), "author_id": user.id,
        "html_body": format!("<p>text {MARKER}</p>"),
        "attachments": [{"file_name": format!("{MARKER}.txt"), "content_type": "text/plain", "text": MARKER}]}),
    )?;
    let ticket = json!({"subject": format!("subject {MARKER}"), "requester_id": user.id, "submitter_id": user.id,
        "tags": [format!("tag-{MARKER}")]});
    zendesk.add_ticket(fields(ticket), &comment).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    // The export leaves the last minute out.
    zendesk.advance(3_600);
    Ok(accounts)
}

/// What must be found nowhere.
fn forbidden(accounts: &Accounts) -> Vec<String> {
    let people = accounts.company.end_user_emails(0..accounts.company.size().end_users);
    let mut all = vec![
        MARKER.to_owned(),
        MARKER.to_lowercase(),
        accounts.zendesk_token.clone(),
        accounts.kayako_password.clone(),
    ];
    all.extend(people.flat_map(|person| [person.email.to_lowercase(), person.name]));
    all
}

fn assert_absent(accounts: &Accounts, place: &str, bytes: &[u8]) {
    for text in forbidden(accounts) {
        let found = bytes.windows(text.len()).position(|window| window.eq_ignore_ascii_case(text.as_bytes()));
        if let Some(at) = found {
            let around = &bytes[at.saturating_sub(120)..(at + text.len() + 120).min(bytes.len())];
            panic!("\"{text}\" is in {place}: {}", String::from_utf8_lossy(around));
        }
    }
}

fn assert_logs_are_clean(migration: &Migration<'_>) -> Result<()> {
    let logs = migration.logs()?;
    assert!(
        logs.iter().any(|(_, text)| text.len() > 2_000),
        "the processes said nothing: the search finds nothing"
    );
    for (name, text) in logs {
        assert_absent(migration.accounts, &name, text.as_bytes());
    }
    Ok(())
}

/// The planted ticket arrived: without that the search proves nothing.
async fn assert_planted_arrived(accounts: &Accounts) -> Result<()> {
    let holding = accounts.kayako.holding().await?;
    let planted =
        holding.cases.iter().find(|case| case.subject.contains(MARKER)).context("the planted case")?;
    assert!(planted.posts.iter().any(|post| post.contents.contains(MARKER)));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_keeps_secrets_and_texts_out_of_logs_ledger_and_results() -> Result<()> {
    let accounts = planted(81).await?;
    let mut migration = Migration::in_one_process(&accounts)?;
    migration.environment = vec![("RUST_LOG", TALKATIVE.to_owned())];
    migration.carried_out(&["run", "--full"]).await?;
    assert_planted_arrived(&accounts).await?;
    migration.done(&["status"]).await?;
    assert_logs_are_clean(&migration)?;
    let mut files = 0;
    for name in ["ledger.db", "ledger.db-wal"] {
        if let Ok(bytes) = fs::read(migration.path("plan.kayako-migrate").join(name)) {
            assert_absent(&accounts, name, &bytes);
            files += usize::from(!bytes.is_empty());
        }
    }
    assert!(files > 0, "no ledger was looked at");
    migration.passed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_keep_secrets_and_texts_out_of_logs_redis_and_metrics() -> Result<()> {
    let accounts = planted(82).await?;
    let mut migration = Migration::of_services(&accounts)?;
    migration.environment = vec![("RUST_LOG", TALKATIVE.to_owned())];
    let services = migration.serve_all()?.into_all();
    migration.carried_out(&["run", "--full"]).await?;
    assert_planted_arrived(&accounts).await?;
    for service in &services {
        let url = format!("http://{}/metrics", service.port().await?);
        let metrics = reqwest::get(url).await?.error_for_status()?.text().await?;
        assert!(metrics.lines().count() > 10, "there are no metrics");
        assert_absent(&accounts, "the metrics", metrics.as_bytes());
    }
    let shared = migration.shared.as_ref().context("services share a ledger")?;
    let mut redis = redis::Client::open(shared.ledger.as_str())?.get_connection()?;
    let keys: Vec<Vec<u8>> = redis.scan_match(format!("*{}*", migration.name))?.collect::<Result<_, _>>()?;
    assert!(keys.len() > 3, "only {} keys of the migration", keys.len());
    for key in &keys {
        let name = String::from_utf8_lossy(key).into_owned();
        let kind: String = redis::cmd("TYPE").arg(key).query(&mut redis)?;
        let held: Vec<Vec<u8>> = match kind.as_str() {
            "string" => vec![redis.get(key)?],
            "hash" => redis.hgetall::<_, Vec<Vec<u8>>>(key)?,
            "zset" => redis.zrange(key, 0, -1)?,
            "set" => redis.smembers(key)?,
            "list" => redis.lrange(key, 0, -1)?,
            other => panic!("{name} is a {other}: teach this test to look into it"),
        };
        for value in held {
            assert_absent(&accounts, &name, &value);
        }
    }
    finish(&migration, services).await?;
    assert_logs_are_clean(&migration)?;
    migration.passed();
    Ok(())
}
