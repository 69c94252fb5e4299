//! Fills a ledger alone: bytes per settled record, transitions per second. No accounts, no queue.
//!
//! Constraint: every record lives its whole ordinary life (registered, published, claimed, intended, created, committed), in batches
//! as services send them, so that what is measured is what a migration does to its ledger.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures::stream::{self, TryStreamExt as _};
use ledger::{Claim, ClaimRequest, Ledger, OpenOptions, Registration};
use model::row::Arrival;
use model::transition::Verdict;
use model::{KayakoId, Kind, MigrationId, RecordKey, RunNo};

use crate::brokers::Brokers;
use crate::table::say;

/// Records of one batch: a bulk insert's.
const BATCH: u64 = 200;
/// Batches on their way at the same time: as many as four loaders have.
const ABREAST: usize = 16;
/// Events of one life: register, published, claim, intend, created, commit.
const EVENTS: u64 = 6;
const LEASE: Duration = Duration::from_mins(10);
const RUN: RunNo = RunNo(1);

/// Fills a Redis and a file with so many records and prints what they cost.
pub(crate) async fn fill(rows: u64, brokers: &Brokers, directory: &Path) -> anyhow::Result<()> {
    say("\n| ledger | records | seconds | transitions/s | bytes per settled record |");
    say("|---|--:|--:|--:|--:|");
    let before = brokers.redis_bytes("rows").await?;
    let seconds = live(&brokers.ledger, rows).await?;
    let after = brokers.redis_bytes("rows").await?;
    line("Redis, the rows", rows, seconds, after.rows - before.rows);
    line("Redis, all of the server's memory", rows, seconds, after.used.saturating_sub(before.used));
    let file = directory.join("rows.db");
    let seconds = live(&format!("sqlite:{}", file.display()), rows).await?;
    line("SQLite, the file", rows, seconds, std::fs::metadata(&file)?.len());
    Ok(())
}

fn line(what: &str, rows: u64, seconds: f64, bytes: u64) {
    #[expect(clippy::cast_precision_loss, reason = "numbers of records and bytes stay far below 2^53")]
    let (count, per, rate) =
        (rows, bytes as f64 / rows.max(1) as f64, (rows * EVENTS) as f64 / seconds.max(1e-9));
    say(&format!("| {what} | {count} | {seconds:.0} | {rate:.0} | {per:.1} |"));
}

/// Lets so many records live; the seconds it took.
async fn live(url: &str, rows: u64) -> anyhow::Result<f64> {
    let ledger = Ledger::open(url, &MigrationId::new("rows")?, OpenOptions::create(rows)).await?;
    let began = Instant::now();
    stream::iter((0..rows.div_ceil(BATCH)).map(anyhow::Ok))
        .try_for_each_concurrent(ABREAST, |batch| {
            batch_of(&ledger, batch * BATCH, rows.min((batch + 1) * BATCH))
        })
        .await?;
    let seconds = began.elapsed().as_secs_f64();
    let counts = ledger.counts(RUN).await?;
    ensure!(counts.of(Kind::Case).migrated == rows, "not every record was committed: {counts:?}");
    Ok(seconds)
}

async fn batch_of(ledger: &Ledger, from: u64, to: u64) -> anyhow::Result<()> {
    let keys: Vec<RecordKey> = (from..to).map(|id| RecordKey::new(Kind::Case, id)).collect();
    let registrations: Vec<Registration> = keys
        .iter()
        .map(|key| Registration {
            key: key.clone(),
            fingerprint: from,
            verdict: Verdict::Selected,
            implied: false,
        })
        .collect();
    ledger.register(RUN, &registrations).await?;
    let published: Vec<(RecordKey, u32)> = keys.iter().map(|key| (key.clone(), 0)).collect();
    ledger.published(&published).await?;
    let requests: Vec<ClaimRequest> = keys
        .iter()
        .map(|key| ClaimRequest { key: key.clone(), parents: Vec::new(), command_hash: 1, wait: None })
        .collect();
    let claimed = ledger.claim(&requests, LEASE, Duration::ZERO).await?;
    ensure!(
        claimed.claims.iter().all(|claim| matches!(claim, Claim::Go { .. })),
        "a fresh record was not given out"
    );
    let fence = claimed.fence;
    ledger.intend(fence, &keys, claimed.now.plus(Duration::from_secs(30))).await?;
    let created: Vec<(RecordKey, KayakoId, Arrival)> =
        keys.iter().zip(from..).map(|(key, id)| (key.clone(), KayakoId(id + 1), Arrival::Created)).collect();
    ledger.created(fence, &created).await?;
    let committed: Vec<(RecordKey, u64)> = keys.iter().map(|key| (key.clone(), from)).collect();
    let answers = ledger.commit(fence, &committed).await?;
    answers.into_iter().collect::<Result<Vec<_>, _>>().context("a record was not committed")?;
    Ok(())
}
