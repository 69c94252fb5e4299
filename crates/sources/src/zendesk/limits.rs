//! What answers say about rate limits.
//!
//! Constraint: the account's headers do not show endpoint limits, so a 429 with calls left for the account is normal and must
//! stop the endpoint's bucket, not the whole account.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::pace::{Bucket, Pace, RateHeaders};

/// Reports an answer to every bucket it says something about.
pub(super) fn observe(
    pace: &dyn Pace,
    general: Option<Bucket>,
    own: Option<Bucket>,
    refused: bool,
    headers: &HeaderMap,
) {
    let mut account = account(headers);
    let mut endpoint = endpoint(headers);
    if refused {
        let retry_after = retry_after(headers);
        let used_up = |limits: &RateHeaders| limits.remaining == Some(0);
        // Without any evidence both are stopped: waiting too long is cheaper than being cut off.
        let own_to_blame = own.is_some() && (used_up(&endpoint) || !used_up(&account));
        let general_to_blame =
            !own_to_blame || used_up(&account) || (account.remaining.is_none() && !used_up(&endpoint));
        for (limits, blamed) in [(&mut endpoint, own_to_blame), (&mut account, general_to_blame)] {
            limits.throttled = blamed;
            limits.retry_after = retry_after.filter(|_| blamed);
        }
    }
    for (bucket, limits) in [(own, endpoint), (general, account)] {
        if let Some(bucket) = bucket.filter(|_| limits != RateHeaders::default()) {
            pace.observe(bucket, limits);
        }
    }
}

/// `Retry-After` in seconds.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// The account's requests a minute, if the answer tells.
pub(super) fn account_limit(headers: &HeaderMap) -> Option<u32> {
    account(headers).limit
}

fn account(headers: &HeaderMap) -> RateHeaders {
    let number = |names: [&str; 2]| {
        names.iter().find_map(|name| headers.get(*name)?.to_str().ok()?.trim().parse::<u32>().ok())
    };
    RateHeaders {
        limit: number(["ratelimit-limit", "x-rate-limit"]),
        remaining: number(["ratelimit-remaining", "x-rate-limit-remaining"]),
        resets_in: number(["ratelimit-reset", "ratelimit-reset"]).map(|s| Duration::from_secs(s.into())),
        ..RateHeaders::default()
    }
}

/// `zendesk-ratelimit-<bucket>: total=N; remaining=N; resets=SECONDS`, in both spellings; of several, the tightest.
fn endpoint(headers: &HeaderMap) -> RateHeaders {
    headers
        .iter()
        .filter(|(name, _)| {
            name.as_str().starts_with("zendesk-ratelimit-")
                || name.as_str().starts_with("zendesk-rate-limit-")
        })
        .filter_map(|(_, value)| value.to_str().ok().map(parts))
        .min_by_key(|limits| limits.remaining.unwrap_or(u32::MAX))
        .unwrap_or_default()
}

fn parts(text: &str) -> RateHeaders {
    let mut limits = RateHeaders::default();
    for (name, value) in text.split(';').filter_map(|part| part.split_once('=')) {
        let value: Option<u32> = value.trim().parse().ok();
        match name.trim() {
            "total" => limits.limit = value,
            "remaining" => limits.remaining = value,
            "resets" => limits.resets_in = value.map(|seconds| Duration::from_secs(seconds.into())),
            _ => {}
        }
    }
    limits
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Mutex;

    use super::*;
    use crate::error::Error;
    use crate::zendesk::endpoint::ACCOUNT;

    #[derive(Default)]
    struct Notes(Mutex<Vec<(&'static str, RateHeaders)>>);

    #[async_trait::async_trait]
    impl Pace for Notes {
        async fn acquire(&self, _: Bucket) -> Result<(), Error> {
            Ok(())
        }
        fn observe(&self, bucket: Bucket, limits: RateHeaders) {
            self.0.lock().unwrap().push((bucket.name, limits));
        }
    }

    use crate::pace::Scope;

    const OWN: Bucket = Bucket { name: "own", per_minute: 10, scope: Scope::Ours };

    fn stopped(headers: &[(&'static str, &str)], own: Option<Bucket>) -> Vec<&'static str> {
        let headers = headers
            .iter()
            .map(|(name, value)| (reqwest::header::HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        let notes = Notes::default();
        observe(&notes, Some(ACCOUNT), own, true, &headers);
        let seen = notes.0.into_inner().unwrap();
        seen.iter().filter(|(_, limits)| limits.throttled).map(|(name, _)| *name).collect()
    }

    #[test]
    fn an_export_refused_while_the_account_has_calls_left_stops_the_export_only() {
        let headers = [
            ("ratelimit-remaining", "180"),
            ("zendesk-ratelimit-incremental-exports-cursor", "total=20; remaining=0; resets=41"),
        ];
        assert_eq!(stopped(&headers, Some(OWN)), ["own"]);
        assert_eq!(stopped(&[("ratelimit-remaining", "180")], Some(OWN)), ["own"]);
    }

    #[test]
    fn an_account_without_calls_left_stops_everything_that_counts_against_it() {
        let headers = [
            ("x-rate-limit-remaining", "0"),
            ("zendesk-rate-limit-ticket-fields", "total=20; remaining=9; resets=41"),
        ];
        assert_eq!(stopped(&headers, Some(OWN)), ["zendesk-account"]);
        assert_eq!(stopped(&[("ratelimit-remaining", "7")], None), ["zendesk-account"]);
    }

    #[test]
    fn a_refusal_without_evidence_stops_both() {
        assert_eq!(stopped(&[("retry-after", "93")], Some(OWN)), ["own", "zendesk-account"]);
    }
}
