//! The bounds on the account that "exactly once" rests on: when one is broken, the checker finds a double.

use protocol_model::explore::{Findings, explore, explore_until};
use protocol_model::protocol::{COUNTED, ONE_OBJECT};
use protocol_model::scenario::{Account, Scenario};

fn with(scenario: Scenario, change: fn(&mut Account)) -> Scenario {
    let mut account = scenario.account;
    change(&mut account);
    Scenario { account, ..scenario }
}

fn doubles(scenario: Scenario) -> bool {
    explore_until(scenario, &[ONE_OBJECT]).broken().contains(&ONE_OBJECT)
}

#[test]
fn a_request_that_takes_effect_after_the_quiet_period_doubles() {
    // Later than the second of the two look-ups, which is one visibility delay after the quiet period.
    assert!(doubles(with(Scenario::two_loaders(), |account| account.effect += account.visible + 1)));
}

#[test]
fn a_job_that_runs_after_it_was_given_up_doubles() {
    assert!(doubles(with(Scenario::two_loaders(), |account| account.job += account.visible + 1)));
}

#[test]
fn an_object_that_is_hidden_longer_than_the_visibility_delay_doubles() {
    assert!(doubles(with(Scenario::two_loaders(), |account| account.visible += 1)));
}

/// A job may take longer than the quiet period only while its id is known. A ledger that loses writes loses ids.
#[test]
fn a_long_job_whose_id_is_lost_doubles() {
    assert!(doubles(with(Scenario::lost_writes(), |account| account.job += account.visible + 2)));
}

/// What a request leaves behind that takes effect too late is found: its record was in doubt, and such records are counted before a
/// run ends.
#[test]
fn what_comes_too_late_is_of_a_record_that_will_be_counted() {
    for late in [
        with(Scenario::two_loaders(), |account| account.effect += account.visible + 1),
        with(Scenario::two_loaders(), |account| account.job += account.visible + 1),
        with(Scenario::two_loaders(), |account| account.visible += 1),
    ] {
        let findings = explore(late);
        assert!(findings.broken().contains(&ONE_OBJECT));
        assert!(!findings.broken().contains(&COUNTED), "{:#?}", findings.violated);
    }
}

/// The scenarios stand at the bounds: one tick more, and they would not hold. Less is no danger.
#[test]
fn a_quick_account_is_no_danger() {
    let quick = with(Scenario::two_loaders(), |account| (account.effect, account.job) = (1, 1));
    let Findings { violated, .. } = explore(quick);
    assert!(violated.is_empty(), "{violated:#?}");
}
