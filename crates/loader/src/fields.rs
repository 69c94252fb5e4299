//! Custom field values in Kayako's terms (API 4.12): option labels become ids.

use kayako::{FieldOwner, FieldValues};
use model::command::{FieldAssignment, TargetValue};
use serde_json::Value;

use crate::catalogue::{Catalogue, fold};

/// The values to send, and what could not be expressed (field keys only, never values).
pub(crate) fn values(
    catalogue: &Catalogue,
    owner: FieldOwner,
    fields: &[FieldAssignment],
) -> (FieldValues, Vec<String>) {
    let mut values = FieldValues::new();
    let mut left_out = Vec::new();
    for field in fields {
        let Some(target) = catalogue.field(owner, &field.key) else {
            left_out.push(format!("field {} does not exist in Kayako", field.key));
            continue;
        };
        let option = |label: &str| target.options.get(&fold(label)).copied();
        let value = match &field.value {
            TargetValue::Text(text) | TargetValue::Date(text) => Some(Value::String(text.clone())),
            // The format is not documented; `yes`/`no` are the words of the type's own name.
            TargetValue::YesNo(yes) => Some(Value::String(if *yes { "yes" } else { "no" }.to_owned())),
            TargetValue::Option(label) => option(label).map(|id| Value::String(id.to_string())),
            TargetValue::Options(labels) => {
                let ids: Vec<String> =
                    labels.iter().filter_map(|label| option(label)).map(|id| id.to_string()).collect();
                (ids.len() == labels.len()).then(|| Value::String(ids.join(",")))
            }
        };
        match value {
            Some(value) => {
                values.insert(field.key.clone(), value);
            }
            None => left_out.push(format!("field {} has no such option in Kayako", field.key)),
        }
    }
    (values, left_out)
}
