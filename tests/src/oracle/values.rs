//! Values of custom fields in Kayako's terms.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::fields::{Fields, Kind, Mapped};
use sandbox::seed::Owner;

/// What a record's fields must hold in Kayako, by Kayako's keys; `raw` answers the source's value of a field.
pub(crate) fn expected<'v>(
    fields: &Fields,
    owner: Owner,
    raw: impl Fn(&str) -> Option<&'v Value>,
) -> BTreeMap<String, String> {
    let value = |field: &Mapped| Some((field.key.clone(), text(field, raw(&field.source)?)?));
    fields.of(owner).filter_map(value).collect()
}

fn text(field: &Mapped, raw: &Value) -> Option<String> {
    let plain = match raw {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    };
    let text = match field.kind {
        Kind::Text | Kind::Area | Kind::Number | Kind::Decimal => plain,
        // Never ticked is not "no".
        Kind::YesNo => if raw.as_bool()? { "yes" } else { "no" }.to_owned(),
        Kind::Date => plain.get(..10)?.to_owned(),
        Kind::Select => option(field, &plain)?,
        Kind::Checkbox => {
            let chosen = raw.as_array()?.iter().filter_map(Value::as_str);
            chosen.filter_map(|value| option(field, value)).collect::<Vec<_>>().join(",")
        }
    };
    (!text.is_empty()).then_some(text)
}

fn option(field: &Mapped, value: &str) -> Option<String> {
    field.options.get(value).map(|(_, id)| id.to_string())
}
