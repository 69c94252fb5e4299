//! Cases, posts and fields.

use model::command::TargetValue;
use model::record::{Attachment, BlobRef, Content, FieldValue};

use super::*;

fn file(id: u64, name: &str, content: Content) -> Attachment {
    Attachment {
        id: SourceId::from(id),
        name: name.to_owned(),
        content_type: "text/plain".to_owned(),
        size: 3,
        inline: false,
        content,
    }
}

fn staged() -> Content {
    Content::Staged(BlobRef { hash: "0".repeat(64), size: 3 })
}

#[test]
fn a_case_keeps_everything_it_has() {
    let mut source = case();
    source.posts.push(Post {
        author: None,
        visibility: Visibility::Private,
        attachments: vec![file(91, "log.txt", staged())],
        ..post(88_002, html_of("<p>seen</p>"))
    });
    source.expected_posts = Some(2);
    let (command, notes) = loaded_case(source, &plan("options: { extra_tags: [zendesk, PRINTER] }"));
    assert_eq!(notes, "");
    assert_eq!(command.subject, "Printer down");
    assert_eq!(command.status.as_deref(), Some("Open"));
    assert_eq!(command.priority.as_deref(), Some("High"));
    assert_eq!(command.case_type.as_deref(), Some("Incident"));
    assert_eq!(command.tags, ["printer", "zendesk"]);
    assert_eq!(reference(&command.requester), (RecordKey::new(Kind::User, "5001"), Otherwise::Placeholder));
    assert_eq!(
        reference(command.assignee.as_ref().unwrap()),
        (RecordKey::new(Kind::User, "7001"), Otherwise::Omit)
    );
    assert_eq!(command.team.as_ref().unwrap().key, RecordKey::new(Kind::Team, "301"));
    assert_eq!(command.team.as_ref().unwrap().otherwise, Otherwise::Omit);
    assert_eq!(command.created_at, at("2023-02-01T09:15:00Z"));
    assert_eq!(command.updated_at, at("2023-02-03T10:00:00Z"));
    assert_eq!(command.source_url.as_deref(), Some("https://a.example/agent/tickets/101"));
    let [first, second] = command.posts.as_slice() else { panic!("{:?}", command.posts) };
    assert_eq!(first.source_id, "88001");
    assert_eq!(reference(&first.author), (RecordKey::new(Kind::User, "5001"), Otherwise::Placeholder));
    assert_eq!((first.visibility, &first.body), (Visibility::Public, &text_of("Hello")));
    assert_eq!(second.author, PersonRef::DefaultAgent, "the system");
    assert_eq!((second.visibility, &second.body), (Visibility::Private, &html_of("<p>seen</p>")));
    assert_eq!(second.attachments.len(), 1);
}

#[test]
fn statuses_and_the_like_follow_the_plan_and_unmapped_words_are_noted() {
    let plan = plan("mapping: { status: { hold: On hold, waiting: Waiting } }");
    for (status, label) in [
        ("new", "New"),
        ("OPEN", "Open"),
        ("pending", "Pending"),
        ("hold", "On hold"),
        ("solved", "Completed"),
        ("closed", "Closed"),
        ("waiting", "Waiting"),
    ] {
        let (command, _) = loaded_case(Case { status: Some(status.to_owned()), ..case() }, &plan);
        assert_eq!(command.status.as_deref(), Some(label), "{status}");
    }
    let odd =
        Case { priority: Some("p0".to_owned()), case_type: None, status: Some(" ".to_owned()), ..case() };
    let (command, notes) = loaded_case(odd, &plan);
    assert_eq!((command.status, command.priority, command.case_type), (None, None, None));
    assert_eq!(notes, "priority `p0` is left out: add it to the plan under mapping.priority");
}

