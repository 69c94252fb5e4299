//! The remaining steps after an object exists, each of which may run twice: absolute values by PUT; identities, notes
//! and memberships by listing and adding what is missing; the final status last; then reading back.
//!
//! Constraints: nothing of an adopted object is overwritten. What is added to it is only what its children need: an
//! agent's membership in the teams whose cases it is assigned to. What is not known to be whole is not committed.

use std::collections::HashSet;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use kayako::{CaseId, CaseUpdate, NoteOwner, OrganizationId, UserUpdate};
use model::command::{CaseCommand, LoadCommand, UserCommand};
use model::row::Arrival;
use model::{Classify, FailureClass, Fence, Kind, Reason};

use crate::catalogue::fold;
use crate::crash_points;
use crate::desk::{Desk, Hands};
use crate::error::Error;
use crate::items;
use crate::settle::Ending;
use crate::target::{Detail, Object, Seen, by_origin_key};
use crate::work::Work;

/// A step that did not succeed.
#[derive(Clone)]
pub(crate) enum Step {
    Call(kayako::Error),
    /// Of an addition: it may take effect later.
    Addition(kayako::Error),
    NotAsSent(String),
    /// What is to be done is not known any more.
    Unknown(Reason),
}

impl From<kayako::Error> for Step {
    fn from(error: kayako::Error) -> Self {
        Self::Call(error)
    }
}

impl Desk {
    /// Does what is left for records whose objects exist, and commits them.
    pub(crate) async fn finish(
        &self,
        hands: &Hands,
        fence: Fence,
        kind: Kind,
        works: Vec<(Work, Option<Object>)>,
    ) -> Result<(), Error> {
        if works.is_empty() {
            return Ok(());
        }
        self.context.crash.reached_with(crash_points::CREATED, [kind]).await?;
        let works = match self.with_objects(kind, works).await {
            Ok(works) => works,
            Err((works, error)) => {
                let endings = works
                    .into_iter()
                    .map(|work| (work, self.step_failed(hands, &error, self.timing.pause(0))))
                    .collect();
                self.settle(hands, fence, endings).await?;
                return self.halted_by(&error).await;
            }
        };
        let steps = || async { Ok::<_, Error>(self.remaining(hands, &works).await) };
        let done = self.context.crash.step(crash_points::FINISHED, [kind], steps).await?;
        let mut halt: Option<kayako::Error> = None;
        let endings: Vec<(Work, Ending)> = works
            .into_iter()
            .zip(done)
            .map(|((work, _), done)| match done {
                Ok(()) => (work, Ending::Committed),
                Err(Step::NotAsSent(detail)) => {
                    let until = hands.now().plus(self.timing.visibility);
                    let exhausted = work.flight().attempts.saturating_add(1) >= self.timing.attempts / 2;
                    let ending = if exhausted {
                        Ending::Failed { reason: Reason::NotAsSent, detail }
                    } else {
                        // Posts and files may show later than their case.
                        Ending::Parked {
                            wait: model::row::Wait::Retry,
                            until,
                            attempt: true,
                            class: "ambiguous",
                            detail,
                        }
                    };
                    (work, ending)
                }
                Err(Step::Unknown(left_out)) => {
                    let detail = format!("left out after its object was created: {left_out}");
                    (work, Ending::Failed { reason: Reason::Unfinished, detail })
                }
                Err(Step::Call(error) | Step::Addition(error)) if error.class() == FailureClass::Halt => {
                    let ending = self.step_failed(hands, &error, self.timing.pause(0));
                    halt = Some(error);
                    (work, ending)
                }
                Err(Step::Addition(error)) => (work, self.step_failed(hands, &error, self.timing.quiet)),
                Err(Step::Call(error)) => (work, self.step_failed(hands, &error, self.timing.pause(0))),
            })
            .collect();
        self.settle(hands, fence, endings).await?;
        self.context.crash.reached_with(crash_points::COMMITTED, [kind]).await?;
        match halt {
            Some(error) => self.halted_by(&error).await,
            None => Ok(()),
        }
    }

    /// The remaining steps of each record, in order; several records at a time.
    async fn remaining(&self, hands: &Hands, works: &[(Work, Option<Object>)]) -> Vec<Result<(), Step>> {
        let joined = self.join_teams(hands, works).await;
        let steps = works.iter().zip(joined).map(|((work, object), joined)| async move {
            match joined {
                Ok(()) => self.steps(hands, work, object.as_ref()).await,
                Err(step) => Err(step),
            }
        });
        let steps: Vec<_> = steps.collect();
        stream::iter(steps).buffered(self.uploads_in_flight).collect().await
    }

    /// `pause`: how long an unknown outcome is left alone.
    fn step_failed(&self, hands: &Hands, error: &kayako::Error, pause: Duration) -> Ending {
        match error.class() {
            FailureClass::Rejected | FailureClass::Conflict => {
                Ending::Failed { reason: Reason::StepRejected, detail: error.to_string() }
            }
            // Every step may be repeated, so not knowing is as good as not sent, once it can have no effect any more.
            FailureClass::Ambiguous => Ending::Parked {
                wait: model::row::Wait::Retry,
                until: hands.now().plus(pause),
                attempt: true,
                class: "ambiguous",
                detail: error.to_string(),
            },
            _ => self.unreached(hands, error),
        }
    }

