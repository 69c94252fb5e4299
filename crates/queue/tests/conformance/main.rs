//! The conformance suite of the queue: every promise of the seam, run against both implementations; and what only a
//! broker can do to us (outages, silence, alarms, refusals).
//!
//! RabbitMQ comes from the environment variable `KAYAKO_MIGRATE_TEST_AMQP`. Each test has a prefix of its own for all
//! names, and removes its queues at the end.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod outage;
mod proxy;
mod rig;
mod suite;
mod topology;

/// Runs each named check of the suite once per implementation.
macro_rules! both_implementations {
    ($($check:ident),+ $(,)?) => {
        mod in_process {
            $(#[tokio::test]
            async fn $check() {
                crate::rig::run(crate::rig::Kind::InProcess, crate::suite::$check).await;
            })+
        }
        mod rabbitmq {
            $(#[tokio::test]
            async fn $check() {
                crate::rig::run(crate::rig::Kind::RabbitMq, crate::suite::$check).await;
            })+
        }
    };
}

both_implementations!(
    messages_arrive_whole_and_in_order,
    a_settled_message_never_comes_again,
    a_dropped_delivery_comes_again,
    a_delivery_outlives_its_consumer,
    cancel_stops_deliveries_and_keeps_those_in_hand,
    prefetch_bounds_what_one_consumer_holds,
    consumers_share_a_queue_without_doubles,
    publishing_to_nowhere_is_an_error,
    mixed_routing_is_settled_exactly,
    an_unusable_message_harms_only_itself,
    names_are_checked_everywhere,
    delayed_messages_return_to_their_own_queue_by_step,
    a_message_can_take_the_same_step_again,
    a_delayed_message_of_a_deleted_queue_is_counted,
    depth_and_purge_count_ready_messages,
    declaring_again_keeps_messages,
    deleting_removes_everything,
    a_consumer_reports_its_deleted_queue_and_goes_on_with_the_next,
    dead_letters_tell_their_story_and_can_be_replayed,
    closing_ends_consumers_and_publishers,
);
