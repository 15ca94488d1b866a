//! Tests of the public face, against a store in a real SQLite file.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod administration;
mod delivery;
mod events;
mod fan_out;
mod faults;
mod laws;
mod messages;
mod normalized;
mod pressure;
mod processes;
mod reader;
mod receiver;
mod sets;
mod simulator;
mod stopping;
mod support;
mod text;
mod updates;
