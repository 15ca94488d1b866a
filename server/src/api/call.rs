//! One request, as its handler sees it, and the answers of handlers.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderMap, IF_MATCH, LOCATION};
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode};
use http_body_util::BodyExt as _;
use scim_directory::ApiKey;
use serde_json::Value;

use super::fields::{Fields, Query};
use super::problem::Problem;

/// The longest body, in bytes.
const BODY: usize = 64 * 1024;

/// A request that was let in.
#[derive(Debug)]
pub(crate) struct Call {
    /// The key that it came with.
    pub(crate) key: ApiKey,
    params: Vec<String>,
    query: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Call {
    /// Reads the body, for which there is so much time.
    pub(crate) async fn read(
        key: ApiKey,
        params: Vec<String>,
        parts: Parts,
        body: Body,
        time: Duration,
    ) -> Result<Self, Problem> {
        let read = tokio::time::timeout(time, read(body)).await;
        let body = read.map_err(|_| Problem::late_body())??;
        let query = parts.uri.query().unwrap_or_default().to_owned();
        Ok(Self { key, params, query, headers: parts.headers, body })
    }

    /// The text of the path at a place that the route leaves open, from 0.
    pub(crate) fn param(&self, place: usize) -> &str {
        self.params.get(place).map(String::as_str).unwrap_or_default()
    }

    /// The id of the path at such a place. What can't be an id is one of nothing.
    pub(crate) fn id<T>(
        &self,
        place: usize,
        what: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, Problem> {
        parse(self.param(place)).ok_or_else(|| Problem::not_found(what))
    }

    /// The parameters of the query.
    pub(crate) fn query(&self) -> Query {
        Query::parse(&self.query)
    }

    /// The value of a header field.
    pub(crate) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The text of the key that it came with.
    pub(crate) fn bearer(&self) -> &str {
        let credentials = self.header(&AUTHORIZATION).and_then(|value| value.split_once(' '));
        credentials.map(|(_, key)| key.trim()).unwrap_or_default()
    }

    /// Refuses the request if it names a state that the resource is not in.
    pub(crate) fn check_match(&self, current: &str) -> Result<(), Problem> {
        let Some(wanted) = self.header(&IF_MATCH) else { return Ok(()) };
        let matches = wanted.split(',').any(|tag| tag.trim() == current || tag.trim() == "*");
        if matches { Ok(()) } else { Err(Problem::changed_meanwhile()) }
    }

    /// The fields of the body.
    pub(crate) fn fields(&self) -> Result<Fields, Problem> {
        if !self.body.is_empty() && !self.is_json() {
            return Err(Problem::malformed("the body must have the Content-Type application/json"));
        }
        Fields::parse(&self.body)
    }

    /// Refuses a body that has fields.
    pub(crate) fn no_fields(&self) -> Result<(), Problem> {
        self.fields()?.finish()
    }

    fn is_json(&self) -> bool {
        let media = self.header(&CONTENT_TYPE).and_then(|value| value.split(';').next()).unwrap_or_default();
        media.trim().eq_ignore_ascii_case("application/json")
    }
}

async fn read(mut body: Body) -> Result<Bytes, Problem> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::malformed("the body broke off"))?;
        if let Ok(data) = frame.into_data() {
            if bytes.len() + data.len() > BODY {
                return Err(Problem::too_large(BODY));
            }
            bytes.extend_from_slice(&data);
        }
    }
    Ok(bytes.freeze())
}

/// 200 with JSON.
pub(crate) fn ok(value: &Value) -> Response {
    json(StatusCode::OK, value.to_string())
}

/// 201 with JSON, and where it is.
pub(crate) fn created(location: &str, value: &Value) -> Response {
    with(json(StatusCode::CREATED, value.to_string()), LOCATION, location)
}

/// 204.
pub(crate) fn nothing() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// An answer that says in which state the resource is.
pub(crate) fn tagged(response: Response, tag: &str) -> Response {
    with(response, ETAG, tag)
}

/// A text that is JSON.
pub(crate) fn json(status: StatusCode, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn with(mut response: Response, name: HeaderName, value: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
    response
}
