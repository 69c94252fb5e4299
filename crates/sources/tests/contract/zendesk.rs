//! Zendesk, against a generated account over HTTP.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;
use futures::StreamExt as _;
use model::listing::Listed;
use model::record::{Content, Record};
use model::{Classify as _, FailureClass, Kind, SourceId};
use sandbox::faults::{Fault, Rule, Schedule, When};
use sandbox::seed::{Company, GroupId, OrganizationId, Size, Status, TicketId, UserId};
use sandbox::server::Server;
use sandbox::zendesk::{self as desk, API_TOKEN, EMAIL, Feature, NewComment, OauthClient, Switches};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use sources::zendesk::{Auth, Grant, Identities, OAuth, Settings, Zendesk};
use sources::{
    Completed, Download, Error, FieldKind, InProcessKeeper, LocalPace, Pace, PaceSettings, RefreshGuard,
    Source, TokenKeeper, Tokens,
};

use crate::battery::{self, Desk, Trouble, everything, record, walk};
use crate::paces::Counting;
use crate::stub::{self, json_answer, page_answer};
use crate::truth;

struct Served {
    account: desk::Account,
    server: Server,
    base: String,
}

async fn served(config: desk::Config) -> Served {
    let account = desk::Account::new(config);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let server = Server::start(listener, account.router(), Schedule::default()).unwrap();
    Served { account, server, base }
}

async fn sample_account() -> Served {
    served(desk::Config { company: Company::new(3, Size::sample()), ..desk::Config::default() }).await
}

impl Served {
    fn settings(&self, auth: Auth) -> Settings {
        Settings { page_size: 17, ..Settings::new(self.base.parse().unwrap(), auth) }
    }

    fn open(&self, auth: Auth) -> Zendesk {
        Zendesk::new(self.settings(auth), Arc::new(Counting::default())).unwrap()
    }

    fn company(&self) -> Company {
        self.account.company()
    }

    async fn listed(&self, source: &dyn Source, id: TicketId) -> Listed {
        everything(source, Kind::Case).await.remove(&SourceId::from(id.0)).unwrap()
    }

    /// A ticket that is not deleted.
    fn living(&self) -> TicketId {
        let company = self.company();
        let index = (0..company.size().tickets).find(|&i| company.status_of(i) == Status::Open).unwrap();
        company.ticket_id(index)
    }
}

fn token() -> Auth {
    Auth::ApiToken { email: EMAIL.to_owned(), token: API_TOKEN.to_owned().into() }
}

fn oauth(keeper: Arc<dyn TokenKeeper>, first: &str) -> Auth {
    let client = OauthClient::default();
    Auth::OAuth(OAuth {
        client_id: client.client_id,
        client_secret: Some(client.client_secret.into()),
        grant: Grant::RefreshToken { first: first.to_owned().into() },
        keeper,
    })
}

impl Desk for Served {
    fn source(&self, pace: Arc<dyn Pace>) -> Arc<dyn Source> {
        Arc::new(Zendesk::new(self.settings(token()), pace).unwrap())
    }

    fn stranger(&self) -> Arc<dyn Source> {
        let auth =
            Auth::ApiToken { email: EMAIL.to_owned(), token: "wrong-token-of-a-stranger".to_owned().into() };
        Arc::new(self.open(auth))
    }

    fn ids(&self, kind: Kind) -> BTreeSet<SourceId> {
        let company = self.company();
        let ids: Vec<u64> = match kind {
            Kind::Team => (0..company.group_count()).map(|i| company.group_at(i).unwrap().id.0).collect(),
            Kind::Organization => {
                (0..company.organization_count()).map(|i| company.organization_at(i).unwrap().id.0).collect()
            }
            Kind::User => (0..company.user_count()).map(|i| company.user_id(i).0).collect(),
            Kind::Case => (0..company.size().tickets).map(|i| company.ticket_id(i).0).collect(),
        };
        ids.into_iter().map(SourceId::from).collect()
    }

    fn unknown(&self, _: Kind) -> SourceId {
        SourceId::from(9_999_999_999_999_999)
    }

    fn calls(&self) -> u64 {
        self.server.counts().total
    }

