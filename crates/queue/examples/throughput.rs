//! How fast the queue is: publishes messages of 1 KiB and consumes them again, on RabbitMQ and in the process.
//!
//! `cargo run -p queue --example throughput -- <messages> <messages per call>`, with the broker's address in
//! `KAYAKO_MIGRATE_TEST_AMQP`. For orientation only: the figures depend on the machine, and nothing tests them.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream::{FuturesUnordered, StreamExt};
use queue::{Broker, InProcess, Ladder, Message, QueueName, RabbitConfig, RabbitMq, Stage};

const BODY: usize = 1024;
const PREFETCH: u16 = 300;
const CALLERS: usize = 16;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let messages = arguments.next().map_or(Ok(20_000), |text| text.parse())?;
    let per_call = arguments.next().map_or(Ok(200), |text| text.parse())?;
    measure("in process", Arc::new(InProcess::new(Ladder::default())), messages, per_call).await?;
    let address = std::env::var("KAYAKO_MIGRATE_TEST_AMQP")?;
    let config = RabbitConfig { prefix: "km-throughput".to_owned(), ..RabbitConfig::new(address.parse()?) };
    let rabbit = Arc::new(RabbitMq::connect(config).await?);
    measure("RabbitMQ", Arc::clone(&rabbit) as Arc<dyn Broker>, messages, per_call).await?;
    rabbit.uninstall().await?;
    rabbit.close().await;
    Ok(())
}

async fn measure(
    name: &str,
    broker: Arc<dyn Broker>,
    messages: usize,
    per_call: usize,
) -> Result<(), Box<dyn Error>> {
    broker.declare("m").await?;
    let queue = QueueName::new("m", Stage::Load);
    let publisher = broker.publisher();

    let started = Instant::now();
    let mut callers = FuturesUnordered::new();
    let mut handed_over = 0;
    while handed_over < messages || !callers.is_empty() {
        while handed_over < messages && callers.len() < CALLERS {
            let count = per_call.min(messages - handed_over);
            let batch = (handed_over..handed_over + count)
                .map(|n| Message::new(n.to_string(), vec![0; BODY]))
                .collect();
            handed_over += count;
            callers.push(publisher.publish(&queue, batch));
        }
        if let Some(answers) = callers.next().await {
            answers.into_iter().collect::<Result<Vec<()>, _>>()?;
        }
    }
    report(name, "published", messages, started.elapsed());

    let mut consumer = broker.consume(&queue, PREFETCH).await?;
    let started = Instant::now();
    let mut acks = FuturesUnordered::new();
    let mut settled = 0;
    for _ in 0..messages {
        let Some(delivery) = consumer.next().await else { return Err("the consumer ended".into()) };
        acks.push(delivery?.ack());
        while acks.len() >= usize::from(PREFETCH) / 2 {
            if let Some(answer) = acks.next().await {
                answer?;
                settled += 1;
            }
        }
    }
    while let Some(answer) = acks.next().await {
        answer?;
        settled += 1;
    }
    report(name, "consumed and acknowledged", settled, started.elapsed());
    broker.delete("m").await?;
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
fn report(name: &str, what: &str, messages: usize, elapsed: Duration) {
    println!(
        "{name}: {what} {messages} messages of {BODY} bytes, {:.0}/s",
        messages as f64 / elapsed.as_secs_f64()
    );
}
