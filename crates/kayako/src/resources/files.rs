//! Uploads. A file belongs to the session it was uploaded in and expires (3 hours in the documented sample).

use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;

use crate::call::{Body, Effect, Request, Verb};
use crate::client::Client;
use crate::error::Error;
use crate::gate::RateClass;
use crate::ids::FileId;
use crate::session::SessionGeneration;
use crate::wire;

/// An uploaded file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadedFile {
    /// Its id, to be named in `attachment_file_ids`.
    pub id: FileId,
    /// How many bytes the account counted.
    pub size: Option<u64>,
    /// When it expires, if the account says so.
    pub expires_at: Option<Timestamp>,
    /// The session it belongs to: void as soon as [`Client::session_generation`] differs.
    pub session: SessionGeneration,
}

#[derive(Deserialize)]
struct WireFile {
    id: FileId,
    #[serde(default, deserialize_with = "wire::number")]
    size: Option<u64>,
    #[serde(default, deserialize_with = "wire::time")]
    expiry_at: Option<Timestamp>,
}

impl Client {
    /// Uploads a file's raw bytes. A second upload is harmless (it expires), so this may be repeated freely; too
    /// large a file is [`Error::is_too_large`]. `content_md5` is the base64 MD5 of the bytes. API 4.11.
    pub async fn upload(
        &self,
        name: &str,
        content_type: &str,
        bytes: Bytes,
        content_md5: Option<String>,
    ) -> Result<UploadedFile, Error> {
        let mut request = Request::new(Verb::Post, "/files", Effect::Repeatable, RateClass::Files)
            .query("_filename", name)
            // Otherwise the answer holds the whole file again, in base64.
            .query("fields", "-content");
        request.body = Body::Raw { bytes, content_type: content_type.to_owned(), content_md5 };
        let (file, session) = self.fetch_in_session::<WireFile>(request).await?;
        Ok(UploadedFile { id: file.id, size: file.size, expires_at: file.expiry_at, session })
    }
}
