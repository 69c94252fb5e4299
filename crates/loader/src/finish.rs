//! The remaining steps after an object exists, each of which may run twice: absolute values by PUT; identities, notes
//! and memberships by listing and adding what is missing; the final status last; then reading back.
//!
//! Constraint: nothing of an adopted object is overwritten. What is added to it is only what its children need: an
//! agent's membership in the teams whose cases it is assigned to.

use std::collections::{BTreeMap, HashSet};

use futures::stream::{self, StreamExt};
use kayako::{CaseId, CaseUpdate, NoteOwner, OrganizationId, RateClass, TeamId, UserId, UserUpdate};
use model::command::{CaseCommand, LoadCommand, OrganizationCommand, UserCommand};
use model::row::Arrival;
use model::{Classify, FailureClass, Fence, KayakoId, Kind, Reason};

use crate::catalogue::fold;
use crate::crash_points;
use crate::desk::{Desk, Hands};
use crate::error::Error;
use crate::items;
use crate::settle::Ending;
use crate::target::{Detail, Object, Seen, by_origin_key};
use crate::work::Work;

/// A step that did not succeed.
enum Step {
    Call(kayako::Error),
    NotAsSent(String),
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
                let endings = works.into_iter().map(|work| (work, self.step_failed(hands, &error))).collect();
                self.settle(hands, fence, endings).await?;
                return self.halted_by(&error).await;
            }
        };
        let steps = || async { Ok::<_, Error>(self.remaining(&works).await) };
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
                Err(Step::Call(error)) => {
                    let ending = self.step_failed(hands, &error);
                    if error.class() == FailureClass::Halt {
                        halt = Some(error);
                    }
                    (work, ending)
                }
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
    async fn remaining(&self, works: &[(Work, Option<Object>)]) -> Vec<Result<(), Step>> {
        let joined = self.join_teams(works).await;
        let steps = works.iter().zip(joined).map(|((work, object), joined)| async move {
            match joined {
                Ok(()) => self.steps(work, object.as_ref()).await,
                Err(error) => Err(Step::Call(error)),
            }
        });
        let steps: Vec<_> = steps.collect();
        stream::iter(steps).buffered(self.uploads_in_flight).collect().await
    }

    fn step_failed(&self, hands: &Hands, error: &kayako::Error) -> Ending {
        match error.class() {
            FailureClass::Rejected | FailureClass::Conflict => {
                Ending::Failed { reason: Reason::StepRejected, detail: error.to_string() }
            }
            // Every step may be repeated, so not knowing is as good as not sent.
            FailureClass::Ambiguous => Ending::Parked {
                wait: model::row::Wait::Retry,
                until: hands.now().plus(self.timing.pause(0)),
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

    async fn steps(&self, work: &Work, object: Option<&Object>) -> Result<(), Step> {
        let (Some(id), Some(Arrival::Created)) = (work.row.kayako_id, work.row.arrival) else {
            return Ok(());
        };
        match (work.command(), object.map(|object| &object.detail)) {
            // Nothing is known any more about what is left to do: the object stays as an earlier try left it.
            (LoadCommand::Team(_) | LoadCommand::Nothing(_) | LoadCommand::Recount, _) => Ok(()),
            (LoadCommand::Organization(command), _) => {
                self.notes(NoteOwner::Organization(OrganizationId::from(id.0)), &organization_notes(command))
                    .await
            }
            (LoadCommand::User(command), Some(Detail::User(user))) => {
                self.user_steps(work, command, user).await
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

    async fn user_steps(&self, work: &Work, command: &UserCommand, user: &kayako::User) -> Result<(), Step> {
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
        if command.emails.len() > 1 {
            let present: HashSet<String> = self
                .client
                .user_emails(id)
                .await?
                .into_iter()
                .filter_map(|e| e.email)
                .map(|e| fold(&e))
                .collect();
            let ours = command.emails.iter().skip(1).filter(|email| !work.lost_keys.contains(*email));
            for email in ours.filter(|email| !present.contains(*email)) {
                let slot = self.client.slot(RateClass::Write).await?;
                match self.client.add_user_email(slot, id, email, false).await {
                    // It is another person's in Kayako; that person keeps it.
                    Err(error) if error.class() == FailureClass::Conflict => {}
                    other => drop(other?),
                }
            }
        }
        if !command.phones.is_empty() {
            let digits = |number: &str| number.chars().filter(char::is_ascii_digit).collect::<String>();
            let present: HashSet<String> = self
                .client
                .user_phones(id)
                .await?
                .into_iter()
                .filter_map(|p| p.number)
                .map(|n| digits(&n))
                .collect();
            let mut seen = present;
            for (at, number) in command.phones.iter().enumerate() {
                if !seen.insert(digits(number)) {
                    continue;
                }
                let slot = self.client.slot(RateClass::Write).await?;
                match self.client.add_user_phone(slot, id, number, at == 0).await {
                    Err(error)
                        if matches!(error.class(), FailureClass::Conflict | FailureClass::Rejected) =>
                    {
                        // Numbers are free text at the source; one that Kayako does not take must not cost the person.
                        tracing::debug!(record = %work.key(), error = %error, "a phone number was not taken");
                    }
                    other => drop(other?),
                }
            }
        }
        self.notes(NoteOwner::User(id), &command.notes).await?;
        if !command.enabled && user.is_enabled != Some(false) {
            let update = UserUpdate { is_enabled: Some(false), ..UserUpdate::default() };
            self.client.update_user(id, &update).await?;
        }
        Ok(())
    }

    async fn notes(&self, owner: NoteOwner, notes: &[String]) -> Result<(), Step> {
        if notes.is_empty() {
            return Ok(());
        }
        let present: HashSet<String> = self
            .client
            .notes(owner)
            .await?
            .into_iter()
            .filter_map(|note| note.contents)
            .map(|n| n.trim().to_owned())
            .collect();
        for note in notes.iter().filter(|note| !present.contains(note.trim())) {
            let slot = self.client.slot(RateClass::Write).await?;
            self.client.create_note(slot, owner, note, false, None).await?;
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

    /// Adds agents to their teams, one listing and at most one call per team. Answers per record.
    async fn join_teams(&self, works: &[(Work, Option<Object>)]) -> Vec<Result<(), kayako::Error>> {
        let mut wanted: BTreeMap<TeamId, Vec<(usize, KayakoId)>> = BTreeMap::new();
        for (at, (work, _)) in works.iter().enumerate() {
            let LoadCommand::User(user) = work.command() else { continue };
            // The default agent is not made a member of everybody's teams.
            if !user.role.is_staff()
                || work.row.arrival == Some(Arrival::Merged)
                    && work.row.kayako_id == Some(work.catalogue.default_agent)
            {
                continue;
            }
            let Some(id) = work.row.kayako_id else { continue };
            for team in user.teams.iter().filter_map(|team| work.team(team)) {
                wanted.entry(team).or_default().push((at, id));
            }
        }
        let mut answers: Vec<Result<(), kayako::Error>> = works.iter().map(|_| Ok(())).collect();
        for (team, members) in wanted {
            if let Err(error) = self.add_members(team, &members).await {
                for (at, _) in members {
                    answers[at] = Err(error.clone());
                }
            }
        }
        answers
    }

    async fn add_members(&self, team: TeamId, members: &[(usize, KayakoId)]) -> Result<(), kayako::Error> {
        let present: HashSet<u64> =
            self.client.team_members(team).await?.iter().map(|user| user.id.get()).collect();
        let missing: Vec<UserId> = members
            .iter()
            .filter(|(_, id)| !present.contains(&id.0))
            .map(|(_, id)| UserId::from(id.0))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let slot = self.client.slot(RateClass::Write).await?;
        self.client.add_team_members(slot, team, &missing).await
    }
}

fn organization_notes(command: &OrganizationCommand) -> Vec<String> {
    command.notes.clone()
}

fn has_all(present: Option<&[String]>, wanted: &[String]) -> bool {
    let present: HashSet<String> = present.unwrap_or_default().iter().map(|tag| fold(tag)).collect();
    wanted.iter().all(|tag| present.contains(&fold(tag)))
}
