//! Real signals to this very process. One test only: the handlers belong to the whole process.

use std::process::Command;
use std::time::Duration;

use runtime::shutdown::Reason;
use runtime::{Context, CrashPoints, Shutdown};

fn send(signal: &str) {
    let sent = Command::new("kill").arg(signal).arg(std::process::id().to_string()).status().unwrap();
    assert!(sent.success());
}

#[tokio::test]
async fn sigterm_begins_and_sigint_forces() {
    let shutdown = Shutdown::new(Context::system(CrashPoints::off()), Duration::from_mins(1));
    shutdown.listen_to_signals().unwrap();
    let draining = shutdown.draining();
    assert!(!draining.is_begun());
    send("-TERM");
    draining.begun().await;
    assert!(!draining.is_forced());
    send("-INT");
    draining.forced().await;
    let completion = shutdown.complete().await;
    assert_eq!((completion.reason, completion.forced), (Reason::Signal, true));
}
