//! Reads the source into load commands, barely: pages, details side by side, files into a directory. Nothing is remembered anywhere
//! else and nothing survives a crash.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use async_trait::async_trait;
use futures::stream::{self, Stream, TryStreamExt as _};
use model::command::{LoadCommand, Parent};
use model::listing::Listed;
use model::plan::Plan;
use model::record::{BlobRef, Content, Record, Role, Standing, User};
use model::{Kind, RecordKey, SourceId};
use sources::zendesk::{Auth, Settings, Zendesk};
use sources::{Bucket, Completed, Cursor, Download, Fetched, Next, Pace, RateHeaders, Source};
use tokio::io::AsyncWriteExt as _;
use transformer::Translation;

use crate::accounts::Accounts;
use crate::product;

/// Records completed side by side: as many as one extractor of ours by default.
const IN_FLIGHT: usize = 32;
/// Files of one record on their way; as ours.
const DOWNLOADS: usize = 2;
/// Parents are people, whose company is a parent: two rounds find all.
const ROUNDS: usize = 3;
/// Ids in one call of the source.
const IDS_PER_FETCH: usize = 100;

/// A record ready to be written.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) key: RecordKey,
    pub(crate) command: LoadCommand,
    /// Size of the command as JSON.
    pub(crate) bytes: usize,
}

/// Everything that is to be written, by kind.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    pub(crate) by_kind: BTreeMap<Kind, Vec<Item>>,
}

/// The bare loop obeys no limits; the sandbox has none.
struct NoPace;

#[async_trait]
impl Pace for NoPace {
    async fn acquire(&self, _bucket: Bucket) -> Result<(), sources::Error> {
        Ok(())
    }

    fn observe(&self, _bucket: Bucket, _limits: RateHeaders) {}
}

struct Reader {
    source: Zendesk,
    plan: Plan,
    files: PathBuf,
    written: AtomicU64,
}

/// Opens the account.
pub(crate) fn open(accounts: &Accounts) -> anyhow::Result<Zendesk> {
    let auth = Auth::ApiToken {
        email: accounts.zendesk_email.clone(),
        token: accounts.zendesk_token.clone().into(),
    };
    let mut settings = Settings::new(accounts.zendesk_url.parse()?, auth);
    // As plans have it.
    settings.page_size = 100;
    Ok(Zendesk::new(settings, Arc::new(NoPace))?)
}

/// Reads everything; files go below `directory`.
pub(crate) async fn read(accounts: &Accounts, directory: &Path) -> anyhow::Result<Commands> {
    let files = directory.join("files");
    std::fs::create_dir_all(&files)?;
    let yaml = product::plan("bench", accounts, &product::Tuning::default());
    let plan = Plan::parse(&yaml).map_err(|problems| anyhow::anyhow!("the plan: {problems}"))?;
    let reader = Reader { source: open(accounts)?, plan, files, written: AtomicU64::new(0) };
    let mut commands = Commands::default();
    let mut known = HashSet::new();
    for kind in Kind::ALL {
        reader.listing(kind, &mut commands, &mut known).await?;
    }
    for _ in 0..ROUNDS {
        if !reader.parents(&mut commands, &mut known).await? {
            break;
        }
    }
    Ok(commands)
}

/// Where a file's bytes are.
pub(crate) fn file(directory: &Path, reference: &BlobRef) -> PathBuf {
    directory.join("files").join(&reference.hash)
}

impl Reader {
    async fn listing(
        &self,
        kind: Kind,
        commands: &mut Commands,
        known: &mut HashSet<RecordKey>,
    ) -> anyhow::Result<()> {
        for shard in self.source.shards(kind).await? {
            // The next page is read while the records of those before are still being completed: nothing waits for the slowest
            // record of a page.
            let pages = stream::try_unfold(Some(None), |at: Option<Option<Cursor>>| async {
                let Some(cursor) = at else { return Ok::<_, anyhow::Error>(None) };
                let page = self.source.list(&shard, cursor.as_ref()).await.map_err(anyhow::Error::from)?;
                let next = match page.next {
                    Next::More(next) => Some(Some(next)),
                    Next::End(_) => None,
                };
                Ok(Some((stream::iter(page.records.into_iter().map(Ok::<_, anyhow::Error>)), next)))
            });
            self.take(pages.try_flatten(), commands, known).await?;
        }
        Ok(())
    }

