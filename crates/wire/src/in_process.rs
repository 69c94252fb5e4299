//! With a service in the same process: no socket, no thread, no time but the runtime's own.
//!
//! Constraint: the service gets the whole request before it answers and runs on whatever task it chooses; a caller that gives up does not
//! undo what was sent, as over a network.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::future::BoxFuture;
use reqwest::{Request, Response};

use crate::{Error, Trouble, Wire};

/// What became of a request.
#[derive(Debug)]
pub enum Exchange {
    /// An answer, or the beginning of one.
    Answered(Response),
    /// The connection broke after the request was sent.
    Broken,
    /// Nobody took the connection.
    Refused,
}

type Service = dyn Fn(Request) -> BoxFuture<'static, Exchange> + Send + Sync;

/// A way to a service in the same process.
#[derive(Clone)]
pub struct InProcess(Arc<Service>);

impl InProcess {
    /// Every request goes to `service`, whose work goes on if the future that it returns is dropped.
    pub fn new(service: impl Fn(Request) -> BoxFuture<'static, Exchange> + Send + Sync + 'static) -> Self {
        Self(Arc::new(service))
    }
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InProcess")
    }
}

#[async_trait]
impl Wire for InProcess {
    async fn exchange(&self, request: Request) -> Result<Response, Error> {
        let limit = request.timeout().copied();
        let answering = (self.0)(request);
        let exchange = match limit {
            Some(limit) => tokio::time::timeout(limit, answering).await.map_err(|_| Trouble::Timeout)?,
            None => answering.await,
        };
        match exchange {
            Exchange::Answered(response) => Ok(response),
            Exchange::Broken => Err(Trouble::Broken.into()),
            Exchange::Refused => Err(Trouble::NotConnected.into()),
        }
    }
}