    fn next_call_meets(&self, trouble: Trouble) {
        let fault = match trouble {
            Trouble::RateLimit(retry_after) => Fault::RateLimit { retry_after },
            Trouble::Drop => Fault::DropBefore,
            Trouble::Truncated => Fault::Truncated,
            Trouble::NotJson => Fault::NotJson,
            Trouble::ServerError => Fault::ErrorBefore,
        };
        let rule =
            Rule { method: None, path: "/api/v2/".to_owned(), when: When::Always, times: Some(1), fault };
        self.server.set_faults(Schedule { seed: 0, rules: vec![rule] });
    }

    fn leaks(&self) -> usize {
        self.account.leaks().len()
    }

    fn writes(&self) -> usize {
        self.account.writes().len()
    }
}

battery::conformance!(sample_account);

#[tokio::test]
async fn nothing_printable_holds_credentials() {
    battery::nothing_printable_holds_credentials(
        &sample_account().await,
        &[API_TOKEN, "wrong-token-of-a-stranger"],
    )
    .await;
}

#[tokio::test]
async fn every_record_is_what_the_account_holds() {
    let served = sample_account().await;
    let company = served.company();
    let source = served.open(token());
    let mut compared = 0;
    for kind in Kind::ALL {
        for (id, listed) in everything(&source, kind).await {
            let number: u64 = id.as_str().parse().unwrap();
            let expected = match kind {
                Kind::Team => Record::Team(truth::team(&company.group(GroupId(number)).unwrap())),
                Kind::Organization => {
                    let organization = company.organization(OrganizationId(number)).unwrap();
                    assert_eq!(listed.facts.deleted, organization.deleted_at.is_some());
                    Record::Organization(truth::organization(&company, &organization))
                }
                Kind::User => {
                    Record::User(truth::user(&company, company.user_ordinal(UserId(number)).unwrap()))
                }
                Kind::Case => {
                    let ticket = company.ticket_with_id(TicketId(number)).unwrap();
                    let facts = &listed.facts;
                    assert_eq!(facts.deleted, ticket.status == Status::Deleted, "{id}");
                    assert_eq!(facts.created_at, Some(ticket.created_at));
                    assert_eq!(facts.tags, ticket.tags);
                    if facts.deleted {
                        assert_eq!(record(&source, &listed).await, None, "{id}");
                        continue;
                    }
                    let case = truth::case(&company, &ticket, &served.base);
                    assert_eq!(facts.fields, case.fields);
                    assert_eq!(
                        (&facts.team, &facts.organization, &facts.assignee),
                        (&case.team, &case.organization, &case.assignee)
                    );
                    Record::Case(Box::new(case))
                }
            };
            let actual = match record(&source, &listed).await {
                Some(Record::Case(case)) => Record::Case(Box::new(truth::without_addresses(*case))),
                Some(other) => other,
                None => panic!("{} is gone", listed.key),
            };
            assert_eq!(actual, expected, "{}", listed.key);
            compared += 1;
        }
    }
    assert!(compared > 200, "only {compared} records were compared");
}

#[tokio::test]
async fn a_thread_of_five_thousand_comments_is_read_whole() {
    let company = Company::new(3, Size::tickets(20)).with_giant_thread().with_attachments(0);
    let served = served(desk::Config { company, ..desk::Config::default() }).await;
    let source = served.open(token());
    let giant = company.ticket(company.size().tickets / 2).unwrap();
    let listed = served.listed(&source, giant.id).await;
    let Some(Record::Case(case)) = record(&source, &listed).await else { panic!("no case") };
    assert_eq!(case.posts.len(), 5_000);
    assert_eq!(case.expected_posts, Some(5_000));
}

#[tokio::test]
async fn a_rate_limit_within_a_long_thread_does_not_start_it_anew() {
    let served = sample_account().await;
    let company = served.company();
    let long = (0..company.size().tickets)
        .find(|&i| company.comment_count(i) > 110 && company.status_of(i) != Status::Deleted);
    let long = company.ticket(long.unwrap()).unwrap();
    let source = served.open(token());
    let listed = served.listed(&source, long.id).await;
    let rule = Rule {
        method: None,
        path: format!("/api/v2/tickets/{}/comments", long.id),
        when: When::Nth(2),
        times: Some(1),
        fault: Fault::RateLimit { retry_after: 1 },
    };
    served.server.set_faults(Schedule { seed: 0, rules: vec![rule] });
    let Some(Record::Case(case)) = record(&source, &listed).await else { panic!("no case") };
    assert_eq!(case.posts.len() as u64, long.comment_count);
}

