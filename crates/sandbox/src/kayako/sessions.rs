//! Logging in, sessions, CSRF, the lock after bad passwords, one-time passwords (reference section 2).
//!
//! Constraints. Every Basic call opens a new session. A dead session is refused before any effect.

use std::collections::HashMap;

use axum::http::{HeaderMap, Method};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::call::{Caller, Role};
use super::envelope::{Failure, FreshSession};
use super::params::Query;
use super::rates::RateClass;
use super::state::State;

/// The one-time password that the sandbox accepts.
pub(crate) const ONE_TIME_PASSWORD: &str = "123456";

#[derive(Debug, Clone)]
struct Session {
    user_id: u64,
    /// `None`: CSRF protection was switched off at login.
    csrf: Option<String>,
    opened_ms: i64,
    calls: u64,
    in_flight: u32,
}

/// All sessions and what is known of bad logins.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sessions {
    open: HashMap<String, Session>,
    bad_logins: u32,
    locked_until_ms: i64,
    otp_tokens: HashMap<String, u64>,
    pub(crate) oauth_tokens: Vec<String>,
}

impl Sessions {
    pub(crate) fn expire_all(&mut self) -> usize {
        let open = self.open.len();
        self.open.clear();
        open
    }

    pub(crate) fn close(&mut self, id: &str) {
        self.open.remove(id);
    }

    pub(crate) fn is_open(&self, id: &str) -> bool {
        self.open.contains_key(id)
    }

    /// The call that used the session has been answered.
    pub(crate) fn leave(&mut self, id: &str) {
        if let Some(session) = self.open.get_mut(id) {
            session.in_flight = session.in_flight.saturating_sub(1);
        }
    }
}

impl State {
    /// Whoever asks for a login gets `AUTHENTICATION_LOCKED` until the lock's time is over.
    pub(crate) fn lock_logins(&mut self) {
        self.sessions.locked_until_ms = self.now_ms + self.scaled_ms(self.switches.lock_seconds);
    }

