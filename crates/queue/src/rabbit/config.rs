//! The settings of the RabbitMQ implementation.

use std::time::Duration;

use crate::{Address, Error, Ladder, Result};

/// The settings of [`crate::RabbitMq`]. All processes that share a broker must agree on `prefix`, `ladder` and
/// `delivery_limit`: they are part of what is declared.
#[derive(Debug, Clone)]
pub struct RabbitConfig {
    /// Where the broker is.
    pub address: Address,
    /// First part of the name of every queue and exchange. Default `km`. Separates installations on one virtual host.
    pub prefix: String,
    /// The delays. Another ladder has other queues, because their names contain the milliseconds.
    pub ladder: Ladder,
    /// How often a message may be delivered again before the broker moves it to the dead letters. Default 100. Only a
    /// backstop against a message that kills every process that reads it: deaths are not held against a record, and a
    /// deployment that crashes at start redelivers a whole prefetch at each of some dozen restarts.
    pub delivery_limit: u32,
    /// Most publishes in flight on one channel. Default 256: 200 to 500 give full throughput, more brings little.
    pub window: usize,
    /// Most bytes in flight on one channel. Default 4 MiB; a single larger message still goes, alone.
    pub window_bytes: usize,
    /// Channels that publish side by side, each with a window of its own. Default 2: while one waits for its last
    /// confirmations the other sends.
    pub lanes: usize,
    /// Longest time from handing over a message until its answer. Default 30 s.
    pub publish_timeout: Duration,
    /// Longest time for connecting, TLS and login included. Default 10 s.
    pub connect_timeout: Duration,
    /// Longest time for an administrative call. Default 15 s.
    pub operation_timeout: Duration,
    /// A peer that is silent for twice this time is gone. Whole seconds, at least 1. Default 10 s.
    pub heartbeat: Duration,
    /// Pause before the second try to connect; doubles with each further one. Default 100 ms.
    pub reconnect_min: Duration,
    /// Longest pause between tries to connect. Default 5 s.
    pub reconnect_max: Duration,
    /// Certificates (PEM) to trust besides the system's, for `amqps` with a private authority.
    pub ca_pem: Option<String>,
}

impl RabbitConfig {
    /// The default settings for a broker.
    pub fn new(address: Address) -> Self {
        Self {
            address,
            prefix: "km".to_owned(),
            ladder: Ladder::default(),
            delivery_limit: 100,
            window: 256,
            window_bytes: 4 * 1024 * 1024,
            lanes: 2,
            publish_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            operation_timeout: Duration::from_secs(15),
            heartbeat: Duration::from_secs(10),
            reconnect_min: Duration::from_millis(100),
            reconnect_max: Duration::from_secs(5),
            ca_pem: None,
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        let problem = if self.prefix.is_empty() || self.prefix.len() > 64 {
            "the prefix of the queue names has 1 to 64 bytes"
        } else if !(1..=500).contains(&self.window) {
            "the publish window has 1 to 500 messages"
        } else if !(1..=64).contains(&self.lanes) {
            "there are 1 to 64 publish lanes"
        } else if self.delivery_limit == 0 {
            "the delivery limit is at least 1"
        } else if self.reconnect_min.is_zero() || self.reconnect_max < self.reconnect_min {
            "the pauses between tries to connect are above 0 and the longest is not below the shortest"
        } else if self.publish_timeout.is_zero()
            || self.connect_timeout.is_zero()
            || self.operation_timeout.is_zero()
        {
            "time limits are above 0"
        } else {
            return Ok(());
        };
        Err(Error::InvalidConfig { problem })
    }
}
