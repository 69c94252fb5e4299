#![allow(clippy::unwrap_used, clippy::expect_used)]
use std::cell::Cell;

use super::*;

const INTENDED: CrashPoint = CrashPoint::new("loader.intended");
const SENT: CrashPoint = CrashPoint::new("loader.sent").per_kind().repeatable();
const ALL: &[CrashPoint] = &[INTENDED, SENT];

#[tokio::test]
async fn the_nth_passage_dies_once() {
    let points = CrashPoints::recording();
    points.arm(INTENDED, Mode::Die, 2);
    assert_eq!(points.reached(SENT).await, Ok(()));
    assert_eq!(points.reached(INTENDED).await, Ok(()));
    assert_eq!(points.reached(INTENDED).await, Err(Crash::Died(INTENDED)));
    assert_eq!(points.reached(INTENDED).await, Ok(()));
    assert!(!points.is_armed());
    assert_eq!(points.coverage(ALL).reached, BTreeMap::from([(INTENDED, 3), (SENT, 1)]));
}

#[tokio::test]
async fn coverage_names_what_was_missed_and_what_is_not_listed() {
    let points = CrashPoints::recording();
    points.reached(CrashPoint::new("loader.stray")).await.unwrap();
    let coverage = points.coverage(ALL);
    assert_eq!(coverage.missing, ALL);
    assert_eq!(coverage.unlisted, [CrashPoint::new("loader.stray")]);
}

#[tokio::test]
async fn a_step_runs_twice_when_asked_to() {
    let points = CrashPoints::off();
    let runs = Cell::new(0);
    let step = || {
        runs.set(runs.get() + 1);
        let run = runs.get();
        async move { Ok::<_, Crash>(run) }
    };
    assert_eq!(points.step(SENT, [], step).await, Ok(1));
    points.arm(SENT, Mode::Twice, 1);
    assert_eq!(points.step(SENT, [], step).await, Ok(3));
    points.arm(SENT, Mode::Fail, 1);
    assert_eq!(points.step(SENT, [], step).await, Err(Crash::Failed(SENT)));
}

#[tokio::test]
async fn a_hang_ends_when_released() {
    let points = CrashPoints::off();
    points.arm(SENT, Mode::Hang, 1);
    let mut hanging = std::pin::pin!(points.reached(SENT));
    assert!(futures::poll!(hanging.as_mut()).is_pending());
    points.release();
    assert_eq!(hanging.await, Err(Crash::Died(SENT)));
}

#[test]
fn the_variable_is_checked_against_the_closed_list() {
    assert!(!CrashPoints::from_spec(None, ALL).unwrap().is_armed());
    assert!(!CrashPoints::from_spec(Some(""), ALL).unwrap().is_armed());
    assert!(CrashPoints::from_spec(Some("loader.sent:error:3"), ALL).unwrap().is_armed());
    for bad in [
        "loader.sent",
        "loader.sent:explode",
        "loader.sent:error:0",
        "loader.sent:error:x",
        "loader.gone:error",
        "loader.sent:error:1:1",
        "loader.sent@:error",
        "loader.sent@ticket:error",
        "loader.intended@case:error",
        "loader.intended:twice",
    ] {
        let error = CrashPoints::from_spec(Some(bad), ALL).expect_err(bad);
        assert!(error.to_string().contains(VARIABLE), "{error}");
    }
}

#[test]
fn a_crash_asked_for_by_the_environment_is_a_real_one() {
    let points = CrashPoints::from_spec(Some("loader.sent:crash"), ALL).unwrap();
    assert_eq!(points.state().armed.as_ref().unwrap().mode, Mode::Abort);
}

#[tokio::test]
async fn a_point_armed_for_a_kind_lets_the_others_pass() {
    let points = CrashPoints::from_spec(Some("loader.sent@case:error:2"), ALL).unwrap();
    let failed = Err(Crash::Failed(SENT));
    assert_eq!(points.reached_with(SENT, [Kind::Case]).await, Ok(()));
    assert_eq!(points.reached_with(SENT, [Kind::User]).await, Ok(()));
    assert_eq!(points.reached(SENT).await, Ok(()), "without a kind it is none of them");
    assert_eq!(points.reached_with(SENT, [Kind::Team, Kind::Case]).await, failed);
    assert!(!points.is_armed());
}

#[tokio::test]
async fn only_a_step_is_repeated() {
    let points = CrashPoints::from_spec(Some("loader.sent@user:twice"), ALL).unwrap();
    let runs = Cell::new(0);
    let step = || {
        runs.set(runs.get() + 1);
        async { Ok::<_, Crash>(()) }
    };
    points.step(SENT, [Kind::Case], step).await.unwrap();
    assert_eq!(runs.get(), 1);
    points.step(SENT, [Kind::User], step).await.unwrap();
    assert_eq!(runs.get(), 3);
    points.step(SENT, [Kind::User], step).await.unwrap();
    assert_eq!(runs.get(), 4, "it takes effect once");
}
