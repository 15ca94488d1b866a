//! SCIM 2.0 filters: text, syntax tree, typed matcher (RFC 7644 section 3.4.2.2).

mod error;
mod filter;
mod matcher;
mod parse;
mod path;

pub use error::{ParseError, ParseErrorKind};
pub use filter::{Expr, ExprRef, Filter, Literal, Operator, Visit};
pub use matcher::{
    Conjunct, ConjunctValue, ElementMatcher, FilterError, FilterErrorKind, MatchOptions, Matcher,
};
pub use parse::{Limits, Options};
pub use path::{Path, PathError};
