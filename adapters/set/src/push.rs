//! Delivery by push (RFC 8935).

use crate::error::SetError;

/// The media type of a SET (RFC 8417 §7.2): the `Content-Type` of a push. Its `Accept` is `application/json`.
pub const MEDIA_TYPE: &str = "application/secevent+jwt";

/// What a receiver's answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PushAnswer {
    /// 202: it has the SET.
    Acknowledged,
    /// 400 with an error object: it does not take the SET.
    Refused(SetError),
    /// Anything else: it may have it or not.
    Failed,
}

/// Reads an answer: its status, and the beginning of its body.
///
/// Only 202 acknowledges: a page of a proxy that answers 200 has not kept anything. A 400 that does not say
/// why is a failure like others.
pub fn push_answer(status: u16, body: &str) -> PushAnswer {
    match status {
        202 => PushAnswer::Acknowledged,
        400 => match serde_json::from_str::<SetError>(body) {
            Ok(error) if !error.err.is_empty() => PushAnswer::Refused(error.shortened()),
            _ => PushAnswer::Failed,
        },
        _ => PushAnswer::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    #[test]
    fn only_202_acknowledges_and_only_an_error_object_refuses() {
        assert_eq!(push_answer(202, ""), PushAnswer::Acknowledged);
        for status in [200, 204, 301, 401, 403, 429, 500] {
            assert_eq!(push_answer(status, r#"{"err": "invalid_request"}"#), PushAnswer::Failed, "{status}");
        }
        for body in ["", "Bad Request", "{}", "[]", r#"{"err": ""}"#, r#"{"err": 5}"#] {
            assert_eq!(push_answer(400, body), PushAnswer::Failed, "{body}");
        }
        let body = r#"{"err": "invalid_key", "description": "no such\nkey", "more": 1}"#;
        let PushAnswer::Refused(error) = push_answer(400, body) else { panic!("refused") };
        assert_eq!(error.code(), Some(ErrorCode::InvalidKey));
        assert_eq!(error.description, "no suchkey");
        let long = format!(r#"{{"err": "other", "description": "{}"}}"#, "x".repeat(5000));
        let PushAnswer::Refused(error) = push_answer(400, &long) else { panic!("refused") };
        assert_eq!((error.code(), error.description.len()), (None, 1024));
    }
}
