//! Custom fields of cases, users and organizations: definitions, options, and the values records carry (section 4.12).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::call::{Call, Caller, Role};
use super::catalog::Catalog;
use super::envelope::{Answer, Failure, Payload, Problems};
use super::params::{Params, flag_text, scalar_text, split_csv};
use super::shape::Shape;
use super::state::{State, stamp};
use super::switches::YesNoFormat;

/// Whose field it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FieldOwner {
    Case,
    User,
    Organization,
}

impl FieldOwner {
    fn resource(self) -> &'static str {
        match self {
            Self::Case => "case_field",
            Self::User => "user_field",
            Self::Organization => "organization_field",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Case => "cases/fields",
            Self::User => "users/fields",
            Self::Organization => "organizations/fields",
        }
    }
}

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

const TYPES: [&str; 12] = [
    "TEXT",
    "TEXTAREA",
    "CHECKBOX",
    "RADIO",
    "SELECT",
    "DATE",
    "FILE",
    "NUMERIC",
    "DECIMAL",
    "YESNO",
    "CASCADINGSELECT",
    "REGEX",
];
/// Case fields that every form has.
const SYSTEM_TYPES: [&str; 7] = ["SUBJECT", "MESSAGE", "PRIORITY", "STATUS", "TYPE", "TEAM", "ASSIGNEE"];

/// A field's definition.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) id: u64,
    pub(crate) key: String,
    pub(crate) title: String,
    pub(crate) kind: &'static str,
    is_system: bool,
    is_enabled: bool,
    is_required_for_agents: bool,
    is_required_on_resolution: bool,
    options: Vec<FieldOption>,
    /// Everything that has no meaning for the sandbox, shown as it came.
    others: Map<String, Value>,
    created_at: i64,
}

#[derive(Debug, Clone)]
struct FieldOption {
    id: u64,
    values: Value,
    tag: Option<String>,
    sort_order: u64,
}

impl State {
    fn show_field(&self, owner: FieldOwner, field: &Field) -> Value {
        let options: Vec<Value> = field
            .options
            .iter()
            .map(|option| {
                json!({"id": option.id, "values": option.values, "tag": option.tag, "sort_order": option.sort_order,
                    "resource_type": "field_option"})
            })
            .collect();
        let mut shown = field.others.clone();
        let own = json!({
            "id": field.id,
            "key": field.key,
            "title": field.title,
            "type": field.kind,
            "is_system": field.is_system,
            "is_enabled": field.is_enabled,
            "is_required_for_agents": field.is_required_for_agents,
            "is_required_on_resolution": field.is_required_on_resolution,
            "options": options,
            "created_at": stamp(field.created_at),
            "updated_at": stamp(field.created_at),
            "resource_type": owner.resource(),
            "resource_url": self.url(owner.path(), field.id),
        });
        if let Value::Object(own) = own {
            shown.extend(own);
        }
        Value::Object(shown)
    }

