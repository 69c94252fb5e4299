//! Request parameters: one map, whatever the body's format was, read with the API's own tolerance (reference section 1.3).
//!
//! Constraints. Values are taken out, not copied: a bulk body is megabytes of post texts.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::envelope::{Failure, Problems};

/// The parameters of one record. Reading removes what was read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params(pub(crate) Map<String, Value>);

impl Params {
    /// Takes a JSON object; `None` for any other value.
    pub(crate) fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Object(map) => Some(Self(snake_names(map))),
            _ => None,
        }
    }

    /// Adds one form field; `name[]` and repeated names make arrays.
    pub(crate) fn add_form_field(&mut self, name: &str, value: String) {
        let (name, listed) = name.strip_suffix("[]").map_or((name, false), |name| (name, true));
        let value = Value::String(value);
        match self.0.get_mut(name) {
            Some(Value::Array(list)) => list.push(value),
            _ if listed => {
                self.0.insert(name.to_owned(), Value::Array(vec![value]));
            }
            _ => {
                // `field_values[key]=v` is how forms spell objects.
                if let Some((outer, inner)) = name.strip_suffix(']').and_then(|name| name.split_once('[')) {
                    let slot = self.0.entry(outer).or_insert_with(|| Value::Object(Map::new()));
                    if let Value::Object(map) = slot {
                        map.insert(inner.to_owned(), value);
                    }
                } else {
                    self.0.insert(name.to_owned(), value);
                }
            }
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The value; JSON null counts as absent.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    pub(crate) fn text(&mut self, name: &str, problems: &mut Problems) -> Option<String> {
        match self.take(name)? {
            Value::String(text) => Some(text),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            _ => {
                problems.add(Failure::invalid(name, "A text is expected"));
                None
            }
        }
    }

    pub(crate) fn int(&mut self, name: &str, problems: &mut Problems) -> Option<u64> {
        let value = self.take(name)?;
        let number = as_int(&value);
        if number.is_none() {
            problems.add(Failure::invalid(name, "A number is expected"));
        }
        number
    }

    /// For updates: absent = keep, null or empty = clear.
    pub(crate) fn change_of_id(&mut self, name: &str, problems: &mut Problems) -> Change {
        let Some(value) = self.0.remove(name) else {
            return Change::Keep;
        };
        if value.is_null() || value.as_str() == Some("") || value.as_u64() == Some(0) {
            return Change::Clear;
        }
        as_int(&value).map_or_else(
            || {
                problems.add(Failure::invalid(name, "A number is expected"));
                Change::Keep
            },
            Change::To,
        )
    }

    pub(crate) fn flag(&mut self, name: &str, problems: &mut Problems) -> Option<bool> {
        let value = self.take(name)?;
        let flag = as_flag(&value);
        if flag.is_none() {
            problems.add(Failure::invalid(name, "A boolean is expected"));
        }
        flag
    }

    /// An array, or text with commas.
    pub(crate) fn csv(&mut self, name: &str) -> Option<Vec<String>> {
        Some(match self.take(name)? {
            Value::String(text) => split_csv(&text),
            Value::Array(list) => {
                list.iter().filter_map(scalar_text).filter(|text| !text.is_empty()).collect()
            }
            other => scalar_text(&other).into_iter().collect(),
        })
    }

    pub(crate) fn ids(&mut self, name: &str, problems: &mut Problems) -> Option<Vec<u64>> {
        let mut ids = Vec::new();
        for part in self.csv(name)? {
            match part.parse() {
                Ok(id) => ids.push(id),
                Err(_) => problems.add(Failure::invalid(name, "Ids separated by commas are expected")),
            }
        }
        Some(ids)
    }

    /// ISO-8601 with offset, or Unix seconds; answers Unix seconds.
    pub(crate) fn time(&mut self, name: &str, problems: &mut Problems) -> Option<i64> {
        let value = self.take(name)?;
        let seconds = match &value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.parse::<i64>().ok().or_else(|| parse_time(text)),
            _ => None,
        };
        if seconds.is_none() {
            problems.add(Failure::invalid(name, "A time like 2016-02-17T08:20:18+05:00 is expected"));
        }
        seconds
    }

    /// An object, or its JSON text.
    pub(crate) fn object(&mut self, name: &str, problems: &mut Problems) -> Option<Map<String, Value>> {
        let value = match self.take(name)? {
            Value::String(text) => serde_json::from_str(&text).unwrap_or(Value::Null),
            other => other,
        };
        match value {
            Value::Object(map) => Some(map),
            // PHP's way of writing an empty object.
            Value::Array(list) if list.is_empty() => Some(Map::new()),
            _ => {
                problems.add(Failure::invalid(name, "An object is expected"));
                None
            }
        }
    }

    /// A value of a fixed set, in any case.
    pub(crate) fn choice(
        &mut self,
        name: &str,
        allowed: &[&'static str],
        problems: &mut Problems,
    ) -> Option<&'static str> {
        let text = self.text(name, problems)?;
        let found = allowed.iter().find(|option| option.eq_ignore_ascii_case(&text)).copied();
        if found.is_none() {
            problems.add(Failure::invalid(name, format!("One of {} is expected", allowed.join(", "))));
        }
        found
    }
}

/// What an update does to a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Keep,
    Clear,
    To(u64),
}

impl Change {
    /// The value afterwards.
    pub(crate) fn over(self, before: Option<u64>) -> Option<u64> {
        match self {
            Self::Keep => before,
            Self::Clear => None,
            Self::To(id) => Some(id),
        }
    }
}

fn parse_time(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_second)
}

pub(crate) fn as_int(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

pub(crate) fn as_flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => number.as_u64().filter(|n| *n < 2).map(|n| n == 1),
        Value::String(text) => flag_text(text),
        _ => None,
    }
}

pub(crate) fn flag_text(text: &str) -> Option<bool> {
    if text == "1" || text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text == "0" || text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// A scalar as text, as custom fields return every value.
pub(crate) fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

pub(crate) fn split_csv(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// Names may come in snake, camel or Pascal case (section 1.2).
fn snake_names(map: Map<String, Value>) -> Map<String, Value> {
    if map.keys().all(|name| !name.bytes().any(|b| b.is_ascii_uppercase())) {
        return map;
    }
    map.into_iter().map(|(name, value)| (snake(&name), value)).collect()
}

fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for (place, letter) in name.chars().enumerate() {
        if letter.is_ascii_uppercase() && place > 0 {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

/// The query string of a call.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(query: Option<&str>) -> Self {
        let pairs = query.map_or_else(Vec::new, |query| {
            url::form_urlencoded::parse(query.as_bytes())
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect()
        });
        Self(pairs)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All values of `name` and `name[]`, split at commas.
    pub(crate) fn list(&self, name: &str) -> Option<Vec<&str>> {
        let mut found = None;
        for (key, value) in &self.0 {
            if key == name || key.strip_suffix("[]") == Some(name) {
                found
                    .get_or_insert_with(Vec::new)
                    .extend(value.split(',').map(str::trim).filter(|part| !part.is_empty()));
            }
        }
        found
    }

    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        self.get(name).and_then(flag_text)
    }
}
