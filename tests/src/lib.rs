//! End-to-end, fault and benchmark suites over real processes and services.
