//! What only a broker can do to us: break, fall silent, run out of memory, refuse.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::{Classify, FailureClass};
use queue::{Broker, Error, Message, QueueName, RabbitConfig, RabbitMq, Stage};

use crate::proxy::{Mode, Proxy};
use crate::rig::{address, config, eventually, next, settle_next, with_rabbit, within};

/// Settings by way of a proxy.
async fn proxied() -> (Proxy, RabbitConfig) {
    let proxy = Proxy::start(&address()).await;
    let config = config(&proxy.address(&address()));
    (proxy, config)
}

/// Publishes until every message is confirmed, while connections are cut again and again. What was answered `Ok` must
/// arrive; what was not may arrive, and arrives at the latest by being published again.
#[tokio::test]
async fn forced_disconnects_lose_nothing_that_was_confirmed() {
    const MESSAGES: usize = 3000;
    let (proxy, config) = proxied().await;
    with_rabbit(config, async |rig, rabbit| {
        let queue = rig.queue("m").await;
        let mut consumer = rig.consume(&queue, 200).await;
        let consuming = tokio::spawn(async move {
            let mut arrived = BTreeMap::new();
            while arrived.len() < MESSAGES {
                let delivery = next(&mut consumer).await;
                *arrived.entry(delivery.message().id.clone()).or_insert(0) += 1;
                // An acknowledgement may be lost with its connection: the message just comes again.
                if let Err(error) = delivery.ack().await {
                    assert!(matches!(error, Error::NotAcked(_)), "{error:?}");
                    assert_eq!(error.class(), FailureClass::Death);
                }
            }
            arrived
        });
        let publisher = rabbit.publisher();
        let mut unconfirmed: Vec<Message> =
            (0..MESSAGES).map(|n| Message::new(n.to_string(), vec![0; 1024])).collect();
        let mut failures = 0;
        while !unconfirmed.is_empty() {
            // In the middle of the call, and of a message, as long as there is much left to publish.
            if unconfirmed.len() > MESSAGES / 4 {
                proxy.cut_after(300_000);
            }
            let answers = within(publisher.publish(&queue, unconfirmed.clone())).await;
            let mut left = Vec::new();
            for (message, answer) in unconfirmed.into_iter().zip(answers) {
                if let Err(error) = answer {
                    assert!(matches!(error, Error::Unconfirmed { .. } | Error::NotConnected(_)), "{error:?}");
                    assert!(error.is_transient());
                    left.push(message);
                    failures += 1;
                }
            }
            unconfirmed = left;
        }
        let arrived = within(consuming).await.unwrap();
        assert_eq!(arrived.len(), MESSAGES);
        assert!(failures > 0, "no cut was ever felt");
    })
    .await;
}

#[tokio::test]
async fn an_outage_fails_publishes_as_not_sent_and_everything_comes_back() {
    let (proxy, config) = proxied().await;
    let config = RabbitConfig { publish_timeout: Duration::from_millis(500), ..config };
    with_rabbit(config, async |rig, rabbit| {
        let queue = rig.queue("m").await;
        let mut consumer = rig.consume(&queue, 10).await;
        rig.publish(&queue, &["before"]).await;
        let before = next(&mut consumer).await;
        proxy.set(Mode::Down);
        eventually("the loss is noticed", async || !rabbit.is_connected()).await;
        let publisher = rabbit.publisher();
        let error =
            within(publisher.publish(&queue, vec![Message::new("a", "x")])).await.remove(0).unwrap_err();
        assert!(matches!(error, Error::NotConnected(_)), "{error:?}");
        assert_eq!(error.class(), FailureClass::NotSent);
        let error = within(before.ack()).await.unwrap_err();
        assert!(matches!(error, Error::NotAcked(_)), "{error:?}");

        proxy.set(Mode::Open);
        let again = next(&mut consumer).await;
        assert_eq!((again.message().id.as_str(), again.redelivered()), ("before", true));
        again.ack().await.unwrap();
        eventually("publishing works again", async || {
            publisher.publish(&queue, vec![Message::new("after", "x")]).await.remove(0).is_ok()
        })
        .await;
        assert_eq!(settle_next(&mut consumer).await, "after");
        assert!(rabbit.is_connected());
    })
    .await;
}

