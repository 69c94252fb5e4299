//! The ledger of a migration, in Redis or SQLite.
