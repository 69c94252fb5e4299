//! One connection that comes back.
//!
//! Constraints:
//! - Reconnecting is single-flight and paced for all users of the link together: doubling pauses with jitter, and never
//!   faster than the shortest pause even against a broker that accepts and hangs up.
//! - Recovery is ours, not the client library's: that one gives up after a number of tries, and replays consumers in a
//!   way that hides a deleted queue.
//! - The link never hides why it is down: a refusal of the credentials is returned at once, not retried in silence.
//! - No wait outlives its connection. When a connection breaks, a call that reaches the client library in that very
//!   moment is sometimes never answered (a run of forced disconnects hung on it), so every wait also watches for the
//!   loss of the connection ([`Line::unless_lost`]).

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use lapin::tcp::OwnedTLSConfig;
use lapin::{Channel, Connection, ConnectionProperties, Event};
use rand::Rng;
use tokio::sync::Notify;
use tokio::time::{Instant, interval, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::config::RabbitConfig;
use super::fault;
use crate::{Error, Result};

/// How often a connection is looked at beside listening to its events.
const LOOK: Duration = Duration::from_millis(500);

/// A connection for one purpose (publishing or consuming): a blocked publisher must not stop acknowledgements.
pub(super) struct Link {
    purpose: &'static str,
    config: Arc<RabbitConfig>,
    current: Mutex<Option<Live>>,
    last_error: Mutex<Option<lapin::Error>>,
    pacing: tokio::sync::Mutex<Pacing>,
    /// Told at each event of the connection: blocked, unblocked, lost.
    events: Arc<Notify>,
    closed: CancellationToken,
}

/// A connection and the sign that it is lost.
#[derive(Clone)]
struct Live {
    connection: Arc<Connection>,
    lost: CancellationToken,
}

impl Live {
    fn is_up(&self) -> bool {
        self.connection.status().connected() && !self.lost.is_cancelled()
    }
}

/// A channel and the sign that its connection is lost.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) channel: Channel,
    lost: CancellationToken,
}

impl Line {
    pub(super) fn is_open(&self) -> bool {
        self.channel.status().connected() && !self.lost.is_cancelled()
    }

    /// The answer to a call on this channel; `None` if the connection is lost before it comes.
    pub(super) async fn unless_lost<T>(&self, call: impl Future<Output = T>) -> Option<T> {
        unless(&self.lost, call).await
    }
}

async fn unless<T>(lost: &CancellationToken, call: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        answer = call => Some(answer),
        () = lost.cancelled() => None,
    }
}

#[derive(Default)]
struct Pacing {
    failures: u32,
    not_before: Option<Instant>,
}

impl Link {
    pub(super) fn new(purpose: &'static str, config: Arc<RabbitConfig>, closed: CancellationToken) -> Self {
        Self {
            purpose,
            config,
            current: Mutex::default(),
            last_error: Mutex::default(),
            pacing: tokio::sync::Mutex::default(),
            events: Arc::default(),
            closed,
        }
    }

    /// Connects once, without retrying: for the start of a process, where a wrong setting must show at once.
    pub(super) async fn connect_once(&self) -> Result<()> {
        let mut pacing = self.pacing.lock().await;
        self.try_connect(&mut pacing).await.map(|_| ())
    }

