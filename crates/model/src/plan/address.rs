//! Addresses as types: accounts on the web and people's e-mail.
//!
//! Constraint: one normal form of an e-mail address for the whole product, because it is the natural key by which
//! people are matched, adopted and merged; two forms would make two people of one.

use std::fmt;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::decode::{Decode, text};
use super::problem::Report;
use super::tree::Node;

/// The address of an account: `https` to any host, `http` to this machine only.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("format" = "uri", "pattern" = "^https?://"))]
pub struct AccountUrl(Url);

/// Why a text is no address of an account. The text itself is not repeated: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// No URL at all.
    #[error("is not a web address")]
    NotAUrl,
    /// Another scheme than http or https.
    #[error("is not an https address")]
    Scheme,
    /// Plain http to another machine.
    #[error("would send credentials unencrypted to {0}")]
    PlainHttp(String),
    /// User name or password in the URL.
    #[error("contains a user name or password")]
    Credentials,
    /// A path, query or fragment.
    #[error("is more than the address of the account")]
    MoreThanHost(String),
}

impl InvalidUrl {
    fn fix(&self) -> String {
        match self {
            Self::NotAUrl | Self::Scheme => "write it like https://acme.example.com".to_owned(),
            Self::PlainHttp(host) => format!("use https://{host} (http is accepted on loopback only)"),
            Self::Credentials => "remove them and name them in the settings beside the url".to_owned(),
            Self::MoreThanHost(origin) => format!("use {origin}"),
        }
    }
}

impl AccountUrl {
    /// Checks and normalises an address.
    pub fn parse(text: &str) -> Result<Self, InvalidUrl> {
        let url = Url::parse(text.trim()).map_err(|_| InvalidUrl::NotAUrl)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(InvalidUrl::Scheme);
        }
        let host = url.host_str().unwrap_or_default().to_owned();
        if host.is_empty() {
            return Err(InvalidUrl::NotAUrl);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidUrl::Credentials);
        }
        if url.scheme() == "http" && !is_loopback(&url) {
            return Err(InvalidUrl::PlainHttp(host));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidUrl::MoreThanHost(url.origin().ascii_serialization()));
        }
        Ok(Self(url))
    }

    /// The address.
    pub fn as_url(&self) -> &Url {
        &self.0
    }

    /// The host name or IP address.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Whether the account is on this machine.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.0)
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

impl TryFrom<String> for AccountUrl {
    type Error = InvalidUrl;
    fn try_from(text: String) -> Result<Self, InvalidUrl> {
        Self::parse(&text)
    }
}

impl From<AccountUrl> for String {
    fn from(url: AccountUrl) -> Self {
        url.to_string()
    }
}

impl fmt::Display for AccountUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl Decode for AccountUrl {
    fn decode(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        let found = text(node, path, report, "a web address")?;
        Self::parse(found).map_err(|error| report.add(node.place, path, error.to_string(), error.fix())).ok()
    }
}

/// An e-mail address in its normal form: trimmed, lower case, without trailing dots.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("format" = "email"))]
pub struct EmailAddress(String);

/// A text is no e-mail address that Kayako could take. The text is not repeated: it may be a customer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not an e-mail address")]
pub struct InvalidEmail;

impl EmailAddress {
    /// Longest address (RFC 5321: path of 256 with its brackets).
    const MAX: usize = 254;
    /// Longest part before the `@` (RFC 5321).
    const MAX_LOCAL: usize = 64;

    /// Normalises a text, or says that it is no address. Addresses that only some mail systems accept (quoted or with
    /// doubled dots) are refused: Kayako rejects the whole person for one bad address.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let address = text.trim().trim_end_matches('.').to_lowercase();
        let (local, domain) = address.rsplit_once('@').ok_or(InvalidEmail)?;
        let local_good = (1..=Self::MAX_LOCAL).contains(&local.len())
            && local.split('.').all(|atom| !atom.is_empty())
            && local.chars().all(|c| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c));
        let domain_good = domain.contains('.')
            && domain.split('.').all(|label| {
                !label.is_empty()
                    && !label.starts_with('-')
                    && !label.ends_with('-')
                    && label.chars().all(|c| c.is_alphanumeric() || c == '-')
            });
        if local_good && domain_good && address.len() <= Self::MAX {
            Ok(Self(address))
        } else {
            Err(InvalidEmail)
        }
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for EmailAddress {
    type Error = InvalidEmail;
    fn try_from(text: String) -> Result<Self, InvalidEmail> {
        Self::parse(&text)
    }
}

impl From<EmailAddress> for String {
    fn from(address: EmailAddress) -> Self {
        address.0
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Decode for EmailAddress {
    fn decode(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        let found = text(node, path, report, "an e-mail address")?;
        let refuse = |error: InvalidEmail| {
            report.add(node.place, path, error.to_string(), "write it like name@example.com");
        };
        Self::parse(found).map_err(refuse).ok()
    }
}
