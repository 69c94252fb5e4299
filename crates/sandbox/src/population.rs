//! Who exists in the Kayako account before a migration begins.
//!
//! Constraints. People carry other names and values than in the source, so that overwriting them would be seen. Who exists
//! depends on the seed only.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::SandboxConfig;
use crate::kayako::{Account, AccountError, NewPerson};
use crate::seed::Person;

/// Ends the name of everybody who existed beforehand.
pub const KNOWN_BEFORE: &str = " (known before)";

/// Creates the agents and the share of the customers that the configuration asks for.
pub(crate) fn fill(account: &Account, config: &SandboxConfig) -> Result<(), AccountError> {
    let company = config.zendesk.company.normalized();
    let agents = company.agents();
    let present = agents.len().saturating_sub(config.missing_agents);
    for agent in &agents[..present] {
        add(account, agent, true)?;
    }
    let mut draw = ChaCha8Rng::seed_from_u64(config.seed);
    for customer in company.end_user_emails(0..company.size().end_users) {
        if draw.random::<f64>() < config.existing_share {
            add(account, &customer, false)?;
        }
    }
    Ok(())
}

fn add(account: &Account, person: &Person, is_agent: bool) -> Result<(), AccountError> {
    let known = NewPerson {
        full_name: format!("{}{KNOWN_BEFORE}", person.name),
        email: person.email.clone(),
        is_agent,
        designation: Some("known before".to_owned()),
        time_zone: Some("Africa/Abidjan".to_owned()),
    };
    match account.add_person(&known) {
        // The owner of both accounts is one person, and two users of the source may share an address.
        Ok(_) | Err(AccountError::Refused { code: "FIELD_DUPLICATE", .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