#[test]
fn deleted_empty_and_incomplete_cases_end_with_a_reason() {
    let plan = plan("");
    let end = |case: Case| match translate(Record::Case(Box::new(case)), &plan) {
        Translation::Skip { reason, .. } => ("skip", reason),
        Translation::Fail { reason, .. } => ("fail", reason),
        Translation::Load { command, .. } => panic!("{command:?}"),
    };
    assert_eq!(end(Case { status: Some("Deleted".to_owned()), ..case() }), ("skip", Reason::DeletedAtSource));
    let nothing = Case { posts: vec![], expected_posts: None, subject: " \u{200b}".to_owned(), ..case() };
    assert_eq!(end(nothing), ("skip", Reason::NothingToWrite));
    assert_eq!(end(Case { expected_posts: Some(2), ..case() }), ("fail", Reason::SourceUnreadable));
    let unfetched = Post {
        attachments: vec![file(91, "a", Content::AtSource("https://a.example/t".to_owned()))],
        ..post(1, text_of("x"))
    };
    assert_eq!(end(Case { posts: vec![unfetched], ..case() }), ("fail", Reason::SourceUnreadable));

    let (command, notes) = loaded_case(Case { posts: vec![], expected_posts: Some(0), ..case() }, &plan);
    assert_eq!(command.posts.len(), 1);
    assert_eq!(
        (command.posts[0].visibility, &command.posts[0].body),
        (Visibility::Private, &text_of("(no text)"))
    );
    assert_eq!(command.posts[0].author, PersonRef::DefaultAgent);
    assert!(notes.contains("no posts"), "{notes}");
}

#[test]
fn an_empty_subject_is_made_from_the_first_line_a_reader_sees() {
    let plan = plan("options: { subject_when_empty: nothing }");
    let long = "word ".repeat(40);
    for (body, subject) in [
        (text_of("\n \nHello\tthere  you\nmore"), "Hello there you"),
        (
            html_of(
                "<style>p{}</style><div><p>&nbsp;</p><p>Fish &amp; <b>chips</b> &lt;3</p><p>more</p></div>",
            ),
            "Fish & chips <3",
        ),
        (html_of("<!-- no > comment --><br>1 < 2 and &unknown; &#65;&#x42;"), "1 < 2 and &unknown; AB"),
        (html_of("<img src=\"x\">"), "nothing"),
        (html_of("<p>unclosed <script>x"), "unclosed"),
        (html_of("<"), "<"),
        (text_of(""), "nothing"),
        (
            text_of(&long),
            "word word word word word word word word word word word word word word word word word word word word…",
        ),
    ] {
        let source = Case { subject: "\u{feff} ".to_owned(), posts: vec![post(1, body.clone())], ..case() };
        let (command, notes) = loaded_case(source, &plan);
        assert_eq!(command.subject, subject, "{body:?}");
        assert!(command.subject.chars().count() <= 100);
        assert!(notes.contains("subject was empty"), "{notes}");
    }
    let (command, _) = loaded_case(Case { subject: "a\r\nb\u{7}c\u{200c}d ".to_owned(), ..case() }, &plan);
    assert_eq!(command.subject, "a b c\u{200c}d", "one line; Persian keeps its joiner");
}

#[test]
fn posts_without_text_get_a_marker_and_pictures_are_text_enough() {
    let plan = plan("");
    for blank in
        [text_of(" \n\u{a0}"), html_of("<div><br>&nbsp;</div>"), html_of("<p>\u{200b}</p><!-- x -->")]
    {
        let (command, notes) = loaded_case(Case { posts: vec![post(1, blank.clone())], ..case() }, &plan);
        assert_eq!(command.posts[0].body, text_of("(no text)"), "{blank:?}");
        assert_eq!(notes, "1 posts without text got a marker");
    }
    for full in [html_of("<IMG src='x'>"), html_of("<p>.</p>"), text_of("\u{1f44d}")] {
        let (command, _) = loaded_case(Case { posts: vec![post(1, full.clone())], ..case() }, &plan);
        assert_eq!(command.posts[0].body, full);
    }
}

#[test]
fn files_that_are_gone_are_named_in_the_text() {
    let missing =
        |why: &str| vec![file(1, "a<b>.txt", Content::Missing(why.to_owned())), file(2, "c.txt", staged())];
    let source = Case {
        posts: vec![
            Post { attachments: missing("malware"), ..post(1, html_of("<p>see</p>")) },
            Post { attachments: missing("not_found"), ..post(2, text_of("see")) },
            Post { attachments: missing("deleted"), ..post(3, text_of("")) },
        ],
        expected_posts: None,
        ..case()
    };
    let (command, notes) = loaded_case(source.clone(), &plan(""));
    let bodies: Vec<&str> = command.posts.iter().map(|post| post.body.as_str()).collect();
    assert_eq!(
        bodies,
        [
            "<p>see</p><p>[Attachment not available: a&lt;b&gt;.txt (blocked as malware)]</p>",
            "see\n\n[Attachment not available: a<b>.txt (no longer at the source)]",
            "(no text)\n\n[Attachment not available: a<b>.txt (deleted at the source)]",
        ]
    );
    for post in &command.posts {
        assert_eq!(post.attachments.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), ["c.txt"]);
    }
    assert!(notes.contains("3 files are no longer at the source") && !notes.contains("a<b>"), "{notes}");

    let (command, notes) = loaded_case(source, &plan("options: { attachments: false }"));
    assert!(command.posts.iter().all(|post| post.attachments.is_empty()));
    assert_eq!(command.posts[0].body.as_str(), "<p>see</p>");
    assert!(notes.contains("6 files left out: options.attachments is false"), "{notes}");
}

