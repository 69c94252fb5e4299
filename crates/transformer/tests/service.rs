//! The transformer as a service, over the queue in the process, a ledger file and blobs in memory.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use blobs::Blobs;
use bytes::Bytes;
use futures::TryStreamExt as _;
use ledger::{ClaimRequest, Ledger, OpenOptions, Registration};
use model::command::LoadCommand;
use model::envelope::{self, Envelope, HEADER_KEY, HEADER_STAGED, Intake, Load, MAX_INLINE_BYTES};
use model::facts::{self, StoredPlan};
use model::journal::{Entry, What};
use model::plan::Plan;
use model::record::{Attachment, BlobRef, Body, Case, Content, Organization, Post, Record, Team, Visibility};
use model::row::{Arrival, Row, State};
use model::timing::Timing;
use model::transition::Verdict;
use model::{KayakoId, Kind, MigrationId, Reason, RecordKey, RunNo, SourceId};
use queue::{Broker, Consumer, Delivery, InProcess, Ladder, Message, QueueName, RETRY_COUNT, Stage};
use runtime::crash::Mode;
use runtime::{Context, CrashPoint, CrashPoints, Shutdown, Valve};
use transformer::{Metrics, Parts, Settings, Transformer, crash_points};

const RUN: RunNo = RunNo(1);
const PLAN: &str = "version: 1\nname: acme\n\
     source: { kind: zendesk, url: 'https://a.example', auth: { email: a@b.example, api_token: 'env:A' } }\n\
     target: { url: 'https://b.example', email: a@b.example, password: 'env:B' }\n";
/// Far longer than anything here takes, so that a test that would hang fails instead.
const PATIENCE: Duration = Duration::from_mins(1);

