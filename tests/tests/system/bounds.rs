//! Kayako is away for long: reading stops at the credit window, nothing fails, and work goes on when it is back.

use anyhow::Result;
use system_tests::accounts::{Accounts, calls, config};
use system_tests::migration::Migration;
use system_tests::processes::PATIENCE;
use system_tests::rules::Rules;
use system_tests::waiting::until;
use tokio::time::{Duration, Instant};

const TICKETS: u64 = 700;
/// Records that may be on their way; the pages in hand (three of a hundred) are still finished.
const WINDOW: u64 = 150;
const OVERSHOOT: u64 = 300;
/// Reading that has not moved for so long stands still: a page takes a fraction of it.
const STILL: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_stops_at_the_window_while_kayako_is_away_and_goes_on_afterwards() -> Result<()> {
    let accounts = Accounts::open(config(88, TICKETS)).await?;
    let more = format!("limits: {{ outstanding: {WINDOW} }}\n");
    let migration = Migration::new(&accounts, Rules::default(), None, &more)?;
    let before = accounts.before.users.len();
    let mut run = migration.start(&["run", "--full"])?;
    until("people in Kayako", PATIENCE, async || {
        Ok((accounts.sandbox.kayako.counts().users > before).then_some(()))
    })
    .await?;
    accounts.sandbox.kayako.set_outage(true);
    let mut last = (0, Instant::now());
    until("reading that stands still", PATIENCE, async || {
        let read = calls(&accounts.sandbox.zendesk_server.counts(), |_, path| path.starts_with("/api/v2"));
        if read != last.0 {
            last = (read, Instant::now());
        }
        Ok((last.1.elapsed() > STILL).then_some(()))
    })
    .await?;
    let status = migration.done(&["status"]).await?;
    let of = |column: &str| -> u64 {
        let kinds = status["kinds"].as_object().into_iter().flat_map(|kinds| kinds.values());
        kinds.filter_map(|counts| counts[column].as_u64()).sum()
    };
    let pending = of("pending");
    assert!(pending >= WINDOW, "only {pending} records are on their way: {status}");
    assert!(pending <= WINDOW + OVERSHOOT, "{pending} records are on their way: {status}");
    assert_eq!(of("failed"), 0, "{status}");
    assert!(of("available") < TICKETS, "reading went on: {status}");
    accounts.sandbox.kayako.set_outage(false);
    let ended = run.ended().await?;
    anyhow::ensure!(ended.code() == Some(0), "the run ended with {ended}: {}", run.document()?);
    migration.arrived().await?;
    migration.passed();
    Ok(())
}
