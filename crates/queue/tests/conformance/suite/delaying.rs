//! Waiting in the ladder.

use std::sync::Arc;
use std::time::Duration;

use queue::{Message, QueueName, RETRY_COUNT, Stage, UNTIL};

use crate::rig::{Rig, STEP, eventually, next, settle_next, within};

/// Longest first, so that a queue shared by different delays would hold the short ones back.
pub(crate) async fn delayed_messages_return_to_their_own_queue_by_step(rig: Arc<Rig>) {
    let load = rig.queue("m").await;
    let other = rig.queue("other").await;
    let intake = QueueName::new("m", Stage::Intake);
    let publisher = rig.broker.publisher();
    let delayed = |id: &str| Message::new(id, "body").with_header(UNTIL, "12345");
    let ms = Duration::from_millis;
    for (queue, id, wait) in [
        (&load, "longest that fits", ms(9_999)),
        (&load, "middle", ms(3_999)),
        (&load, "shorter than the shortest", ms(0)),
        (&intake, "other stage", ms(100)),
        (&other, "other migration", ms(100)),
    ] {
        within(publisher.delay(queue, delayed(id), wait)).await.unwrap();
    }
    let mut consumer = rig.consume(&load, 10).await;
    for id in ["shorter than the shortest", "middle", "longest that fits"] {
        let delivery = next(&mut consumer).await;
        assert!(*delivery.message() == delayed(id), "{:?} instead of {id}", delivery.message());
        delivery.ack().await.unwrap();
    }
    assert_eq!(settle_next(&mut rig.consume(&intake, 10).await).await, "other stage");
    assert_eq!(settle_next(&mut rig.consume(&other, 10).await).await, "other migration");
    assert_eq!(rig.broker.unroutable().await.unwrap(), 0);
}

/// A message that is published again with the traces of its last delay looks like a loop to a broker, and vanishes.
pub(crate) async fn a_message_can_take_the_same_step_again(rig: Arc<Rig>) {
    let queue = rig.queue("m").await;
    let publisher = rig.broker.publisher();
    let mut consumer = rig.consume(&queue, 10).await;
    within(publisher.delay(&queue, Message::new("a", "x"), STEP)).await.unwrap();
    for hop in 1..=3 {
        let delivery = next(&mut consumer).await;
        let message = delivery.message().clone().with_header(RETRY_COUNT, hop.to_string());
        within(publisher.delay(&queue, message, STEP)).await.unwrap();
        delivery.ack().await.unwrap();
    }
    let last = next(&mut consumer).await;
    assert_eq!(*last.message(), Message::new("a", "x").with_header(RETRY_COUNT, "3"));
    last.ack().await.unwrap();
}

pub(crate) async fn a_delayed_message_of_a_deleted_queue_is_counted(rig: Arc<Rig>) {
    let queue = rig.queue("m").await;
    let other = rig.queue("other").await;
    let publisher = rig.broker.publisher();
    within(publisher.delay(&queue, Message::new("a", "x"), STEP)).await.unwrap();
    within(rig.broker.delete("m")).await.unwrap();
    eventually("the message is counted", async || rig.broker.unroutable().await.unwrap() == 1).await;
    // It holds nobody else up.
    within(publisher.delay(&other, Message::new("b", "x"), STEP)).await.unwrap();
    assert_eq!(settle_next(&mut rig.consume(&other, 1).await).await, "b");
}
