//! The custom fields that the tests map: created in the Kayako account, named in the plan, expected by the oracle.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use sandbox::seed::{Company, Field, FieldOption, Owner};
use serde_json::{Value, json};

use crate::accounts::Control;

/// The kinds of Kayako fields that the tests use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One line of text.
    Text,
    /// Several lines.
    Area,
    /// A whole number.
    Number,
    /// A decimal number.
    Decimal,
    /// Yes or no.
    YesNo,
    /// A date.
    Date,
    /// One option.
    Select,
    /// Several options.
    Checkbox,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Text => "TEXT",
            Self::Area => "TEXTAREA",
            Self::Number => "NUMERIC",
            Self::Decimal => "DECIMAL",
            Self::YesNo => "YESNO",
            Self::Date => "DATE",
            Self::Select => "SELECT",
            Self::Checkbox => "CHECKBOX",
        }
    }
}

/// Source fields by owner and title, with the kind of their Kayako field.
pub const MAPPED: [(Owner, &str, Kind); 17] = [
    (Owner::Ticket, "Serial number", Kind::Text),
    (Owner::Ticket, "Steps to reproduce", Kind::Area),
    (Owner::Ticket, "Escalated", Kind::YesNo),
    (Owner::Ticket, "Purchase date", Kind::Date),
    (Owner::Ticket, "Seats", Kind::Number),
    (Owner::Ticket, "Refund amount", Kind::Decimal),
    (Owner::Ticket, "Order number", Kind::Text),
    (Owner::Ticket, "Modules", Kind::Checkbox),
    (Owner::Ticket, "Product", Kind::Select),
    (Owner::User, "Plan", Kind::Select),
    (Owner::User, "Customer since", Kind::Date),
    (Owner::User, "Seats", Kind::Number),
    (Owner::User, "Newsletter", Kind::YesNo),
    (Owner::User, "Remarks", Kind::Area),
    (Owner::Organization, "Contract", Kind::Select),
    (Owner::Organization, "Employees", Kind::Number),
    (Owner::Organization, "Renewal", Kind::Date),
];

/// A mapped field with its place in Kayako.
#[derive(Debug, Clone)]
pub struct Mapped {
    /// Whose field it is.
    pub owner: Owner,
    /// Its title at the source.
    pub title: &'static str,
    /// Under what records of the source hold it: the field's id (tickets) or key.
    pub source: String,
    /// What it is in Kayako.
    pub kind: Kind,
    /// Kayako's key.
    pub key: String,
    /// Source value to Kayako's label and option id.
    pub options: BTreeMap<String, (String, u64)>,
}

/// Every mapped field.
#[derive(Debug, Clone, Default)]
pub struct Fields(pub Vec<Mapped>);

/// The label of an option in Kayako: other words than the source's, so that an unmapped value is refused.
fn label(option: &FieldOption) -> String {
    format!("Kayako: {}", option.name.replace("::", " - "))
}

impl Fields {
    /// Creates the fields in the Kayako account and puts them into its form.
    pub async fn create(control: &Control, company: &Company) -> Result<Self> {
        let mut all = Vec::with_capacity(MAPPED.len());
        let form = control.api("GET", "cases/forms/1", None).await?;
        let mut in_form: Vec<Value> = form["data"]["fields"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|field| field["id"].clone())
            .collect();
        for (owner, title, kind) in MAPPED {
            let fields = company.fields(owner);
            let field: &Field = fields
                .iter()
                .find(|field| field.title == title && field.active)
                .with_context(|| format!("the source has no field {title}"))?;
            let (path, source) = match owner {
                Owner::Ticket => ("cases/fields", field.id.to_string()),
                Owner::User => ("users/fields", field.key.clone().unwrap_or_default()),
                Owner::Organization => ("organizations/fields", field.key.clone().unwrap_or_default()),
            };
            let labels: Vec<Value> = field
                .options
                .iter()
                .map(|option| json!({"values": [{"locale": "en-us", "translation": label(option)}]}))
                .collect();
            let body = json!({"title": title, "type": kind.word(), "options": labels});
            let made = control.api("POST", path, Some(&body)).await?;
            let made = &made["data"];
            if owner == Owner::Ticket {
                in_form.push(made["id"].clone());
            }
            let ids =
                made["options"].as_array().into_iter().flatten().filter_map(|option| option["id"].as_u64());
            all.push(Mapped {
                owner,
                title,
                source,
                kind,
                key: made["key"].as_str().context("a field without a key")?.to_owned(),
                options: field
                    .options
                    .iter()
                    .zip(ids)
                    .map(|(option, id)| (option.value.clone(), (label(option), id)))
                    .collect(),
            });
        }
        control.api("PUT", "cases/forms/1", Some(&json!({"case_field_ids": in_form}))).await?;
        Ok(Self(all))
    }

    /// The fields of one owner.
    pub fn of(&self, owner: Owner) -> impl Iterator<Item = &Mapped> {
        self.0.iter().filter(move |field| field.owner == owner)
    }
}
