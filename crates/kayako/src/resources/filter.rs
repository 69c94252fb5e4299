//! Finds objects by natural keys through the filter endpoints, many keys in one call.
//!
//! Constraint: as in [`crate::lookup`], a key is absent only if the pages add up.

use std::collections::HashMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::call::Request;
use crate::client::Client;
use crate::error::Error;
use crate::ids::UserId;
use crate::lookup::LookupBatch;
use crate::paging::{Completeness, Identified};

#[derive(Serialize)]
struct Filter<'a> {
    predicates: Predicates<'a>,
}

#[derive(Serialize)]
struct Predicates<'a> {
    collection_operator: &'static str,
    collections: [Collection<'a>; 1],
}

#[derive(Serialize)]
struct Collection<'a> {
    proposition_operator: &'static str,
    propositions: Vec<Proposition<'a>>,
}

#[derive(Serialize)]
struct Proposition<'a> {
    field: &'static str,
    operator: &'static str,
    value: &'a str,
}

impl Client {
    /// `keys_of` names the keys an object can be found by, or the user whose addresses came as stubs.
    pub(crate) async fn filter<T>(
        &self,
        template: &'static str,
        include: Option<&'static str>,
        field: &'static str,
        keys: &[&str],
        keys_of: impl Fn(&T) -> Result<Vec<String>, UserId>,
    ) -> Result<LookupBatch<T>, Error>
    where
        T: DeserializeOwned + Identified + Clone,
    {
        let call = Request::query_by_post(template).call;
        if keys.iter().any(|key| key.trim().is_empty()) {
            return Err(Error::Argument { call, problem: "a key is empty" });
        }
        let mut batch = LookupBatch::unknown(keys.iter().copied());
        // Compared without case; several spellings of one key share the finding.
        let mut spellings: HashMap<String, Vec<&str>> = HashMap::new();
        let mut distinct = Vec::new();
        for key in keys {
            let spelling = spellings.entry(folded(key)).or_default();
            if spelling.is_empty() {
                distinct.push(*key);
            }
            if !spelling.contains(key) {
                spelling.push(key);
            }
        }
        for chunk in distinct.chunks(self.config().emails_per_filter) {
            let propositions = chunk
                .iter()
                .map(|key| Proposition { field, operator: "comparison_equalto", value: key.trim() })
                .collect();
            let predicates = Predicates {
                collection_operator: "OR",
                collections: [Collection { proposition_operator: "OR", propositions }],
            };
            let mut request = Request::query_by_post(template).json(&Filter { predicates })?;
            if let Some(include) = include {
                request = request.query("include", include);
            }
            let collected = self.collect::<T>(request, chunk.len(), 4 * chunk.len() + 16).await?;
            let mut opaque = false;
            for object in collected.items {
                let found_by = match keys_of(&object) {
                    Ok(keys) => keys,
                    Err(user) => {
                        self.user_emails(user).await?.into_iter().filter_map(|email| email.email).collect()
                    }
                };
                // An object that shows no key at all could be any of those asked for.
                opaque |= found_by.is_empty();
                let mut asked: Vec<&str> = Vec::new();
                for key in found_by {
                    for spelling in spellings.get(&folded(&key)).into_iter().flatten() {
                        if !asked.contains(spelling) {
                            asked.push(spelling);
                        }
                    }
                }
                for key in asked {
                    batch.add(key, object.clone(), true);
                }
            }
            // Objects that nobody asked for do no harm (an account may compare without accents): the pages add up, so
            // whatever was asked for and exists is among them.
            if collected.completeness == Completeness::Counted && !opaque {
                for key in chunk.iter().flat_map(|key| &spellings[&folded(key)]) {
                    batch.settle_absent(key);
                }
            }
        }
        Ok(batch)
    }
}

fn folded(key: &str) -> String {
    key.trim().to_lowercase()
}
