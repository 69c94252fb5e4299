//! A TCP proxy in front of the broker that breaks connections on command, without harm to anybody else on the broker.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, watch};

/// What the proxy does with connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Everything passes.
    Open,
    /// What the broker says is held back; what is said to it passes.
    Silent,
    /// Existing connections are cut and new ones are cut at once.
    Down,
}

pub(crate) struct Proxy {
    address: SocketAddr,
    mode: Arc<watch::Sender<Mode>>,
    /// Bytes that may still pass to the broker before all connections are cut.
    allowance: Arc<AtomicI64>,
    /// Bytes to slip in towards the clients, between two frames of the broker.
    injected: broadcast::Sender<Vec<u8>>,
}

impl Proxy {
    /// A proxy in front of the broker at this address.
    pub(crate) async fn start(broker: &str) -> Self {
        let url = url::Url::parse(broker).unwrap();
        let target = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5672));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mode = Arc::new(watch::Sender::new(Mode::Open));
        let injected = broadcast::Sender::new(16);
        let allowance = Arc::new(AtomicI64::new(i64::MAX));
        let (for_connections, injections, budget) =
            (Arc::clone(&mode), injected.clone(), Arc::clone(&allowance));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let carried = Carried {
                    mode: Arc::clone(&for_connections),
                    allowance: Arc::clone(&budget),
                    injections: injections.subscribe(),
                };
                tokio::spawn(carried.carry(client, target.clone()));
            }
        });
        Self { address, mode, allowance, injected }
    }

    /// The broker's address by way of the proxy.
    pub(crate) fn address(&self, broker: &str) -> String {
        let mut url = url::Url::parse(broker).unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(self.address.port())).unwrap();
        url.into()
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Cuts all connections, once, as soon as this many more bytes have passed to the broker; new ones pass.
    pub(crate) fn cut_after(&self, bytes: i64) {
        self.allowance.store(bytes, Ordering::SeqCst);
    }

    /// Makes all clients believe that the broker has run out of memory, or that it is well again.
    pub(crate) fn pretend_blocked(&self, blocked: bool) {
        // A method frame on channel 0: class 10 (connection), method 60 (blocked, with a reason) or 61 (unblocked).
        let mut method = vec![0, 10, 0, if blocked { 60 } else { 61 }];
        if blocked {
            method.extend_from_slice(b"\x06memory");
        }
        let mut frame = vec![1, 0, 0, 0, 0, 0, u8::try_from(method.len()).unwrap()];
        frame.extend(method);
        frame.push(0xCE);
        self.injected.send(frame).unwrap();
    }
}

/// One connection through the proxy.
struct Carried {
    mode: Arc<watch::Sender<Mode>>,
    allowance: Arc<AtomicI64>,
    injections: broadcast::Receiver<Vec<u8>>,
}

impl Carried {
    async fn carry(mut self, mut client: TcpStream, target: String) {
        let mut mode = self.mode.subscribe();
        if *mode.borrow_and_update() == Mode::Down {
            return;
        }
        let Ok(mut broker) = TcpStream::connect(target).await else { return };
        let (mut from_client, mut to_client) = client.split();
        let (mut from_broker, mut to_broker) = broker.split();
        let upwards = async {
            let mut buffer = vec![0; 16 * 1024];
            loop {
                let read = from_client.read(&mut buffer).await?;
                let before = self.allowance.fetch_sub(i64::try_from(read).unwrap(), Ordering::SeqCst);
                if before <= i64::try_from(read).unwrap() {
                    self.allowance.store(i64::MAX, Ordering::SeqCst);
                    self.mode.send_replace(Mode::Down);
                    self.mode.send_replace(Mode::Open);
                    return Ok(());
                }
                if read == 0 {
                    return Ok(());
                }
                to_broker.write_all(&buffer[..read]).await?;
            }
        };
        let downwards = async {
            let mut buffer = vec![0; 64 * 1024];
            loop {
                let silent = *mode.borrow_and_update() == Mode::Silent;
                tokio::select! {
                    changed = mode.changed() => {
                        // A cut passes through "down" too quickly to be seen, so a change from "open" to "open" is one.
                        let now = *mode.borrow();
                        if changed.is_err() || now == Mode::Down || (!silent && now == Mode::Open) {
                            return Ok(());
                        }
                    }
                    injected = self.injections.recv() => {
                        if let Ok(frame) = injected {
                            to_client.write_all(&frame).await?;
                        }
                    }
                    read = from_broker.read(&mut buffer), if !silent => match read? {
                        0 => return Ok(()),
                        read => to_client.write_all(&buffer[..read]).await?,
                    },
                }
            }
        };
        let _: Result<(), std::io::Error> = tokio::select! {
            carried = upwards => carried,
            carried = downwards => carried,
        };
    }
}
