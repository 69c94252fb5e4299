//! What every source must do, written against `dyn Source`: a new help desk brings a [`Desk`] and gets these tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, poll};
use model::listing::Listed;
use model::record::{Content, Record};
use model::{Classify as _, FailureClass, Kind, SourceId};
use sources::{Completed, Cursor, Download, Fetched, Next, Pace, Shard, Source};

use crate::paces::{Counting, Gate};

/// What happens to the next call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Trouble {
    /// 429 with this `Retry-After` in seconds.
    RateLimit(u64),
    /// The connection breaks before an answer.
    Drop,
    /// The connection breaks within the answer.
    Truncated,
    /// 200 with something that is not JSON.
    NotJson,
    /// 500.
    ServerError,
}

/// A served help desk account with known content, as the battery needs it.
pub(crate) trait Desk: Send + Sync {
    /// A source with good credentials and small pages.
    fn source(&self, pace: Arc<dyn Pace>) -> Arc<dyn Source>;
    /// The same with credentials that are wrong.
    fn stranger(&self) -> Arc<dyn Source>;
    /// Ids that a listing shows.
    fn ids(&self, kind: Kind) -> BTreeSet<SourceId>;
    /// An id the account does not know.
    fn unknown(&self, kind: Kind) -> SourceId;
    /// API calls that reached the account.
    fn calls(&self) -> u64;
    /// Lets something go wrong once, with the next API call.
    fn next_call_meets(&self, trouble: Trouble);
    /// Credentials seen where they do not belong.
    fn leaks(&self) -> usize;
    /// Calls that would have changed the account.
    fn writes(&self) -> usize;
}

fn free() -> Arc<dyn Pace> {
    Arc::new(Counting::default())
}

/// All pages of a shard from a cursor to the end, and every place between two pages.
pub(crate) async fn walk(
    source: &dyn Source,
    shard: &Shard,
    from: Option<Cursor>,
) -> (Vec<Listed>, Vec<(usize, Cursor)>, Cursor) {
    let (mut seen, mut places, mut cursor) = (Vec::new(), Vec::new(), from);
    for _ in 0..10_000 {
        let page = source.list(shard, cursor.as_ref()).await.unwrap();
        seen.extend(page.records);
        match page.next {
            Next::More(next) => {
                assert_ne!(cursor.as_ref(), Some(&next), "the listing stands still");
                places.push((seen.len(), next.clone()));
                cursor = Some(next);
            }
            Next::End(mark) => return (seen, places, mark),
        }
    }
    panic!("the listing of {shard:?} does not end");
}

/// All records of a kind, each once, the last showing of each.
pub(crate) async fn everything(source: &dyn Source, kind: Kind) -> BTreeMap<SourceId, Listed> {
    let mut found = BTreeMap::new();
    for shard in source.shards(kind).await.unwrap() {
        let (seen, ..) = walk(source, &shard, None).await;
        found.extend(seen.into_iter().map(|listed| (listed.key.id.clone(), listed)));
    }
    found
}

pub(crate) async fn record(source: &dyn Source, listed: &Listed) -> Option<Record> {
    match source.complete(listed.clone()).await.unwrap() {
        Completed::Record(record) => Some(*record),
        Completed::Gone => None,
    }
}

/// A listing shows everything at least once and ends; shards are kept apart by name and survive being stored.
pub(crate) async fn listings_show_everything_and_end(desk: &dyn Desk) {
    let source = desk.source(free());
    for kind in Kind::ALL {
        let shards = source.shards(kind).await.unwrap();
        let names: BTreeSet<_> = shards.iter().map(|shard| shard.name.clone()).collect();
        assert_eq!(names.len(), shards.len(), "{kind}: two shards with one name");
        for shard in &shards {
            let stored = serde_json::to_string(shard).unwrap();
            assert_eq!(&serde_json::from_str::<Shard>(&stored).unwrap(), shard);
        }
        let found: BTreeSet<_> = everything(&*source, kind).await.into_keys().collect();
        assert_eq!(found, desk.ids(kind), "{kind}");
    }
}

/// Whoever takes up a listing at any stored cursor sees what the uninterrupted listing would have shown.
pub(crate) async fn a_resumed_listing_equals_an_uninterrupted_one(desk: &dyn Desk) {
    let source = desk.source(free());
    for kind in Kind::ALL {
        for shard in source.shards(kind).await.unwrap() {
            let (seen, places, mark) = walk(&*source, &shard, None).await;
            for (shown, cursor) in places {
                let stored = serde_json::to_string(&cursor).unwrap();
                let another = desk.source(free());
                let (rest, _, end) = walk(&*another, &shard, serde_json::from_str(&stored).unwrap()).await;
                assert_eq!(rest, seen[shown..], "{kind}: resumed after {shown}");
                assert_eq!(end, mark, "{kind}");
            }
        }
    }
}

