//! Custom field values by the plan's mapping.

use std::collections::BTreeMap;

use jiff::civil::Date;
use model::command::{FieldAssignment, TargetFields, TargetValue};
use model::plan::{FieldMapping, FieldType};
use model::record::{FieldValue, FieldValues};

/// The values to set; a value that does not fit its Kayako field is noted and left out.
pub(super) fn assign(
    values: &FieldValues,
    mapping: &BTreeMap<String, FieldMapping>,
    notes: &mut Vec<String>,
) -> TargetFields {
    let mut assigned = TargetFields::new();
    for (field, mapping) in mapping {
        let Some(value) = values.get(field) else { continue };
        match convert(value, mapping) {
            Ok(Some(value)) => assigned.push(FieldAssignment { key: mapping.to.clone(), value }),
            Ok(None) => {}
            Err(problem) => notes.push(format!("field {field} is left out: {problem}")),
        }
    }
    assigned
}

/// The value in Kayako's terms; `None` if there is nothing to set.
fn convert(value: &FieldValue, mapping: &FieldMapping) -> Result<Option<TargetValue>, &'static str> {
    let texts = texts(value, &mapping.values);
    if texts.is_empty() {
        return Ok(None);
    }
    let one = || match texts.as_slice() {
        [one] => Ok(one.clone()),
        _ => Err("it has several values and its Kayako field takes one"),
    };
    let field_type = mapping.field_type.unwrap_or(match value {
        FieldValue::Text(_) => FieldType::Text,
        FieldValue::Bool(_) => FieldType::YesNo,
        FieldValue::Date(_) => FieldType::Date,
        FieldValue::Choice(_) => FieldType::Option,
        FieldValue::Choices(_) => FieldType::Options,
    });
    Ok(Some(match field_type {
        FieldType::Text => TargetValue::Text(texts.join(", ")),
        FieldType::Number => TargetValue::Text(number(&one()?)?),
        FieldType::YesNo => TargetValue::YesNo(yes_or_no(&one()?)?),
        FieldType::Date => TargetValue::Date(date(&one()?)?),
        FieldType::Option => TargetValue::Option(one()?),
        FieldType::Options => TargetValue::Options(texts),
    }))
}

/// The value's texts with the plan's values put in, blanks left out.
fn texts(value: &FieldValue, map: &BTreeMap<String, String>) -> Vec<String> {
    let mapped = |text: &str| map.get(text).map_or_else(|| text.trim().to_owned(), Clone::clone);
    let mut texts = match value {
        FieldValue::Text(text) | FieldValue::Date(text) | FieldValue::Choice(text) => vec![mapped(text)],
        FieldValue::Bool(set) => vec![mapped(if *set { "true" } else { "false" })],
        FieldValue::Choices(options) => {
            let mut found: Vec<String> = Vec::with_capacity(options.len());
            for option in options.iter().map(|option| mapped(option)) {
                // Two source options may stand for one in Kayako.
                if !found.contains(&option) {
                    found.push(option);
                }
            }
            found
        }
    };
    texts.retain(|text| !text.is_empty());
    texts
}

fn number(text: &str) -> Result<String, &'static str> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    // Checked as text: a floating-point number would change long ones.
    if all_digits(whole) && all_digits(fraction) {
        Ok(text.to_owned())
    } else {
        Err("its value is not a number")
    }
}

fn yes_or_no(text: &str) -> Result<bool, &'static str> {
    match text.to_lowercase().as_str() {
        "true" | "yes" | "1" => Ok(true),
        "false" | "no" | "0" => Ok(false),
        _ => Err("its value is neither yes nor no"),
    }
}

/// A calendar date; a time after it is cut off, because date fields have no zone.
fn date(text: &str) -> Result<String, &'static str> {
    let day = text.get(..10).unwrap_or(text);
    day.parse::<Date>().map(|date| date.to_string()).map_err(|_| "its value is not a date")
}
