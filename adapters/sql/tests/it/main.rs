//! The tests of scim-sql.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "tests"
)]

mod alike;
mod database;
mod equivalence;
mod faults;
mod log;
mod look_ups;
mod model;
mod postgres;
mod queries;
mod races;
mod session;
mod support;
mod unique;
