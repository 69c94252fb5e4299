//! Attachments' bytes.
//!
//! Constraints
//! - Credentials go to the account's own host only, and never along a redirect: the storage host is a third party.
//! - An address inside a payload may name another host (brand, mapping, renamed account): the path is then asked for on the account's host.
//! - Tokens in addresses go stale: the attachment's id travels in the address's fragment, which is never sent, and gets
//!   a fresh address once.
//! - What comes back is either the file's bytes or an error: a login page must not be stored as somebody's invoice.

use bytes::Bytes;
use futures::StreamExt as _;
use model::SourceId;
use model::record::Content;
use reqwest::Response;
use reqwest::header::{CONTENT_DISPOSITION, CONTENT_TYPE, LOCATION};
use serde_json::Value;
use url::Url;

use super::client::{Answer, Client, RIGHTS};
use super::endpoint::{ATTACHMENT, ATTACHMENT_CONTENT, ATTACHMENTS};
use super::http::Expect;
use super::limits::retry_after;
use super::raw;
use super::settings::{is_loopback, is_private};
use crate::error::{Error, LostCause};
use crate::source::{Absence, Download, Transfer};

/// Account, storage, and one more in case the storage moves.
const MOST_REDIRECTS: usize = 4;
const ENDPOINT: &str = ATTACHMENT_CONTENT;

/// The address of an attachment as a record holds it.
pub(super) fn address(content_url: &str, id: &SourceId, base: &Url) -> Option<String> {
    let mut url = base.join(content_url).ok()?;
    if url.path().starts_with("/attachments/") || url.path().starts_with("/api/") {
        let path_and_query = url[url::Position::BeforePath..url::Position::AfterQuery].to_owned();
        url = base.join(&path_and_query).ok()?;
    }
    url.set_fragment(Some(id.as_str()));
    Some(url.into())
}

/// Where a record says that a file's bytes are.
pub(super) fn content(file: &Value, id: &SourceId, base: &Url) -> Content {
    let missing = |absence: Absence| Content::Missing(absence.word().to_owned());
    if let Some(absence) = absence(file) {
        return missing(absence);
    }
    raw::text(&file["content_url"])
        .and_then(|url| address(&url, id, base))
        .map_or_else(|| missing(Absence::NotFound), Content::AtSource)
}

/// Why the source's own description of a file says that there is nothing to fetch.
fn absence(file: &Value) -> Option<Absence> {
    let infected =
        file["malware_scan_result"] == "malware_found" && !raw::is_true(&file["malware_access_override"]);
    if raw::is_true(&file["deleted"]) { Some(Absence::Deleted) } else { infected.then_some(Absence::Malware) }
}

/// What following an address came to.
enum Followed {
    Found(Transfer),
    TooLarge,
    /// The account refuses this file: found to be malware since, or out of the credentials' reach.
    Refused,
    /// The address leads nowhere (any more).
    Stale,
}

/// Fetches an attachment.
pub(super) async fn download(client: &Client, address: &str, limit: u64) -> Result<Download, Error> {
    let mut url = Url::parse(address).map_err(|_| Error::Address { problem: "it is no address" })?;
    let id = url.fragment().filter(|id| id.bytes().all(|b| b.is_ascii_digit())).map(SourceId::new);
    url.set_fragment(None);
    match follow(client, url, limit).await? {
        Followed::Found(transfer) => return Ok(Download::Found(transfer)),
        Followed::TooLarge => return Ok(Download::Missing(Absence::TooLarge)),
        Followed::Refused | Followed::Stale => {}
    }
    // The description tells why, or gives a fresh address.
    let gone = Ok(Download::Missing(Absence::NotFound));
    let Some(id) = id else { return gone };
    let Answer::Found(answer) = client.get(ATTACHMENT, &ATTACHMENT.path(id.as_str()), &[]).await? else {
        return gone;
    };
    let file = &answer["attachment"];
    if let Some(absence) = absence(file) {
        return Ok(Download::Missing(absence));
    }
    let fresh = raw::text(&file["content_url"]).and_then(|url| self::address(&url, &id, &client.base));
    let Some(mut url) = fresh.and_then(|address| Url::parse(&address).ok()) else { return gone };
    url.set_fragment(None);
    match follow(client, url, limit).await? {
        Followed::Found(transfer) => Ok(Download::Found(transfer)),
        Followed::TooLarge => Ok(Download::Missing(Absence::TooLarge)),
        Followed::Stale => gone,
        Followed::Refused => Err(Error::Forbidden { endpoint: ENDPOINT, status: 403, advice: RIGHTS }),
    }
}

