//! Plays one cell: real processes, one of them armed by its environment, until the run is over.
//!
//! Who repairs what: after an abort the operator gives the same command again; a failed or repeated step is repaired by the process
//! itself; a hang is repaired by another replica over RabbitMQ and Redis, and the hung process is killed at the end.

use anyhow::{Context as _, Result, ensure};
use runtime::crash::{Mode, VARIABLE};
use system_tests::accounts::Accounts;
use system_tests::migration::Migration;
use system_tests::processes::{PATIENCE, Process};
use system_tests::service_runs::finish;
use system_tests::waiting::until;

use crate::cells::Cell;
use crate::judge::{Reference, judge};
use crate::scene::{Scene, TICKETS};

/// The services of a migration, in the order in which they are started.
const SERVICES: [&str; 4] = ["coordinator", "extractor", "transformer", "loader"];

/// Plays a cell. `Ok`: its point was met, and everything is as it must be.
///
/// # Errors
/// What was not.
pub async fn play(cell: Cell, seed: u64, reference: &Reference) -> Result<()> {
    let scene = Scene::of(&cell);
    let accounts = Accounts::open(scene.config(seed)).await?;
    let mut migration = if cell.mode == Mode::Hang {
        Migration::of_services(&accounts)?
    } else {
        Migration::in_one_process(&accounts)?
    };
    // What was in memory is read again by id, and people who were deleted for good are not shown that way.
    migration.killed =
        matches!(cell.mode, Mode::Abort | Mode::Hang) || matches!(scene, Scene::WorkLost { .. });
    match cell.mode {
        Mode::Hang => hang(&mut migration, &cell, &scene, reference).await?,
        _ => alone(&mut migration, &cell, &scene, reference).await?,
    }
    migration.passed();
    Ok(())
}

/// In one process.
async fn alone(
    migration: &mut Migration<'_>,
    cell: &Cell,
    scene: &Scene,
    reference: &Reference,
) -> Result<()> {
    let run = ["run", "--full"];
    if let Scene::WorkLost { at, .. } = scene {
        let spec = format!("{at}:abort");
        let mut process = armed(migration, &spec, |migration| migration.start(&run))?;
        dies(&mut process, &spec).await?;
    }
    let spec = cell.to_string();
    let mut process = armed(migration, &spec, |migration| migration.start(&run))?;
    let document = if cell.mode == Mode::Abort {
        dies(&mut process, &spec).await?;
        migration.carried_out(&run).await?
    } else {
        let ended = process.ended().await?;
        struck(&process, &spec)?;
        let document = process.document()?;
        ensure!(
            ended.code() == Some(0),
            "the process did not recover by itself, it ended with {ended}: {document}"
        );
        document
    };
    judge(migration, &document, TICKETS, reference).await?;
    again(migration, reference).await
}

/// Over RabbitMQ and Redis: the point's service hangs, and a second replica takes over.
async fn hang(
    migration: &mut Migration<'_>,
    cell: &Cell,
    scene: &Scene,
    reference: &Reference,
) -> Result<()> {
    let spec = cell.to_string();
    let mut hung = Vec::new();
    let mut services = Vec::new();
    let mut waiting = None;
    for service in SERVICES {
        let label = format!("{service}-hung");
        if service == cell.service() {
            let process = armed(migration, &spec, |migration| migration.serve(service, &label))?;
            waiting = Some(process);
        } else if let Scene::WorkLost { service: first, at } = scene
            && *first == service
        {
            // It keeps what it has in hand for ever, which is as good as lost.
            let spec = format!("{at}:hang");
            hung.push(armed(migration, &spec, |migration| migration.serve(service, &label))?);
            services.push(migration.serve(service, service)?);
        } else {
            services.push(migration.serve(service, service)?);
        }
    }
    let process = waiting.with_context(|| format!("{} is no service", cell.service()))?;
    let mut run = migration.start(&["run", "--full"])?;
    until(&format!("{spec} to strike"), PATIENCE, async || Ok(struck(&process, &spec).is_ok().then_some(())))
        .await?;
    hung.push(process);
    services.push(migration.serve(cell.service(), cell.service())?);
    let ended = run.ended().await?;
    let document = run.document()?;
    ensure!(
        ended.code() == Some(0),
        "the other replica did not take over, the run ended with {ended}: {document}"
    );
    for process in hung {
        process.kill().await?;
    }
    judge(migration, &document, TICKETS, reference).await?;
    again(migration, reference).await?;
    finish(migration, services).await
}

/// A further full run finds everything there: it creates nothing.
async fn again(migration: &mut Migration<'_>, reference: &Reference) -> Result<()> {
    let accounts = migration.accounts;
    accounts.sandbox.kayako_server.reset_counts();
    let document = migration.carried_out(&["run", "--full"]).await.context("a further run")?;
    let creating = accounts.creating_calls();
    ensure!(
        creating == 0,
        "a further run made {creating} creating calls: {:?}",
        accounts.sandbox.kayako_server.counts()
    );
    judge(migration, &document, TICKETS, reference).await.context("after a further run")
}

/// Starts a process with one point armed; later ones are not.
fn armed(
    migration: &mut Migration<'_>,
    spec: &str,
    start: impl FnOnce(&Migration<'_>) -> Result<Process>,
) -> Result<Process> {
    migration.environment = vec![(VARIABLE, spec.to_owned())];
    let process = start(migration);
    migration.environment.clear();
    process
}

/// Waits for a process's death at its point.
async fn dies(process: &mut Process, spec: &str) -> Result<()> {
    let ended = process.ended().await?;
    struck(process, spec).with_context(|| format!("the process ended with {ended}"))?;
    ensure!(ended.code().is_none(), "the process did not die at {spec} but ended with {ended}");
    Ok(())
}

/// Whether the armed point took effect: the product says so in its log.
fn struck(process: &Process, spec: &str) -> Result<()> {
    let (place, mode) = spec.split_once(':').context("a mode")?;
    let point = place.split_once('@').map_or(place, |(point, _)| point);
    let line = format!("crash point {point} strikes: {mode}");
    ensure!(process.log()?.contains(&line), "{spec} was never reached");
    Ok(())
}
