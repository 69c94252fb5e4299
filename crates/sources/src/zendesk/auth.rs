//! Credentials: what every request carries, and its renewal.
//!
//! Constraints: a refresh token works once, so renewal happens under the keeper's lock, looks first whether somebody
//! else has renewed meanwhile, and stores the new pair before using it. Tokens are replaced when the account
//! refuses one, never by the clock: machines' clocks differ, and one refused call per token life costs nothing.

use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use url::Url;

use super::endpoint::TOKENS;
use super::http::Http;
use super::limits;
use super::settings::{Auth, Grant, OAuth};
use crate::error::Error;
use crate::tokens::Tokens;

const AUTHORISE_AGAIN: &str =
    "authorise the migration again and put the new refresh token into the plan's source";
const CHECK_CLIENT: &str = "check the OAuth client's identifier, secret and scope in the plan's source";

/// The credentials of one account, with the access token in use.
pub(super) struct Credentials {
    auth: Auth,
    /// Saves a look into the keeper per request.
    current: Mutex<Option<Tokens>>,
}

/// One request's credentials. Kept by the caller to tell [`Credentials::renew`] which ones were refused.
pub(super) struct Ticket {
    pub(super) header: HeaderValue,
    access: Option<SecretString>,
}

impl Credentials {
    pub(super) fn new(auth: Auth) -> Self {
        Self { auth, current: Mutex::new(None) }
    }

    /// What the next request carries.
    pub(super) async fn ticket(&self, http: &Http, base: &Url) -> Result<Ticket, Error> {
        match &self.auth {
            Auth::ApiToken { email, token } => {
                let pair = format!("{email}/token:{}", token.expose_secret());
                header(&format!("Basic {}", STANDARD.encode(pair)))
                    .map(|header| Ticket { header, access: None })
            }
            Auth::Bearer(token) => bearer(token).map(|header| Ticket { header, access: None }),
            Auth::OAuth(oauth) => {
                let access = match self.cached() {
                    Some(tokens) => tokens.access,
                    None => self.replace(oauth, None, http, base).await?,
                };
                Ok(Ticket { header: bearer(&access)?, access: Some(access) })
            }
        }
    }

    /// After a 401: the next ticket, if there is a way to get another one; otherwise the refusal is final.
    pub(super) async fn renew(
        &self,
        refused: &Ticket,
        http: &Http,
        base: &Url,
    ) -> Result<Option<Ticket>, Error> {
        let (Auth::OAuth(oauth), Some(used)) = (&self.auth, &refused.access) else { return Ok(None) };
        let access = self.replace(oauth, Some(used), http, base).await?;
        Ok(Some(Ticket { header: bearer(&access)?, access: Some(access) }))
    }

    /// What a person must do about a refusal.
    pub(super) fn advice(&self) -> &'static str {
        match &self.auth {
            Auth::ApiToken { .. } => {
                "check the e-mail address and the API token, and that API tokens are still switched on in Zendesk's Admin Center"
            }
            Auth::Bearer(_) => "check the access token in the plan's source",
            Auth::OAuth(OAuth { grant: Grant::RefreshToken { .. }, .. }) => AUTHORISE_AGAIN,
            Auth::OAuth(_) => CHECK_CLIENT,
        }
    }

    fn cached(&self) -> Option<Tokens> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember(&self, tokens: &Tokens) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(tokens.clone());
    }

    /// Single-flight: an access token other than the refused one.
    async fn replace(
        &self,
        oauth: &OAuth,
        refused: Option<&SecretString>,
        http: &Http,
        base: &Url,
    ) -> Result<SecretString, Error> {
        let is_refused = |tokens: &Tokens| {
            refused.is_some_and(|used| used.expose_secret() == tokens.access.expose_secret())
        };
        let _turn = oauth.keeper.lock().await?;
        let stored = oauth.keeper.load().await?;
        if let Some(tokens) = stored.as_ref().filter(|tokens| !is_refused(tokens)) {
            self.remember(tokens);
            return Ok(tokens.access.clone());
        }
        let tokens = self.obtain(oauth, stored.as_ref(), http, base).await?;
        oauth.keeper.store(&tokens).await?;
        self.remember(&tokens);
        Ok(tokens.access)
    }

    async fn obtain(
        &self,
        oauth: &OAuth,
        stored: Option<&Tokens>,
        http: &Http,
        base: &Url,
    ) -> Result<Tokens, Error> {
        let first = match &oauth.grant {
            Grant::ClientCredentials { scope } => {
                let grant = client(oauth, json!({"grant_type": "client_credentials", "scope": scope}));
                return ask(http, base, &grant, CHECK_CLIENT).await;
            }
            Grant::RefreshToken { first } => first,
        };
        let refresh = |token: &SecretString| {
            client(oauth, json!({"grant_type": "refresh_token", "refresh_token": token.expose_secret()}))
        };
        let Some(kept) = stored.and_then(|tokens| tokens.refresh.as_ref()) else {
            return ask(http, base, &refresh(first), AUTHORISE_AGAIN).await;
        };
        match ask(http, base, &refresh(kept), AUTHORISE_AGAIN).await {
            // The operator has authorised again: the plan's token is newer than the kept one.
            Err(Error::Credentials { .. }) if first.expose_secret() != kept.expose_secret() => {
                ask(http, base, &refresh(first), AUTHORISE_AGAIN).await
            }
            answer => answer,
        }
    }
}

fn client(oauth: &OAuth, mut grant: Value) -> Value {
    grant["client_id"] = json!(oauth.client_id);
    if let Some(secret) = &oauth.client_secret {
        grant["client_secret"] = json!(secret.expose_secret());
    }
    grant
}

async fn ask(http: &Http, base: &Url, grant: &Value, advice: &'static str) -> Result<Tokens, Error> {
    let response = http.token(base, grant).await?;
    let status = response.status().as_u16();
    match status {
        200..=299 => {}
        429 => {
            let retry_after = limits::retry_after(response.headers());
            return Err(Error::Throttled { endpoint: TOKENS, retry_after });
        }
        408 | 500.. => return Err(Error::ServerFault { endpoint: TOKENS, status }),
        400 | 401 | 403 | 422 => return Err(Error::Credentials { endpoint: TOKENS, advice }),
        _ => {
            return Err(Error::NoAccount {
                endpoint: TOKENS,
                status,
                advice: "check the address in the plan's source",
            });
        }
    }
    let unreadable = |problem| Error::UnreadableAnswer { endpoint: TOKENS, status, problem };
    let body = response.bytes().await.map_err(|error| Error::transport(TOKENS, error))?;
    let body: Value = serde_json::from_slice(&body).map_err(|_| unreadable("it is not JSON"))?;
    let access = body["access_token"].as_str().ok_or_else(|| unreadable("it holds no access token"))?;
    Ok(Tokens {
        access: access.to_owned().into(),
        refresh: body["refresh_token"].as_str().map(|token| token.to_owned().into()),
    })
}

fn bearer(token: &SecretString) -> Result<HeaderValue, Error> {
    header(&format!("Bearer {}", token.expose_secret()))
}

fn header(text: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| Error::Settings { problem: "its credentials hold characters that cannot be sent" })?;
    value.set_sensitive(true);
    Ok(value)
}
