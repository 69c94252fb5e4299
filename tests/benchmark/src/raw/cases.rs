//! Cases with their posts and files.

use std::collections::HashMap;

use anyhow::{Context as _, ensure};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use kayako::{BulkCase, BulkPost, Case, CaseFields, CaseUpdate, Channel, FileId, Post};
use model::RecordKey;
use model::command::{CaseCommand, LoadCommand, PostCommand};
use model::record::{Attachment, Body, Content, Visibility};

use super::Loop;
use super::catalogue::fold;
use crate::source::{self, Item};

/// Uploaded files by case and post.
type Files = HashMap<(usize, usize), Vec<FileId>>;

impl Loop {
    pub(super) async fn cases(&self, batch: &[&Item]) -> anyhow::Result<Vec<(RecordKey, u64)>> {
        let cases: Vec<(&&Item, &CaseCommand)> = batch
            .iter()
            .filter_map(|item| match &item.command {
                LoadCommand::Case(command) => Some((item, command.as_ref())),
                _ => None,
            })
            .collect();
        let files = self.upload(&cases).await?;
        let mut new = Vec::with_capacity(cases.len());
        for (at, (item, command)) in cases.iter().enumerate() {
            // Without a requester ours fails the record as well.
            if let Some(body) = self.new_case(item, command, at, &files) {
                new.push((*item, body));
            }
        }
        let created = self.create::<Case, _>("cases", &[("fields", "+tags")], &new).await?;
        stream::iter(&created)
            .map(|(item, case)| async move {
                match &item.command {
                    LoadCommand::Case(command) => self.case_steps(command, case).await,
                    _ => Ok(()),
                }
            })
            .buffer_unordered(self.steps)
            .try_collect::<()>()
            .await?;
        Ok(created.into_iter().map(|(item, case)| (item.key.clone(), case.id.get())).collect())
    }

    /// All files of the batch, side by side.
    async fn upload(&self, cases: &[(&&Item, &CaseCommand)]) -> anyhow::Result<Files> {
        let wanted: Vec<(usize, usize, &Attachment)> = cases
            .iter()
            .enumerate()
            .flat_map(|(at, (_, case))| case.posts.iter().enumerate().map(move |(post, one)| (at, post, one)))
            .flat_map(|(at, post, one)| one.attachments.iter().map(move |file| (at, post, file)))
            .collect();
        let sent: Vec<(usize, usize, FileId)> = stream::iter(wanted)
            .map(|(at, post, file)| async move {
                let Content::Staged(reference) = &file.content else {
                    anyhow::bail!("a file that was not read")
                };
                let bytes = tokio::fs::read(source::file(&self.directory, reference)).await?;
                let id = self.http.upload(&file.name, &file.content_type, bytes).await?;
                Ok((at, post, FileId::from(id)))
            })
            .buffered(self.steps)
            .try_collect()
            .await?;
        let mut files = Files::new();
        for (at, post, id) in sent {
            files.entry((at, post)).or_default().push(id);
        }
        Ok(files)
    }

    fn new_case(&self, item: &Item, command: &CaseCommand, at: usize, files: &Files) -> Option<BulkCase> {
        let id = |labels: &HashMap<String, u64>, label: &Option<String>| {
            label.as_deref().and_then(|label| labels.get(&fold(label)).copied())
        };
        let (first, others) = command.posts.split_first()?;
        let of_post = |post: usize| files.get(&(at, post)).cloned().unwrap_or_default();
        let person = |one: &PostCommand| self.person(&one.author).map(Into::into);
        let catalogue = &self.catalogue;
        Some(BulkCase {
            legacy_id: self.legacy_id(&item.key),
            subject: command.subject.clone(),
            contents: first.body.as_str().to_owned(),
            requester_id: self.person(&command.requester)?.into(),
            creator_id: person(first),
            channel: self.channel(first),
            fields: CaseFields {
                status_id: id(&catalogue.statuses, &command.status).map(Into::into),
                priority_id: id(&catalogue.priorities, &command.priority).map(Into::into),
                type_id: id(&catalogue.types, &command.case_type).map(Into::into),
                form_id: None,
                assigned_team_id: command.team.as_ref().and_then(|team| self.parent(team)).map(Into::into),
                assigned_agent_id: command
                    .assignee
                    .as_ref()
                    .and_then(|agent| self.person(agent))
                    .map(Into::into),
                field_values: kayako::FieldValues::new(),
                tags: command.tags.iter().filter_map(|tag| kayako::Tag::new(tag).ok()).collect(),
                client_id: None,
            },
            attachment_file_ids: of_post(0),
            created_at: Some(command.created_at),
            updated_at: Some(command.updated_at),
            posts: others
                .iter()
                .enumerate()
                .map(|(post, one)| BulkPost {
                    contents: one.body.as_str().to_owned(),
                    channel: self.channel(one),
                    creator_id: person(one),
                    attachment_file_ids: of_post(post + 1),
                    created_at: Some(one.created_at),
                    updated_at: Some(one.created_at),
                })
                .collect(),
        })
    }

    fn channel(&self, post: &PostCommand) -> Channel {
        let is_html = matches!(post.body, Body::Html(_));
        match post.visibility {
            Visibility::Private => Channel::Note { is_html },
            Visibility::Public => Channel::Mail { mailbox: self.catalogue.mailbox, is_html, cc: Vec::new() },
        }
    }

    /// Reads cases with files back, and sets the final status, as ours does.
    async fn case_steps(&self, command: &CaseCommand, case: &Case) -> anyhow::Result<()> {
        let files: usize = command.posts.iter().map(|post| post.attachments.len()).sum();
        if files > 0 {
            let path = format!("/cases/{}/posts", case.id);
            let posts: Vec<Post> =
                self.http.page(&path, &[("limit", "100"), ("include", "attachment")]).await?;
            let found: usize = posts.iter().map(|post| post.attachments.len()).sum();
            ensure!(
                posts.len() >= 100 || found == files,
                "the bare loop wrote {files} files and reads back {found}"
            );
        }
        let wanted = command.status.as_deref().and_then(|label| self.catalogue.statuses.get(&fold(label)));
        if let Some(status) = wanted.map(|id| (*id).into())
            && case.status != Some(status)
        {
            let update = CaseUpdate { status_id: Some(status), ..CaseUpdate::default() };
            self.http.put(&format!("/cases/{}", case.id), &update).await.context("the final status")?;
        }
        Ok(())
    }
}
