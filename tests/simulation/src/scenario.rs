//! What a seed stands for: the accounts, the processes, what is around them, and what happens to them when.
//!
//! Constraint: everything is within what the design promises to survive. No request takes effect later than the quiet period, no object
//! stays hidden longer than the visibility delay; beyond these bounds no client can keep the promise (`docs/guarantees.md`).

use std::time::Duration;

use runtime::crash::Mode;
use runtime::{CrashPoint, SeededRandom};
use sandbox::SandboxConfig;
use sandbox::clock::ClockConfig;
use sandbox::faults::{Fault, Rule, Schedule, When};
use sandbox::kayako::JobResults;
use system_tests::accounts::config;

use crate::clock::BEGIN;

/// Chances per event, and how long things may take. All zero: fine weather.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Hazards {
    /// A delay is drawn from the long ones.
    pub long_delay: f64,
    /// Longest delay of the ledger.
    pub slow_ledger: Duration,
    /// Longest delay on the way to an account.
    pub slow_network: Duration,
    /// Longest delay of the broker.
    pub slow_queue: Duration,
    /// A step of the ledger is not done, and the caller cannot know.
    pub ledger_not_reached: f64,
    /// A step of the ledger is done, and the caller does not learn it.
    pub ledger_answer_lost: f64,
    /// A connection to an account is refused.
    pub connection_refused: f64,
    /// A message is not stored, and the publisher cannot know.
    pub publish_lost: f64,
    /// A message is stored, and the publisher does not learn it.
    pub confirm_lost: f64,
    /// A message is stored twice.
    pub publish_doubled: f64,
}

/// Which processes there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fleet {
    /// One process for everything, whose queue dies with it.
    Alone,
    /// Two of each service.
    TwoOfEach,
}

/// The services, in the order of the processes of [`Fleet::TwoOfEach`].
pub const SERVICES: [&str; 4] = ["coordinator", "extractor", "transformer", "loader"];

/// Something that happens at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// A process is killed and started again after a while.
    Kill(usize, Duration),
    /// A process is told to stop, finishes what is in hand and is started again.
    Restart(usize, Duration),
    /// A process stands still for a while, then goes on as if nothing had been.
    Freeze(usize, Duration),
    /// A process meets a crash point from now on.
    Arm(usize, CrashPoint, Mode, u64),
    /// All messages vanish.
    Purge,
    /// All queues vanish.
    DeleteQueues,
    /// The ledger says that it may have lost writes.
    NewEpoch,
    /// Kayako is away for a while.
    KayakoAway(Duration),
}

/// A seed, spelled out.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The seed.
    pub seed: u64,
    /// Tickets at the source.
    pub tickets: u64,
    /// The processes.
    pub fleet: Fleet,
    /// While the storm lasts.
    pub hazards: Hazards,
    /// When the storm is over.
    pub storm: Duration,
    /// What happens when, in order.
    pub events: Vec<(Duration, Event)>,
    /// Faults of Kayako while the storm lasts.
    pub kayako: Schedule,
    /// Faults of the source while the storm lasts.
    pub zendesk: Schedule,
}

/// Longest pause of a frozen process; longer than a lease (40 s), so that its work is taken over.
const LONGEST_FREEZE: Duration = Duration::from_secs(90);
/// Longest time on the way to an account. Both ways and a fault's own latency together stay below the quiet period (120 s).
const SLOWEST: Duration = Duration::from_secs(40);
/// A fault's own latency, half of it before the effect.
const LATENCY_MS: u64 = 60_000;
/// The account's own delay and a fault's: together below the visibility delay that the plan assumes (30 s).
const HIDDEN_MS: u64 = 12_000;

impl Scenario {
    /// What `seed` stands for.
    pub fn of(seed: u64) -> Self {
        let random = SeededRandom::from_seed(seed).fork("scenario");
        let dice = Dice(&random);
        let fleet = if dice.chance(0.35) { Fleet::Alone } else { Fleet::TwoOfEach };
        let storm = dice.between(Duration::from_secs(20), Duration::from_mins(25));
        let count = if dice.chance(0.15) { 0 } else { 1 + random.below(6) };
        let mut events: Vec<_> =
            (0..count).map(|_| (dice.between(Duration::from_secs(1), storm), dice.event(fleet))).collect();
        events.sort_by_key(|(at, _)| *at);
        Self {
            seed,
            tickets: 4 + random.below(24),
            fleet,
            hazards: dice.hazards(),
            storm,
            events,
            kayako: Schedule { seed, rules: dice.rules(true) },
            zendesk: Schedule { seed: seed ^ 1, rules: dice.rules(false) },
        }
    }

    /// How many processes there are.
    pub fn processes(&self) -> usize {
        match self.fleet {
            Fleet::Alone => 1,
            Fleet::TwoOfEach => 8,
        }
    }

