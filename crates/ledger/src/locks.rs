//! Named locks with an end: leadership, the one log-in of an account, the one refresher of a token.
//!
//! A lock ends by itself, so its holder must stop before that, or renew. After an epoch change nobody gets a lock for one
//! `ttl`: the ledger may have forgotten who holds it.

use std::time::Duration;

use model::Fence;

use crate::error::Error;
use crate::ledger::Ledger;

/// The right to act under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockToken {
    /// Of the lock.
    pub name: String,
    /// Who holds it: unique per process and task.
    pub owner: String,
    /// Grows with every holder.
    pub fence: Fence,
}

impl Ledger {
    /// Takes a lock for `ttl`, or `None` if somebody holds it (the owner itself included).
    pub async fn try_lock(&self, name: &str, owner: &str, ttl: Duration) -> Result<Option<LockToken>, Error> {
        let fence = self.store.try_lock(name, owner, ttl).await?;
        Ok(fence.map(|fence| LockToken { name: name.to_owned(), owner: owner.to_owned(), fence }))
    }

    /// Extends a lock to `ttl` from now. `false`: it is lost; stop at once.
    pub async fn renew_lock(&self, token: &LockToken, ttl: Duration) -> Result<bool, Error> {
        self.store.renew_lock(&token.name, &token.owner, token.fence, ttl).await
    }

    /// Gives a lock back. `false`: it was lost before.
    pub async fn unlock(&self, token: &LockToken) -> Result<bool, Error> {
        self.store.unlock(&token.name, &token.owner, token.fence).await
    }
}
