//! Sends calls: budget, connection, session, exchange, reading; and the one repeat after a dead session.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use secrecy::ExposeSecret;
use serde::de::{DeserializeOwned, IgnoredAny};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

use crate::answer::{self, Answer};
use crate::call::{Call, Effect, Request, Verb};
use crate::code::ErrorCode;
use crate::config::{ClientConfig, Credentials};
use crate::error::{Error, NotSentCause, UnreadableCause};
use crate::gate::{CallOutcome, Gate, LoginResult, RateClass};
use crate::lookup::Witnesses;
use crate::session::{Session, SessionGeneration, Sessions};
use crate::slot::{Slot, Ticket};
use crate::transport::{CSRF_SWITCH, Transport};

const LOGIN: Call = Call { verb: Verb::Get, template: "/session", id: None };

/// One account, one session. Cheap to clone; clones share the session, the connections and the gate.
///
/// Uploaded files belong to the session, so a worker that uploads and attaches uses one client for both.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    config: ClientConfig,
    transport: Transport,
    gate: Arc<dyn Gate>,
    sessions: Sessions,
    /// Set for OAuth, which has no log-in.
    bearer: Option<Arc<Session>>,
    in_flight: Arc<Semaphore>,
    witnesses: Witnesses,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("url", &self.inner.config.url.as_str()).finish_non_exhaustive()
    }
}

impl Client {
    /// Checks the settings; nothing is sent before the first call.
    pub fn new(config: ClientConfig, gate: Arc<dyn Gate>) -> Result<Self, Error> {
        let transport = Transport::new(&config)?;
        let bearer = match &config.credentials {
            Credentials::OAuth { token } => Some(Arc::new(Session::bearer(token.expose_secret())?)),
            Credentials::Password { .. } => None,
        };
        let in_flight = Arc::new(Semaphore::new(config.max_in_flight));
        let sessions = Sessions::default();
        let witnesses = Witnesses::default();
        Ok(Self {
            inner: Arc::new(Inner { config, transport, gate, sessions, bearer, in_flight, witnesses }),
        })
    }

    /// The settings in use.
    pub fn config(&self) -> &ClientConfig {
        &self.inner.config
    }

    pub(crate) fn witnesses(&self) -> &Witnesses {
        &self.inner.witnesses
    }

    /// Which session is in use. When it differs from the one a file was uploaded in, the file is void.
    pub fn session_generation(&self) -> SessionGeneration {
        self.inner.sessions.generation()
    }

    /// Whether the account as a whole does not answer at the moment, as far as the gate knows.
    pub fn is_away(&self) -> bool {
        self.inner.gate.is_away()
    }

    /// Forgets that the last log-in was refused: an operator has acted.
    pub fn allow_login_again(&self) {
        self.inner.sessions.allow_login_again();
    }

    /// How long one request of this class may take from its first byte sent to the last byte read.
    pub fn request_timeout(&self, class: RateClass) -> Duration {
        let timeouts = &self.inner.config.timeouts;
        match class {
            RateClass::Read | RateClass::Write | RateClass::Login => timeouts.request,
            RateClass::Bulk => timeouts.bulk,
            RateClass::Files => timeouts.upload,
        }
    }

    /// Does all the waiting a create needs: the session, the budget, a connection.
    pub async fn slot(&self, class: RateClass) -> Result<Slot, Error> {
        let call = Call { verb: Verb::Post, template: "/", id: None };
        self.session().await?;
        Ok(Slot { ticket: self.ticket(class, call).await?, deadline: None })
    }

    async fn ticket(&self, class: RateClass, call: Call) -> Result<Ticket, Error> {
        let inner = &self.inner;
        inner.gate.before(class).await?;
        // From here on the gate must be told, even if this future is dropped while it waits for a connection.
        let mut ticket = Ticket::new(Arc::clone(&inner.gate), class);
        let permit = timeout(inner.config.timeouts.pool, Arc::clone(&inner.in_flight).acquire_owned());
        match permit.await {
            Ok(Ok(permit)) => ticket.hold(permit),
            Ok(Err(_)) => return Err(Error::Internal("the pool of connections was closed")),
            Err(_) => return Err(Error::not_sent(call, NotSentCause::Pool)),
        }
        Ok(ticket)
    }

    /// Sends a call that needs no slot of its caller.
    pub(crate) async fn send<T: DeserializeOwned>(&self, request: Request) -> Result<Answer<T>, Error> {
        self.run(request, None).await
    }

    /// Sends a call and expects `data`.
    pub(crate) async fn fetch<T: DeserializeOwned>(&self, request: Request) -> Result<T, Error> {
        let call = request.call;
        self.run(request, None).await?.into_data(call)
    }

