//! Finds objects by the ids that were written into them, without ever mistaking a short answer for absence.
//!
//! Constraints. `Absent` is said only when (1) the pages add up to the account's own count and (2) there is no sign
//! that the account looked at fewer ids than it was given. The second matters because an account may ignore the
//! tail of a long id list without a word, and its count is then right and wrong at once. So each call ends with a
//! *witness*, an id that is known to exist: when it does not come back, the list was cut, and fewer ids are asked at
//! a time from then on. Anything else is `Unknown`, which costs another look-up; a false `Absent` costs a double.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use serde::de::DeserializeOwned;

use crate::call::Request;
use crate::client::Client;
use crate::error::Error;
use crate::paging::{Completeness, Identified};

/// What is known about one id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup<T> {
    /// At least one active object carries it; more than one is a double. One object proves existence, not
    /// uniqueness: when the pages did not add up there may be more.
    Found(Vec<T>),
    /// No active object carries it.
    Absent,
    /// The answer does not settle it: look it up again later.
    Unknown,
}

impl<T> Lookup<T> {
    /// The objects, if any.
    pub fn found(&self) -> &[T] {
        match self {
            Self::Found(objects) => objects,
            Self::Absent | Self::Unknown => &[],
        }
    }

    /// Whether absence is certain.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

/// What was found for one id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding<T> {
    /// The active objects: only these count.
    pub active: Lookup<T>,
    /// Objects in the trash or suspended. Whether look-ups show them is unknown, so their absence proves nothing.
    pub inactive: Vec<T>,
}

/// The findings of one look-up, by the key that was asked.
#[derive(Debug, Clone)]
pub struct LookupBatch<T> {
    findings: HashMap<String, Finding<T>>,
}

impl<T> LookupBatch<T> {
    /// The finding for a key; `None` if it was not asked for.
    pub fn get(&self, key: &str) -> Option<&Finding<T>> {
        self.findings.get(key)
    }

    /// Takes a finding out.
    pub fn take(&mut self, key: &str) -> Option<Finding<T>> {
        self.findings.remove(key)
    }

    /// All findings, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Finding<T>)> {
        self.findings.iter().map(|(key, finding)| (key.as_str(), finding))
    }

    /// How many different keys were asked for.
    pub fn len(&self) -> usize {
        self.findings.len()
    }

    /// Whether nothing was asked for.
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }

    /// Starts with everything unknown, so that whatever happens no key is absent by omission.
    pub(crate) fn unknown<'a>(keys: impl IntoIterator<Item = &'a str>) -> Self {
        let unknown = || Finding { active: Lookup::Unknown, inactive: Vec::new() };
        Self { findings: keys.into_iter().map(|key| (key.to_owned(), unknown())).collect() }
    }

    pub(crate) fn add(&mut self, key: &str, object: T, active: bool) {
        let Some(finding) = self.findings.get_mut(key) else { return };
        match (&mut finding.active, active) {
            (_, false) => finding.inactive.push(object),
            (Lookup::Found(objects), true) => objects.push(object),
            (other, true) => *other = Lookup::Found(vec![object]),
        }
    }

    pub(crate) fn settle_absent(&mut self, key: &str) {
        if let Some(finding) = self.findings.get_mut(key)
            && matches!(finding.active, Lookup::Unknown)
        {
            finding.active = Lookup::Absent;
        }
    }

    /// Clears what an earlier round found, before the key is asked again.
    fn reset(&mut self, key: &str) {
        if let Some(finding) = self.findings.get_mut(key) {
            *finding = Finding { active: Lookup::Unknown, inactive: Vec::new() };
        }
    }

    fn is_found(&self, key: &str) -> bool {
        self.get(key).is_some_and(|finding| matches!(finding.active, Lookup::Found(_)))
    }
}

/// The collections that can be looked up by the ids we gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LegacyCollection {
    /// Teams.
    Teams,
    /// Organizations.
    Organizations,
    /// Users.
    Users,
    /// Cases.
    Cases,
}

