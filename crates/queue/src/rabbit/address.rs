//! Where the broker is: `amqp://user:password@host:port/vhost`, or `amqps` for TLS.
//!
//! Constraints: the password appears in no error and no `Debug` output. Parsed here and not by the client library,
//! because that one repeats the whole address in its errors, connects to `localhost` when it is given an IPv6 address,
//! and takes a trailing slash (as the Kubernetes operator for RabbitMQ writes it) for a virtual host with an empty name.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use crate::{Error, Result};

/// A broker's address with its credentials.
///
/// `amqp[s]://[user[:password]@]host[:port][/vhost]`; percent-encoding in user, password and virtual host. Defaults:
/// guest/guest, 5672 or 5671, virtual host `/` (also for a lone slash). Query parameters are refused: everything else
/// is a setting of [`crate::RabbitConfig`].
#[derive(Clone)]
pub struct Address {
    tls: bool,
    host: String,
    port: u16,
    vhost: String,
    user: String,
    password: SecretString,
}

impl Address {
    /// Whether the connection is encrypted.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// The address in the client library's words. A heartbeat of 0 s would switch it off, so 1 s is the least.
    pub(super) fn uri(&self, heartbeat: Duration) -> AMQPUri {
        let heartbeat = u16::try_from(heartbeat.as_secs()).unwrap_or(u16::MAX).max(1);
        AMQPUri {
            scheme: if self.tls { AMQPScheme::AMQPS } else { AMQPScheme::AMQP },
            authority: AMQPAuthority {
                userinfo: AMQPUserInfo {
                    username: self.user.clone(),
                    password: self.password.expose_secret().to_owned(),
                },
                host: self.host.clone(),
                port: self.port,
            },
            vhost: self.vhost.clone(),
            query: AMQPQueryString { heartbeat: Some(heartbeat), ..AMQPQueryString::default() },
        }
    }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let invalid = |problem| Error::InvalidAddress { problem };
        let decode = |part: &str| {
            let decoded = percent_decode_str(part).decode_utf8();
            decoded.map(String::from).map_err(|_| invalid("a part of it is not UTF-8 after percent-decoding"))
        };
        let url = Url::parse(text)
            .map_err(|_| invalid("it has not the form amqp://user:password@host:port/vhost"))?;
        let tls = match url.scheme() {
            "amqp" => false,
            "amqps" => true,
            _ => return Err(invalid("it must begin with amqp:// or amqps://")),
        };
        let host = match url.host() {
            Some(Host::Domain(name)) if !name.is_empty() => decode(name)?,
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            _ => return Err(invalid("the host is missing")),
        };
        if url.query().is_some() || url.fragment().is_some() {
            return Err(invalid("it takes no parameters after the virtual host"));
        }
        let vhost = match url.path().strip_prefix('/') {
            None | Some("") => "/".to_owned(),
            Some(name) => decode(name)?,
        };
        let user = if url.username().is_empty() { "guest".to_owned() } else { decode(url.username())? };
        let password = url.password().map_or_else(|| Ok("guest".to_owned()), decode)?;
        let port = url.port().unwrap_or(if tls { 5671 } else { 5672 });
        Ok(Self { tls, host, port, vhost, user, password: password.into() })
    }
}

/// Host, port and virtual host: what may be logged.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "amqps" } else { "amqp" };
        let vhost = self.vhost.strip_prefix('/').unwrap_or(&self.vhost);
        write!(f, "{scheme}://{}:{}/{vhost}", self.host, self.port)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn parse(text: &str) -> AMQPUri {
        text.parse::<Address>().unwrap().uri(Duration::from_secs(20))
    }

    #[test]
    fn all_parts_are_read() {
        let uri = parse("amqps://us%40er:pa%3Ass@broker.example:1234/my%2fhost");
        assert_eq!(uri.scheme, AMQPScheme::AMQPS);
        assert_eq!(uri.authority.userinfo.username, "us@er");
        assert_eq!(uri.authority.userinfo.password, "pa:ss");
        assert_eq!((uri.authority.host.as_str(), uri.authority.port), ("broker.example", 1234));
        assert_eq!(uri.vhost, "my/host");
        assert_eq!(uri.query.heartbeat, Some(20));
    }

    #[test]
    fn what_is_left_out_has_the_usual_defaults() {
        let uri = parse("amqp://127.0.0.1");
        assert_eq!((uri.authority.host.as_str(), uri.authority.port), ("127.0.0.1", 5672));
        assert_eq!(uri.authority.userinfo.username, "guest");
        assert_eq!(uri.vhost, "/");
        assert_eq!(parse("amqps://h").authority.port, 5671);
        for vhost in ["", "/", "/%2f", "/%2F"] {
            assert_eq!(parse(&format!("amqp://h{vhost}")).vhost, "/", "{vhost:?}");
        }
        assert_eq!(parse("amqp://h/team").vhost, "team");
        assert_eq!(parse("amqp://[::1]:5672").authority.host, "::1");
    }

    #[test]
    fn nothing_shows_the_password() {
        let address: Address = "amqp://user:hidden@host/team".parse().unwrap();
        assert_eq!(address.to_string(), "amqp://host:5672/team");
        assert!(!format!("{address:?} {address}").contains("hidden"));
        for broken in
            ["http://user:hidden@h", "amqp://user:hidden@", "user:hidden@h", "amqp://u:hidden@h/?x=hidden"]
        {
            let error = broken.parse::<Address>().unwrap_err();
            assert!(matches!(error, Error::InvalidAddress { .. }), "{broken}");
            assert!(!format!("{error:?} {error}").contains("hidden"), "{broken}");
        }
    }
}