    async fn take(
        &self,
        listed: impl Stream<Item = anyhow::Result<Listed>>,
        commands: &mut Commands,
        known: &mut HashSet<RecordKey>,
    ) -> anyhow::Result<()> {
        let wanted = listed.try_filter(|one| {
            let deleted = one.key.kind == Kind::Case && one.facts.deleted;
            std::future::ready(!deleted && known.insert(one.key.clone()))
        });
        let made = wanted.map_ok(|one| self.complete(one)).try_buffer_unordered(IN_FLIGHT);
        let mut made = std::pin::pin!(made);
        while let Some(record) = made.try_next().await? {
            if let Some(record) = record {
                self.translate(record, commands);
            }
        }
        Ok(())
    }

    fn translate(&self, record: Record, commands: &mut Commands) {
        let key = record.key();
        if let Translation::Load { command, .. } = transformer::translate(record, &self.plan) {
            let bytes = serde_json::to_vec(&command).map_or(0, |json| json.len());
            commands.by_kind.entry(key.kind).or_default().push(Item { key, command, bytes });
        }
    }

    async fn complete(&self, listed: Listed) -> anyhow::Result<Option<Record>> {
        // A record that cannot be read alone is left out, as ours fails it.
        let Ok(Completed::Record(mut record)) = self.source.complete(listed).await else { return Ok(None) };
        if let Record::Case(case) = record.as_mut() {
            let files = case.posts.iter_mut().flat_map(|post| &mut post.attachments);
            stream::iter(files.map(Ok))
                .try_for_each_concurrent(DOWNLOADS, |file| async move {
                    if let Content::AtSource(url) = &file.content {
                        file.content = self.download(url).await?;
                    }
                    anyhow::Ok(())
                })
                .await?;
        }
        Ok(Some(*record))
    }

    async fn download(&self, url: &str) -> anyhow::Result<Content> {
        let mut transfer = match self.source.download(url).await? {
            Download::Found(transfer) => transfer,
            Download::Missing(absence) => return Ok(Content::Missing(absence.word().to_owned())),
        };
        // Only a name here: the bare loop checks nothing.
        let hash = format!("{:064x}", self.written.fetch_add(1, Ordering::Relaxed));
        let mut out = tokio::fs::File::create(self.files.join(&hash)).await?;
        let mut size = 0;
        while let Some(part) = transfer.body.try_next().await? {
            size += part.len() as u64;
            out.write_all(&part).await?;
        }
        out.flush().await?;
        Ok(Content::Staged(BlobRef { hash, size }))
    }

    /// Reads parents that no listing has shown. Whether there were any.
    async fn parents(&self, commands: &mut Commands, known: &mut HashSet<RecordKey>) -> anyhow::Result<bool> {
        let mut missing: HashMap<Kind, HashSet<SourceId>> = HashMap::new();
        let all = commands.by_kind.values().flatten();
        for Parent { key, .. } in all.flat_map(|item| item.command.parents()) {
            if !known.contains(&key) {
                missing.entry(key.kind).or_default().insert(key.id);
            }
        }
        let stand_in = RecordKey::placeholder_user();
        if known.insert(stand_in.clone()) {
            self.translate(Record::User(nobody(stand_in.id.clone())), commands);
        }
        let found_any = !missing.is_empty();
        for (kind, ids) in missing {
            let ids: Vec<SourceId> = ids.into_iter().filter(|id| !id.is_placeholder()).collect();
            for chunk in ids.chunks(IDS_PER_FETCH) {
                let fetched = self.source.fetch(kind, chunk).await.context("parents")?;
                let mut listed = Vec::new();
                for one in fetched {
                    match one {
                        Fetched::Found(one) => listed.push(*one),
                        Fetched::Gone(id) => drop(known.insert(RecordKey { kind, id })),
                    }
                }
                self.take(stream::iter(listed.into_iter().map(Ok)), commands, known).await?;
            }
        }
        Ok(found_any)
    }
}

/// The stand-in customer; the translation gives it a name.
fn nobody(id: SourceId) -> User {
    User {
        id,
        name: String::new(),
        role: Role::Customer,
        standing: Standing::Active,
        emails: Vec::new(),
        phones: Vec::new(),
        twitter: Vec::new(),
        organizations: Vec::new(),
        teams: Vec::new(),
        tags: Vec::new(),
        fields: BTreeMap::new(),
        locale: None,
        time_zone: None,
        designation: None,
        signature: None,
        notes: Vec::new(),
    }
}