    /// As [`Client::fetch`], and tells in which session the answer was given.
    pub(crate) async fn fetch_in_session<T: DeserializeOwned>(
        &self,
        request: Request,
    ) -> Result<(T, SessionGeneration), Error> {
        let call = request.call;
        let answer = self.run(request, None).await?;
        let session = answer.session;
        Ok((answer.into_data(call)?, session))
    }

    /// Sends a call whose answer is of no interest.
    pub(crate) async fn act(&self, request: Request) -> Result<(), Error> {
        self.run::<IgnoredAny>(request, None).await.map(drop)
    }

    /// Sends a create with its slot.
    pub(crate) async fn create<T: DeserializeOwned>(&self, slot: Slot, request: Request) -> Result<T, Error> {
        let call = request.call;
        self.run(request, Some(slot)).await?.into_data(call)
    }

    pub(crate) async fn create_with_answer<T: DeserializeOwned>(
        &self,
        slot: Slot,
        request: Request,
    ) -> Result<Answer<T>, Error> {
        self.run(request, Some(slot)).await
    }

    async fn run<T: DeserializeOwned>(
        &self,
        request: Request,
        slot: Option<Slot>,
    ) -> Result<Answer<T>, Error> {
        let call = request.call;
        let deadline = slot.as_ref().and_then(|slot| slot.deadline);
        let class = slot.as_ref().map_or(request.class, |slot| slot.ticket.class);
        let (session, ticket) = self.prepare(class, call, deadline, slot.map(|slot| slot.ticket)).await?;
        let dead = match self.exchange(&request, &session, ticket, deadline).await {
            Err(error) if session_died(&error) => error,
            settled => return settled,
        };
        self.inner.sessions.forget(&session);
        // A session that never worked and is refused: another log-in would give another of that kind. A bearer
        // token cannot be renewed here.
        let hopeless = matches!(dead, Error::LoginRefused(_)) && !session.is_proven();
        let repeatable = request.effect != Effect::Create || refused_before_effect(&dead);
        if self.inner.bearer.is_some() || hopeless || !repeatable {
            return Err(dead);
        }
        tracing::debug!(call = %call, "the session ended; logging in again");
        let (session, ticket) = self.prepare(class, call, deadline, None).await?;
        match self.exchange(&request, &session, ticket, deadline).await {
            Err(error) if session_died(&error) => {
                self.inner.sessions.forget(&session);
                if session.is_proven() && refused_before_effect(&error) {
                    Err(Error::not_sent(call, NotSentCause::SessionExpired))
                } else {
                    Err(error)
                }
            }
            settled => settled,
        }
    }

    async fn prepare(
        &self,
        class: RateClass,
        call: Call,
        deadline: Option<Instant>,
        ticket: Option<Ticket>,
    ) -> Result<(Arc<Session>, Ticket), Error> {
        let waiting = async {
            let ticket = if let Some(ticket) = ticket {
                ticket
            } else {
                self.session().await?;
                self.ticket(class, call).await?
            };
            // Asked again: the session may have changed while the budget made us wait.
            Ok((self.session().await?, ticket))
        };
        match deadline {
            None => waiting.await,
            Some(deadline) => timeout_at(deadline, waiting)
                .await
                .unwrap_or_else(|_| Err(Error::not_sent(call, NotSentCause::Deadline))),
        }
    }

    async fn exchange<T: DeserializeOwned>(
        &self,
        request: &Request,
        session: &Arc<Session>,
        mut ticket: Ticket,
        deadline: Option<Instant>,
    ) -> Result<Answer<T>, Error> {
        let call = request.call;
        if request.files.is_some_and(|files| files != session.generation) {
            return Err(Error::not_sent(call, NotSentCause::FilesVoid));
        }
        let mut limit = self.request_timeout(ticket.class);
        if let Some(deadline) = deadline {
            limit = limit.min(deadline.saturating_duration_since(Instant::now()));
            if limit.is_zero() {
                return Err(Error::not_sent(call, NotSentCause::Deadline));
            }
        }
        ticket.start();
        let read = match self.inner.transport.exchange(request, session.headers(), limit).await {
            Ok(raw) => {
                let read = answer::read(call, request.batch, &raw);
                if let Some(id) = &read.session_id {
                    self.inner.sessions.adopt(id, raw.csrf.clone(), Some(session));
                }
                read.result
            }
            Err(error) => Err(error),
        };
        let outcome = read.as_ref().map_or_else(Error::outcome, |_| CallOutcome::Answered);
        if outcome == CallOutcome::Answered && !read.as_ref().is_err_and(session_died) {
            session.prove();
        }
        ticket.settle(outcome);
        read.map(|answer| Answer { session: session.generation, ..answer })
    }

