//! Plays scenarios of identity-provider traffic against a service.
//!
//! A scenario is a JSON file: resources that are there before, then steps with what each answer must
//! look like. `conformance/data/idp-corpus` holds one for each habit of the big providers.
//!
//! ```text
//! given   [{alias, path ("/Users" if absent), body, repeat?}]: POSTed first;
//!         repeat N makes the aliases alias.0 … alias.N-1 and binds {{i}}
//! steps   [{name?, method, path, query?, raw_query?, headers?, body?, raw_body?, save?, expect}]
//!         query is an object and gets encoded, raw_query is sent as it is, raw_body too;
//!         a header of null is not sent; save keeps the answer's body under an alias
//! expect  {status: [..], json: [check..], any_of: [[check..]..], headers: {name: regex},
//!          if_status: {"400": [check..]}}
//!         json and any_of are looked at when the answer is not an error, or when only
//!         error statuses are accepted; a 204 skips them
//! check   {pointer, equals | exists | absent | contains | not_contains | length | min_length |
//!          type | iequals | matches | unordered | not_equals}
//!         pointer is a JSON pointer (RFC 6901) in which [name=value] is the first array element
//!         with that member, compared without case, and [*] collects over an array
//! ```
//!
//! `{{run}}`, `{{base}}`, `{{i}}`, `{{alias.a.b.0.c}}` in any string stand for values; the filters
//! `|upper`, `|lower` and `|swapcase` change their case. In an array `{"$repeat": N, "of": X}` stands for
//! N times X with `{{i}}`, and `{"$each": "alias", "of": X}`, with `from` and `to`, for X with each
//! `{{item}}` of a repeated alias.

mod check;
mod player;
mod scenario;
mod template;

pub use player::replay;
pub(crate) use scenario::Expect;
pub use scenario::{Given, Kind, LoadError, Scenario, Step, load};

/// Why a scenario failed: the step and what was wrong with its answer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failure(pub(crate) String);