#[tokio::test]
async fn a_comment_written_after_the_listing_comes_with_the_ticket_it_belongs_to() {
    let served = sample_account().await;
    let source = served.open(token());
    let ticket = served.living();
    let listed = served.listed(&source, ticket).await;
    let new = NewComment { body: "one more".to_owned(), ..NewComment::default() };
    served.account.add_comment(ticket, &new).unwrap();
    let changes = json!({"status": "solved"}).as_object().unwrap().clone();
    served.account.change_ticket(ticket, changes).unwrap();

    let Some(Record::Case(case)) = record(&source, &listed).await else { panic!("no case") };
    let count = served.account.comment_count(&served.account.ticket(ticket).unwrap());
    assert_eq!(case.posts.len() as u64, count);
    assert!(case.posts.last().unwrap().body.as_str().contains("one more"));
    assert_eq!(case.status.as_deref(), Some("solved"), "new comments with an old status");
}

#[tokio::test]
async fn changes_and_deletions_come_with_the_next_listing() {
    let served = sample_account().await;
    let source = served.open(token());
    let shard = source.shards(Kind::Case).await.unwrap().remove(0);
    let (before, _, mark) = walk(&source, &shard, None).await;
    let ticket = served.living();
    served.account.change_ticket(ticket, serde_json::Map::new()).unwrap();
    let company = served.company();
    let victim = (0..company.size().tickets)
        .map(|i| company.ticket(i).unwrap())
        .find(|t| t.status == Status::Closed)
        .unwrap();
    assert!(served.account.delete_ticket(victim.id, false));

    let (news, ..) = walk(&source, &shard, Some(mark.clone())).await;
    assert!(news.iter().all(|listed| before.contains(listed)), "the last minute is not exported yet");
    served.account.advance(61);
    let (news, _, later) = walk(&source, &shard, Some(mark.clone())).await;
    assert_ne!(later, mark);
    let of = |list: &[Listed], id: TicketId| {
        list.iter().rfind(|listed| listed.key.id == SourceId::from(id.0)).cloned().unwrap()
    };
    assert_ne!(of(&news, ticket).version, of(&before, ticket).version, "a touch by the system went unseen");
    let deleted = of(&news, victim.id);
    assert!(deleted.facts.deleted);
    assert_eq!(source.complete(deleted).await.unwrap(), Completed::Gone);
    // Deleted between listing and reading.
    assert_eq!(source.complete(of(&before, victim.id)).await.unwrap(), Completed::Gone);
}

#[tokio::test]
async fn repeated_and_idle_pages_do_not_confuse_the_listing() {
    for null_cursor_when_idle in [true, false] {
        let switches = Switches { repeat_every: 1, null_cursor_when_idle, ..Switches::default() };
        let company = Company::new(5, Size::sample());
        let served = served(desk::Config { company, switches, ..desk::Config::default() }).await;
        battery::listings_show_everything_and_end(&served).await;
        battery::a_quiet_account_lists_nothing_new(&served).await;
    }
}

#[tokio::test]
async fn every_call_takes_from_the_accounts_budget() {
    let served = sample_account().await;
    let pace = Arc::new(Counting::default());
    let source = served.source(Arc::<Counting>::clone(&pace));
    source.check().await.unwrap();
    source.catalogue().await.unwrap();
    for kind in Kind::ALL {
        source.estimate(kind).await.unwrap();
        for listed in everything(&*source, kind).await.values().take(10) {
            record(&*source, listed).await;
        }
    }
    let counts = served.server.counts();
    let of = |prefix: &str| -> u64 {
        counts.calls.iter().filter(|(call, _)| call.starts_with(prefix)).flat_map(|(_, by)| by.values()).sum()
    };
    assert_eq!(pace.granted("zendesk-account"), counts.total);
    assert_eq!(
        pace.granted("zendesk-incremental-exports-cursor"),
        of("GET /api/v2/incremental/tickets/cursor") + of("GET /api/v2/incremental/users/cursor")
    );
    assert_eq!(pace.granted("zendesk-incremental-exports"), of("GET /api/v2/incremental/organizations"));
    assert!(pace.granted("zendesk-ticket-fields") >= 1);
}

