//! Asks extractors to read records by id.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use model::envelope::{Envelope, ExtractTask, HEADER_VERSION, VERSION, encode};
use model::{Kind, RecordKey, RunNo};
use queue::{Message, Stage};
use runtime::propagation;
use tokio::time::Instant;

use crate::desk::Desk;
use crate::error::{During, Error};

/// Zendesk's `show_many` takes 100 ids; other sources take no fewer.
const IDS_PER_FETCH: usize = 100;

/// Parents that were asked for lately, so that a thousand cases of one customer ask once.
#[derive(Debug, Default)]
pub(crate) struct AskedFor(tokio::sync::Mutex<HashMap<RecordKey, Instant>>);

impl AskedFor {
    /// More than this and the oldest answers are long there.
    const MOST: usize = 20_000;

    async fn first_time(&self, key: &RecordKey, again_after: Duration) -> bool {
        let mut asked = self.0.lock().await;
        if asked.len() > Self::MOST {
            asked.clear();
        }
        match asked.get(key) {
            Some(at) if at.elapsed() < again_after => false,
            _ => {
                asked.insert(key.clone(), Instant::now());
                true
            }
        }
    }
}

impl Desk {
    /// Lets the extractors fetch parents that no listing has shown. Bypasses the credit window, else a window full
    /// of waiting children would never see its parents.
    pub(crate) async fn ask_for(
        &self,
        asked: &AskedFor,
        missing: Vec<RecordKey>,
        run: RunNo,
        plan: &str,
    ) -> Result<(), Error> {
        let mut wanted = Vec::new();
        for key in missing {
            if asked.first_time(&key, self.timing.lost_after / 10).await {
                wanted.push(key);
            }
        }
        self.fetch(wanted, false, run, plan).await
    }

    /// Lets the extractors read records by id. `lost`: the ledger knows them, and no message carries them.
    pub(crate) async fn fetch(
        &self,
        keys: Vec<RecordKey>,
        lost: bool,
        run: RunNo,
        plan: &str,
    ) -> Result<(), Error> {
        let mut wanted: BTreeMap<Kind, Vec<RecordKey>> = BTreeMap::new();
        for key in keys {
            wanted.entry(key.kind).or_default().push(key);
        }
        let mut messages = Vec::new();
        for (kind, keys) in wanted {
            for chunk in keys.chunks(IDS_PER_FETCH) {
                let ids = chunk.iter().map(|key| key.id.clone()).collect();
                let task = ExtractTask::Fetch { kind, ids, lost };
                let body = encode(&Envelope::new(run, plan, task))
                    .map_err(|error| Error::Plan { hash: plan.to_owned(), problem: error.to_string() })?;
                let mut message = Message::new(self.context.random.uuid().to_string(), body)
                    .with_header(HEADER_VERSION, VERSION.to_string());
                propagation::inject(&mut message.headers);
                messages.push(message);
            }
        }
        if messages.is_empty() {
            return Ok(());
        }
        for result in self.publisher.publish(&self.queue(Stage::Extract), messages).await {
            result.during("ask for records")?;
        }
        Ok(())
    }
}
