//! What the account is like: its data, credentials, limits, and everything the service leaves open.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::ClockConfig;
use crate::seed::{Company, OWNER_EMAIL, Size};

/// The address of the demo's reader: the account's owner.
pub const EMAIL: &str = OWNER_EMAIL;
/// The demo's API token.
pub const API_TOKEN: &str = "sandbox-zendesk-token";

/// A Zendesk account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The data.
    pub company: Company,
    /// Who may read.
    pub auth: Auth,
    /// Calls per minute.
    pub limits: Limits,
    /// Behaviour that differs between accounts or is unknown; changeable at run time.
    pub switches: Switches,
    /// Length of a "minute" and of a token's life relative to the real ones. 0.01 makes a rate window 0.6 s.
    pub time_scale: f64,
    /// The account's clock.
    pub clock: ClockConfig,
    /// Base URL of the host that holds attachments' bytes, for example `http://files.test:8081`. It must lead to this
    /// server under another host name than the account's. Without it `localhost` and `127.0.0.1` stand for each other.
    pub content_base: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            company: Company::new(1, Size::sample()),
            auth: Auth::default(),
            limits: Limits::unlimited(),
            switches: Switches::default(),
            time_scale: 1.0,
            clock: ClockConfig::default(),
            content_base: None,
        }
    }
}

/// Credentials that the account accepts.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// The reader's address; also what `users/me` shows.
    pub email: String,
    /// API token for Basic `email/token:TOKEN`; none = the account has tokens switched off.
    pub api_token: Option<String>,
    /// OAuth client; none = all bearer tokens are refused.
    pub oauth: Option<OauthClient>,
}

/// An OAuth client of the account.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OauthClient {
    /// Its identifier.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// The refresh token that was handed out first.
    pub refresh_token: String,
    /// How long an access token lives, in seconds (times `time_scale`). Recent clients: 1,800.
    pub access_token_seconds: u64,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            email: EMAIL.to_owned(),
            api_token: Some(API_TOKEN.to_owned()),
            oauth: Some(OauthClient::default()),
        }
    }
}

impl Default for OauthClient {
    fn default() -> Self {
        Self {
            client_id: "sandbox-client".to_owned(),
            client_secret: "sandbox-client-secret".to_owned(),
            refresh_token: "sandbox-refresh-token".to_owned(),
            access_token_seconds: 1_800,
        }
    }
}

// Written by hand: credentials never reach a log, not even these.
impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("email", &self.email).field("oauth", &self.oauth).finish_non_exhaustive()
    }
}

impl fmt::Debug for OauthClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OauthClient")
            .field("client_id", &self.client_id)
            .field("access_token_seconds", &self.access_token_seconds)
            .finish_non_exhaustive()
    }
}

/// Calls per minute; 0 = unlimited (no headers either).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// All calls of the account.
    pub account: u32,
    /// `/incremental/*` in the time-based form.
    pub incremental: u32,
    /// `/incremental/*/cursor`.
    pub incremental_cursor: u32,
    /// `/tickets`.
    pub tickets: u32,
    /// `/tickets` beyond page 500.
    pub tickets_deep: u32,
    /// `/ticket_fields`.
    pub ticket_fields: u32,
    /// Attachments' bytes.
    pub attachments: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self::unlimited()
    }
}

impl Limits {
    /// No limit at all.
    pub const fn unlimited() -> Self {
        Self {
            account: 0,
            incremental: 0,
            incremental_cursor: 0,
            tickets: 0,
            tickets_deep: 0,
            ticket_fields: 0,
            attachments: 0,
        }
    }

    /// The documented limits of a plan with this many calls a minute: 200 (Team), 400 (Growth, Professional),
    /// 700 (Enterprise) or 2,500 (Enterprise Plus, High Volume).
    pub const fn plan(account: u32) -> Self {
        let high_volume = account >= 2_500;
        Self {
            account,
            incremental: if high_volume { 30 } else { 10 },
            incremental_cursor: if high_volume { 30 } else { 20 },
            tickets: if high_volume { 300 } else { 100 },
            tickets_deep: 50,
            ticket_fields: 20,
            attachments: 2_500,
        }
    }
}

/// Whether an account has a feature, and how it says no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Feature {
    /// It has it.
    Present,
    /// 403 with an HTML page.
    Forbidden,
    /// 404 `InvalidEndpoint`.
    Missing,
}

/// Behaviour that differs between accounts, or that nobody outside the service knows for sure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches")]
pub struct Switches {
    /// Ticket forms.
    pub ticket_forms: Feature,
    /// Custom statuses.
    pub custom_statuses: Feature,
    /// Attachments can only be had with credentials ("private attachments").
    pub private_attachments: bool,
    /// The caller is an admin; if not, exports answer 403.
    pub caller_is_admin: bool,
    /// About one export page in this many repeats the last record of the page before; 0 = none.
    pub repeat_every: u64,
    /// An export page with nothing new answers `after_cursor: null`.
    pub null_cursor_when_idle: bool,
    /// Exports leave out what changed within the last minute (times `time_scale`), and refuse a younger `start_time`.
    pub one_minute_rule: bool,
    /// `include=identities` works on the user export.
    pub identities_side_load: bool,
    /// `tickets/count` leaves archived tickets out.
    pub count_without_archived: bool,
    /// Counts above 100,000 stay at 100,000 and have no time.
    pub capped_counts: bool,
    /// `search/count` answers a bare number instead of an object.
    pub plain_search_count: bool,
    /// HTTP status of a refresh token that was used before: 400 or 401.
    pub stale_refresh_status: u16,
    /// Raising it makes all attachment addresses that were handed out before go stale (404).
    pub attachment_generation: u64,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            ticket_forms: Feature::Present,
            custom_statuses: Feature::Present,
            private_attachments: false,
            caller_is_admin: true,
            repeat_every: 4,
            null_cursor_when_idle: true,
            one_minute_rule: true,
            identities_side_load: true,
            count_without_archived: true,
            capped_counts: false,
            plain_search_count: false,
            stale_refresh_status: 400,
            attachment_generation: 0,
        }
    }
}
