//! The tests of scim-sql.

#![expect(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "tests")]

mod database;
mod faults;
mod model;
mod races;
mod support;
