//! What both implementations promise. Each check gets a broker of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use model::{Classify, FailureClass};
use queue::{DeadLetter, Depth, Error, Message, QueueName, RETRY_COUNT, Stage, UNTIL, ack_all};

use crate::rig::{Rig, eventually, next, settle_next, within};

const STEP: Duration = Duration::from_millis(100);

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
    let consumers: Vec<_> = join_all((0..3).map(async |_| {
        let mut consumer = rig.consume(&queue, 100).await;
        let seen = seen.clone();
        tokio::spawn(async move {
            while let Some(delivery) = consumer.next().await {
                let delivery = delivery.unwrap();
                let id: usize = delivery.message().id.parse().unwrap();
                delivery.ack().await.unwrap();
                seen.send(id).unwrap();
            }
        })
    }))
    .await;
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

pub(crate) async fn publishing_to_nowhere_is_an_error(rig: Arc<Rig>) {
    rig.queue("m").await;
    let nowhere = QueueName::new("ghost", Stage::Load);
    let publisher = rig.broker.publisher();
    let answers =
        within(publisher.publish(&nowhere, vec![Message::new("a", "x"), Message::new("b", "")])).await;
    assert_eq!(answers.len(), 2);
    for answer in answers {
        let error = answer.unwrap_err();
        assert!(matches!(error, Error::Unroutable { .. }), "{error:?}");
        assert_eq!(error.class(), FailureClass::Internal);
    }
    let answer = within(publisher.dead_letter(&nowhere, Message::new("a", ""), "reason")).await;
    assert!(matches!(answer, Err(Error::Unroutable { .. })), "{answer:?}");
    assert!(within(publisher.publish(&nowhere, Vec::new())).await.is_empty());
}

/// Thousands of publishes, small and large calls side by side, every other one to nowhere, many with the same id: each
/// answer must be that of its own message, and the queue must hold exactly what was answered `Ok`.
pub(crate) async fn mixed_routing_is_settled_exactly(rig: Arc<Rig>) {
    let queue = rig.queue("m").await;
    let nowhere = QueueName::new("ghost", Stage::Load);
    // Calls of 1, 2, 3, 5 ... messages, so that windows mix calls and split them.
    let sizes = [1, 2, 3, 5, 8, 13, 21, 34, 300];
    let calls = (0..216).map(|call| {
        let (publisher, routed) = (rig.broker.publisher(), call % 2 == 0);
        let target = if routed { queue.clone() } else { nowhere.clone() };
        async move {
            let messages: Vec<Message> = (0..sizes[call % sizes.len()])
                .map(|n| Message::new("same id", Bytes::from(format!("{call}/{n}"))))
                .collect();
            let answers = publisher.publish(&target, messages.clone()).await;
            assert_eq!(answers.len(), messages.len());
            let mut stored = Vec::new();
            for (message, answer) in messages.into_iter().zip(answers) {
                match answer {
                    Ok(()) => stored.push(message.body),
                    Err(error) => assert!(matches!(error, Error::Unroutable { .. }), "{error:?}"),
                }
            }
            assert!(
                routed || stored.is_empty(),
                "{} messages to nowhere were reported as stored",
                stored.len()
            );
            stored
        }
    });
    let stored: Vec<Bytes> = within(join_all(calls)).await.into_iter().flatten().collect();
    assert_eq!(
        stored.len(),
        108 * (1 + 2 + 3 + 5 + 8 + 13 + 21 + 34 + 300) / 9,
        "every routable message is stored"
    );

    let mut expected = BTreeMap::new();
    for body in stored {
        *expected.entry(body).or_insert(0) += 1;
    }
    let mut arrived = BTreeMap::new();
    let mut consumer = rig.consume(&queue, 500).await;
    rig.publish(&queue, &["the end"]).await;
    loop {
        let delivery = next(&mut consumer).await;
        if delivery.message().id == "the end" {
            break;
        }
        *arrived.entry(delivery.message().body.clone()).or_insert(0) += 1;
        delivery.ack().await.unwrap();
    }
    assert!(arrived == expected, "the queue holds something else than what was answered");
}

