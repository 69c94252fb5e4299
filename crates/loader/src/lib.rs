//! Writes load commands into Kayako exactly once.
