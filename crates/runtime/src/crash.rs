//! Crash points: named instants at which a process can be made to die, fail, hang or repeat a step.
//!
//! Constraints: a point that is not armed costs one relaxed atomic load. The list of points is closed: each service
//! exports its points as constants, arming an unknown one is refused at start, and the coverage says which points of
//! the list no test ever came by. Without that, a renamed point would silently test nothing.
//!
//! One arming per process, by [`VARIABLE`] or in code: a crash in two places at once explains nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::error::Error;

/// The environment variable that arms a point: `<point>:<mode>[:<nth>]`, `nth` counted from 1.
pub const VARIABLE: &str = "KAYAKO_MIGRATE_CRASH";

/// The name of a crash point, `<service>.<what has just happened>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CrashPoint(&'static str);

impl CrashPoint {
    /// Names a point. Meant for constants in the service that owns it.
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// The name used for arming.
    pub const fn name(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for CrashPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// What happens at an armed point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// `abort`: the process ends at once, without destructors and without flushing: the nearest to `kill -9`.
    Abort,
    /// `crash`: [`CrashPoints::reached`] returns [`Crash::Died`], which the service lets unwind its task without
    /// settling anything. The in-process stand-in for `abort`; armed by the environment it is `abort`.
    Die,
    /// `error`: the step fails with [`Crash::Failed`], which the service handles like any internal failure.
    Fail,
    /// `hang`: the point does not return before the shutdown is forced, then it returns [`Crash::Died`].
    Hang,
    /// `twice`: [`CrashPoints::step`] runs the step a second time, as a redelivery would.
    Twice,
}

impl FromStr for Mode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "abort" => Ok(Self::Abort),
            "crash" => Ok(Self::Die),
            "error" => Ok(Self::Fail),
            "hang" => Ok(Self::Hang),
            "twice" => Ok(Self::Twice),
            _ => Err(Error::setting(VARIABLE, "the mode must be abort, crash, error, hang or twice")),
        }
    }
}

/// Returned at an armed point. Everything above lets it pass upwards; only `Failed` may be handled on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Crash {
    /// Stands for the death of the process: acknowledge nothing, commit nothing, just unwind.
    #[error("crash point {0}: the process is to be considered dead")]
    Died(CrashPoint),
    /// The step failed.
    #[error("crash point {0}: the step is made to fail")]
    Failed(CrashPoint),
}

impl model::Classify for Crash {
    fn class(&self) -> model::FailureClass {
        match self {
            Self::Died(_) => model::FailureClass::Death,
            Self::Failed(_) => model::FailureClass::Internal,
        }
    }
}

/// Which points were come by, against the list of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// How often each listed point was reached.
    pub reached: BTreeMap<CrashPoint, u64>,
    /// Listed, never reached.
    pub missing: Vec<CrashPoint>,
    /// Reached, but on no list: the list is not closed.
    pub unlisted: Vec<CrashPoint>,
}

/// The process's crash points. Clones share arming and records.
#[derive(Clone, Default)]
pub struct CrashPoints {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Whether anything at all is to be done at a point; the only thing read in production.
    active: AtomicBool,
    state: Mutex<State>,
    released: CancellationToken,
}

#[derive(Default)]
struct State {
    armed: Option<Arming>,
    reached: BTreeMap<CrashPoint, u64>,
}

struct Arming {
    point: CrashPoint,
    mode: Mode,
    /// Passages left before it takes effect; it takes effect once.
    passages_left: u64,
}

impl CrashPoints {
    /// Nothing armed, nothing recorded: production.
    pub fn off() -> Self {
        Self::default()
    }

    /// Nothing armed, passages recorded: tests.
    pub fn recording() -> Self {
        let points = Self::default();
        points.shared.active.store(true, Ordering::Relaxed);
        points
    }

