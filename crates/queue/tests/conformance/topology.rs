//! What is declared on the broker.

use std::time::Duration;

use model::{Classify, FailureClass};
use queue::{Broker, DeadLetter, Error, Ladder, Message, RabbitConfig, RabbitMq, Stage};

use crate::rig::{address, config, eventually, next, settle_next, with_rabbit, within};

#[tokio::test]
async fn a_message_delivered_too_often_becomes_a_dead_letter() {
    let config = RabbitConfig { delivery_limit: 1, ..config(&address()) };
    with_rabbit(config, async |rig, rabbit| {
        let queue = rig.queue("m").await;
        let publisher = rabbit.publisher();
        // By way of the ladder, whose own traces must not be mistaken for the reason.
        let message = Message::new("poison", "x").with_header("a", "b");
        within(publisher.delay(&queue, message.clone(), Duration::ZERO)).await.unwrap();
        let mut consumer = rig.consume(&queue, 1).await;
        drop(next(&mut consumer).await);
        drop(next(&mut consumer).await);
        // Wakes the consumer, which has to give its lost credit back.
        rig.publish(&queue, &["sound"]).await;
        assert_eq!(settle_next(&mut consumer).await, "sound");
        eventually("it is a dead letter", async || rabbit.dead_letters("m").await.unwrap() == 1).await;
        let letter = next(&mut rabbit.consume_dead_letters("m", 1).await.unwrap()).await;
        let story = DeadLetter { stage: Some(Stage::Load), reason: "delivery_limit".to_owned() };
        assert_eq!(letter.message().dead_letter(), Some(story));
        assert_eq!(letter.message().clone().revived(), message);
        letter.ack().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn different_ladders_live_side_by_side_and_other_conflicts_are_told() {
    let mine = config(&address());
    let hasty = RabbitConfig { ladder: Ladder::new([Duration::from_millis(50)]).unwrap(), ..mine.clone() };
    let lenient = RabbitConfig { delivery_limit: 7, ..mine.clone() };
    with_rabbit(hasty, async |rig, hasty| {
        let queue = rig.queue("m").await;
        let other_ladder = RabbitMq::connect(mine).await.unwrap();
        within(other_ladder.declare("m")).await.unwrap();
        within(hasty.publisher().delay(&queue, Message::new("a", "x"), Duration::ZERO)).await.unwrap();
        assert_eq!(settle_next(&mut rig.consume(&queue, 1).await).await, "a");

        let other_limit = RabbitMq::connect(lenient).await.unwrap();
        let error = within(other_limit.declare("m")).await.unwrap_err();
        assert!(matches!(error, Error::Conflict(_)), "{error:?}");
        assert_eq!(error.class(), FailureClass::Halt);
        other_limit.close().await;
        other_ladder.uninstall().await.unwrap();
        other_ladder.close().await;
    })
    .await;
}

#[tokio::test]
async fn settings_without_sense_are_refused() {
    let sound = config("amqp://127.0.0.1");
    let broken = [
        RabbitConfig { prefix: String::new(), ..sound.clone() },
        RabbitConfig { window: 0, ..sound.clone() },
        RabbitConfig { window: 501, ..sound.clone() },
        RabbitConfig { lanes: 0, ..sound.clone() },
        RabbitConfig { delivery_limit: 0, ..sound.clone() },
        RabbitConfig { publish_timeout: Duration::ZERO, ..sound.clone() },
        RabbitConfig { reconnect_min: Duration::from_secs(9), ..sound.clone() },
    ];
    for config in broken {
        let error = RabbitMq::connect(config).await.err().expect("refused");
        assert!(matches!(error, Error::InvalidConfig { .. }), "{error:?}");
        assert_eq!(error.class(), FailureClass::Halt);
    }
}
