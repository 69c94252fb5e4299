//! Teams. Several groups may become one team: they get the same title, and the loader adopts it.

use model::command::{LoadCommand, TeamCommand};
use model::plan::{MissingTeam, Plan};
use model::record::Team;

use super::Translation;
use super::seen::one_line;

/// Deleted groups are written like others: old cases still name them.
pub(super) fn translate(team: &Team, plan: &Plan) -> Translation {
    let title = title(team, plan);
    Translation::Load { command: LoadCommand::Team(TeamCommand { title }), notes: Vec::new() }
}

fn title(team: &Team, plan: &Plan) -> String {
    let name = one_line(&team.name);
    let map = &plan.teams.map;
    let same = |from: &str| one_line(from).to_lowercase() == name.to_lowercase();
    let mapped = map
        .get(team.id.as_str())
        .or_else(|| map.get(&team.name))
        .or_else(|| map.iter().find(|(from, _)| same(from)).map(|(_, to)| to));
    if let Some(title) = mapped {
        return one_line(title);
    }
    match (plan.teams.missing, &plan.teams.default) {
        (MissingTeam::Default, Some(default)) => one_line(default),
        _ if name.is_empty() => format!("Team {}", team.id),
        _ => name,
    }
}
