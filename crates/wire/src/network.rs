//! Over the network.

use async_trait::async_trait;
use reqwest::{Client, Request, Response};

use crate::{Error, Wire};

/// Connections of an HTTP client, with its settings.
#[derive(Debug, Clone)]
pub struct Network(Client);

impl Network {
    /// Over the connections of `client`.
    pub fn new(client: Client) -> Self {
        Self(client)
    }
}

#[async_trait]
impl Wire for Network {
    async fn exchange(&self, request: Request) -> Result<Response, Error> {
        Ok(self.0.execute(request).await?)
    }
}
