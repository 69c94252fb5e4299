//! People who are in Kayako already, and two people who are one.

use std::collections::BTreeSet;

use anyhow::Result;
use sandbox::population::KNOWN_BEFORE;
use sandbox::seed::Size;
use system_tests::accounts::{Accounts, calls, sized};
use system_tests::migration::Migration;
use system_tests::oracle::contested;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn existing_people_are_adopted_untouched_though_pages_are_short() -> Result<()> {
    let size = Size { tickets: 30, end_users: 400, organizations: 20, groups: 4, agents: 9 };
    let mut config = sized(51, size);
    // Ten objects a page, whatever is asked for: a look-up of 200 people that takes a page for the whole would create doubles.
    config.kayako.switches.max_limit = 10;
    config.kayako.switches.max_ids_per_lookup = 200;
    let accounts = Accounts::open(config).await?;
    let existing = accounts.before.users.iter().filter(|user| user.role == "CUSTOMER").count();
    assert!(existing > 80, "only {existing} customers exist beforehand");

    let mut migration = Migration::in_one_process(&accounts)?;
    let table = migration.carried_out(&["run", "--full"]).await?;
    migration.arrived().await?;
    let users = &table["kinds"]["user"];
    assert!(users["adopted"].as_u64() >= Some(existing as u64 / 2), "{users}");
    assert_eq!((&users["failed"], &users["skipped"]), (&0.into(), &0.into()), "{users}");

    let now = accounts.kayako.holding().await?;
    let kept = now.users.iter().filter(|user| user.full_name.ends_with(KNOWN_BEFORE)).count();
    let before = accounts.before.users.iter().filter(|user| user.full_name.ends_with(KNOWN_BEFORE)).count();
    assert_eq!(kept, before, "people of before were renamed");
    // No batch failed because of people who existed: each would have been sent again, record by record.
    let counts = accounts.sandbox.kayako_server.counts();
    let single = calls(&counts, |method, path| method == "POST" && path == "/api/v1/users");
    assert_eq!(single, 0, "{single} people were inserted one by one");

    let twins = contested(&accounts.company).emails;
    assert!(twins.len() > 3, "the account has no two people with one address");
    for address in twins {
        let holders: BTreeSet<u64> = now
            .users
            .iter()
            .filter(|user| user.emails.iter().any(|email| email.address.eq_ignore_ascii_case(&address)))
            .map(|user| user.id)
            .collect();
        assert_eq!(holders.len(), 1, "two source users with one address became {} people", holders.len());
    }
    migration.passed();
    Ok(())
}
