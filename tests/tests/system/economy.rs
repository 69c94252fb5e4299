//! Bulk inserts: a thousand cases are far fewer than a thousand calls.

use anyhow::Result;
use sandbox::seed::{Company, Size};
use system_tests::accounts::{Accounts, sized};
use system_tests::migration::Migration;
use system_tests::rules::Rules;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_small_cases_need_far_fewer_than_a_thousand_calls() -> Result<()> {
    let size = Size { tickets: 1_000, end_users: 20, organizations: 3, groups: 4, agents: 8 };
    let mut config = sized(41, size);
    config.zendesk.company = Company::new(41, size).with_attachments(0);
    let accounts = Accounts::open(config).await?;
    let rules = Rules { attachments: false, ..Rules::default() };
    let mut migration = Migration::new(&accounts, rules, None, "")?;
    // The real times: how long a loader waits for a batch to fill decides how many calls there are.
    migration.environment = vec![("KAYAKO_MIGRATE_TIME_SCALE", "1".to_owned())];
    migration.carried_out(&["run", "--full"]).await?;
    migration.arrived().await?;
    let counts = accounts.sandbox.kayako_server.counts();
    let cases = accounts.expected_cases();
    println!("{cases} cases and everything around them: {} calls to Kayako", counts.total);
    println!("{:#?}", counts.calls);
    assert!(cases > 950, "{cases} cases");
    assert!(counts.total < 300, "{} calls for {cases} cases", counts.total);
    migration.passed();
    Ok(())
}
