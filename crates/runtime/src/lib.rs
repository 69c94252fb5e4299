//! The process shell: clock, randomness, crash points, shutdown, backoff, telemetry, metrics, the operator port, and the
//! pure controllers that services drive (circuit, concurrency).
//!
//! Constraints: knows nothing about queues, ledgers, Kayako or sources; only the vocabulary of `model`. Nothing here
//! reads the environment by itself: `main` takes one [`Variables`] snapshot and hands it down.
//!
//! Start and stop of a service, in this order: [`Variables::of_process`], [`Telemetry::init`], [`CrashPoints::from_spec`],
//! [`Context::system`], [`Shutdown::new`] and [`Shutdown::listen_to_signals`], [`OperatorPort::open`], [`Shutdown::spawn`]
//! for each task, [`Shutdown::complete`], [`OperatorPort::stop`], [`Telemetry::shutdown`].

pub mod backoff;
pub mod circuit;
pub mod clock;
pub mod concurrency;
pub mod context;
pub mod crash;
pub mod error;
pub mod http;
pub mod limiter;
pub mod metrics;
mod panics;
pub mod random;
pub mod shutdown;
pub mod telemetry;
pub mod valve;
pub mod variables;

pub use backoff::{RetryError, RetryPolicy, retry};
pub use clock::{Clock, ManualClock, SystemClock, UnixMillis};
pub use concurrency::{CallOutcome, ConcurrencySettings};
pub use context::Context;
pub use crash::{Crash, CrashPoint, CrashPoints};
pub use error::Error;
pub use http::{Condition, OperatorPort, Readiness, operator_routes};
pub use limiter::{Limiter, Permit};
pub use metrics::Metrics;
pub use random::SeededRandom;
pub use shutdown::{Completion, Draining, Shutdown};
pub use telemetry::{Telemetry, TelemetrySettings, propagation};
pub use valve::Valve;
pub use variables::Variables;
