//! Connecting, and refusing a server that may forget.

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, ConnectionAddr};
use std::time::Duration;

use crate::error::Error;
use crate::options::OpenOptions;

/// Longest time to connect; the library's own 1 s is short for a server behind a proxy that fails over.
const CONNECT: Duration = Duration::from_secs(5);

/// Pauses between attempts to connect again.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Connects; the connection re-establishes itself when it breaks.
pub(super) async fn connect(url: &str, options: &OpenOptions) -> Result<ConnectionManager, Error> {
    let client = Client::open(url)?;
    let loopback = is_loopback(client.get_connection_info().addr());
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(CONNECT))
        .set_response_timeout(Some(options.response_timeout))
        .set_min_delay(FIRST_PAUSE)
        .set_max_delay(LONGEST_PAUSE);
    let mut connection = client.get_connection_manager_with_config(config).await?;
    match remembers(&mut connection).await? {
        Ok(()) => {}
        Err(why) if loopback => {
            tracing::warn!("this redis may forget the ledger: {why}; on loopback that is accepted");
        }
        Err(why) => return Err(Error::Unsafe { why }),
    }
    Ok(connection)
}

fn is_loopback(address: &ConnectionAddr) -> bool {
    match address {
        ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => {
            let host = host.trim_matches(['[', ']']);
            host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        ConnectionAddr::Unix(_) => true,
        _ => false,
    }
}

/// Whether the server keeps what it acknowledges; if not, why. `INFO` is used where possible, because hosted servers refuse `CONFIG`.
async fn remembers(connection: &mut ConnectionManager) -> Result<Result<(), String>, Error> {
    let memory: String = redis::cmd("INFO").arg("memory").query_async(connection).await?;
    let policy = field(&memory, "maxmemory_policy");
    if policy.starts_with("allkeys") {
        return Ok(Err(format!("maxmemory-policy is {policy}, which drops rows; set it to noeviction")));
    }
    let persistence: String = redis::cmd("INFO").arg("persistence").query_async(connection).await?;
    if field(&persistence, "aof_enabled") == "1" {
        return Ok(Ok(()));
    }
    let save: Result<Vec<String>, _> =
        redis::cmd("CONFIG").arg("GET").arg("save").query_async(connection).await;
    match save.ok().and_then(|answer| answer.into_iter().nth(1)) {
        Some(save) if !save.trim().is_empty() => {
            tracing::warn!(
                "this redis only takes snapshots: after its crash, records written since the last one are looked up in Kayako again; \
                 set appendonly yes"
            );
            Ok(Ok(()))
        }
        _ => Ok(Err("it keeps nothing on disk; set appendonly yes and appendfsync everysec".to_owned())),
    }
}

fn field<'a>(info: &'a str, name: &str) -> &'a str {
    info.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(found, _)| *found == name)
        .map_or("", |(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let info = "# Memory\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n";
        assert_eq!(field(info, "maxmemory_policy"), "allkeys-lru");
        assert_eq!(field(info, "maxmemory"), "0");
        assert_eq!(field(info, "policy"), "");
    }

    #[test]
    fn only_this_machine_counts_as_loopback() {
        for (host, expected) in
            [("localhost", true), ("127.0.0.1", true), ("::1", true), ("10.0.0.1", false), ("redis", false)]
        {
            assert_eq!(is_loopback(&ConnectionAddr::Tcp(host.to_owned(), 6379)), expected, "{host}");
        }
    }
}
