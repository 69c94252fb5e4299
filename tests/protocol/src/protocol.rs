//! The protocol as a model that the checker explores: what can happen next, and what must be true in every world.

use model::invariant::{Verdict, judge};
use model::row::{Row, State};
use model::{Epoch, KayakoId};
use stateright::{Model, Property};

use crate::loader::Reply;
use crate::rule::Rule;
use crate::scenario::{May, Scenario, Step};
use crate::world::{Ledger, Loader, NOW, Records, World};

/// Something that happens. Whatever can happen may also not happen for as long as the account's bounds allow: a loader that does
/// nothing is paused.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// A moment passes.
    Tick,
    /// A loader takes messages of these records and claims them.
    Take(usize, Records),
    /// A loader does what it does next.
    Advance(usize),
    /// A loader's request is answered.
    Answer(usize, Reply),
    /// A loader's look-up does not settle anything.
    Unclear(usize),
    /// A job complains about a record.
    Complain(usize, usize),
    /// A loader stops waiting for its job.
    StopWaiting(usize),
    /// A loader extends its leases.
    Renew(usize),
    /// A loader dies.
    Crash(usize),
    /// A loader's messages are given to others although it lives.
    Redeliver(usize),
    /// The account carries out a request for these of its records.
    CarryOut(usize, Records),
    /// Look-ups show an object.
    Show(usize),
    /// Look-ups show the rest of an object.
    ShowParts(usize),
    /// The queue loses everything.
    LoseQueue,
    /// The coordinator has a record read again that no message carries.
    ReadAgain(usize),
    /// What the ledger holds now survives.
    Save,
    /// The ledger loses what it did not save.
    LoseWrites,
    /// The source deletes a record.
    Delete(usize),
}

/// No record ever has two active objects.
pub const ONE_OBJECT: &str = "at most one active object per record";
/// A record is sent again only when the request before can have no effect any more.
pub const ONE_REQUEST: &str = "at most one request of a record is on its way";
/// What counts as migrated is there, every step done.
pub const WHOLE: &str = "a committed record is whole";
/// What did not arrive left nothing behind that its row does not name.
pub const EXPLAINED: &str = "what did not arrive left nothing behind";
/// A child's object never exists without its parent's.
pub const IN_ORDER: &str = "no child without its parent";
/// No ending is refused as impossible: its record would go round for ever.
pub const SENSIBLE: &str = "the ledger is asked for what is possible";
/// Nothing is added twice to an object.
pub const ADDED_ONCE: &str = "nothing is added twice";

/// Whatever the account does, what is too many is of a record that was in doubt: such records are counted before a run ends.
pub const COUNTED: &str = "what is too many will be counted";

/// What must hold in every scenario.
pub const ALWAYS: [&str; 8] =
    [ONE_OBJECT, ONE_REQUEST, WHOLE, EXPLAINED, IN_ORDER, SENSIBLE, COUNTED, ADDED_ONCE];