pub(crate) async fn an_unusable_message_harms_only_itself(rig: Arc<Rig>) {
    let queue = rig.queue("m").await;
    let messages = vec![
        Message::new("a", "x"),
        Message::new("i".repeat(256), "x"),
        Message::new("b", "x"),
        Message::new("c", "x").with_header("h", "v".repeat(70_000)),
        Message::new("d", "x"),
    ];
    let answers = within(rig.broker.publisher().publish(&queue, messages)).await;
    let good: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(good, [true, false, true, false, true]);
    assert!(matches!(answers[1], Err(Error::InvalidMessage { .. })), "{:?}", answers[1]);
    let mut consumer = rig.consume(&queue, 10).await;
    for id in ["a", "b", "d"] {
        assert_eq!(settle_next(&mut consumer).await, id);
    }
}

pub(crate) async fn names_are_checked_everywhere(rig: Arc<Rig>) {
    rig.queue("m").await;
    for name in [String::new(), "a b".to_owned(), "m".repeat(129)] {
        let queue = QueueName::new(name.as_str(), Stage::Load);
        let publisher = rig.broker.publisher();
        let message = || Message::new("a", "x");
        let answers = [
            rig.broker.declare(&name).await.err(),
            rig.broker.consume(&queue, 1).await.err(),
            rig.broker.consume_dead_letters(&name, 1).await.err(),
            rig.broker.depth(&queue).await.err(),
            rig.broker.dead_letters(&name).await.err(),
            rig.broker.purge(&queue).await.err(),
            rig.broker.purge_dead_letters(&name).await.err(),
            rig.broker.delete(&name).await.err(),
            publisher.publish(&queue, vec![message()]).await.remove(0).err(),
            publisher.delay(&queue, message(), STEP).await.err(),
            publisher.dead_letter(&queue, message(), "reason").await.err(),
        ];
        for answer in answers {
            assert!(matches!(answer, Some(Error::InvalidName { .. })), "{name:?}: {answer:?}");
        }
    }
}

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

pub(crate) async fn depth_and_purge_count_ready_messages(rig: Arc<Rig>) {
    let queue = rig.queue("m").await;
    rig.publish(&queue, &["a", "b", "c", "d"]).await;
    let mut consumer = rig.consume(&queue, 1).await;
    let in_hand = next(&mut consumer).await;
    let delayed = Message::new("later", "x");
    within(rig.broker.publisher().delay(&queue, delayed, Duration::from_secs(4))).await.unwrap();
    let delayed = if rig.broker.is_durable() { None } else { Some(1) };
    let expected = Depth { ready: 3, delayed };
    eventually("three are ready", async || rig.broker.depth(&queue).await.unwrap() == expected).await;
    assert_eq!(within(rig.broker.purge(&queue)).await.unwrap(), 3);
    eventually("none is ready", async || rig.broker.depth(&queue).await.unwrap().ready == 0).await;
    // Neither the delivery in hand nor the delayed message is purged.
    in_hand.ack().await.unwrap();
    assert_eq!(settle_next(&mut consumer).await, "later");
    let missing = rig.broker.depth(&QueueName::new("ghost", Stage::Load)).await;
    assert!(matches!(missing, Err(Error::QueueMissing { .. })), "{missing:?}");
}

pub(crate) async fn declaring_again_keeps_messages(rig: Arc<Rig>) {
    let queue = rig.queue("m").await;
    rig.publish(&queue, &["a"]).await;
    let same = rig.queue("m").await;
    assert_eq!(settle_next(&mut rig.consume(&same, 1).await).await, "a");
}

