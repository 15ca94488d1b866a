//! Tests against a real NATS server.
#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod connecting;
mod outlet;
mod reader;
mod support;
