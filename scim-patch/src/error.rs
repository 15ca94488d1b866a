//! Why a PATCH is refused.

use std::fmt;

use scim_filter::{FilterError, ParseErrorKind, PathError};
use scim_schema::{Violation, ViolationKind};

/// Which rule a PATCH broke (RFC 7644 §3.12, table 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PatchErrorKind {
    /// The body is not a PatchOp message: 400 `invalidSyntax`.
    InvalidSyntax,
    /// A path is malformed or names nothing: 400 `invalidPath`.
    InvalidPath,
    /// What is in the brackets of a path is not a filter on that attribute: 400 `invalidFilter`.
    InvalidFilter,
    /// A path is missing, or selects no value where there must be one: 400 `noTarget`.
    NoTarget,
    /// A value is missing, does not conform to the schema or is not allowed: 400 `invalidValue`.
    InvalidValue,
    /// A change of what can't be changed or taken away: 400 `mutability`.
    Mutability,
    /// More operations than the limit: 413.
    TooManyOperations,
    /// More values, or more work, than the limit: 413.
    TooLarge,
}

impl PatchErrorKind {
    /// The detail error keyword; `None` for those that are 413.
    pub fn scim_type(self) -> Option<&'static str> {
        match self {
            Self::InvalidSyntax => Some("invalidSyntax"),
            Self::InvalidPath => Some("invalidPath"),
            Self::InvalidFilter => Some("invalidFilter"),
            Self::NoTarget => Some("noTarget"),
            Self::InvalidValue => Some("invalidValue"),
            Self::Mutability => Some("mutability"),
            Self::TooManyOperations | Self::TooLarge => None,
        }
    }
}

/// Why a PATCH is refused: which operation, at which attribute, for what reason.
///
/// The text names attributes of the schema and never repeats anything that the client wrote, so it may be
/// the `detail` of a SCIM error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct PatchError(Box<Fault>);

/// Apart and in a box, so that the results of what finds no fault stay small.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault {
    kind: PatchErrorKind,
    operation: Option<usize>,
    path: String,
    reason: String,
}

impl PatchError {
    #[cold]
    pub(crate) fn new(kind: PatchErrorKind, path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self(Box::new(Fault { kind, operation: None, path: path.into(), reason: reason.into() }))
    }

    /// The same, in that operation of the request.
    #[cold]
    pub(crate) fn in_operation(mut self, index: usize) -> Self {
        self.0.operation.get_or_insert(index);
        self
    }

    /// Which rule was broken.
    pub fn kind(&self) -> PatchErrorKind {
        self.0.kind
    }

    /// The place of the operation in `Operations`, from 0; `None` where the request as a whole is wrong.
    pub fn operation(&self) -> Option<usize> {
        self.0.operation
    }

    /// The canonical path of the attribute; empty where there is none.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// Why, for a person.
    pub fn reason(&self) -> &str {
        &self.0.reason
    }
}

impl fmt::Display for PatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.operation, self.0.path.is_empty()) {
            (Some(at), true) => write!(f, "Operations[{at}]: ")?,
            (Some(at), false) => write!(f, "Operations[{at}], {}: ", self.0.path)?,
            (None, true) => {}
            (None, false) => write!(f, "{}: ", self.0.path)?,
        }
        f.write_str(&self.0.reason)
    }
}

impl From<Violation> for PatchError {
    fn from(violation: Violation) -> Self {
        let kind = match violation.kind() {
            ViolationKind::Mutability => PatchErrorKind::Mutability,
            ViolationKind::TooLarge => PatchErrorKind::TooLarge,
            // Table 9 has `invalidSyntax` for the bodies of POST and PUT; a value of a PATCH that does not
            // fit the schema is "not compatible with the resource schema".
            _ => PatchErrorKind::InvalidValue,
        };
        Self::new(kind, violation.path(), violation.reason())
    }
}

impl From<PathError> for PatchError {
    fn from(error: PathError) -> Self {
        let kind =
            if error.is_filter() { PatchErrorKind::InvalidFilter } else { PatchErrorKind::InvalidPath };
        let reason = match &error {
            // An unknown operator's name is the only text of a filter that its error repeats.
            PathError::Filter(inner) if matches!(inner.kind(), ParseErrorKind::UnknownOperator(_)) => {
                format!(
                    "the filter in the path: the operator is not supported, at byte {}",
                    inner.span().start
                )
            }
            other => other.to_string(),
        };
        Self::new(kind, "", reason)
    }
}

/// The filter's paths are what the client wrote, so only the attribute before the brackets is named.
pub(crate) fn filter_error(path: &str, error: &FilterError) -> PatchError {
    PatchError::new(PatchErrorKind::InvalidFilter, path, format!("the filter in the path: {}", error.kind()))
}
