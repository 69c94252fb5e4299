//! Where records come from.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::address::{AccountUrl, EmailAddress};
use super::decode::{Decode, Section, choice};
use super::problem::Report;
use super::secret::SecretRef;
use super::tree::Node;

/// The help desk to read from, by its kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Source {
    /// A Zendesk account.
    Zendesk(Zendesk),
}

impl Source {
    /// Stable name of the help desk: first part of origin keys.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Zendesk(_) => "zendesk",
        }
    }

    /// The account's address.
    pub fn url(&self) -> &AccountUrl {
        match self {
            Self::Zendesk(zendesk) => &zendesk.url,
        }
    }

    /// Every secret that reading the source needs.
    pub fn secrets(&self) -> Vec<&SecretRef> {
        match self {
            Self::Zendesk(Zendesk { auth: ZendeskAuth::Token(token), .. }) => vec![&token.api_token],
            Self::Zendesk(Zendesk { auth: ZendeskAuth::OAuth(OAuthAccess { oauth }), .. }) => {
                std::iter::once(&oauth.client_secret).chain(&oauth.refresh_token).collect()
            }
        }
    }
}

/// A Zendesk account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Zendesk {
    /// Address of the account, such as `https://acme.zendesk.com`.
    pub url: AccountUrl,
    /// Credentials of an administrator; others silently see fewer tickets.
    pub auth: ZendeskAuth,
    /// Requests per minute that the account may make in all. Absent: taken from the account's answers.
    #[serde(default)]
    pub requests_per_minute: Option<NonZeroU32>,
    /// Part of that budget which the migration uses, 0.01 to 1. The rest is left to the people and apps that work there.
    #[serde(default = "default_share")]
    #[schemars(range(min = 0.01, max = 1.0))]
    pub share: f64,
    /// Reads every person's further addresses and phone numbers: complete, at the price of one request per person.
    #[serde(default = "default_identities")]
    pub identities: bool,
    /// Records per listing page, 1 to 1000. Lower it when pages time out.
    #[serde(default = "default_page_size")]
    #[schemars(range(min = 1, max = 1000))]
    pub page_size: u32,
}

fn default_share() -> f64 {
    // Half to 70 % of the budget is what live desks usually leave free.
    0.6
}

fn default_identities() -> bool {
    true
}

fn default_page_size() -> u32 {
    // The most an incremental export gives is 1000; a tenth keeps a page task short and its memory small.
    100
}

/// How to sign in at Zendesk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ZendeskAuth {
    /// E-mail and API token. Zendesk ends all API tokens on 30 April 2027.
    Token(TokenAccess),
    /// OAuth.
    OAuth(OAuthAccess),
}

/// E-mail and API token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenAccess {
    /// E-mail of an administrator.
    pub email: EmailAddress,
    /// The API token.
    pub api_token: SecretRef,
}

/// OAuth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OAuthAccess {
    /// The client.
    pub oauth: OAuth,
}

/// An OAuth client of the account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OAuth {
    /// The client's unique identifier.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: SecretRef,
    /// A refresh token to begin with; it is used once and replaced by its successors, which the ledger keeps. Absent: the client's own
    /// credentials are the grant.
    #[serde(default)]
    pub refresh_token: Option<SecretRef>,
}

impl Decode for Source {
    fn decode(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        #[derive(Clone, Copy)]
        struct Known;
        impl Decode for Known {
            fn decode(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
                choice(node, path, report, &[("zendesk", Self)])
            }
        }
        let mut section = Section::open(node, path, report)?;
        let kind: Option<Known> = section.required("kind", "zendesk");
        let url = section.required("url", "https://acme.zendesk.com");
        let auth =
            section.required("auth", "{ email: admin@acme.example, api_token: \"env:ZENDESK_API_TOKEN\" }");
        let requests_per_minute = section.optional("requests_per_minute");
        let share = section.or("share", default_share());
        section.within("share", &share, &0.01, &1.0);
        let identities = section.or("identities", default_identities());
        let page_size = section.or("page_size", default_page_size());
        section.within("page_size", &page_size, &1, &1000);
        section.close();
        let Known = kind?;
        Some(Self::Zendesk(Zendesk {
            url: url?,
            auth: auth?,
            requests_per_minute,
            share,
            identities,
            page_size,
        }))
    }
}

impl Decode for ZendeskAuth {
    fn decode(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        let mut section = Section::open(node, path, report)?;
        if section.has("oauth") {
            if section.has("email") || section.has("api_token") {
                section.problem(
                    "oauth",
                    "stands beside an API token",
                    "keep either oauth or email and api_token",
                );
                section.optional::<EmailAddress>("email");
                section.optional::<SecretRef>("api_token");
            }
            let oauth = section.required("oauth", "{ client_id: .., client_secret: \"env:..\" }");
            section.close();
            return Some(Self::OAuth(OAuthAccess { oauth: oauth? }));
        }
        let email = section.required("email", "admin@acme.example");
        let api_token = section.required("api_token", "\"env:ZENDESK_API_TOKEN\"");
        // Known, so that a misspelled `oauth` is recognised.
        section.optional::<OAuth>("oauth");
        section.close();
        Some(Self::Token(TokenAccess { email: email?, api_token: api_token? }))
    }
}

impl Decode for OAuth {
    fn decode(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        let mut section = Section::open(node, path, report)?;
        let client_id = section.required("client_id", "kayako_migrate");
        let client_secret = section.required("client_secret", "\"env:ZENDESK_CLIENT_SECRET\"");
        let refresh_token = section.optional("refresh_token");
        section.close();
        Some(Self { client_id: client_id?, client_secret: client_secret?, refresh_token })
    }
}
