//! Uploaded files (reference section 4.11): bound to a session, gone after three hours unless attached.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use md5::{Digest as _, Md5};
use serde_json::{Value, json};

use super::call::{Call, Caller, Role, Upload};
use super::envelope::{Answer, Failure, Payload, Problems};
use super::shape::Shape;
use super::state::{State, stamp};

/// A file waiting to be attached.
#[derive(Debug, Clone)]
pub(crate) struct StoredFile {
    pub(crate) id: u64,
    pub(crate) owner: String,
    pub(crate) upload: Upload,
    created_ms: i64,
    expires_ms: i64,
}

/// Where a record may take files from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileAccess<'a> {
    /// The owner mark of the calling session.
    pub(crate) owner: &'a str,
    /// Files that a bulk job took when it was submitted; `None` = look them up now.
    pub(crate) held: Option<&'a HashMap<u64, Upload>>,
}

impl State {
    /// The content of the files that a record attaches.
    pub(crate) fn take_files(
        &self,
        ids: &[u64],
        access: FileAccess<'_>,
        problems: &mut Problems,
    ) -> Vec<Upload> {
        let mut files = Vec::with_capacity(ids.len());
        for id in ids {
            let file = match access.held {
                Some(held) => held.get(id).cloned(),
                None => self.file_for(*id, access.owner).map(|file| file.upload.clone()),
            };
            match file {
                Some(file) => files.push(file),
                None => problems
                    .add(Failure::invalid("attachment_file_ids", "A file does not exist or has expired")),
            }
        }
        files
    }

    /// A file that this owner may attach now.
    pub(crate) fn file_for(&self, id: u64, owner: &str) -> Option<&StoredFile> {
        let file = self.files.get(id)?;
        let alive = file.expires_ms > self.now_ms;
        let own = !self.switches.files_bound_to_session || file.owner == owner;
        let session = file.owner.strip_prefix("s:");
        let session_alive =
            session.is_none_or(|id| self.sessions.is_open(id)) || !self.switches.files_die_with_session;
        (alive && own && session_alive).then_some(file)
    }

    fn show_file(&self, file: &StoredFile, shape: &Shape) -> Value {
        let mut shown = json!({
            "id": file.id,
            "name": file.upload.name,
            "size": file.upload.content.len(),
            "content_type": file.upload.content_type,
            "content_url": format!("{}/content", self.url("files", file.id)),
            "group_hash": file.owner,
            "created_at": stamp(file.created_ms.div_euclid(1000)),
            "expiry_at": stamp(file.expires_ms.div_euclid(1000)),
            "resource_type": "file",
            "resource_url": self.url("files", file.id),
        });
        // The whole file comes back unless the caller asked to spare it.
        if !shape.drops("content") {
            shown["content"] = Value::String(BASE64.encode(&file.upload.content));
        }
        shown
    }

    fn check_upload(&self, upload: &Upload) -> Result<(), Failure> {
        let limit = self.switches.attachment_limit_bytes;
        if limit > 0 && upload.content.len() > limit {
            let status = self.switches.attachment_limit_status;
            return Err(Failure::new(
                status,
                "LICENSE_LIMIT_REACHED",
                "The file is larger than the plan allows",
            ));
        }
        if upload.content.is_empty() && self.switches.zero_byte_files_refused {
            return Err(Failure::field("FIELD_EMPTY", "content", "The file is empty"));
        }
        Ok(())
    }

    fn store_file(&mut self, upload: Upload, owner: &str) -> u64 {
        let id = self.files.next_id();
        let created_ms = self.now_ms;
        let expires_ms = created_ms + self.scaled_ms(self.switches.file_expiry_minutes * 60);
        self.files.insert(StoredFile { id, owner: owner.to_owned(), upload, created_ms, expires_ms })
    }

    /// Forgets files that have expired, so that a long run does not keep every attachment twice.
    pub(crate) fn drop_expired_files(&mut self) {
        while let Some(file) = self.files.get(self.oldest_file)
            && file.expires_ms <= self.now_ms
        {
            self.files.remove(self.oldest_file);
            self.oldest_file += 1;
        }
    }
}

