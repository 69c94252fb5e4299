//! Records in the service's JSON.
//!
//! Constraint: addresses within payloads are built from the host that the call was sent to; the attachments' bytes lie
//! on another host, so that a client that forwards its credentials is found out.

use axum::http::{HeaderMap, header};
use serde_json::{Value, json};

use super::account::Account;
use crate::seed::catalog::{Brand, CustomStatus, Form};
use crate::seed::{
    Attachment, AttachmentId, AttachmentState, Comment, Field, Group, Identity, Organization, Role, Ticket,
    User, fingerprint,
};

/// The two base URLs of a call.
pub(super) struct Bases {
    /// Where the account is.
    pub(super) account: String,
    /// Where the attachments' bytes are.
    pub(super) content: String,
}

impl Bases {
    pub(super) fn of(headers: &HeaderMap, content_base: Option<&str>) -> Self {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (name, format!(":{port}")),
            _ => (host, String::new()),
        };
        // Both names lead to the same listener, yet they are different hosts to an HTTP client.
        let other = if name == "localhost" { "127.0.0.1" } else { "localhost" };
        let content = content_base
            .map_or_else(|| format!("http://{other}{port}"), |base| base.trim_end_matches('/').to_owned());
        Self { account: format!("http://{host}"), content }
    }

    pub(super) fn api(&self, path: &str) -> String {
        format!("{}/api/v2/{path}", self.account)
    }
}

fn object(record: &impl serde::Serialize) -> Value {
    // Plain structs with string keys always serialize.
    serde_json::to_value(record).unwrap_or_default()
}

fn encoded(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
}

impl Account {
    /// The token in an attachment's address: the id, and something that only this account knows.
    pub(super) fn content_token(&self, id: AttachmentId) -> String {
        let secret = fingerprint(self.company().seed() ^ self.switches().attachment_generation, id.0);
        format!("{:x}z{secret:016x}", id.0)
    }

    /// The attachment that a token stands for, if the token is still good.
    pub(super) fn attachment_of_token(&self, token: &str) -> Option<AttachmentId> {
        let (id, _) = token.split_once('z')?;
        let id = AttachmentId(u64::from_str_radix(id, 16).ok()?);
        (self.content_token(id) == token).then_some(id)
    }

    fn content_url(&self, file: &Attachment, base: &str) -> String {
        format!("{base}/attachments/token/{}/?name={}", self.content_token(file.id), encoded(&file.file_name))
    }

    pub(super) fn attachment_json(&self, file: &Attachment, bases: &Bases) -> Value {
        let image = file.content_type.starts_with("image/");
        let content_url = self.content_url(file, &bases.account);
        json!({
            "id": file.id,
            "url": bases.api(&format!("attachments/{}.json", file.id)),
            "file_name": file.file_name,
            "mapped_content_url": content_url,
            "content_url": content_url,
            "content_type": file.content_type,
            "size": file.size,
            "width": image.then_some(1),
            "height": image.then_some(1),
            "inline": file.inline,
            "deleted": file.state == AttachmentState::Redacted,
            "malware_access_override": false,
            "malware_scan_result":
                if file.state == AttachmentState::Malware { "malware_found" } else { "malware_not_found" },
            "thumbnails": [],
        })
    }

    pub(super) fn comment_json(&self, comment: &Comment, inline_images: bool, bases: &Bases) -> Value {
        let mut html = comment.html_body.clone();
        for file in comment.attachments.iter().filter(|file| file.inline || file.referenced) {
            html = html.replace(
                &format!("\"attachment:{}\"", file.id),
                &format!("\"{}\"", self.content_url(file, &bases.account)),
            );
        }
        let listed = comment.attachments.iter().filter(|file| inline_images || !file.inline);
        let attachments: Vec<Value> = listed.map(|file| self.attachment_json(file, bases)).collect();
        let mut value = json!({
            "id": comment.id,
            "type": comment.kind,
            "author_id": comment.author_id,
            "audit_id": comment.id.0 + 1,
            "public": comment.public,
            "created_at": comment.created_at,
            "body": comment.plain_body,
            "plain_body": comment.plain_body,
            "html_body": html,
            "attachments": attachments,
            "via": comment.via,
            "metadata": {"system": {"client": "Mozilla/5.0", "ip_address": "192.0.2.1", "location": "Berlin, Germany",
                "latitude": 52.5, "longitude": 13.4}, "custom": {}},
        });
        if let Some(data) = &comment.data {
            value["data"] = data.clone();
        }
        value
    }

