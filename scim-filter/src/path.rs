//! PATCH paths (RFC 7644 §3.5.2, figure 7).

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use scim_schema::AttributePath;

use crate::error::{ParseError, ParseErrorKind};
use crate::filter::{Filter, Name};
use crate::parse::{self, Options};

/// The `path` of a PATCH operation: `attr`, `attr.sub`, `attr[filter]`, `attr[filter].sub`, each with or
/// without a schema's URN, or a schema's URN alone.
///
/// ```
/// use scim_filter::Path;
///
/// let path = Path::parse(r#"addresses[type eq "work"].locality"#)?;
/// assert_eq!(path.attribute_path().to_string(), "addresses.locality");
/// assert_eq!(path.filter().unwrap().to_string(), r#"type eq "work""#);
/// assert!(Path::parse("emails[type eq").unwrap_err().is_filter() == false);
/// # Ok::<(), scim_filter::PathError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Path<'a> {
    text: Cow<'a, str>,
    name: Name,
    filter: Option<Filter<'a>>,
    /// The sub-attribute behind brackets; without brackets it is part of `name`.
    sub: Option<Name>,
}

impl<'a> Path<'a> {
    /// How many bytes a path may have.
    pub const MAX_LENGTH: usize = 1024;

    /// Parses.
    ///
    /// # Errors
    /// [`PathError`]: `invalidPath` for the path itself, `invalidFilter` for what is in its brackets.
    pub fn parse(text: &'a str) -> Result<Self, PathError> {
        if text.len() > Self::MAX_LENGTH {
            return Err(PathError::TooLong { at: text.floor_char_boundary(Self::MAX_LENGTH) });
        }
        if text.is_empty() {
            return Err(PathError::Empty);
        }
        let name = parse::attribute_path(text, 0).ok_or(PathError::Malformed { at: 0 })?;
        let bracket = name.end.get();
        let path = |filter, sub| Self { text: Cow::Borrowed(text), name, filter, sub };
        match text.as_bytes().get(bracket) {
            None => return Ok(path(None, None)),
            Some(b'[') if !name.has_sub() => {}
            Some(_) => return Err(PathError::Malformed { at: bracket }),
        }
        if !text.contains(']') {
            return Err(PathError::Unclosed { at: bracket });
        }
        let (filter, end) =
            parse::bracketed(text, bracket + 1, &Options::strict()).map_err(PathError::in_brackets)?;
        let sub = match text.as_bytes().get(end) {
            None => None,
            Some(b'.') => {
                let sub = parse::name(text, end + 1).filter(|sub| sub.end.get() == text.len());
                Some(sub.ok_or(PathError::Malformed { at: end + 1 })?)
            }
            Some(_) => return Err(PathError::Malformed { at: end }),
        };
        Ok(path(Some(filter), sub))
    }

    /// The attribute and the sub-attribute, as written, without the filter. Where the path is a schema's
    /// URN alone, its last part is taken for an attribute; `ResourceType::resolve` knows that.
    pub fn attribute_path(&self) -> AttributePath<'_> {
        let name = self.name.of(&self.text);
        AttributePath { sub: self.sub.map(|sub| sub.of(&self.text).attribute).or(name.sub), ..name }
    }

    /// The filter in the brackets. Its paths are names of sub-attributes.
    pub fn filter(&self) -> Option<&Filter<'a>> {
        self.filter.as_ref()
    }

    /// The same path with strings of its own.
    pub fn into_owned(self) -> Path<'static> {
        Path { text: Cow::Owned(self.text.into_owned()), filter: self.filter.map(Filter::into_owned), ..self }
    }
}

/// Names as written, the filter as filters are compared.
impl PartialEq for Path<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.attribute_path() == other.attribute_path() && self.filter == other.filter
    }
}

/// Canonical text; parsing it gives an equal path.
impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.of(&self.text).fmt(f)?;
        if let Some(filter) = &self.filter {
            write!(f, "[{filter}]")?;
        }
        match self.sub {
            Some(sub) => write!(f, ".{}", sub.of(&self.text)),
            None => Ok(()),
        }
    }
}

/// Why a text is not a PATCH path. The message never repeats a value of the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// The path is empty (ledger choice `empty-path`).
    #[error("the path is empty, at byte 0")]
    Empty,
    /// The path is longer than [`Path::MAX_LENGTH`] bytes.
    #[error("the path is longer than {} bytes, at byte {at}", Path::MAX_LENGTH)]
    TooLong {
        /// Where the first character begins that is too much.
        at: usize,
    },
    /// The path does not follow the grammar.
    #[error("the path is malformed, at byte {at}")]
    Malformed {
        /// Where what can't be read begins.
        at: usize,
    },
    /// The bracket is not closed.
    #[error("the bracket of the path is not closed, at byte {at}")]
    Unclosed {
        /// Where the bracket is.
        at: usize,
    },
    /// What is in the brackets is not a filter.
    #[error("the filter in the path: {0}")]
    Filter(#[source] ParseError),
}

impl PathError {
    /// Whether the filter in the brackets is at fault: `invalidFilter`. Everything else is `invalidPath`.
    pub fn is_filter(&self) -> bool {
        matches!(self, Self::Filter(_))
    }

    /// The bytes of the path at fault; empty where only their beginning is known.
    pub fn span(&self) -> Range<usize> {
        match self {
            Self::Empty => 0..0,
            Self::TooLong { at } | Self::Malformed { at } | Self::Unclosed { at } => *at..*at,
            Self::Filter(error) => error.span(),
        }
    }

    fn in_brackets(error: ParseError) -> Self {
        match error.kind() {
            ParseErrorKind::Unclosed('[') => Self::Unclosed { at: error.span().start },
            _ => Self::Filter(error),
        }
    }
}
