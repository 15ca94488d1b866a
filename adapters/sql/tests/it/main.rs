//! The tests of scim-sql.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod database;
