//! Delivery by poll (RFC 8936).

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::error::{ErrorCode, SetError};

/// What a receiver asks for (§2.2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "the members that the RFC names")]
pub struct PollRequest {
    /// How many SETs at most; 0 to acknowledge only; `None` for as many as the transmitter likes to give.
    pub max_events: Option<u32>,
    /// Whether to answer at once where there is no SET, and not to wait for one.
    pub return_immediately: bool,
    /// The `jti` of the SETs that the receiver has.
    pub ack: Vec<String>,
    /// What is wrong with others, by `jti`.
    pub set_errs: BTreeMap<String, SetError>,
}

impl PollRequest {
    /// Reads the body of a request. An empty one asks for whatever there is.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidRequest`] for what is no such object.
    pub fn parse(body: &[u8]) -> Result<Self, SetError> {
        let body = body.trim_ascii();
        if body.is_empty() {
            return Ok(Self::default());
        }
        if !body.starts_with(b"{") {
            return Err(SetError::new(ErrorCode::InvalidRequest, "the body is not a JSON object"));
        }
        // The parser's words would repeat what was sent.
        serde_json::from_slice(body).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let text = format!("the body is not a poll request: line {line}, column {column}");
            SetError::new(ErrorCode::InvalidRequest, text)
        })
    }

    /// Whether nothing is asked for but to take note of acknowledgements and errors.
    pub fn only_acknowledges(&self) -> bool {
        self.max_events == Some(0)
    }
}

/// What a transmitter answers (§2.3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "the members that the RFC names")]
pub struct PollResponse {
    /// SETs by `jti`, written in this order. A transmitter gives the order in which things happened, though a
    /// receiver must not rely on the order of an object's members.
    pub sets: IndexMap<String, String>,
    /// Whether there are more.
    #[serde(default)]
    pub more_available: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_and_what_is_none_is_refused_without_its_words() {
        assert_eq!(PollRequest::parse(b" ").unwrap(), PollRequest::default());
        let body = br#"{"maxEvents": 3, "returnImmediately": true, "ack": ["a"],
            "setErrs": {"b": {"err": "invalid_request", "description": "what"}}, "more": 1}"#;
        let request = PollRequest::parse(body).unwrap();
        assert_eq!((request.max_events, request.return_immediately), (Some(3), true));
        assert_eq!(request.ack, ["a"]);
        assert_eq!(request.set_errs["b"].err, "invalid_request");
        assert!(PollRequest::parse(br#"{"maxEvents": 0}"#).unwrap().only_acknowledges());
        for body in
            ["[1]", "nonsense", r#"{"maxEvents": -1}"#, r#"{"ack": "a"}"#, r#"{"setErrs": {"secret": 1}}"#]
        {
            let error = PollRequest::parse(body.as_bytes()).unwrap_err();
            assert_eq!(error.err, "invalid_request");
            assert!(!error.description.contains("secret"), "{}", error.description);
        }
    }

    #[test]
    fn an_answer_has_the_names_of_the_rfc() {
        let sets = IndexMap::from([("b".to_owned(), "x.y.z".to_owned()), ("a".to_owned(), "x".to_owned())]);
        let text = serde_json::to_string(&PollResponse { sets, more_available: true }).unwrap();
        assert_eq!(text, r#"{"sets":{"b":"x.y.z","a":"x"},"moreAvailable":true}"#);
    }
}
