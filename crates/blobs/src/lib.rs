//! Attachments and oversized bodies by content hash.
