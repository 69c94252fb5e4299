//! Fetches the files of a record into the staging area.

use futures::stream::{self, StreamExt};
use model::record::{Attachment, Content, Record};
use model::{Classify, FailureClass, RecordKey};
use runtime::retry;
use sources::Download;
use tokio::sync::Mutex;

use crate::desk::{Desk, Errand};
use crate::error::Error;

/// Downloads of one record at the same time; records themselves run side by side.
const DOWNLOADS: usize = 2;
/// How errors name the download.
const ATTACHMENT: &str = "GET an attachment";

impl Desk {
    /// Replaces every `AtSource` by staged bytes or by the word that says why there are none. Returns the bytes staged.
    pub(crate) async fn stage(
        &self,
        errand: &Errand,
        key: &RecordKey,
        record: &mut Record,
    ) -> Result<u64, Error> {
        let Record::Case(case) = record else { return Ok(0) };
        let options = &errand.plan.plan;
        if !options.options.attachments {
            for post in &mut case.posts {
                for file in &mut post.attachments {
                    file.content = Content::Missing("not_wanted".to_owned());
                }
            }
            return Ok(0);
        }
        let limit = options.limits.max_attachment_bytes;
        let files: Vec<(usize, usize, Attachment)> = case
            .posts
            .iter()
            .enumerate()
            .flat_map(|(p, post)| {
                post.attachments.iter().enumerate().map(move |(f, file)| (p, f, file.clone()))
            })
            .collect();
        let contents: Vec<_> = stream::iter(files)
            .map(|(p, f, file)| async move { (p, f, self.stage_one(key, &file, limit).await) })
            .buffer_unordered(DOWNLOADS)
            .collect()
            .await;
        let mut bytes = 0;
        for (p, f, content) in contents {
            let content = content?;
            match &content {
                Content::Staged(reference) => bytes += reference.size,
                Content::Missing(_) => self.metrics.missing_files.inc(),
                Content::AtSource(_) => {}
            }
            if let Some(file) = case.posts.get_mut(p).and_then(|post| post.attachments.get_mut(f)) {
                file.content = content;
            }
        }
        self.metrics.staged_bytes.inc_by(bytes);
        Ok(bytes)
    }

    async fn stage_one(&self, key: &RecordKey, file: &Attachment, limit: u64) -> Result<Content, Error> {
        let Content::AtSource(url) = &file.content else { return Ok(file.content.clone()) };
        let staged = self
            .blobs
            .within(&key.staging(&self.migration))
            .map_err(|source| Error::Blobs { step: "stage a file", source })?;
        let other_length = Mutex::new(None);
        let fetched = retry(&self.context, &self.retry, &self.draining, || async {
            match self.source.download(url).await.map_err(Failed::Source)? {
                Download::Missing(absence) => Ok(Content::Missing(absence.word().to_owned())),
                Download::Found(transfer) if transfer.length.is_some_and(|length| length > limit) => {
                    Ok(Content::Missing("too_large".to_owned()))
                }
                Download::Found(transfer) => {
                    let came = staged.put_stream(transfer.body, limit).await.map_err(Failed::Staging)?;
                    // Something between us and the source may answer in its place, with status 200 and a text of its own. The same bytes
                    // twice are what the source has, whatever it says about their length.
                    if file.size != 0
                        && came.size != file.size
                        && other_length.lock().await.replace(came.clone()).as_ref() != Some(&came)
                    {
                        let problem = "it has another length than the source says";
                        let (endpoint, status) = (ATTACHMENT, 200);
                        return Err(Failed::Source(sources::Error::UnreadableAnswer {
                            endpoint,
                            status,
                            problem,
                        }));
                    }
                    Ok(Content::Staged(came))
                }
            }
        })
        .await;
        match fetched.map_err(runtime::RetryError::into_last) {
            Ok(content) => {
                if matches!(content, Content::Staged(_)) {
                    self.witness.read_a_file(url);
                }
                Ok(content)
            }
            Err(Some(Failed::Staging(blobs::Error::TooLarge { .. }))) => {
                Ok(Content::Missing("too_large".to_owned()))
            }
            Err(Some(Failed::Staging(source))) if !matches!(source, blobs::Error::Content(_)) => {
                Err(Error::Blobs { step: "stage a file", source })
            }
            // The host of the files is away, throttles, or breaks off whatever is asked of it: the record waits, it does not go without
            // them.
            Err(Some(failed)) if self.passes(&failed, url).await => Err(match failed {
                Failed::Source(source) => Error::Source { what: "a file", source },
                Failed::Staging(source) => Error::Blobs { step: "stage a file", source },
            }),
            // Others were given to these credentials: this one is refused for a reason of its own.
            Err(Some(Failed::Source(sources::Error::Forbidden { .. }))) if self.witness.has_read_a_file() => {
                Ok(Content::Missing("refused".to_owned()))
            }
            Err(Some(Failed::Source(source))) if source.class() == FailureClass::Halt => {
                Err(Error::Source { what: "a file", source })
            }
            // One file that the source does not give must not hold up its page for ever: it is named in the post and in
            // the report.
            Err(Some(error)) => {
                tracing::warn!(record = %key, file = %file.id, error = %error, "a file could not be fetched");
                Ok(Content::Missing("unreadable".to_owned()))
            }
            Err(None) => Err(Error::Draining),
        }
    }

    /// Whether a file that could not be read may be readable later.
    async fn passes(&self, failed: &Failed, url: &str) -> bool {
        match failed.class() {
            FailureClass::Throttled { .. } => true,
            class => class.is_retryable_read() && !self.witness.blames_file(&*self.source, url).await,
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("the source did not give the file")]
    Source(#[source] sources::Error),
    #[error("the file could not be staged")]
    Staging(#[source] blobs::Error),
}

impl Classify for Failed {
    fn class(&self) -> FailureClass {
        match self {
            Self::Source(error) => error.class(),
            Self::Staging(error) => error.class(),
        }
    }
}
