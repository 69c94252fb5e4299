//! A broker under test, and how to wait.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use queue::{
    Broker, Consumer, Delivery, InProcess, Ladder, Message, QueueName, RabbitConfig, RabbitMq, Stage,
};

/// Longest wait for anything that must happen: far above what it takes, so that only a missing event fails a test.
const PATIENCE: Duration = Duration::from_mins(1);

/// The shortest step of the ladder that tests use.
pub(crate) const STEP: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    InProcess,
    RabbitMq,
}

/// A broker of its own for one test.
pub(crate) struct Rig {
    pub(crate) broker: Arc<dyn Broker>,
    migrations: Arc<Mutex<Vec<String>>>,
}

impl Rig {
    pub(crate) fn new(broker: Arc<dyn Broker>) -> Self {
        Self { broker, migrations: Arc::default() }
    }

    /// Declares a migration and its queue for loading.
    pub(crate) async fn queue(&self, migration: &str) -> QueueName {
        self.migrations.lock().unwrap().push(migration.to_owned());
        self.broker.declare(migration).await.expect("declaring works");
        QueueName::new(migration, Stage::Load)
    }

    pub(crate) async fn consume(&self, queue: &QueueName, prefetch: u16) -> Box<dyn Consumer> {
        self.broker.consume(queue, prefetch).await.expect("consuming works")
    }

    pub(crate) async fn publish(&self, queue: &QueueName, ids: &[&str]) {
        let messages = ids.iter().map(|id| Message::new(*id, format!("body of {id}"))).collect();
        for answer in within(self.broker.publisher().publish(queue, messages)).await {
            answer.expect("publishing works");
        }
    }
}

/// The steps that tests use: far enough apart that a busy machine does not change their order.
pub(crate) fn ladder() -> Ladder {
    Ladder::new([100, 1000, 4000].map(Duration::from_millis)).unwrap()
}

/// The address of the broker for tests.
pub(crate) fn address() -> String {
    std::env::var("KAYAKO_MIGRATE_TEST_AMQP").expect(
        "KAYAKO_MIGRATE_TEST_AMQP is not set: run the tests with the test command of the README, which provides a \
         RabbitMQ, or set the variable to the address of one, such as amqp://guest:guest@127.0.0.1:5672/%2f",
    )
}

/// Settings with a prefix that no other test has.
pub(crate) fn config(address: &str) -> RabbitConfig {
    let prefix = format!("kmtest-{}", uuid::Uuid::new_v4().simple());
    let reconnect_max = Duration::from_millis(500);
    RabbitConfig { prefix, ladder: ladder(), reconnect_max, ..RabbitConfig::new(address.parse().unwrap()) }
}

type Check<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Runs a check against a new broker and cleans up, also after a failure.
pub(crate) async fn run<F>(kind: Kind, check: impl FnOnce(Arc<Rig>) -> F)
where
    F: Future<Output = ()>,
{
    match kind {
        Kind::InProcess => check(Arc::new(Rig::new(Arc::new(InProcess::new(ladder()))))).await,
        Kind::RabbitMq => with_rabbit(config(&address()), async |rig, _| check(rig).await).await,
    }
}

/// Runs a check against RabbitMQ with these settings and removes everything under the prefix afterwards, over a
/// connection of its own.
pub(crate) async fn with_rabbit(config: RabbitConfig, check: impl AsyncFnOnce(Arc<Rig>, Arc<RabbitMq>)) {
    let rabbit = Arc::new(RabbitMq::connect(config.clone()).await.expect("RabbitMQ answers"));
    let rig = Arc::new(Rig::new(Arc::clone(&rabbit) as Arc<dyn Broker>));
    let migrations = Arc::clone(&rig.migrations);
    let checked: Check<'_> = Box::pin(check(rig, Arc::clone(&rabbit)));
    let outcome = AssertUnwindSafe(checked).catch_unwind().await;
    rabbit.close().await;
    let cleaner =
        RabbitMq::connect(RabbitConfig { address: address().parse().unwrap(), ..config }).await.unwrap();
    let migrations = migrations.lock().unwrap().clone();
    for migration in migrations {
        cleaner.delete(&migration).await.unwrap();
    }
    cleaner.uninstall().await.unwrap();
    cleaner.close().await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

/// Waits for something that must happen.
pub(crate) async fn within<T>(event: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, event).await.expect("it happens before patience ends")
}

/// Waits for a condition that must become true.
pub(crate) async fn eventually<F>(what: &str, mut condition: impl FnMut() -> F)
where
    F: Future<Output = bool>,
{
    let becomes_true = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, becomes_true)
        .await
        .unwrap_or_else(|_| panic!("never became true: {what}"));
}

/// The next delivery, which must come.
pub(crate) async fn next(consumer: &mut Box<dyn Consumer>) -> Delivery {
    within(consumer.next()).await.expect("the consumer goes on").expect("a delivery, not an error")
}

/// The id of the next delivery, which is settled.
pub(crate) async fn settle_next(consumer: &mut Box<dyn Consumer>) -> String {
    let delivery = next(consumer).await;
    let id = delivery.message().id.clone();
    within(delivery.ack()).await.expect("acknowledging works");
    id
}