async fn follow(client: &Client, mut url: Url, limit: u64) -> Result<Followed, Error> {
    for _ in 0..=MOST_REDIRECTS {
        acceptable(&url, &client.base)?;
        let own = same_origin(&url, &client.base);
        let response = if own {
            client.send(ENDPOINT, url.clone(), Some(ATTACHMENTS), None, Expect::File).await?
        } else {
            client.http.get(ENDPOINT, url.clone(), None, Expect::File).await?
        };
        let status = response.status().as_u16();
        match status {
            200 => return received(response, &url, limit),
            301 | 302 | 303 | 307 | 308 => {
                let target = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
                let next = target.and_then(|to| url.join(to).ok());
                url = next.ok_or_else(|| unreadable(status, "it is a redirect to nowhere"))?;
                if same_origin(&url, &client.base) && is_login(&url) {
                    return Err(client.not_logged_in(ENDPOINT));
                }
            }
            403 if own => return Ok(Followed::Refused),
            // The storage host answers an address whose time is over with one of these.
            400..=403 if !own => return Ok(Followed::Stale),
            404 | 410 => return Ok(Followed::Stale),
            429 => {
                let retry_after = retry_after(response.headers());
                return Err(Error::Throttled { endpoint: ENDPOINT, retry_after });
            }
            408 | 409 | 500.. => return Err(Error::ServerFault { endpoint: ENDPOINT, status }),
            _ => return Err(Error::Refused { endpoint: ENDPOINT, status }),
        }
    }
    Err(unreadable(302, "it redirects in a circle"))
}

fn received(response: Response, url: &Url, limit: u64) -> Result<Followed, Error> {
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let content_type = header(CONTENT_TYPE);
    let is_page = content_type.as_deref().is_some_and(|kind| kind.trim_start().starts_with("text/html"));
    let is_file = header(CONTENT_DISPOSITION).is_some_and(|how| how.trim_start().starts_with("attachment"));
    if is_page && !is_file && !names_a_page(url) {
        return Err(unreadable(200, "a web page (HTML) came instead of the file"));
    }
    let length = response.content_length();
    if length.is_some_and(|length| length > limit) {
        return Ok(Followed::TooLarge);
    }
    Ok(Followed::Found(Transfer { content_type, length, body: limited(response, length, limit) }))
}

/// The bytes, with an end that proves that they are all there and not too many.
fn limited(
    response: Response,
    length: Option<u64>,
    limit: u64,
) -> futures::stream::BoxStream<'static, Result<Bytes, Error>> {
    struct Reading {
        response: Response,
        read: u64,
        over: bool,
    }
    let start = Reading { response, read: 0, over: false };
    futures::stream::unfold(start, move |mut reading| async move {
        if reading.over {
            return None;
        }
        let part = match reading.response.chunk().await {
            Ok(Some(part)) => {
                reading.read += part.len() as u64;
                if reading.read > limit { Err(Error::TooLarge { limit }) } else { Ok(part) }
            }
            Ok(None) if length.is_some_and(|length| reading.read < length) => {
                Err(Error::NoAnswer { endpoint: ENDPOINT, cause: LostCause::Body, source: None })
            }
            Ok(None) => return None,
            Err(error) => Err(Error::transport(ENDPOINT, error)),
        };
        reading.over = part.is_err();
        Some((part, reading))
    })
    .boxed()
}

fn acceptable(url: &Url, base: &Url) -> Result<(), Error> {
    if same_origin(url, base) {
        return Ok(());
    }
    // A sandbox on this machine has its files on this machine; an account on the internet has not.
    let at_home = is_loopback(base);
    match url.scheme() {
        "https" | "http" if at_home && is_loopback(url) => Ok(()),
        "https" if !is_private(url) => Ok(()),
        "https" => Err(Error::Address { problem: "it leads into a private network" }),
        _ => Err(Error::Address { problem: "it is not https" }),
    }
}

fn same_origin(url: &Url, base: &Url) -> bool {
    url.origin() == base.origin()
}

fn is_login(url: &Url) -> bool {
    ["/access", "/auth", "/login"].iter().any(|path| url.path().starts_with(path))
}

/// Whether the address itself says that the file is an HTML page.
fn names_a_page(url: &Url) -> bool {
    let named = url.query_pairs().find(|(key, _)| key == "name").map(|(_, name)| name.into_owned());
    let name = named.unwrap_or_else(|| url.path().to_owned()).to_lowercase();
    [".html", ".htm", ".xhtml"].iter().any(|end| name.ends_with(end))
}

fn unreadable(status: u16, problem: &'static str) -> Error {
    Error::UnreadableAnswer { endpoint: ENDPOINT, status, problem }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_are_pinned_to_the_account_and_carry_the_id() {
        let base = url("https://acme.zendesk.com/");
        let pinned = "https://acme.zendesk.com/attachments/token/T/?name=a%20b.txt#91";
        for given in [
            "https://acme.zendesk.com/attachments/token/T/?name=a%20b.txt",
            "https://help.acme.example/attachments/token/T/?name=a%20b.txt",
            "/attachments/token/T/?name=a%20b.txt",
        ] {
            assert_eq!(address(given, &"91".into(), &base).as_deref(), Some(pinned));
        }
        let foreign = address("https://files.example/x.bin", &"92".into(), &base);
        assert_eq!(foreign.as_deref(), Some("https://files.example/x.bin#92"));
    }

    #[test]
    fn redirects_into_our_own_network_or_without_tls_are_refused() {
        let account = url("https://acme.zendesk.com/");
        assert!(acceptable(&url("https://p10.zdusercontent.com/a"), &account).is_ok());
        for bad in [
            "http://p10.zdusercontent.com/a",
            "https://169.254.169.254/latest",
            "https://127.0.0.1/",
            "ftp://x.example/",
        ] {
            assert!(acceptable(&url(bad), &account).is_err(), "{bad}");
        }
        assert!(acceptable(&url("http://localhost:1/x"), &url("http://127.0.0.1:2/")).is_ok());
    }
}
