//! Looking, emptying, deleting, giving up, closing.

use std::sync::Arc;
use std::time::Duration;

use queue::{DeadLetter, Depth, Error, Message, QueueName, Stage};

use crate::rig::{Rig, STEP, eventually, next, settle_next, within};

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