    /// Reads the value of [`VARIABLE`]. `known` is the closed list of all services in this process.
    ///
    /// # Errors
    /// [`Error::Setting`] for a malformed value or a point that is not listed.
    pub fn from_spec(spec: Option<&str>, known: &[CrashPoint]) -> Result<Self, Error> {
        let points = Self::off();
        let Some(spec) = spec.filter(|spec| !spec.is_empty()) else { return Ok(points) };
        let mut parts = spec.split(':');
        let (Some(name), Some(mode), nth, None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Error::setting(VARIABLE, "expected <point>:<mode>[:<nth>]"));
        };
        let Some(point) = known.iter().find(|point| point.name() == name) else {
            let names: Vec<_> = known.iter().map(|point| point.name()).collect();
            return Err(Error::setting(
                VARIABLE,
                format!("no such crash point; there are: {}", names.join(", ")),
            ));
        };
        let nth = match nth {
            None => 1,
            Some(text) => text
                .parse()
                .ok()
                .filter(|nth| *nth > 0)
                .ok_or_else(|| Error::setting(VARIABLE, "nth must be a number from 1"))?,
        };
        // A real process has no use for a death that unwinds: destructors would tidy up what a kill leaves behind.
        let mode = match mode.parse()? {
            Mode::Die => Mode::Abort,
            other => other,
        };
        points.arm(*point, mode, nth);
        Ok(points)
    }

    /// Arms `point` for its `nth` passage from now (1 = the next). Replaces an earlier arming.
    pub fn arm(&self, point: CrashPoint, mode: Mode, nth: u64) {
        self.state().armed = Some(Arming { point, mode, passages_left: nth.saturating_sub(1) });
        self.shared.active.store(true, Ordering::Relaxed);
    }

    /// Whether an arming is still waiting for its passage. A test that ends with `true` tested nothing.
    pub fn is_armed(&self) -> bool {
        self.state().armed.is_some()
    }

    /// Ends every hang at present and in future; called when a shutdown is forced.
    pub fn release(&self) {
        self.shared.released.cancel();
    }

    /// Passes `point`.
    ///
    /// # Errors
    /// [`Crash`] if the point is armed for this passage. [`Mode::Twice`] has an effect in [`CrashPoints::step`] only.
    pub async fn reached(&self, point: CrashPoint) -> Result<(), Crash> {
        if !self.shared.active.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mode = self.pass(point);
        self.act(point, mode).await
    }

    /// Runs a repeatable step and passes `point` behind it; armed with [`Mode::Twice`] the step runs once more and
    /// the second result counts.
    ///
    /// # Errors
    /// The step's own error, or [`Crash`] as in [`CrashPoints::reached`].
    pub async fn step<T, E, Run, Running>(&self, point: CrashPoint, mut run: Run) -> Result<T, E>
    where
        Run: FnMut() -> Running,
        Running: Future<Output = Result<T, E>>,
        E: From<Crash>,
    {
        let first = run().await?;
        if !self.shared.active.load(Ordering::Relaxed) {
            return Ok(first);
        }
        match self.pass(point) {
            Some(Mode::Twice) => run().await,
            mode => {
                self.act(point, mode).await?;
                Ok(first)
            }
        }
    }

    /// What was come by so far, compared with `listed`.
    pub fn coverage(&self, listed: &[CrashPoint]) -> Coverage {
        let state = self.state();
        let mut coverage = Coverage::default();
        for point in listed {
            match state.reached.get(point) {
                Some(count) => {
                    coverage.reached.insert(*point, *count);
                }
                None => coverage.missing.push(*point),
            }
        }
        coverage.unlisted = state.reached.keys().filter(|point| !listed.contains(point)).copied().collect();
        coverage
    }

    fn pass(&self, point: CrashPoint) -> Option<Mode> {
        let mut state = self.state();
        *state.reached.entry(point).or_default() += 1;
        let armed = state.armed.as_mut().filter(|armed| armed.point == point)?;
        if armed.passages_left > 0 {
            armed.passages_left -= 1;
            return None;
        }
        state.armed.take().map(|armed| armed.mode)
    }

    async fn act(&self, point: CrashPoint, mode: Option<Mode>) -> Result<(), Crash> {
        match mode {
            None | Some(Mode::Twice) => Ok(()),
            Some(Mode::Abort) => std::process::abort(),
            Some(Mode::Die) => Err(Crash::Died(point)),
            Some(Mode::Fail) => Err(Crash::Failed(point)),
            Some(Mode::Hang) => {
                self.shared.released.cancelled().await;
                Err(Crash::Died(point))
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for CrashPoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrashPoints").field("armed", &self.is_armed()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::cell::Cell;

    use super::*;

    const INTENDED: CrashPoint = CrashPoint::new("loader.intended");
    const SENT: CrashPoint = CrashPoint::new("loader.sent");
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
        assert_eq!(points.step(SENT, step).await, Ok(1));
        points.arm(SENT, Mode::Twice, 1);
        assert_eq!(points.step(SENT, step).await, Ok(3));
        points.arm(SENT, Mode::Fail, 1);
        assert_eq!(points.step(SENT, step).await, Err(Crash::Failed(SENT)));
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
}
