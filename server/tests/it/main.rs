//! `scimd` as its users meet it: the real binary, over real sockets.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where something is not as it must be"
)]

mod api;
mod authentication;
mod crash;
mod demo;
mod files;
mod hook;
mod limits;
mod listen;
mod nats;
mod operate;
mod postgres;
mod races;
mod remote;
mod scimd;
mod secrets;
mod serve;
mod sets;
mod ssrf;
mod stopping;
mod workers;
