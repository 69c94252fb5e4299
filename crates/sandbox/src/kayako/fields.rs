//! Custom fields of cases, users and organizations: definitions and options (reference section 4.12).

use serde_json::{Map, Value, json};

use super::call::{Call, Caller, Role};
use super::envelope::{Answer, Failure, Problems};
use super::params::Params;
use super::state::{State, stamp};

/// Whose field it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FieldOwner {
    Case,
    User,
    Organization,
}

impl FieldOwner {
    pub(crate) fn resource(self) -> &'static str {
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
#[expect(clippy::struct_excessive_bools, reason = "the flags are the API's")]
pub(crate) struct Field {
    pub(crate) id: u64,
    pub(crate) key: String,
    pub(crate) title: String,
    pub(crate) kind: &'static str,
    pub(crate) is_system: bool,
    pub(crate) is_enabled: bool,
    pub(crate) is_required_for_agents: bool,
    pub(crate) is_required_on_resolution: bool,
    pub(crate) options: Vec<FieldOption>,
    /// Everything that has no meaning for the sandbox, shown as it came.
    others: Map<String, Value>,
    created_at: i64,
}

#[derive(Debug, Clone)]
pub(crate) struct FieldOption {
    pub(crate) id: u64,
    values: Value,
    pub(crate) tag: Option<String>,
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
        let mut key = base.clone();
        let mut number = 1;
        while taken(&key) {
            number += 1;
            key = format!("{base}_{number}");
        }
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
