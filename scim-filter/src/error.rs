//! Why a filter's text is refused.

use std::fmt::{self, Write as _};
use std::ops::Range;

/// Why and where a text is not a filter: 400 `invalidFilter` (RFC 7644 §3.12).
///
/// The message never repeats a value of the text, so it may be the `detail` of a SCIM error.
///
/// ```
/// use scim_filter::Filter;
///
/// let text = r#"userName regex "^b""#;
/// let error = Filter::parse(text).unwrap_err();
/// assert_eq!(error.to_string(), "the operator 'regex' is not supported, at byte 9");
/// assert_eq!(error.with_caret(text), "userName regex \"^b\"\n         ^^^^^");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}, at byte {}", .0.kind, .0.span.start)]
pub struct ParseError(Box<Fault>);

/// Apart and in a box, so that the results of a parser that finds no fault stay small.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault {
    kind: ParseErrorKind,
    span: Range<usize>,
}

impl ParseError {
    #[cold]
    pub(crate) fn new(kind: ParseErrorKind, span: Range<usize>) -> Self {
        Self(Box::new(Fault { kind, span }))
    }

    /// What is wrong.
    pub fn kind(&self) -> &ParseErrorKind {
        &self.0.kind
    }

    /// The bytes of the text at fault; empty at its end.
    pub fn span(&self) -> Range<usize> {
        self.0.span.clone()
    }

    /// The place in the text, marked with carets in a second line: for a developer's terminal. `text` is
    /// what was parsed. Not for SCIM errors, because it repeats the text.
    pub fn with_caret(&self, text: &str) -> String {
        /// So much is shown before and after the place.
        const AROUND: usize = 60;
        let span = self.span();
        let before = text.get(..span.start).unwrap_or(text);
        let skipped = before.chars().count().saturating_sub(AROUND);
        let indent = before.chars().count() - skipped;
        let marked = text.get(span).unwrap_or_default().chars().count().clamp(1, AROUND);
        let mut out = String::new();
        for c in text.chars().skip(skipped).take(indent + AROUND) {
            out.push(if c.is_control() { '\u{fffd}' } else { c });
        }
        // Writing to a String can't fail.
        let _ = write!(out, "\n{:indent$}{:^<marked$}", "", "");
        out
    }
}

/// What is wrong with a filter's text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// There is nothing in it.
    Empty,
    /// An expression should begin here.
    ExpressionExpected,
    /// The attribute path is malformed.
    AttributePath,
    /// An operator should stand here.
    OperatorExpected,
    /// There is no such operator. Holds its name where that is a plain short word.
    UnknownOperator(String),
    /// A comparison value should stand here.
    ValueExpected,
    /// `and`, `or` or the end should stand here.
    LogicalExpected,
    /// A space is missing.
    SpaceExpected,
    /// A string has no closing quotation mark.
    UnterminatedString,
    /// A string holds an escape that JSON does not know.
    Escape,
    /// A string holds a control character, which JSON wants escaped.
    ControlCharacter,
    /// A string holds half of a surrogate pair (ledger choice `lone-surrogate`).
    LoneSurrogate,
    /// A `(` or `[` is not closed.
    Unclosed(char),
    /// A `)` or `]` closes nothing.
    Unopened(char),
    /// A value path inside the brackets of another.
    NestedValuePath,
    /// A sub-attribute behind the brackets of a value path, which the [`Options`](crate::Options) don't allow.
    ValuePathSubAttribute,
    /// A limit is exceeded.
    Limit {
        /// Which one: `length`, `depth`, `nodes` or `literal`.
        limit: &'static str,
        /// Its value.
        value: usize,
    },
}

impl fmt::Display for ParseErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the filter is empty"),
            Self::ExpressionExpected => f.write_str("an attribute name, 'not' or '(' is expected"),
            Self::AttributePath => f.write_str("the attribute path is malformed"),
            Self::OperatorExpected => {
                f.write_str("an operator is expected: eq, ne, co, sw, ew, gt, ge, lt, le or pr")
            }
            Self::UnknownOperator(name) if name.is_empty() => f.write_str("the operator is not supported"),
            Self::UnknownOperator(name) => write!(f, "the operator '{name}' is not supported"),
            Self::ValueExpected => {
                f.write_str("a value is expected: a string in double quotes, a number, true, false or null")
            }
            Self::LogicalExpected => f.write_str("'and', 'or' or the end is expected"),
            Self::SpaceExpected => f.write_str("a space is expected"),
            Self::UnterminatedString => f.write_str("the string has no closing quotation mark"),
            Self::Escape => f.write_str("the string holds an unknown escape"),
            Self::ControlCharacter => f.write_str("the string holds an unescaped control character"),
            Self::LoneSurrogate => f.write_str("the string holds half of a surrogate pair"),
            Self::Unclosed(c) => write!(f, "'{c}' is not closed"),
            Self::Unopened(c) => write!(f, "'{c}' closes nothing"),
            Self::NestedValuePath => f.write_str("a value path can't be inside another one"),
            Self::ValuePathSubAttribute => {
                f.write_str("a sub-attribute can't follow a value path in a filter")
            }
            Self::Limit { limit: "length", value } => write!(f, "the text is longer than {value} bytes"),
            Self::Limit { limit: "depth", value } => {
                write!(f, "the filter is nested deeper than {value} levels")
            }
            Self::Limit { limit: "literal", value } => write!(f, "a value is longer than {value} bytes"),
            Self::Limit { limit, value } => write!(f, "the filter has more than {value} {limit}"),
        }
    }
}
