//! Checks that several resources share: legacy ids and references to configuration entries.

use super::catalog::Catalog;
use super::envelope::{Failure, Problems};
use super::params::Params;
use super::state::State;
use super::switches::LongLegacyIdRule;

impl State {
    /// Reads `legacy_id` under the rules of the switches. `holders` are the ids of the objects that carry it already.
    pub(crate) fn check_legacy_id<'a>(
        &self,
        params: &mut Params,
        holders: impl Fn(&str) -> &'a [u64],
        problems: &mut Problems,
    ) -> Option<String> {
        let mut legacy_id = params.text("legacy_id", problems).filter(|id| !id.is_empty())?;
        let longest = self.switches.legacy_id_max_length;
        if longest > 0 && legacy_id.chars().count() > longest {
            match self.switches.legacy_id_too_long {
                LongLegacyIdRule::Refused => {
                    problems.add(Failure::invalid("legacy_id", "The legacy id is too long"));
                }
                LongLegacyIdRule::Cut => legacy_id = legacy_id.chars().take(longest).collect(),
            }
        }
        if self.switches.legacy_id_unique && !holders(&legacy_id).is_empty() {
            problems.add(Failure::field(
                "RESOURCE_EXISTS",
                "legacy_id",
                "A resource with this legacy id exists",
            ));
        }
        Some(legacy_id)
    }

    /// Reads an id that must name an entry of a list.
    pub(crate) fn check_entry(
        &self,
        params: &mut Params,
        name: &str,
        catalog: Catalog,
        problems: &mut Problems,
    ) -> Option<u64> {
        let id = params.int(name, problems)?;
        if self.catalogs.get(catalog, id).is_none() {
            problems.add(Failure::invalid(name, "The referenced entry does not exist"));
        }
        Some(id)
    }
}
