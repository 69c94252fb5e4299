//! With all rules the protocol holds in every world of every scenario, and each world can still end well.

use protocol_model::explore::{dead_end, explore};
use protocol_model::scenario::Scenario;

/// Explores a scenario whole.
fn holds(scenario: Scenario) {
    assert_eq!(scenario.timing.check(), Ok(()), "the program would refuse these waiting times");
    let name = scenario.name;
    let findings = explore(scenario);
    assert!(findings.violated.is_empty(), "{name}: {:#?}", findings.violated);
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
    user_that_is_deleted,
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
        user_that_is_deleted,
        case_with_replies,
        lost_writes_long_requests,
        lost_writes_late_look_ups,
        lost_writes_deletions,
        lost_writes_in_order,
    );
}
