//! Every rule is necessary: without it the checker finds a world that must not be.

use protocol_model::explore::{dead_end, explore_until};
use protocol_model::protocol::{ADDED_ONCE, EXPLAINED, IN_ORDER, ONE_OBJECT, SENSIBLE, WHOLE};
use protocol_model::rule::Rule;
use protocol_model::scenario::Scenario;

fn broken(rule: Rule, scenario: Scenario, property: &'static str) {
    let findings = explore_until(scenario.without(rule), &[property]);
    assert!(
        findings.broken().contains(&property),
        "without {rule:?} {} worlds were explored, and this held: {property}",
        findings.worlds
    );
}

macro_rules! necessary {
    ($($name:ident: $rule:ident, $scenario:ident, $property:expr;)*) => {
        $(
            #[test]
            fn $name() {
                broken(Rule::$rule, Scenario::$scenario(), $property);
            }
        )*

        const TESTED: &[Rule] = &[$(Rule::$rule),*];
    };
}

necessary! {
    without_an_intent_before_the_request_there_are_doubles: IntentBeforeSend, two_loaders, ONE_OBJECT;
    without_the_quiet_period_there_are_doubles: ProbeWaitsForQuiet, two_loaders, ONE_OBJECT;
    a_paused_loader_that_sends_all_the_same_doubles: SelfFence, two_loaders, ONE_OBJECT;
    an_intent_that_outlasts_its_lease_doubles_when_it_is_lost: IntentEndsWithLease, lost_writes, ONE_OBJECT;
    a_loader_that_lost_its_claim_and_is_heard_doubles: FenceIsChecked, two_loaders, ONE_OBJECT;
    without_doubt_about_an_older_epoch_there_are_doubles: OlderEpochIsDoubt, lost_writes, ONE_OBJECT;
    a_claim_of_an_older_epoch_that_counts_doubles: OlderClaimIsVoid, lost_writes, ONE_OBJECT;
    a_probe_that_does_not_wait_for_older_leases_doubles: EpochWaitsForLeases, lost_writes_long_requests, ONE_OBJECT;
    an_absence_of_an_older_epoch_that_counts_doubles: AbsenceEndsWithEpoch, lost_writes_late_look_ups, ONE_OBJECT;
    what_an_older_epoch_touched_and_is_left_out_stays_behind: OlderEpochIsNotLeftOut, lost_writes_deletions, EXPLAINED;
    a_doubt_that_is_not_probed_doubles: DoubtIsProbed, two_loaders, ONE_OBJECT;
    an_orphan_in_doubt_cannot_simply_fail: OrphansAreProbed, lost_writes_in_order, SENSIBLE;
    silence_that_counts_as_not_sent_doubles: SilenceIsDoubt, two_loaders, ONE_OBJECT;
    a_job_that_is_not_asked_doubles: JobIsAsked, two_loaders, ONE_OBJECT;
    one_look_up_is_too_few: TwoAbsences, two_loaders, ONE_OBJECT;
    a_look_up_that_does_not_add_up_proves_nothing: UnclearIsNotAbsent, two_loaders, ONE_OBJECT;
    a_commit_before_the_last_step_halves: StepsBeforeCommit, user_with_steps, WHOLE;
    a_commit_before_reading_back_halves: ReadBackBeforeCommit, case_with_replies, WHOLE;
    what_is_left_out_and_called_whole_may_be_half: UnknownIsNotWhole, user_that_is_deleted, WHOLE;
    an_addition_after_the_lease_is_there_twice: AdditionEndsWithLease, user_with_steps, ADDED_ONCE;
    a_child_before_its_parent_stands_alone: ParentsFirst, in_order, IN_ORDER;
}

#[test]
fn what_no_message_carries_never_ends_unless_it_is_looked_for() {
    assert!(dead_end(&Scenario::two_loaders().without(Rule::LostWorkIsFound)).is_some());
}

#[test]
fn every_rule_has_its_test() {
    let tested = |rule: &Rule| TESTED.contains(rule) || *rule == Rule::LostWorkIsFound;
    let missing: Vec<Rule> = Rule::ALL.into_iter().filter(|rule| !tested(rule)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
