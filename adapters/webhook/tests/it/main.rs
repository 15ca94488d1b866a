//! Tests of the public face.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod schedule;
mod sender;
mod tls;
mod vectors;
