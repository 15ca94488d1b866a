//! What the benchmarks of `cargo xtask bench` and `cargo xtask counts` have in common: fixtures, floors, and
//! the work as each implementation does it.
//!
//! ```
//! let fixture = &scim_benches::fixtures::filters()[0];
//! let filter = scim_benches::ours::parse_filter(&fixture.text);
//! assert_eq!(filter.to_string(), r#"userName eq "bjensen""#);
//! ```
#![forbid(unsafe_code)]

pub mod check;
pub mod corpus;
pub mod fixtures;
pub mod floor;
pub mod hostile;
pub mod ours;
pub mod peers;
pub mod population;
pub mod random;
pub mod service;
