//! The tests of scim-sql.

#![expect(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "tests")]

mod contract;
mod database;
mod equivalence;
mod faults;
mod model;
mod queries;
mod races;
mod support;
