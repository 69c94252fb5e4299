//! What a client must be told: the account's address, credentials and limits.
//!
//! Constraint: credentials are sent to `https` addresses only, or to loopback (the sandbox).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use url::{Host, Url};
use wire::Wire;

use crate::error::Error;

/// How the client proves who it is.
#[derive(Clone)]
pub enum Credentials {
    /// Basic once, a session afterwards: the only scheme that every endpoint is documented to accept.
    Password {
        /// The e-mail of an administrator or owner who sees all cases and has no second factor.
        email: String,
        /// Its password.
        password: SecretString,
    },
    /// A bearer token on every call. Endpoints without a scope (bulk cases, files, filters) may refuse it.
    OAuth {
        /// The access token.
        token: SecretString,
    },
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The e-mail is half of the credentials: it stays out of logs as well.
        f.write_str(match self {
            Self::Password { .. } => "Password(redacted)",
            Self::OAuth { .. } => "OAuth(redacted)",
        })
    }
}

/// How long each phase of a call may take.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// DNS, TCP and TLS together.
    pub connect: Duration,
    /// Waiting for a free connection when `max_in_flight` calls are under way.
    pub pool: Duration,
    /// A read, a log-in or a single write, from the first byte sent to the last byte read.
    pub request: Duration,
    /// A bulk insert of up to 200 records.
    pub bulk: Duration,
    /// The upload of one file.
    pub upload: Duration,
}

impl Default for Timeouts {
    /// Assumptions (Kayako publishes none): 10 s, 30 s, 60 s, 120 s, 300 s.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            pool: Duration::from_secs(30),
            request: Duration::from_mins(1),
            bulk: Duration::from_mins(2),
            upload: Duration::from_mins(5),
        }
    }
}

/// Everything a [`crate::Client`] is built from.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// The account, such as `https://acme.kayako.com`; a trailing `/api/v1` is accepted.
    pub url: Url,
    /// Who writes.
    pub credentials: Credentials,
    /// Limits in time.
    pub timeouts: Timeouts,
    /// Sent with every call, so that the account's owner can tell our traffic from others'.
    pub user_agent: String,
    /// An answer longer than this (after decompression) is not read to its end.
    pub max_response_bytes: usize,
    /// Calls under way at the same time, which is also the number of connections kept open.
    pub max_in_flight: usize,
    /// Ids per `?legacy_ids=` call. The account's maximum is unknown; 50 is an assumption that also keeps the
    /// address short.
    pub legacy_ids_per_lookup: usize,
    /// E-mails per `POST /users/filter` call. The account's maximum is unknown; 200 matches a bulk insert.
    pub emails_per_filter: usize,
    /// Items per page when a whole list is read. 100 is what other clients use.
    pub page_size: usize,
    /// The way to the account; absent: over the network, with the settings above.
    pub wire: Option<Arc<dyn Wire>>,
}

impl ClientConfig {
    /// The defaults for an account.
    pub fn new(url: Url, credentials: Credentials) -> Self {
        Self {
            url,
            credentials,
            timeouts: Timeouts::default(),
            user_agent: concat!("kayako-migrate/", env!("CARGO_PKG_VERSION")).to_owned(),
            max_response_bytes: 16 * 1024 * 1024,
            max_in_flight: 64,
            legacy_ids_per_lookup: 50,
            emails_per_filter: 200,
            page_size: 100,
            wire: None,
        }
    }

    /// The address that all paths are appended to (`https://host/api/v1`), and whether it is loopback.
    pub(crate) fn base(&self) -> Result<(String, bool), Error> {
        let url = &self.url;
        let loopback = match url.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => return Err(Error::Config { problem: "the address has no host" }),
        };
        let problem = match url.scheme() {
            "https" => None,
            "http" if loopback => None,
            "http" => Some("plain http is accepted on loopback only; use https"),
            _ => Some("the address must begin with https://"),
        };
        let problem = problem.or_else(|| {
            if !url.username().is_empty() || url.password().is_some() {
                Some("the address must not contain credentials")
            } else if url.query().is_some() || url.fragment().is_some() {
                Some("the address must not contain a query or a fragment")
            } else if !matches!(url.path().trim_end_matches('/'), "" | "/api/v1") {
                Some("the address must be the account's own, without a path, such as https://acme.kayako.com")
            } else if self.legacy_ids_per_lookup == 0
                || self.emails_per_filter == 0
                || self.page_size == 0
                || self.max_in_flight == 0
            {
                Some("limits must be at least 1")
            } else {
                None
            }
        });
        match problem {
            Some(problem) => Err(Error::Config { problem }),
            None => Ok((format!("{}/api/v1", url.origin().ascii_serialization()), loopback)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn base(url: &str) -> Result<(String, bool), Error> {
        let token = SecretString::from("planted-token");
        ClientConfig::new(url.parse().unwrap(), Credentials::OAuth { token }).base()
    }

    #[test]
    fn only_https_and_loopback_are_accepted() {
        assert_eq!(base("https://acme.kayako.com").unwrap().0, "https://acme.kayako.com/api/v1");
        assert_eq!(base("https://acme.kayako.com/api/v1/").unwrap().0, "https://acme.kayako.com/api/v1");
        assert_eq!(base("http://127.0.0.1:8080").unwrap(), ("http://127.0.0.1:8080/api/v1".into(), true));
        assert!(base("http://localhost:1").unwrap().1);
        assert!(base("http://[::1]:1").unwrap().1);
        for bad in [
            "http://acme.kayako.com",
            "http://127.0.0.1.example.com",
            "ftp://127.0.0.1",
            "https://ann:secret@acme.kayako.com",
            "https://acme.kayako.com/agent",
            "https://acme.kayako.com/?a=b",
        ] {
            assert!(base(bad).is_err(), "{bad} was accepted");
        }
    }

    #[test]
    fn debug_output_holds_no_credentials() {
        let credentials = Credentials::Password {
            email: "planted@example.com".into(),
            password: SecretString::from("planted-password"),
        };
        let text = format!("{:?}", ClientConfig::new("https://a.example".parse().unwrap(), credentials));
        assert!(!text.contains("planted"), "{text}");
    }
}
