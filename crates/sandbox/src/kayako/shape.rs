//! What an answer shows: `include`, `fields`, `_empty`, `_flat`, `_case` (reference section 1.6).

use serde_json::{Map, Value};

use super::params::Query;

/// How the caller wants objects to be shown.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shape {
    include: Include,
    fields: Vec<Pick>,
    no_empty: bool,
    flat: bool,
    letters: Letters,
}

#[derive(Debug, Clone, Default)]
enum Include {
    #[default]
    Stubs,
    All,
    Types(Vec<String>),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Letters {
    #[default]
    Snake,
    Camel,
    Pascal,
}

/// One entry of `fields=`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pick {
    sign: Sign,
    name: String,
    inner: Vec<Pick>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Plus,
    Minus,
    Bare,
}

impl Shape {
    pub(crate) fn new(query: &Query, options_header: Option<&str>) -> Self {
        let include = match query.get("include") {
            None => Include::Stubs,
            Some("*") => Include::All,
            Some(types) => Include::Types(types.split(',').map(|part| part.trim().to_owned()).collect()),
        };
        let option = |name: &str| {
            options_header.is_some_and(|header| header.split(',').any(|part| part.trim() == name))
        };
        Self {
            include,
            fields: query
                .get("fields")
                .map(|text| parse_picks(&mut text.chars().peekable()))
                .unwrap_or_default(),
            no_empty: query.flag("_empty") == Some(false) || option("no_empty"),
            flat: query.flag("_flat") == Some(true) || option("flat"),
            letters: match query.get("_case") {
                Some("camel") => Letters::Camel,
                Some("pascal") => Letters::Pascal,
                _ => Letters::Snake,
            },
        }
    }

    /// Whether objects of this type are shown whole where another object refers to them.
    pub(crate) fn includes(&self, resource: &str) -> bool {
        match &self.include {
            Include::Stubs => false,
            Include::All => true,
            Include::Types(types) => types.iter().any(|name| name == resource),
        }
    }

    /// Whether a field that is not shown by default was asked for.
    pub(crate) fn wants(&self, field: &str) -> bool {
        self.fields.iter().any(|pick| pick.sign != Sign::Minus && (pick.name == field || pick.name == "*"))
    }

    /// Whether a costly default field can be left out.
    pub(crate) fn drops(&self, field: &str) -> bool {
        self.fields.iter().any(|pick| pick.sign == Sign::Minus && pick.name == field)
    }

    /// Applies everything that works on finished objects; answers the side table of flat mode.
    pub(crate) fn finish<'a>(&self, items: impl Iterator<Item = &'a mut Value>) -> Option<Value> {
        let mut side = Map::new();
        for item in items {
            if !self.fields.is_empty() {
                apply_picks(item, &self.fields);
            }
            if self.no_empty {
                drop_empty(item);
            }
            if self.flat {
                flatten(item, &mut side, true);
            }
            if self.letters != Letters::Snake {
                rename(item, self.letters);
            }
        }
        self.flat.then_some(Value::Object(side))
    }
}

fn parse_picks(text: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Vec<Pick> {
    let mut picks = Vec::new();
    loop {
        // A raw `+` in a query string arrives as a blank.
        let sign = match text.peek() {
            Some('+' | ' ') => Sign::Plus,
            Some('-') => Sign::Minus,
            _ => Sign::Bare,
        };
        if sign != Sign::Bare {
            text.next();
        }
        let mut name = String::new();
        while let Some(letter) = text.next_if(|c| !matches!(c, ',' | '(' | ')')) {
            name.push(letter);
        }
        let inner = if text.next_if_eq(&'(').is_some() { parse_picks(text) } else { Vec::new() };
        if !name.is_empty() {
            picks.push(Pick { sign, name, inner });
        }
        match text.next() {
            Some(',') => {}
            // The end, or the `)` of the list this one stands in.
            _ => return picks,
        }
    }
}

fn apply_picks(value: &mut Value, picks: &[Pick]) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|item| apply_picks(item, picks)),
        Value::Object(map) => {
            let everything = picks.iter().any(|pick| pick.name == "*");
            let only_listed = !everything && picks.iter().any(|pick| pick.sign == Sign::Bare);
            if only_listed {
                map.retain(|name, _| picks.iter().any(|pick| pick.sign != Sign::Minus && pick.name == *name));
            }
            for pick in picks {
                if pick.sign == Sign::Minus {
                    map.remove(&pick.name);
                } else if !pick.inner.is_empty()
                    && let Some(inner) = map.get_mut(&pick.name)
                {
                    apply_picks(inner, &pick.inner);
                }
            }
        }
        _ => {}
    }
}

