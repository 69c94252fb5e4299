#![allow(clippy::unwrap_used, clippy::expect_used)]
use std::convert::Infallible;

use super::*;

const GRACE: Duration = Duration::from_secs(30);

fn shutdown() -> (Shutdown, crate::ManualClock) {
    let (context, clock) = Context::manual(1);
    (Shutdown::new(context, GRACE), clock)
}

#[tokio::test]
async fn tasks_finish_what_they_have_in_hand() {
    let (shutdown, _clock) = shutdown();
    let draining = shutdown.draining();
    let (finish, finished) = tokio::sync::oneshot::channel::<()>();
    shutdown.spawn("loader", async move {
        draining.begun().await;
        finished.await
    });
    shutdown.signalled();
    let completing = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { shutdown.complete().await }
    });
    assert_eq!(shutdown.running(), ["loader"]);
    finish.send(()).unwrap();
    let completion = completing.await.unwrap();
    assert!(completion.is_clean(), "{completion:?}");
    assert_eq!(completion.reason, Reason::Signal);
}

#[tokio::test]
async fn a_second_signal_forces() {
    let (shutdown, _clock) = shutdown();
    let draining = shutdown.draining();
    shutdown.spawn("loader", async move {
        draining.forced().await;
        Ok::<_, Infallible>(())
    });
    shutdown.signalled();
    assert!(shutdown.draining().is_begun() && !shutdown.draining().is_forced());
    shutdown.signalled();
    let completion = shutdown.complete().await;
    assert!(completion.forced);
    assert!(completion.failures.is_empty());
}

#[tokio::test]
async fn the_end_of_the_grace_period_forces_and_a_deaf_task_is_aborted() {
    let (shutdown, clock) = shutdown();
    shutdown.spawn("deaf", std::future::pending::<Result<(), Infallible>>());
    shutdown.begin(Reason::Finished);
    let completing = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { shutdown.complete().await }
    });
    clock.wait_for_sleepers(1).await;
    clock.advance(GRACE);
    shutdown.draining().forced().await;
    clock.wait_for_sleepers(1).await;
    clock.advance(ABORT_AFTER_FORCE);
    let completion = completing.await.unwrap();
    assert!(completion.forced);
    assert_eq!(completion.reason, Reason::Finished);
    assert!(matches!(completion.failures[..], [TaskFailure::Aborted { task: "deaf" }]), "{completion:?}");
}

#[tokio::test]
async fn a_hanging_crash_point_is_released_by_force() {
    use crate::crash::{Crash, CrashPoint, Mode};
    const POINT: CrashPoint = CrashPoint::new("loader.sent");
    let (context, _clock) = Context::manual(1);
    context.crash.arm(POINT, Mode::Hang, 1);
    let shutdown = Shutdown::new(context.clone(), GRACE);
    shutdown.spawn("loader", async move { context.crash.reached(POINT).await });
    shutdown.force();
    let completion = shutdown.complete().await;
    let [TaskFailure::Failed { task: "loader", source }] = &completion.failures[..] else {
        panic!("{completion:?}")
    };
    assert_eq!(source.downcast_ref(), Some(&Crash::Died(POINT)));
}

#[tokio::test]
async fn a_panic_is_reported_without_customer_text_and_stops_the_process() {
    let (shutdown, _clock) = shutdown();
    let customer = String::from("Grüße von Erika");
    shutdown.spawn("transformer", async move {
        let cut = customer.len() - 12;
        Err::<(), _>(std::io::Error::other(customer[..cut].to_owned() + &customer[..3]))
    });
    let completion = shutdown.complete().await;
    assert_eq!(completion.reason, Reason::TaskFailed);
    let [failure @ TaskFailure::Panicked { task: "transformer", .. }] = &completion.failures[..] else {
        panic!("{completion:?}")
    };
    assert!(!format!("{failure} {failure:?}").contains("Gr"), "{failure}");
}

#[tokio::test]
async fn an_error_is_kept_with_its_causes() {
    let (shutdown, _clock) = shutdown();
    shutdown.spawn("queue", async { Err::<(), _>(std::io::Error::other("connection closed")) });
    let completion = shutdown.complete().await;
    assert_eq!(completion.failures.len(), 1);
    assert_eq!(crate::error::chain(&completion.failures[0]), "task queue failed: connection closed");
}