    /// The two accounts, without the faults.
    pub fn accounts(&self) -> SandboxConfig {
        let random = SeededRandom::from_seed(self.seed).fork("accounts");
        let dice = Dice(&random);
        let mut config = config(self.seed, self.tickets);
        let clock = ClockConfig { start: jiff::Timestamp::from_millisecond(BEGIN.0).ok(), stopped: false };
        (config.kayako.clock, config.zendesk.clock) = (clock, clock);
        (config.kayako.time_scale, config.zendesk.time_scale) = (1.0, 1.0);
        config.zendesk.content_base = Some("http://localhost:2".to_owned());
        let switches = &mut config.kayako.switches;
        switches.visibility_delay_ms = dice.perhaps(0.4, HIDDEN_MS);
        switches.job_pending_ms = dice.perhaps(0.4, 20_000);
        switches.job_base_ms = dice.perhaps(0.4, 5_000);
        switches.job_item_ms = dice.perhaps(0.4, 500);
        switches.job_workers = usize::from(dice.chance(0.3));
        switches.job_results = dice.one_of(&[JobResults::Nothing, JobResults::Errors, JobResults::Records]);
        // Of three jobs in a row at least two live: an account on which no job lives takes no migration.
        switches.job_dies_every = dice.one_of(&[0, 0, 3, 4, 7]);
        switches.bulk_validates_at_once = dice.chance(0.5);
        switches.session_lifetime_s = dice.one_of(&[8 * 3600, 900, 300]);
        switches.dead_session_status = dice.one_of(&[401, 454]);
        switches.files_die_with_session = dice.chance(0.5);
        switches.processing_ms = dice.perhaps(0.3, 500);
        if dice.chance(0.3) {
            switches.reads_per_minute = 200;
            switches.writes_per_minute = 100;
            switches.bulks_per_minute = 20;
            switches.files_per_minute = 60;
            switches.logins_per_minute = 30;
        }
        config
    }
}

/// Draws for a scenario.
struct Dice<'a>(&'a SeededRandom);

impl Dice<'_> {
    fn chance(&self, chance: f64) -> bool {
        self.0.unit() < chance
    }

    fn between(&self, least: Duration, most: Duration) -> Duration {
        least + self.0.duration_up_to(most.saturating_sub(least))
    }

    /// 1 to `most` with this chance, else 0.
    fn perhaps(&self, chance: f64, most: u64) -> u64 {
        if self.chance(chance) { 1 + self.0.below(most) } else { 0 }
    }

    fn one_of<T: Copy>(&self, choices: &[T]) -> T {
        choices[usize::try_from(self.0.below(choices.len() as u64)).unwrap_or(0)]
    }

    /// Off in half of all scenarios; else between a tenth of `most` and `most`.
    fn share(&self, most: f64) -> f64 {
        if self.chance(0.5) { 0.0 } else { most * 10_f64.powf(-self.0.unit()) }
    }

    fn hazards(&self) -> Hazards {
        Hazards {
            long_delay: self.share(0.02),
            slow_ledger: self.between(Duration::ZERO, Duration::from_secs(5)),
            slow_network: self.between(Duration::ZERO, SLOWEST),
            slow_queue: self.between(Duration::ZERO, Duration::from_secs(5)),
            ledger_not_reached: self.share(0.005),
            ledger_answer_lost: self.share(0.005),
            connection_refused: self.share(0.02),
            publish_lost: self.share(0.01),
            confirm_lost: self.share(0.01),
            publish_doubled: self.share(0.02),
        }
    }

    fn event(&self, fleet: Fleet) -> Event {
        let processes = if fleet == Fleet::Alone { 1 } else { 8 };
        let who = usize::try_from(self.0.below(processes)).unwrap_or(0);
        let pause = self.between(Duration::from_secs(1), Duration::from_secs(30));
        match self.0.below(if fleet == Fleet::Alone { 9 } else { 12 }) {
            0..=2 => Event::Kill(who, pause),
            3 => Event::Restart(who, pause),
            4..=6 => {
                let points = cli::crash_points();
                let point = self.one_of(&points);
                let modes = if point.is_repeatable() {
                    &[Mode::Die, Mode::Fail, Mode::Hang, Mode::Twice][..]
                } else {
                    &[Mode::Die, Mode::Fail, Mode::Hang][..]
                };
                // One of the processes that come by there.
                let service =
                    SERVICES.iter().position(|service| point.name().starts_with(service)).unwrap_or(0);
                let who = if fleet == Fleet::Alone { 0 } else { service * 2 + usize::from(self.chance(0.5)) };
                Event::Arm(who, point, self.one_of(modes), 1 + self.0.below(3))
            }
            7 => Event::NewEpoch,
            8 => Event::KayakoAway(self.between(Duration::from_secs(5), Duration::from_mins(10))),
            9 => Event::Freeze(who, self.between(Duration::from_secs(1), LONGEST_FREEZE)),
            10 => Event::Purge,
            _ => Event::DeleteQueues,
        }
    }

    fn rules(&self, kayako: bool) -> Vec<Rule> {
        let mut faults = vec![
            (0.01, Fault::Latency { ms: 0, jitter_ms: LATENCY_MS }),
            (0.02, Fault::ErrorBefore),
            (0.02, Fault::DropBefore),
            (0.02, Fault::DropAfter),
            (0.01, Fault::HtmlBefore),
            (0.01, Fault::NotJson),
            (0.01, Fault::Truncated),
            (0.01, Fault::RateLimit { retry_after: 1 + self.0.below(120) }),
        ];
        if kayako {
            faults.extend([
                (0.02, Fault::ErrorAfter),
                (0.01, Fault::HtmlAfter),
                (0.02, Fault::ExpireSessions),
                (0.1, Fault::Late { ms: 1 + self.0.below(HIDDEN_MS) }),
            ]);
        }
        let rules = faults.into_iter().map(|(most, fault)| (self.share(most), fault));
        rules
            .filter(|(share, _)| *share > 0.0)
            .map(|(share, fault)| Rule {
                method: None,
                path: String::new(),
                when: When::Probability(share),
                times: None,
                fault,
            })
            .collect()
    }
}
