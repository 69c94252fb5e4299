//! Reads a source page by page, registers records and publishes them.
