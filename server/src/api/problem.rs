//! Errors of the API, as problem details (RFC 9457).

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use scim_core::Environment as _;
use scim_directory::{DirectoryError, Scope};
use serde_json::json;

use crate::environment::Machine;

/// Why a request was not done. Its texts name fields and things, never values.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    /// A stable name.
    code: &'static str,
    detail: String,
    errors: Vec<FieldError>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// What is wrong with one field of the body, or with one parameter of the query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldError {
    /// A JSON pointer into the body, or the name of the parameter.
    pub(crate) pointer: String,
    /// The rest of a sentence that begins with the field.
    pub(crate) detail: String,
}

impl FieldError {
    pub(crate) fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), errors: Vec::new(), headers: Vec::new() }
    }

    /// 400: what is wrong with the request as a whole.
    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed_request", detail)
    }

    /// 400: some fields are wrong.
    pub(crate) fn invalid(errors: Vec<FieldError>) -> Self {
        let sentences: Vec<String> = errors.iter().map(|e| format!("{} {}", e.pointer, e.detail)).collect();
        let detail = sentences.join("; ");
        Self { errors, ..Self::new(StatusCode::BAD_REQUEST, "invalid_field", detail) }
    }

    /// 400: one field is wrong.
    pub(crate) fn field(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError::new(pointer, detail)])
    }

    /// 401. `code` is that of RFC 6750 §3.1; none where no key was given.
    pub(crate) fn unauthenticated(code: Option<&'static str>, detail: impl Into<String>) -> Self {
        let challenge = match code {
            None => "Bearer realm=\"scimd\"".to_owned(),
            Some(code) => format!("Bearer realm=\"scimd\", error=\"{code}\""),
        };
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail).with(WWW_AUTHENTICATE, &challenge)
    }

    /// 403: the key has not the scope.
    pub(crate) fn forbidden(scope: Scope) -> Self {
        let scope = scope.as_str();
        let challenge = format!("Bearer realm=\"scimd\", error=\"insufficient_scope\", scope=\"{scope}\"");
        Self::new(StatusCode::FORBIDDEN, "insufficient_scope", format!("the key has not the scope {scope}"))
            .with(WWW_AUTHENTICATE, &challenge)
    }

    /// 404.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is no such {what}"))
    }

    /// 405. `allowed` are the methods that the path has.
    pub(crate) fn method(allowed: &str) -> Self {
        let detail = format!("the path has the methods {allowed}");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail).with(ALLOW, allowed)
    }

    /// 408.
    pub(crate) fn late_body() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", "the body did not arrive in time")
    }

    /// 410: the events behind the cursor are not kept any more.
    pub(crate) fn forgotten() -> Self {
        let detail = "the events behind this cursor are not kept any more: read users and groups anew, and follow \
                      the events with start=end";
        Self::new(StatusCode::GONE, "cursor_expired", detail)
    }

    /// 409.
    pub(crate) fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// 412.
    pub(crate) fn changed_meanwhile() -> Self {
        let detail = "the resource has changed since it was read: read it again";
        Self::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", detail)
    }

    /// 413. `limit` is in bytes.
    pub(crate) fn too_large(limit: usize) -> Self {
        let detail = format!("the body has more than {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
    }

    /// 429.
    pub(crate) fn too_many(retry_after: Duration) -> Self {
        let detail = "too many failed authentications from this address";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail).retry_after(retry_after)
    }

    /// 431.
    pub(crate) fn headers(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large", detail)
    }

    /// 500. What happened is in the log, under the id of the request.
    pub(crate) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "an internal error; the log has its request_id",
        )
    }

    /// 503.
    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail).retry_after(Duration::from_secs(1))
    }

    fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    fn retry_after(self, time: Duration) -> Self {
        self.with(RETRY_AFTER, &time.as_secs().max(1).to_string())
    }

    /// What the client gets. It must be made while the request is handled, because it holds the request's id.
    pub(crate) fn into_response(self) -> Response {
        let errors: Vec<_> =
            self.errors.iter().map(|e| json!({"pointer": e.pointer, "detail": e.detail})).collect();
        let body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "code": self.code,
            "errors": errors,
            "request_id": Machine.request_id(),
        });
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.extend(self.headers);
        response
    }
}

impl From<DirectoryError> for Problem {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::NotFound { what } => Self::not_found(what),
            DirectoryError::Invalid { field, problem } => Self::field(format!("/{field}"), problem),
            DirectoryError::Url(error) => Self::field("/url", error.to_string()),
            DirectoryError::Header(error) => Self::field("/headers", error.to_string()),
            DirectoryError::Forgotten => Self::forgotten(),
            DirectoryError::Taken { field } => Self::conflict("taken", format!("the {field} is taken")),
            error @ DirectoryError::WrongKeys => {
                tracing::error!(%error, "the keys do not fit");
                Self::internal()
            }
            error => {
                tracing::warn!(%error, "the database can't answer");
                Self::unavailable("the database can't answer now")
            }
        }
    }
}
