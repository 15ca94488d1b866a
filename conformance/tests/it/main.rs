//! The test-sets of this crate, played on the services of this workspace.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod corpus;
mod http;
mod servers;
mod spec;
mod support;
