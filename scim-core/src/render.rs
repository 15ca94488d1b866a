//! Messages as clients see them.

use scim_schema::{Object, Value, write_json};
use serde::Serialize;

use crate::error::Error;
use crate::message::{ERROR, LIST_RESPONSE};

/// A list response (RFC 7644 §3.4.2), but for its `Resources`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListResponse {
    schemas: [&'static str; 1],
    total_results: u64,
    pub(crate) items_per_page: u64,
    /// 1-based; absent when the page was found by a cursor (RFC 9865 §2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start_index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) previous_cursor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_cursor: Option<String>,
}

impl ListResponse {
    /// One page of `total` results.
    pub(crate) fn new(total: u64, items_per_page: usize) -> Self {
        Self {
            schemas: [LIST_RESPONSE],
            total_results: total,
            items_per_page: items_per_page as u64,
            start_index: None,
            previous_cursor: None,
            next_cursor: None,
        }
    }

    /// The JSON text without `Resources`.
    pub(crate) fn without_resources(&self) -> String {
        write_json(self).unwrap_or_default()
    }

    /// The JSON text, to which `write` adds each resource.
    pub(crate) fn with_resources<R>(
        &self,
        resources: impl IntoIterator<Item = R>,
        write: impl Fn(R, &mut String),
    ) -> String {
        let mut text = self.without_resources();
        // Into the object, which is not empty.
        text.pop();
        text.push_str(",\"Resources\":[");
        for (resource, at) in resources.into_iter().zip(0..) {
            if at > 0 {
                text.push(',');
            }
            write(resource, &mut text);
        }
        text.push_str("]}");
        text
    }
}

/// An error message (RFC 7644 §3.12). For faults of the server the text carries the name of the request
/// and nothing of the inside.
pub(crate) fn error_body(error: &Error, request_id: &str) -> Value {
    let status = error.kind().status();
    let mut object = Object::with_capacity(4);
    object.push("schemas", vec![Value::from(ERROR)]);
    object.push("status", status.as_str());
    if let Some(scim_type) = error.kind().scim_type() {
        object.push("scimType", scim_type);
    }
    if status == http::StatusCode::INTERNAL_SERVER_ERROR {
        object.push("detail", format!("the server failed; tell its operator the request id {request_id}"));
    } else {
        object.push("detail", error.detail());
    }
    Value::Object(object)
}
