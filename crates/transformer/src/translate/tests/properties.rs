//! What holds for every record there can be.

use std::collections::BTreeMap;

use model::record::{Attachment, BlobRef, Content, FieldValue};
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;

use super::*;

/// Texts with the things that break translations: markup, references, commas, invisible and control characters.
fn text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        any::<String>(),
        Just(String::new()),
        "[<>&;/a-z#0-9 ]{0,12}",
        "(<p>|</p>|<img |<!--|-->|<script>|&nbsp;|&#x|,|\u{200b}|\u{0}|ß|İ|\n){0,6}",
    ];
    vec(part, 0..4).prop_map(|parts| parts.concat())
}

fn id() -> impl Strategy<Value = SourceId> {
    prop_oneof![(0_u64..20).prop_map(SourceId::from), any::<String>().prop_map(SourceId::new)]
}

fn field() -> impl Strategy<Value = FieldValue> {
    prop_oneof![
        text().prop_map(FieldValue::Text),
        any::<bool>().prop_map(FieldValue::Bool),
        prop_oneof![text(), Just("2020-02-30".to_owned()), Just("2020-02-29".to_owned())]
            .prop_map(FieldValue::Date),
        text().prop_map(FieldValue::Choice),
        vec(text(), 0..4).prop_map(FieldValue::Choices),
    ]
}

fn fields() -> impl Strategy<Value = BTreeMap<String, FieldValue>> {
    btree_map("[1-6]", field(), 0..5)
}

fn instant() -> impl Strategy<Value = Timestamp> {
    (-2_000_000_000_i64..4_000_000_000).prop_map(|second| Timestamp::from_second(second).unwrap())
}

fn attachment() -> impl Strategy<Value = Attachment> {
    let content = prop_oneof![
        4 => Just(Content::Staged(BlobRef { hash: "1".repeat(64), size: 1 })),
        2 => text().prop_map(Content::Missing),
        1 => text().prop_map(Content::AtSource),
    ];
    (id(), text(), content).prop_map(|(id, name, content)| Attachment {
        id,
        name,
        content_type: "a/b".to_owned(),
        size: 0,
        inline: false,
        content,
    })
}

fn any_post() -> impl Strategy<Value = Post> {
    let body = prop_oneof![text().prop_map(Body::Html), text().prop_map(Body::Text)];
    (id(), of(id()), instant(), any::<bool>(), body, vec(attachment(), 0..3)).prop_map(
        |(id, author, created_at, public, body, attachments)| Post {
            id,
            author,
            created_at,
            visibility: if public { Visibility::Public } else { Visibility::Private },
            body,
            attachments,
        },
    )
}

fn any_case() -> impl Strategy<Value = Record> {
    let words = (text(), of(text()), of("(open|solved|deleted|x)"), of(text()));
    let people = (of(id()), of(id()), of(id()));
    (words, people, vec(text(), 0..4), fields(), instant(), instant(), vec(any_post(), 0..5), of(0_u32..6))
        .prop_map(
            |(
                (subject, priority, status, case_type),
                (requester, assignee, team),
                tags,
                fields,
                created,
                updated,
                posts,
                expected,
            )| {
                Record::Case(Box::new(Case {
                    subject,
                    priority,
                    status,
                    case_type,
                    requester,
                    assignee,
                    team,
                    tags,
                    fields,
                    created_at: created,
                    updated_at: updated,
                    posts,
                    expected_posts: expected,
                    ..case()
                }))
            },
        )
}

fn any_user() -> impl Strategy<Value = Record> {
    let role =
        prop_oneof![Just(Role::Customer), Just(Role::Collaborator), Just(Role::Agent), Just(Role::Admin)];
    let standing = prop_oneof![Just(Standing::Active), Just(Standing::Suspended), Just(Standing::Deleted)];
    let address = prop_oneof![text(), "[A-Za-z.]{1,5}@[A-Z.a-z]{1,8}\\.example\\.?"];
    let texts = (of(text()), of(text()), of(text()), of(text()));
    ((id(), text()), role, standing, vec(address, 0..4), vec(text(), 0..3), vec(id(), 0..3), texts, fields())
        .prop_map(
            |(
                (id, name),
                role,
                standing,
                emails,
                phones,
                ids,
                (locale, time_zone, designation, signature),
                fields,
            )| {
                Record::User(User {
                    id,
                    name,
                    standing,
                    emails: emails.into_iter().map(|address| Email { address, verified: false }).collect(),
                    notes: phones.clone(),
                    tags: phones.clone(),
                    phones,
                    organizations: ids.clone(),
                    teams: ids,
                    fields,
                    locale,
                    time_zone,
                    designation,
                    signature,
                    ..user(role, &[])
                })
            },
        )
}

