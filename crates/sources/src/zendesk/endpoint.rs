//! The endpoints that are read, with the limits and the meaning of a refusal for each.
//!
//! Constraint: what is not in this list is not called.

use crate::pace::{Bucket, Scope};

/// The account's own limit. 200 is the smallest plan's; the answers' headers say the true one.
pub(super) const ACCOUNT: Bucket = Bucket { name: "zendesk-account", per_minute: 200, scope: Scope::Account };
const EXPORT: Bucket = Bucket { name: "zendesk-incremental-exports", per_minute: 10, scope: Scope::Ours };
const EXPORT_CURSOR: Bucket =
    Bucket { name: "zendesk-incremental-exports-cursor", per_minute: 10, scope: Scope::Ours };
const TICKETS: Bucket = Bucket { name: "zendesk-tickets-index", per_minute: 100, scope: Scope::Shared };
const TICKET_FIELDS: Bucket = Bucket { name: "zendesk-ticket-fields", per_minute: 20, scope: Scope::Ours };
/// Attachments have a limit of their own and do not touch the account's.
pub(super) const ATTACHMENTS: Bucket =
    Bucket { name: "zendesk-attachments", per_minute: 2_500, scope: Scope::Shared };

/// What 403 and 404 mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Nothing works without it: a person must act.
    Needed,
    /// The account may lack the feature: then it is empty.
    Optional,
    /// It is about one record: 404 means that the record is gone.
    OneRecord,
}

/// An endpoint.
#[derive(Debug, Clone, Copy)]
pub(super) struct Endpoint {
    /// Its address with placeholders; what errors name.
    pub(super) template: &'static str,
    /// Its limit beside the account's.
    pub(super) bucket: Option<Bucket>,
    /// What a refusal means.
    pub(super) purpose: Purpose,
}

const fn needed(template: &'static str) -> Endpoint {
    Endpoint { template, bucket: None, purpose: Purpose::Needed }
}

const fn optional(template: &'static str) -> Endpoint {
    Endpoint { template, bucket: None, purpose: Purpose::Optional }
}

const fn one_record(template: &'static str) -> Endpoint {
    Endpoint { template, bucket: None, purpose: Purpose::OneRecord }
}

const fn limited(template: &'static str, bucket: Bucket) -> Endpoint {
    Endpoint { template, bucket: Some(bucket), purpose: Purpose::Needed }
}

impl Endpoint {
    /// The path with an id in the template's place.
    pub(super) fn path(&self, id: &str) -> String {
        self.template.trim_start_matches("GET /").replace("{id}", id)
    }
}

pub(super) const ME: Endpoint = needed("GET /api/v2/users/me");
pub(super) const TICKET_LIST: Endpoint = limited("GET /api/v2/tickets", TICKETS);
pub(super) const TICKET_EXPORT: Endpoint = limited("GET /api/v2/incremental/tickets/cursor", EXPORT_CURSOR);
pub(super) const TICKET: Endpoint = one_record("GET /api/v2/tickets/{id}");
pub(super) const TICKETS_MANY: Endpoint = needed("GET /api/v2/tickets/show_many");
pub(super) const COMMENTS: Endpoint = one_record("GET /api/v2/tickets/{id}/comments");
pub(super) const COMMENT_COUNT: Endpoint = one_record("GET /api/v2/tickets/{id}/comments/count");
pub(super) const TICKET_FIELD_LIST: Endpoint = limited("GET /api/v2/ticket_fields", TICKET_FIELDS);
pub(super) const USER_EXPORT: Endpoint = limited("GET /api/v2/incremental/users/cursor", EXPORT_CURSOR);
pub(super) const USERS_MANY: Endpoint = needed("GET /api/v2/users/show_many");
pub(super) const STAFF: Endpoint = needed("GET /api/v2/users");
pub(super) const IDENTITIES: Endpoint = one_record("GET /api/v2/users/{id}/identities");
pub(super) const USER_FIELD_LIST: Endpoint = optional("GET /api/v2/user_fields");
pub(super) const ORGANIZATION_EXPORT: Endpoint = limited("GET /api/v2/incremental/organizations", EXPORT);
pub(super) const ORGANIZATIONS_MANY: Endpoint = needed("GET /api/v2/organizations/show_many");
pub(super) const ORGANIZATION_FIELD_LIST: Endpoint = optional("GET /api/v2/organization_fields");
pub(super) const ORGANIZATION_MEMBERSHIPS: Endpoint = optional("GET /api/v2/organization_memberships");
pub(super) const GROUPS: Endpoint = needed("GET /api/v2/groups");
pub(super) const GROUP_MEMBERSHIPS: Endpoint = optional("GET /api/v2/group_memberships");
pub(super) const BRANDS: Endpoint = optional("GET /api/v2/brands");
pub(super) const FORMS: Endpoint = optional("GET /api/v2/ticket_forms");
pub(super) const CUSTOM_STATUSES: Endpoint = optional("GET /api/v2/custom_statuses");
/// Counts are shown, never relied on.
pub(super) const SEARCH_COUNT: Endpoint = optional("GET /api/v2/search/count");
pub(super) const USER_COUNT: Endpoint = optional("GET /api/v2/users/count");
pub(super) const ORGANIZATION_COUNT: Endpoint = optional("GET /api/v2/organizations/count");
pub(super) const GROUP_COUNT: Endpoint = optional("GET /api/v2/groups/count");
pub(super) const ATTACHMENT: Endpoint = one_record("GET /api/v2/attachments/{id}");
/// Not an endpoint of the API: the address of an attachment's bytes.
pub(super) const ATTACHMENT_CONTENT: &str = "GET /attachments/token/{token}";
pub(super) const TOKENS: &str = "POST /oauth/tokens";