    /// Finds out who calls, or refuses.
    pub(crate) fn authenticate(
        &mut self,
        method: &Method,
        path: &[&str],
        headers: &HeaderMap,
        query: &Query,
    ) -> Result<Caller, Failure> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(id) = header("x-session-id").or_else(|| query.get("_session_id")) {
            return self.resume(id, method, header("x-csrf-token"));
        }
        let authorization = header("authorization").unwrap_or_default();
        if let Some(token) = authorization.strip_prefix("Bearer ").or_else(|| query.get("access_token")) {
            return self.oauth(token, path);
        }
        if let Some(encoded) = authorization.strip_prefix("Basic ") {
            let csrf_off = header("x-csrf").is_some_and(|value| value.eq_ignore_ascii_case("false"));
            let token = header("x-token").or_else(|| query.get("_token"));
            let otp = header("x-otp").or_else(|| query.get("_otp"));
            return self.log_in(encoded, csrf_off, token.zip(otp));
        }
        Err(Failure::new(401, "AUTHORIZATION_REQUIRED", "Log in first"))
    }

    fn resume(&mut self, id: &str, method: &Method, csrf: Option<&str>) -> Result<Caller, Failure> {
        let lifetime = self.scaled_ms(self.switches.session_lifetime_s);
        let dead = if self.switches.dead_session_status == 454 {
            Failure::new(454, "SESSION_LOADING_FAILED", "The session could not be loaded")
        } else {
            Failure::new(401, "AUTHORIZATION_REQUIRED", "The session has expired")
        };
        let Some(session) = self.sessions.open.get_mut(id) else {
            return Err(dead);
        };
        session.calls += 1;
        let too_old = self.switches.session_lifetime_s > 0 && self.now_ms - session.opened_ms >= lifetime;
        let too_used = self.switches.session_max_calls > 0 && session.calls > self.switches.session_max_calls;
        let crowded = self.switches.session_lost_on_concurrent_use && session.in_flight > 0;
        if too_old || too_used || crowded {
            self.sessions.open.remove(id);
            return Err(dead);
        }
        let writes = !matches!(*method, Method::GET | Method::HEAD);
        if writes && session.csrf.is_some() && session.csrf.as_deref() != csrf {
            return Err(Failure::new(403, "CSRF_FAILED", "The CSRF token is missing or wrong"));
        }
        session.in_flight += 1;
        let user_id = session.user_id;
        Ok(self.caller(user_id, Some(id.to_owned()), None))
    }

    fn oauth(&mut self, token: &str, path: &[&str]) -> Result<Caller, Failure> {
        if !self.sessions.oauth_tokens.iter().any(|known| known == token) {
            return Err(Failure::new(401, "AUTHORIZATION_REQUIRED", "The token is not valid"));
        }
        // Endpoints that document no scope (reference section 2.3).
        let scopeless = match path {
            ["bulk", what, ..] => *what == "cases",
            ["files" | "autocomplete" | "categories" | "sections" | "articles", ..]
            | [_, "filter" | "definitions", ..] => true,
            _ => false,
        };
        if scopeless && !self.switches.oauth_without_scope {
            return Err(Failure::permissions_denied());
        }
        Ok(self.caller(1, None, None))
    }

    fn log_in(
        &mut self,
        encoded: &str,
        csrf_off: bool,
        otp: Option<(&str, &str)>,
    ) -> Result<Caller, Failure> {
        if self.now_ms < self.sessions.locked_until_ms {
            let wait = u64::try_from(self.sessions.locked_until_ms - self.now_ms).unwrap_or(0).div_ceil(1000);
            let failure = Failure::new(429, "AUTHENTICATION_LOCKED", "Too many failed logins");
            return Err(failure.retry_after(wait.max(1)));
        }
        self.spend(RateClass::Login)?;
        let user_id =
            BASE64.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok()).and_then(|pair| {
                pair.split_once(':').and_then(|(email, password)| self.check_password(email, password))
            });
        let Some(user_id) = user_id else {
            self.sessions.bad_logins += 1;
            if self.sessions.bad_logins >= self.switches.bad_logins_until_locked {
                self.sessions.bad_logins = 0;
                self.lock_logins();
            }
            return Err(Failure::new(401, "AUTHENTICATION_FAILED", "The e-mail or the password is wrong"));
        };
        self.sessions.bad_logins = 0;
        if self.switches.otp_required {
            let known = otp.is_some_and(|(token, password)| {
                password == ONE_TIME_PASSWORD && self.sessions.otp_tokens.get(token) == Some(&user_id)
            });
            if !known {
                let token = self.token();
                self.sessions.otp_tokens.insert(token.clone(), user_id);
                let mut failure = Failure::new(403, "OTP_EXPECTED", "A one-time password is expected");
                failure.auth_token = Some(token);
                return Err(failure);
            }
        }
        let id = self.token();
        let csrf = if csrf_off { None } else { Some(self.token()) };
        let session = Session { user_id, csrf: csrf.clone(), opened_ms: self.now_ms, calls: 1, in_flight: 1 };
        self.sessions.open.insert(id.clone(), session);
        Ok(self.caller(user_id, Some(id.clone()), Some(FreshSession { id, csrf })))
    }

    fn check_password(&self, email: &str, password: &str) -> Option<u64> {
        let user_id = self.user_of_email(email)?;
        let user = self.users.get(user_id)?;
        (user.is_enabled && user.password.as_deref() == Some(password)).then_some(user_id)
    }

    fn caller(&self, user_id: u64, session: Option<String>, fresh: Option<FreshSession>) -> Caller {
        let role = self.users.get(user_id).and_then(|user| self.role(user.role_id)).unwrap_or(Role::Customer);
        let file_owner = session.as_deref().map_or_else(|| "o:oauth".to_owned(), |id| format!("s:{id}"));
        Caller { user_id, role, file_owner, session, fresh }
    }
}
