//! Exploring a scenario: what the checker found, and whether every world can still end well.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use stateright::{Checker, Expectation, HasDiscoveries, Model};

use crate::protocol::{ALWAYS, Action};
use crate::scenario::Scenario;
use crate::world::World;

/// What was found.
#[derive(Debug)]
pub struct Findings {
    /// Different worlds.
    pub worlds: usize,
    /// Ways from one to another.
    pub steps: usize,
    /// The longest way without a detour.
    pub depth: usize,
    /// What must always hold and did not, with one way that leads there.
    pub violated: Vec<(&'static str, Vec<Action>)>,
    /// What was to be reached and was not.
    pub unreached: Vec<&'static str>,
}

/// Explores every world of a scenario.
pub fn explore(scenario: Scenario) -> Findings {
    findings(scenario, HasDiscoveries::All)
}

/// Explores until one of these is violated.
pub fn explore_until(scenario: Scenario, violated: &[&'static str]) -> Findings {
    let wanted: BTreeSet<&'static str> = violated.iter().copied().collect();
    findings(scenario, HasDiscoveries::AnyOf(wanted))
}

fn findings(scenario: Scenario, until: HasDiscoveries) -> Findings {
    let goals: Vec<&'static str> = scenario
        .properties()
        .into_iter()
        .filter(|property| property.expectation == Expectation::Sometimes)
        .map(|property| property.name)
        .collect();
    let checker = scenario.checker().finish_when(until).spawn_bfs().join();
    let mut found = checker.discoveries();
    let unreached = goals.into_iter().filter(|goal| found.remove(goal).is_none()).collect();
    let mut violated: Vec<(&'static str, Vec<Action>)> =
        found.into_iter().map(|(name, path)| (name, path.into_actions())).collect();
    violated.sort_by_key(|(name, _)| *name);
    Findings {
        worlds: checker.unique_state_count(),
        steps: checker.state_count(),
        depth: checker.max_depth(),
        violated,
        unreached,
    }
}

impl Findings {
    /// Violations of what must hold in every scenario.
    pub fn broken(&self) -> Vec<&'static str> {
        self.violated.iter().map(|(name, _)| *name).filter(|name| ALWAYS.contains(name)).collect()
    }
}

/// A way into a world from which no way leads to one where every record is settled; `None` if there is always such a way.
///
/// This is not one of the checker's own properties: its `eventually` looks at worlds in which nothing more can happen, and here time
/// always can go on.
pub fn dead_end(scenario: &Scenario) -> Option<Vec<Action>> {
    let mut places: HashMap<u64, usize> = HashMap::new();
    let mut came_by: Vec<Option<(usize, Action)>> = Vec::new();
    let mut before: Vec<Vec<usize>> = Vec::new();
    let mut settled = Vec::new();
    let mut open = VecDeque::new();
    for world in scenario.init_states() {
        places.insert(name(&world), came_by.len());
        open.push_back((came_by.len(), world));
        came_by.push(None);
        before.push(Vec::new());
    }
    while let Some((at, world)) = open.pop_front() {
        if world.is_settled() {
            settled.push(at);
        }
        for (action, next) in scenario.next_steps(&world) {
            let place = *places.entry(name(&next)).or_insert_with(|| {
                open.push_back((came_by.len(), next));
                came_by.push(Some((at, action)));
                before.push(Vec::new());
                came_by.len() - 1
            });
            before[place].push(at);
        }
    }
    let mut ends_well = vec![false; came_by.len()];
    while let Some(at) = settled.pop() {
        if !std::mem::replace(&mut ends_well[at], true) {
            settled.extend(&before[at]);
        }
    }
    let mut at = ends_well.iter().position(|well| !well)?;
    let mut way = Vec::new();
    while let Some((earlier, action)) = &came_by[at] {
        way.push(action.clone());
        at = *earlier;
    }
    way.reverse();
    Some(way)
}

fn name(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    world.hash(&mut hasher);
    hasher.finish()
}
