//! Prints how much of each scenario there is to explore. An argument selects scenarios whose name contains it.

use std::time::Instant;

use protocol_model::explore::{dead_end, explore};
use protocol_model::scenario::Scenario;

fn main() {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    for scenario in Scenario::all().into_iter().filter(|scenario| scenario.name.contains(&wanted)) {
        let name = scenario.name;
        let started = Instant::now();
        let findings = explore(scenario.clone());
        let (worlds, steps, depth) = (findings.worlds, findings.steps, findings.depth);
        let explored = started.elapsed().as_secs_f64();
        println!("{name}: {worlds} worlds, {steps} steps, {depth} deep, {explored:.1} s");
        for (property, way) in &findings.violated {
            println!("  violated: {property}, by {way:?}");
        }
        for property in &findings.unreached {
            println!("  never reached: {property}");
        }
        if let Some(way) = dead_end(&scenario) {
            println!("  a record that can never end: {way:?}");
        }
        println!("  ends looked for in {:.1} s", started.elapsed().as_secs_f64() - explored);
    }
}
