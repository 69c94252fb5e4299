//! The judge judged: whatever goes wrong is seen, and nothing else.

use anyhow::{Context as _, Result};
use sandbox::seed::Status;
use serde_json::json;
use system_tests::accounts::{Accounts, config};
use system_tests::migration::Migration;
use system_tests::oracle::{Difference, origin_key};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn planted_errors_are_seen_one_by_one() -> Result<()> {
    let accounts = Accounts::open(config(3, 24)).await?;
    let mut migration = Migration::in_one_process(&accounts)?;
    migration.carried_out(&["run", "--full"]).await?;
    migration.arrived().await?;
    let holding = accounts.kayako.holding().await?;
    assert_eq!(
        migration.differences().await?,
        [],
        "the judge must agree with a migration that nothing disturbed"
    );
    // Cases that arrived, each to be broken in another way, and two people.
    let cases: Vec<(u64, u64)> = (0..24)
        .filter(|index| accounts.company.status_of(*index) != Status::Deleted)
        .filter_map(|index| {
            let ticket = accounts.company.ticket_id(index).0;
            let key = origin_key("case", ticket);
            let case = holding.cases.iter().find(|case| case.legacy_id.as_deref() == Some(&key))?;
            Some((ticket, case.id))
        })
        .collect();
    let requester = holding.cases.first().context("a case")?.requester.id;
    let kayako = &accounts.kayako;

    // A second object for a record.
    let (doubled, _) = cases[0];
    let twin = json!({"cases": [{"legacy_id": origin_key("case", doubled), "subject": "again", "contents": "x",
        "channel": "NOTE", "requester_id": requester}]});
    // No trigger answers it by mail.
    for trigger in kayako.api("GET", "triggers", None).await?["data"].as_array().context("triggers")? {
        kayako
            .api("PUT", &format!("triggers/{}", trigger["id"]), Some(&json!({"is_enabled": false})))
            .await?;
    }
    kayako.api("POST", "bulk/cases", Some(&twin)).await?;
    let mut expected = vec![Difference::Doubled { record: format!("case {doubled}"), copies: 2 }];
    assert_eq!(migration.differences().await?, expected);

    // An object in the trash is none.
    let (missing, id) = cases[1];
    kayako.api("PUT", &format!("cases/{id}/trash"), None).await?;
    expected.push(Difference::Missing { record: format!("case {missing}") });
    assert_eq!(migration.differences().await?, expected);

    // A value, and one that is only one second off is as wrong as any.
    let (altered, id) = cases[2];
    kayako.api("PUT", &format!("cases/{id}"), Some(&json!({"subject": "something else"}))).await?;
    let found = migration.differences().await?;
    let fields: Vec<&str> = found
        .iter()
        .filter_map(|difference| match difference {
            Difference::Altered { record, field, .. } if *record == format!("case {altered}") => {
                Some(field.as_str())
            }
            _ => None,
        })
        .collect();
    assert!(fields.contains(&"subject"), "{found:?}");
    // Whoever changes a case moves its time as well.
    assert!(fields.iter().all(|field| ["subject", "updated"].contains(field)), "{found:?}");
    assert_eq!(found.len(), expected.len() + fields.len(), "{found:?}");

    // A public post too many reaches the customer by mail.
    let mailboxes = kayako.api("GET", "mailboxes", None).await?;
    let reply = json!({"contents": "hello", "channel": "MAIL", "channel_id": mailboxes["data"][0]["id"]});
    let whole = |id: u64| cases[3..].iter().any(|(_, case)| *case == id);
    let with_address = holding.cases.iter().find(|case| case.requester.email.is_some() && whole(case.id));
    let mailed = with_address.context("a requester with an address")?.id;
    kayako.api("POST", &format!("cases/{mailed}/reply"), Some(&reply)).await?;
    let found = migration.differences().await?;
    let mails = found.iter().filter(|difference| matches!(difference, Difference::Mailed { .. })).count();
    assert!(mails > 0, "{found:?}");
    let posts = |difference: &Difference| matches!(difference, Difference::Altered { field, .. } if field == "number of posts");
    assert!(found.iter().any(posts), "{found:?}");

    // Somebody whom nobody called, and a customer of before who was renamed.
    kayako
        .api(
            "POST",
            "users",
            Some(&json!({"full_name": "Nobody", "role_id": role(kayako, "CUSTOMER").await?})),
        )
        .await?;
    let known =
        accounts.before.users.iter().find(|user| user.role == "CUSTOMER").context("somebody of before")?;
    kayako.api("PUT", &format!("users/{}", known.id), Some(&json!({"full_name": "Overwritten"}))).await?;
    let found = migration.differences().await?;
    let uncalled = |difference: &Difference| matches!(difference, Difference::Unexpected { object } if object.starts_with("user"));
    assert_eq!(found.iter().filter(|difference| uncalled(difference)).count(), 1, "{found:?}");
    let overwritten = format!("user with id {} of before", known.id);
    let changed = |difference: &Difference| matches!(difference, Difference::Altered { record, .. } if *record == overwritten);
    assert_eq!(found.iter().filter(|difference| changed(difference)).count(), 1, "{found:?}");
    migration.passed();
    Ok(())
}

async fn role(kayako: &system_tests::accounts::Control, kind: &str) -> Result<u64> {
    let roles = kayako.api("GET", "roles", None).await?;
    let rows = roles["data"].as_array().context("roles")?;
    let found = rows.iter().find(|row| row["type"] == kind);
    found.and_then(|row| row["id"].as_u64()).with_context(|| format!("the account has no role {kind}"))
}