fn drop_empty(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(drop_empty),
        Value::Object(map) => {
            map.retain(|_, inner| !(inner.is_null() || inner.as_array().is_some_and(Vec::is_empty)));
            map.values_mut().for_each(drop_empty);
        }
        _ => {}
    }
}

fn flatten(value: &mut Value, side: &mut Map<String, Value>, top: bool) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|item| flatten(item, side, false)),
        Value::Object(map) => {
            map.values_mut().for_each(|inner| flatten(inner, side, false));
            let (Some(kind), Some(id)) =
                (map.get("resource_type").and_then(Value::as_str), map.get("id").cloned())
            else {
                return;
            };
            if !top && map.len() > 2 {
                let kind = kind.to_owned();
                let stub = serde_json::json!({"id": id, "resource_type": kind});
                let whole = std::mem::replace(value, stub);
                let table = side.entry(kind).or_insert_with(|| Value::Object(Map::new()));
                if let Value::Object(table) = table {
                    table.insert(id.as_str().map_or_else(|| id.to_string(), str::to_owned), whole);
                }
            }
        }
        _ => {}
    }
}

fn rename(value: &mut Value, letters: Letters) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|item| rename(item, letters)),
        Value::Object(map) => {
            *map = std::mem::take(map)
                .into_iter()
                .map(|(name, mut inner)| {
                    rename(&mut inner, letters);
                    (humped(&name, letters == Letters::Pascal), inner)
                })
                .collect();
        }
        _ => {}
    }
}

fn humped(name: &str, mut upper: bool) -> String {
    let mut out = String::with_capacity(name.len());
    for letter in name.chars() {
        if letter == '_' {
            upper = true;
        } else {
            out.push(if upper { letter.to_ascii_uppercase() } else { letter });
            upper = false;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shaped(query: &str, mut value: Value) -> (Value, Option<Value>) {
        let side = Shape::new(&Query::parse(Some(query)), None).finish(std::iter::once(&mut value));
        (value, side)
    }

    #[test]
    fn fields_pick_add_drop_and_nest() {
        let user = json!({"id": 1, "name": "x", "role": {"id": 2, "title": "t", "type": "AGENT"}});
        assert_eq!(shaped("fields=name", user.clone()).0, json!({"name": "x"}));
        assert_eq!(shaped("fields=-name,-role", user.clone()).0, json!({"id": 1}));
        let nested = json!({"id": 1, "name": "x", "role": {"id": 2, "title": "t"}});
        assert_eq!(shaped("fields=%2Brole(%2Btitle,-type)", user.clone()).0, nested);
        assert!(Shape::new(&Query::parse(Some("fields=+tags")), None).wants("tags"));
        assert!(!Shape::new(&Query::parse(Some("fields=-tags")), None).wants("tags"));
    }

    #[test]
    fn empty_flat_and_case() {
        assert_eq!(shaped("_empty=false", json!({"a": null, "b": [], "c": 0})).0, json!({"c": 0}));
        let case = json!({"id": 1, "resource_type": "case", "requester": {"id": 5, "resource_type": "user", "full_name": "A"}});
        let (flat, side) = shaped("_flat=true", case);
        assert_eq!(flat["requester"], json!({"id": 5, "resource_type": "user"}));
        assert_eq!(side, Some(json!({"user": {"5": {"id": 5, "resource_type": "user", "full_name": "A"}}})));
        assert_eq!(shaped("_case=camel", json!({"full_name": 1})).0, json!({"fullName": 1}));
    }
}