#[tokio::test]
async fn the_accounts_limit_is_learned_and_never_overrun() {
    // 30 calls in 1.2 s, of which 12 are ours: even two of our windows that a slow machine lets arrive as one do not
    // overrun it. The documented number we begin with would be 80.
    let limits = desk::Limits { account: 30, ..desk::Limits::plan(200) };
    let company = Company::new(3, Size::tickets(40));
    let served = served(desk::Config { company, limits, time_scale: 0.02, ..desk::Config::default() }).await;
    let settings = PaceSettings {
        window: Duration::from_millis(1200),
        jitter: Duration::from_millis(10),
        share: 0.4,
        ..PaceSettings::default()
    };
    let source = served.source(Arc::new(LocalPace::new(settings)));
    let cases = everything(&*source, Kind::Case).await;
    futures::future::join_all(cases.values().take(30).map(|listed| record(&*source, listed))).await;
    let counts = served.server.counts();
    assert!(counts.total > 30, "too few calls to overrun anything");
    let refused = counts.calls.values().filter_map(|by| by.get(&429)).sum::<u64>();
    assert_eq!(refused, 0, "{counts:?}");
}

#[tokio::test]
async fn private_files_are_read_by_hash_and_credentials_stay_at_home() {
    let switches = Switches { private_attachments: true, ..Switches::default() };
    let company = Company::new(3, Size::sample());
    let served = served(desk::Config { company, switches, ..desk::Config::default() }).await;
    let source = served.open(token());
    let mut files = 0;
    for listed in everything(&source, Kind::Case).await.values() {
        let Some(Record::Case(case)) = record(&source, listed).await else { continue };
        for file in case.posts.iter().flat_map(|post| &post.attachments) {
            let Content::AtSource(url) = &file.content else { continue };
            let id = sandbox::seed::AttachmentId(file.id.as_str().parse().unwrap());
            assert_eq!(
                sha256(read(&source, url).await),
                company.attachment_sha256(id).unwrap(),
                "{}",
                file.name
            );
            files += 1;
        }
    }
    assert!(files > 50, "only {files} files");
    assert_eq!(served.leaks(), 0);
}

async fn read(source: &dyn Source, url: &str) -> Vec<u8> {
    let Download::Found(mut transfer) = source.download(url).await.unwrap() else {
        panic!("{url} is missing")
    };
    let mut bytes = Vec::new();
    while let Some(part) = transfer.body.next().await {
        bytes.extend_from_slice(&part.unwrap());
    }
    bytes
}

fn sha256(bytes: Vec<u8>) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// The address of some file.
async fn some_address(source: &dyn Source) -> String {
    for listed in everything(source, Kind::Case).await.values() {
        let Some(Record::Case(case)) = record(source, listed).await else { continue };
        for file in case.posts.into_iter().flat_map(|post| post.attachments) {
            if let (Content::AtSource(url), 1..) = (file.content, file.size) {
                return url;
            }
        }
    }
    panic!("there is no file");
}

#[tokio::test]
async fn a_stale_address_is_replaced_by_a_fresh_one() {
    let served = sample_account().await;
    let source = served.open(token());
    let url = some_address(&source).await;
    let url = url.as_str();
    let fresh = read(&source, url).await;
    served.account.set_switches(Switches { attachment_generation: 1, ..served.account.switches() });
    assert_eq!(read(&source, url).await, fresh);
    // Without the id in the fragment there is nothing to replace it by.
    let bare = url.split('#').next().unwrap();
    assert!(
        matches!(source.download(bare).await.unwrap(), Download::Missing(absence) if absence.word() == "not_found")
    );
}

#[tokio::test]
async fn a_refused_file_is_missing_only_if_its_description_says_why() {
    let (source, base) = stub::zendesk(|uri| {
        let described = |more: serde_json::Value| {
            let mut file = json!({"id": 7, "content_url": "/attachments/token/refused/?name=a.exe"});
            file.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            Some(json_answer(&json!({ "attachment": file })))
        };
        match uri.path() {
            "/attachments/token/refused/" => Some((StatusCode::FORBIDDEN, "<h1>no</h1>").into_response()),
            "/api/v2/attachments/7" => described(json!({"malware_scan_result": "malware_found"})),
            "/api/v2/attachments/8" => described(json!({"deleted": true})),
            "/api/v2/attachments/9" => described(json!({})),
            _ => None,
        }
    })
    .await;
    for (id, word) in [(7, "malware"), (8, "deleted")] {
        let answer =
            source.download(&format!("{base}/attachments/token/refused/?name=a.exe#{id}")).await.unwrap();
        assert!(matches!(answer, Download::Missing(absence) if absence.word() == word), "{answer:?}");
    }
    let failure =
        source.download(&format!("{base}/attachments/token/refused/?name=a.exe#9")).await.unwrap_err();
    assert_eq!(failure.class(), FailureClass::Halt, "rights are missing, not files: {failure}");
}