#[test]
fn odd_cases_are_repaired() {
    let source = Case {
        requester: None,
        assignee: None,
        team: None,
        tags: vec![" a,b ".to_owned(), "A,B".to_owned(), String::new(), "c\nd".to_owned()],
        updated_at: at("2020-01-01T00:00:00Z"),
        ..case()
    };
    let (command, notes) = loaded_case(source, &plan(""));
    assert_eq!(reference(&command.requester).0, RecordKey::placeholder_user());
    assert_eq!((command.assignee, command.team), (None, None));
    assert_eq!(command.tags, ["a_b", "c d"]);
    assert_eq!(command.updated_at, command.created_at);
    assert_eq!(notes, "it had no requester");
}

#[test]
fn fields_follow_the_mapping() {
    let plan = plan(
        r#"
mapping:
  case_fields:
    1: { to: product, values: { hw_a: "Hardware \\ A", hw_b: "Hardware \\ A" } }
    2: { to: urgent }
    3: { to: due }
    4: { to: amount, type: number }
    5: { to: colours }
    6: { to: all_text, type: text }
    7: { to: flag, type: yes_no, values: { ja: "yes" } }
    8: { to: one, type: option }
    9: { to: absent }
"#,
    );
    let choices = |values: &[&str]| FieldValue::Choices(values.iter().map(|v| (*v).to_owned()).collect());
    let fields = [
        ("1", FieldValue::Choice("hw_b".to_owned())),
        ("2", FieldValue::Bool(false)),
        ("3", FieldValue::Date("2016-05-31T00:00:00Z".to_owned())),
        ("4", FieldValue::Text("-12345678901234567890.50".to_owned())),
        ("5", choices(&["red", "red", "blue"])),
        ("6", choices(&["x", "y"])),
        ("7", FieldValue::Text("ja".to_owned())),
        ("8", choices(&["only"])),
        ("10", FieldValue::Text("not mapped".to_owned())),
    ];
    let source = Case { fields: fields.map(|(key, value)| (key.to_owned(), value)).into(), ..case() };
    let (command, notes) = loaded_case(source, &plan);
    let found: Vec<(&str, &TargetValue)> =
        command.fields.iter().map(|f| (f.key.as_str(), &f.value)).collect();
    let text = |value: &str| TargetValue::Text(value.to_owned());
    assert_eq!(
        found,
        [
            ("product", &TargetValue::Option("Hardware \\ A".to_owned())),
            ("urgent", &TargetValue::YesNo(false)),
            ("due", &TargetValue::Date("2016-05-31".to_owned())),
            ("amount", &text("-12345678901234567890.50")),
            ("colours", &TargetValue::Options(vec!["red".to_owned(), "blue".to_owned()])),
            ("all_text", &text("x, y")),
            ("flag", &TargetValue::YesNo(true)),
            ("one", &TargetValue::Option("only".to_owned())),
        ]
    );
    assert_eq!(notes, "");

    let bad = [
        ("3", FieldValue::Date("31.05.2016".to_owned())),
        ("4", FieldValue::Text("1e5 secret".to_owned())),
        ("7", FieldValue::Text("perhaps".to_owned())),
        ("8", choices(&["a", "b"])),
        ("1", FieldValue::Choice("  ".to_owned())),
    ];
    let source = Case { fields: bad.map(|(key, value)| (key.to_owned(), value)).into(), ..case() };
    let (command, notes) = loaded_case(source, &plan);
    assert_eq!(command.fields, []);
    assert_eq!(
        notes,
        "field 3 is left out: its value is not a date; field 4 is left out: its value is not a number; \
         field 7 is left out: its value is neither yes nor no; \
         field 8 is left out: it has several values and its Kayako field takes one"
    );
}
