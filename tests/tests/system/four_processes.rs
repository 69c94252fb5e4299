//! The same plan, carried out by separate service processes over RabbitMQ and Redis.

use anyhow::Result;
use system_tests::accounts::{Accounts, config};
use system_tests::migration::Migration;
use system_tests::oracle::contested;
use system_tests::service_runs::finish;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_services_with_two_loaders_bring_what_one_process_brings() -> Result<()> {
    let (alone, together) = (Accounts::open(config(21, 120)).await?, Accounts::open(config(21, 120)).await?);

    let mut one = Migration::in_one_process(&alone)?;
    one.carried_out(&["run", "--full"]).await?;
    one.arrived().await?;

    let mut many = Migration::of_services(&together)?;
    let services = many.serve_all()?;
    many.carried_out(&["run", "--full"]).await?;
    many.arrived().await?;

    let contested = contested(&alone.company);
    let mask = |holding: &system_tests::holding::Holding, url: &str| {
        let masked = holding.masked(&contested).into_iter();
        // Bodies refer to their images by the source's address, and there are two sources.
        masked.map(|(name, value)| (name, value.to_string().replace(url, "source"))).collect::<Vec<_>>()
    };
    let first = mask(&alone.kayako.holding().await?, &alone.sandbox.zendesk_url);
    let second = mask(&together.kayako.holding().await?, &together.sandbox.zendesk_url);
    assert!(first.len() > 150, "only {} objects were compared", first.len());
    for (one, many) in first.iter().zip(&second) {
        assert_eq!(one, many);
    }
    assert_eq!(first.len(), second.len());

    together.sandbox.kayako_server.reset_counts();
    many.carried_out(&["run", "--full"]).await?;
    assert_eq!(together.creating_calls(), 0, "{:?}", together.sandbox.kayako_server.counts());
    finish(&many, services.into_all()).await?;
    one.passed();
    many.passed();
    Ok(())
}
