//! What holds for every answer, whatever was asked.

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, ETAG, LOCATION, WWW_AUTHENTICATE};
use http::{HeaderName, Method, Request, Response};
use scim_core::message::ERROR;
use scim_schema::Value;

use crate::{BoxError, ScimClient};

/// A client that fails where an answer breaks a rule that holds for all of them.
#[derive(Debug)]
pub(super) struct Audited<'c>(pub(super) &'c dyn ScimClient);

#[async_trait]
impl ScimClient for Audited<'_> {
    fn base_url(&self) -> &str {
        self.0.base_url()
    }

    fn token(&self) -> Option<&str> {
        self.0.token()
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, BoxError> {
        let method = request.method().clone();
        let response = self.0.send(request).await?;
        audit(&method, &response)?;
        Ok(response)
    }
}

// ledger: 7644-3.12-001, 7644-3.12-002, 7644-3.2-004, 7644-3.12-005, 7644-3.14-003, 7643-3.1-020,
// 7643-3.1-021, 7643-3.1-019, 9110-15.5.6-001, 9110-15.5.2-001, 6750-3-001, 9110-15.4.5-001, 7644-8.1-001
fn audit(method: &Method, response: &Response<Bytes>) -> Result<(), String> {
    let status = response.status().as_u16();
    let header = |name: HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok());
    let fail = |rule: &str| Err(format!("an answer {status}: {rule}"));
    if method == Method::HEAD || matches!(status, 204 | 304) {
        if !response.body().is_empty() {
            return fail("it has a body");
        }
        if status == 304 && header(ETAG).is_none() {
            return fail("it does not repeat the ETag");
        }
        return Ok(());
    }
    if status == 401 && !header(WWW_AUTHENTICATE).is_some_and(|v| v.starts_with("Bearer realm=\"")) {
        return fail("it has no WWW-Authenticate");
    }
    if status == 405 && header(ALLOW).is_none() {
        return fail("it has no Allow");
    }
    if response.body().is_empty() {
        return if status >= 400 { fail("it has no body") } else { Ok(()) };
    }
    let media_type = header(CONTENT_TYPE).unwrap_or_default();
    if !media_type.starts_with("application/scim+json") && !media_type.starts_with("application/json") {
        return fail("it is not of the type application/scim+json");
    }
    let Ok(body) = serde_json::from_slice::<Value>(response.body()) else {
        return fail("its body is not JSON");
    };
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    if status >= 400 {
        return audit_error(status, &body).or_else(|rule| fail(&rule));
    }
    let meta = |name: &str| text(body.get("meta").and_then(|meta| meta.get(name)));
    if let Some(tag) = header(ETAG) {
        if meta("version").is_some_and(|version| version != tag) {
            return fail("meta.version is not the ETag");
        }
        let opaque = tag.strip_prefix("W/").unwrap_or(tag);
        if opaque.len() < 2 || !opaque.starts_with('"') || !opaque.ends_with('"') {
            return fail("the ETag is not an entity tag");
        }
    }
    if header(LOCATION).is_some_and(|location| meta("location").is_some_and(|own| own != location)) {
        return fail("meta.location is not the Location");
    }
    Ok(())
}

/// The body of an error (RFC 7644 §3.12).
fn audit_error(status: u16, body: &Value) -> Result<(), String> {
    const SCIM_TYPES: &[&str] = &[
        "invalidFilter",
        "tooMany",
        "uniqueness",
        "mutability",
        "invalidSyntax",
        "invalidPath",
        "noTarget",
        "invalidValue",
        "invalidVers",
        "sensitive",
        "invalidCursor",
        "expiredCursor",
        "invalidCount",
    ];
    let schemas = body.get("schemas").map(Value::elements).unwrap_or_default();
    if schemas != [Value::from(ERROR)] {
        return Err("its schemas is not the Error URN".into());
    }
    if body.get("status").and_then(Value::as_str) != Some(status.to_string().as_str()) {
        return Err("its status is not the answer's, as a string".into());
    }
    if body.get("scimType").is_some_and(|t| !t.as_str().is_some_and(|t| SCIM_TYPES.contains(&t))) {
        return Err("its scimType is none that the RFCs define".into());
    }
    if body.get("detail").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err("it has no detail".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Result<(), String> {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        audit(&Method::GET, &response.body(Bytes::from(body.to_owned())).unwrap())
    }

    const SCIM: (&str, &str) = ("content-type", "application/scim+json");

    fn error(status: &str, rest: &str) -> String {
        format!(r#"{{"schemas":["{ERROR}"],"status":"{status}"{rest}}}"#)
    }

    #[test]
    fn good_answers_pass() {
        let good = error("404", r#","detail":"no""#);
        assert_eq!(answer(404, &[SCIM], &good), Ok(()));
        assert_eq!(answer(204, &[], ""), Ok(()));
        assert_eq!(answer(304, &[("etag", "W/\"1\"")], ""), Ok(()));
        let shown = r#"{"meta":{"version":"W/\"1\"","location":"http://h/Users/1"}}"#;
        let headers = [SCIM, ("etag", "W/\"1\""), ("location", "http://h/Users/1")];
        assert_eq!(answer(200, &headers, shown), Ok(()));
    }

    #[test]
    fn each_broken_rule_is_found() {
        let detail = r#","detail":"no""#;
        for (status, headers, body) in [
            (204, vec![], "x".to_owned()),
            (304, vec![], String::new()),
            (404, vec![], error("404", detail)),
            (404, vec![SCIM], error("400", detail)),
            (404, vec![SCIM], error("404", "")),
            (404, vec![SCIM], error("404", r#","detail":"no","scimType":"odd""#)),
            (404, vec![SCIM], r#"{"status":"404","detail":"no"}"#.to_owned()),
            (404, vec![SCIM], "<html>".to_owned()),
            (404, vec![SCIM], String::new()),
            (401, vec![SCIM], error("401", detail)),
            (405, vec![SCIM], error("405", detail)),
            (200, vec![SCIM, ("etag", "W/\"2\"")], r#"{"meta":{"version":"W/\"1\""}}"#.to_owned()),
            (200, vec![SCIM, ("etag", "2")], "{}".to_owned()),
            (200, vec![SCIM, ("location", "/2")], r#"{"meta":{"location":"/1"}}"#.to_owned()),
        ] {
            assert!(answer(status, &headers, &body).is_err(), "{status} {headers:?} {body}");
        }
    }
}
