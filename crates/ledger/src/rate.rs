//! Taking from a rate budget that all processes share: the pure controller of [`crate::budget`], compared and set in the store.

use model::UnixMillis;

use crate::budget::{Budget, Grant};
use crate::documents::{Version, parse};
use crate::error::Error;
use crate::ledger::Ledger;

/// Processes that take from one budget at the same moment collide; each collision means that another one got its slice.
const ROUNDS: u32 = 64;

impl Ledger {
    /// Asks for `n` calls of a rate class. `limit` is the configured number of calls per minute, `None` if it is not known.
    pub async fn take(&self, class: &str, n: u32, limit: Option<u32>) -> Result<Grant, Error> {
        self.change_budget(class, |budget, now| budget.take(now, n, limit)).await
    }

    /// The account throttled this class: nobody calls before `until` (the store's time).
    pub async fn throttle(&self, class: &str, until: UnixMillis) -> Result<(), Error> {
        self.change_budget(class, |budget, now| budget.throttled(now, until)).await
    }

    /// A budget as it stands, for status and metrics.
    pub async fn budget(&self, class: &str) -> Result<Option<Budget>, Error> {
        Ok(self.document(&name(class)).await?.map(|(_, budget)| budget))
    }

    async fn change_budget<T>(
        &self,
        class: &str,
        change: impl Fn(&mut Budget, UnixMillis) -> T + Send,
    ) -> Result<T, Error> {
        let name = name(class);
        for _ in 0..ROUNDS {
            let (moment, found) = self.store.document(&name).await?;
            let (version, mut budget) = match &found {
                Some((version, body)) => (Some(Version(*version)), parse::<Budget>(&name, body)?),
                None => (None, Budget::default()),
            };
            let before = budget.clone();
            let answer = change(&mut budget, moment.now);
            if budget == before && found.is_some() {
                return Ok(answer);
            }
            if self.put_document(&name, version, &budget).await?.is_ok() {
                return Ok(answer);
            }
        }
        Err(Error::Contended { rounds: ROUNDS })
    }
}

fn name(class: &str) -> String {
    format!("budget/{class}")
}
