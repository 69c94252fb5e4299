//! Opens and closes a service's valve as the current run wants.
//!
//! Constraint: a service that cannot read the fact keeps its state: a ledger that is away must not stop work that the
//! ledger would refuse anyway.

use ledger::Ledger;
use model::run::RunStatus;
use model::timing::Timing;
use runtime::{Context, Draining, Valve};

use crate::commands::Commands;

/// Follows the current run until the shutdown begins.
pub async fn follow(ledger: Ledger, valve: Valve, context: Context, timing: Timing, draining: Draining) {
    let commands = Commands::new(ledger);
    while !draining.is_begun() {
        match commands.current().await {
            Ok(run) => valve.set(run.is_some_and(|run| run.status == RunStatus::Running)),
            Err(error) => tracing::warn!(error = %error, "the current run cannot be read"),
        }
        // Half a reconcile turn: a pause acts within a second at real times.
        if draining.unless_begun(context.clock.sleep(timing.reconcile / 2)).await.is_none() {
            return;
        }
    }
}
