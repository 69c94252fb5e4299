//! What a quickstart claims, and what was seen.
//!
//! Constraint: everything is counted by the sample accounts themselves, not by the code that is on trial.

use coordinator::Status;
use model::Kind;
use sandbox::Sandbox;
use sandbox::server::CallCounts;
use serde::Serialize;

/// A claim and whether it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Proof {
    pub(crate) claim: &'static str,
    pub(crate) holds: bool,
    pub(crate) seen: String,
}

/// All claims, in the order in which they were looked at.
#[derive(Debug, Default)]
pub(crate) struct Proofs {
    proofs: Vec<Proof>,
}

impl Proofs {
    pub(crate) fn as_slice(&self) -> &[Proof] {
        &self.proofs
    }

    pub(crate) fn broken(&self) -> usize {
        self.proofs.iter().filter(|proof| !proof.holds).count()
    }

    fn add(&mut self, claim: &'static str, holds: bool, seen: String) {
        self.proofs.push(Proof { claim, holds, seen });
    }

    /// Looks after a run. The accounts' call counts were reset before it.
    pub(crate) fn after(&mut self, run: &str, status: &Status, sandbox: &Sandbox, tickets: u64) {
        let cases = status.counts.of(Kind::Case);
        let calls = sandbox.kayako_server.counts();
        match run {
            "demo" => self.add(
                "the demo moved its sample",
                cases.available == tickets.min(20) && cases.migrated == cases.available,
                format!("{} of {} tickets", cases.migrated, cases.available),
            ),
            "full" => {
                let all = status.counts.outstanding() == 0 && cases.available + cases.filtered == tickets;
                self.add(
                    "every ticket has an outcome",
                    all,
                    format!(
                        "{} migrated, {} failed, {} skipped of {tickets}; {} calls to Kayako",
                        cases.migrated, cases.failed, cases.skipped, calls.total
                    ),
                );
            }
            _ => {
                let (creating, changing) = (creating(&calls), changing(&calls));
                self.add(
                    "a second full run writes nothing",
                    creating + changing == 0,
                    format!("{creating} creating and {changing} changing calls among {}", calls.total),
                );
                let mails = sandbox.kayako.mails().len();
                self.add(
                    "no customer or agent was written to",
                    mails == 0,
                    format!("mails trapped: {mails}"),
                );
                let writes = sandbox.zendesk.writes().len();
                self.add(
                    "the source was only read",
                    writes == 0,
                    format!("{writes} calls that would have changed the Zendesk account"),
                );
            }
        }
    }
}

/// Calls that create something: POST, except log-ins and filters, which only read.
fn creating(calls: &CallCounts) -> u64 {
    number(calls, |method, path| {
        method == "POST"
            && path.starts_with("/api/v1")
            && !path.ends_with("/filter")
            && !path.ends_with("/session")
    })
}

/// Calls that change or remove something.
fn changing(calls: &CallCounts) -> u64 {
    number(calls, |method, path| {
        matches!(method, "PUT" | "PATCH" | "DELETE")
            && path.starts_with("/api/v1")
            && !path.ends_with("/session")
    })
}

fn number(calls: &CallCounts, counts: impl Fn(&str, &str) -> bool) -> u64 {
    let of = |label: &str| label.split_once(' ').is_some_and(|(method, path)| counts(method, path));
    calls.calls.iter().filter(|(label, _)| of(label)).flat_map(|(_, by_status)| by_status.values()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_by_post_is_no_creating_call() {
        let mut calls = CallCounts::default();
        for (label, amount) in [
            ("POST /api/v1/users/filter", 3),
            ("GET /api/v1/session", 1),
            ("POST /api/v1/bulk/cases", 2),
            ("PUT /api/v1/cases/{id}", 4),
        ] {
            calls.calls.entry(label.to_owned()).or_default().insert(200, amount);
        }
        assert_eq!((creating(&calls), changing(&calls)), (2, 4));
    }
}