#[tokio::test]
async fn features_the_account_lacks_are_empty() {
    for feature in [Feature::Forbidden, Feature::Missing] {
        let switches = Switches { ticket_forms: feature, custom_statuses: feature, ..Switches::default() };
        let served = served(desk::Config { switches, ..desk::Config::default() }).await;
        let catalogue = served.open(token()).catalogue().await.unwrap();
        assert!(catalogue.forms.is_empty());
        let categories: Vec<_> = catalogue.statuses.iter().map(|status| status.category.as_str()).collect();
        assert_eq!(categories, ["new", "open", "pending", "hold", "solved", "closed"]);
    }
}

#[tokio::test]
async fn the_catalogue_is_what_a_mapping_needs() {
    let served = sample_account().await;
    let catalogue = served.open(token()).catalogue().await.unwrap();
    let product = catalogue.case_fields.iter().find(|field| field.title == "Product").unwrap();
    assert_eq!(product.kind, FieldKind::Choice);
    assert!(
        product
            .options
            .iter()
            .any(|option| option.label == "Hardware::Printer::Laser" && option.value == "hw_printer_laser")
    );
    assert!(
        catalogue.case_fields.iter().any(|field| !field.active),
        "retired fields still have values in old cases"
    );
    assert!(
        catalogue.case_fields.iter().all(|field| field.title != "Subject"),
        "built-in fields are no custom fields"
    );
    assert!(catalogue.user_fields.iter().any(|field| field.key == "plan"));
    assert!(catalogue.organization_fields.iter().any(|field| field.key == "contract"));
    assert!(catalogue.groups.iter().any(|group| group.deleted));
    assert!(catalogue.agents.iter().any(|agent| agent.email.as_deref() == Some(EMAIL)));
    assert!(catalogue.agents.iter().any(|agent| !agent.active), "suspended staff is staff");
    assert!(catalogue.statuses.iter().any(|status| status.id.is_some() && status.category == "open"));
    assert!(!catalogue.brands.is_empty() && !catalogue.forms.is_empty());
}

#[tokio::test]
async fn estimates_come_from_the_source() {
    let served = sample_account().await;
    let source = served.open(token());
    let company = served.company();
    let living =
        (0..company.size().tickets).filter(|&i| company.status_of(i) != Status::Deleted).count() as u64;
    assert_eq!(source.estimate(Kind::Case).await.unwrap(), Some(living), "archived tickets count");
    assert_eq!(source.estimate(Kind::Team).await.unwrap(), Some(company.size().groups));
    served.account.set_switches(Switches { plain_search_count: true, ..Switches::default() });
    assert_eq!(source.estimate(Kind::Case).await.unwrap(), Some(living), "a bare number");
}

#[tokio::test]
async fn without_identities_no_call_per_user_is_made() {
    let served = sample_account().await;
    let settings = Settings { identities: Identities::Never, ..served.settings(token()) };
    let source = Zendesk::new(settings, Arc::new(Counting::default())).unwrap();
    let users = everything(&source, Kind::User).await;
    for listed in users.values() {
        record(&source, listed).await.unwrap();
    }
    let counts = served.server.counts();
    assert!(counts.calls.keys().all(|call| !call.ends_with("/identities")), "{counts:?}");
}

#[tokio::test]
async fn an_agent_who_would_see_half_is_told_apart_from_an_administrator() {
    let switches = Switches { caller_is_admin: false, ..Switches::default() };
    let served = served(desk::Config { switches, ..desk::Config::default() }).await;
    let source = served.open(token());
    let failure = source.check().await.unwrap_err();
    assert_eq!(failure.class(), FailureClass::Halt);
    assert!(failure.to_string().contains("administrator"), "{failure}");
    let shard = source.shards(Kind::Case).await.unwrap().remove(0);
    assert_eq!(source.list(&shard, None).await.unwrap_err().class(), FailureClass::Halt);
}

