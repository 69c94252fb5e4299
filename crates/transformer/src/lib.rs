//! Translates canonical records into Kayako load commands.
