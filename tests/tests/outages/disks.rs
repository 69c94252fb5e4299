//! Disks that are full: for attachments and histories, for the ledger file, for both.

use std::fs;

use anyhow::{Result, ensure};
use serde_json::Value;
use system_tests::accounts::Accounts;
use system_tests::migration::Migration;
use system_tests::small_disk::SmallDisk;

use crate::ground::{Servers, accounts, ends_well, fleet, judged, migration, patience, people, total};

/// Room for a whole run, in KiB: so much for a ticket with all that belongs to it, and what a file system and a ledger
/// file take at least.
const ROOM_PER_TICKET: u64 = 128;
const ROOM: u64 = 32 * 1024;
/// What the system says of a full disk.
const FULL: &str = "No space left on device";

fn told(document: &Value) -> String {
    document["error"].to_string()
}

fn room(accounts: &Accounts) -> u64 {
    ROOM + ROOM_PER_TICKET * accounts.company.size().tickets
}

/// Fills the disk in the middle of a run. Kayako is away meanwhile, so that the run does not end before the disk is full.
async fn fills_up(accounts: &Accounts, disk: &SmallDisk) -> Result<()> {
    people(accounts, 3).await?;
    accounts.sandbox.kayako.set_outage(true);
    disk.fill()?;
    accounts.sandbox.kayako.set_outage(false);
    Ok(())
}

/// Services: the run halts for all, no record fails, and after `resume` everything arrives once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_place_for_attachments_is_full() -> Result<()> {
    let servers = Servers::start().await?;
    let accounts = accounts(181).await?;
    let mut migration = migration(&accounts, servers.shared())?;
    let disk = SmallDisk::open(&migration.path(""), &migration.path("blobs"), room(&accounts)).await?;
    migration.launcher = disk.launcher()?;
    let services = fleet(&migration)?;
    let mut run = migration.start(&["run", "--full"])?;
    fills_up(&accounts, &disk).await?;
    let ended = run.ended().await?;
    let document = run.document()?;
    ensure!(ended.code() == Some(5), "the command ended with {ended}: {document}");
    ensure!(document["error"]["code"] == "run-halted", "{document}");
    ensure!(told(&document).contains(FULL), "nobody is told why: {document}");
    let status = migration.done(&["status"]).await?;
    ensure!(status["run"]["status"] == "halted", "{status}");
    ensure!(total(&status, "failed") == 0, "{status}");
    ensure!(total(&status, "pending") > 0, "nothing was left to do: {status}");
    disk.empty()?;
    migration.done(&["resume"]).await?;
    let mut run = migration.start(&["run", "--full"])?;
    ends_well(&mut migration, &mut run, services).await?;
    migration.passed();
    Ok(())
}

/// One process whose state directory is a full disk. `more` may put attachments and histories elsewhere.
async fn one_process(seed: u64, more: &[&str], codes: &[&str]) -> Result<()> {
    let accounts = accounts(seed).await?;
    let mut migration = Migration::in_one_process(&accounts)?;
    migration.killed = true;
    migration.patience = patience();
    let state = migration.path("plan.kayako-migrate");
    fs::create_dir(&state)?;
    let disk = SmallDisk::open(&migration.path(""), &state, room(&accounts)).await?;
    migration.launcher = disk.launcher()?;
    let command = [&["run", "--full"], more].concat();
    let mut run = migration.start(&command)?;
    fills_up(&accounts, &disk).await?;
    let ended = run.ended().await?;
    let document = run.document()?;
    let coded = |document: &Value| codes.iter().any(|code| document["error"]["code"] == *code);
    ensure!(ended.code() == Some(5) && coded(&document), "the command ended with {ended}: {document}");
    println!("the command said: {}", told(&document));
    // Nothing is better as long as there is no room.
    let again = migration.run(&command).await?;
    ensure!(again.code == Some(5) && coded(&again.document), "{:?}: {}", again.code, again.document);
    disk.empty()?;
    let document = migration.carried_out(&command).await?;
    ensure!(total(&document, "failed") == 0, "{document}");
    judged(&mut migration, vec![]).await?;
    migration.passed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_disk_of_the_ledger_is_full() -> Result<()> {
    one_process(182, &["--blobs", "blobs"], &["storage-full"]).await
}

/// Whichever notices it first tells it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_disk_of_everything_is_full() -> Result<()> {
    one_process(183, &[], &["storage-full", "run-halted"]).await
}
