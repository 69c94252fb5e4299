//! Uploads the files of a batch of cases.
//!
//! Constraints (API 4.11): a file belongs to the session that uploaded it and expires after three hours, so files are uploaded
//! right before the batch that names them, with the same client, and their ids live in memory only. A file uploaded twice is
//! harmless: it expires.

use futures::stream::{self, StreamExt};
use kayako::{FileId, SessionGeneration};
use model::command::{CaseCommand, LoadCommand};
use model::record::{Attachment, Content};
use model::{Classify, FailureClass, Reason};

use crate::desk::{Desk, Hands};
use crate::error::Error;
use crate::settle::Ending;
use crate::work::Work;

/// Uploaded files of one case, per post.
#[derive(Debug, Default)]
pub(crate) struct Uploaded {
    pub(crate) per_post: Vec<Vec<FileId>>,
    /// The session they belong to; `None` if there are no files.
    pub(crate) session: Option<SessionGeneration>,
}

/// Whether anything of the record lies in `blobs`.
pub(crate) fn has_staged(command: &LoadCommand) -> bool {
    match command {
        LoadCommand::Case(case) => case.posts.iter().any(|post| !post.attachments.is_empty()),
        _ => false,
    }
}

/// Bytes of files that one loader holds in memory: a few uploads at full speed. A file that is bigger has all of it to itself.
pub(crate) const FILE_ROOM: u32 = 16 * 1024 * 1024;

fn room(size: u64) -> u32 {
    u32::try_from(size).unwrap_or(FILE_ROOM).clamp(1, FILE_ROOM)
}

/// Cases of a batch whose files are uploaded at the same time.
const CASES_AT_ONCE: usize = 8;

impl Desk {
    /// Uploads the files of every case of a batch; answers in the batch's order.
    pub(crate) async fn uploads(
        &self,
        hands: &Hands,
        works: &[Work],
    ) -> Result<Vec<Result<Uploaded, Ending>>, Error> {
        let uploads = works.iter().map(|work| async move {
            match work.command() {
                LoadCommand::Case(command) => self.upload(hands, work, command).await,
                _ => Ok(Ok(Uploaded::default())),
            }
        });
        let uploads: Vec<_> = uploads.collect();
        stream::iter(uploads).buffered(CASES_AT_ONCE).collect::<Vec<_>>().await.into_iter().collect()
    }

    /// Uploads every file of a case, some at a time.
    async fn upload(
        &self,
        hands: &Hands,
        work: &Work,
        command: &CaseCommand,
    ) -> Result<Result<Uploaded, Ending>, Error> {
        let files: Vec<(usize, Attachment)> = command
            .posts
            .iter()
            .enumerate()
            .flat_map(|(at, post)| post.attachments.iter().map(move |file| (at, file.clone())))
            .collect();
        let mut uploaded = Uploaded { per_post: vec![Vec::new(); command.posts.len()], session: None };
        if files.is_empty() {
            return Ok(Ok(uploaded));
        }
        let staged = self.staged(work.key())?;
        let answers: Vec<_> = stream::iter(files)
            .map(|(at, file)| {
                let staged = staged.clone();
                async move {
                    let answer = self.upload_one(&staged, &file).await;
                    (at, file, answer)
                }
            })
            // In order: the order of a post's files is part of what is compared.
            .buffered(self.uploads_in_flight)
            .collect()
            .await;
        for (at, file, answer) in answers {
            match answer {
                Ok(Some(sent)) => {
                    if uploaded.session.is_some_and(|session| session != sent.session) {
                        // The session changed in the middle: what was uploaded before is void.
                        return Ok(Err(self.again(
                            hands,
                            "not_sent",
                            "the session changed during the uploads",
                            false,
                        )));
                    }
                    uploaded.session = Some(sent.session);
                    uploaded.per_post[at].push(sent.id);
                }
                Ok(None) => {}
                Err(Failed::Kayako(error)) => {
                    // Parked alone, the record would come again for ever and nobody would hear why.
                    self.halted_by(&error).await?;
                    return Ok(Err(self.refused_file(hands, &file, &error)));
                }
                // The store is away, the file is not: the batch comes again, or a person is told.
                Err(Failed::Staging(source))
                    if source.class().is_retryable_read() || source.class() == FailureClass::Halt =>
                {
                    return Err(Error::Blobs { step: "read a staged file", source });
                }
                Err(Failed::Staging(error)) => {
                    tracing::warn!(record = %work.key(), file = %file.id, error = %error, "a staged file cannot be read");
                    let detail = format!("file {} is not in the staging area", file.id);
                    return Ok(Err(Ending::Failed { reason: Reason::SourceUnreadable, detail }));
                }
            }
        }
        Ok(Ok(uploaded))
    }

    async fn upload_one(
        &self,
        staged: &blobs::Blobs,
        file: &Attachment,
    ) -> Result<Option<kayako::UploadedFile>, Failed> {
        let Content::Staged(reference) = &file.content else { return Ok(None) };
        // Constraint: the semaphore is never closed, so this cannot fail.
        let _room = self.file_room.acquire_many(room(reference.size)).await.ok();
        let bytes = staged.get(reference).await.map_err(Failed::Staging)?;
        let sent =
            self.client.upload(&file.name, &file.content_type, bytes, None).await.map_err(Failed::Kayako)?;
        Ok(Some(sent))
    }

    fn refused_file(&self, hands: &Hands, file: &Attachment, error: &kayako::Error) -> Ending {
        match error.class() {
            FailureClass::Rejected | FailureClass::Conflict => Ending::Failed {
                reason: Reason::AttachmentRejected,
                detail: format!("file {}: {error}", file.id),
            },
            // An upload has no effect that matters: whatever happened, it is done again.
            FailureClass::Ambiguous => self.again(hands, "ambiguous", &error.to_string(), true),
            _ => self.unreached(hands, error),
        }
    }

    fn again(&self, hands: &Hands, class: &'static str, detail: &str, attempt: bool) -> Ending {
        Ending::Parked {
            wait: model::row::Wait::Retry,
            until: hands.now().plus(self.timing.pause(0)),
            attempt,
            class,
            detail: detail.to_owned(),
        }
    }
}

enum Failed {
    Kayako(kayako::Error),
    Staging(blobs::Error),
}
