//! The values that records carry in custom fields, and the formats they must have (reference section 4.12).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::call::Call;
use super::catalog::Catalog;
use super::envelope::{Answer, Failure, Payload, Problems};
use super::fields::{Field, FieldOwner};
use super::params::{flag_text, scalar_text, split_csv};
use super::shape::Shape;
use super::state::State;
use super::switches::YesNoFormat;

/// Field id -> value as text.
pub(crate) type Values = BTreeMap<u64, String>;

/// New values over old ones; an empty value clears.
pub(crate) fn merge(values: &mut Values, changes: Values) {
    for (id, value) in changes {
        if value.is_empty() {
            values.remove(&id);
        } else {
            values.insert(id, value);
        }
    }
}

impl State {
    pub(crate) fn show_values(&self, owner: FieldOwner, values: &Values, shape: &Shape, depth: u8) -> Value {
        let list = values.iter().map(|(id, value)| {
            json!({"field": self.reference(owner.resource(), Some(*id), shape, depth), "value": value,
                "resource_type": "custom_field"})
        });
        Value::Array(list.collect())
    }

    /// Values by key, for the truth of an export.
    pub(crate) fn values_by_key(&self, owner: FieldOwner, values: &Values) -> BTreeMap<String, String> {
        let key = |id: &u64| self.fields.get(&owner)?.get(*id).map(|field| field.key.clone());
        values.iter().filter_map(|(id, value)| Some((key(id)?, value.clone()))).collect()
    }

    pub(crate) fn list_values(&self, call: &Call, owner: FieldOwner, values: &Values) -> Answer {
        let items = match self.show_values(owner, values, &call.shape, 0) {
            Value::Array(items) => items,
            _ => Vec::new(),
        };
        let total = items.len();
        Answer {
            status: 200,
            resource: "custom_field",
            data: Payload::Page { items, offset: 0, limit: total, total },
        }
    }

    /// Checks `field_values`; `form_id` limits case fields to those of the form.
    pub(crate) fn check_values(
        &self,
        owner: FieldOwner,
        given: Map<String, Value>,
        form_id: Option<u64>,
        problems: &mut Problems,
    ) -> Values {
        let mut values = Values::new();
        let Some(table) = self.fields.get(&owner) else {
            return values;
        };
        for (key, value) in given {
            let name = format!("field_values/{key}");
            let Some((id, field)) = table.iter().find(|(_, field)| field.key == key && !field.is_system)
            else {
                problems.add(Failure::invalid(&name, "The field does not exist"));
                continue;
            };
            if self.switches.field_values_strict && form_id.is_some_and(|form| !self.form_has(form, id)) {
                problems.add(Failure::invalid(&name, "The field does not belong to the form"));
                continue;
            }
            let text = match &value {
                Value::Null => String::new(),
                Value::Array(list) => list.iter().filter_map(scalar_text).collect::<Vec<_>>().join(","),
                other => scalar_text(other).unwrap_or_default(),
            };
            if self.switches.field_values_strict
                && !text.is_empty()
                && !field.accepts(&text, self.switches.yesno_format)
            {
                problems.add(Failure::invalid(&name, "The value does not have the format of the field"));
                continue;
            }
            values.insert(id, text);
        }
        values
    }

    fn form_has(&self, form_id: u64, field_id: u64) -> bool {
        let fields = self
            .catalogs
            .get(Catalog::Forms, form_id)
            .and_then(|form| form.get("fields"))
            .and_then(Value::as_array);
        fields.is_some_and(|fields| {
            fields.iter().any(|field| field.get("id").and_then(Value::as_u64) == Some(field_id))
        })
    }

    /// Complains about required fields without a value.
    pub(crate) fn check_required(
        &self,
        owner: FieldOwner,
        values: &Values,
        form_id: Option<u64>,
        resolved: bool,
        problems: &mut Problems,
    ) {
        let Some(table) = self.fields.get(&owner) else {
            return;
        };
        for (id, field) in table.iter() {
            let required = field.is_required_for_agents || (resolved && field.is_required_on_resolution);
            let applies = || field.is_enabled && form_id.is_none_or(|form| self.form_has(form, id));
            if required && applies() && !values.contains_key(&id) {
                problems.add(Failure::required(&format!("field_values/{}", field.key)));
            }
        }
    }

    /// Tags of the options that values choose.
    pub(crate) fn option_tags(&self, owner: FieldOwner, values: &Values) -> Vec<String> {
        let mut tags = Vec::new();
        for (id, value) in values {
            if let Some(field) = self.fields.get(&owner).and_then(|table| table.get(*id)) {
                let chosen = split_csv(value);
                let hits = field.options.iter().filter(|option| chosen.contains(&option.id.to_string()));
                tags.extend(hits.filter_map(|option| option.tag.clone()));
            }
        }
        tags
    }
}

impl Field {
    fn accepts(&self, text: &str, yesno: YesNoFormat) -> bool {
        let is_option = |text: &str| {
            text.parse::<u64>().is_ok_and(|id| self.options.iter().any(|option| option.id == id))
        };
        match self.kind {
            "NUMERIC" => text.parse::<i64>().is_ok(),
            "DECIMAL" => text.parse::<f64>().is_ok(),
            "YESNO" => {
                let word = text.eq_ignore_ascii_case("yes") || text.eq_ignore_ascii_case("no");
                (word && yesno != YesNoFormat::Booleans)
                    || (flag_text(text).is_some() && yesno != YesNoFormat::Words)
            }
            "DATE" => text.parse::<jiff::civil::Date>().is_ok() || text.parse::<jiff::Timestamp>().is_ok(),
            "SELECT" | "RADIO" | "CASCADINGSELECT" => is_option(text),
            "CHECKBOX" => split_csv(text).iter().all(|part| is_option(part)),
            _ => true,
        }
    }
}
