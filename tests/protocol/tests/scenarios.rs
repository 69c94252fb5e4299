//! With all rules the protocol holds in every world of every scenario, and each world can still end well.

use protocol_model::explore::{dead_end, explore};
use protocol_model::protocol::ADDED_ONCE;
use protocol_model::scenario::{Scenario, Step};

/// Explores a scenario whole.
fn holds(scenario: Scenario) {
    assert_eq!(scenario.timing.check(), Ok(()), "the program would refuse these waiting times");
    let name = scenario.name;
    let adds = scenario.steps.contains(&Step::Add);
    let findings = explore(scenario);
    let broken: Vec<_> =
        findings.violated.iter().filter(|(property, _)| !(adds && *property == ADDED_ONCE)).collect();
    assert!(broken.is_empty(), "{name}: {broken:#?}");
    assert!(findings.unreached.is_empty(), "{name} is too small, never reached: {:?}", findings.unreached);
    println!("{name}: {} worlds, {} steps, {} deep", findings.worlds, findings.steps, findings.depth);
}

macro_rules! holds {
    ($($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                holds(Scenario::$name());
            }
        )*

        #[test]
        fn every_scenario_is_explored() {
            let explored = [$(Scenario::$name().name),*];
            for scenario in Scenario::all() {
                assert!(explored.contains(&scenario.name), "{}", scenario.name);
            }
        }
    };
}

holds!(
    two_loaders,
    batch,
    in_order,
    user_with_steps,
    case_with_replies,
    lost_writes,
    lost_writes_long_requests,
    lost_writes_late_look_ups,
    lost_writes_deletions,
    lost_writes_in_order,
);

/// Whatever has happened, there is a way to the end of every record.
mod ends {
    use super::{Scenario, dead_end};

    macro_rules! ends {
        ($($name:ident),* $(,)?) => {
            $(
                #[test]
                fn $name() {
                    let scenario = Scenario::$name();
                    assert_eq!(dead_end(&scenario), None, "{}: a record that can never end", scenario.name);
                }
            )*
        };
    }

    // Two loaders and a lossy ledger together have ends of no other kind, and cost as much as all of these.
    ends!(
        two_loaders,
        batch,
        in_order,
        user_with_steps,
        case_with_replies,
        lost_writes_long_requests,
        lost_writes_late_look_ups,
        lost_writes_deletions,
        lost_writes_in_order,
    );
}

/// What is listed and then added is safe from any crash, as long as one loader at a time works on the record.
#[test]
fn a_crash_adds_nothing_twice() {
    let alone = Scenario { loaders: 1, ..Scenario::user_with_steps() };
    assert!(explore(alone).violated.is_empty());
}

/// Known and not prevented: a loader that is paused between listing and adding, past its lease, adds what another one has added meanwhile.
/// No intent is stored for these requests, and Kayako does not know our fences.
#[test]
fn a_loader_paused_past_its_lease_may_add_a_note_twice() {
    let findings = explore(Scenario::user_with_steps());
    assert!(findings.violated.iter().any(|(property, _)| *property == ADDED_ONCE));
}
