//! The account behind the HTTP surface: generated data, what was changed since, clock, and what the tests ask for.
//!
//! Constraint: locks are held for look-ups only, never while a record is rendered or an answer is written.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use serde::Serialize;

use super::auth::Tokens;
use super::config::{Config, Switches};
use super::layer::Layer;
use super::limits::Limiter;
use crate::clock::Clock;
use crate::seed::{Attachment, AttachmentId, Comment, Company, Status, Ticket, TicketId, User, UserId};

/// A Zendesk account. Clones share it: one serves HTTP, another changes data in a test.
#[derive(Clone)]
pub struct Account(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) config: Config,
    pub(super) company: Company,
    pub(super) tokens: Mutex<Tokens>,
    pub(super) limiter: Mutex<Limiter>,
    switches: RwLock<Switches>,
    data: RwLock<Data>,
    leaks: Mutex<Vec<Leak>>,
    writes: Mutex<Vec<Write>>,
    clock: Clock,
    counts: OnceLock<Counts>,
}

/// Changes since generation.
pub(super) struct Data {
    pub(super) tickets: Layer<Changed>,
    pub(super) users: Layer<User>,
    pub(super) files: HashMap<AttachmentId, (Attachment, Vec<u8>)>,
}

/// A changed or added ticket.
#[derive(Clone)]
pub(super) struct Changed {
    pub(super) ticket: Ticket,
    /// Comments after the generated ones.
    pub(super) comments: Vec<Comment>,
}

/// An `Authorization` header that reached the attachments' host, where it does not belong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Leak {
    /// What was asked for.
    pub path: String,
    /// The host that saw the credentials.
    pub host: String,
}

/// A call that would have changed the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Write {
    /// HTTP method.
    pub method: String,
    /// Path.
    pub path: String,
}

/// Counts over the generated data, made once: the only answers that need a walk over the whole account.
struct Counts {
    listed: u64,
    archived: u64,
    users: u64,
}

impl Account {
    /// Opens an account.
    pub fn new(config: Config) -> Self {
        let company = config.company.normalized();
        Self(Arc::new(Inner {
            company,
            tokens: Mutex::new(Tokens::new(&config)),
            limiter: Mutex::new(Limiter::new(config.limits, config.time_scale)),
            switches: RwLock::new(config.switches.clone()),
            data: RwLock::new(Data {
                tickets: Layer::new(company.ticket_timeline()),
                users: Layer::new(company.user_timeline()),
                files: HashMap::new(),
            }),
            leaks: Mutex::default(),
            writes: Mutex::default(),
            clock: Clock::new(config.clock),
            counts: OnceLock::new(),
            config,
        }))
    }

    /// The generated data, without later changes.
    pub fn company(&self) -> Company {
        self.0.company
    }

