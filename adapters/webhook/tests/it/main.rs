//! Tests of the public face.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod guard;
mod header;
mod rebinding;
mod schedule;
mod sender;
mod signature;
mod support;
mod tls;
mod vectors;