fn any_record() -> impl Strategy<Value = Record> {
    let organizations =
        (id(), text(), vec(text(), 0..4), fields()).prop_map(|(id, name, domains, fields)| {
            Record::Organization(Organization {
                id,
                tags: domains.clone(),
                domains,
                fields,
                ..organization(&name)
            })
        });
    let teams = (id(), text(), any::<bool>())
        .prop_map(|(id, name, deleted)| Record::Team(Team { id, name, deleted }));
    prop_oneof![4 => any_case(), 3 => any_user(), 1 => organizations, 1 => teams]
}

fn some_plan() -> impl Strategy<Value = Plan> {
    let fields = "{ 1: { to: a }, 2: { to: b, type: number }, 3: { to: c, type: yes_no }, 4: { to: d, type: options } }";
    prop_oneof![
        Just(String::new()),
        Just(format!(
            "mapping: {{ case_fields: {fields}, user_fields: {fields}, organization_fields: {fields} }}"
        )),
        Just("options: { attachments: false, inactive_users: false, extra_tags: [x] }".to_owned()),
        Just("agents: { match: none }\nteams: { missing: default, default: T }".to_owned()),
        Just("agents: { missing: create, map: { 5: a@b.example } }".to_owned()),
    ]
    .prop_map(|more| plan(&more))
}

/// What Kayako refuses or what would split a list parameter.
fn check(command: &LoadCommand) -> Result<(), TestCaseError> {
    let blank = |text: &str| super::super::seen::one_line(text).is_empty();
    let tags_good = |tags: &[String]| tags.iter().all(|tag| !blank(tag) && !tag.contains(','));
    match command {
        LoadCommand::Team(team) => prop_assert!(!blank(&team.title)),
        LoadCommand::Organization(organization) => {
            prop_assert!(!blank(&organization.name));
            prop_assert!(
                tags_good(&organization.tags) && organization.domains.iter().all(|d| !d.contains(','))
            );
        }
        LoadCommand::User(user) => {
            prop_assert!(!blank(&user.full_name));
            prop_assert!(tags_good(&user.tags));
            for email in &user.emails {
                let normal = model::plan::EmailAddress::parse(email).map(String::from);
                prop_assert_eq!(normal.as_ref(), Ok(email));
            }
        }
        LoadCommand::Case(case) => {
            prop_assert!(!blank(&case.subject) && !case.subject.contains('\n'));
            prop_assert!(!case.posts.is_empty() && tags_good(&case.tags));
            prop_assert!(case.updated_at >= case.created_at);
            for post in &case.posts {
                prop_assert!(!post.body.is_blank());
                prop_assert!(post.attachments.iter().all(|file| matches!(file.content, Content::Staged(_))));
            }
        }
        LoadCommand::Nothing(_) | LoadCommand::Recount => {
            prop_assert!(false, "a translation says what to write, or skips or fails");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_record_becomes_a_good_command_or_ends_with_a_reason(record in any_record(), plan in some_plan()) {
        let key = record.key();
        let first = translate(record.clone(), &plan);
        prop_assert_eq!(&first, &translate(record, &plan), "the same input gives the same answer");
        match first {
            Translation::Load { command, notes } => {
                check(&command)?;
                prop_assert!(notes.iter().all(|note| !note.is_empty()));
                // Across the queue and back: the same hash.
                let bytes = serde_json::to_vec(&command).unwrap();
                let again: LoadCommand = serde_json::from_slice(&bytes).unwrap();
                prop_assert_eq!(again.hash(), command.hash());
                prop_assert!(command.parents().iter().all(|parent| parent.key != key || key.kind == Kind::User));
            }
            Translation::Skip { detail, .. } | Translation::Fail { detail, .. } => prop_assert!(!detail.is_empty()),
        }
    }
}
