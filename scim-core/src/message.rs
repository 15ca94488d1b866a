//! The messages of the protocol and their URNs (RFC 7644 §3.1 and §8.2).

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use scim_schema::{Dialect, JsonLimits, Object, Value, parse_json};

use crate::error::{Error, ErrorKind};

/// The URN of an error message.
pub const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";
/// The URN of a list response.
pub const LIST_RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
/// The URN of a search request.
pub const SEARCH_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
/// The URN of a PATCH request.
pub const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// The URN of a bulk request.
pub const BULK_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
/// The URN of a bulk response.
pub const BULK_RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";

/// The media type of SCIM (RFC 7644 §8.1).
pub const MEDIA_TYPE: &str = "application/scim+json";

/// Reads a request's body: media type, encoding, JSON within limits (RFC 7644 §3.8).
///
/// # Errors
/// 415 for another media type or an encoding, 400 `invalidSyntax` for what is not JSON.
pub(crate) fn read_body(headers: &HeaderMap, body: &Bytes, limits: JsonLimits) -> Result<Value, Error> {
    if let Some(encoding) = headers.get(CONTENT_ENCODING)
        && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        return Err(Error::new(ErrorKind::UnsupportedMediaType, "a body must not be encoded"));
    }
    if let Some(media_type) = headers.get(CONTENT_TYPE)
        && !media_type.to_str().is_ok_and(is_json)
    {
        return Err(Error::new(
            ErrorKind::UnsupportedMediaType,
            "a body must be of the type application/scim+json or application/json, in UTF-8",
        ));
    }
    if body.is_empty() {
        return Err(Error::new(ErrorKind::InvalidSyntax, "a body is required"));
    }
    Ok(parse_json(body, limits)?)
}

/// Whether a media type is JSON that SCIM clients send, with parameters that do not change its meaning.
fn is_json(media_type: &str) -> bool {
    let mut parts = media_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let known = essence.eq_ignore_ascii_case(MEDIA_TYPE) || essence.eq_ignore_ascii_case("application/json");
    known
        && parts.all(|parameter| match parameter.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
                let value = value.trim().trim_matches('"');
                value.eq_ignore_ascii_case("utf-8") || value.eq_ignore_ascii_case("utf8")
            }
            _ => true,
        })
}

/// The object of a message, after a look at its `schemas`.
///
/// # Errors
/// 400 `invalidSyntax` when it is no object, or lacks the URN or has another.
pub(crate) fn expect<'v>(body: &'v Value, urn: &str, dialect: &Dialect) -> Result<&'v Object, Error> {
    let object = body
        .as_object()
        .ok_or_else(|| Error::new(ErrorKind::InvalidSyntax, "the body must be a JSON object"))?;
    let schemas = object.get_ignore_case("schemas").map(Value::elements).unwrap_or_default();
    let has = schemas.iter().any(|s| s.as_str().is_some_and(|s| s.eq_ignore_ascii_case(urn)));
    if has || (schemas.is_empty() && dialect.infer_message_schema) {
        Ok(object)
    } else {
        Err(Error::new(ErrorKind::InvalidSyntax, format!("schemas must be [\"{urn}\"]")))
    }
}