impl LegacyCollection {
    /// Its path.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Teams => "/teams",
            Self::Organizations => "/organizations",
            Self::Users => "/users",
            Self::Cases => "/cases",
        }
    }
}

/// A resource that carries the id we gave it (`legacy_id`) and can be looked up by it.
pub(crate) trait LegacyIdentified: Identified + DeserializeOwned {
    /// The collection that accepts `?legacy_ids=`.
    const COLLECTION: LegacyCollection;
    /// Non-default fields to ask for.
    const FIELDS: Option<&'static str> = None;
    /// Objects to be shown whole instead of as stubs.
    const INCLUDE: Option<&'static str> = None;

    fn legacy_id(&self) -> Option<&str>;

    fn is_active(&self) -> bool {
        true
    }
}

/// Per collection: an id known to exist, and how many ids the account really looks at.
#[derive(Debug, Default)]
pub(crate) struct Witnesses {
    known: Mutex<HashMap<LegacyCollection, Known>>,
}

#[derive(Debug, Clone, Default)]
struct Known {
    witness: Option<String>,
    ids_per_call: Option<usize>,
}

impl Witnesses {
    fn of(&self, collection: LegacyCollection) -> Known {
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&collection)
            .cloned()
            .unwrap_or_default()
    }

    fn update(&self, collection: LegacyCollection, change: impl FnOnce(&mut Known)) {
        change(self.known.lock().unwrap_or_else(PoisonError::into_inner).entry(collection).or_default());
    }
}

/// Keeps the request line below the 8 KiB that common proxies accept, with room for the rest of it.
const MAX_QUERY_BYTES: usize = 5_000;

impl Client {
    /// Names an id that is known to exist (a committed record's). A client learns witnesses from what it finds;
    /// one that has found nothing yet, such as after a restart, cannot notice that the account ignores the tail of
    /// its very first lists. Tell it one before its first probe.
    pub fn know_legacy_id(&self, collection: LegacyCollection, id: &str) {
        self.witnesses().update(collection, |known| known.witness = Some(id.to_owned()));
    }

