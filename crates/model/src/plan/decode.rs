//! From the tree to typed settings: every mistake is reported with its place and its fix, and reading goes on.
//!
//! Constraints: a setting's name, type, default, limits and schema come from one declaration (`section!`), so that document,
//! schema and code cannot drift apart; a value that is refused is replaced by its default only so that the rest can still be checked.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::num::NonZeroU32;

use super::problem::{Place, Report};
use super::tree::{Entry, Node, Value};

/// A type that can be read from a node. `None` means that a problem has been reported.
pub(super) trait Decode: Sized {
    fn decode(node: &Node, path: &str, report: &mut Report) -> Option<Self>;
}

/// The path of a key inside a section.
pub(super) fn child(path: &str, key: &str) -> String {
    match (path, key) {
        ("", key) => key.to_owned(),
        (path, "") => path.to_owned(),
        (path, key) => format!("{path}.{key}"),
    }
}

/// A mapping whose keys are settings.
pub(super) struct Section<'a> {
    place: Place,
    path: String,
    entries: &'a [Entry],
    known: Vec<&'static str>,
    report: &'a mut Report,
}

impl<'a> Section<'a> {
    /// Opens a mapping; reports anything else.
    pub(super) fn open(node: &'a Node, path: &str, report: &'a mut Report) -> Option<Self> {
        let entries: &[Entry] = match &node.value {
            Value::Mapping(entries) => entries,
            Value::Null => &[],
            Value::Scalar { .. } | Value::Sequence(_) => {
                report.add(
                    node.place,
                    path,
                    format!("is {}, not a group of settings", node.description()),
                    "write `name: value` lines below it",
                );
                return None;
            }
        };
        Some(Self { place: node.place, path: path.to_owned(), entries, known: Vec::new(), report })
    }

    /// The node of a setting, if it was written with a value.
    pub(super) fn node(&mut self, key: &'static str) -> Option<&'a Node> {
        self.known.push(key);
        self.entries
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| &entry.node)
            .filter(|node| !node.is_null())
    }

    /// A setting that may be absent.
    pub(super) fn optional<T: Decode>(&mut self, key: &'static str) -> Option<T> {
        let node = self.node(key)?;
        T::decode(node, &child(&self.path, key), self.report)
    }

    /// A setting with a default.
    pub(super) fn or<T: Decode>(&mut self, key: &'static str, default: T) -> T {
        self.optional(key).unwrap_or(default)
    }

    /// A setting that must be there.
    pub(super) fn required<T: Decode>(&mut self, key: &'static str, example: &str) -> Option<T> {
        let Some(node) = self.node(key) else {
            self.report.add(
                self.place,
                &child(&self.path, key),
                "is missing",
                format!("add `{key}: {example}`"),
            );
            return None;
        };
        T::decode(node, &child(&self.path, key), self.report)
    }

    /// Checks the limits of a number.
    pub(super) fn within<T: PartialOrd + Display>(&mut self, key: &str, value: &T, min: &T, max: &T) {
        if value < min || value > max {
            self.problem(key, format!("{value} is outside the limits"), format!("use {min} to {max}"));
        }
    }

    /// Reports a problem of one setting (or of the section, if the setting is not written).
    pub(super) fn problem(&mut self, key: &str, message: impl Into<String>, fix: impl Into<String>) {
        let place =
            self.entries.iter().find(|entry| entry.key == key).map_or(self.place, |entry| entry.node.place);
        self.report.add(place, &child(&self.path, key), message, fix);
    }

    /// Reports a problem of one key below a setting that is a mapping.
    pub(super) fn problem_below(
        &mut self,
        key: &str,
        below: &str,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        let entry = self.entries.iter().find(|entry| entry.key == key);
        let place = entry.map_or(self.place, |entry| match &entry.node.value {
            Value::Mapping(inner) => {
                inner.iter().find(|entry| entry.key == below).map_or(entry.node.place, |entry| entry.place)
            }
            _ => entry.node.place,
        });
        self.report.add(place, &child(&child(&self.path, key), below), message, fix);
    }

    /// Whether a key was written with a value, good or bad.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key && !entry.node.is_null())
    }

    /// Reports the keys that nobody asked for.
    pub(super) fn close(self) {
        for entry in self.entries.iter().filter(|entry| !self.known.contains(&entry.key.as_str())) {
            let fix = match nearest(&entry.key, &self.known) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("use one of: {}", self.known.join(", ")),
            };
            self.report.add(entry.place, &child(&self.path, &entry.key), "is not a setting", fix);
        }
    }
}

/// The known word that was probably meant.
pub(super) fn nearest<'w>(word: &str, known: &[&'w str]) -> Option<&'w str> {
    let folded = word.to_lowercase().replace('-', "_");
    known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(&folded, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.chars().count() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The text of a single value; anything else is reported as not being `wanted`.
pub(super) fn text<'n>(node: &'n Node, path: &str, report: &mut Report, wanted: &str) -> Option<&'n str> {
    if let Value::Scalar { text, .. } = &node.value {
        return Some(text);
    }
    report.add(
        node.place,
        path,
        format!("is {}, not {wanted}", node.description()),
        format!("write {wanted}"),
    );
    None
}