    /// Reads the objects that are not at hand (resumed after a crash).
    async fn with_objects(
        &self,
        kind: Kind,
        works: Vec<(Work, Option<Object>)>,
    ) -> Result<Vec<(Work, Option<Object>)>, (Vec<Work>, kayako::Error)> {
        let keys: Vec<String> = works
            .iter()
            .filter(|(work, object)| object.is_none() && work.row.arrival == Some(Arrival::Created))
            .map(|(work, _)| work.origin_key.as_str().to_owned())
            .collect();
        if keys.is_empty() {
            return Ok(works);
        }
        let asked: Vec<&str> = keys.iter().map(String::as_str).collect();
        let mut found = match by_origin_key(&self.client, kind, &asked).await {
            Ok(found) => found,
            Err(error) => return Err((works.into_iter().map(|(work, _)| work).collect(), error)),
        };
        Ok(works
            .into_iter()
            .map(|(work, object)| {
                let object = object.or_else(|| match found.remove(work.origin_key.as_str()) {
                    Some(Seen::Found(objects)) => {
                        objects.into_iter().find(|object| Some(object.id) == work.row.kayako_id)
                    }
                    _ => None,
                });
                (work, object)
            })
            .collect())
    }

    async fn steps(&self, hands: &Hands, work: &Work, object: Option<&Object>) -> Result<(), Step> {
        let (Some(id), Some(Arrival::Created)) = (work.row.kayako_id, work.row.arrival) else {
            return Ok(());
        };
        match (work.command(), object.map(|object| &object.detail)) {
            (LoadCommand::Team(_) | LoadCommand::Recount, _) => Ok(()),
            // A team is whole as soon as it exists. Of others what is left to do is not known: perhaps a half stays, and it is not called whole.
            (LoadCommand::Nothing(_), _) if work.kind() == Kind::Team => Ok(()),
            (LoadCommand::Nothing(command), _) => Err(Step::Unknown(command.reason)),
            (LoadCommand::Organization(command), _) => {
                let owner = NoteOwner::Organization(OrganizationId::from(id.0));
                self.notes(hands, work, owner, &command.notes).await
            }
            (LoadCommand::User(command), Some(Detail::User(user))) => {
                self.user_steps(hands, work, command, user).await
            }
            (LoadCommand::Case(command), Some(Detail::Case(case))) => {
                self.case_steps(work, command, case).await
            }
            // Created but not visible to the look-up: try again when it is.
            (LoadCommand::User(_) | LoadCommand::Case(_), _) => {
                Err(Step::NotAsSent("the object is not visible yet".to_owned()))
            }
        }
    }

    async fn user_steps(
        &self,
        hands: &Hands,
        work: &Work,
        command: &UserCommand,
        user: &kayako::User,
    ) -> Result<(), Step> {
        let id = user.id;
        let organization_id = work.organization(command.organization.as_ref());
        let wanted_tags = items::tags(&command.tags);
        let missing_tags = !wanted_tags.is_empty() && !has_all(user.tags.as_deref(), &command.tags);
        let update = UserUpdate {
            organization_id: organization_id.filter(|organization| user.organization != Some(*organization)),
            tags: missing_tags.then_some(wanted_tags),
            ..UserUpdate::default()
        };
        if update != UserUpdate::default() {
            self.client.update_user(id, &update).await?;
        }
        self.emails(hands, work, id, command).await?;
        self.phones(hands, work, id, command).await?;
        self.notes(hands, work, NoteOwner::User(id), &command.notes).await?;
        if !command.enabled && user.is_enabled != Some(false) {
            let update = UserUpdate { is_enabled: Some(false), ..UserUpdate::default() };
            self.client.update_user(id, &update).await?;
        }
        Ok(())
    }

    async fn case_steps(&self, work: &Work, command: &CaseCommand, case: &kayako::Case) -> Result<(), Step> {
        self.read_back(case.id, command, case).await?;
        let wanted = command.status.as_deref().and_then(|label| work.catalogue.status(label));
        if let Some(status) = wanted
            && case.status != Some(status)
        {
            let update = CaseUpdate { status_id: Some(status), ..CaseUpdate::default() };
            self.client.update_case(case.id, &update).await?;
        }
        Ok(())
    }

    /// Posts and attachments as sent, or not done. The look-up's own `post_count` is enough for a case without files.
    async fn read_back(&self, id: CaseId, command: &CaseCommand, case: &kayako::Case) -> Result<(), Step> {
        let posts = command.posts.len();
        let files: usize = command.posts.iter().map(|post| post.attachments.len()).sum();
        if files == 0 && case.post_count == u64::try_from(posts).ok() {
            return Ok(());
        }
        let thread = self.client.posts(id).await?;
        let found_files: usize = thread.posts.iter().map(|post| post.attachments.len()).sum();
        if !thread.is_complete || thread.posts.len() != posts || found_files != files {
            return Err(Step::NotAsSent(format!(
                "sent {posts} posts with {files} files, read back {} posts with {found_files} files",
                thread.posts.len()
            )));
        }
        Ok(())
    }
}

fn has_all(present: Option<&[String]>, wanted: &[String]) -> bool {
    let present: HashSet<String> = present.unwrap_or_default().iter().map(|tag| fold(tag)).collect();
    wanted.iter().all(|tag| present.contains(&fold(tag)))
}
