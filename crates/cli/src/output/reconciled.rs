//! What a comparison with Kayako came to, in sentences.

use model::facts::Reconciliation;
use model::kind::Kind;

use crate::output::document::moment;

/// One line: when, and whether anything is left for a person.
pub(crate) fn line(reconciliation: &Reconciliation) -> String {
    let found: u64 = reconciliation.differences.values().sum();
    let left = found.saturating_sub(reconciliation.repaired);
    let mut text = format!("Compared with Kayako at {}: ", moment(reconciliation.at));
    if found == 0 {
        text.push_str("everything agrees");
    } else {
        let each: Vec<String> =
            reconciliation.differences.iter().map(|(name, amount)| format!("{amount} {name}")).collect();
        text.push_str(&format!(
            "{} ({} put right, {left} left), see {}",
            each.join(", "),
            reconciliation.repaired,
            reconciliation.file
        ));
    }
    if reconciliation.listed.is_none() {
        text.push_str("; foreign objects were not looked for");
    } else if !reconciliation.unsettled.is_empty() {
        text.push_str(&format!("; foreign {} may have been passed over", plurals(&reconciliation.unsettled)));
    }
    text
}

/// Kinds as people read them.
pub(crate) fn plurals(kinds: &[Kind]) -> String {
    kinds.iter().map(|kind| kind.plural()).collect::<Vec<_>>().join(", ")
}
