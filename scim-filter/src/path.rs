//! PATCH paths (RFC 7644 §3.5.2, figure 7).

use std::borrow::Cow;
use std::fmt;

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
#[derive(Clone, Debug, PartialEq)]
pub struct Path<'a> {
    name: Name<'a>,
    filter: Option<Filter<'a>>,
    /// The sub-attribute behind brackets; without brackets it is part of `name`.
    sub: Option<Cow<'a, str>>,
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
            return Err(PathError::TooLong);
        }
        if text.is_empty() {
            return Err(PathError::Empty);
        }
        let (rest, name) = parse::attribute_path(text).ok_or(PathError::Malformed)?;
        let Some(inside) = rest.strip_prefix('[') else {
            return if rest.is_empty() {
                Ok(Self { name, filter: None, sub: None })
            } else {
                Err(PathError::Malformed)
            };
        };
        if name.dot.is_some() {
            return Err(PathError::Malformed);
        }
        if !inside.contains(']') {
            return Err(PathError::Unclosed);
        }
        let (nodes, rest) =
            parse::bracketed(text, inside, &Options::strict()).map_err(PathError::in_brackets)?;
        let sub = match rest.strip_prefix('.') {
            Some(sub) => match parse::name(sub) {
                Some(("", sub)) => Some(Cow::Borrowed(sub)),
                _ => return Err(PathError::Malformed),
            },
            None if rest.is_empty() => None,
            None => return Err(PathError::Malformed),
        };
        Ok(Self { name, filter: Some(Filter::from_nodes(nodes)), sub })
    }

    /// The attribute and the sub-attribute, as written, without the filter. Where the path is a schema's
    /// URN alone, its last part is taken for an attribute; `ResourceType::resolve` knows that.
    pub fn attribute_path(&self) -> AttributePath<'_> {
        let name = self.name.view();
        AttributePath { sub: self.sub.as_deref().or(name.sub), ..name }
    }

    /// The filter in the brackets. Its paths are names of sub-attributes.
    pub fn filter(&self) -> Option<&Filter<'a>> {
        self.filter.as_ref()
    }

    /// The same path with strings of its own.
    pub fn into_owned(self) -> Path<'static> {
        Path {
            name: self.name.into_owned(),
            filter: self.filter.map(Filter::into_owned),
            sub: self.sub.map(|sub| Cow::Owned(sub.into_owned())),
        }
    }
}

/// Canonical text; parsing it gives an equal path.
impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name.text)?;
        if let Some(filter) = &self.filter {
            write!(f, "[{filter}]")?;
        }
        match &self.sub {
            Some(sub) => write!(f, ".{sub}"),
            None => Ok(()),
        }
    }
}

/// Why a text is not a PATCH path. The message never repeats a value of the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// The path is empty (ledger choice `empty-path`).
    #[error("the path is empty")]
    Empty,
    /// The path is longer than [`Path::MAX_LENGTH`] bytes.
    #[error("the path is longer than {} bytes", Path::MAX_LENGTH)]
    TooLong,
    /// The path does not follow the grammar.
    #[error("the path is malformed")]
    Malformed,
    /// The bracket is not closed.
    #[error("the bracket of the path is not closed")]
    Unclosed,
    /// What is in the brackets is not a filter.
    #[error("the filter in the path: {0}")]
    Filter(#[source] ParseError),
}

impl PathError {
    /// Whether the filter in the brackets is at fault: `invalidFilter`. Everything else is `invalidPath`.
    pub fn is_filter(&self) -> bool {
        matches!(self, Self::Filter(_))
    }

    fn in_brackets(error: ParseError) -> Self {
        match error.kind() {
            ParseErrorKind::Unclosed('[') => Self::Unclosed,
            _ => Self::Filter(error),
        }
    }
}
