//! Whether a disturbed run ended as an undisturbed one.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use sandbox::seed::Company;
use serde_json::Value;
use system_tests::accounts::{Accounts, config};
use system_tests::holding::Holding;
use system_tests::migration::Migration;
use system_tests::{oracle, sums};

use crate::scene::TICKETS;

/// Differences that are shown; the first ones tell what is wrong.
const SHOWN: usize = 10;

/// What an undisturbed run of the same account brings: one entry per object, without what differs between two accounts with the same
/// content.
#[derive(Debug)]
pub struct Reference {
    content: BTreeMap<String, String>,
}

impl Reference {
    /// Moves the account of `seed` without any disturbance.
    pub async fn of(seed: u64) -> Result<Self> {
        let accounts = Accounts::open(config(seed, TICKETS)).await?;
        let mut migration = Migration::in_one_process(&accounts)?;
        let document = migration.carried_out(&["run", "--full"]).await?;
        let this = Self { content: content(&accounts, &accounts.kayako.holding().await?, false) };
        judge(&migration, &document, TICKETS, &this).await?;
        migration.passed();
        Ok(this)
    }
}

/// Fails unless everything has arrived as the oracle expects it and as the undisturbed run brought it, nothing was mailed, nothing
/// was written to the source, and the figures of the run add up. `document` is what its command printed.
pub async fn judge(
    migration: &Migration<'_>,
    document: &Value,
    tickets: u64,
    reference: &Reference,
) -> Result<()> {
    migration.arrived().await?;
    let accounts = migration.accounts;
    ensure!(document["run"]["status"] == "finished", "the run is not finished: {document}");
    sums::adds_up(document, tickets)?;
    sums::reports_add_up(migration, document)?;
    ensure!(accounts.sandbox.zendesk.writes().is_empty(), "the source was written to");
    let holding = accounts.kayako.holding().await?;
    ensure!(holding.mails.len() == accounts.before.mails.len(), "mails were sent: {:?}", holding.mails);
    let now = content(accounts, &holding, migration.killed);
    let mut wrong = Vec::new();
    for (name, value) in &now {
        match reference.content.get(name) {
            None => wrong.push(format!("{name} is there and not after an undisturbed run")),
            Some(undisturbed) if undisturbed != value => {
                wrong.push(format!("{name} is\n    {value}\n  and undisturbed\n    {undisturbed}"));
            }
            Some(_) => {}
        }
    }
    let gone = shown_only_in_listings(&accounts.company);
    let missing = reference.content.keys().filter(|name| !now.contains_key(*name));
    let missing = missing.filter(|name| !(migration.killed && gone.contains(name)));
    wrong.extend(missing.map(|name| format!("{name} is missing")));
    let shown: Vec<&str> = wrong.iter().map(String::as_str).take(SHOWN).collect();
    ensure!(
        shown.is_empty(),
        "{} differences from an undisturbed run:\n  {}",
        wrong.len(),
        shown.join("\n  ")
    );
    Ok(())
}

/// What Kayako holds. `killed`: without people who were deleted for good, who may be there under the stand-in's name; the oracle has
/// looked at them.
fn content(accounts: &Accounts, holding: &Holding, killed: bool) -> BTreeMap<String, String> {
    let gone = if killed { shown_only_in_listings(&accounts.company) } else { Vec::new() };
    let contested = oracle::contested(&accounts.company);
    // Bodies refer to their images by the source's address, and every cell has a source of its own.
    let neutral = |value: &Value| value.to_string().replace(&accounts.sandbox.zendesk_url, "source");
    let masked = holding.masked(&contested);
    masked
        .iter()
        .filter(|(name, _)| !gone.contains(name))
        .map(|(name, value)| (name.clone(), neutral(value)))
        .collect()
}

/// People who were deleted for good, by their name in [`Holding::masked`].
fn shown_only_in_listings(company: &Company) -> Vec<String> {
    (0..company.user_count())
        .filter_map(|place| company.user_at(place))
        .filter(|user| user.permanently_deleted)
        .map(|user| format!("user {}", oracle::origin_key("user", user.id)))
        .collect()
}
