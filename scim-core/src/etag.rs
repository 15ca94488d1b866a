//! Preconditions of a request (RFC 7644 §3.14, RFC 9110 §13).

use http::HeaderMap;
use http::header::{IF_MATCH, IF_NONE_MATCH};
use scim_schema::etag;

use crate::error::{Error, ErrorKind};

/// What `If-Match` and `If-None-Match` ask for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Preconditions {
    if_match: Option<Tags>,
    if_none_match: Option<Tags>,
}

#[derive(Clone, Debug)]
enum Tags {
    Any,
    /// Opaque tags, without the mark of weakness: SCIM compares weakly (ledger choice `if-match-weak`).
    List(Vec<String>),
}

impl Preconditions {
    /// From a request's headers.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Self {
        let tags = |name| {
            let mut values = headers.get_all(name).iter().peekable();
            values.peek()?;
            let text: Vec<&str> = values.map(|v| v.to_str().unwrap_or_default()).collect();
            Some(Tags::parse(&text.join(",")))
        };
        Self { if_match: tags(IF_MATCH), if_none_match: tags(IF_NONE_MATCH) }
    }

    /// From the `version` of a bulk operation.
    pub(crate) fn from_version(version: &str) -> Self {
        Self { if_match: Some(Tags::parse(version)), if_none_match: None }
    }

    /// Whether the write is bound to the version that was read.
    pub(crate) fn is_conditional(&self) -> bool {
        self.if_match.is_some() || self.if_none_match.is_some()
    }

    /// For methods that write: the resource exists and has this version.
    ///
    /// # Errors
    /// 412 when `If-Match` names other versions, or `If-None-Match` this one.
    pub(crate) fn check_write(&self, version: u64) -> Result<(), Error> {
        let held = self.if_match.as_ref().is_none_or(|t| t.contain(version))
            && !self.if_none_match.as_ref().is_some_and(|t| t.contain(version));
        if held {
            Ok(())
        } else {
            Err(Error::new(ErrorKind::PreconditionFailed, "the resource has another version"))
        }
    }

    /// For methods that read: whether the client has this version already.
    ///
    /// # Errors
    /// 412 when `If-Match` names other versions.
    pub(crate) fn check_read(&self, version: u64) -> Result<bool, Error> {
        if self.if_match.as_ref().is_some_and(|t| !t.contain(version)) {
            return Err(Error::new(ErrorKind::PreconditionFailed, "the resource has another version"));
        }
        Ok(self.if_none_match.as_ref().is_some_and(|t| t.contain(version)))
    }
}

impl Tags {
    fn parse(text: &str) -> Self {
        if text.trim() == "*" {
            return Self::Any;
        }
        // A quoted tag may hold a comma. Unquoted ones, which some clients send, end at a comma.
        let mut tags = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            let body = rest.strip_prefix("W/").unwrap_or(rest);
            let (tag, tail) = match body.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
                None => body.split_once(',').unwrap_or((body, "")),
            };
            if !rest.is_empty() {
                tags.push(tag.trim().to_owned());
            }
            rest = tail;
        }
        Self::List(tags)
    }

    fn contain(&self, version: u64) -> bool {
        let current = etag(version);
        let opaque = current.trim_start_matches("W/").trim_matches('"');
        match self {
            Self::Any => true,
            Self::List(tags) => tags.iter().any(|t| t == opaque),
        }
    }
}