    /// The switches as they are now.
    pub fn switches(&self) -> Switches {
        self.0.switches.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the switches.
    pub fn set_switches(&self, switches: Switches) {
        *self.0.switches.write().unwrap_or_else(PoisonError::into_inner) = switches;
    }

    /// Credentials that reached the attachments' host.
    pub fn leaks(&self) -> Vec<Leak> {
        lock(&self.0.leaks).clone()
    }

    /// Calls that would have changed the account.
    pub fn writes(&self) -> Vec<Write> {
        lock(&self.0.writes).clone()
    }

    pub(super) fn record_leak(&self, leak: Leak) {
        lock(&self.0.leaks).push(leak);
    }

    pub(super) fn record_write(&self, write: Write) {
        lock(&self.0.writes).push(write);
    }

    /// The account's time in milliseconds.
    pub fn now_ms(&self) -> i64 {
        self.0.clock.now_ms()
    }

    /// The account's time in seconds.
    pub fn now(&self) -> i64 {
        self.now_ms().div_euclid(1000)
    }

    /// Moves the account's clock forward, so that a test passes the export's minute or a token's life at once.
    pub fn advance(&self, seconds: u32) {
        self.0.clock.advance(Duration::from_secs(seconds.into()));
    }

    /// A length of time in milliseconds under the account's time scale.
    pub(super) fn scaled_ms(&self, seconds: u64) -> i64 {
        scaled_ms(seconds, self.0.config.time_scale)
    }

    /// The latest export time that exports show now.
    pub(super) fn export_until(&self) -> i64 {
        if self.switches().one_minute_rule {
            (self.now_ms() - self.scaled_ms(60)).div_euclid(1000)
        } else {
            i64::MAX
        }
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, Data> {
        self.0.data.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Data> {
        self.0.data.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tickets there ever were, deleted ones included.
    pub fn ticket_total(&self) -> u64 {
        self.read().tickets.len()
    }

    /// A ticket as it is now, by index; deleted ones have the status `deleted`.
    pub fn ticket_at(&self, index: u64) -> Option<Ticket> {
        {
            let data = self.read();
            if data.tickets.is_purged(index) {
                return None;
            }
            if let Some(changed) = data.tickets.get(index) {
                return Some(changed.ticket.clone());
            }
        }
        self.0.company.ticket(index)
    }

    /// A ticket as it is now, by number.
    pub fn ticket(&self, id: TicketId) -> Option<Ticket> {
        self.ticket_at(self.0.company.ticket_index(id)?)
    }

    /// Whether a plain listing shows a ticket: neither deleted nor archived.
    pub(super) fn is_listed(&self, index: u64) -> bool {
        {
            let data = self.read();
            if data.tickets.is_purged(index) {
                return false;
            }
            if let Some(changed) = data.tickets.get(index) {
                return changed.ticket.status != Status::Deleted && !changed.ticket.archived;
            }
        }
        self.0.company.status_of(index) != Status::Deleted && !self.0.company.is_archived(index)
    }

    /// How many comments a ticket has now.
    pub fn comment_count(&self, ticket: &Ticket) -> u64 {
        let more = self.read().tickets.get(ticket.index).map_or(0, |changed| changed.comments.len());
        ticket.comment_count + u64::try_from(more).unwrap_or(0)
    }

    /// A ticket's comment as it is now; the oldest is 0.
    pub fn comment(&self, ticket: &Ticket, place: u64) -> Option<Comment> {
        match place.checked_sub(ticket.comment_count) {
            None => self.0.company.comment(ticket, place),
            Some(later) => {
                let later = usize::try_from(later).ok()?;
                self.read().tickets.get(ticket.index)?.comments.get(later).cloned()
            }
        }
    }

    /// A user as it is now, by place.
    pub fn user_at(&self, ordinal: u64) -> Option<User> {
        if let Some(user) = self.read().users.get(ordinal) {
            return Some(user.clone());
        }
        self.0.company.user_at(ordinal)
    }

    /// A user as it is now.
    pub fn user(&self, id: UserId) -> Option<User> {
        self.user_at(self.0.company.user_place(id)?)
    }

    pub(super) fn user_total(&self) -> u64 {
        self.read().users.len()
    }

    pub(super) fn is_active_user(&self, ordinal: u64) -> bool {
        if let Some(user) = self.read().users.get(ordinal) {
            return user.active;
        }
        self.0.company.is_active(ordinal)
    }

    /// A file, unless its ticket is gone.
    pub(super) fn file(&self, id: AttachmentId) -> Option<Attachment> {
        let company = self.0.company;
        let (ticket_index, _) = company.attachment_origin(id)?;
        if self.ticket_at(ticket_index)?.status == Status::Deleted {
            return None;
        }
        let added = self.read().files.get(&id).map(|(file, _)| file.clone());
        added.or_else(|| company.attachment(id))
    }

    /// The bytes of a file.
    pub(super) fn file_bytes(&self, id: AttachmentId) -> Option<Vec<u8>> {
        let added = self.read().files.get(&id).map(|(_, bytes)| bytes.clone());
        added.or_else(|| self.0.company.attachment_bytes(id))
    }

    fn counts(&self) -> &Counts {
        self.0.counts.get_or_init(|| {
            let company = self.0.company;
            let mut counts = Counts { listed: 0, archived: 0, users: 0 };
            for index in 0..company.size().tickets {
                if company.is_archived(index) {
                    counts.archived += 1;
                } else if company.status_of(index) != Status::Deleted {
                    counts.listed += 1;
                }
            }
            counts.users = u64::try_from((0..company.user_count()).filter(|&o| company.is_active(o)).count())
                .unwrap_or(0);
            counts
        })
    }

    /// Tickets that exist now, with or without archived ones.
    pub(super) fn count_tickets(&self, archived: bool) -> u64 {
        let counts = self.counts();
        let mut total = counts.listed + if archived { counts.archived } else { 0 };
        let company = self.0.company;
        let counted = |status: Status, is_archived: bool| {
            u64::from(status != Status::Deleted && (archived || !is_archived))
        };
        let data = self.read();
        for (index, changed) in data.tickets.changed() {
            total += counted(changed.ticket.status, changed.ticket.archived);
            if index < company.size().tickets {
                total -= counted(company.status_of(index), company.is_archived(index));
            }
        }
        for index in data.tickets.purged().filter(|&index| index < company.size().tickets) {
            total -= counted(company.status_of(index), company.is_archived(index));
        }
        total
    }

    /// Users that are not deleted.
    pub(super) fn count_users(&self) -> u64 {
        let mut total = self.counts().users;
        for (ordinal, user) in self.read().users.changed() {
            total += u64::from(user.active);
            total -= u64::from(self.0.company.is_active(ordinal));
        }
        total
    }
}

pub(super) fn scaled_ms(seconds: u64, scale: f64) -> i64 {
    let seconds = std::time::Duration::from_secs(seconds).mul_f64(scale.max(0.0));
    i64::try_from(seconds.as_millis()).unwrap_or(i64::MAX)
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while a lock is held cannot leave these plain collections half written.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
