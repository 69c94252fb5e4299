//! The session: logged in once, renewed when it dies, replaced when an answer brings another.
//!
//! Constraints: one log-in at a time inside the process (and, through the gate, per account); a log-in that has
//! begun runs to its end even when the call that wanted it is cancelled, because the gate must learn how it ended;
//! after a refused log-in no other is tried until an operator acts, because Kayako locks the account.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use crate::error::Error;
use crate::transport::{CSRF_TOKEN, SESSION};

/// Counts the sessions a client has had. Uploaded files belong to the generation they were uploaded in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SessionGeneration(u64);

impl SessionGeneration {
    /// The bare number; 0 before the first log-in.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for SessionGeneration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One session. Immutable, except for the note that it has worked.
pub(crate) struct Session {
    headers: HeaderMap,
    id: Option<String>,
    pub(crate) generation: SessionGeneration,
    /// Whether any call has succeeded in it: a 401 then means "expired", otherwise "these credentials do not help".
    proven: AtomicBool,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session(generation {}, redacted)", self.generation)
    }
}

impl Session {
    pub(crate) fn bearer(token: &str) -> Result<Self, Error> {
        let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| Error::Config {
            problem: "the token contains characters that no header can carry",
        })?;
        value.set_sensitive(true);
        let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
        Ok(Self { headers, id: None, generation: SessionGeneration(0), proven: AtomicBool::new(false) })
    }

    /// `None` when the id cannot be sent in a header.
    fn with_id(id: String, csrf: Option<HeaderValue>, generation: SessionGeneration) -> Option<Self> {
        let mut value = HeaderValue::from_str(&id).ok()?;
        value.set_sensitive(true);
        let mut headers = HeaderMap::from_iter([(SESSION, value)]);
        if let Some(mut csrf) = csrf {
            csrf.set_sensitive(true);
            headers.insert(CSRF_TOKEN, csrf);
        }
        Some(Self { headers, id: Some(id), generation, proven: AtomicBool::new(false) })
    }

    pub(crate) fn headers(&self) -> HeaderMap {
        self.headers.clone()
    }

    pub(crate) fn prove(&self) {
        self.proven.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_proven(&self) -> bool {
        self.proven.load(Ordering::Relaxed)
    }
}

/// The result of the last log-in that gave no session.
#[derive(Debug, Clone)]
pub(crate) struct FailedLogin {
    /// Which try it was: those who were waiting for it share its failure instead of trying one after the other.
    pub(crate) attempt: u64,
    pub(crate) error: Error,
    /// No further try until an operator acts.
    pub(crate) refused: bool,
}

#[derive(Debug, Default)]
struct LoginState {
    attempts: u64,
    failed: Option<FailedLogin>,
}

/// The current session and the history of log-ins.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    current: RwLock<Option<Arc<Session>>>,
    generation: Mutex<SessionGeneration>,
    state: Mutex<LoginState>,
    pub(crate) login: Arc<tokio::sync::Mutex<()>>,
}

impl Sessions {
    pub(crate) fn current(&self) -> Option<Arc<Session>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn generation(&self) -> SessionGeneration {
        *self.generation.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a session into use. `replacing` says which one it follows (`None`: after a log-in); if that one is no
    /// longer current, another call was quicker and nothing happens. `false` when the id cannot be used.
    pub(crate) fn adopt(
        &self,
        id: &str,
        csrf: Option<HeaderValue>,
        replacing: Option<&Arc<Session>>,
    ) -> bool {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = replacing {
            let superseded = current.as_ref().is_none_or(|now| !Arc::ptr_eq(now, old));
            if superseded || old.id.is_none() || old.id.as_deref() == Some(id) {
                return true;
            }
        }
        let mut generation = self.generation.lock().unwrap_or_else(PoisonError::into_inner);
        let next = SessionGeneration(generation.0 + 1);
        // The protection of a session stays as it was negotiated at the log-in unless the answer says otherwise.
        let csrf = csrf.or_else(|| replacing.and_then(|old| old.headers.get(CSRF_TOKEN).cloned()));
        let Some(session) = Session::with_id(id.to_owned(), csrf, next) else { return false };
        if replacing.is_some() {
            session.prove();
        }
        *generation = next;
        *current = Some(Arc::new(session));
        true
    }

    /// Forgets a dead session, unless it has been replaced already.
    pub(crate) fn forget(&self, dead: &Arc<Session>) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|now| Arc::ptr_eq(now, dead)) {
            *current = None;
        }
    }

    pub(crate) fn attempts(&self) -> u64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).attempts
    }

    pub(crate) fn failed_login(&self) -> Option<FailedLogin> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).failed.clone()
    }

    pub(crate) fn note_login(&self, failure: Option<(Error, bool)>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.attempts += 1;
        let attempt = state.attempts;
        state.failed = failure.map(|(error, refused)| FailedLogin { attempt, error, refused });
    }

    pub(crate) fn allow_login_again(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).failed = None;
    }
}
