//! The tests of scim-sql.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "tests"
)]

mod contract;
mod database;
mod faults;
mod model;
mod postgres;
mod races;
mod support;
