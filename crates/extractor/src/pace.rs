//! The source account's rate budgets, shared by all extractors through the ledger.
//!
//! Constraints: a limit belongs to the account, not to a process; nobody calls before a pause that the source asked for is over;
//! what the source's headers say outranks the documented numbers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use ledger::Ledger;
use model::{FailureClass, UnixMillis};
use runtime::Context;
use sources::{Bucket, Error, Pace, RateHeaders, Scope};

/// Calls asked for at a time: one round trip to the ledger for several calls of a busy extractor.
const SLICE_CALLS: u32 = 4;
const SLICE: Duration = Duration::from_millis(200);
/// Pause after a 429 that names none.
const UNNAMED_PAUSE: Duration = Duration::from_mins(1);

/// [`Pace`] over the ledger. Cheap to clone.
#[derive(Clone)]
pub struct LedgerPace {
    ledger: Ledger,
    context: Context,
    /// Requests a minute from the plan: outranks the account's general limit and is used whole.
    configured: Option<u32>,
    share: f64,
    state: Arc<Mutex<HashMap<&'static str, Bookkeeping>>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Bookkeeping {
    left: u32,
    until: UnixMillis,
    stopped: UnixMillis,
    told: Option<u32>,
}

impl LedgerPace {
    /// `share` of the account's shared limits is used; the rest is left to the people and programs that work in it.
    pub fn new(ledger: Ledger, context: Context, configured: Option<u32>, share: f64) -> Self {
        Self { ledger, context, configured, share, state: Arc::default() }
    }

    fn with<T>(&self, bucket: Bucket, change: impl FnOnce(&mut Bookkeeping) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(state.entry(bucket.name).or_default())
    }

    fn limit(&self, bucket: Bucket) -> Option<u32> {
        if let (Scope::Account, Some(configured)) = (bucket.scope, self.configured) {
            return Some(configured.max(1));
        }
        let limit = self.with(bucket, |book| book.told).unwrap_or(bucket.per_minute);
        if limit == 0 {
            return None;
        }
        let share = if bucket.scope == Scope::Ours { 1.0 } else { self.share };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 1 and the limit itself"
        )]
        let limit = (f64::from(limit) * share.clamp(0.01, 1.0)).max(1.0) as u32;
        Some(limit)
    }
}

fn budget_name(bucket: Bucket) -> String {
    format!("source-{}", bucket.name)
}

#[async_trait]
impl Pace for LedgerPace {
    async fn acquire(&self, bucket: Bucket) -> Result<(), Error> {
        let clock = &self.context.clock;
        loop {
            let now = clock.now();
            let (taken, stopped) = self.with(bucket, |book| {
                let taken = book.stopped <= now && book.left > 0 && book.until > now;
                if taken {
                    book.left -= 1;
                }
                (taken, book.stopped)
            });
            if taken {
                return Ok(());
            }
            if stopped > now {
                clock.sleep(now.until(stopped)).await;
                continue;
            }
            let Some(limit) = self.limit(bucket) else { return Ok(()) };
            // Buckets of ten a minute give one call every six seconds: asking for more than one would hoard them.
            let n = SLICE_CALLS.min(limit / 100).max(1);
            let grant = match self.ledger.take(&budget_name(bucket), n, Some(limit)).await {
                Ok(grant) => grant,
                // Only a person makes room; waiting here would hold up the end of the process that is to tell one.
                Err(error) if error.is_storage_full() => {
                    return Err(Error::hook(FailureClass::NotSent, error));
                }
                Err(error) => {
                    tracing::warn!(error = %error, "the source's budget cannot be read; waiting");
                    clock.sleep(Duration::from_secs(1)).await;
                    continue;
                }
            };
            if grant.granted == 0 {
                clock.sleep(grant.wait).await;
                continue;
            }
            self.with(bucket, |book| {
                book.left = grant.granted - 1;
                book.until = clock.now().plus(SLICE);
            });
            return Ok(());
        }
    }

    fn observe(&self, bucket: Bucket, limits: RateHeaders) {
        let now = self.context.clock.now();
        let pause = limits.throttled.then(|| {
            let pause = limits.retry_after.or(limits.resets_in).unwrap_or(UNNAMED_PAUSE);
            // Up to a tenth more, so that extractors do not come back in one breath.
            pause.mul_f64(1.0 + 0.1 * self.context.random.unit())
        });
        self.with(bucket, |book| {
            book.told = limits.limit.or(book.told);
            if let Some(pause) = pause {
                book.left = 0;
                book.stopped = book.stopped.max(now.plus(pause));
            }
        });
        let Some(pause) = pause else { return };
        let pace = self.clone();
        tokio::spawn(async move {
            let stopped = async {
                let until = pace.ledger.now().await?.plus(pause);
                pace.ledger.throttle(&budget_name(bucket), until).await
            };
            if let Err(error) = stopped.await {
                tracing::warn!(error = %error, "the pause could not be shared with other extractors");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use ledger::OpenOptions;
    use model::MigrationId;

    use super::*;

    const ACCOUNT: Bucket = Bucket { name: "account", per_minute: 200, scope: Scope::Account };
    const FILES: Bucket = Bucket { name: "files", per_minute: 2_500, scope: Scope::Shared };
    const EXPORT: Bucket = Bucket { name: "export", per_minute: 10, scope: Scope::Ours };

    async fn pace(configured: Option<u32>) -> (LedgerPace, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("ledger.db").display());
        let migration = MigrationId::new("acme").unwrap();
        let ledger = Ledger::open(&url, &migration, OpenOptions::create(10)).await.unwrap();
        let (context, _) = Context::manual(1);
        (LedgerPace::new(ledger, context, configured, 0.6), directory)
    }

    fn told(limit: u32) -> RateHeaders {
        RateHeaders { limit: Some(limit), ..RateHeaders::default() }
    }

    #[tokio::test]
    async fn a_share_is_taken_of_what_others_use_too_and_of_nothing_else() {
        let (pace, _directory) = pace(None).await;
        assert_eq!(
            [ACCOUNT, FILES, EXPORT].map(|bucket| pace.limit(bucket)),
            [Some(120), Some(1_500), Some(10)]
        );
        for bucket in [ACCOUNT, FILES, EXPORT] {
            pace.observe(bucket, told(700));
        }
        let limits = [ACCOUNT, FILES, EXPORT].map(|bucket| pace.limit(bucket));
        assert_eq!(
            limits,
            [Some(420), Some(420), Some(700)],
            "what the account tells outranks what is documented"
        );
    }

    #[tokio::test]
    async fn a_configured_limit_is_the_accounts_and_used_whole() {
        let (pace, _directory) = pace(Some(500)).await;
        pace.observe(ACCOUNT, told(700));
        assert_eq!(
            [ACCOUNT, FILES, EXPORT].map(|bucket| pace.limit(bucket)),
            [Some(500), Some(1_500), Some(10)]
        );
    }
}
