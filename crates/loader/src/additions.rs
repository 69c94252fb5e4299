//! Steps that add something to an object that exists: addresses, numbers, notes, memberships. Each lists what is there and adds what is missing.
//!
//! Constraints: no intent is stored for them, and Kayako does not know our fences. So an addition is over when the record's lease is: a
//! loader that was paused between listing and adding would else add what another one has added meanwhile. One whose answer got lost is
//! waited for as long as any request ([`Step::Addition`]) before it is looked for.

use std::collections::{BTreeMap, HashSet};

use kayako::{NoteOwner, RateClass, Slot, TeamId, UserId};
use model::command::{LoadCommand, UserCommand};
use model::row::Arrival;
use model::{Classify, FailureClass, KayakoId, RecordKey};

use crate::catalogue::fold;
use crate::desk::{Desk, Hands};
use crate::finish::Step;
use crate::target::Object;
use crate::work::Work;

impl Desk {
    /// A slot for what two loaders must not do one after the other.
    async fn slot_to_add<'a>(
        &self,
        hands: &Hands,
        keys: impl IntoIterator<Item = &'a RecordKey>,
    ) -> Result<Slot, kayako::Error> {
        let slot = self.client.slot(RateClass::Write).await?;
        // The wait for the slot may have been long: the end of the lease is looked at after it.
        Ok(slot.finish_by(hands.held_until(keys)))
    }

    /// Further addresses of a person.
    pub(crate) async fn emails(
        &self,
        hands: &Hands,
        work: &Work,
        id: UserId,
        command: &UserCommand,
    ) -> Result<(), Step> {
        if command.emails.len() < 2 {
            return Ok(());
        }
        let known = self.client.user_emails(id).await?;
        let present: HashSet<String> = known.into_iter().filter_map(|e| e.email).map(|e| fold(&e)).collect();
        let ours = command.emails.iter().skip(1).filter(|email| !work.lost_keys.contains(*email));
        for email in ours.filter(|email| !present.contains(*email)) {
            let slot = self.slot_to_add(hands, [work.key()]).await?;
            match self.client.add_user_email(slot, id, email, false).await {
                // It is another person's in Kayako; that person keeps it.
                Err(error) if error.class() == FailureClass::Conflict => {}
                other => drop(other.map_err(Step::Addition)?),
            }
        }
        Ok(())
    }

    /// Phone numbers of a person.
    pub(crate) async fn phones(
        &self,
        hands: &Hands,
        work: &Work,
        id: UserId,
        command: &UserCommand,
    ) -> Result<(), Step> {
        if command.phones.is_empty() {
            return Ok(());
        }
        let digits = |number: &str| number.chars().filter(char::is_ascii_digit).collect::<String>();
        let known = self.client.user_phones(id).await?;
        let mut seen: HashSet<String> =
            known.into_iter().filter_map(|p| p.number).map(|n| digits(&n)).collect();
        for (at, number) in command.phones.iter().enumerate() {
            if !seen.insert(digits(number)) {
                continue;
            }
            let slot = self.slot_to_add(hands, [work.key()]).await?;
            match self.client.add_user_phone(slot, id, number, at == 0).await {
                Err(error) if matches!(error.class(), FailureClass::Conflict | FailureClass::Rejected) => {
                    // Numbers are free text at the source; one that Kayako does not take must not cost the person.
                    tracing::debug!(record = %work.key(), error = %error, "a phone number was not taken");
                }
                other => drop(other.map_err(Step::Addition)?),
            }
        }
        Ok(())
    }

    /// Notes on a person or an organization.
    pub(crate) async fn notes(
        &self,
        hands: &Hands,
        work: &Work,
        owner: NoteOwner,
        notes: &[String],
    ) -> Result<(), Step> {
        if notes.is_empty() {
            return Ok(());
        }
        let known = self.client.notes(owner).await?;
        let present: HashSet<String> =
            known.into_iter().filter_map(|note| note.contents).map(|n| n.trim().to_owned()).collect();
        for note in notes.iter().filter(|note| !present.contains(note.trim())) {
            let slot = self.slot_to_add(hands, [work.key()]).await?;
            self.client.create_note(slot, owner, note, false, None).await.map_err(Step::Addition)?;
        }
        Ok(())
    }

    /// Adds agents to their teams, one listing and at most one call per team. Answers per record.
    pub(crate) async fn join_teams(
        &self,
        hands: &Hands,
        works: &[(Work, Option<Object>)],
    ) -> Vec<Result<(), Step>> {
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
        let mut answers: Vec<Result<(), Step>> = works.iter().map(|_| Ok(())).collect();
        for (team, members) in wanted {
            let keys = members.iter().filter_map(|(at, _)| works.get(*at)).map(|(work, _)| work.key());
            if let Err(step) = self.add_members(hands, team, keys, &members).await {
                for (at, _) in members {
                    answers[at] = Err(step.clone());
                }
            }
        }
        answers
    }

    async fn add_members<'a>(
        &self,
        hands: &Hands,
        team: TeamId,
        keys: impl Iterator<Item = &'a RecordKey>,
        members: &[(usize, KayakoId)],
    ) -> Result<(), Step> {
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
        let slot = self.slot_to_add(hands, keys).await?;
        self.client.add_team_members(slot, team, &missing).await.map_err(Step::Addition)
    }
}
