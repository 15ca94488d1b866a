#![doc = include_str!("../README.md")]

mod error;
mod filter;
mod matcher;
mod parse;
mod path;

pub use error::{ParseError, ParseErrorKind};
pub use filter::{Expr, ExprRef, Filter, Literal, Operator, Visit};
pub use matcher::{
    Comparand, ElementMatcher, FilterError, FilterErrorKind, MatchOptions, Matcher, TypedExpr, TypedVisit,
};
pub use parse::{Limits, Options};
pub use path::{Path, PathError};