    pub(super) fn ticket_json(&self, ticket: &Ticket, bases: &Bases) -> Value {
        let mut value = object(ticket);
        value["url"] = json!(bases.api(&format!("tickets/{}.json", ticket.id)));
        value["description"] = json!(self.comment(ticket, 0).map(|comment| comment.plain_body));
        value["fields"] = value["custom_fields"].clone();
        value["sharing_agreement_ids"] = json!([]);
        value["allow_channelback"] = json!(false);
        value["allow_attachments"] = json!(true);
        value["from_messaging_channel"] = json!(false);
        value["encoded_id"] = json!(format!("{:06X}-{:04X}", ticket.index, ticket.index % 7919));
        value
    }
}

pub(super) fn identity_json(identity: &Identity, bases: &Bases) -> Value {
    let mut value = object(identity);
    value["url"] = json!(bases.api(&format!("users/{}/identities/{}.json", identity.user_id, identity.id)));
    value["updated_at"] = value["created_at"].clone();
    value["deliverable_state"] = json!("deliverable");
    value["undeliverable_count"] = json!(0);
    value
}

pub(super) fn organization_json(organization: &Organization, bases: &Bases) -> Value {
    let mut value = object(organization);
    value["url"] = json!(bases.api(&format!("organizations/{}.json", organization.id)));
    value
}

pub(super) fn group_json(group: &Group, bases: &Bases) -> Value {
    let mut value = object(group);
    value["url"] = json!(bases.api(&format!("groups/{}.json", group.id)));
    value
}

/// `family` is the path of the list that the field stands in.
pub(super) fn field_json(field: &Field, position: usize, family: &str, bases: &Bases) -> Value {
    let options: Vec<Value> = field
        .options
        .iter()
        .map(|option| json!({"id": option.id, "name": option.name, "raw_name": option.name, "value": option.value, "default": option.default}))
        .collect();
    let mut value = json!({
        "id": field.id,
        "url": bases.api(&format!("{family}/{}.json", field.id)),
        "type": field.kind,
        "title": field.title,
        "raw_title": field.raw_title,
        "description": "",
        "raw_description": "",
        "active": field.active,
        "position": position,
        "removable": field.removable,
        "regexp_for_validation": field.regexp,
        "tag": field.tag,
        "created_at": "2019-01-07T08:00:00Z",
        "updated_at": "2019-01-07T08:00:00Z",
    });
    if let Some(key) = &field.key {
        value["key"] = json!(key);
        value["system"] = json!(false);
    } else {
        value["required"] = json!(field.required);
        value["visible_in_portal"] = json!(true);
        value["editable_in_portal"] = json!(field.removable);
        value["title_in_portal"] = json!(field.title);
    }
    if matches!(field.kind.as_str(), "tagger" | "multiselect" | "dropdown") {
        value["custom_field_options"] = json!(options);
    }
    value
}

pub(super) fn brand_json(brand: &Brand, bases: &Bases) -> Value {
    json!({"id": brand.id, "url": bases.api(&format!("brands/{}.json", brand.id)), "name": brand.name,
        "subdomain": brand.subdomain, "brand_url": bases.account, "host_mapping": null, "default": brand.default,
        "active": !brand.deleted, "is_deleted": brand.deleted, "has_help_center": false, "help_center_state": "disabled",
        "ticket_form_ids": [], "logo": null})
}

pub(super) fn form_json(form: &Form, position: usize, bases: &Bases) -> Value {
    json!({"id": form.id, "url": bases.api(&format!("ticket_forms/{}.json", form.id)), "name": form.name,
        "raw_name": form.name, "display_name": form.name, "position": position, "active": form.active,
        "default": form.default, "end_user_visible": true, "ticket_field_ids": [], "in_all_brands": true,
        "restricted_brand_ids": [], "agent_conditions": [], "end_user_conditions": []})
}

pub(super) fn status_json(status: &CustomStatus) -> Value {
    json!({"id": status.id, "status_category": status.category, "agent_label": status.agent_label,
        "raw_agent_label": status.agent_label, "end_user_label": status.end_user_label, "description": "",
        "active": true, "default": status.default, "created_at": "2022-05-01T00:00:00Z", "updated_at": "2022-05-01T00:00:00Z"})
}

pub(super) fn user_json(user: &User, bases: &Bases) -> Value {
    let mut value = object(user);
    value["url"] = json!(bases.api(&format!("users/{}.json", user.id)));
    value["shared"] = json!(false);
    value["shared_agent"] = json!(false);
    value["moderator"] = json!(user.role != Role::EndUser);
    value["ticket_restriction"] = json!((user.role == Role::EndUser).then_some("requested"));
    value["restricted_agent"] = json!(user.role != Role::Admin);
    value["custom_role_id"] = Value::Null;
    value["two_factor_auth_enabled"] = Value::Null;
    value["photo"] = Value::Null;
    value["permanently_deleted"] = json!(user.permanently_deleted);
    value
}
