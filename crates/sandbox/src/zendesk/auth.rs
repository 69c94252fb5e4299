//! Who is calling: API token, OAuth access tokens, and the grants that hand them out.
//!
//! Constraint: a refresh token works once. Refreshing also ends the access token that came with it, so two workers
//! that refresh at the same time lock each other out, as on the real service.

use std::collections::HashMap;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;

use super::account::{Account, lock};
use super::answer;
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

/// Why a call is not let in.
pub(super) enum Refusal {
    /// No or wrong credentials.
    Anonymous,
    /// The bearer token is unknown or has expired.
    StaleToken,
    /// The token's scope does not cover anything.
    Scope,
}

impl Refusal {
    pub(super) fn answer(&self) -> Response {
        match self {
            Self::Anonymous => {
                answer::json(StatusCode::UNAUTHORIZED, &json!({"error": "Couldn't authenticate you"}))
            }
            Self::StaleToken => answer::json(
                StatusCode::UNAUTHORIZED,
                &json!({"error": "invalid_token", "error_description":
                    "The access token provided is expired, revoked, malformed or invalid for other reasons."}),
            ),
            Self::Scope => answer::json(
                StatusCode::FORBIDDEN,
                &json!({"error": "Forbidden", "description": "Missing the following required scopes: read"}),
            ),
        }
    }
}

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
    pub(super) fn admit(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let value =
            headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if let Some(token) = value.strip_prefix("Bearer ") {
            let tokens = lock(&self.0.tokens);
            let access = tokens
                .access
                .get(token)
                .filter(|a| a.expires_ms > self.now_ms())
                .ok_or(Refusal::StaleToken)?;
            let known = access.scope.split_whitespace().all(|scope| SCOPES.contains(&scope));
            return if known { Ok(()) } else { Err(Refusal::Scope) };
        }
        let basic = value.strip_prefix("Basic ").and_then(|encoded| STANDARD.decode(encoded).ok());
        let basic = basic.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
        let auth = &self.0.config.auth;
        let right =
            auth.api_token.as_ref().is_some_and(|token| basic == format!("{}/token:{token}", auth.email));
        if right { Ok(()) } else { Err(Refusal::Anonymous) }
    }

    /// `POST /oauth/tokens`.
    pub(super) fn grant(&self, request: &GrantRequest) -> Response {
        let client = self.0.config.auth.oauth.as_ref();
        let Some(client) =
            client.filter(|c| c.client_id == request.client_id && c.client_secret == request.client_secret)
        else {
            return refuse(401, "invalid_client", "Client authentication failed.");
        };
        let mut tokens = lock(&self.0.tokens);
        let refreshable = match request.grant_type.as_str() {
            "client_credentials" => false,
            "refresh_token" => {
                let Some(previous) = tokens.refresh.remove(&request.refresh_token) else {
                    let status = self.switches().stale_refresh_status;
                    return refuse(status, "invalid_grant", "Token has been expired or revoked.");
                };
                if let Some(previous) = previous {
                    tokens.access.remove(&previous);
                }
                true
            }
            _ => return refuse(400, "unsupported_grant_type", "The grant type is not supported."),
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
        answer::json(StatusCode::OK, &body)
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

/// An OAuth error.
pub(super) fn refuse(status: u16, error: &str, description: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    answer::json(status, &json!({"error": error, "error_description": description}))
}