impl Model for Scenario {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let empty = vec![None; self.records];
        let ledger = Ledger {
            rows: empty.clone(),
            durable: (self.losses > 0 && !self.may(May::Delete)).then_some(empty),
            epoch: Epoch(1),
            epoch_since: NOW,
        };
        let mut world = World {
            ledger,
            queue: Records::default(),
            loaders: vec![Loader::default(); self.loaders],
            requests: Vec::new(),
            objects: Vec::new(),
            deleted: Records::default(),
            left_out: Records::default(),
            absurd: false,
        };
        for record in 0..self.records {
            world.read_again(self, record);
        }
        if self.may(May::Delete) {
            // A record that was lost together with its registration and then deleted is known to nobody; see the crate's head.
            world.ledger.durable = Some(world.ledger.rows.clone());
        }
        vec![world.normal(self)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        let urgent = world.requests.iter().any(|request| request.left == 0)
            || world.objects.iter().any(|object| object.hidden == Some(0));
        if !urgent {
            actions.push(Action::Tick);
        }
        let mut idle = world.loaders.iter().position(Loader::is_idle);
        for (at, loader) in world.loaders.iter().enumerate() {
            if loader.is_idle() {
                // Idle loaders are alike: one of them is enough.
                if idle.take() == Some(at) {
                    let takes = world.queue.subsets().filter(|records| *records != Records::default());
                    actions.extend(takes.map(|records| Action::Take(at, records)));
                }
                continue;
            }
            actions.push(Action::Advance(at));
            let replies = [Reply::Job, Reply::Nothing, Reply::Refused];
            actions.extend(replies.map(|reply| Action::Answer(at, reply)));
            if self.may(May::BeUnclear) {
                actions.push(Action::Unclear(at));
            }
            if self.may(May::Complain) {
                actions.extend((0..self.records).map(|record| Action::Complain(at, record)));
            }
            actions.push(Action::Crash(at));
            if self.may(May::StopWaiting) {
                actions.push(Action::StopWaiting(at));
            }
            if self.may(May::Redeliver) {
                actions.push(Action::Redeliver(at));
            }
            if self.may(May::Renew) {
                actions.push(Action::Renew(at));
            }
        }
        for (at, request) in world.requests.iter().enumerate() {
            actions.extend(request.records.subsets().map(|records| Action::CarryOut(at, records)));
        }
        for (at, object) in world.objects.iter().enumerate() {
            if object.hidden.is_some() {
                actions.push(Action::Show(at));
            }
            if self.steps.contains(&Step::Shown) {
                actions.push(Action::ShowParts(at));
            }
        }
        if self.may(May::LoseQueue) {
            actions.push(Action::LoseQueue);
        }
        actions.extend((0..self.records).map(Action::ReadAgain));
        if world.ledger.durable.is_some() {
            actions.extend([Action::Save, Action::LoseWrites]);
        }
        if self.may(May::Delete) {
            actions.extend((0..self.records).map(Action::Delete));
        }
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
        let mut world = last.clone();
        let moved = match action {
            Action::Tick => {
                world.tick();
                true
            }
            Action::Take(loader, records) => world.take(self, loader, records),
            Action::Advance(loader) => world.advance(self, loader),
            Action::Answer(loader, reply) => world.answer(self, loader, reply),
            Action::Unclear(loader) => world.unclear(self, loader),
            Action::Complain(loader, record) => world.complain(self, loader, record),
            Action::StopWaiting(loader) => world.stop_waiting(self, loader),
            Action::Renew(loader) => {
                world.renew_all(self, loader);
                true
            }
            Action::Crash(loader) => {
                world.crash(loader);
                true
            }
            Action::Redeliver(loader) => world.redeliver(loader),
            Action::CarryOut(request, records) => {
                world.carry_out(self, request, records);
                true
            }
            Action::Show(object) => {
                world.objects[object].hidden = None;
                true
            }
            Action::ShowParts(object) => world.show_parts(self, object),
            Action::LoseQueue => world.lose_queue(),
            Action::ReadAgain(record) => {
                world.is_lost(self, record) && {
                    if world.deleted.has(record) {
                        world.leave_out(self, record);
                    } else {
                        world.read_again(self, record);
                    }
                    true
                }
            }
            Action::Save => world.save(),
            Action::LoseWrites => world.lose_writes(self),
            Action::Delete(record) => {
                let known = world.outstanding().has(record) && !world.deleted.has(record);
                world.deleted = world.deleted.with(record);
                known
            }
        };
        let world = moved.then(|| world.normal(self))?;
        (world != *last).then_some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE_OBJECT, |_, world: &World| {
                world.judged().all(|(_, verdict)| !matches!(verdict, Verdict::Surplus(_)))
            }),
            Property::always(ONE_REQUEST, |scenario: &Self, world: &World| {
                let sent =
                    |record| world.requests.iter().filter(|request| request.records.has(record)).count();
                (0..scenario.records).all(|record| sent(record) < 2)
            }),
            Property::always(WHOLE, |_, world: &World| {
                let lost = |verdict| matches!(verdict, Verdict::Missing | Verdict::Strange(_));
                world.judged().all(|(row, verdict)| !lost(verdict) && !world.is_half(&row))
            }),
            Property::always(EXPLAINED, |_, world: &World| {
                world.judged().all(|(_, verdict)| !matches!(verdict, Verdict::Stray(_)))
            }),
            Property::always(COUNTED, |_, world: &World| {
                let doubled = |verdict| {
                    matches!(verdict, Verdict::Surplus(_) | Verdict::Strange(_) | Verdict::Stray(_))
                };
                world.judged().all(|(row, verdict)| row.doubted || !doubled(verdict))
            }),
            Property::always(IN_ORDER, |scenario: &Self, world: &World| {
                let exists = |record| world.objects.iter().any(|object| object.record == record);
                !scenario.in_order || exists(0) || !exists(1)
            }),
            Property::always(SENSIBLE, |_, world: &World| !world.absurd),
            Property::always(ADDED_ONCE, |_, world: &World| {
                world.objects.iter().all(|object| object.steps.iter().all(|times| *times < 2))
            }),
            Property::sometimes("everything is committed", |_, world: &World| {
                world.ledger.rows.iter().all(|row| row.is_some_and(|row| row.state.is_migrated()))
            }),
            Property::sometimes("a record is given up", |_, world: &World| {
                world.ledger.rows.iter().any(|row| row.is_some_and(|row| row.state == State::Failed))
            }),
            Property::sometimes("a doubt ends with an object", |_, world: &World| {
                world.resolved(State::Created, false)
            }),
            Property::sometimes("a doubt ends without one", |_, world: &World| {
                world.resolved(State::Claimed, true)
            }),
        ]
    }
}

impl World {
    /// Whether work on every record is over.
    pub fn is_settled(&self) -> bool {
        self.outstanding() == Records::default()
    }

    /// Every row, and what its objects mean.
    fn judged(&self) -> impl Iterator<Item = (Row, Verdict)> + '_ {
        self.ledger.rows.iter().enumerate().filter_map(|(record, row)| {
            let row = (*row)?;
            let objects = self.objects.iter().enumerate().filter(|(_, object)| object.record == record);
            let ids: Vec<KayakoId> = objects.map(|(at, _)| Self::id(at)).collect();
            Some((row, judge(&row, &ids)))
        })
    }

    /// Whether the row says that every step is done, and it is not.
    fn is_half(&self, row: &Row) -> bool {
        let known = (1..).map(KayakoId).zip(&self.objects).filter(|(id, _)| row.kayako_id == Some(*id));
        row.state.is_migrated() && known.flat_map(|(_, object)| &object.steps).any(|times| *times == 0)
    }

    /// Whether a record left its doubt into this state, with or without having to be sent again.
    fn resolved(&self, state: State, again: bool) -> bool {
        self.ledger.rows.iter().flatten().any(|row| {
            row.state == state && row.doubted && row.flight.is_some_and(|flight| flight.alone == again)
        })
    }

    /// Whether the coordinator would have the record read again.
    fn is_lost(&self, scenario: &Scenario, record: usize) -> bool {
        scenario.has(Rule::LostWorkIsFound) && self.outstanding().has(record) && !self.is_carried(record)
    }
}
