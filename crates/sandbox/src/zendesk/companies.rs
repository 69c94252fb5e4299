//! Organizations, groups, fields and the account's other small tables.

use serde_json::{Value, json};

use super::Call;
use super::answer::{self, Answer, Refused};
use super::config::Feature;
use super::paging::{self, Listing};
use super::render::{brand_json, field_json, form_json, group_json, organization_json, status_json};
use crate::seed::catalog::{BRANDS, FORMS, STATUSES};
use crate::seed::{GroupId, Organization, OrganizationId, Owner};

/// `GET /organizations`.
pub(super) fn organizations(call: &Call) -> Answer {
    let company = call.account.company();
    let length = company.size().organizations;
    Listing {
        key: "organizations",
        length,
        descending: false,
        visible: &|_| true,
        render: &|ordinal| company.organization_at(ordinal).map(|o| organization_json(&o, &call.bases)),
        count: &|| length,
    }
    .page(&call.query, &call.url(), "")
}

fn existing(call: &Call, id: u64) -> Option<Organization> {
    call.account
        .company()
        .organization(OrganizationId(id))
        .filter(|organization| organization.deleted_at.is_none())
}

/// `GET /organizations/{id}`.
pub(super) fn organization(call: &Call, id: &str) -> Answer {
    let organization = id.parse().ok().and_then(|id| existing(call, id)).ok_or(Refused::NotFound)?;
    answer::ok(&json!({"organization": organization_json(&organization, &call.bases)}))
}

/// `GET /organizations/show_many`.
pub(super) fn show_many(call: &Call) -> Answer {
    let found = call.query.ids()?.into_iter().filter_map(|id| existing(call, id));
    let organizations: Vec<Value> =
        found.map(|organization| organization_json(&organization, &call.bases)).collect();
    let count = organizations.len();
    answer::ok(
        &json!({"organizations": organizations, "count": count, "next_page": null, "previous_page": null}),
    )
}

/// `GET /groups`; deleted ones on demand.
pub(super) fn groups(call: &Call) -> Answer {
    let company = call.account.company();
    let deleted = call.query.get("exclude_deleted") == Some("false");
    let found = (0..company.group_count()).filter_map(|ordinal| company.group_at(ordinal));
    let groups: Vec<Value> =
        found.filter(|g| deleted || !g.deleted).map(|g| group_json(&g, &call.bases)).collect();
    paging::all("groups", &groups, &call.query, &call.url())
}

/// `GET /groups/{id}`.
pub(super) fn group(call: &Call, id: &str) -> Answer {
    let group = id.parse().ok().and_then(|id| call.account.company().group(GroupId(id)));
    let group = group.filter(|group| !group.deleted).ok_or(Refused::NotFound)?;
    answer::ok(&json!({"group": group_json(&group, &call.bases)}))
}

/// `GET /ticket_fields`, `/user_fields`, `/organization_fields`.
pub(super) fn fields(call: &Call, owner: Owner, key: &'static str) -> Answer {
    paging::all(key, &field_values(call, owner, key), &call.query, &call.url())
}

/// `GET /ticket_fields/{id}` and the like.
pub(super) fn field(call: &Call, owner: Owner, key: &'static str, single: &str, id: &str) -> Answer {
    let wanted: u64 = id.parse().map_err(|_| Refused::NotFound)?;
    let found = field_values(call, owner, key).into_iter().find(|field| field["id"] == wanted);
    answer::ok(&json!({ single: found.ok_or(Refused::NotFound)? }))
}

fn field_values(call: &Call, owner: Owner, key: &str) -> Vec<Value> {
    let fields = call.account.company().fields(owner);
    let hidden = call.account.switches().custom_statuses != Feature::Present;
    let shown = fields.iter().filter(|field| !(hidden && field.kind == "custom_status")).enumerate();
    shown.map(|(position, field)| field_json(field, position, key, &call.bases)).collect()
}

fn allowed(feature: Feature) -> Result<(), Refused> {
    match feature {
        Feature::Present => Ok(()),
        Feature::Forbidden => Err(Refused::Forbidden),
        Feature::Missing => Err(Refused::NoEndpoint),
    }
}

/// `GET /ticket_forms`.
pub(super) fn forms(call: &Call) -> Answer {
    allowed(call.account.switches().ticket_forms)?;
    let forms: Vec<Value> =
        FORMS.iter().enumerate().map(|(place, form)| form_json(form, place, &call.bases)).collect();
    paging::all("ticket_forms", &forms, &call.query, &call.url())
}

/// `GET /custom_statuses`: never in pages.
pub(super) fn statuses(call: &Call) -> Answer {
    allowed(call.account.switches().custom_statuses)?;
    let statuses: Vec<Value> = STATUSES.iter().map(status_json).collect();
    answer::ok(&json!({ "custom_statuses": statuses }))
}

/// `GET /brands`.
pub(super) fn brands(call: &Call) -> Answer {
    let brands = BRANDS.iter().filter(|brand| !brand.deleted);
    let brands: Vec<Value> = brands.map(|brand| brand_json(brand, &call.bases)).collect();
    paging::all("brands", &brands, &call.query, &call.url())
}
