//! A TCP proxy in front of the broker that breaks connections on command, without harm to anybody else on the broker.

use std::net::SocketAddr;
use std::sync::Arc;

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
        let (for_connections, injections) = (Arc::clone(&mode), injected.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (mode, injections) = (for_connections.subscribe(), injections.subscribe());
                tokio::spawn(carry(client, target.clone(), mode, injections));
            }
        });
        Self { address, mode, injected }
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

    /// Cuts all connections; new ones pass.
    pub(crate) fn cut(&self) {
        self.set(Mode::Down);
        self.set(Mode::Open);
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

async fn carry(
    mut client: TcpStream,
    target: String,
    mut mode: watch::Receiver<Mode>,
    mut injections: broadcast::Receiver<Vec<u8>>,
) {
    if *mode.borrow_and_update() == Mode::Down {
        return;
    }
    let Ok(mut broker) = TcpStream::connect(target).await else { return };
    let (mut from_client, mut to_client) = client.split();
    let (mut from_broker, mut to_broker) = broker.split();
    let upwards = async { tokio::io::copy(&mut from_client, &mut to_broker).await.map(|_| ()) };
    let downwards = async {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let silent = *mode.borrow_and_update() == Mode::Silent;
            tokio::select! {
                changed = mode.changed() => {
                    // `cut` passes through "down" too quickly to be seen, so any change to "open" from "open" is one.
                    if changed.is_err() || *mode.borrow() == Mode::Down || (!silent && *mode.borrow() == Mode::Open) {
                        return Ok(());
                    }
                }
                injected = injections.recv() => {
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
