//! The program as an operator meets it: started as a process, judged by exit code, output and what the sample accounts saw.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod accounts;
mod interruption;
mod migration;
mod plans;
mod sample;
mod services;
