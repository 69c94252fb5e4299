//! The small configuration resources: roles, locales, brands, mailboxes, business hours, statuses, priorities, types, forms,
//! SLAs, triggers, monitors (reference sections 4.4, 4.13, 4.14, 4.16). All of them are lists of plain objects.

use serde_json::{Map, Value, json};

use super::call::{Call, Caller, Role};
use super::envelope::{Answer, Failure};
use super::state::{State, stamp};
use super::table::Table;

/// One of the lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Catalog {
    Roles,
    Locales,
    Brands,
    Mailboxes,
    BusinessHours,
    Statuses,
    Priorities,
    Types,
    Forms,
    Slas,
    Triggers,
    Monitors,
}

const ALL: [Catalog; 12] = [
    Catalog::Roles,
    Catalog::Locales,
    Catalog::Brands,
    Catalog::Mailboxes,
    Catalog::BusinessHours,
    Catalog::Statuses,
    Catalog::Priorities,
    Catalog::Types,
    Catalog::Forms,
    Catalog::Slas,
    Catalog::Triggers,
    Catalog::Monitors,
];

impl Catalog {
    pub(crate) fn resource(self) -> &'static str {
        match self {
            Self::Roles => "role",
            Self::Locales => "locale",
            Self::Brands => "brand",
            Self::Mailboxes => "mailbox",
            Self::BusinessHours => "business_hour",
            Self::Statuses => "case_status",
            Self::Priorities => "case_priority",
            Self::Types => "case_type",
            Self::Forms => "case_form",
            Self::Slas => "sla",
            Self::Triggers => "trigger",
            Self::Monitors => "monitor",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Roles => "roles",
            Self::Locales => "locales",
            Self::Brands => "brands",
            Self::Mailboxes => "mailboxes",
            Self::BusinessHours => "businesshours",
            Self::Statuses => "cases/statuses",
            Self::Priorities => "cases/priorities",
            Self::Types => "cases/types",
            Self::Forms => "cases/forms",
            Self::Slas => "slas",
            Self::Triggers => "triggers",
            Self::Monitors => "monitors",
        }
    }

    /// The list behind `/x` or `/cases/x`.
    pub(crate) fn from_path(path: &[&str]) -> Option<Self> {
        ALL.into_iter().find(|catalog| catalog.path().split('/').eq(path.iter().copied()))
    }

    /// The field whose values are unique and without which nothing is created (section 4.13).
    fn label(self) -> &'static str {
        match self {
            Self::Statuses | Self::Priorities | Self::Types => "label",
            Self::Brands => "name",
            Self::Mailboxes => "address",
            Self::Locales => "locale",
            _ => "title",
        }
    }
}

/// All the lists.
#[derive(Debug, Clone, Default)]
pub(crate) struct Catalogs([Table<Map<String, Value>>; ALL.len()]);

impl Catalogs {
    pub(crate) fn list(&self, catalog: Catalog) -> &Table<Map<String, Value>> {
        &self.0[catalog as usize]
    }

    pub(crate) fn get(&self, catalog: Catalog, id: u64) -> Option<&Map<String, Value>> {
        self.list(catalog).get(id)
    }

    /// A text of an entry, such as the `type` of a status.
    pub(crate) fn text(&self, catalog: Catalog, id: u64, name: &str) -> Option<&str> {
        self.get(catalog, id)?.get(name)?.as_str()
    }

    /// The first entry whose `name` is `value`.
    pub(crate) fn find(&self, catalog: Catalog, name: &str, value: &str) -> Option<u64> {
        self.list(catalog)
            .iter()
            .find(|(_, row)| row.get(name).and_then(Value::as_str) == Some(value))
            .map(|(id, _)| id)
    }

    pub(crate) fn find_by_type(&self, resource: &str, id: u64) -> Option<&Map<String, Value>> {
        self.get(ALL.into_iter().find(|catalog| catalog.resource() == resource)?, id)
    }
}

impl State {
    /// Adds an entry; `fields` must be an object.
    pub(crate) fn add_to_catalog(&mut self, catalog: Catalog, fields: Value) -> u64 {
        let Value::Object(mut row) = fields else {
            return 0;
        };
        let id = self.catalogs.list(catalog).next_id();
        row.insert("id".into(), json!(id));
        row.insert("resource_type".into(), json!(catalog.resource()));
        row.insert("resource_url".into(), json!(self.url(catalog.path(), id)));
        row.entry("created_at").or_insert_with(|| stamp(self.now()));
        row.insert("updated_at".into(), stamp(self.now()));
        self.catalogs.0[catalog as usize].insert(row)
    }