/// A listing taken up at its own high-water mark has nothing new, and the mark stays.
pub(crate) async fn a_quiet_account_lists_nothing_new(desk: &dyn Desk) {
    let source = desk.source(free());
    for kind in Kind::ALL {
        for shard in source.shards(kind).await.unwrap() {
            let (seen, _, mark) = walk(&*source, &shard, None).await;
            let (again, _, later) = walk(&*source, &shard, Some(mark.clone())).await;
            assert_eq!(later, mark, "{kind}: the mark moved without news");
            for listed in &again {
                assert!(seen.contains(listed), "{kind}: {} looks changed", listed.key);
            }
        }
    }
}

/// Fetching by id shows what the listing showed, version included, and names what is unknown.
pub(crate) async fn fetching_by_id_agrees_with_the_listing(desk: &dyn Desk) {
    let source = desk.source(free());
    for kind in Kind::ALL {
        let listed = everything(&*source, kind).await;
        let unknown = desk.unknown(kind);
        let mut wanted: Vec<SourceId> = listed.keys().cloned().collect();
        wanted.insert(0, unknown.clone());
        wanted.insert(wanted.len() / 2, SourceId::placeholder());
        let fetched = source.fetch(kind, &wanted).await.unwrap();
        assert_eq!(fetched.len(), wanted.len(), "{kind}: an answer is missing");
        let mut found = 0;
        for (id, answer) in wanted.iter().zip(fetched) {
            match answer {
                Fetched::Found(record) => {
                    assert_eq!(&record.key.id, id, "{kind}: another order than asked");
                    assert_eq!(
                        record.version, listed[id].version,
                        "{kind} {id}: fetched and listed versions differ"
                    );
                    assert_eq!(record.facts, listed[id].facts, "{kind} {id}");
                    found += 1;
                }
                Fetched::Gone(gone) => assert_eq!(&gone, id),
            }
        }
        assert!(found * 10 >= listed.len() * 7, "{kind}: only {found} of {} were found", listed.len());
        assert_eq!(
            source.fetch(kind, std::slice::from_ref(&unknown)).await.unwrap(),
            [Fetched::Gone(unknown)]
        );
    }
}

/// The same state at the source gives the same record, from a listing and by id.
pub(crate) async fn completing_is_deterministic(desk: &dyn Desk) {
    let (source, another) = (desk.source(free()), desk.source(free()));
    for kind in Kind::ALL {
        let mut complete = 0;
        for listed in everything(&*source, kind).await.values().take(40) {
            let first = record(&*source, listed).await;
            assert_eq!(first, record(&*another, listed).await, "{}", listed.key);
            if let Some(first) = &first {
                assert_eq!(first.key(), listed.key);
                complete += 1;
                let fetched = another.fetch(kind, std::slice::from_ref(&listed.key.id)).await.unwrap();
                if let [Fetched::Found(fetched)] = &fetched[..] {
                    assert_eq!(record(&*another, fetched).await.as_ref(), Some(first), "{}", listed.key);
                }
            } else {
                assert!(listed.facts.deleted, "{} is gone though it was not listed as deleted", listed.key);
            }
        }
        assert!(complete > 0, "{kind}: nothing to compare");
    }
}

/// A sample is reproducible by its seed, differs between seeds, and holds only live cases outside the exclusion.
pub(crate) async fn samples_are_reproducible(desk: &dyn Desk) {
    let source = desk.source(free());
    let none = BTreeSet::new();
    let sample = source.sample(20, 7, &none).await.unwrap();
    assert_eq!(sample.len(), 20);
    assert_eq!(sample, desk.source(free()).sample(20, 7, &none).await.unwrap());
    assert_ne!(sample, source.sample(20, 8, &none).await.unwrap(), "the seed does not matter");

    let all = everything(&*source, Kind::Case).await;
    let live = all.values().filter(|listed| !listed.facts.deleted).count();
    let exclude: BTreeSet<_> = sample.iter().cloned().collect();
    assert_eq!(exclude.len(), sample.len(), "a case was drawn twice");
    let rest = source.sample(live, 7, &exclude).await.unwrap();
    assert_eq!(rest.len(), live - sample.len(), "not every other case was drawn");
    for id in rest.iter().chain(&sample) {
        assert!(!all[id].facts.deleted, "{id} is deleted");
    }
    assert!(rest.iter().all(|id| !exclude.contains(id)));
}

/// Wrong credentials stop the run with a sentence that says what to do, everywhere.
pub(crate) async fn wrong_credentials_halt_with_advice(desk: &dyn Desk) {
    desk.source(free()).check().await.unwrap();
    let stranger = desk.stranger();
    let shard = stranger.shards(Kind::Case).await.unwrap().remove(0);
    let failures = [
        stranger.check().await.map(|_| ()).unwrap_err(),
        stranger.list(&shard, None).await.map(|_| ()).unwrap_err(),
        stranger.fetch(Kind::Case, &["1".into()]).await.map(|_| ()).unwrap_err(),
    ];
    for failure in failures {
        assert_eq!(failure.class(), FailureClass::Halt, "{failure}");
        assert!(failure.to_string().contains("check the"), "no advice: {failure}");
    }
}

