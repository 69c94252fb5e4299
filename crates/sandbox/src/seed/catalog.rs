//! Brands, ticket forms and custom statuses: small fixed tables.

use super::ticket::Status;

/// A brand of the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Brand {
    /// Its id.
    pub id: u64,
    /// Its name.
    pub name: &'static str,
    /// The first part of its host name.
    pub subdomain: &'static str,
    /// Used when nothing else is said.
    pub default: bool,
    /// Deleted brands still stand in old tickets; listings leave them out.
    pub deleted: bool,
}

/// A ticket form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// Its id.
    pub id: u64,
    /// Its name.
    pub name: &'static str,
    /// Used when nothing else is said.
    pub default: bool,
    /// False once retired.
    pub active: bool,
}

/// A status of the company's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CustomStatus {
    /// Its id.
    pub id: u64,
    /// The status that it refines.
    pub category: Status,
    /// What agents see.
    pub agent_label: &'static str,
    /// What customers see.
    pub end_user_label: &'static str,
    /// The category's own.
    pub default: bool,
}

/// The account's brands; the last one is deleted.
pub const BRANDS: [Brand; 3] = [
    Brand { id: 12_600_000_000_601, name: "Acme", subdomain: "acme", default: true, deleted: false },
    Brand {
        id: 12_600_000_000_638,
        name: "Acme Home & Garden",
        subdomain: "acme-home",
        default: false,
        deleted: false,
    },
    Brand {
        id: 12_600_000_000_675,
        name: "Acme Classic",
        subdomain: "acme-classic",
        default: false,
        deleted: true,
    },
];

/// The account's ticket forms.
pub const FORMS: [Form; 3] = [
    Form { id: 12_800_000_000_801, name: "Default form", default: true, active: true },
    Form { id: 12_800_000_000_838, name: "Returns / Retouren", default: false, active: true },
    Form { id: 12_800_000_000_875, name: "Old form", default: false, active: false },
];

const fn own(
    id: u64,
    category: Status,
    agent: &'static str,
    end_user: &'static str,
    default: bool,
) -> CustomStatus {
    CustomStatus {
        id: 12_900_000_009_000 + id,
        category,
        agent_label: agent,
        end_user_label: end_user,
        default,
    }
}

/// The account's statuses. Closed tickets carry the default status of solved ones. A status that is not the default
/// stands right after its category's default.
pub const STATUSES: [CustomStatus; 7] = [
    own(1, Status::New, "New", "Open", true),
    own(2, Status::Open, "Open", "Open", true),
    own(3, Status::Open, "In Prüfung", "Wird geprüft", false),
    own(4, Status::Pending, "Pending", "Awaiting your reply", true),
    own(5, Status::Hold, "On-hold", "Open", true),
    own(6, Status::Solved, "Solved", "Solved", true),
    own(7, Status::Solved, "Won't fix", "Solved", false),
];
