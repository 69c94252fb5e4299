//! Tags in a form that survives Kayako's CSV parameters.

use std::collections::BTreeSet;

use super::seen::one_line;

/// The tags in their order, each once whatever its case. Commas become `_`: the API takes tags as one text separated
/// by commas, so that `a,b` would arrive as two tags.
pub(super) fn normalise<'t>(tags: impl IntoIterator<Item = &'t String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let tags = tags.into_iter().map(|tag| one_line(tag).replace(',', "_"));
    tags.filter(|tag| !tag.is_empty() && seen.insert(tag.to_lowercase())).collect()
}
