//! Who is calling: API token, OAuth access tokens, and the grants that hand them out.
//!
//! Constraint: a refresh token works once. Refreshing also ends the access token that came with it, so two workers
//! that refresh at the same time lock each other out, as on the real service.

use std::collections::HashMap;

use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;

use super::account::{Account, lock};
use super::answer::{self, Answer, Refused};
use super::config::Config;
use crate::seed::fingerprint;

/// Handed-out tokens.
pub(super) struct Tokens {
    access: HashMap<String, Access>,
    /// Unused refresh tokens, with the access token that came along.
    refresh: HashMap<String, Option<String>>,
    issued: u64,
    seed: u64,
}

struct Access {
    expires_ms: i64,
    scope: String,
}

/// Scopes that the service knows, as far as they matter to a reader.
const SCOPES: [&str; 8] = [
    "read",
    "write",
    "tickets:read",
    "users:read",
    "organizations:read",
    "hc:read",
    "auditlogs:read",
    "impersonate",
];

impl Tokens {
    pub(super) fn new(config: &Config) -> Self {
        let first = config.auth.oauth.as_ref().map(|client| (client.refresh_token.clone(), None));
        Self {
            access: HashMap::new(),
            refresh: first.into_iter().collect(),
            issued: 0,
            seed: config.company.seed(),
        }
    }

    fn issue(&mut self, kind: &str) -> String {
        self.issued += 1;
        format!(
            "{kind}-{:016x}{:016x}",
            fingerprint(self.seed, self.issued),
            fingerprint(self.issued, self.seed)
        )
    }
}

impl Account {
    /// Checks the credentials of a call.
    pub(super) fn admit(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let value =
            headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if let Some(token) = value.strip_prefix("Bearer ") {
            let tokens = lock(&self.0.tokens);
            let access = tokens
                .access
                .get(token)
                .filter(|a| a.expires_ms > self.now_ms())
                .ok_or(Refused::StaleToken)?;
            let known = access.scope.split_whitespace().all(|scope| SCOPES.contains(&scope));
            return if known { Ok(()) } else { Err(Refused::Scope) };
        }
        let basic = value.strip_prefix("Basic ").and_then(|encoded| STANDARD.decode(encoded).ok());
        let basic = basic.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
        let auth = &self.0.config.auth;
        let right =
            auth.api_token.as_ref().is_some_and(|token| basic == format!("{}/token:{token}", auth.email));
        if right { Ok(()) } else { Err(Refused::Anonymous) }
    }

    /// `POST /oauth/tokens`.
    pub(super) fn grant(&self, request: &GrantRequest) -> Answer {
        let client = self.0.config.auth.oauth.as_ref();
        let Some(client) =
            client.filter(|c| c.client_id == request.client_id && c.client_secret == request.client_secret)
        else {
            return Err(refuse(401, "invalid_client", "Client authentication failed."));
        };
        let mut tokens = lock(&self.0.tokens);
        let refreshable = match request.grant_type.as_str() {
            "client_credentials" => false,
            "refresh_token" => {
                let Some(previous) = tokens.refresh.remove(&request.refresh_token) else {
                    let status = self.switches().stale_refresh_status;
                    return Err(refuse(status, "invalid_grant", "Token has been expired or revoked."));
                };
                if let Some(previous) = previous {
                    tokens.access.remove(&previous);
                }
                true
            }
            _ => return Err(refuse(400, "unsupported_grant_type", "The grant type is not supported.")),
        };
        let scope = request.scope.clone().unwrap_or_else(|| "read".to_owned());
        let access = tokens.issue("access");
        let expires_ms = self.now_ms() + self.scaled_ms(client.access_token_seconds);
        tokens.access.insert(access.clone(), Access { expires_ms, scope: scope.clone() });
        let mut body = json!({"access_token": access, "token_type": "bearer", "scope": scope,
            "expires_in": self.scaled_ms(client.access_token_seconds).div_euclid(1000)});
        if refreshable {
            let refresh = tokens.issue("refresh");
            tokens.refresh.insert(refresh.clone(), Some(access));
            body["refresh_token"] = json!(refresh);
            body["refresh_token_expires_in"] = json!(7_776_000);
        }
        answer::ok(&body)
    }
}

/// The body of `POST /oauth/tokens`, as JSON or as a form.
#[derive(Deserialize)]
pub(super) struct GrantRequest {
    grant_type: String,
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    client_secret: String,
    #[serde(default)]
    refresh_token: String,
    scope: Option<String>,
}

fn refuse(status: u16, code: &'static str, description: &'static str) -> Refused {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    Refused::Grant { status, code, description }
}

/// The request for a token cannot be read.
pub(super) fn unreadable() -> Refused {
    refuse(400, "invalid_request", "The request is missing a required parameter.")
}
