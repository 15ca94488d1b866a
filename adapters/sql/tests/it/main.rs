//! The tests of scim-sql.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests"
)]

mod contract;
mod database;
mod faults;
mod model;
mod races;
mod support;
