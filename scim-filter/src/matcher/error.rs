//! Why a filter can't be evaluated on a resource type.

use std::fmt;

use crate::filter::Operator;

/// Why a filter that is well formed has no meaning for a resource type: 400 `invalidFilter`
/// (RFC 7644 §3.12), but see [`FilterErrorKind::Sensitive`].
///
/// The message names the attribute and never repeats a value of the filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {kind}")]
pub struct FilterError {
    kind: FilterErrorKind,
    path: String,
}

impl FilterError {
    /// Paths are cut to so many characters.
    const PATH: usize = 128;

    pub(crate) fn new(kind: FilterErrorKind, path: impl fmt::Display) -> Self {
        let mut path = path.to_string();
        if let Some((at, _)) = path.char_indices().nth(Self::PATH) {
            path.truncate(at);
        }
        Self { kind, path }
    }

    /// What is wrong.
    pub fn kind(&self) -> FilterErrorKind {
        self.kind
    }

    /// The attribute path at fault, as written in the filter.
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// What is wrong with a filter for a resource type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FilterErrorKind {
    /// The attribute is writeOnly or returned never: a filter would tell what nobody may read
    /// (RFC 7644 §7.5.2; ledger choice `password-filter`).
    Sensitive,
    /// The value is of another type than the attribute (ledger choice `type-mismatch`).
    TypeMismatch {
        /// What the attribute takes.
        expected: &'static str,
    },
    /// The attribute's type does not have the operator (RFC 7644 table 3; ledger choice
    /// `substring-non-string`).
    Operator {
        /// The operator.
        operator: Operator,
        /// The attribute's type.
        kind: &'static str,
    },
    /// `null` with an operator other than eq and ne (ledger choice `null-order`).
    NullOrder,
    /// A complex attribute without a `value` sub-attribute is compared as a whole (ledger choice
    /// `implicit-value`).
    NeedsSubAttribute,
    /// Inside brackets: the attribute has no such sub-attribute (ledger choice `unknown-sub-attribute`).
    UnknownSubAttribute,
    /// Brackets behind an attribute that is neither complex nor multi-valued.
    NotAValuePath,
    /// A schema's URN with something else than `pr` (ledger choice `extension-pr`).
    ExtensionOperator,
}

impl fmt::Display for FilterErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sensitive => f.write_str("the attribute can't be filtered on"),
            Self::TypeMismatch { expected } => write!(f, "the attribute is compared with {expected}"),
            Self::Operator { operator, kind } => {
                write!(f, "the operator {operator} can't be used with a {kind} attribute")
            }
            Self::NullOrder => f.write_str("null can only be compared with eq and ne"),
            Self::NeedsSubAttribute => f.write_str("a sub-attribute must be named"),
            Self::UnknownSubAttribute => f.write_str("there is no such sub-attribute"),
            Self::NotAValuePath => f.write_str("the attribute has no values to filter in brackets"),
            Self::ExtensionOperator => f.write_str("only pr can be used with an extension"),
        }
    }
}
