#![allow(clippy::unwrap_used, clippy::expect_used)]

mod cases;
mod people;
mod properties;

use jiff::Timestamp;
use model::command::{CaseCommand, LoadCommand, OrganizationCommand, Otherwise, PersonRef, UserCommand};
use model::plan::Plan;
use model::record::{Body, Case, Email, Organization, Post, Record, Role, Standing, Team, User, Visibility};
use model::{Kind, Reason, RecordKey, SourceId};

use super::{Translation, translate};

fn plan(more: &str) -> Plan {
    let text = format!(
        "version: 1\nname: acme\n\
         source: {{ kind: zendesk, url: 'https://a.example', auth: {{ email: a@b.example, api_token: 'env:A' }} }}\n\
         target: {{ url: 'https://b.example', email: a@b.example, password: 'env:B' }}\n{more}\n"
    );
    Plan::parse(&text).unwrap_or_else(|problems| panic!("{problems}"))
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn text_of(text: &str) -> Body {
    Body::Text(text.to_owned())
}

fn html_of(text: &str) -> Body {
    Body::Html(text.to_owned())
}

fn post(id: u64, body: Body) -> Post {
    Post {
        id: SourceId::from(id),
        author: Some(SourceId::from(5001)),
        created_at: at("2023-02-01T09:15:00Z"),
        visibility: Visibility::Public,
        body,
        attachments: Vec::new(),
    }
}

fn case() -> Case {
    Case {
        id: SourceId::from(101),
        subject: "Printer down".to_owned(),
        status: Some("open".to_owned()),
        priority: Some("high".to_owned()),
        case_type: Some("incident".to_owned()),
        requester: Some(SourceId::from(5001)),
        assignee: Some(SourceId::from(7001)),
        team: Some(SourceId::from(301)),
        organization: Some(SourceId::from(401)),
        brand: None,
        form: None,
        channel: Some("email".to_owned()),
        tags: vec!["printer".to_owned()],
        fields: std::collections::BTreeMap::new(),
        ccs: Vec::new(),
        followers: Vec::new(),
        created_at: at("2023-02-01T09:15:00Z"),
        updated_at: at("2023-02-03T10:00:00Z"),
        url: Some("https://a.example/agent/tickets/101".to_owned()),
        posts: vec![post(88_001, text_of("Hello"))],
        expected_posts: Some(1),
    }
}

fn user(role: Role, emails: &[&str]) -> User {
    User {
        id: SourceId::from(5001),
        name: "Jo Doe".to_owned(),
        role,
        standing: Standing::Active,
        emails: emails
            .iter()
            .map(|address| Email { address: (*address).to_owned(), verified: true })
            .collect(),
        phones: Vec::new(),
        twitter: Vec::new(),
        organizations: Vec::new(),
        teams: Vec::new(),
        tags: Vec::new(),
        fields: std::collections::BTreeMap::new(),
        locale: None,
        time_zone: None,
        designation: None,
        signature: None,
        notes: Vec::new(),
    }
}

fn organization(name: &str) -> Organization {
    Organization {
        id: SourceId::from(401),
        name: name.to_owned(),
        domains: Vec::new(),
        tags: Vec::new(),
        shared: false,
        notes: Vec::new(),
        fields: std::collections::BTreeMap::new(),
    }
}

fn loaded(record: Record, plan: &Plan) -> (LoadCommand, String) {
    match translate(record, plan) {
        Translation::Load { command, notes } => (command, notes.join("; ")),
        other => panic!("not loaded: {other:?}"),
    }
}

fn loaded_case(case: Case, plan: &Plan) -> (CaseCommand, String) {
    match loaded(Record::Case(Box::new(case)), plan) {
        (LoadCommand::Case(command), notes) => (*command, notes),
        (other, _) => panic!("no case: {other:?}"),
    }
}

fn loaded_user(user: User, plan: &Plan) -> (UserCommand, String) {
    match loaded(Record::User(user), plan) {
        (LoadCommand::User(command), notes) => (command, notes),
        (other, _) => panic!("no user: {other:?}"),
    }
}

fn loaded_organization(organization: Organization, plan: &Plan) -> (OrganizationCommand, String) {
    match loaded(Record::Organization(organization), plan) {
        (LoadCommand::Organization(command), notes) => (command, notes),
        (other, _) => panic!("no organization: {other:?}"),
    }
}

fn reference(person: &PersonRef) -> (RecordKey, Otherwise) {
    match person {
        PersonRef::Record(parent) => (parent.key.clone(), parent.otherwise),
        PersonRef::DefaultAgent => panic!("no reference to a record"),
    }
}