    pub(crate) fn show_field_by_type(&self, resource: &str, id: u64) -> Option<Value> {
        let owner = [FieldOwner::Case, FieldOwner::User, FieldOwner::Organization]
            .into_iter()
            .find(|o| o.resource() == resource)?;
        Some(self.show_field(owner, self.fields.get(&owner)?.get(id)?))
    }

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
            let applies = field.is_enabled && form_id.is_none_or(|form| self.form_has(form, id));
            if required && applies && !values.contains_key(&id) {
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

    /// Adds a field; the key is made from the title and cannot be chosen.
    pub(crate) fn insert_field(
        &mut self,
        owner: FieldOwner,
        mut params: Params,
        is_system: bool,
    ) -> Result<u64, Failure> {
        let mut problems = Problems::default();
        let p = &mut problems;
        let kind = match params.choice("type", &TYPES, &mut Problems::default()) {
            kind @ Some(_) => kind,
            None if is_system => params.choice("system_type", &SYSTEM_TYPES, p),
            None => None,
        };
        let title = params.text("title", p).filter(|title| !title.trim().is_empty());
        if kind.is_none() {
            p.add(Failure::invalid("type", "The type does not exist"));
        }
        if title.is_none() {
            p.add(Failure::required("title"));
        }
        let is_enabled = params.flag("is_enabled", p).unwrap_or(true);
        let is_required_for_agents = params.flag("is_required_for_agents", p).unwrap_or(false);
        let is_required_on_resolution = params.flag("is_required_on_resolution", p).unwrap_or(false);
        let options = params.take("options");
        problems.finish()?;
        let (Some(kind), Some(title)) = (kind, title) else {
            return Err(Failure::required("title"));
        };
        let created_at = self.now();
        let table = self.fields.entry(owner).or_default();
        let base = key_of(&title);
        let taken = |key: &str| table.iter().any(|(_, field)| field.key == key);
        let key = (2..)
            .map(|n| format!("{base}_{n}"))
            .find(|key| !taken(key))
            .filter(|_| taken(&base))
            .unwrap_or(base);
        let mut field = Field {
            id: table.next_id(),
            key,
            title,
            kind,
            is_system,
            is_enabled,
            is_required_for_agents,
            is_required_on_resolution,
            options: Vec::new(),
            others: params.0,
            created_at,
        };
        if let Some(Value::Array(list)) = options {
            self.set_options(&mut field, list);
        }
        Ok(self.fields.entry(owner).or_default().insert(field))
    }

    fn set_options(&mut self, field: &mut Field, list: Vec<Value>) {
        let known: Vec<u64> = field.options.iter().map(|option| option.id).collect();
        field.options.clear();
        for (place, item) in list.into_iter().enumerate() {
            let Value::Object(mut item) = item else {
                continue;
            };
            let id = item.get("id").and_then(super::params::as_int).filter(|id| known.contains(id));
            let id = id.unwrap_or_else(|| {
                self.next_option_id += 1;
                self.next_option_id
            });
            let sort_order =
                item.get("sort_order").and_then(super::params::as_int).unwrap_or(place as u64 + 1);
            let tag = item.get("tag").and_then(Value::as_str).map(str::to_owned);
            let values = item.remove("values").unwrap_or(Value::Array(Vec::new()));
            field.options.push(FieldOption { id, values, tag, sort_order });
        }
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

/// "Serial number" -> `serial_number`.
fn key_of(title: &str) -> String {
    let words = title.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let key = words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("_");
    if key.is_empty() { "field".to_owned() } else { key }
}

/// Everything below `/cases/fields`, `/users/fields`, `/organizations/fields`.
pub(crate) fn serve(
    state: &mut State,
    caller: &Caller,
    call: &mut Call,
    owner: FieldOwner,
    path: &[&str],
) -> Result<Answer, Failure> {
    let id = |text: &str| text.parse::<u64>().map_err(|_| Failure::not_found());
    if !matches!(call.method.as_str(), "GET") {
        caller.require(Role::Admin)?;
    }
    let find = |state: &State, id: u64| {
        let field =
            state.fields.get(&owner).and_then(|table| table.get(id)).ok_or_else(Failure::not_found)?;
        Ok::<_, Failure>(state.show_field(owner, field))
    };
    match (call.method.as_str(), path) {
        ("GET", []) => {
            let rows: Vec<&Field> = state
                .fields
                .get(&owner)
                .map(|table| table.iter().map(|(_, row)| row).collect())
                .unwrap_or_default();
            Ok(call.page(state, owner.resource(), &rows, |field| state.show_field(owner, field)))
        }
        ("POST", []) => {
            let id = state.insert_field(owner, std::mem::take(&mut call.params), false)?;
            Ok(Answer::created(owner.resource(), find(state, id)?))
        }
        ("GET", [field]) => Ok(Answer::one(owner.resource(), find(state, id(field)?)?)),
        ("PUT", [field]) => {
            let id = id(field)?;
            let mut params = std::mem::take(&mut call.params);
            let mut problems = Problems::default();
            let mut field = state
                .fields
                .get(&owner)
                .and_then(|table| table.get(id))
                .ok_or_else(Failure::not_found)?
                .clone();
            let p = &mut problems;
            field.title = params.text("title", p).unwrap_or(field.title);
            field.is_enabled = params.flag("is_enabled", p).unwrap_or(field.is_enabled);
            field.is_required_for_agents =
                params.flag("is_required_for_agents", p).unwrap_or(field.is_required_for_agents);
            field.is_required_on_resolution =
                params.flag("is_required_on_resolution", p).unwrap_or(field.is_required_on_resolution);
            let options = params.take("options");
            problems.finish()?;
            if let Some(Value::Array(list)) = options {
                state.set_options(&mut field, list);
            }
            if let Some(slot) = state.fields.get_mut(&owner).and_then(|table| table.get_mut(id)) {
                *slot = field;
            }
            Ok(Answer::one(owner.resource(), find(state, id)?))
        }
        ("DELETE", [field]) => {
            let id = id(field)?;
            state.fields.get_mut(&owner).and_then(|table| table.remove(id)).ok_or_else(Failure::not_found)?;
            Ok(Answer::count(1))
        }
        _ => Err(Failure::not_found()),
    }
}
