//! The test-sets of this crate, played on the services of this workspace.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod answers;
mod broken;
mod corpus;
mod http;
mod naive;
mod replay;
mod servers;
mod spec;
mod stores;
mod support;
