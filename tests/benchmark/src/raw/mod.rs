//! The bare loop: the same writes as ours, in the same batches, with the same look-ups, uploads and steps, and nothing else. No queue, no
//! ledger, no intents, no probes, no budget: a crash anywhere loses or doubles records. What it costs is what ours is compared with.
//!
//! Constraint: commands are made from the source before the clock of the writing starts, and both parts are told apart.

mod cases;
mod catalogue;
mod http;
mod people;

use std::collections::HashMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use model::command::{LoadCommand, Otherwise, Parent, PersonRef};
use model::{Generation, Kind, Origin, RecordKey};
use serde::{Deserialize, Serialize};
use sources::Source as _;

use crate::accounts::Accounts;
use crate::process;
use crate::source::{self, Item};
use catalogue::Catalogue;
use http::Http;

/// Kayako's limit of a bulk insert, and the bytes at which ours closes a batch.
const BATCH_RECORDS: usize = 200;
const BATCH_BYTES: usize = 4 << 20;

/// What the bare loop is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) accounts: Accounts,
    pub(crate) directory: PathBuf,
    pub(crate) batches: usize,
    pub(crate) steps: usize,
}

/// Time and processor time of one part.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) seconds: f64,
    pub(crate) cpu: f64,
}

/// What it did.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) read: Part,
    pub(crate) write: Part,
    pub(crate) records: u64,
    pub(crate) cases: u64,
    pub(crate) posts: u64,
    pub(crate) files: u64,
}

/// Ids by record.
type Ids = HashMap<RecordKey, u64>;

/// What all batches share.
struct Loop {
    http: Http,
    catalogue: Catalogue,
    origin: Origin,
    directory: PathBuf,
    steps: usize,
    ids: Ids,
}

/// The role of a raw process: prints its report as one line.
pub(crate) async fn main(order: &str) -> anyhow::Result<()> {
    let order: Order = serde_json::from_str(order).context("the bare loop's order")?;
    let report = run(&order).await?;
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&report)?)?;
    Ok(())
}

/// Measures what happens from its making to [`Clock::part`].
struct Clock {
    began: Instant,
    cpu: f64,
}

impl Clock {
    fn start() -> Self {
        Self { began: Instant::now(), cpu: process::own_cpu() }
    }

    fn part(&self) -> Part {
        Part { seconds: self.began.elapsed().as_secs_f64(), cpu: process::own_cpu() - self.cpu }
    }
}

async fn run(order: &Order) -> anyhow::Result<Report> {
    let clock = Clock::start();
    let commands = source::read(&order.accounts, &order.directory).await?;
    let mut report = Report { read: clock.part(), ..Report::default() };
    for item in commands.by_kind.values().flatten() {
        if let LoadCommand::Case(case) = &item.command {
            report.cases += 1;
            report.posts += case.posts.len() as u64;
            report.files += case.posts.iter().map(|post| post.attachments.len() as u64).sum::<u64>();
        }
    }
    let clock = Clock::start();
    let mut all = Loop {
        catalogue: Catalogue::read(&order.accounts).await?,
        http: Http::log_in(&order.accounts).await?,
        origin: source::open(&order.accounts)?.origin(),
        directory: order.directory.clone(),
        steps: order.steps,
        ids: Ids::new(),
    };
    for kind in Kind::ALL {
        let items = commands.by_kind.get(&kind).map(Vec::as_slice).unwrap_or_default();
        let written = all.write(kind, items, order.batches).await?;
        report.records += written.len() as u64;
        all.ids.extend(written);
    }
    report.write = clock.part();
    Ok(report)
}

impl Loop {
    async fn write(
        &self,
        kind: Kind,
        items: &[Item],
        batches: usize,
    ) -> anyhow::Result<Vec<(RecordKey, u64)>> {
        let (first, merged) = people::merge(items);
        let owners = people::owners(&first);
        let mut written: Vec<(RecordKey, u64)> = stream::iter(cut(first))
            .map(|batch| {
                let owners = &owners;
                async move {
                    match kind {
                        Kind::Team => self.teams(&batch).await,
                        Kind::Organization => self.organizations(&batch, owners).await,
                        Kind::User => self.users(&batch, owners).await,
                        Kind::Case => self.cases(&batch).await,
                    }
                }
            })
            .buffer_unordered(batches)
            .try_concat()
            .await?;
        let ids: HashMap<&RecordKey, u64> = written.iter().map(|(key, id)| (key, *id)).collect();
        let merged: Vec<(RecordKey, u64)> =
            merged.into_iter().filter_map(|(key, holder)| Some((key, *ids.get(&holder)?))).collect();
        written.extend(merged);
        Ok(written)
    }

    fn legacy_id(&self, key: &RecordKey) -> String {
        self.origin.key(key, Generation(0)).as_str().to_owned()
    }

    fn parent(&self, parent: &Parent) -> Option<u64> {
        if let Some(id) = self.ids.get(&parent.key) {
            return Some(*id);
        }
        match parent.otherwise {
            Otherwise::Placeholder => self.ids.get(&RecordKey::placeholder_user()).copied(),
            Otherwise::DefaultAgent => Some(self.catalogue.default_agent),
            Otherwise::Omit | Otherwise::Fail => None,
        }
    }

    fn person(&self, person: &PersonRef) -> Option<u64> {
        match person {
            PersonRef::DefaultAgent => Some(self.catalogue.default_agent),
            PersonRef::Record(parent) => self.parent(parent),
        }
    }
}

/// Batches as ours closes them.
fn cut(items: Vec<&Item>) -> Vec<Vec<&Item>> {
    let mut batches = Vec::new();
    let mut open: Vec<&Item> = Vec::new();
    let mut bytes = 0;
    for item in items {
        if !open.is_empty() && (open.len() >= BATCH_RECORDS || bytes + item.bytes > BATCH_BYTES) {
            batches.push(std::mem::take(&mut open));
            bytes = 0;
        }
        bytes += item.bytes;
        open.push(item);
    }
    if !open.is_empty() {
        batches.push(open);
    }
    batches
}
