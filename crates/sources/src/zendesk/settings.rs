//! How one Zendesk account is read.
//!
//! Constraints: credentials are secrets from the moment they enter; the address is https, or plain http on loopback.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use url::{Host, Url};
use wire::Wire;

use crate::error::Error;
use crate::tokens::TokenKeeper;

/// Settings of a [`super::Zendesk`].
#[derive(Debug, Clone)]
pub struct Settings {
    /// Address of the account, such as `https://acme.zendesk.com`. Only scheme, host and port count.
    pub url: Url,
    /// Credentials of an administrator.
    pub auth: Auth,
    /// Records per listing page, 1 to 1000. 200 keeps a page's comments within a few minutes on the smallest plan, and
    /// ten pages a minute still outrun the comment calls of the largest.
    pub page_size: u16,
    /// Whether second e-mail addresses, phone numbers and social names are read.
    pub identities: Identities,
    /// Larger attachments are left out and named in the report, in bytes.
    pub attachment_limit: u64,
    /// Longest time one listing call may take, and longest silence during a download.
    pub timeout: Duration,
    /// How often a conversation is read before a comment count that does not fit makes it an error, at least 1.
    pub conversation_tries: u8,
    /// The way to the account and its files; absent: over the network.
    pub wire: Option<Arc<dyn Wire>>,
}

impl Settings {
    /// The usual settings for an account.
    pub fn new(url: Url, auth: Auth) -> Self {
        Self {
            url,
            auth,
            page_size: 200,
            identities: Identities::Always,
            // The largest attachment the service takes is 50 MB; above 64 MiB it is not an attachment of its own.
            attachment_limit: 64 * 1024 * 1024,
            // Export pages of accounts with hundreds of fields take half a minute.
            timeout: Duration::from_mins(1),
            conversation_tries: 3,
            wire: None,
        }
    }
}

/// Whether identities are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Identities {
    /// One call per user: they are listed nowhere else. 100,000 users cost 100,000 calls (two and a half hours at 700
    /// calls a minute).
    #[default]
    Always,
    /// None: people keep the primary address and number that the listing shows; mail from their second addresses
    /// will look like mail from strangers.
    Never,
}

/// Credentials.
#[derive(Clone)]
pub enum Auth {
    /// API token (ends on 30 April 2027): Basic `email/token:TOKEN`.
    ApiToken {
        /// The administrator's address.
        email: String,
        /// The token.
        token: SecretString,
    },
    /// An access token that does not expire.
    Bearer(SecretString),
    /// An OAuth client that gets its access tokens itself.
    OAuth(OAuth),
}

/// An OAuth client.
#[derive(Clone)]
pub struct OAuth {
    /// Its identifier.
    pub client_id: String,
    /// Its secret; public clients have none.
    pub client_secret: Option<SecretString>,
    /// How access tokens are got.
    pub grant: Grant,
    /// Where they are kept, shared by all processes that read this account.
    pub keeper: Arc<dyn TokenKeeper>,
}

/// How access tokens are got.
#[derive(Clone)]
pub enum Grant {
    /// By refresh tokens, each good for one refresh.
    RefreshToken {
        /// The one the authorization ended with; used while the keeper holds none (or none that works).
        first: SecretString,
    },
    /// By the client's own credentials.
    ClientCredentials {
        /// Scope asked for. Global `read` is what a migration needs.
        scope: String,
    },
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ApiToken { .. } => "ApiToken(hidden)",
            Self::Bearer(_) => "Bearer(hidden)",
            Self::OAuth(_) => "OAuth(hidden)",
        })
    }
}

impl fmt::Debug for OAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OAuth(hidden)")
    }
}

/// Checks an address and reduces it to scheme, host and port.
pub(super) fn base_of(url: &Url) -> Result<Url, Error> {
    let acceptable = match url.scheme() {
        "https" => url.host().is_some(),
        "http" => is_loopback(url),
        _ => false,
    };
    if !acceptable {
        return Err(Error::Settings { problem: "its address must be https (plain http on loopback only)" });
    }
    let mut base = url.clone();
    base.set_path("/");
    base.set_query(None);
    base.set_fragment(None);
    // Credentials in an address would end up in headers we do not control. Both calls only fail without a host.
    let _ = base.set_username("");
    let _ = base.set_password(None);
    Ok(base)
}

/// The name of the account in origin keys: the subdomain, or the whole host where the account has a name of its own
/// (`support.a.example` and `support.b.example` may both move into one Kayako account).
pub(super) fn account_name(base: &Url) -> String {
    let host = base.host_str().unwrap_or_default();
    host.strip_suffix(".zendesk.com").unwrap_or(host).to_owned()
}

/// Whether an address leads to this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// Whether an address names a host by a number inside private networks: nothing a help desk's files lie on.
pub(super) fn is_private(url: &Url) -> bool {
    let ip: IpAddr = match url.host() {
        Some(Host::Ipv4(ip)) => ip.into(),
        Some(Host::Ipv6(ip)) => ip.to_ipv4_mapped().map_or(ip.into(), Into::into),
        _ => return is_loopback(url),
    };
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified(),
        IpAddr::V6(ip) => {
            ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_unspecified()
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn only_https_and_loopback_are_accepted_and_reduced_to_the_host() {
        assert_eq!(
            base_of(&url("https://u:p@acme.zendesk.com/agent?x=1#y")).unwrap().as_str(),
            "https://acme.zendesk.com/"
        );
        assert!(base_of(&url("http://127.0.0.1:8080")).is_ok());
        assert!(base_of(&url("http://acme.zendesk.com")).is_err());
        assert!(base_of(&url("ftp://acme.zendesk.com")).is_err());
    }

    #[test]
    fn accounts_with_hosts_of_their_own_keep_distinct_names() {
        assert_eq!(account_name(&url("https://acme.zendesk.com")), "acme");
        assert_ne!(
            account_name(&url("https://support.a.example")),
            account_name(&url("https://support.b.example"))
        );
    }

    #[test]
    fn numbers_inside_private_networks_are_recognised() {
        for inside in [
            "http://169.254.169.254/",
            "https://10.1.2.3/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "http://localhost/",
        ] {
            assert!(is_private(&url(inside)), "{inside}");
        }
        assert!(!is_private(&url("https://p10.zdusercontent.com/attachment/1/x")));
    }

    #[test]
    fn credentials_do_not_show() {
        let auth = Auth::ApiToken { email: "admin@acme.example".into(), token: "t0ken".to_owned().into() };
        let shown = format!("{:?}", Settings::new(url("https://acme.zendesk.com"), auth));
        assert!(!shown.contains("t0ken") && !shown.contains("admin@"), "{shown}");
    }
}
