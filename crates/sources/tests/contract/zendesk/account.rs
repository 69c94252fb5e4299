//! Budgets, catalogue, counts, rights.

use super::*;

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