    /// The session in use; logs in if there is none.
    async fn session(&self) -> Result<Arc<Session>, Error> {
        if let Some(bearer) = &self.inner.bearer {
            return Ok(Arc::clone(bearer));
        }
        let sessions = &self.inner.sessions;
        if let Some(session) = sessions.current() {
            return Ok(session);
        }
        let seen = sessions.attempts();
        let guard = Arc::clone(&sessions.login).lock_owned().await;
        if let Some(session) = sessions.current() {
            return Ok(session);
        }
        match sessions.failed_login() {
            Some(failed) if failed.refused || failed.attempt > seen => return Err(failed.error),
            _ => {}
        }
        let client = self.clone();
        // On its own task: a caller that gives up must not leave the gate without the log-in's result.
        let login = tokio::spawn(async move {
            let result = client.log_in().await;
            drop(guard);
            result
        });
        login.await.map_err(|_| Error::Internal("the log-in ended without a result"))?
    }

    async fn log_in(&self) -> Result<Arc<Session>, Error> {
        let inner = &self.inner;
        let result = match inner.gate.login_permit().await {
            Ok(()) => {
                let result = self.log_in_once().await;
                let verdict = match &result {
                    Ok(_) => LoginResult::Accepted,
                    Err(error) if is_refused_login(error) => LoginResult::Refused,
                    Err(_) => LoginResult::Undecided,
                };
                inner.gate.login_result(verdict).await;
                result
            }
            Err(error) => Err(error),
        };
        inner.sessions.note_login(match &result {
            Ok(_) => None,
            Err(error) => Some((error.clone(), is_refused_login(error))),
        });
        result
    }

    async fn log_in_once(&self) -> Result<Arc<Session>, Error> {
        let inner = &self.inner;
        let Credentials::Password { email, password } = &inner.config.credentials else {
            return Err(Error::Internal("a log-in without a password"));
        };
        let basic = STANDARD.encode(format!("{email}:{}", password.expose_secret()));
        let mut basic = HeaderValue::from_str(&format!("Basic {basic}"))
            .map_err(|_| Error::Internal("base64 is always a header value"))?;
        basic.set_sensitive(true);
        // The session is asked for without protection: what this client sends comes from no browser.
        let headers =
            HeaderMap::from_iter([(AUTHORIZATION, basic), (CSRF_SWITCH, HeaderValue::from_static("false"))]);
        let request = Request::new(LOGIN.verb, LOGIN.template, Effect::Read, RateClass::Login);
        let ticket = self.ticket(RateClass::Login, LOGIN).await?;
        let result = match inner.transport.exchange(&request, headers, inner.config.timeouts.request).await {
            Ok(raw) => {
                let read = answer::read::<IgnoredAny>(LOGIN, false, &raw);
                match (read.result, read.session_id) {
                    (Ok(_), Some(id)) if inner.sessions.adopt(&id, raw.csrf, None) => Ok(()),
                    // `/session` is public: without credentials that count it may answer 200 and no session.
                    (Ok(_), None) => Err(Error::from_refusal(
                        crate::Refusal { call: LOGIN, status: 401, items: Vec::new(), retry_after: None },
                        false,
                    )),
                    (Ok(_), Some(_)) => Err(Error::unreadable(LOGIN, raw.status, UnreadableCause::Shape)),
                    (Err(error), _) => Err(error),
                }
            }
            Err(error) => Err(error),
        };
        ticket.settle(result.as_ref().map_or_else(Error::outcome, |()| CallOutcome::Answered));
        result?;
        inner.sessions.current().ok_or(Error::Internal("the session vanished right after the log-in"))
    }
}

/// Whether the session is (or may be) gone.
fn session_died(error: &Error) -> bool {
    matches!(error, Error::SessionLost(_) | Error::LoginRefused(_))
}

/// Whether a person must act before another log-in makes sense.
fn is_refused_login(error: &Error) -> bool {
    matches!(
        error,
        Error::LoginRefused(_)
            | Error::LoginLocked(_)
            | Error::LoginNeedsPerson(_)
            | Error::Forbidden(_)
            | Error::Licence(_)
            | Error::Unusable(_)
    )
}

/// A 401 or a missing token is answered before anything is done; a 454 proves nothing.
fn refused_before_effect(error: &Error) -> bool {
    match error {
        Error::LoginRefused(refusal) => {
            refusal.status == 401 || refusal.items.iter().any(|item| item.code == ErrorCode::CsrfFailed)
        }
        _ => false,
    }
}