/// One of several fixed words.
pub(super) fn choice<T: Copy>(
    node: &Node,
    path: &str,
    report: &mut Report,
    words: &[(&str, T)],
) -> Option<T> {
    let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
    let wanted = format!("one of: {}", names.join(", "));
    let found = text(node, path, report, &wanted)?;
    if let Some((_, value)) = words.iter().find(|(name, _)| *name == found) {
        return Some(*value);
    }
    let fix = match nearest(found, &names) {
        Some(name) => format!("did you mean `{name}`? Use {wanted}"),
        None => format!("use {wanted}"),
    };
    report.add(node.place, path, format!("`{found}` is not known"), fix);
    None
}

impl Decode for String {
    fn decode(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        let found = text(node, path, report, "a text")?;
        if found.trim().is_empty() {
            report.add(node.place, path, "is blank", "write a text or remove the line");
            return None;
        }
        Some(found.to_owned())
    }
}

impl Decode for bool {
    fn decode(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        let found = text(node, path, report, "true or false")?;
        let fix = match found.to_ascii_lowercase().as_str() {
            "true" if found == "true" => return Some(true),
            "false" if found == "false" => return Some(false),
            "yes" | "on" | "true" | "y" | "1" => "write true",
            "no" | "off" | "false" | "n" | "0" => "write false",
            _ => "write true or false",
        };
        report.add(node.place, path, "is neither true nor false", fix);
        None
    }
}

fn number<T: std::str::FromStr>(node: &Node, path: &str, report: &mut Report, wanted: &str) -> Option<T> {
    let found = text(node, path, report, wanted)?;
    if let Ok(number) = found.parse() {
        if matches!(node.value, Value::Scalar { plain: true, .. }) {
            return Some(number);
        }
        report.add(node.place, path, "is a text because of its quotes", "remove the quotes");
        return None;
    }
    report.add(node.place, path, format!("`{found}` is not {wanted}"), format!("write {wanted}"));
    None
}

macro_rules! whole_numbers {
    ($($type:ty),*) => {$(
        impl Decode for $type {
            fn decode(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
                number(node, path, report, "a whole number of 0 or more, in digits only")
            }
        }
    )*};
}

whole_numbers!(u16, u32, u64, usize);

impl Decode for NonZeroU32 {
    fn decode(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        number(node, path, report, "a whole number of 1 or more, in digits only")
    }
}

impl Decode for f64 {
    fn decode(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        let found: f64 = number(node, path, report, "a number such as 0.5")?;
        if found.is_finite() {
            return Some(found);
        }
        report.add(node.place, path, "is not a finite number", "write a number such as 0.5");
        None
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        T::decode(node, path, report).map(Some)
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        let Value::Sequence(items) = &node.value else {
            let message = format!("is {}, not a list", node.description());
            report.add(node.place, path, message, "write a list: [a, b]");
            return None;
        };
        let read =
            items.iter().enumerate().map(|(at, item)| T::decode(item, &format!("{path}[{at}]"), report));
        // All items are read before one bad item spoils the list.
        read.collect::<Vec<_>>().into_iter().collect()
    }
}

impl<T: Decode> Decode for BTreeMap<String, T> {
    fn decode(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        let Value::Mapping(entries) = &node.value else {
            let message = format!("is {}, not a mapping", node.description());
            report.add(node.place, path, message, "write `source value: target value` lines below it");
            return None;
        };
        let read = entries.iter().map(|entry| {
            let value = T::decode(&entry.node, &child(path, &entry.key), report)?;
            Some((entry.key.clone(), value))
        });
        read.collect::<Vec<_>>().into_iter().collect()
    }
}

/// Declares a group of settings that all have defaults: the struct, its schema, its default and how it is read.
///
/// `name as "key": Type = default, from MIN to MAX;` where either of `as` and the limits may be given; `check` names a function that sees the values read,
/// may normalise them and reports contradictions.
macro_rules! section {
    (@key $field:ident) => { stringify!($field) };
    (@key $field:ident $key:literal) => { $key };
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $(
                $(#[$field_meta:meta])*
                $field:ident $(as $key:literal)? : $type:ty = $default:expr $(, from $min:literal to $max:literal)?;
            )*
        }
        $(check $check:path;)?
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $(
                $(#[$field_meta])*
                $(#[serde(rename = $key)])?
                $(#[schemars(range(min = $min, max = $max))])?
                pub $field: $type,
            )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $crate::plan::decode::Decode for $name {
            fn decode(
                node: &$crate::plan::tree::Node,
                path: &str,
                report: &mut $crate::plan::problem::Report,
            ) -> Option<Self> {
                let mut section = $crate::plan::decode::Section::open(node, path, report)?;
                let default = Self::default();
                #[allow(unused_mut)]
                let mut value = Self {
                    $($field: section.or($crate::plan::decode::section!(@key $field $($key)?), default.$field),)*
                };
                $($(
                    section.within(stringify!($field), &value.$field, &$min, &$max);
                )?)*
                $($check(&mut value, &mut section);)?
                section.close();
                Some(value)
            }
        }
    };
}
pub(super) use section;
