//! Whole protocols against the sandbox's account, which was written from the reference and not from this client.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use model::{Classify, FailureClass};
use sandbox::faults::{Fault, Rule, Schedule, When};
use sandbox::kayako::{Account, Cause, Config, JobResults, NewPerson, Switches};
use sandbox::server::Server;
use secrecy::SecretString;
use tokio::net::TcpListener;

use kayako::{
    BulkCase, BulkPost, CaseFields, CaseId, CaseUpdate, Channel, Client, ClientConfig, Credentials, Error,
    ErrorCode, FieldOwner, Gate, Job, JobStatus, LegacyCollection, Lookup, NewNoteCase, NewOrganization,
    NewReply, NewTeam, NewUser, NoteOwner, OpenGate, OrganizationUpdate, RateClass, RoleId, RoleType, Slot,
    Tag, TagOwner, UserId, UserUpdate,
};

struct World {
    account: Account,
    server: Server,
    config: Config,
}

impl World {
    async fn new(switches: Switches) -> Self {
        let config = Config { switches, ..Config::default() };
        let account = Account::new(&config).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let server = Server::start(listener, account.router(), Schedule::default()).unwrap();
        account.set_base_url(&format!("http://{}", server.address().unwrap()));
        Self { account, server, config }
    }

    fn client(&self) -> Client {
        self.client_with(&self.config.password, Arc::new(OpenGate))
    }

    fn client_with(&self, password: &str, gate: Arc<dyn Gate>) -> Client {
        let url = format!("http://{}", self.server.address().unwrap()).parse().unwrap();
        let password = SecretString::from(password);
        let email = self.config.email.clone();
        Client::new(ClientConfig::new(url, Credentials::Password { email, password }), gate).unwrap()
    }

    fn fault(&self, method: &str, path: &str, fault: Fault) {
        let rule = Rule {
            method: Some(method.into()),
            path: path.into(),
            when: When::Always,
            times: Some(1),
            fault,
        };
        self.server.set_faults(Schedule { seed: 1, rules: vec![rule] });
    }
}

async fn write(client: &Client) -> Slot {
    client.slot(RateClass::Write).await.unwrap()
}

async fn bulk(client: &Client) -> Slot {
    client.slot(RateClass::Bulk).await.unwrap()
}

async fn role(client: &Client, kind: &RoleType) -> RoleId {
    client.roles().await.unwrap().into_iter().find(|role| role.kind.as_ref() == Some(kind)).unwrap().id
}

fn customers(role: RoleId, range: std::ops::Range<usize>) -> Vec<NewUser> {
    range
        .map(|n| NewUser {
            legacy_id: Some(format!("zendesk-acme:user:{n}")),
            email: Some(format!("person{n}@example.com")),
            ..NewUser::new(format!("Person {n}"), role)
        })
        .collect()
}

async fn finished(client: &Client, mut job: Job) -> Job {
    while !job.status.is_terminal() {
        job = client.job(job.id).await.unwrap();
    }
    job
}

fn legacy_ids(kind: &str, range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| format!("zendesk-acme:{kind}:{n}")).collect()
}

