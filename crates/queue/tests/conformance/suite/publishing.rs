//! Publishing: every answer is true.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use model::{Classify, FailureClass};
use queue::{Error, Message, QueueName, Stage};

use crate::rig::{Rig, STEP, next, settle_next, within};

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

/// Thousands of publishes, small and large calls side by side, half of them to nowhere, all with the same id: each
/// answer must be that of its own message, and the queue must hold exactly what was answered `Ok`.
pub(crate) async fn mixed_routing_is_settled_exactly(rig: Arc<Rig>) {
    const CALLS: usize = 800;
    // Enough for confirmations to come while a window is still being sent.
    const BODY: usize = 4096;
    let queue = rig.queue("m").await;
    let nowhere = QueueName::new("ghost", Stage::Load);
    // Mostly calls of a few messages, so that windows mix both kinds closely; some that fill and split windows.
    let size = |call: usize| if call.is_multiple_of(50) { 300 } else { 1 + call % 3 };
    // In pairs, because calls take turns between two channels: each must see both kinds.
    let is_routed = |call: usize| (call / 2).is_multiple_of(2);
    let calls = (0..CALLS).map(|call| {
        let (publisher, routed) = (rig.broker.publisher(), is_routed(call));
        let target = if routed { queue.clone() } else { nowhere.clone() };
        async move {
            let messages: Vec<Message> = (0..size(call))
                .map(|n| Message::new("same id", Bytes::from(format!("{call}/{n:BODY$}"))))
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
    let routable: usize = (0..CALLS).filter(|call| is_routed(*call)).map(size).sum();
    assert_eq!(stored.len(), routable, "every routable message is stored");

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
