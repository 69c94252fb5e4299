//! Typed client of the Kayako API v1; knows nothing about migrations.
