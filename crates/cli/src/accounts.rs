//! Opens the two accounts that a plan names.
//!
//! Constraint: a process resolves only the secrets that its role needs: an extractor the source's, a loader Kayako's.

use std::sync::Arc;

use kayako::{Client, ClientConfig, Credentials, Gate, Timeouts};
use ledger::Ledger;
use model::plan::{OAuthAccess, Plan, SecretRef, Source as SourcePlan, ZendeskAuth};
use model::timing::Timing;
use runtime::{Context, Variables};
use secrecy::SecretString;
use sources::zendesk::{Auth, Grant, Identities, OAuth, Settings, Zendesk};
use sources::{InProcessKeeper, Pace, Source, TokenKeeper};
use wire::Wire;

use crate::failure::{Code, Failure};

/// Reads a secret that a plan names.
pub(crate) fn secret(reference: &SecretRef, variables: &Variables) -> Result<SecretString, Failure> {
    reference
        .resolve(&|name| variables.get(name).map(str::to_owned), &|path| std::fs::read_to_string(path))
        .map_err(|error| {
            let sentence = format!("the secret {reference} that the plan names is not there");
            Failure::new(Code::SecretMissing, sentence).because(error)
        })
}

/// Where the OAuth tokens of a source are kept: in the ledger, shared and sealed, or for this process only.
pub(crate) enum Tokens<'a> {
    /// Shared through the ledger; refresh tokens are good for one use, so everything that may use one needs this.
    Shared {
        /// The migration's ledger.
        ledger: &'a Ledger,
        /// Time and randomness.
        context: &'a Context,
        /// Unique name of this process.
        owner: &'a str,
    },
    /// For credentials that can be used any number of times.
    Own,
}

/// The ways to the two accounts; absent: over the network.
#[derive(Debug, Clone, Default)]
pub struct Wires {
    /// To the source.
    pub source: Option<Arc<dyn Wire>>,
    /// To Kayako.
    pub target: Option<Arc<dyn Wire>>,
}

impl Wires {
    /// Over the network, both.
    pub fn network() -> Self {
        Self::default()
    }
}

/// The source account of a plan; calls nothing.
pub(crate) fn source(
    plan: &Plan,
    variables: &Variables,
    pace: Arc<dyn Pace>,
    tokens: &Tokens<'_>,
    wires: &Wires,
) -> Result<Arc<dyn Source>, Failure> {
    let SourcePlan::Zendesk(zendesk) = &plan.source;
    let auth = match &zendesk.auth {
        ZendeskAuth::Token(access) => {
            Auth::ApiToken { email: access.email.to_string(), token: secret(&access.api_token, variables)? }
        }
        ZendeskAuth::OAuth(OAuthAccess { oauth }) => {
            let client_secret = secret(&oauth.client_secret, variables)?;
            let grant = match &oauth.refresh_token {
                Some(first) => Grant::RefreshToken { first: secret(first, variables)? },
                None => Grant::ClientCredentials { scope: "read".to_owned() },
            };
            let keeper: Arc<dyn TokenKeeper> = match tokens {
                Tokens::Shared { ledger, context, owner } => extractor::LedgerKeeper::new(
                    (*ledger).clone(),
                    (*context).clone(),
                    &client_secret,
                    (*owner).to_owned(),
                ),
                Tokens::Own => Arc::new(InProcessKeeper::default()),
            };
            Auth::OAuth(OAuth {
                client_id: oauth.client_id.clone(),
                client_secret: Some(client_secret),
                grant,
                keeper,
            })
        }
    };
    let mut settings = Settings::new(zendesk.url.as_url().clone(), auth);
    // The plan's own check keeps it between 1 and 1000.
    settings.page_size = u16::try_from(zendesk.page_size).unwrap_or(1_000);
    settings.identities = if zendesk.identities { Identities::Always } else { Identities::Never };
    settings.attachment_limit = plan.limits.max_attachment_bytes;
    settings.wire.clone_from(&wires.source);
    Ok(Arc::new(Zendesk::new(settings, pace)?))
}

/// The Kayako account of a plan; calls nothing.
pub(crate) fn target(
    plan: &Plan,
    variables: &Variables,
    timing: &Timing,
    gate: Arc<dyn Gate>,
    wires: &Wires,
) -> Result<Client, Failure> {
    let credentials = Credentials::Password {
        email: plan.target.email.to_string(),
        password: secret(&plan.target.password, variables)?,
    };
    let mut config = ClientConfig::new(plan.target.url.as_url().clone(), credentials);
    // A write must end while its sender still holds the record; `Timing` relates the two.
    config.timeouts = Timeouts {
        connect: config.timeouts.connect.min(timing.request_timeout),
        request: timing.request_timeout,
        bulk: timing.request_timeout,
        ..config.timeouts
    };
    config.max_in_flight = plan.limits.load_in_flight;
    config.legacy_ids_per_lookup = usize::try_from(plan.target.legacy_ids_per_lookup).unwrap_or(50);
    config.wire.clone_from(&wires.target);
    Ok(Client::new(config, gate)?)
}
