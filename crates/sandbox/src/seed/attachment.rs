//! Files of comments: what is known about them, and their bytes.
//!
//! Constraint: bytes are made on demand from the attachment's id, and the size is known without making them.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Company;
use super::draw::{Domain, Draw};
use super::ids::{ATTACHMENTS, ATTACHMENTS_PER_COMMENT, AttachmentId, COMMENTS_PER_TICKET};
use super::traps::Trap;

/// Whether the bytes can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttachmentState {
    /// Yes.
    Available,
    /// Removed by an agent; a short text stands in for it.
    Redacted,
    /// Found to be malware: the download is refused.
    Malware,
}

/// A file of a comment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Its id.
    pub id: AttachmentId,
    /// Any Unicode; may repeat within a comment.
    pub file_name: String,
    /// MIME type.
    pub content_type: String,
    /// Bytes.
    pub size: u64,
    /// Shown within the text; only listed on demand.
    pub inline: bool,
    /// Not inline, yet the text shows it as well.
    #[serde(skip)]
    pub referenced: bool,
    /// Whether the bytes can be had.
    pub state: AttachmentState,
}

/// Places of inline images start here, so that leaving them out does not change other ids.
const INLINE_FROM: u64 = 8;
const REDACTED: &str = "This attachment was redacted.\n";

impl Company {
    /// Files of the comment at a place of a ticket, the inline ones last.
    pub(crate) fn attachments(&self, ticket_index: u64, place: u64) -> Vec<Attachment> {
        let first = (ticket_index * COMMENTS_PER_TICKET + place) * ATTACHMENTS_PER_COMMENT;
        let draw = &mut Draw::new(self.seed(), Domain::Attachment, first);
        let mut files = Vec::new();
        if draw.chance(self.attachment_per_mille) {
            let count = if draw.chance(700) { 1 } else { draw.between(2, 3) };
            for _ in 0..count {
                files.push(ordinary(draw));
            }
        }
        if place == 0 {
            self.add_trapped(ticket_index, &mut files, draw);
        }
        for (slot, file) in (0u64..).zip(&mut files) {
            file.id = AttachmentId(ATTACHMENTS.id(first + slot));
        }
        if place == 0 && self.trap(Trap::InlineImage, ticket_index) || place > 0 && draw.chance(15) {
            files.push(Attachment {
                id: AttachmentId(ATTACHMENTS.id(first + INLINE_FROM)),
                inline: true,
                ..file(
                    draw.pick(&["image.png", "截图 2023-04-01.png", "Bildschirmfoto.png"]),
                    "image/png",
                    draw.between(120, 9_000),
                )
            });
        }
        files
    }

    fn add_trapped(&self, index: u64, files: &mut Vec<Attachment>, draw: &mut Draw) {
        let trap = |trap| self.trap(trap, index);
        if trap(Trap::UnicodeFileName) {
            files.push(file(
                "Übersicht «Q3» – 報告書 تقرير 📎.pdf",
                "application/pdf",
                draw.between(700, 9_000),
            ));
        }
        if trap(Trap::TwinFileNames) {
            files.push(file("scan.pdf", "application/pdf", 800));
            files.push(file("scan.pdf", "application/pdf", 900));
        }
        if trap(Trap::EmptyFile) {
            files.push(file("empty.txt", "text/plain", 0));
        }
        if trap(Trap::BigFile) {
            files.push(file("dump.bin", "application/octet-stream", 1_300_000));
        }
        if trap(Trap::OddFileName) {
            files.push(file("../..\\etc/passwd ", "application/octet-stream", 64));
        }
        if trap(Trap::MalwareFile) {
            files.push(Attachment {
                state: AttachmentState::Malware,
                ..file("invoice.exe", "application/x-dosexec", 4_096)
            });
        }
        if trap(Trap::RedactedFile) {
            let size = u64::try_from(REDACTED.len()).unwrap_or(0);
            files.push(Attachment {
                state: AttachmentState::Redacted,
                ..file("redacted.txt", "text/plain", size)
            });
        }
        if trap(Trap::ReferencedAttachment) {
            files.push(Attachment { referenced: true, ..file("photo.png", "image/png", 2_000) });
        }
    }

