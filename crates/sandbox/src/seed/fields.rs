//! The fields that the company defined for tickets, users and organizations, and a ticket's values in them.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Company;
use super::draw::{Domain, Draw};
use super::ids::{FIELDS, FieldId};
use super::ticket::CustomField;

/// What a field belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Owner {
    /// Tickets: values are listed by the field's id.
    Ticket,
    /// Users: values are keyed by the field's key.
    User,
    /// Organizations: values are keyed by the field's key.
    Organization,
}

/// A choice of a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldOption {
    /// Its number.
    pub id: u64,
    /// Label; `::` makes a menu level.
    pub name: String,
    /// What records hold.
    pub value: String,
    /// Chosen when nothing else is.
    pub default: bool,
}

/// A field definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Its id.
    pub id: FieldId,
    /// What it belongs to.
    pub owner: Owner,
    /// The service's name of the type.
    pub kind: String,
    /// The key of a user or organization field.
    pub key: Option<String>,
    /// Label that agents see.
    pub title: String,
    /// The label before dynamic content was put in.
    pub raw_title: String,
    /// False once retired; old tickets keep its values, but do not list them.
    pub active: bool,
    /// Must be filled in to solve a ticket.
    pub required: bool,
    /// False for the fields that every account has.
    pub removable: bool,
    /// The tag that a checkbox sets.
    pub tag: Option<String>,
    /// The pattern of a `regexp` field.
    pub regexp: Option<String>,
    /// The choices.
    pub options: Vec<FieldOption>,
}

type Choice = (&'static str, &'static str);

const PRODUCT: [Choice; 7] = [
    ("Hardware::Printer::Laser", "hw_printer_laser"),
    ("Hardware::Printer::Ink", "hw_printer_ink"),
    ("Hardware::Router", "hw_router"),
    ("Software::Desk", "sw_desk"),
    ("Software::Cloud::EU", "sw_cloud_eu"),
    ("Software::Cloud::US", "sw_cloud_us"),
    ("Other", "product_other"),
];
const CAUSE: [Choice; 4] = [
    ("Défaut", "cause_defect"),
    ("Bedienung", "cause_handling"),
    ("Delivery", "cause_delivery"),
    ("Unknown", "cause_unknown"),
];
const MODULES: [Choice; 5] = [
    ("Login", "mod_login"),
    ("Reports", "mod_reports"),
    ("Billing", "mod_billing"),
    ("API", "mod_api"),
    ("Mobile", "mod_mobile"),
];
const PLAN: [Choice; 3] = [("Gold", "gold"), ("Silver", "silver"), ("Bronze", "bronze")];
const CONTRACT: [Choice; 3] = [("Basic", "basic"), ("Premium", "premium"), ("None", "none")];

/// (owner, type, key, title, choices); the place in the table is the field's ordinal, so new rows go to the end.
type Row = (Owner, &'static str, &'static str, &'static str, &'static [Choice]);

const TABLE: [Row; 33] = [
    (Owner::Ticket, "subject", "", "Subject", &[]),
    (Owner::Ticket, "description", "", "Description", &[]),
    (Owner::Ticket, "status", "", "Status", &[]),
    (Owner::Ticket, "tickettype", "", "Type", &[]),
    (Owner::Ticket, "priority", "", "Priority", &[]),
    (Owner::Ticket, "group", "", "Group", &[]),
    (Owner::Ticket, "assignee", "", "Assignee", &[]),
    (Owner::Ticket, "custom_status", "", "Ticket status", &[]),
    (Owner::Ticket, "text", "", "Serial number", &[]),
    (Owner::Ticket, "textarea", "", "Steps to reproduce", &[]),
    (Owner::Ticket, "checkbox", "", "Escalated", &[]),
    (Owner::Ticket, "date", "", "Purchase date", &[]),
    (Owner::Ticket, "integer", "", "Seats", &[]),
    (Owner::Ticket, "decimal", "", "Refund amount", &[]),
    (Owner::Ticket, "regexp", "", "Order number", &[]),
    (Owner::Ticket, "partialcreditcard", "", "Card", &[]),
    (Owner::Ticket, "multiselect", "", "Modules", &MODULES),
    (Owner::Ticket, "tagger", "", "Product", &PRODUCT),
    (Owner::Ticket, "tagger", "", "Cause", &CAUSE),
    (Owner::Ticket, "lookup", "", "Technician", &[]),
    (Owner::Ticket, "tagger", "", "Product (old)", &PRODUCT),
    (Owner::User, "dropdown", "plan", "Plan", &PLAN),
    (Owner::User, "date", "since", "Customer since", &[]),
    (Owner::User, "integer", "seats", "Seats", &[]),
    (Owner::User, "decimal", "discount", "Discount", &[]),
    (Owner::User, "checkbox", "newsletter", "Newsletter", &[]),
    (Owner::User, "textarea", "remarks", "Remarks", &[]),
    (Owner::User, "text", "nickname", "Nickname", &[]),
    (Owner::Organization, "dropdown", "contract", "Contract", &CONTRACT),
    (Owner::Organization, "integer", "employees", "Employees", &[]),
    (Owner::Organization, "date", "renewal", "Renewal", &[]),
    (Owner::Organization, "checkbox", "blocked", "Blocked", &[]),
    (Owner::Ticket, "multi_lookup", "", "Related contacts", &[]),
];

