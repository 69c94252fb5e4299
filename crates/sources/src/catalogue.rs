//! What an account consists of besides its records: the material for mappings.

use model::SourceId;
use model::record::Role;

/// Everything that `init` and preflight need to suggest and check a mapping.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Catalogue {
    /// Fields of cases, the source's own ones (subject, status ...) left out.
    pub case_fields: Vec<FieldDefinition>,
    /// Fields of users.
    pub user_fields: Vec<FieldDefinition>,
    /// Fields of organizations.
    pub organization_fields: Vec<FieldDefinition>,
    /// Statuses of cases.
    pub statuses: Vec<Status>,
    /// Teams, deleted ones included.
    pub groups: Vec<Group>,
    /// Staff, suspended ones included.
    pub agents: Vec<Agent>,
    /// Brands.
    pub brands: Vec<Brand>,
    /// Forms.
    pub forms: Vec<Form>,
}

/// A custom field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldDefinition {
    /// The key under which records hold its value (Zendesk tickets: the id as text).
    pub key: String,
    /// Title agents see.
    pub title: String,
    /// What its values are.
    pub kind: FieldKind,
    /// Still in use. Old cases may hold values of retired fields.
    pub active: bool,
    /// Must be filled in at the source.
    pub required: bool,
    /// Customers see it.
    pub visible_to_customers: bool,
    /// The tag that a ticked check box sets beside its value.
    pub tag: Option<String>,
    /// Pattern of a pattern field.
    pub pattern: Option<String>,
    /// Choices, in the source's order.
    pub options: Vec<FieldOption>,
}

/// What a field's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FieldKind {
    /// One line of text.
    Text,
    /// Several lines of text.
    TextArea,
    /// Yes or no.
    CheckBox,
    /// A calendar date.
    Date,
    /// A whole number, as text.
    Integer,
    /// A decimal number, as text.
    Decimal,
    /// Text that follows a pattern.
    Pattern,
    /// The last digits of a payment card.
    PartialCard,
    /// One of the options.
    Choice,
    /// Any of the options.
    Choices,
    /// Ids of other records, as text.
    Lookup,
    /// A type this version does not know; values are kept as text.
    Other,
}

/// A choice of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldOption {
    /// Label as the source has it; `::` separates the levels of a menu.
    pub label: String,
    /// What records hold.
    pub value: String,
}

/// A status a case can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Id of a custom status; `None` for a built-in one of an account without custom statuses.
    pub id: Option<SourceId>,
    /// The built-in status it belongs to (`open`, `solved` ...): what `Case::status` holds.
    pub category: String,
    /// Label agents see.
    pub label: String,
    /// Still in use.
    pub active: bool,
}

/// A team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Id.
    pub id: SourceId,
    /// Name.
    pub name: String,
    /// Deleted at the source.
    pub deleted: bool,
}

/// A member of staff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// Id.
    pub id: SourceId,
    /// Name.
    pub name: String,
    /// Primary e-mail address.
    pub email: Option<String>,
    /// Role.
    pub role: Role,
    /// Neither suspended nor deleted.
    pub active: bool,
}

/// A brand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brand {
    /// Id.
    pub id: SourceId,
    /// Name.
    pub name: String,
    /// In use.
    pub active: bool,
    /// The one that cases get without choice.
    pub default: bool,
}

/// A case form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// Id.
    pub id: SourceId,
    /// Name.
    pub name: String,
    /// In use.
    pub active: bool,
    /// Keys of its fields.
    pub fields: Vec<String>,
}
