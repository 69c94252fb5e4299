//! Where OAuth tokens live.
//!
//! Constraints: refresh tokens are single-use and rotate, so two processes must never refresh at once, and the new
//! pair must be stored before anything else happens: a pair that is lost can only be replaced by a person. The caller
//! provides the store and the lock (a ledger lease when there are several processes).

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// An access token and the refresh token that replaces it.
#[derive(Clone)]
pub struct Tokens {
    /// Sent with every request.
    pub access: SecretString,
    /// Good for one refresh; none with the client-credentials grant.
    pub refresh: Option<SecretString>,
}

/// Stored bytes are not a pair of tokens (wrong key, or written by something else).
#[derive(Debug, thiserror::Error)]
#[error("the stored OAuth tokens cannot be read; authorise the migration again")]
pub struct UnreadableTokens;

#[derive(Serialize, Deserialize)]
struct Plain {
    access: String,
    refresh: Option<String>,
}

impl Tokens {
    /// The pair as plain bytes, for a keeper that seals them before it stores them. Never store or log these bytes as
    /// they are.
    pub fn expose(&self) -> Vec<u8> {
        let plain = Plain {
            access: self.access.expose_secret().to_owned(),
            refresh: self.refresh.as_ref().map(|token| token.expose_secret().to_owned()),
        };
        // Two strings always serialize.
        serde_json::to_vec(&plain).unwrap_or_default()
    }

    /// Inverse of [`Self::expose`].
    pub fn from_exposed(bytes: &[u8]) -> Result<Self, UnreadableTokens> {
        let plain: Plain = serde_json::from_slice(bytes).map_err(|_| UnreadableTokens)?;
        Ok(Self { access: plain.access.into(), refresh: plain.refresh.map(Into::into) })
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens(hidden)")
    }
}

/// Holds the refresh lock until it is dropped.
pub type RefreshGuard = Box<dyn Any + Send>;

/// Keeps the current tokens of one account.
#[async_trait]
pub trait TokenKeeper: Send + Sync {
    /// Waits for the right to refresh. At most one holder per account, over all processes.
    async fn lock(&self) -> Result<RefreshGuard, Error>;

    /// The current pair; `None` before the first was stored.
    async fn load(&self) -> Result<Option<Tokens>, Error>;

    /// Stores a new pair durably. Called under the lock, before the new access token is used.
    async fn store(&self, tokens: &Tokens) -> Result<(), Error>;
}

/// Keeps tokens in memory, for one process and grants that can start anew (client credentials, tests).
#[derive(Debug, Default)]
pub struct InProcessKeeper {
    turn: Arc<tokio::sync::Mutex<()>>,
    tokens: std::sync::Mutex<Option<Tokens>>,
}

#[async_trait]
impl TokenKeeper for InProcessKeeper {
    async fn lock(&self) -> Result<RefreshGuard, Error> {
        Ok(Box::new(Arc::clone(&self.turn).lock_owned().await))
    }

    async fn load(&self) -> Result<Option<Tokens>, Error> {
        Ok(self.tokens.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone())
    }

    async fn store(&self, tokens: &Tokens) -> Result<(), Error> {
        *self.tokens.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(tokens.clone());
        Ok(())
    }
}
