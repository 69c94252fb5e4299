//! Zendesk, against a generated account over HTTP.

mod account;
mod changes;
mod files;
mod odd_answers;
mod tokens;

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
