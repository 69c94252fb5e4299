//! Tolerant readings and exact writings of Kayako's JSON.
//!
//! Reading: a field that is missing, `null` or oddly typed must not make a whole answer unreadable, because an
//! unreadable answer puts the record in doubt. Writing: exactly the documented formats.

use std::fmt::{self, Display};
use std::marker::PhantomData;

use jiff::Timestamp;
use serde::de::{self, DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serializer};
use serde_json::Value;

/// `null` means the default.
pub(crate) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// An ISO-8601 time with offset, or Unix seconds; anything else is no time.
pub(crate) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    Ok(match Option::<Value>::deserialize(deserializer)? {
        Some(Value::String(text)) => text.parse().ok(),
        Some(Value::Number(seconds)) => seconds.as_i64().and_then(|s| Timestamp::from_second(s).ok()),
        _ => None,
    })
}

/// A text, or a number or boolean as text.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<Value>::deserialize(deserializer)?.and_then(scalar))
}

pub(crate) fn scalar(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Array(values) => {
            let parts: Option<Vec<_>> = values.into_iter().map(scalar).collect();
            parts.map(|parts| parts.join(","))
        }
        Value::Null | Value::Object(_) => None,
    }
}

/// Tags come as texts or as objects with a `name`. `None` when the answer does not tell all names.
pub(crate) fn tag_names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    let Some(values) = Option::<Vec<Value>>::deserialize(deserializer)? else { return Ok(None) };
    Ok(values
        .into_iter()
        .map(|value| match value {
            Value::String(name) => Some(name),
            Value::Object(mut tag) => tag.remove("name").and_then(scalar),
            _ => None,
        })
        .collect())
}

/// A number or a numeric text.
pub(crate) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(match Option::<Value>::deserialize(deserializer)? {
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => text.parse().ok(),
        _ => None,
    })
}

/// The items of an array that can be read as `T`; others (odd stubs) are left out.
pub(crate) fn readable_items<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let values = Option::<Vec<Value>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(values.into_iter().filter_map(|value| serde_json::from_value(value).ok()).collect())
}

/// `YYYY-MM-DDThh:mm:ss+00:00`: whole seconds, as documented; fractions are cut off, not rounded up.
#[expect(clippy::ref_option, reason = "serde's serialize_with hands out a reference to the field")]
pub(crate) fn write_time<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(&time.strftime("%Y-%m-%dT%H:%M:%S+00:00")),
        None => serializer.serialize_none(),
    }
}

/// A comma-separated list, which is what Kayako calls an array outside JSON.
pub(crate) fn write_csv<S: Serializer, T: Display>(items: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&csv(items))
}

/// As [`write_csv`], for a list that may be left out (an empty one clears the field).
#[expect(clippy::ref_option, reason = "serde's serialize_with hands out a reference to the field")]
pub(crate) fn write_csv_option<S: Serializer, T: Display>(
    items: &Option<Vec<T>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match items {
        Some(items) => write_csv(items, serializer),
        None => serializer.serialize_none(),
    }
}

pub(crate) fn csv<T: Display>(items: &[T]) -> String {
    use fmt::Write;
    let mut text = String::new();
    for item in items {
        if !text.is_empty() {
            text.push(',');
        }
        // Writing into a String cannot fail.
        let _ = write!(text, "{item}");
    }
    text
}

/// Reads an id from a number, a numeric text, or an object that has an `id` (a stub or the full object).
pub(crate) struct IdVisitor<I>(PhantomData<I>);

impl<I> IdVisitor<I> {
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<'de, I: From<u64>> Visitor<'de> for IdVisitor<I> {
    type Value = I;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id")
    }

    fn visit_u64<E: de::Error>(self, id: u64) -> Result<I, E> {
        Ok(I::from(id))
    }

    fn visit_i64<E: de::Error>(self, id: i64) -> Result<I, E> {
        u64::try_from(id).map(I::from).map_err(|_| E::custom("an id below zero"))
    }

    fn visit_str<E: de::Error>(self, id: &str) -> Result<I, E> {
        id.parse::<u64>().map(I::from).map_err(|_| E::custom("an id that is no number"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<I, A::Error> {
        struct Inner<I>(I);
        impl<'de, I: From<u64>> Deserialize<'de> for Inner<I> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(IdVisitor::<I>::new()).map(Inner)
            }
        }
        let mut id = None;
        while let Some(key) = map.next_key::<String>()? {
            if key == "id" {
                id = Some(map.next_value::<Inner<I>>()?.0);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        id.ok_or_else(|| de::Error::missing_field("id"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _seq: A) -> Result<I, A::Error> {
        Err(de::Error::custom("an array where an id was expected"))
    }
}