/// The field that was retired.
const RETIRED: usize = 20;
const FIRST_CUSTOM: usize = 8;

fn field(place: usize) -> Field {
    let (owner, kind, key, title, choices) = TABLE[place];
    let ordinal = u64::try_from(place).unwrap_or(0);
    let options = (1u64..)
        .zip(choices)
        .map(|(number, (name, value))| FieldOption {
            id: FIELDS.id(1000 + ordinal * 50 + number),
            name: (*name).to_owned(),
            value: (*value).to_owned(),
            default: false,
        })
        .collect();
    let system = owner == Owner::Ticket && place < FIRST_CUSTOM;
    Field {
        id: FieldId(FIELDS.id(ordinal)),
        owner,
        kind: kind.to_owned(),
        key: (!key.is_empty()).then(|| key.to_owned()),
        title: title.to_owned(),
        raw_title: if title == "Cause" { "{{dc.cause}}".to_owned() } else { title.to_owned() },
        active: place != RETIRED,
        required: title == "Product",
        removable: !system,
        tag: (kind == "checkbox" && owner == Owner::Ticket).then(|| "escalated".to_owned()),
        regexp: (kind == "regexp").then(|| r"\AORD-\d{6}\z".to_owned()),
        options,
    }
}

impl Company {
    /// The fields of tickets, users or organizations, in their order.
    pub fn fields(&self, owner: Owner) -> Vec<Field> {
        (0..TABLE.len()).filter(|&place| TABLE[place].0 == owner).map(field).collect()
    }

    /// The custom fields of a ticket: every active one is listed, mostly null. Also the tags that the values set.
    pub(crate) fn ticket_fields(&self, index: u64) -> (Vec<CustomField>, Vec<String>) {
        let draw = &mut Draw::new(self.seed(), Domain::Fields, index);
        let mut fields = Vec::new();
        let mut tags = Vec::new();
        for (place, &(owner, kind, _, title, choices)) in TABLE.iter().enumerate().skip(FIRST_CUSTOM) {
            if owner != Owner::Ticket || place == RETIRED {
                continue;
            }
            let filled = if title == "Product" { 700 } else { 220 };
            let value =
                if draw.chance(filled) { self.value(kind, choices, draw, &mut tags) } else { Value::Null };
            fields.push(CustomField { id: FieldId(FIELDS.id(u64::try_from(place).unwrap_or(0))), value });
        }
        (fields, tags)
    }

    fn value(&self, kind: &str, choices: &[Choice], draw: &mut Draw, tags: &mut Vec<String>) -> Value {
        match kind {
            "text" => json!(format!("SN-{:08X}", draw.below(u64::from(u32::MAX)))),
            "textarea" => json!("1. Öffnen\n2. Klick auf <Speichern>\n3. Fehler 😡"),
            "checkbox" => {
                let checked = draw.chance(400);
                if checked {
                    tags.push("escalated".to_owned());
                }
                json!(checked)
            }
            "date" => json!(format!(
                "20{}-{:02}-{:02}",
                draw.between(16, 25),
                draw.between(1, 12),
                draw.between(1, 28)
            )),
            // Numbers come as strings, as the service sends them.
            "integer" => json!(draw.between(1, 9_999).to_string()),
            "decimal" => json!(format!("{}.{}", draw.below(900), draw.between(1, 9))),
            "regexp" => json!(format!("ORD-{:06}", draw.below(1_000_000))),
            "partialcreditcard" => json!(format!("XXXXXXXXXXXX{:04}", draw.below(10_000))),
            "tagger" => {
                let value = choices[draw.index(choices.len())].1;
                tags.push(value.to_owned());
                json!(value)
            }
            "multiselect" => {
                let chosen: Vec<&str> = choices.iter().filter(|_| draw.chance(400)).map(|c| c.1).collect();
                tags.extend(chosen.iter().map(|&c| c.to_owned()));
                json!(chosen)
            }
            "lookup" => json!(self.user_id(self.current_agent(draw)).to_string()),
            "multi_lookup" => json!([self.user_id(self.busy_customer(draw)).to_string()]),
            _ => Value::Null,
        }
    }
}