    /// The connection if it is up.
    fn live(&self) -> Option<Live> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().filter(|live| live.is_up()).cloned()
    }

    pub(super) fn is_connected(&self) -> bool {
        self.live().is_some()
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.live().is_some_and(|live| live.connection.status().blocked())
    }

    /// What to say about a call that could not be sent.
    pub(super) fn unsent(&self) -> Error {
        if self.closed.is_cancelled() {
            Error::Closed
        } else if self.is_blocked() {
            Error::Blocked
        } else {
            Error::NotConnected(self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone())
        }
    }

    /// Waits until the broker accepts publishes.
    pub(super) async fn unblocked(&self, deadline: Instant) -> Result<()> {
        loop {
            let mut event = std::pin::pin!(self.events.notified());
            event.as_mut().enable();
            if !self.is_blocked() {
                return Ok(());
            }
            timeout_at(deadline, event).await.map_err(|_| self.unsent())?;
        }
    }

    /// A new channel; connects again if necessary. Fails at the deadline, or at once if access is refused.
    pub(super) async fn line(&self, deadline: Instant) -> Result<Line> {
        loop {
            let live = timeout_at(deadline, self.connection()).await.map_err(|_| self.unsent())??;
            let opening = unless(&live.lost, live.connection.create_channel());
            match timeout_at(deadline, opening).await {
                Err(_) => return Err(self.unsent()),
                Ok(Some(Ok(channel))) => return Ok(Line { channel, lost: live.lost }),
                // The connection broke just now: connect again (paced).
                Ok(None) => {}
                Ok(Some(Err(_))) if !live.is_up() => {}
                Ok(Some(Err(error))) => return Err(Error::NotConnected(Some(error))),
            }
        }
    }

    async fn connection(&self) -> Result<Live> {
        let connected = async {
            let mut pacing = self.pacing.lock().await;
            loop {
                if let Some(live) = self.live() {
                    return Ok(live);
                }
                if let Some(not_before) = pacing.not_before {
                    sleep_until(not_before).await;
                }
                match self.try_connect(&mut pacing).await {
                    Err(error) if error.is_transient() => {}
                    answer => return answer,
                }
            }
        };
        tokio::select! {
            biased;
            () = self.closed.cancelled() => Err(Error::Closed),
            connection = connected => connection,
        }
    }

    async fn try_connect(&self, pacing: &mut Pacing) -> Result<Live> {
        // Set before the try, so that a caller that gives up in the middle does not undo the pace.
        pacing.not_before = Some(Instant::now() + self.pause(pacing.failures));
        pacing.failures = pacing.failures.saturating_add(1);
        match self.open().await {
            Ok(live) => {
                pacing.failures = 0;
                *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(live.clone());
                tracing::info!(purpose = self.purpose, broker = %self.config.address, "connected to the broker");
                Ok(live)
            }
            Err(error) => {
                pacing.not_before = Some(Instant::now() + self.pause(pacing.failures));
                tracing::warn!(
                    purpose = self.purpose,
                    broker = %self.config.address,
                    error = &error as &dyn std::error::Error,
                    "cannot connect to the broker"
                );
                if let Error::NotConnected(source) = &error {
                    self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone_from(source);
                }
                Err(error)
            }
        }
    }

    async fn open(&self) -> Result<Live> {
        let uri = self.config.address.uri(self.config.heartbeat);
        let name = format!("kayako-migrate {}", self.purpose);
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let tls = OwnedTLSConfig { identity: None, cert_chain: self.config.ca_pem.clone() };
        let runtime = lapin::runtime::default_runtime().map_err(|error| Error::NotConnected(Some(error)))?;
        let opening = Connection::connect_uri_with_config(uri, properties, tls, runtime);
        let connection = match timeout(self.config.connect_timeout, opening).await {
            Err(_) => return Err(Error::NotConnected(None)),
            Ok(Err(error)) => return Err(fault::connecting(error)),
            Ok(Ok(connection)) => connection,
        };
        let lost = CancellationToken::new();
        self.watch(&connection, lost.clone());
        Ok(Live { connection: Arc::new(connection), lost })
    }

    /// Tells waiters about the connection's events, and cancels `lost` when it is lost or closed.
    fn watch(&self, connection: &Connection, lost: CancellationToken) {
        let mut stream = Box::pin(connection.events_listener());
        let status = connection.status().clone();
        let (events, closed, purpose) = (Arc::clone(&self.events), self.closed.clone(), self.purpose);
        tokio::spawn(async move {
            let mut look = interval(LOOK);
            loop {
                let event = tokio::select! {
                    biased;
                    () = closed.cancelled() => None,
                    event = stream.next() => event,
                    // An event from before the listener was there has been missed.
                    _ = look.tick() => {
                        if status.connected() {
                            continue;
                        }
                        None
                    }
                };
                match &event {
                    Some(Event::ConnectionBlocked(reason)) => {
                        tracing::warn!(purpose, reason, "the broker blocks publishes");
                    }
                    Some(Event::ConnectionUnblocked) => {
                        tracing::info!(purpose, "the broker accepts publishes again");
                    }
                    Some(Event::Error(error)) => {
                        tracing::warn!(
                            purpose,
                            error = error as &dyn std::error::Error,
                            "the broker connection failed"
                        );
                    }
                    _ => {}
                }
                let over = matches!(event, None | Some(Event::Error(_)));
                if over {
                    lost.cancel();
                }
                events.notify_waiters();
                if over {
                    return;
                }
            }
        });
    }

    /// The pause after a number of failures: doubling from the shortest to the longest, and spread over its upper half
    /// so that the processes of a deployment do not come back all at once.
    fn pause(&self, failures: u32) -> Duration {
        let doubled = self.config.reconnect_min.saturating_mul(1 << failures.min(16));
        let longest = doubled.min(self.config.reconnect_max);
        longest.mul_f64(rand::rng().random_range(0.5..=1.0))
    }

    /// Closes the connection, if any.
    pub(super) async fn close(&self) {
        let connection = self.current.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(live) = connection {
            let closing = live.connection.close(200, "OK".into());
            if !matches!(timeout(self.config.operation_timeout, closing).await, Ok(Ok(()))) {
                tracing::debug!(
                    purpose = self.purpose,
                    "the broker connection was gone before it was closed"
                );
            }
        }
    }
}