    /// The role of a person's role id.
    pub(crate) fn role(&self, role_id: u64) -> Option<Role> {
        self.catalogs.text(Catalog::Roles, role_id, "type").and_then(Role::from_type)
    }

    /// Rewrites the URLs once the address of the server is known.
    pub(crate) fn refresh_catalog_urls(&mut self) {
        for catalog in ALL {
            for id in 1..self.catalogs.list(catalog).next_id() {
                let url = self.url(catalog.path(), id);
                if let Some(row) = self.catalogs.0[catalog as usize].get_mut(id) {
                    row.insert("resource_url".into(), json!(url));
                }
            }
        }
    }
}

/// `GET|POST|PUT|DELETE` on a list, with `id` if the path named one.
pub(crate) fn serve(
    state: &mut State,
    caller: &Caller,
    call: &mut Call,
    catalog: Catalog,
    id: Option<u64>,
) -> Result<Answer, Failure> {
    let resource = catalog.resource();
    match (call.method.as_str(), id) {
        ("GET", None) => {
            let rows: Vec<_> = state.catalogs.list(catalog).iter().map(|(_, row)| row).collect();
            Ok(call.page(state, resource, &rows, |row| Value::Object((*row).clone())))
        }
        ("GET", Some(id)) => {
            let row = state.catalogs.get(catalog, id).ok_or_else(Failure::not_found)?;
            Ok(Answer::one(resource, Value::Object(row.clone())))
        }
        ("POST", None) => {
            caller.require(Role::Admin)?;
            let label = catalog.label();
            let Some(wanted) = call.params.0.get(label).and_then(Value::as_str).map(str::to_owned) else {
                return Err(Failure::required(label));
            };
            if state.catalogs.find(catalog, label, &wanted).is_some() {
                return Err(Failure::duplicate(label));
            }
            let mut row = std::mem::take(&mut call.params.0);
            if matches!(catalog, Catalog::Statuses | Catalog::Types) {
                row.insert("type".into(), json!("CUSTOM"));
            }
            row.entry("is_enabled").or_insert(json!(true));
            shape_form(catalog, &mut row);
            let id = state.add_to_catalog(catalog, Value::Object(row));
            Ok(Answer::created(
                resource,
                state.catalogs.get(catalog, id).cloned().map_or(Value::Null, Value::Object),
            ))
        }
        ("PUT", None) => {
            caller.require(Role::Admin)?;
            let ids: Vec<u64> =
                call.query.list("ids").unwrap_or_default().iter().filter_map(|id| id.parse().ok()).collect();
            let known = ids.iter().filter(|id| state.catalogs.get(catalog, **id).is_some()).count();
            for id in ids {
                update(state, catalog, id, &call.params.0);
            }
            Ok(Answer::count(known))
        }
        ("PUT", Some(id)) => {
            caller.require(Role::Admin)?;
            update(state, catalog, id, &call.params.0);
            let row = state.catalogs.get(catalog, id).ok_or_else(Failure::not_found)?;
            Ok(Answer::one(resource, Value::Object(row.clone())))
        }
        ("DELETE", Some(id)) => {
            caller.require(Role::Admin)?;
            state.catalogs.0[catalog as usize].remove(id).ok_or_else(Failure::not_found)?;
            Ok(Answer::count(1))
        }
        _ => Err(Failure::new(405, "METHOD_NOT_SUPPORTED", "The method is not supported here")),
    }
}

fn update(state: &mut State, catalog: Catalog, id: u64, changes: &Map<String, Value>) {
    let now = stamp(state.now());
    let Some(row) = state.catalogs.0[catalog as usize].get_mut(id) else {
        return;
    };
    for (name, value) in changes {
        if !matches!(name.as_str(), "id" | "resource_type" | "resource_url" | "created_at") {
            row.insert(name.clone(), value.clone());
        }
    }
    row.insert("updated_at".into(), now);
    shape_form(catalog, row);
}

/// Forms take `case_field_ids` and show `fields` as stubs.
fn shape_form(catalog: Catalog, row: &mut Map<String, Value>) {
    if catalog != Catalog::Forms {
        return;
    }
    let Some(given) = row.remove("case_field_ids") else {
        return;
    };
    let ids: Vec<u64> = match &given {
        Value::String(text) => text.split(',').filter_map(|id| id.trim().parse().ok()).collect(),
        Value::Array(list) => list.iter().filter_map(super::params::as_int).collect(),
        _ => Vec::new(),
    };
    let stubs: Vec<Value> = ids.iter().map(|id| json!({"id": id, "resource_type": "case_field"})).collect();
    row.insert("fields".into(), Value::Array(stubs));
}