/// After a 429 nothing is sent until the pace allows it; the wait the source asked for is handed on.
pub(crate) async fn a_rate_limit_is_obeyed(desk: &dyn Desk) {
    let gate = Arc::new(Gate::default());
    let pace: Arc<dyn Pace> = Arc::<Gate>::clone(&gate);
    let source = desk.source(pace);
    let shard = source.shards(Kind::Team).await.unwrap().remove(0);
    source.list(&shard, None).await.unwrap();

    desk.next_call_meets(Trouble::RateLimit(93));
    let refusal = source.list(&shard, None).await.unwrap_err();
    let wait = Some(Duration::from_secs(93));
    assert_eq!(refusal.class(), FailureClass::Throttled { retry_after: wait });
    assert!(!gate.refusals().is_empty() && gate.refusals().iter().all(|refusal| *refusal == wait));

    let before = desk.calls();
    let mut again = pin!(source.list(&shard, None));
    for _ in 0..50 {
        assert!(poll!(again.as_mut()).is_pending(), "it did not wait");
        tokio::task::yield_now().await;
    }
    assert_eq!(desk.calls(), before, "a call was sent before its time");
    gate.open();
    again.await.unwrap();
    assert_eq!(desk.calls(), before + 1);
}

/// Troubles that pass are told apart from refusals, and the next call works.
pub(crate) async fn passing_troubles_are_retryable(desk: &dyn Desk) {
    let source = desk.source(free());
    let shard = source.shards(Kind::User).await.unwrap().remove(0);
    let undisturbed = source.list(&shard, None).await.unwrap();
    for trouble in [Trouble::Drop, Trouble::Truncated, Trouble::NotJson, Trouble::ServerError] {
        desk.next_call_meets(trouble);
        let failure = source.list(&shard, None).await.expect_err("the trouble went unnoticed");
        assert_eq!(failure.class(), FailureClass::Ambiguous, "{trouble:?}: {failure}");
        assert!(failure.to_string().contains("GET /"), "{trouble:?}: the endpoint is not named: {failure}");
        assert_eq!(source.list(&shard, None).await.unwrap(), undisturbed, "after {trouble:?}");
    }
}

/// Files arrive whole, and neither they nor anything else takes credentials to another host or changes the account.
pub(crate) async fn files_arrive_without_leaking_credentials(desk: &dyn Desk) {
    let source = desk.source(free());
    let mut files = 0;
    for listed in everything(&*source, Kind::Case).await.values() {
        let Some(Record::Case(case)) = record(&*source, listed).await else { continue };
        for file in case.posts.iter().flat_map(|post| &post.attachments) {
            let Content::AtSource(url) = &file.content else { continue };
            let Download::Found(transfer) = source.download(url).await.unwrap() else {
                panic!("{} of {} is missing", file.name, listed.key)
            };
            let parts: Vec<_> = transfer.body.collect().await;
            let read: usize = parts.into_iter().map(|part| part.unwrap().len()).sum();
            assert_eq!(read as u64, file.size, "{}", listed.key);
            files += 1;
        }
    }
    assert!(files > 0, "there was no file to read");
    source.catalogue().await.unwrap();
    for kind in Kind::ALL {
        source.estimate(kind).await.unwrap();
    }
    assert_eq!(desk.leaks(), 0, "credentials reached another host");
    assert_eq!(desk.writes(), 0, "the source was written to");
}

/// Nothing that a person may print holds credentials.
pub(crate) async fn nothing_printable_holds_credentials(desk: &dyn Desk, secrets: &[&str]) {
    let stranger = desk.stranger();
    let source = desk.source(free());
    desk.next_call_meets(Trouble::NotJson);
    let mut printed = String::new();
    for failure in [stranger.check().await.unwrap_err(), stranger.catalogue().await.unwrap_err()] {
        write!(printed, "{failure} {failure:?}").unwrap();
    }
    let listed = everything(&*source, Kind::Case).await;
    write!(printed, "{:?}", source.check().await.unwrap()).unwrap();
    for secret in secrets {
        assert!(!printed.contains(secret), "{secret} shows in: {printed}");
    }
    assert!(!listed.is_empty());
}

/// One test per promise, for a desk made by `$desk().await`.
macro_rules! conformance {
    ($desk:path; $($test:ident),* $(,)?) => {$(
        #[tokio::test]
        async fn $test() {
            crate::battery::$test(&$desk().await).await;
        }
    )*};
    ($desk:path) => {
        crate::battery::conformance!($desk;
            listings_show_everything_and_end,
            a_resumed_listing_equals_an_uninterrupted_one,
            a_quiet_account_lists_nothing_new,
            fetching_by_id_agrees_with_the_listing,
            completing_is_deterministic,
            samples_are_reproducible,
            wrong_credentials_halt_with_advice,
            a_rate_limit_is_obeyed,
            passing_troubles_are_retryable,
            files_arrive_without_leaking_credentials,
        );
    };
}
pub(crate) use conformance;
