//! Tests of the public face.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod event;
mod token;
