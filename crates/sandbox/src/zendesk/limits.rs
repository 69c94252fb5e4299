//! Calls per minute: one bucket for the account, one per kind of endpoint, with the service's headers.
//!
//! Constraint: the account's headers do not show the endpoint buckets, so an answer can be 429 while
//! `ratelimit-remaining` is positive, as on the real service.

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use super::account::scaled_ms;
use super::config::Limits;

/// Endpoints that share a limit of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bucket {
    Incremental,
    IncrementalCursor,
    Tickets,
    TicketsDeep,
    TicketFields,
    Attachments,
}

impl Bucket {
    /// The header; the service spells some with and some without a hyphen.
    const fn header(self) -> &'static str {
        match self {
            Self::Incremental => "zendesk-ratelimit-incremental-exports",
            Self::IncrementalCursor => "zendesk-ratelimit-incremental-exports-cursor",
            Self::Tickets => "zendesk-ratelimit-tickets-index",
            Self::TicketsDeep => "zendesk-ratelimit-tickets-index-deep-pagination",
            Self::TicketFields => "zendesk-rate-limit-ticket-fields",
            Self::Attachments => "zendesk-ratelimit-attachments",
        }
    }

    const fn limit(self, limits: &Limits) -> u32 {
        match self {
            Self::Incremental => limits.incremental,
            Self::IncrementalCursor => limits.incremental_cursor,
            Self::Tickets => limits.tickets,
            Self::TicketsDeep => limits.tickets_deep,
            Self::TicketFields => limits.ticket_fields,
            Self::Attachments => limits.attachments,
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Window {
    number: i64,
    used: u32,
}

/// The account's buckets.
pub(super) struct Limiter {
    limits: Limits,
    window_ms: i64,
    account: Window,
    endpoints: [Window; 6],
}

/// What the limiter says about a call.
pub(super) struct Verdict {
    /// Headers of the answer, whatever it is.
    pub(super) headers: HeaderMap,
    /// Seconds to wait, if the call is refused.
    pub(super) retry_after: Option<i64>,
}

impl Limiter {
    pub(super) fn new(limits: Limits, time_scale: f64) -> Self {
        Self {
            limits,
            window_ms: scaled_ms(60, time_scale).max(1),
            account: Window::default(),
            endpoints: Default::default(),
        }
    }

    /// Counts a call. A refused call is not counted.
    pub(super) fn call(&mut self, bucket: Option<Bucket>, now_ms: i64) -> Verdict {
        let number = now_ms.div_euclid(self.window_ms);
        let left_ms = (number + 1) * self.window_ms - now_ms;
        // Whole seconds, rounded up: a client that obeys never comes too early.
        let resets = (left_ms + 999).div_euclid(1000).max(1);
        let mut headers = HeaderMap::new();
        let mut refused = false;
        let account_limit = self.limits.account;
        let endpoint = bucket.map(|b| (b, b.limit(&self.limits))).filter(|&(_, limit)| limit > 0);

        let account = self.account.at(number);
        refused |= account_limit > 0 && account.used >= account_limit;
        if let Some((bucket, limit)) = endpoint {
            refused |= self.endpoints[bucket as usize].at(number).used >= limit;
        }
        if !refused {
            self.account.at(number).used += 1;
            if let Some((bucket, _)) = endpoint {
                self.endpoints[bucket as usize].at(number).used += 1;
            }
        }
        if account_limit > 0 {
            let remaining = account_limit.saturating_sub(self.account.used);
            put(&mut headers, "x-rate-limit", &account_limit.to_string());
            put(&mut headers, "x-rate-limit-remaining", &remaining.to_string());
            put(&mut headers, "ratelimit-limit", &account_limit.to_string());
            put(&mut headers, "ratelimit-remaining", &remaining.to_string());
            put(&mut headers, "ratelimit-reset", &resets.to_string());
        }
        if let Some((bucket, limit)) = endpoint {
            let remaining = limit.saturating_sub(self.endpoints[bucket as usize].used);
            put(
                &mut headers,
                bucket.header(),
                &format!("total={limit}; remaining={remaining}; resets={resets}"),
            );
        }
        if refused {
            put(&mut headers, "retry-after", &resets.to_string());
        }
        Verdict { headers, retry_after: refused.then_some(resets) }
    }
}

impl Window {
    fn at(&mut self, number: i64) -> &mut Self {
        if self.number != number {
            *self = Self { number, used: 0 };
        }
        self
    }
}

fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}