pub(crate) async fn deleting_removes_everything(rig: Arc<Rig>) {
    let queue = rig.queue("m").await;
    rig.publish(&queue, &["in hand", "ready"]).await;
    let publisher = rig.broker.publisher();
    within(publisher.dead_letter(&queue, Message::new("dead", "x"), "reason")).await.unwrap();
    let mut consumer = rig.consume(&queue, 1).await;
    let in_hand = next(&mut consumer).await;
    drop(consumer);
    within(rig.broker.delete("m")).await.unwrap();
    within(rig.broker.delete("m")).await.expect("deleting twice is no error");
    let missing = rig.broker.consume(&queue, 1).await.err();
    assert!(matches!(missing, Some(Error::QueueMissing { .. })), "{missing:?}");
    let answer = within(publisher.publish(&queue, vec![Message::new("a", "x")])).await.remove(0);
    assert!(matches!(answer, Err(Error::Unroutable { .. })), "{answer:?}");

    rig.queue("m").await;
    drop(in_hand);
    assert_eq!(within(rig.broker.dead_letters("m")).await.unwrap(), 0);
    rig.publish(&queue, &["new"]).await;
    assert_eq!(settle_next(&mut rig.consume(&queue, 1).await).await, "new");
}

pub(crate) async fn a_consumer_reports_its_deleted_queue_and_goes_on_with_the_next(rig: Arc<Rig>) {
    let queue = rig.queue("m").await;
    let mut consumer = rig.consume(&queue, 5).await;
    within(rig.broker.delete("m")).await.unwrap();
    let report = within(consumer.next()).await.expect("no silent end");
    assert!(matches!(report, Err(Error::QueueMissing { .. })), "{report:?}");
    rig.queue("m").await;
    rig.publish(&queue, &["new"]).await;
    assert_eq!(settle_next(&mut consumer).await, "new");
}

pub(crate) async fn dead_letters_tell_their_story_and_can_be_replayed(rig: Arc<Rig>) {
    let queue = rig.queue("m").await;
    let publisher = rig.broker.publisher();
    rig.publish(&queue, &["a"]).await;
    let mut consumer = rig.consume(&queue, 1).await;
    let delivery = next(&mut consumer).await;
    let original = delivery.message().clone();
    within(publisher.dead_letter(&queue, original.clone(), "cannot be read")).await.unwrap();
    delivery.ack().await.unwrap();
    eventually("it is counted", async || rig.broker.dead_letters("m").await.unwrap() == 1).await;

    let mut dead = within(rig.broker.consume_dead_letters("m", 1)).await.unwrap();
    let looked_at = next(&mut dead).await;
    let story = DeadLetter { stage: Some(Stage::Load), reason: "cannot be read".to_owned() };
    assert_eq!(looked_at.message().dead_letter(), Some(story));
    drop(looked_at);
    let letter = next(&mut dead).await;
    let revived = letter.message().clone().revived();
    assert_eq!(revived, original);
    within(publisher.publish(&queue, vec![revived])).await.remove(0).unwrap();
    letter.ack().await.unwrap();
    assert_eq!(settle_next(&mut consumer).await, "a");

    within(publisher.dead_letter(&queue, original, "again")).await.unwrap();
    drop(dead);
    eventually("it is purged", async || rig.broker.purge_dead_letters("m").await.unwrap() == 1).await;
    assert_eq!(rig.broker.dead_letters("m").await.unwrap(), 0);
}

pub(crate) async fn closing_ends_consumers_and_publishers(rig: Arc<Rig>) {
    let queue = rig.queue("m").await;
    let mut consumer = rig.consume(&queue, 1).await;
    assert!(rig.broker.is_connected() && !rig.broker.is_blocked());
    let waiting =
        tokio::spawn(async move { (consumer.next().await.is_none(), consumer.next().await.is_none()) });
    within(rig.broker.close()).await;
    assert_eq!(within(waiting).await.unwrap(), (true, true));
    assert!(!rig.broker.is_connected());
    let publisher = rig.broker.publisher();
    let answers = [
        within(publisher.publish(&queue, vec![Message::new("a", "x")])).await.remove(0),
        within(publisher.delay(&queue, Message::new("a", "x"), STEP)).await,
        within(rig.broker.declare("m")).await,
        within(rig.broker.consume(&queue, 1)).await.map(|_| ()),
    ];
    for answer in answers {
        assert!(matches!(answer, Err(Error::Closed)), "{answer:?}");
    }
}