#[tokio::test]
async fn a_silent_broker_makes_publishes_ambiguous() {
    let (proxy, config) = proxied().await;
    let watching = RabbitConfig { address: address().parse().unwrap(), ..config.clone() };
    // One lane, whose channel is open before the silence begins: what finds no open channel is not sent.
    let config = RabbitConfig { publish_timeout: Duration::from_millis(500), lanes: 1, ..config };
    with_rabbit(config, async |rig, rabbit| {
        let queue = rig.queue("m").await;
        rig.publish(&queue, &["warm up"]).await;
        proxy.set(Mode::Silent);
        let publisher = rabbit.publisher();
        let publishing = publisher.publish(&queue, vec![Message::new("a", "x"), Message::new("b", "x")]);
        for answer in within(publishing).await {
            let error = answer.unwrap_err();
            assert!(matches!(error, Error::Unconfirmed { .. }), "{error:?}");
            assert_eq!(error.class(), FailureClass::Ambiguous);
        }
        // Ambiguous is the word: they are stored.
        let watcher = RabbitMq::connect(watching).await.unwrap();
        eventually("all are stored", async || watcher.depth(&queue).await.unwrap().ready == 3).await;
        watcher.close().await;

        // Answers that come too late are not mistaken for those of the next publishes.
        proxy.set(Mode::Open);
        let nowhere = QueueName::new("ghost", Stage::Load);
        eventually("publishing works again", async || {
            let publisher = rabbit.publisher();
            let lost = publisher.publish(&nowhere, vec![Message::new("c", "x")]).await.remove(0);
            assert!(lost.is_err(), "a message to nowhere was reported as stored");
            matches!(lost, Err(Error::Unroutable { .. }))
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_blocked_broker_is_shown_and_publishes_wait_unsent() {
    let (proxy, config) = proxied().await;
    let watching = RabbitConfig { address: address().parse().unwrap(), ..config.clone() };
    let config = RabbitConfig { publish_timeout: Duration::from_millis(500), ..config };
    with_rabbit(config, async |rig, rabbit| {
        let queue = rig.queue("m").await;
        rig.publish(&queue, &["before"]).await;
        assert!(!rabbit.is_blocked());
        proxy.pretend_blocked(true);
        eventually("the alarm is shown", async || rabbit.is_blocked()).await;
        assert!(rabbit.is_connected());
        let publisher = rabbit.publisher();
        let error =
            within(publisher.publish(&queue, vec![Message::new("a", "x")])).await.remove(0).unwrap_err();
        assert!(matches!(error, Error::Blocked), "{error:?}");
        assert_eq!(error.class(), FailureClass::NotSent);

        proxy.pretend_blocked(false);
        eventually("the end of the alarm is shown", async || !rabbit.is_blocked()).await;
        rig.publish(&queue, &["after"]).await;
        let watcher = RabbitMq::connect(watching).await.unwrap();
        let mut consumer = watcher.consume(&queue, 10).await.unwrap();
        // "a" was never sent.
        assert_eq!(settle_next(&mut consumer).await, "before");
        assert_eq!(settle_next(&mut consumer).await, "after");
        watcher.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_publish_waits_for_the_end_of_an_alarm() {
    let (proxy, config) = proxied().await;
    with_rabbit(config, async |rig, rabbit| {
        let queue = rig.queue("m").await;
        proxy.pretend_blocked(true);
        eventually("the alarm is shown", async || rabbit.is_blocked()).await;
        let publisher = rabbit.publisher();
        let target = queue.clone();
        let publishing =
            tokio::spawn(
                async move { publisher.publish(&target, vec![Message::new("a", "x")]).await.remove(0) },
            );
        tokio::task::yield_now().await;
        assert!(!publishing.is_finished());
        proxy.pretend_blocked(false);
        within(publishing).await.unwrap().unwrap();
    })
    .await;
}

#[tokio::test]
async fn refusals_show_at_once_and_never_with_the_password() {
    let with = |change: &dyn Fn(&mut url::Url)| {
        let mut url = url::Url::parse(&address()).unwrap();
        change(&mut url);
        config(url.as_ref())
    };
    let wrong_password = with(&|url| url.set_password(Some("not-the-password")).unwrap());
    let wrong_vhost = with(&|url| url.set_path("/no-such-vhost"));
    for config in [wrong_password, wrong_vhost] {
        assert!(!format!("{config:?}").contains("not-the-password"));
        let error = within(RabbitMq::connect(config)).await.err().expect("refused");
        assert!(matches!(error, Error::AccessRefused(_)), "{error:?}");
        assert_eq!(error.class(), FailureClass::Halt);
        assert!(!format!("{error:?} {error}").contains("not-the-password"), "{error:?}");
    }
    // A port that was free a moment ago: nobody listens.
    let port = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let nobody = with(&|url| url.set_port(Some(port)).unwrap());
    let error = within(RabbitMq::connect(nobody)).await.err().expect("nobody there");
    assert!(matches!(error, Error::NotConnected(Some(_))), "{error:?}");
    assert_eq!(error.class(), FailureClass::NotSent);
}

/// Several handles (pods) publish to and consume from the same queue; one of them goes away with deliveries in hand.
#[tokio::test]
async fn another_process_takes_over_what_a_closed_one_held() {
    let config = config(&address());
    let other = config.clone();
    with_rabbit(config, async |rig, _| {
        let queue = rig.queue("m").await;
        rig.publish(&queue, &["a", "b"]).await;
        let leaving = Arc::new(RabbitMq::connect(other).await.unwrap());
        let mut consumer = leaving.consume(&queue, 10).await.unwrap();
        let in_hand = next(&mut consumer).await;
        leaving.close().await;
        let mut consumer = rig.consume(&queue, 10).await;
        assert_eq!(settle_next(&mut consumer).await, "a");
        assert_eq!(settle_next(&mut consumer).await, "b");
        let late = within(in_hand.ack()).await;
        assert!(matches!(late, Err(Error::NotAcked(_))), "{late:?}");
    })
    .await;
}
