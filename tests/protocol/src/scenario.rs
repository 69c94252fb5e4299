//! A small world to be explored whole: how many records and loaders, what may go wrong, and which rule is missing.

use std::time::Duration;

use model::timing::Timing;

use crate::rule::Rule;

/// One tick of the model's clock. Only the order of waiting times matters, not their length.
pub const TICK: Duration = Duration::from_secs(1);

/// What has to be done to an object after it was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// An absolute value is set (PUT, final status): doing it twice is doing it once.
    Set,
    /// Something is listed, and added if it is missing (identities, notes, members): two requests, with time in between.
    Add,
    /// Part of the insert that shows later than its object (posts, files): read back until it is there.
    Shown,
}

/// How long the account may take, in ticks. Each is a bound: what takes so long or longer does not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// From the last possible send of a request to its effect.
    pub effect: u8,
    /// The same for a job whose id the ledger has stored.
    pub job: u8,
    /// From an object's creation until every look-up shows it.
    pub visible: u8,
}

/// Something that may happen, besides what always may: that time passes, a loader dies, the account answers, or not, and a message is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum May {
    /// The broker gives messages of a living loader to others.
    Redeliver,
    /// The broker loses all it has.
    LoseQueue,
    /// A loader renews its lease at any time, not only before an intent.
    Renew,
    /// A loader stops waiting for a job that has not ended.
    StopWaiting,
    /// A job complains about a record it did not create.
    Complain,
    /// A look-up returns pages that do not add up.
    BeUnclear,
    /// The source deletes records, so that they are to be left out.
    Delete,
}

/// A scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// What it is called in reports.
    pub name: &'static str,
    /// Records: 1 or 2.
    pub records: usize,
    /// Loaders: 1 or 2.
    pub loaders: usize,
    /// The waiting times, in ticks.
    pub timing: Timing,
    /// What the account does.
    pub account: Account,
    /// What is to be done to each object.
    pub steps: Vec<Step>,
    /// How often the ledger may lose its last writes (any number of them).
    pub losses: u32,
    /// The second record needs the first one, as a child needs its parent and a later part of a long thread its earlier one.
    pub in_order: bool,
    /// What else may happen.
    pub may: Vec<May>,
    /// The rule that is missing.
    pub without: Option<Rule>,
}

impl Scenario {
    /// One record and two loaders, with everything that can happen to messages, loaders and requests.
    pub fn two_loaders() -> Self {
        Self {
            name: "one record, two loaders",
            records: 1,
            loaders: 2,
            timing: timing(1, 2, 2, 1, 4),
            account: Account { effect: 2, job: 4, visible: 1 },
            steps: Vec::new(),
            losses: 0,
            in_order: false,
            may: vec![
                May::Redeliver,
                May::LoseQueue,
                May::Renew,
                May::StopWaiting,
                May::Complain,
                May::BeUnclear,
            ],
            without: None,
        }
    }

    /// Two records in one batch, of which the account carries out any part.
    pub fn batch() -> Self {
        Self {
            name: "two records in one batch",
            records: 2,
            loaders: 1,
            timing: timing(1, 2, 2, 1, 2),
            account: Account { effect: 2, job: 2, visible: 1 },
            may: vec![],
            ..Self::two_loaders()
        }
    }

    /// A record of several steps, as a user with a PUT, an identity and notes.
    pub fn user_with_steps() -> Self {
        Self {
            name: "a user: object, PUT, addition, final PUT",
            steps: vec![Step::Set, Step::Add, Step::Set],
            may: vec![May::Redeliver, May::LoseQueue, May::StopWaiting],
            ..Self::two_loaders()
        }
    }

    /// The same user, whom the source may delete at any moment: then nobody knows any more what is left to do.
    pub fn user_that_is_deleted() -> Self {
        Self {
            name: "a user with steps, deletions at the source",
            loaders: 1,
            steps: vec![Step::Set],
            may: vec![May::LoseQueue, May::Delete],
            ..Self::two_loaders()
        }
    }

    /// A case: replies that show later than the case itself, then the final status.
    pub fn case_with_replies() -> Self {
        Self {
            name: "a case: object, replies, final status",
            steps: vec![Step::Shown, Step::Set],
            ..Self::user_with_steps()
        }
    }

    /// Two records of which the second needs the first: a parent and a child, or two parts of a long thread.
    pub fn in_order() -> Self {
        Self { name: "two records, in order", in_order: true, may: vec![May::Complain], ..Self::batch() }
    }

    /// A ledger that loses any number of its last writes, the registration included, while two loaders work.
    ///
    /// A lost write may be a job's id, so that jobs are as quick as any request here.
    pub fn lost_writes() -> Self {
        Self {
            name: "one record, a ledger that loses writes",
            timing: Timing { attempts: 1, ..timing(1, 2, 2, 1, 2) },
            account: Account { effect: 2, job: 2, visible: 1 },
            losses: 1,
            may: vec![May::Redeliver],
            ..Self::two_loaders()
        }
    }

    /// The same with requests that take longer than the lease outlasts them.
    pub fn lost_writes_long_requests() -> Self {
        Self {
            name: "lost writes, long requests",
            loaders: 1,
            timing: timing(2, 3, 3, 1, 4),
            account: Account { effect: 3, job: 3, visible: 1 },
            ..Self::lost_writes()
        }
    }

    /// The same with look-ups that are late.
    pub fn lost_writes_late_look_ups() -> Self {
        Self {
            name: "lost writes, late look-ups",
            loaders: 1,
            timing: timing(1, 2, 2, 3, 4),
            account: Account { effect: 2, job: 2, visible: 3 },
            ..Self::lost_writes()
        }
    }

    /// The same with a source that deletes records.
    pub fn lost_writes_deletions() -> Self {
        Self {
            name: "lost writes, deletions at the source",
            loaders: 1,
            may: vec![May::Redeliver, May::Delete],
            ..Self::lost_writes()
        }
    }

    /// The same with a record that needs another one.
    pub fn lost_writes_in_order() -> Self {
        Self {
            name: "lost writes, two records in order",
            losses: 1,
            account: Account { effect: 2, job: 2, visible: 1 },
            ..Self::in_order()
        }
    }

    /// All scenarios in which the protocol holds.
    pub fn all() -> Vec<Self> {
        vec![
            Self::two_loaders(),
            Self::batch(),
            Self::in_order(),
            Self::user_with_steps(),
            Self::user_that_is_deleted(),
            Self::case_with_replies(),
            Self::lost_writes(),
            Self::lost_writes_long_requests(),
            Self::lost_writes_late_look_ups(),
            Self::lost_writes_deletions(),
            Self::lost_writes_in_order(),
        ]
    }

    /// The same world without a rule.
    #[must_use]
    pub fn without(self, rule: Rule) -> Self {
        Self { without: Some(rule), ..self }
    }

    pub(crate) fn may(&self, what: May) -> bool {
        self.may.contains(&what)
    }

    pub(crate) fn has(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }
}

/// Waiting times in ticks. Three attempts, so that both ways out of a doubt are taken and giving up is, too.
fn timing(request: u32, lease: u32, quiet: u32, visibility: u32, job: u32) -> Timing {
    Timing {
        request_timeout: TICK * request,
        lease: TICK * lease,
        quiet: TICK * quiet,
        visibility: TICK * visibility,
        job_timeout: TICK * job,
        job_poll: TICK,
        ladder: vec![TICK],
        attempts: 2,
        parent_wait: TICK,
        lost_after: TICK * (lease.max(quiet) + 1),
        ..Timing::default()
    }
}
