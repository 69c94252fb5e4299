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

use model::Kind;
use tokio_util::sync::CancellationToken;

use crate::error::Error;

/// The environment variable that arms a point: `<point>[@<kind>]:<mode>[:<nth>]`, `nth` counted from 1. With a kind only passages with
/// records of that kind count.
pub const VARIABLE: &str = "KAYAKO_MIGRATE_CRASH";

/// The name of a crash point, `<service>.<what has just happened>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CrashPoint {
    name: &'static str,
    per_kind: bool,
    repeatable: bool,
}

impl CrashPoint {
    /// Names a point. Meant for constants in the service that owns it.
    pub const fn new(name: &'static str) -> Self {
        Self { name, per_kind: false, repeatable: false }
    }

    /// Passed with the kinds of the records in hand ([`CrashPoints::reached_with`]), so that it can be armed for one kind.
    #[must_use]
    pub const fn per_kind(self) -> Self {
        Self { per_kind: true, ..self }
    }

    /// Lies behind a step that can be run twice ([`CrashPoints::step`]).
    #[must_use]
    pub const fn repeatable(self) -> Self {
        Self { repeatable: true, ..self }
    }

    /// The name used for arming.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// Whether it can be armed for one kind.
    pub const fn is_per_kind(self) -> bool {
        self.per_kind
    }

    /// Whether [`Mode::Twice`] has an effect here.
    pub const fn is_repeatable(self) -> bool {
        self.repeatable
    }
}

impl fmt::Display for CrashPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
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

impl Mode {
    /// The word used for arming.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Abort => "abort",
            Self::Die => "crash",
            Self::Fail => "error",
            Self::Hang => "hang",
            Self::Twice => "twice",
        }
    }
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
    /// Passages with other kinds do not count.
    kind: Option<Kind>,
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
    /// [`Error::Setting`] for a malformed value, a point that is not listed, a kind or `twice` at a point that knows neither.
    pub fn from_spec(spec: Option<&str>, known: &[CrashPoint]) -> Result<Self, Error> {
        let points = Self::off();
        let Some(spec) = spec.filter(|spec| !spec.is_empty()) else { return Ok(points) };
        let refused = |problem: String| Error::setting(VARIABLE, problem);
        let mut parts = spec.split(':');
        let (Some(place), Some(mode), nth, None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(refused("expected <point>[@<kind>]:<mode>[:<nth>]".to_owned()));
        };
        let (name, kind) = place.split_once('@').map_or((place, None), |(name, kind)| (name, Some(kind)));
        let Some(&point) = known.iter().find(|point| point.name() == name) else {
            let names: Vec<_> = known.iter().map(|point| point.name()).collect();
            return Err(refused(format!("no such crash point; there are: {}", names.join(", "))));
        };
        let kind = match kind {
            None => None,
            Some(_) if !point.per_kind => return Err(refused(format!("{point} is passed without a kind"))),
            Some(word) => {
                let found = Kind::ALL.into_iter().find(|kind| kind.name() == word);
                Some(
                    found.ok_or_else(|| {
                        refused("the kind must be team, organization, user or case".to_owned())
                    })?,
                )
            }
        };
        let nth = match nth {
            None => 1,
            Some(text) => text
                .parse()
                .ok()
                .filter(|nth| *nth > 0)
                .ok_or_else(|| refused("nth must be a number from 1".to_owned()))?,
        };
        // A real process has no use for a death that unwinds: destructors would tidy up what a kill leaves behind.
        let mode = match mode.parse()? {
            Mode::Die => Mode::Abort,
            Mode::Twice if !point.repeatable => {
                return Err(refused(format!("what lies before {point} cannot be run twice")));
            }
            other => other,
        };
        points.set(Arming { point, kind, mode, passages_left: nth - 1 });
        Ok(points)
    }

    /// Arms `point` for its `nth` passage from now (1 = the next). Replaces an earlier arming.
    pub fn arm(&self, point: CrashPoint, mode: Mode, nth: u64) {
        self.set(Arming { point, kind: None, mode, passages_left: nth.saturating_sub(1) });
    }

    fn set(&self, arming: Arming) {
        self.state().armed = Some(arming);
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
        self.reached_with(point, []).await
    }

    /// Passes `point` with records of these kinds in hand.
    ///
    /// # Errors
    /// As in [`CrashPoints::reached`].
    pub async fn reached_with(
        &self,
        point: CrashPoint,
        kinds: impl IntoIterator<Item = Kind>,
    ) -> Result<(), Crash> {
        if !self.shared.active.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mode = self.pass(point, kinds);
        self.act(point, mode).await
    }

    /// Runs a repeatable step and passes `point` behind it; armed with [`Mode::Twice`] the step runs once more and
    /// the second result counts.
    ///
    /// # Errors
    /// The step's own error, or [`Crash`] as in [`CrashPoints::reached`].
    pub async fn step<T, E, Run, Running>(
        &self,
        point: CrashPoint,
        kinds: impl IntoIterator<Item = Kind>,
        mut run: Run,
    ) -> Result<T, E>
    where
        Run: FnMut() -> Running,
        Running: Future<Output = Result<T, E>>,
        E: From<Crash>,
    {
        let first = run().await?;
        if !self.shared.active.load(Ordering::Relaxed) {
            return Ok(first);
        }
        match self.pass(point, kinds) {
            Some(Mode::Twice) => {
                strikes(point, Mode::Twice);
                run().await
            }
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

    fn pass(&self, point: CrashPoint, kinds: impl IntoIterator<Item = Kind>) -> Option<Mode> {
        let mut state = self.state();
        *state.reached.entry(point).or_default() += 1;
        let armed = state.armed.as_mut().filter(|armed| armed.point == point)?;
        if let Some(wanted) = armed.kind
            && !kinds.into_iter().any(|kind| kind == wanted)
        {
            return None;
        }
        if armed.passages_left > 0 {
            armed.passages_left -= 1;
            return None;
        }
        state.armed.take().map(|armed| armed.mode)
    }

    async fn act(&self, point: CrashPoint, mode: Option<Mode>) -> Result<(), Crash> {
        let Some(mode) = mode.filter(|mode| *mode != Mode::Twice) else { return Ok(()) };
        strikes(point, mode);
        match mode {
            Mode::Twice => Ok(()),
            Mode::Abort => std::process::abort(),
            Mode::Die => Err(Crash::Died(point)),
            Mode::Fail => Err(Crash::Failed(point)),
            Mode::Hang => {
                self.shared.released.cancelled().await;
                Err(Crash::Died(point))
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says that an armed point takes effect. Constraint: a warning, so that it is seen at the usual level: whoever arms a point looks for
/// this line, and a drill that never struck must not be taken for one that was survived.
fn strikes(point: CrashPoint, mode: Mode) {
    tracing::warn!("crash point {point} strikes: {}", mode.name());
}

impl fmt::Debug for CrashPoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrashPoints").field("armed", &self.is_armed()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