    /// What is known about a file of a generated comment.
    pub fn attachment(&self, id: AttachmentId) -> Option<Attachment> {
        let (ticket_index, place) = self.attachment_origin(id)?;
        if ticket_index >= self.size().tickets || place >= self.comment_count(ticket_index) {
            return None;
        }
        self.attachments(ticket_index, place).into_iter().find(|file| file.id == id)
    }

    /// The ticket's index and the comment's place that an attachment's id belongs to.
    pub fn attachment_origin(&self, id: AttachmentId) -> Option<(u64, u64)> {
        let comment = ATTACHMENTS.ordinal(id.0)? / ATTACHMENTS_PER_COMMENT;
        Some((comment / COMMENTS_PER_TICKET, comment % COMMENTS_PER_TICKET))
    }

    /// The id of a file of a comment that was added later.
    pub fn attachment_id(&self, ticket_index: u64, place: u64, slot: u64) -> AttachmentId {
        AttachmentId(
            ATTACHMENTS.id((ticket_index * COMMENTS_PER_TICKET + place) * ATTACHMENTS_PER_COMMENT + slot),
        )
    }

    /// The bytes of a file; for malware those that nobody can download.
    pub fn attachment_bytes(&self, id: AttachmentId) -> Option<Vec<u8>> {
        self.attachment(id).map(|file| self.bytes_of(&file))
    }

    /// The SHA-256 of a file in hexadecimal.
    pub fn attachment_sha256(&self, id: AttachmentId) -> Option<String> {
        let bytes = self.attachment_bytes(id)?;
        Some(Sha256::digest(&bytes).iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}")))
    }

    fn bytes_of(&self, file: &Attachment) -> Vec<u8> {
        if file.state == AttachmentState::Redacted {
            return REDACTED.as_bytes().to_vec();
        }
        let size = usize::try_from(file.size).unwrap_or(0);
        let draw = &mut Draw::new(self.seed(), Domain::Bytes, file.id.0);
        let mut bytes = Vec::with_capacity(size + 64);
        match file.content_type.as_str() {
            "image/png" => bytes.extend_from_slice(&PNG),
            "application/pdf" => bytes.extend_from_slice(b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\n"),
            _ => {}
        }
        let text = file.content_type.starts_with("text/");
        while bytes.len() < size {
            if text {
                let line =
                    format!("{:08x} INFO sync step={} ok ümläut ✓\n", draw.bits() >> 32, draw.below(100));
                bytes.extend_from_slice(line.as_bytes());
            } else {
                bytes.extend_from_slice(&draw.bits().to_le_bytes());
            }
        }
        bytes.truncate(size);
        bytes
    }
}

fn file(name: &str, content_type: &str, size: u64) -> Attachment {
    Attachment {
        id: AttachmentId(0),
        file_name: name.to_owned(),
        content_type: content_type.to_owned(),
        size,
        inline: false,
        referenced: false,
        state: AttachmentState::Available,
    }
}

fn ordinary(draw: &mut Draw) -> Attachment {
    let number = draw.below(10_000);
    match draw.below(10) {
        0..4 => file(&format!("screenshot-{number}.png"), "image/png", draw.between(200, 9_000)),
        4..6 => file(&format!("Rechnung {number}.pdf"), "application/pdf", draw.between(800, 24_000)),
        6..8 => file(&format!("log-{number}.txt"), "text/plain", draw.between(20, 6_000)),
        8 => file(&format!("export-{number}.csv"), "text/csv", draw.between(20, 4_000)),
        _ => file(&format!("archive-{number}.zip"), "application/zip", draw.between(100, 30_000)),
    }
}

/// A whole image of one pixel; what follows its end is ignored by viewers.
const PNG: [u8; 67] = [
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52, 0x00,
    0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x06, 0x00, 0x00, 0x00, 0x1f, 0x15, 0xc4, 0x89, 0x00,
    0x00, 0x00, 0x0a, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9c, 0x63, 0x00, 0x01, 0x00, 0x00, 0x05, 0x00, 0x01,
    0x0d, 0x0a, 0x2d, 0xb4, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
];
