//! Deliveries: whole, in order, settled once, given back.

use std::sync::Arc;

use queue::{Message, RETRY_COUNT, UNTIL, ack_all};

use crate::rig::{Rig, next, settle_next, within};

pub(crate) async fn messages_arrive_whole_and_in_order(rig: Arc<Rig>) {
    let queue = rig.queue("m").await;
    // More than two windows, with bodies from nothing to several AMQP frames.
    let messages: Vec<Message> = (0..600)
        .map(|n| {
            let body = if n == 300 { vec![7; 300_000] } else { vec![u8::try_from(n % 251).unwrap(); n] };
            let message = Message::new(format!("id {n} ü"), body);
            if n % 3 == 0 {
                message.with_header(RETRY_COUNT, n.to_string()).with_header(UNTIL, "ü")
            } else {
                message
            }
        })
        .collect();
    for answer in within(rig.broker.publisher().publish(&queue, messages.clone())).await {
        answer.unwrap();
    }
    let mut consumer = rig.consume(&queue, 50).await;
    for expected in &messages {
        let delivery = next(&mut consumer).await;
        assert!(*delivery.message() == *expected, "{:?} instead of {expected:?}", delivery.message());
        assert!(!delivery.redelivered());
        delivery.ack().await.unwrap();
    }
}

pub(crate) async fn a_settled_message_never_comes_again(rig: Arc<Rig>) {
    let queue = rig.queue("m").await;
    rig.publish(&queue, &["a", "b", "c"]).await;
    let mut consumer = rig.consume(&queue, 10).await;
    let deliveries = vec![next(&mut consumer).await, next(&mut consumer).await, next(&mut consumer).await];
    for answer in within(ack_all(deliveries)).await {
        answer.unwrap();
    }
    drop(consumer);
    // Whatever was left would stand before this one.
    rig.publish(&queue, &["marker"]).await;
    assert_eq!(settle_next(&mut rig.consume(&queue, 10).await).await, "marker");
    assert_eq!(rig.broker.abandoned(), 0);
}

pub(crate) async fn a_dropped_delivery_comes_again(rig: Arc<Rig>) {
    let queue = rig.queue("m").await;
    rig.publish(&queue, &["a", "b", "c"]).await;
    let mut consumer = rig.consume(&queue, 1).await;
    let first = next(&mut consumer).await;
    assert_eq!((first.message().id.as_str(), first.redelivered()), ("a", false));
    drop(first);
    assert_eq!(rig.broker.abandoned(), 1);
    let mut seen = Vec::new();
    for _ in 0..3 {
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.message().body, format!("body of {}", delivery.message().id));
        // Only "a" was delivered before: with a prefetch of 1 the others were never on their way.
        assert_eq!(delivery.redelivered(), delivery.message().id == "a");
        seen.push(delivery.message().id.clone());
        delivery.ack().await.unwrap();
    }
    if rig.broker.is_durable() {
        // A broker may hand out the next message while the dropped one is on its way back.
        seen.sort_unstable();
    }
    assert_eq!(seen, ["a", "b", "c"]);
}

pub(crate) async fn a_delivery_outlives_its_consumer(rig: Arc<Rig>) {
    let queue = rig.queue("m").await;
    rig.publish(&queue, &["a", "b", "c"]).await;
    let mut consumer = rig.consume(&queue, 10).await;
    let (kept, dropped) = (next(&mut consumer).await, next(&mut consumer).await);
    drop(consumer);
    within(kept.ack()).await.unwrap();
    drop(dropped);
    let mut consumer = rig.consume(&queue, 10).await;
    let again = next(&mut consumer).await;
    assert_eq!((again.message().id.as_str(), again.redelivered()), ("b", true));
    again.ack().await.unwrap();
    assert_eq!(settle_next(&mut consumer).await, "c");
}

pub(crate) async fn cancel_stops_deliveries_and_keeps_those_in_hand(rig: Arc<Rig>) {
    let queue = rig.queue("m").await;
    rig.publish(&queue, &["a", "b", "c", "d"]).await;
    let mut consumer = rig.consume(&queue, 10).await;
    let (first, second) = (next(&mut consumer).await, next(&mut consumer).await);
    within(consumer.cancel()).await;
    assert!(within(consumer.next()).await.is_none());
    for answer in within(ack_all(vec![first, second])).await {
        answer.unwrap();
    }
    let mut consumer = rig.consume(&queue, 10).await;
    assert_eq!(settle_next(&mut consumer).await, "c");
    assert_eq!(settle_next(&mut consumer).await, "d");
}

pub(crate) async fn prefetch_bounds_what_one_consumer_holds(rig: Arc<Rig>) {
    let queue = rig.queue("m").await;
    rig.publish(&queue, &["a", "b", "c"]).await;
    let mut first = rig.consume(&queue, 2).await;
    let (one, two) = (next(&mut first).await, next(&mut first).await);
    // The third is free for another consumer only because the first one's credit is used up.
    let mut second = rig.consume(&queue, 0).await;
    let three = next(&mut second).await;
    assert_eq!(three.message().id, "c");
    rig.publish(&queue, &["d"]).await;
    // Both are full; credit that comes back lets the next one through.
    one.ack().await.unwrap();
    assert_eq!(settle_next(&mut first).await, "d");
    two.ack().await.unwrap();
    three.ack().await.unwrap();
}

pub(crate) async fn consumers_share_a_queue_without_doubles(rig: Arc<Rig>) {
    const MESSAGES: usize = 2000;
    let queue = rig.queue("m").await;
    let (seen, mut arrived) = tokio::sync::mpsc::unbounded_channel();
    let mut consumers = Vec::new();
    for _ in 0..3 {
        let mut consumer = rig.consume(&queue, 100).await;
        let seen = seen.clone();
        consumers.push(tokio::spawn(async move {
            while let Some(delivery) = consumer.next().await {
                let delivery = delivery.unwrap();
                let id: usize = delivery.message().id.parse().unwrap();
                delivery.ack().await.unwrap();
                seen.send(id).unwrap();
            }
        }));
    }
    let messages = (0..MESSAGES).map(|n| Message::new(n.to_string(), vec![0; 100])).collect();
    for answer in within(rig.broker.publisher().publish(&queue, messages)).await {
        answer.unwrap();
    }
    let mut counts = vec![0; MESSAGES];
    for _ in 0..MESSAGES {
        counts[within(arrived.recv()).await.unwrap()] += 1;
    }
    assert!(counts.iter().all(|count| *count == 1), "some message came twice");
    rig.broker.close().await;
    for consumer in consumers {
        within(consumer).await.unwrap();
    }
}
