//! A second interpreter of filters and PATCH, to compare the product with.
//!
//! It is written from the texts of RFC 7643 and RFC 7644 and the `[[choice]]` rows of `data/spec/ledger.toml`,
//! slow and obvious, and shares no code with the product: it works on [`serde_json::Value`] and reads schemas
//! from their JSON documents.

mod compare;
mod filter;
mod matching;
mod patch;
mod schema;

pub use filter::{Expr, Fault, Literal, Operator, parse};
pub use matching::{InvalidFilter, check, matches};
pub use patch::{Patched, Refused, ScimType, patch};
pub(crate) use patch::{drop_doubled, without_marks};
pub use schema::{
    Attribute, AttributePath, Extension, Kind, Located, Mutability, ResourceType, Schema, Target,
};