/// Everything below `/files`.
pub(crate) fn serve(
    state: &mut State,
    caller: &Caller,
    call: &mut Call,
    path: &[&str],
) -> Result<Answer, Failure> {
    let id = |text: &str| text.parse::<u64>().map_err(|_| Failure::not_found());
    caller.require(Role::Collaborator)?;
    match (call.method.as_str(), path) {
        ("POST", []) => upload(state, caller, call),
        ("GET", [file]) => {
            let file = state.file_for(id(file)?, &caller.file_owner).ok_or_else(Failure::not_found)?;
            Ok(Answer::one("file", state.show_file(file, &call.shape)))
        }
        ("GET", [file, "content"]) => {
            let file = state.file_for(id(file)?, &caller.file_owner).ok_or_else(Failure::not_found)?;
            let Upload { name, content_type, content } = file.upload.clone();
            Ok(Answer { status: 200, resource: "file", data: Payload::File { content, content_type, name } })
        }
        ("DELETE", [file]) => {
            let id = id(file)?;
            state.file_for(id, &caller.file_owner).ok_or_else(Failure::not_found)?;
            // Only marked: the ids of older files must stay in order for expiry.
            if let Some(file) = state.files.get_mut(id) {
                file.expires_ms = 0;
            }
            Ok(Answer::count(1))
        }
        _ => Err(Failure::not_found()),
    }
}

fn upload(state: &mut State, caller: &Caller, call: &mut Call) -> Result<Answer, Failure> {
    let mut uploads = std::mem::take(&mut call.uploads);
    let single = uploads.len() <= 1;
    if let Some(content) = call.raw.take() {
        let name = call
            .disposition
            .as_deref()
            .and_then(file_name)
            .or_else(|| call.query.get("_filename").map(str::to_owned));
        let name = name.ok_or_else(|| Failure::required("name"))?;
        let content_type = call.content_type.clone();
        uploads.push(Upload { name, content_type, content });
    } else if uploads.is_empty() {
        uploads.push(from_fields(call)?);
    }
    if let (Some(expected), [only]) =
        (call.content_md5.as_deref().or_else(|| call.query.get("_md5")), uploads.as_slice())
    {
        let digest = Md5::digest(&only.content);
        let hex = digest.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        if expected != BASE64.encode(digest) && !expected.eq_ignore_ascii_case(&hex) {
            return Err(Failure::new(400, "CHECKSUM_MISMATCH", "The file was damaged on its way"));
        }
    }
    for upload in &uploads {
        state.check_upload(upload)?;
    }
    let mut ids = Vec::with_capacity(uploads.len());
    for upload in uploads {
        ids.push(state.store_file(upload, &caller.file_owner));
    }
    let mut shown: Vec<Value> = ids
        .iter()
        .filter_map(|id| state.files.get(*id))
        .map(|file| state.show_file(file, &call.shape))
        .collect();
    if single {
        return Ok(Answer::created("file", shown.pop().unwrap_or(Value::Null)));
    }
    let total = shown.len();
    Ok(Answer {
        status: 201,
        resource: "file",
        data: Payload::Page { items: shown, offset: 0, limit: total, total },
    })
}

/// JSON or form: `name` and `content`, binary as base64.
fn from_fields(call: &mut Call) -> Result<Upload, Failure> {
    let mut problems = Problems::default();
    let name = call.params.text("name", &mut problems);
    let content = call.params.text("content", &mut problems);
    if name.is_none() {
        problems.add(Failure::required("name"));
    }
    let decoded = content.as_deref().map(|text| BASE64.decode(text));
    match &decoded {
        None => problems.add(Failure::required("content")),
        Some(Err(_)) => problems.add(Failure::invalid("content", "Base64 is expected")),
        Some(Ok(_)) => {}
    }
    let content_type = call
        .params
        .text("content_type", &mut problems)
        .unwrap_or_else(|| "application/octet-stream".to_owned());
    problems.finish()?;
    let content = decoded.and_then(Result::ok).map(Bytes::from).unwrap_or_default();
    Ok(Upload { name: name.unwrap_or_default(), content_type, content })
}

/// `attachment; filename="x.png"`, or RFC 5987's `filename*=UTF-8''x.png`.
fn file_name(disposition: &str) -> Option<String> {
    let part = |name: &str| disposition.split(';').map(str::trim).find_map(|part| part.strip_prefix(name));
    if let Some(encoded) = part("filename*=") {
        let value = encoded.split_once("''").map_or(encoded, |(_, value)| value);
        return Some(percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned());
    }
    part("filename=").map(|name| name.trim_matches('"').replace("\\\"", "\""))
}
