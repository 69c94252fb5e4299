//! Where records go.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::address::{AccountUrl, EmailAddress};
use super::decode::{Decode, Section, section};
use super::problem::Report;
use super::secret::SecretRef;
use super::tree::Node;

/// The Kayako account to write to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Address of the account, such as `https://acme.kayako.com`.
    pub url: AccountUrl,
    /// E-mail of an administrator; stands in for agents who are not in Kayako unless `agents.default` names another.
    pub email: EmailAddress,
    /// The administrator's password.
    pub password: SecretRef,
    /// Mailbox whose channel public posts are filed under. Absent: the account's default mailbox.
    #[serde(default)]
    pub mailbox: Option<EmailAddress>,
    /// Requests per minute that the account allows in each rate class (reading, writing, bulk inserts, files, log-ins).
    /// Absent: unknown, learned from its answers.
    #[serde(default)]
    pub requests_per_minute: Option<NonZeroU32>,
    /// Part of that budget kept free for the people who work in Kayako, 0 to 0.9.
    #[serde(default = "default_reserve")]
    #[schemars(range(min = 0.0, max = 0.9))]
    pub reserve: f64,
    /// Seconds after the last possible sending of a write before its effect is looked for, 31 to 3600. "Exactly once" rests on it: raise it
    /// if the account is slow, never lower it to be faster. Absent: 120.
    #[serde(default)]
    #[schemars(range(min = 31, max = 3600))]
    pub quiet_seconds: Option<u32>,
    /// Seconds a created object may stay invisible to a look-up, 1 to 600. Absent: 30.
    #[serde(default)]
    #[schemars(range(min = 1, max = 600))]
    pub visibility_seconds: Option<u32>,
    /// Origin keys per look-up, 1 to 200.
    #[serde(default = "default_lookup")]
    #[schemars(range(min = 1, max = 200))]
    pub legacy_ids_per_lookup: u32,
    /// Size of a bulk request.
    #[serde(default)]
    pub batch: Batch,
}

fn default_reserve() -> f64 {
    0.1
}

fn default_lookup() -> u32 {
    // Fifty keys of 64 characters keep the address of the request below 4 KiB, which every proxy takes.
    50
}

section! {
    /// Size of a bulk request: whatever is reached first.
    pub struct Batch {
        /// Records, 1 to 200 (Kayako takes no more).
        records: u32 = 200, from 1 to 200;
        /// Bytes, 64 KiB to 32 MiB.
        bytes: u64 = 4_194_304, from 65_536 to 33_554_432;
    }
}

impl Decode for Target {
    fn decode(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        let mut section = Section::open(node, path, report)?;
        let url = section.required("url", "https://acme.kayako.com");
        let email = section.required("email", "admin@acme.example");
        let password = section.required("password", "\"env:KAYAKO_PASSWORD\"");
        let mailbox = section.optional("mailbox");
        let requests_per_minute = section.optional("requests_per_minute");
        let reserve = section.or("reserve", default_reserve());
        section.within("reserve", &reserve, &0.0, &0.9);
        let quiet_seconds: Option<u32> = section.optional("quiet_seconds");
        if let Some(seconds) = quiet_seconds {
            // A request may take 30 seconds; a look-up before its end could miss its effect.
            section.within("quiet_seconds", &seconds, &31, &3600);
        }
        let visibility_seconds: Option<u32> = section.optional("visibility_seconds");
        if let Some(seconds) = visibility_seconds {
            section.within("visibility_seconds", &seconds, &1, &600);
        }
        let legacy_ids_per_lookup = section.or("legacy_ids_per_lookup", default_lookup());
        section.within("legacy_ids_per_lookup", &legacy_ids_per_lookup, &1, &200);
        let batch = section.or("batch", Batch::default());
        section.close();
        Some(Self {
            url: url?,
            email: email?,
            password: password?,
            mailbox,
            requests_per_minute,
            reserve,
            quiet_seconds,
            visibility_seconds,
            legacy_ids_per_lookup,
            batch,
        })
    }
}
