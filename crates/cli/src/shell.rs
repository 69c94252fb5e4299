//! What every command is given: the environment, where results go, the time scale.

use std::time::Duration;

use model::plan::Plan;
use model::timing::Timing;
use runtime::telemetry::LogFormat;
use runtime::{Context, CrashPoint, CrashPoints, Telemetry, TelemetrySettings, Variables, crash};

use crate::arguments::{Arguments, Command};
use crate::failure::{Code, Failure};
use crate::output::Output;

/// Traces that the collector has not taken by then are lost; a command must end.
pub(crate) const TRACES_FLUSHED_WITHIN: Duration = Duration::from_secs(3);

/// The command's surroundings.
pub(crate) struct Shell {
    /// The environment.
    pub(crate) variables: Variables,
    /// `AWS_*` variables for `s3://` places.
    pub(crate) aws: Vec<(String, String)>,
    /// Where results go.
    pub(crate) output: Output,
    /// The asked-for time scale; see [`Shell::scale`].
    time_scale: Option<f64>,
}

impl Shell {
    pub(crate) fn new(arguments: &Arguments, variables: Variables) -> Self {
        let aws = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with("AWS_"))
            .collect();
        Self { variables, aws, output: Output::new(arguments.json), time_scale: arguments.time_scale }
    }

    /// Logs and traces of the whole process.
    pub(crate) fn telemetry(&self, arguments: &Arguments) -> Result<Telemetry, Failure> {
        let (service, format, level) = match &arguments.command {
            Command::Serve(serve) => (serve.service_name(), LogFormat::Json, "info"),
            // Waits of the scaled protocol are warnings for an operator, not for somebody who tries it out.
            Command::Quickstart(_) => ("kayako-migrate", LogFormat::Human, "error"),
            _ => ("kayako-migrate", LogFormat::Human, "warn"),
        };
        let instance = format!("pid-{}", std::process::id());
        let version = env!("CARGO_PKG_VERSION");
        let mut settings =
            TelemetrySettings::from_variables(&self.variables, service, version, &instance, format)?;
        let wanted = arguments.log.as_deref().or(self.variables.get("RUST_LOG")).unwrap_or(level);
        // Last, so that no wish overrules it: the queue's library prints the bodies of returned messages, which are customers' text.
        settings.filter = std::iter::once(wanted).chain(queue::LOG_DIRECTIVES).collect::<Vec<_>>().join(",");
        Ok(Telemetry::init(&settings)?)
    }

    /// The time scale for a plan: 1 unless a test asked for another, and never another against a real account, whose quiet
    /// period "exactly once" rests on.
    pub(crate) fn scale(&self, plan: &Plan) -> Result<f64, Failure> {
        let Some(scale) = self.time_scale else { return Ok(1.0) };
        if !(0.001..=1.0).contains(&scale) {
            return Err(Failure::new(Code::Usage, "the time scale must be a number from 0.001 to 1"));
        }
        if !plan.target.url.is_loopback() {
            return Err(Failure::new(
                Code::Usage,
                "waiting times may be shortened against accounts on this machine only",
            ));
        }
        Ok(scale)
    }

    /// Clock, randomness, crash points.
    pub(crate) fn context(&self) -> Result<Context, Failure> {
        let armed = self.variables.get(crash::VARIABLE);
        Ok(Context::system(CrashPoints::from_spec(armed, &crash_points())?))
    }
}

/// The closed list of crash points of all services.
pub fn crash_points() -> Vec<CrashPoint> {
    [
        extractor::crash_points::ALL,
        transformer::crash_points::ALL,
        loader::crash_points::ALL,
        coordinator::crash_points::ALL,
    ]
    .concat()
}

/// The plan's waiting times, refused if they contradict each other.
pub(crate) fn timing(plan: &Plan, scale: f64) -> Result<Timing, Failure> {
    let timing = plan.timing(scale);
    timing.check().map_err(|contradiction| {
        Failure::new(Code::PlanInvalid, "the plan's waiting times contradict each other")
            .because(contradiction)
            .advise("correct `target.quiet_seconds` and `target.visibility_seconds` in the plan")
    })?;
    Ok(timing)
}