    pub(crate) async fn look_up<T: LegacyIdentified>(&self, ids: &[&str]) -> Result<LookupBatch<T>, Error> {
        let call = Request::get(T::COLLECTION.path()).call;
        if ids.iter().any(|id| id.is_empty() || id.contains(',') || id.trim() != *id) {
            return Err(Error::Argument {
                call,
                problem: "an id is empty or contains a comma or outer blanks",
            });
        }
        let mut batch = LookupBatch::unknown(ids.iter().copied());
        // In the order given, each once.
        let mut queued = HashSet::new();
        let mut pending: VecDeque<&str> = ids.iter().copied().filter(|id| queued.insert(*id)).collect();
        // Each round settles ids, shrinks the chunk or changes the witness; this only bounds a server that lies.
        let mut rounds = 4 * pending.len() + 16;
        while !pending.is_empty() && rounds > 0 {
            rounds -= 1;
            let known = self.witnesses().of(T::COLLECTION);
            let size = self.config().legacy_ids_per_lookup.min(known.ids_per_call.unwrap_or(usize::MAX));
            // The witness takes a place of the call; where there is only one place there is no witness.
            let witness = known.witness.filter(|_| size > 1);
            let chunk = next_chunk(&mut pending, size - usize::from(witness.is_some()));
            let witness = witness.filter(|id| !chunk.contains(&id.as_str()));
            let asked = chunk.len() + usize::from(witness.is_some());
            match self.look_up_chunk(&chunk, witness.as_deref(), asked, &mut batch).await {
                Ok(Verdict::Settled) => {}
                Ok(Verdict::AskAgain(ids)) => pending.extend(ids),
                Err(error) if chunk.len() > 1 && matches!(error.status(), Some(400 | 413 | 414)) => {
                    self.shrink(T::COLLECTION, asked);
                    pending.extend(chunk);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(batch)
    }

    async fn look_up_chunk<'a, T: LegacyIdentified>(
        &self,
        chunk: &[&'a str],
        witness: Option<&str>,
        asked: usize,
        batch: &mut LookupBatch<T>,
    ) -> Result<Verdict<'a>, Error> {
        for id in chunk {
            batch.reset(id);
        }
        let ids: Vec<&str> = chunk.iter().copied().chain(witness).collect();
        let mut witness_seen = false;
        // Doubles can make an answer longer than the question; far more means that the filter was ignored.
        let collected = self.collect::<T>(by_legacy_ids::<T>(&ids), asked, 4 * asked + 16).await?;
        let mut foreign = false;
        for object in collected.items {
            let Some(id) = object.legacy_id().map(str::to_owned) else {
                foreign = true;
                continue;
            };
            witness_seen |= witness == Some(id.as_str());
            // An account may compare without case: such an object is not ours, but no sign of a broken filter.
            foreign |= !ids.iter().any(|asked| asked.eq_ignore_ascii_case(&id));
            // A witness was settled in an earlier round: added again it would look like a double.
            if chunk.contains(&id.as_str()) {
                let active = object.is_active();
                batch.add(&id, object, active);
            }
        }
        let last_found = chunk.iter().rposition(|id| batch.is_found(id));
        if let Some(position) = last_found {
            self.witnesses().update(T::COLLECTION, |known| known.witness = Some(chunk[position].to_owned()));
        }
        if collected.completeness != Completeness::Counted || foreign {
            return Ok(Verdict::Settled);
        }
        // Everything before an id that was found was looked at as well.
        let proven = if witness_seen { chunk.len() } else { last_found.map_or(0, |position| position + 1) };
        let (looked_at, tail) = chunk.split_at(proven);
        for id in looked_at {
            batch.settle_absent(id);
        }
        if tail.is_empty() {
            return Ok(Verdict::Settled);
        }
        match witness {
            // Nothing of this kind is known to exist, so there is nothing to compare with.
            None if last_found.is_none() => {
                for id in tail {
                    batch.settle_absent(id);
                }
                return Ok(Verdict::Settled);
            }
            // The id just found is the witness of the next round.
            None => {}
            Some(witness) => {
                let alone = self
                    .collect::<T>(by_legacy_ids::<T>(&[witness]), 1, 16)
                    .await?
                    .items
                    .into_iter()
                    .any(|object| object.legacy_id() == Some(witness));
                if alone {
                    self.shrink(T::COLLECTION, asked);
                } else if last_found.is_none() {
                    // It has been deleted meanwhile.
                    self.witnesses().update(T::COLLECTION, |known| known.witness = None);
                }
            }
        }
        Ok(Verdict::AskAgain(tail.to_vec()))
    }

    fn shrink(&self, collection: LegacyCollection, asked: usize) {
        let smaller = (asked / 2).max(1);
        tracing::warn!(
            collection = collection.path(),
            ids = smaller,
            "the account looks at fewer ids per call than it is given"
        );
        self.witnesses().update(collection, |known| {
            known.ids_per_call = Some(known.ids_per_call.map_or(smaller, |now| now.min(smaller)));
        });
    }
}

enum Verdict<'a> {
    Settled,
    AskAgain(Vec<&'a str>),
}

fn by_legacy_ids<T: LegacyIdentified>(ids: &[&str]) -> Request {
    let mut request = Request::get(T::COLLECTION.path()).query("legacy_ids", ids.join(","));
    if let Some(fields) = T::FIELDS {
        request = request.query("fields", fields);
    }
    if let Some(include) = T::INCLUDE {
        request = request.query("include", include);
    }
    request
}

fn next_chunk<'a>(pending: &mut VecDeque<&'a str>, size: usize) -> Vec<&'a str> {
    let mut chunk = Vec::new();
    let mut bytes = 0;
    while chunk.len() < size
        && let Some(id) = pending.front()
    {
        // Percent-encoding can make three bytes of one.
        bytes += id.bytes().map(|b| if b.is_ascii_alphanumeric() { 1 } else { 3 }).sum::<usize>() + 3;
        if bytes > MAX_QUERY_BYTES && !chunk.is_empty() {
            break;
        }
        chunk.extend(pending.pop_front());
    }
    chunk
}
