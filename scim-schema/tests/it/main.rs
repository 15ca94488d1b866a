//! The attribute model, apart from HTTP.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "tests: a value that is not there is a failure, and bodies are written where they are used"
)]

mod bodies;
mod bundled;
mod canonical;
mod doubles;
mod json_text;
mod projection;
mod registration;
mod support;
mod text;
mod unread;
mod values;
