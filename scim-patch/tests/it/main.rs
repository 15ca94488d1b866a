//! Tests of the crate as its users see it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod body;
mod custom;
mod hostile;
mod lists;
mod members;
mod more_cases;
mod operations;
mod properties;
mod providers;
mod schemas;
mod spec_cases;
mod support;
