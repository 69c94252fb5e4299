//! OAuth tokens of the source, shared by all extractors through the ledger, encrypted.
//!
//! Constraints: refresh tokens are single-use, so one extractor refreshes at a time (a ledger lock); the ledger
//! never holds a token in the clear (XChaCha20-Poly1305 under a key derived from the client's own secret, which every extractor has
//! and the ledger has not).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use ledger::{Ledger, LockToken};
use model::Classify as _;
use runtime::Context;
use secrecy::{ExposeSecret, SecretString};
use sources::{Error, RefreshGuard, TokenKeeper, Tokens};

const NAME: &str = "source-tokens";
const NONCE: usize = 24;
/// Longer than one refresh can take (its request timeout), so that the lock never ends in the middle of one.
const HELD: Duration = Duration::from_secs(90);

/// [`TokenKeeper`] over the ledger.
pub struct LedgerKeeper {
    ledger: Ledger,
    context: Context,
    cipher: XChaCha20Poly1305,
    owner: String,
}

impl LedgerKeeper {
    /// `secret` is the OAuth client's; `owner` is unique per process.
    pub fn new(ledger: Ledger, context: Context, secret: &SecretString, owner: String) -> Arc<Self> {
        let key = blake3::derive_key("kayako-migrate 2026 source tokens", secret.expose_secret().as_bytes());
        let cipher = XChaCha20Poly1305::new(Key::from_slice(&key));
        Arc::new(Self { ledger, context, cipher, owner })
    }
}

/// Gives the lock back when the refresh is over, however it ends.
struct Held {
    ledger: Ledger,
    token: LockToken,
}

impl Drop for Held {
    fn drop(&mut self) {
        let (ledger, token) = (self.ledger.clone(), self.token.clone());
        tokio::spawn(async move {
            if let Err(error) = ledger.unlock(&token).await {
                tracing::debug!(error = %error, "the token lock ends by itself");
            }
        });
    }
}

#[async_trait]
impl TokenKeeper for LedgerKeeper {
    async fn lock(&self) -> Result<RefreshGuard, Error> {
        loop {
            let owner = format!("{}-{}", self.owner, self.context.random.uuid());
            match self.ledger.try_lock(NAME, &owner, HELD).await {
                Ok(Some(token)) => return Ok(Box::new(Held { ledger: self.ledger.clone(), token })),
                Ok(None) => {}
                Err(error) => tracing::warn!(error = %error, "the token lock cannot be taken; trying again"),
            }
            self.context.clock.sleep(Duration::from_millis(250)).await;
        }
    }

    async fn load(&self) -> Result<Option<Tokens>, Error> {
        let sealed = match self.ledger.sealed(NAME).await {
            Ok(sealed) => sealed,
            Err(error) => {
                let class = error.class();
                return Err(Error::hook(class, error));
            }
        };
        let Some(sealed) = sealed else { return Ok(None) };
        let (nonce, text) = sealed.split_at_checked(NONCE).unwrap_or((&[], &[]));
        if nonce.len() != NONCE {
            return Ok(None);
        }
        // Under another client secret the tokens are another client's: start from the plan's own.
        let plain = self.cipher.decrypt(XNonce::from_slice(nonce), text).ok();
        Ok(plain.and_then(|plain| Tokens::from_exposed(&plain).ok()))
    }

    async fn store(&self, tokens: &Tokens) -> Result<(), Error> {
        // Two random UUIDs make the 24 bytes of a nonce that is never used twice.
        let mut nonce = [0; NONCE];
        nonce[..16].copy_from_slice(self.context.random.uuid().as_bytes());
        nonce[16..].copy_from_slice(&self.context.random.uuid().as_bytes()[..8]);
        let sealed = self.cipher.encrypt(XNonce::from_slice(&nonce), tokens.expose().as_slice());
        // Only a message of exabytes is refused.
        let Ok(sealed) = sealed else {
            return Err(Error::Settings { problem: "the tokens cannot be encrypted" });
        };
        let sealed = [nonce.as_slice(), &sealed].concat();
        // The token that was exchanged for these is spent: giving up would shut every extractor out until a person authorises anew.
        let begin = self.context.clock.now();
        loop {
            match self.ledger.put_sealed(NAME, &sealed).await {
                Ok(()) => return Ok(()),
                Err(error) if begin.until(self.context.clock.now()) >= HELD => {
                    let class = error.class();
                    return Err(Error::hook(class, error));
                }
                Err(error) => {
                    tracing::warn!(error = %error, "new tokens could not be stored; trying again");
                    self.context.clock.sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}
