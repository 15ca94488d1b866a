//! Attribute notation (RFC 7644 §3.10).

use std::fmt;

/// `{urn}:{attribute}.{sub-attribute}`: the parts of an attribute path, as written.
///
/// ```
/// use scim_schema::AttributePath;
/// let path = AttributePath::parse("urn:ietf:params:scim:schemas:core:2.0:User:name.givenName").unwrap();
/// assert_eq!(path.urn, Some("urn:ietf:params:scim:schemas:core:2.0:User"));
/// assert_eq!((path.attribute, path.sub), ("name", Some("givenName")));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AttributePath<'a> {
    /// The schema URN, without the colon behind it.
    pub urn: Option<&'a str>,
    /// The attribute's name. For a path that is nothing but a schema URN this is the URN's last segment.
    pub attribute: &'a str,
    /// The sub-attribute's name.
    pub sub: Option<&'a str>,
}

impl<'a> AttributePath<'a> {
    /// Splits a path; `None` where a name does not follow the grammar of RFC 7643 §2.1.
    ///
    /// The URN ends at the last colon, so dots inside it (`:2.0:`) are not taken for a sub-attribute.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (urn, rest) = match text.rsplit_once(':') {
            Some((urn, rest)) => (Some(urn), rest),
            None => (None, text),
        };
        let (attribute, sub) = match rest.split_once('.') {
            Some((attribute, sub)) => (attribute, Some(sub)),
            None => (rest, None),
        };
        let well_formed = urn.is_none_or(is_urn) && is_name(attribute) && sub.is_none_or(is_name);
        well_formed.then_some(Self { urn, attribute, sub })
    }

    /// Whether the whole path, put together again, is this URN.
    pub(crate) fn is_whole_urn(&self, urn: &str) -> bool {
        let Some((head, last)) = urn.rsplit_once(':') else { return false };
        let last_matches = match (last.split_once('.'), self.sub) {
            (Some((a, s)), Some(sub)) => {
                a.eq_ignore_ascii_case(self.attribute) && s.eq_ignore_ascii_case(sub)
            }
            (None, None) => last.eq_ignore_ascii_case(self.attribute),
            _ => false,
        };
        last_matches && self.urn.is_some_and(|u| u.eq_ignore_ascii_case(head))
    }
}

impl fmt::Display for AttributePath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(urn) = self.urn {
            write!(f, "{urn}:")?;
        }
        f.write_str(self.attribute)?;
        match self.sub {
            Some(sub) => write!(f, ".{sub}"),
            None => Ok(()),
        }
    }
}

/// Whether the text is an attribute name: a letter, then letters, digits, `-` and `_`; or `$ref`
/// (RFC 7643 §2.1 and erratum 8924).
pub fn is_name(text: &str) -> bool {
    let bytes = text.strip_prefix('$').unwrap_or(text).as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        && (!text.starts_with('$') || text.eq_ignore_ascii_case("$ref"))
}

/// Whether the text has the form of a URN: `urn:`, a namespace, and characters that URNs may have.
pub fn is_urn(text: &str) -> bool {
    let mut parts = text.splitn(3, ':');
    parts.next().is_some_and(|p| p.eq_ignore_ascii_case("urn"))
        && parts.next().is_some_and(|p| !p.is_empty())
        && parts.next().is_some_and(|p| !p.is_empty())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b":-._~!$&'()*+,;=@%/".contains(&b))
}