fn strs(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

#[tokio::test]
async fn the_whole_set_up_of_an_account_is_readable() {
    let world = World::new(Switches::friendly()).await;
    let client = world.client();
    let me = client.me().await.unwrap();
    let kind = me.role.unwrap().kind.unwrap();
    assert!(matches!(kind, RoleType::Owner | RoleType::Admin), "{kind}");
    assert!(client.roles().await.unwrap().iter().any(|role| role.kind == Some(RoleType::Customer)));
    assert!(
        client.statuses().await.unwrap().iter().all(|status| status.label.is_some() && status.kind.is_some())
    );
    assert!(client.priorities().await.unwrap().iter().all(|priority| priority.level.is_some()));
    assert!(client.case_types().await.unwrap().iter().all(|kind| kind.kind.is_some()));
    assert!(client.locales().await.unwrap().iter().any(|locale| locale.locale.as_deref() == Some("en-us")));
    assert_eq!(client.brands().await.unwrap().iter().filter(|brand| brand.is_default).count(), 1);
    assert_eq!(client.mailboxes().await.unwrap().iter().filter(|mailbox| mailbox.is_default).count(), 1);
    assert!(!client.business_hours().await.unwrap().is_empty());
    assert!(!client.teams().await.unwrap().is_empty());
    let fields = client.fields(FieldOwner::Case).await.unwrap();
    assert!(fields.iter().all(|field| field.kind.is_some()));
    assert!(fields.iter().any(|field| field.is_system));
    let forms = client.forms().await.unwrap();
    assert!(forms.iter().any(|form| !form.fields.is_empty()));
    for owner in [FieldOwner::User, FieldOwner::Organization] {
        assert!(client.fields(owner).await.unwrap().iter().all(|field| field.key.is_some()));
    }
    assert_eq!(client.plan().await.unwrap().attachment_size_limit_mb(), Some(25));
    let settings = client.settings("account").await.unwrap();
    assert!(
        settings.iter().any(|setting| setting.key == "account.timezone" && setting.value.is_some()),
        "{settings:?}"
    );
    for automations in [client.triggers().await, client.monitors().await, client.slas().await] {
        assert!(automations.unwrap().iter().all(|automation| automation.is_enabled.is_some()));
    }
    client.check_session().await.unwrap();
}

#[tokio::test]
async fn a_bulk_job_is_polled_and_its_records_found_by_their_ids() {
    let switches = Switches {
        job_pending_ms: 1_000,
        job_base_ms: 1_000,
        job_item_ms: 10,
        max_limit: 50,
        max_ids_per_lookup: 20,
        job_results: JobResults::Records,
        ..Switches::friendly()
    };
    let world = World::new(switches).await;
    let client = world.client();
    let mut users = customers(role(&client, &RoleType::Customer).await, 0..200);
    users[7].email = Some("person6@example.com".into());
    users[8].role_id = RoleId::from(999);
    let job = client.bulk_users(bulk(&client).await, &users).await.unwrap();
    assert_eq!(job.status, JobStatus::Pending);
    world.account.advance_clock(Duration::from_millis(2_500));
    assert_eq!(client.job(job.id).await.unwrap().status, JobStatus::Running);
    world.account.advance_clock(Duration::from_secs(10));
    let job = client.job(job.id).await.unwrap();
    assert_eq!(job.status, JobStatus::Completed);
    let refused: Vec<_> = job
        .errors
        .iter()
        .map(|error| (error.legacy_id.as_deref(), error.index, error.code.clone()))
        .collect();
    assert_eq!(
        refused,
        [
            (Some("zendesk-acme:user:7"), Some(7), Some(ErrorCode::FieldDuplicate)),
            (Some("zendesk-acme:user:8"), Some(8), Some(ErrorCode::FieldInvalid)),
        ]
    );
    let found = client.users_by_legacy_ids(&strs(&legacy_ids("user", 0..200))).await.unwrap();
    for (id, finding) in found.iter() {
        if id.ends_with(":7") || id.ends_with(":8") {
            assert!(finding.active.is_absent(), "{id}");
        } else {
            assert_eq!(finding.active.found().len(), 1, "{id}");
        }
    }
    assert_eq!(found.len(), 200);
}

#[tokio::test]
async fn what_is_not_visible_yet_is_absent_and_then_found() {
    let world = World::new(Switches { visibility_delay_ms: 60_000, ..Switches::friendly() }).await;
    let client = world.client();
    let users = customers(role(&client, &RoleType::Customer).await, 0..20);
    finished(&client, client.bulk_users(bulk(&client).await, &users).await.unwrap()).await;
    let ids = legacy_ids("user", 0..20);
    let before = client.users_by_legacy_ids(&strs(&ids)).await.unwrap();
    assert!(before.iter().all(|(_, finding)| finding.active.is_absent()));
    world.account.advance_clock(Duration::from_mins(2));
    let after = client.users_by_legacy_ids(&strs(&ids)).await.unwrap();
    assert!(after.iter().all(|(_, finding)| finding.active.found().len() == 1));
}

#[tokio::test]
async fn two_hundred_e_mails_are_filtered_at_once() {
    for switches in [Switches::friendly(), Switches { max_limit: 50, ..Switches::friendly() }] {
        let world = World::new(switches).await;
        let client = world.client();
        for n in 0..60 {
            let email = format!("Person{n}@Example.com");
            let person = NewPerson {
                full_name: format!("Somebody {n}"),
                email,
                is_agent: false,
                designation: None,
                time_zone: None,
            };
            world.account.add_person(&person).unwrap();
        }
        let emails: Vec<String> = (0..200).map(|n| format!("person{n}@example.com")).collect();
        let found = client.users_by_emails(&strs(&emails)).await.unwrap();
        for (n, email) in emails.iter().enumerate() {
            match &found.get(email).unwrap().active {
                Lookup::Found(users) => {
                    assert_eq!(users[0].full_name.as_deref(), Some(format!("Somebody {n}").as_str()));
                    assert_eq!(users[0].role.as_ref().unwrap().kind, Some(RoleType::Customer));
                }
                Lookup::Absent => assert!(n >= 60),
                Lookup::Unknown => panic!("{email} is unknown"),
            }
        }
    }
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_case_with_files_and_many_posts_arrives_whole_and_silently() {
    let world = World::new(Switches { max_limit: 10, ..Switches::friendly() }).await;
    let client = world.client();
    let customer = customers(role(&client, &RoleType::Customer).await, 0..1).remove(0);
    let customer = client.create_user(write(&client).await, &customer).await.unwrap();
    let mailbox = client.mailboxes().await.unwrap()[0].id;
    let agent = client.me().await.unwrap().id;
    let name = "Rechnung \u{e4}\u{1f600}.pdf";
    let file = client
        .upload(name, "application/pdf", Bytes::from_static(b"%PDF"), Some("EepZ5xDmj5GUzV1b4t+4+g==".into()))
        .await;
    // The checksum above is wrong on purpose: a damaged upload is noticed.
    assert_eq!(file.unwrap_err().class(), FailureClass::Ambiguous);
    let file = client.upload(name, "application/pdf", Bytes::from_static(b"%PDF"), None).await.unwrap();
    assert_eq!(file.size, Some(4));
    let mut posts: Vec<BulkPost> = (0..25)
        .map(|n| BulkPost {
            contents: format!("post {n}"),
            channel: if n % 2 == 0 {
                Channel::Note { is_html: false }
            } else {
                Channel::Mail { mailbox, is_html: false, cc: vec!["cc@example.com".into()] }
            },
            creator_id: Some(agent),
            attachment_file_ids: Vec::new(),
            created_at: Some(time("2021-03-01T09:30:00Z")),
            updated_at: None,
        })
        .collect();
    posts[24].attachment_file_ids = vec![file.id];
    let case = BulkCase {
        legacy_id: "zendesk-acme:case:1".into(),
        subject: "Printer on fire".into(),
        contents: "<p>Help</p>".into(),
        requester_id: customer.id,
        creator_id: Some(customer.id),
        channel: Channel::Mail { mailbox, is_html: true, cc: Vec::new() },
        fields: CaseFields {
            status_id: Some(client.statuses().await.unwrap()[1].id),
            tags: vec![Tag::new("imported").unwrap(), Tag::new("zd").unwrap()],
            ..CaseFields::default()
        },
        attachment_file_ids: Vec::new(),
        created_at: Some(time("2021-03-01T09:00:00.75Z")),
        updated_at: Some(time("2021-03-02T10:00:00Z")),
        posts,
    };
    let job = client.bulk_cases(bulk(&client).await, &[case], Some(file.session)).await.unwrap();
    let job = finished(&client, job).await;
    assert_eq!((job.status, job.errors), (JobStatus::Completed, Vec::new()));

    let mut found = client.cases_by_legacy_ids(&["zendesk-acme:case:1"]).await.unwrap();
    let Lookup::Found(mut cases) = found.take("zendesk-acme:case:1").unwrap().active else {
        panic!("not found")
    };
    let case = cases.remove(0);
    assert_eq!(case.tags.as_deref(), Some(&["imported".to_owned(), "zd".to_owned()][..]));
    assert_eq!((case.requester, case.post_count), (Some(customer.id), Some(26)));
    assert_eq!(case.created_at, Some(time("2021-03-01T09:00:00Z")));
    assert_eq!(client.case(case.id).await.unwrap(), case);
    let thread = client.posts(case.id).await.unwrap();
    assert!(thread.is_complete);
    assert_eq!(thread.posts.len(), 26);
    assert_eq!(thread.posts[0].creator, Some(customer.id));
    let texts: Vec<_> = thread.posts[1..].iter().map(|post| post.contents.clone().unwrap()).collect();
    assert_eq!(texts, (0..25).map(|n| format!("post {n}")).collect::<Vec<_>>());
    assert_eq!(thread.posts[1].source_channel.as_deref(), Some("NOTE"));
    assert_eq!(thread.posts[2].source_channel.as_deref(), Some("MAIL"));
    let attachment = &thread.posts[25].attachments[0];
    assert_eq!((attachment.name.as_deref(), attachment.size), (Some(name), Some(4)));
    let truth = world.account.cases(0, 10).remove(0);
    assert_eq!(truth.posts[25].attachments[0].content_type, "application/pdf");
    assert!(world.account.mails().is_empty(), "{:?}", world.account.mails());
}

#[tokio::test]
async fn users_organizations_and_teams_are_completed_step_by_step() {
    let world = World::new(Switches::friendly()).await;
    let client = world.client();
    let field_values = kayako::FieldValues::new();
    let organization = NewOrganization {
        legacy_id: Some("zendesk-acme:organization:1".into()),
        name: "Initech".into(),
        domains: vec!["initech.example".into(), "initech.test".into()],
        field_values,
        ..NewOrganization::default()
    };
    let organization = client.create_organization(write(&client).await, &organization).await.unwrap();
    assert_eq!(organization.domains, ["initech.example", "initech.test"]);
    let update = OrganizationUpdate { is_shared: Some(true), ..OrganizationUpdate::default() };
    assert_eq!(client.update_organization(organization.id, &update).await.unwrap().is_shared, Some(true));
    assert_eq!(client.organization(organization.id).await.unwrap().name.as_deref(), Some("Initech"));
    let names = client.organizations_by_names(&["INITECH", "Nobody"]).await.unwrap();
    assert_eq!(names.get("INITECH").unwrap().active.found()[0].id, organization.id);
    assert!(names.get("Nobody").unwrap().active.is_absent());
    let by_id = client.organizations_by_legacy_ids(&["zendesk-acme:organization:1"]).await.unwrap();
    assert_eq!(by_id.get("zendesk-acme:organization:1").unwrap().active.found().len(), 1);

    let team = NewTeam {
        legacy_id: Some("zendesk-acme:team:1".into()),
        title: "Billing".into(),
        businesshour_id: None,
    };
    let team = client.create_team(write(&client).await, &team).await.unwrap();
    let me = client.me().await.unwrap();
    client.add_team_members(write(&client).await, team.id, &[me.id]).await.unwrap();
    assert_eq!(client.team_members(team.id).await.unwrap()[0].id, me.id);
    let by_id = client.teams_by_legacy_ids(&["zendesk-acme:team:1", "zendesk-acme:team:2"]).await.unwrap();
    assert_eq!(by_id.get("zendesk-acme:team:1").unwrap().active.found()[0].id, team.id);
    assert!(by_id.get("zendesk-acme:team:2").unwrap().active.is_absent());

    let ann = customers(role(&client, &RoleType::Customer).await, 0..1).remove(0);
    let created = client.create_user(write(&client).await, &ann).await.unwrap();
    let again = client.create_user(write(&client).await, &ann).await.unwrap_err();
    assert_eq!(again.class(), FailureClass::Conflict);
    assert_eq!(again.items()[0].parameter.as_deref(), Some("email"));
    let update = UserUpdate {
        organization_id: Some(organization.id),
        tags: Some(vec![Tag::new("vip").unwrap()]),
        designation: Some("CEO".into()),
        ..UserUpdate::default()
    };
    client.update_user(created.id, &update).await.unwrap();
    client.add_tags(TagOwner::User(created.id), &[Tag::new("gold").unwrap()]).await.unwrap();
    let second =
        client.add_user_email(write(&client).await, created.id, "ann2@example.com", false).await.unwrap();
    assert_eq!((second.is_validated, second.is_notification_enabled), (Some(true), Some(false)));
    assert_eq!(client.user_emails(created.id).await.unwrap().len(), 2);
    client.add_user_phone(write(&client).await, created.id, "+14155550104", true).await.unwrap();
    assert_eq!(client.user_phones(created.id).await.unwrap()[0].number.as_deref(), Some("+14155550104"));
    client.create_note(write(&client).await, NoteOwner::User(created.id), "calm", false, None).await.unwrap();
    assert_eq!(client.notes(NoteOwner::User(created.id)).await.unwrap().len(), 1);
    let user = client.user(created.id).await.unwrap();
    assert_eq!(user.organization, Some(organization.id));
    let mut tags = user.tags.unwrap();
    tags.sort();
    assert_eq!(tags, ["gold", "vip"]);
    assert_eq!(user.emails.iter().filter(|email| email.email.is_some()).count(), 2);
    let staff = client.users_by_role(&RoleType::Owner).await.unwrap();
    assert_eq!(staff[0].id, me.id);
    assert!(world.account.mails().is_empty(), "{:?}", world.account.mails());
    let missing = client.user(UserId::from(99_999)).await.unwrap_err();
    assert!(missing.is_not_found(), "{missing:?}");
}

async fn note_case(client: &Client, legacy_id: &str) -> Result<kayako::Case, Error> {
    let case = NewNoteCase {
        legacy_id: legacy_id.into(),
        subject: "Printer".into(),
        contents: "Ann wrote on Monday: it burns".into(),
        is_html: false,
        requester_id: client.me().await?.id,
        fields: CaseFields::default(),
        attachment_file_ids: Vec::new(),
    };
    client.create_note_case(client.slot(RateClass::Write).await?, &case, None).await
}

#[tokio::test]
async fn a_case_of_notes_is_written_changed_and_trashed() {
    let world = World::new(Switches { legacy_ids_see_trash: true, ..Switches::friendly() }).await;
    let client = world.client();
    let case = note_case(&client, "a").await.unwrap();
    let reply = NewReply {
        contents: "Bob wrote on Tuesday: try water".into(),
        channel: Channel::Note { is_html: false },
        status_id: None,
        attachment_file_ids: Vec::new(),
        client_id: Some("0b9f1f0e-6c43-4b0e-8d9c-3f6c7a1d2e4f".into()),
    };
    let answer = client.reply(write(&client).await, case.id, &reply, None).await.unwrap();
    let thread = client.posts(case.id).await.unwrap();
    assert_eq!(answer.posts, [thread.posts[1].id]);
    assert_eq!(thread.posts[1].client_id, reply.client_id);
    let update = CaseUpdate { subject: Some("Printer, again".into()), ..CaseUpdate::default() };
    assert_eq!(client.update_case(case.id, &update).await.unwrap().subject, update.subject);
    client.replace_tags(TagOwner::Case(case.id), &[Tag::new("done").unwrap()]).await.unwrap();
    assert_eq!(client.case(case.id).await.unwrap().tags.unwrap(), ["done"]);
    client.trash_case(case.id).await.unwrap();
    let found = client.cases_by_legacy_ids(&["a"]).await.unwrap();
    assert!(found.get("a").unwrap().active.is_absent());
    assert_eq!(found.get("a").unwrap().inactive[0].id, case.id);
    assert!(client.case(CaseId::from(99_999)).await.unwrap_err().is_not_found());
    // The account's own triggers may write to its owner; the calls themselves write to nobody.
    let mails = world.account.mails();
    assert!(mails.iter().all(|mail| matches!(mail.cause, Cause::Trigger)), "{mails:?}");
}

#[tokio::test]
async fn an_unclear_create_is_settled_by_the_look_up() {
    let rows = [
        (Fault::DropBefore, false),
        (Fault::DropAfter, true),
        (Fault::ErrorBefore, false),
        (Fault::ErrorAfter, true),
        (Fault::HtmlBefore, false),
        (Fault::HtmlAfter, true),
        (Fault::NotJson, true),
        (Fault::Truncated, true),
    ];
    let world = World::new(Switches::friendly()).await;
    let client = world.client();
    for (n, (fault, took_effect)) in rows.into_iter().enumerate() {
        let id = format!("zendesk-acme:case:{n}");
        world.fault("POST", "/api/v1/cases", fault);
        let error = note_case(&client, &id).await.unwrap_err();
        assert_eq!(error.class(), FailureClass::Ambiguous, "{fault:?} -> {error:?}");
        let found = client.cases_by_legacy_ids(&[&id]).await.unwrap();
        assert_eq!(found.get(&id).unwrap().active.found().len(), usize::from(took_effect), "{fault:?}");
    }
    world.fault("GET", "/api/v1/cases", Fault::RateLimit { retry_after: 59 });
    let error = client.cases_by_legacy_ids(&["a"]).await.unwrap_err();
    assert_eq!(error.class(), FailureClass::Throttled { retry_after: Some(Duration::from_secs(59)) });
    world.account.set_outage(true);
    let error = client.roles().await.unwrap_err();
    assert!(matches!(error, Error::ServerFault(_)), "{error:?}");
}

#[tokio::test]
async fn expired_sessions_are_renewed_and_their_files_given_up() {
    for dead_session_status in [401, 454] {
        let world = World::new(Switches { dead_session_status, ..Switches::friendly() }).await;
        let client = world.client();
        let file = client.upload("a.txt", "text/plain", Bytes::from_static(b"a"), None).await.unwrap();
        world.account.expire_sessions();
        client.roles().await.unwrap();
        assert_ne!(client.session_generation(), file.session);
        let reply = NewReply {
            contents: "see attachment".into(),
            channel: Channel::Note { is_html: false },
            status_id: None,
            attachment_file_ids: vec![file.id],
            client_id: None,
        };
        let error = client
            .reply(write(&client).await, CaseId::from(1), &reply, Some(file.session))
            .await
            .unwrap_err();
        assert!(error.files_are_void(), "{error:?}");

        world.account.expire_sessions();
        let created = note_case_without_reads(&client, "b").await;
        if dead_session_status == 401 {
            created.unwrap();
        } else {
            assert_eq!(created.unwrap_err().class(), FailureClass::Ambiguous);
        }
    }
}

/// Without a read before it that would renew the session.
async fn note_case_without_reads(client: &Client, legacy_id: &str) -> Result<kayako::Case, Error> {
    let case = NewNoteCase {
        legacy_id: legacy_id.into(),
        subject: "Printer".into(),
        contents: "it burns".into(),
        is_html: false,
        requester_id: UserId::from(1),
        fields: CaseFields::default(),
        attachment_file_ids: Vec::new(),
    };
    client.create_note_case(write(client).await, &case, None).await
}

#[tokio::test]
async fn a_bad_password_and_a_locked_account_are_each_asked_once() {
    let world = World::new(Switches::friendly()).await;
    let client = world.client_with("wrong", Arc::new(OpenGate));
    for _ in 0..10 {
        let error = client.roles().await.unwrap_err();
        assert!(matches!(error, Error::LoginRefused(_)), "{error:?}");
        assert_eq!(error.class(), FailureClass::Halt);
    }
    // Five bad log-ins would have locked everybody out.
    world.client().roles().await.unwrap();
    world.account.lock_logins();
    let error = world.client().roles().await.unwrap_err();
    assert!(matches!(error, Error::LoginLocked(_)), "{error:?}");
    assert_eq!(error.class(), FailureClass::Halt);
    world.account.set_switches(Switches { otp_required: true, ..Switches::friendly() });
    world.account.advance_clock(Duration::from_hours(1));
    let error = world.client().roles().await.unwrap_err();
    assert!(matches!(error, Error::LoginNeedsPerson(_)), "{error:?}");
}

#[tokio::test]
async fn the_pessimistic_account_cuts_long_id_lists_and_is_still_read_right() {
    let world =
        World::new(Switches { max_ids_per_lookup: 13, session_max_calls: 40, ..Switches::pessimistic() })
            .await;
    let client = world.client();
    let users = customers(role(&client, &RoleType::Customer).await, 0..100);
    // A dead session answers 454 here, which leaves a create in doubt; the first calls are far from it.
    client.bulk_users(bulk(&client).await, &users).await.unwrap();
    world.account.advance_clock(Duration::from_mins(1));
    client.know_legacy_id(LegacyCollection::Users, "zendesk-acme:user:0");
    // Absent ids stand before present ones.
    let ids: Vec<String> =
        legacy_ids("user", 1_000..1_060).into_iter().chain(legacy_ids("user", 0..100)).collect();
    let found = client.users_by_legacy_ids(&strs(&ids)).await.unwrap();
    for (id, finding) in found.iter() {
        let n: usize = id.rsplit(':').next().unwrap().parse().unwrap();
        assert_eq!(finding.active.found().len(), usize::from(n < 100), "{id}");
        assert_eq!(finding.active.is_absent(), n >= 1_000, "{id}");
    }
}
