//! A TCP proxy that a test can cut, slow down and silence: the network between two parties.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What the network does to every connection, also to those that are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Everything passes.
    Fine,
    /// Every piece takes this much longer.
    Slow(Duration),
    /// Connections are accepted and stay open, and nothing passes: half-open.
    Silent,
    /// Open connections break, new ones are refused as soon as they are made.
    Cut,
}

/// A proxy in front of one address.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    network: Arc<watch::Sender<Network>>,
    struck: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port and passes on to `port` of this machine.
    pub async fn before(port: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (network, seen) = watch::channel(Network::Fine);
        let struck = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&struck);
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (seen, struck) = (seen.clone(), Arc::clone(&counter));
                tokio::spawn(async move { carry(near, port, seen, &struck).await });
            }
        });
        Ok(Self { address, network: Arc::new(network), struck, accepting })
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// How often the network was not fine to somebody: connections cut or refused, pieces held up.
    pub fn struck(&self) -> u64 {
        self.struck.load(Ordering::Relaxed)
    }

    /// Changes the network.
    pub fn set(&self, network: Network) {
        self.network.send_replace(network);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn carry(near: TcpStream, port: u16, mut network: watch::Receiver<Network>, struck: &AtomicU64) {
    if *network.borrow() == Network::Cut {
        struck.fetch_add(1, Ordering::Relaxed);
        return;
    }
    let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let (near_in, near_out) = near.into_split();
    let (far_in, far_out) = far.into_split();
    let there = pass(near_in, far_out, network.clone(), struck);
    let back = pass(far_in, near_out, network.clone(), struck);
    // Dropping both halves of both breaks the connection for either side.
    tokio::select! {
        () = async { tokio::join!(there, back); } => {}
        _ = network.wait_for(|network| *network == Network::Cut) => {
            struck.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut network: watch::Receiver<Network>,
    struck: &AtomicU64,
) {
    let mut piece = vec![0; 16 * 1024];
    loop {
        let Ok(length @ 1..) = from.read(&mut piece).await else {
            let _ = to.shutdown().await;
            return;
        };
        if !matches!(*network.borrow(), Network::Fine) {
            struck.fetch_add(1, Ordering::Relaxed);
        }
        if network.wait_for(|network| *network != Network::Silent).await.is_err() {
            return;
        }
        let pause = match *network.borrow() {
            Network::Slow(pause) => pause,
            _ => Duration::ZERO,
        };
        tokio::time::sleep(pause).await;
        if to.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
}
