//! The process shell: settings, telemetry, shutdown, clock, backoff, crash points.