#[tokio::test]
async fn nobody_at_the_address_is_said_so() {
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", gone.local_addr().unwrap());
    drop(gone);
    let source =
        Zendesk::new(Settings::new(url.parse().unwrap(), token()), Arc::new(Counting::default())).unwrap();
    let failure = source.check().await.unwrap_err();
    assert_eq!(failure.class(), FailureClass::NotSent, "{failure}");

    let (no_zendesk, _) =
        stub::zendesk(|_| Some((StatusCode::NOT_FOUND, "no such help desk").into_response())).await;
    let failure = no_zendesk.check().await.unwrap_err();
    assert_eq!(failure.class(), FailureClass::Halt);
    assert!(failure.to_string().contains("check the address"), "{failure}");
}

/// Counts and can be told to be slow, so that many wait for one refresh.
#[derive(Default)]
struct Watched {
    inner: InProcessKeeper,
    stored: AtomicU64,
}

#[async_trait::async_trait]
impl TokenKeeper for Watched {
    async fn lock(&self) -> Result<RefreshGuard, Error> {
        self.inner.lock().await
    }
    async fn load(&self) -> Result<Option<Tokens>, Error> {
        self.inner.load().await
    }
    async fn store(&self, tokens: &Tokens) -> Result<(), Error> {
        self.stored.fetch_add(1, Ordering::SeqCst);
        self.inner.store(tokens).await
    }
}

#[tokio::test]
async fn one_of_many_refreshes_and_a_spent_token_is_never_used_again() {
    let served = sample_account().await;
    let keeper = Arc::new(Watched::default());
    let first = OauthClient::default().refresh_token;
    // Two processes with one keeper, eight calls at once each.
    let processes = [
        served.open(oauth(Arc::<Watched>::clone(&keeper), &first)),
        served.open(oauth(Arc::<Watched>::clone(&keeper), &first)),
    ];
    for life in 1..=3 {
        let calls = processes.iter().flat_map(|source| (0..8).map(move |_| source.estimate(Kind::User)));
        for answer in futures::future::join_all(calls).await {
            answer.unwrap();
        }
        assert_eq!(keeper.stored.load(Ordering::SeqCst), life, "more than one refresh per token life");
        served.account.advance(3_600);
    }
    // A process that starts later takes the kept tokens, not the spent first one.
    let late = served.open(oauth(Arc::<Watched>::clone(&keeper), &first));
    late.check().await.unwrap();
    assert_eq!(served.writes(), 0, "asking for tokens is no write");
}

#[tokio::test]
async fn a_spent_authorization_halts_until_a_person_authorises_again() {
    let served = sample_account().await;
    let source = served.open(oauth(Arc::new(InProcessKeeper::default()), "spent"));
    for failure in [source.check().await.unwrap_err(), source.estimate(Kind::User).await.unwrap_err()] {
        assert_eq!(failure.class(), FailureClass::Halt);
        assert!(failure.to_string().contains("authorise the migration again"), "{failure}");
    }
    // The keeper's pair is spent, the plan's token is new.
    let keeper = InProcessKeeper::default();
    let spent = Tokens { access: "old".to_owned().into(), refresh: Some("spent".to_owned().into()) };
    keeper.store(&spent).await.unwrap();
    let renewed = served.open(oauth(Arc::new(keeper), &OauthClient::default().refresh_token));
    renewed.check().await.unwrap();
}

#[tokio::test]
async fn client_credentials_open_the_account_and_a_wrong_scope_is_a_matter_of_rights() {
    let served = sample_account().await;
    let with_scope = |scope: &str| {
        let client = OauthClient::default();
        served.open(Auth::OAuth(OAuth {
            client_id: client.client_id,
            client_secret: Some(client.client_secret.into()),
            grant: Grant::ClientCredentials { scope: scope.to_owned() },
            keeper: Arc::new(InProcessKeeper::default()),
        }))
    };
    with_scope("read").check().await.unwrap();
    let failure = with_scope("everything").check().await.unwrap_err();
    assert_eq!(failure.class(), FailureClass::Halt);
    assert!(failure.to_string().contains("scope"), "{failure}");
}

fn ticket_of(comment_count: u64) -> Listed {
    let raw = json!({"id": 1, "status": "open", "created_at": "2023-02-01T09:15:00Z",
        "updated_at": "2023-02-01T09:15:00Z", "comment_count": comment_count});
    let key = model::RecordKey::new(Kind::Case, "1");
    Listed { key, version: 0, facts: model::listing::Facts::default(), raw }
}

