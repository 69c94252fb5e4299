//! An account that does not answer: told by whoever meets it, shown by `status`.
//!
//! Constraint: what is told holds for a while only. Whoever met the trouble may be gone when it is over, and a word that nobody takes
//! back would be wrong for ever.

use std::time::Duration;

use model::facts::{self, Side, Trouble};

use crate::error::Error;
use crate::ledger::Ledger;

impl Ledger {
    /// Tells that an account is in trouble, good for `lasting` unless it is told again. `message` holds no customer text.
    pub async fn tell_trouble(&self, side: Side, message: &str, lasting: Duration) -> Result<(), Error> {
        let name = facts::trouble(side);
        let now = self.now().await?;
        let known = self.document::<Trouble>(&name).await?;
        let since = known
            .as_ref()
            .map(|(_, known)| known)
            .filter(|known| known.until > now)
            .map_or(now, |known| known.since);
        let trouble = Trouble { since, until: now.plus(lasting), message: message.to_owned() };
        // Somebody else told it at the same moment: that will do.
        self.put_document(&name, known.map(|(version, _)| version), &trouble).await?.ok();
        Ok(())
    }

    /// Takes the word back: the account answers.
    pub async fn end_trouble(&self, side: Side) -> Result<(), Error> {
        let name = facts::trouble(side);
        let now = self.now().await?;
        if let Some((version, known)) = self.document::<Trouble>(&name).await?
            && known.until > now
        {
            let over = Trouble { until: now, ..known };
            self.put_document(&name, Some(version), &over).await?.ok();
        }
        Ok(())
    }

    /// The trouble of an account, if there is any now.
    pub async fn trouble(&self, side: Side) -> Result<Option<Trouble>, Error> {
        let known = self.document::<Trouble>(&facts::trouble(side)).await?;
        let now = self.now().await?;
        Ok(known.map(|(_, trouble)| trouble).filter(|trouble| trouble.until > now))
    }
}