/// A migration with nothing running in it yet.
struct World {
    migration: MigrationId,
    ledger: Ledger,
    blobs: Blobs,
    broker: InProcess,
    crash: CrashPoints,
    valve: Valve,
    plan: String,
    timing: Timing,
    _directory: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let migration = MigrationId::new("acme").unwrap();
        let url = format!("sqlite:{}", directory.path().join("ledger.db").display());
        let ledger = Ledger::open(&url, &migration, OpenOptions::create(100)).await.unwrap();
        let broker = InProcess::new(Ladder::default().scaled(0.002).unwrap());
        broker.declare(migration.as_str()).await.unwrap();
        let plan = Plan::parse(PLAN).unwrap().hash();
        let stored = StoredPlan { yaml: PLAN.to_owned() };
        ledger.put_document(&facts::plan(&plan), None, &stored).await.unwrap().unwrap();
        Self {
            migration,
            ledger,
            blobs: Blobs::open("memory:", []).unwrap(),
            broker,
            crash: CrashPoints::recording(),
            valve: Valve::new(true),
            plan,
            timing: Timing::scaled(0.002),
            _directory: directory,
        }
    }

    fn context(&self) -> Context {
        Context { crash: self.crash.clone(), ..Context::system(CrashPoints::off()) }
    }

    fn start(&self, bytes: usize) -> Shutdown {
        let settings = Settings { bytes, ..Settings::new(self.migration.clone(), 32, self.timing.clone()) };
        let parts = Parts {
            ledger: self.ledger.clone(),
            blobs: self.blobs.clone(),
            broker: Arc::new(self.broker.clone()),
            context: self.context(),
            metrics: Metrics::register(&runtime::Metrics::new().unwrap()).unwrap(),
            valve: self.valve.clone(),
        };
        let shutdown = Shutdown::new(self.context(), PATIENCE);
        shutdown.spawn("transformer", Transformer::new(settings, parts).run(shutdown.draining()));
        shutdown
    }

    fn queue(&self, stage: Stage) -> QueueName {
        QueueName::new(self.migration.as_str(), stage)
    }

    async fn register(&self, key: &RecordKey) {
        let registration =
            Registration { key: key.clone(), fingerprint: 1, verdict: Verdict::Selected, implied: false };
        self.ledger.register(RUN, &[registration]).await.unwrap();
        self.ledger.published(&[(key.clone(), 0)]).await.unwrap();
    }

    /// Registers a record and puts it into the intake queue.
    async fn arrives(&self, record: Record) {
        self.register(&record.key()).await;
        self.sent(record).await;
    }

    async fn sent(&self, record: Record) {
        let key = record.key();
        let body = envelope::encode(&Envelope::new(RUN, &*self.plan, Intake { record })).unwrap();
        let message = Message::new(key.to_string(), body)
            .with_header("km-origin", "zendesk-acme:x")
            .with_header(RETRY_COUNT, "3");
        self.put(message).await;
    }

    async fn put(&self, message: Message) {
        for answer in self.broker.publisher().publish(&self.queue(Stage::Intake), vec![message]).await {
            answer.unwrap();
        }
    }

    /// The next commands, acknowledged.
    async fn commands(&self, count: usize) -> Vec<Message> {
        let mut consumer = self.broker.consume(&self.queue(Stage::Load), 100).await.unwrap();
        let mut found = Vec::new();
        while found.len() < count {
            let delivery = next(consumer.as_mut()).await;
            found.push(delivery.message().clone());
            delivery.ack().await.unwrap();
        }
        consumer.cancel().await;
        found
    }

    async fn until_settled(&self, key: &RecordKey) -> Row {
        let settled = async {
            loop {
                let row = self.ledger.row(key).await.unwrap().unwrap();
                if row.state.is_settled() && !row.updating {
                    return row;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, settled).await.expect("the row was never settled")
    }

    /// Drains the service: what it has in hand is finished and acknowledged.
    async fn drain(&self, shutdown: Shutdown) {
        shutdown.begin(runtime::shutdown::Reason::Finished);
        let completion = tokio::time::timeout(PATIENCE, shutdown.complete()).await.unwrap();
        assert!(completion.is_clean(), "{completion:?}");
    }

    async fn intake_depth(&self) -> u64 {
        let depth = self.broker.depth(&self.queue(Stage::Intake)).await.unwrap();
        depth.ready + depth.delayed.unwrap_or(0)
    }

    /// Waits until every message of the intake queue is in somebody's hands or done.
    async fn until_taken(&self) {
        let taken = async {
            while self.intake_depth().await > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, taken).await.expect("messages were left in the queue");
    }

    async fn history(&self) -> Vec<Entry> {
        let lines: Vec<Bytes> = self.blobs.scan("acme").try_collect().await.unwrap();
        lines.iter().map(|line| Entry::decode(line).unwrap()).collect()
    }
}

async fn next(consumer: &mut dyn Consumer) -> Delivery {
    tokio::time::timeout(PATIENCE, consumer.next()).await.expect("no message came").unwrap().unwrap()
}

fn team(id: u64, name: &str) -> Record {
    Record::Team(Team { id: SourceId::from(id), name: name.to_owned(), deleted: false })
}

fn case(id: u64, status: &str, text: &str, attachments: Vec<Attachment>) -> Record {
    let at: jiff::Timestamp = "2023-02-01T09:15:00Z".parse().unwrap();
    let post = Post {
        id: SourceId::from(1),
        author: None,
        created_at: at,
        visibility: Visibility::Public,
        body: Body::Text(text.to_owned()),
        attachments,
    };
    Record::Case(Box::new(Case {
        id: SourceId::from(id),
        subject: "secret subject".to_owned(),
        status: Some(status.to_owned()),
        priority: None,
        case_type: None,
        requester: None,
        assignee: None,
        team: None,
        organization: None,
        brand: None,
        form: None,
        channel: None,
        tags: Vec::new(),
        fields: BTreeMap::new(),
        ccs: Vec::new(),
        followers: Vec::new(),
        created_at: at,
        updated_at: at,
        url: None,
        posts: vec![post],
        expected_posts: None,
    }))
}

fn file(content: Content) -> Attachment {
    Attachment {
        id: SourceId::from(91),
        name: "secret.txt".to_owned(),
        content_type: "text/plain".to_owned(),
        size: 3,
        inline: false,
        content,
    }
}

fn load_of(message: &Message) -> Envelope<Load> {
    envelope::decode(&message.body).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_become_commands_with_their_headers() {
    let world = World::new().await;
    for id in 0..100 {
        world.arrives(team(id, &format!("Team {id}"))).await;
    }
    let shutdown = world.start(1 << 20);
    let mut titles: Vec<String> = Vec::new();
    for message in world.commands(100).await {
        let envelope = load_of(&message);
        assert_eq!((envelope.run, envelope.plan.as_str()), (RUN, world.plan.as_str()));
        assert_eq!(message.headers[HEADER_KEY], envelope.body.key.to_string());
        assert_eq!(message.headers["km-origin"], "zendesk-acme:x");
        assert!(!message.headers.contains_key(RETRY_COUNT), "tries belong to the stage they were counted in");
        let LoadCommand::Team(team) = envelope.body.command else { panic!("no team") };
        titles.push(team.title);
    }
    world.drain(shutdown).await;
    titles.sort();
    titles.dedup();
    assert_eq!(titles.len(), 100);
    assert_eq!(world.intake_depth().await, 0);
    assert_eq!(world.broker.abandoned(), 0);
    assert_eq!(world.history().await, [], "nothing was carried differently");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn skipped_and_failed_records_are_settled_explained_and_released() {
    let world = World::new().await;
    let deleted_key = RecordKey::new(Kind::Case, "1");
    let staged = world.blobs.within(&deleted_key.staging(&world.migration)).unwrap();
    let reference = staged.put(Bytes::from_static(b"abc")).await.unwrap();
    let deleted = case(1, "deleted", "x", vec![file(Content::Staged(reference.clone()))]);
    let unfetched =
        case(2, "open", "x", vec![file(Content::AtSource("https://a.example/secret".to_owned()))]);
    let unfetched_key = unfetched.key();
    for record in [deleted.clone(), unfetched, case(3, "open", "  ", vec![])] {
        world.arrives(record).await;
    }
    // The same message twice is normal.
    world.sent(deleted).await;
    let shutdown = world.start(1 << 20);
    let row = world.until_settled(&deleted_key).await;
    assert_eq!((row.state, row.reason), (State::Skipped, Some(Reason::DeletedAtSource)));
    let row = world.until_settled(&unfetched_key).await;
    assert_eq!((row.state, row.reason), (State::Failed, Some(Reason::SourceUnreadable)));
    assert_eq!(world.commands(1).await.len(), 1);
    world.until_taken().await;
    world.drain(shutdown).await;
    assert_eq!(world.intake_depth().await, 0);
    assert!(!staged.exists(&reference).await.unwrap(), "staged bytes of a skipped record stay");

    let history = world.history().await;
    let of = |wanted: &RecordKey| -> Vec<&What> {
        history.iter().filter(|entry| entry.key == *wanted).map(|entry| &entry.what).collect()
    };
    assert!(matches!(of(&deleted_key)[0], What::Skipped { reason: Reason::DeletedAtSource, .. }));
    let failed = of(&unfetched_key);
    assert!(
        matches!(failed[..], [What::Failed { reason: Reason::SourceUnreadable, detail }] if detail == "file 91 was not fetched"),
        "{failed:?}"
    );
    let noted = of(&RecordKey::new(Kind::Case, "3"));
    assert!(
        matches!(&noted[..], [What::Noted { detail }] if detail.contains("1 posts without text")),
        "{noted:?}"
    );
    assert!(!format!("{history:?}").contains("secret"), "customer text in the journal");
    let counts = world.ledger.counts(RUN).await.unwrap().of(Kind::Case);
    assert_eq!((counts.skipped, counts.failed, counts.pending, counts.available), (1, 1, 1, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migrated_record_that_is_deleted_at_the_source_stays_migrated() {
    let world = World::new().await;
    let record = case(1, "deleted", "x", vec![]);
    let key = record.key();
    world.register(&key).await;
    let request = ClaimRequest { key: key.clone(), parents: vec![], command_hash: 7, wait: None };
    let claim = world.ledger.claim(&[request], PATIENCE, PATIENCE).await.unwrap();
    let keys = [key.clone()];
    let until = claim.now.plus(PATIENCE / 2);
    let steps = [
        world.ledger.intend(claim.fence, &keys, until).await.unwrap(),
        world.ledger.created(claim.fence, &[(key.clone(), KayakoId(5), Arrival::Created)]).await.unwrap(),
        world.ledger.commit(claim.fence, &[(key.clone(), 7)]).await.unwrap(),
    ];
    assert!(steps.iter().flatten().all(Result::is_ok), "{steps:?}");
    let newer = Registration { key: key.clone(), fingerprint: 2, verdict: Verdict::Selected, implied: false };
    let registered = world.ledger.register(RUN, &[newer]).await.unwrap();
    assert!(registered[0].row.updating);
    world.sent(record).await;
    let shutdown = world.start(1 << 20);
    let row = world.until_settled(&key).await;
    assert_eq!((row.state, row.kayako_id, row.updating), (State::Committed, Some(KayakoId(5)), false));
    world.drain(shutdown).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn big_bodies_travel_by_reference_in_both_directions() {
    let world = World::new().await;
    let record = case(1, "open", &"long ".repeat(80_000), vec![]);
    let key = record.key();
    world.register(&key).await;
    let body = envelope::encode(&Envelope::new(RUN, &*world.plan, Intake { record })).unwrap();
    assert!(body.len() > MAX_INLINE_BYTES);
    let holder = key.staging(&world.migration);
    let staged = world.blobs.within(&holder).unwrap();
    let reference = staged.put(Bytes::from(body)).await.unwrap();
    let small = || async { world.arrives(team(1, "Small")).await };
    // Less room than any message needs: each goes alone, the small ones before and behind the big one too.
    small().await;
    let message =
        Message::new("big", serde_json::to_vec(&reference).unwrap()).with_header(HEADER_STAGED, &*holder);
    world.put(message).await;
    small().await;
    let shutdown = world.start(100);
    let mut commands = world.commands(3).await;
    world.drain(shutdown).await;
    commands.sort_by_key(|message| !message.headers.contains_key(HEADER_STAGED));
    let [big, first, second] = commands.as_slice() else { panic!("{commands:?}") };
    assert_eq!(big.headers[HEADER_STAGED], holder);
    assert!(big.body.len() < 200);
    assert!(![first, second].iter().any(|message| message.headers.contains_key(HEADER_STAGED)));
    let reference: BlobRef = serde_json::from_slice(&big.body).unwrap();
    let body = staged.get(&reference).await.unwrap();
    let LoadCommand::Case(command) = envelope::decode::<Load>(&body).unwrap().body.command else {
        panic!("no case")
    };
    assert_eq!(command.posts[0].body.as_str().len(), 400_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_is_kept_for_a_person_and_stops_nobody() {
    let world = World::new().await;
    let body = envelope::encode(&Envelope::new(RUN, "p", Intake { record: team(1, "A") })).unwrap();
    let newer = String::from_utf8(body).unwrap().replace("\"v\":1", "\"v\":99");
    world.put(Message::new("not-json", "<html>")).await;
    world.put(Message::new("newer", newer)).await;
    world.put(Message::new("bad-reference", "{}").with_header(HEADER_STAGED, "acme/case/1")).await;
    world.arrives(team(2, "B")).await;
    let shutdown = world.start(1 << 20);
    assert_eq!(world.commands(1).await.len(), 1);
    let mut dead = world.broker.consume_dead_letters("acme", 10).await.unwrap();
    let mut reasons = BTreeMap::new();
    for _ in 0..3 {
        let delivery = next(dead.as_mut()).await;
        let letter = delivery.message().dead_letter().unwrap();
        assert_eq!(letter.stage, Some(Stage::Intake));
        reasons.insert(delivery.message().id.clone(), letter.reason);
        delivery.ack().await.unwrap();
    }
    world.drain(shutdown).await;
    assert!(reasons["newer"].contains("version 99"), "{reasons:?}");
    assert!(reasons.contains_key("not-json") && reasons.contains_key("bad-reference"), "{reasons:?}");
    assert_eq!(world.intake_depth().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_waits_for_its_plan() {
    let mut world = World::new().await;
    let known = std::mem::replace(&mut world.plan, "unknown".to_owned());
    world.arrives(team(1, "Early")).await;
    world.plan = known;
    let shutdown = world.start(1 << 20);
    world.arrives(team(2, "On time")).await;
    assert_eq!(load_of(&world.commands(1).await[0]).body.key, RecordKey::new(Kind::Team, "2"));
    let stored = StoredPlan { yaml: PLAN.to_owned() };
    world.ledger.put_document(&facts::plan("unknown"), None, &stored).await.unwrap().unwrap();
    assert_eq!(load_of(&world.commands(1).await[0]).body.key, RecordKey::new(Kind::Team, "1"));
    world.drain(shutdown).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paused_it_takes_nothing_and_goes_on_when_opened() {
    let world = World::new().await;
    let shutdown = world.start(1 << 20);
    world.arrives(team(0, "Before")).await;
    world.commands(1).await;
    world.valve.set(false);
    for id in 1..=10 {
        world.arrives(team(id, "Meanwhile")).await;
    }
    // If it still consumed, it would take its share of them.
    let mut other = world.broker.consume(&world.queue(Stage::Intake), 100).await.unwrap();
    let mut taken = Vec::new();
    while taken.len() < 10 {
        taken.push(next(other.as_mut()).await);
    }
    other.cancel().await;
    drop(taken);
    world.valve.set(true);
    world.commands(10).await;
    world.drain(shutdown).await;
    assert_eq!(world.intake_depth().await, 0);
}

/// Meets trouble at a point (after a death it is started again), and everything arrives.
async fn meets(point: CrashPoint, mode: Mode) {
    let world = World::new().await;
    let organization = Record::Organization(Organization {
        id: SourceId::from(1),
        name: "A".to_owned(),
        domains: vec!["bad domain".to_owned()],
        tags: Vec::new(),
        shared: false,
        notes: Vec::new(),
        fields: BTreeMap::new(),
    });
    let deleted = case(9, "deleted", "x", vec![]);
    let deleted_key = deleted.key();
    world.arrives(organization).await;
    world.arrives(deleted).await;
    world.crash.arm(point, mode, 1);
    let mut shutdown = world.start(1 << 20);
    if mode == Mode::Die {
        let completion = tokio::time::timeout(PATIENCE, shutdown.complete()).await.unwrap();
        assert!(!completion.is_clean() && !world.crash.is_armed(), "{point} was never reached");
        assert!(world.intake_depth().await > 0, "{point}: everything was acknowledged by a dead process");
        shutdown = world.start(1 << 20);
    }
    let first = world.commands(1).await;
    assert_eq!(load_of(&first[0]).body.key, RecordKey::new(Kind::Organization, "1"));
    assert_eq!(world.until_settled(&deleted_key).await.state, State::Skipped);
    // Command and row may be the dead one's work: its messages have to be taken again all the same.
    world.until_taken().await;
    assert!(!world.crash.is_armed(), "{point} was never reached");
    world.drain(shutdown).await;
    assert_eq!(world.intake_depth().await, 0, "{point}");
    // A command may come twice, and is the same both times: a loader takes it for what it is.
    let more = world.broker.depth(&world.queue(Stage::Load)).await.unwrap().ready;
    assert!(more <= 1, "{point}");
    if more == 1 {
        assert_eq!(world.commands(1).await[0].body, first[0].body);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_may_die_anywhere() {
    for point in crash_points::ALL {
        meets(*point, Mode::Die).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_fails_or_runs_twice_does_not_end_it() {
    for point in crash_points::ALL {
        meets(*point, Mode::Fail).await;
        if point.is_repeatable() {
            meets(*point, Mode::Twice).await;
        }
    }
}
