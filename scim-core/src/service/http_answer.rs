//! Answers written down as HTTP responses.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, ETAG, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use scim_schema::{etag, write_json};
use serde::Serialize;

use crate::body::Body;
use crate::message::MEDIA_TYPE;

/// An answer before it is written down.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) location: Option<String>,
    pub(super) version: Option<u64>,
    pub(super) body: Option<Body>,
    pub(super) preference_applied: bool,
}

impl Answer {
    pub(super) fn empty(status: StatusCode) -> Self {
        Self { status, location: None, version: None, body: None, preference_applied: false }
    }

    pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Self {
        Self::text(status, write_json(body).unwrap_or_default())
    }

    pub(super) fn text(status: StatusCode, body: String) -> Self {
        Self { body: Some(Bytes::from(body).into()), ..Self::empty(status) }
    }
}

/// `application/json` for a client that asks for it and not for SCIM's own type (RFC 7644 §3.8).
pub(super) fn negotiate(headers: &HeaderMap) -> &'static str {
    let accepts =
        |media_type: &str| {
            headers.get_all(ACCEPT).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(',')).any(
                |range| range.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(media_type),
            )
        };
    if accepts("application/json") && !accepts(MEDIA_TYPE) { "application/json" } else { MEDIA_TYPE }
}

/// `Prefer: return=minimal` (RFC 7240 §4.2).
pub(super) fn prefers_minimal(headers: &HeaderMap) -> bool {
    headers.get_all("prefer").iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split([',', ';'])).any(
        |p| {
            let mut parts = p.splitn(2, '=').map(|s| s.trim().trim_matches('"'));
            parts.next().is_some_and(|n| n.eq_ignore_ascii_case("return"))
                && parts.next().is_some_and(|v| v.eq_ignore_ascii_case("minimal"))
        },
    )
}

pub(super) fn respond(answer: Answer, media_type: &'static str) -> Response<Body> {
    let has_body = answer.body.is_some();
    let mut response = Response::new(answer.body.unwrap_or_default());
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    if has_body {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    }
    if let Some(version) = answer.version
        && let Ok(tag) = HeaderValue::try_from(etag(version))
    {
        headers.insert(ETAG, tag);
    }
    if let Some(location) = answer.location
        && let Ok(location) = HeaderValue::try_from(location)
    {
        headers.insert(LOCATION, location);
    }
    if answer.preference_applied {
        headers.insert(
            HeaderName::from_static("preference-applied"),
            HeaderValue::from_static("return=minimal"),
        );
    }
    response
}