#[tokio::test]
async fn a_conversation_that_stays_incomplete_is_an_error_and_read_a_bounded_number_of_times() {
    let reads = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&reads);
    let (source, _) = stub::zendesk(move |uri| match uri.path() {
        "/api/v2/tickets/1" => Some(json_answer(&json!({"ticket": ticket_of(3).raw}))),
        "/api/v2/tickets/1/comments/count" => Some(json_answer(&json!({"count": {"value": 3}}))),
        "/api/v2/tickets/1/comments" => {
            seen.fetch_add(1, Ordering::SeqCst);
            let comment = json!({"id": 5, "created_at": "2023-02-01T09:15:00Z", "public": true, "body": "x"});
            Some(json_answer(&json!({"comments": [comment, comment], "meta": {"has_more": false}})))
        }
        _ => None,
    })
    .await;
    let failure = source.complete(ticket_of(3)).await.unwrap_err();
    assert!(matches!(failure, Error::Incomplete { expected: 3, found: 1, .. }), "{failure}");
    assert_eq!(failure.class(), FailureClass::Ambiguous);
    assert_eq!(reads.load(Ordering::SeqCst), 3);
    // The side-load may be wrong for ever; the count of the moment is what decides.
    let Completed::Record(_) = source.complete(ticket_of(1)).await.unwrap() else { panic!("no record") };
}

#[tokio::test]
async fn a_list_that_promises_more_without_saying_where_is_not_read_for_ever() {
    let (source, _) = stub::zendesk(|uri| match uri.path() {
        "/api/v2/groups" => {
            Some(json_answer(&json!({"groups": [], "meta": {"has_more": true, "after_cursor": null}})))
        }
        "/api/v2/incremental/tickets/cursor" => {
            Some(json_answer(&json!({"tickets": [], "after_cursor": null, "end_of_stream": false})))
        }
        _ => None,
    })
    .await;
    for kind in [Kind::Team, Kind::Case] {
        let shard = source.shards(kind).await.unwrap().remove(0);
        let failure = source.list(&shard, None).await.unwrap_err();
        assert!(matches!(failure, Error::UnreadableAnswer { .. }), "{kind}: {failure}");
    }
}

#[tokio::test]
async fn only_bytes_of_the_file_count_as_the_file() {
    let (source, base) = stub::zendesk(|uri| match uri.path() {
        "/attachments/token/login/" => {
            Some((StatusCode::FOUND, [(header::LOCATION, "/access/unauthenticated?x=1")]).into_response())
        }
        "/attachments/token/page/" => Some(page_answer("<h1>Sorry</h1>")),
        "/attachments/token/large/" => Some(vec![0_u8; 1001].into_response()),
        "/attachments/token/fits/" => Some(vec![0_u8; 1000].into_response()),
        "/attachments/token/circle/" => {
            Some((StatusCode::FOUND, [(header::LOCATION, "/attachments/token/circle/")]).into_response())
        }
        "/attachments/token/inward/" => {
            Some((StatusCode::FOUND, [(header::LOCATION, "http://169.254.169.254/latest")]).into_response())
        }
        _ => None,
    })
    .await;
    let at = |token: &str| format!("{base}/attachments/token/{token}/?name=invoice.pdf#7");
    let login = source.download(&at("login")).await.unwrap_err();
    assert_eq!(login.class(), FailureClass::Halt, "a login page is a matter of credentials: {login}");
    let page = source.download(&at("page")).await.unwrap_err();
    assert_eq!(page.class(), FailureClass::Ambiguous, "{page}");
    let page =
        source.download(&format!("{base}/attachments/token/page/?name=newsletter.html#7")).await.unwrap();
    assert!(matches!(page, Download::Found(_)), "the file is a page itself");
    assert!(
        matches!(source.download(&at("large")).await.unwrap(), Download::Missing(absence) if absence.word() == "too_large")
    );
    assert_eq!(read(&source, &at("fits")).await.len(), 1000);
    assert_eq!(source.download(&at("circle")).await.unwrap_err().class(), FailureClass::Ambiguous);
    assert_eq!(source.download(&at("inward")).await.unwrap_err().class(), FailureClass::Rejected);
    assert!(
        matches!(source.download(&at("unknown")).await.unwrap(), Download::Missing(absence) if absence.word() == "not_found")
    );
}
