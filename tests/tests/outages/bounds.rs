//! What stays bounded whatever happens: queues, memory and disk while Kayako is away for long; and the window of cases that wait.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use system_tests::accounts::calls;
use system_tests::migration::Migration;
use system_tests::processes::Process;
use system_tests::waiting::until;
use tokio::time::Instant;

use crate::ground::{Servers, accounts_of, ends_well, fleet, limited, patience, people, total};

/// Enough that most of it does not fit into the window.
const TICKETS: u64 = 400;
/// Records that may be on their way.
const WINDOW: u64 = 100;
/// What is finished although the window is full: three pages of a hundred records in each of two extractors.
const PAGES_IN_HAND: u64 = 2 * 3 * 100;
/// Memory of one service, in KiB. Not optimized, it takes about half of it.
const MEMORY: u64 = 192 * 1024;
/// Staged files may take 1 MiB (the smallest limit), and what the pages in hand bring on top; with them lie the histories.
const STAGED: u64 = 1024 * 1024;
const DISK: u64 = STAGED + 32 * 1024 * 1024;
/// Reading that has not moved for so long stands still: a page takes a fraction of it, and a circuit is probed three times.
const STILL: Duration = Duration::from_secs(10);
/// Records of which the attempts are looked at.
const LOOKED_AT: usize = 6;
/// Where to begin with the look: those before have mostly arrived by then.
const ARRIVED: u64 = 20;

/// The most memory that a process has ever had, in KiB.
fn peak(process: &Process) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id()?))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("VmHWM")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}

/// Bytes below a directory. What is deleted meanwhile does not count.
fn size(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
    entries
        .map(|entry| match entry.metadata() {
            Ok(about) if about.is_dir() => size(&entry.path()),
            Ok(about) => about.len(),
            Err(_) => 0,
        })
        .sum()
}

/// Some people who are on their way.
async fn on_their_way(migration: &Migration<'_>) -> Result<Vec<String>> {
    let company = &migration.accounts.company;
    let mut found = Vec::new();
    // The first had arrived before the outage, the last have not been read.
    for ordinal in ARRIVED..company.user_count() {
        let id = company.user_id(ordinal).to_string();
        if attempts(migration, &id).await?.is_some() {
            found.push(id);
        }
        if found.len() >= LOOKED_AT {
            break;
        }
    }
    Ok(found)
}

/// Attempts that a user on the way has used up.
async fn attempts(migration: &Migration<'_>, id: &str) -> Result<Option<u64>> {
    let told = migration.run(&["explain", id, "--kind", "user"]).await?;
    Ok(told.document["attempts"].as_u64().filter(|_| told.code == Some(0)))
}

async fn attempts_of(migration: &Migration<'_>, ids: &[String]) -> Result<Vec<Option<u64>>> {
    let mut all = Vec::new();
    for id in ids {
        all.push(attempts(migration, id).await?);
    }
    Ok(all)
}

/// Kayako is away for longer than any record would be tried.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queues_memory_and_disk_stay_bounded_while_kayako_is_away() -> Result<()> {
    let servers = Servers::start().await?;
    let accounts = accounts_of(191, TICKETS, |_| {}).await?;
    let more = format!("limits: {{ outstanding: {WINDOW}, staged_bytes: {STAGED} }}\n");
    let mut migration = limited(&accounts, servers.shared(), &more)?;
    let services = fleet(&migration)?;
    let mut run = migration.start(&["run", "--full"])?;
    people(&accounts, 3).await?;
    accounts.sandbox.kayako.set_outage(true);
    let mut last = (0, Instant::now());
    until("reading that stands still", patience(), async || {
        let read = calls(&accounts.sandbox.zendesk_server.counts(), |_, path| path.starts_with("/api/v2"));
        if read != last.0 {
            last = (read, Instant::now());
        }
        Ok((last.1.elapsed() > STILL).then_some(()))
    })
    .await?;
    let status = migration.done(&["status"]).await?;
    let (pending, queued) = (total(&status, "pending"), servers.rabbit.messages()?);
    let disk = size(&migration.path("blobs"));
    let memory: Vec<u64> = services.iter().map(peak).collect::<Result<_>>()?;
    println!(
        "{pending} records pending, {queued} messages, {disk} bytes of blobs, memory at its peak {memory:?} KiB"
    );
    ensure!(pending >= WINDOW, "only {pending} records are on their way: {status}");
    ensure!(pending <= WINDOW + PAGES_IN_HAND, "{pending} records are on their way: {status}");
    ensure!(queued > 0 && queued <= WINDOW + PAGES_IN_HAND, "{queued} messages are in the queues: {status}");
    ensure!(disk <= DISK, "{disk} bytes lie in blobs");
    ensure!(memory.iter().all(|kib| *kib <= MEMORY), "memory at its peak: {memory:?} KiB");
    ensure!(total(&status, "failed") == 0, "{status}");

    // No try of a record is counted while the account as a whole is away.
    let people = on_their_way(&migration).await?;
    ensure!(!people.is_empty(), "nobody is on the way: {status}");
    let before = attempts_of(&migration, &people).await?;
    accounts.sandbox.kayako_server.reset_counts();
    until("calls that Kayako refuses", patience(), async || {
        Ok((accounts.sandbox.kayako_server.counts().total >= 6).then_some(()))
    })
    .await?;
    let after = attempts_of(&migration, &people).await?;
    println!("attempts: {before:?}");
    ensure!(before == after, "attempts went on while Kayako was away: {before:?} became {after:?}");

    accounts.sandbox.kayako.set_outage(false);
    ends_well(&mut migration, &mut run, services).await?;
    migration.passed();
    Ok(())
}

/// A demo reads its cases first; each then asks for its people and organizations. There are more cases than the window holds, so that no
/// parent would ever come if fetching it had to wait for room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_full_of_waiting_cases_lets_their_parents_through() -> Result<()> {
    let servers = Servers::start().await?;
    let accounts = accounts_of(192, 0, |_| {}).await?;
    let more = "limits: { outstanding: 10 }\nselection: { demo: { size: 40 } }\n";
    let mut migration = limited(&accounts, servers.shared(), more)?;
    let services = fleet(&migration)?;
    let demo = migration.carried_out(&["run", "--demo", "--seed", "5"]).await?;
    ensure!(demo["kinds"]["case"]["migrated"] == 40, "{demo}");
    let mut run = migration.start(&["run", "--full"])?;
    ends_well(&mut migration, &mut run, services).await?;
    migration.passed();
    Ok(())
}
