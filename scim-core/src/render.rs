//! Resources and messages as clients see them.

use std::collections::HashMap;

use scim_schema::{Attribute, Object, Projection, Registry, ResourceType, Type, Value};

use crate::error::Error;
use crate::message::{ERROR, LIST_RESPONSE};
use crate::store::Stored;

/// Makes references absolute. Resources hold them relative to the base URL (RFC 7643 §2.3.7), so that a
/// store does not depend on where the service is mounted.
#[derive(Clone, Debug)]
pub(crate) struct Renderer {
    /// For each resource type, where references to resources of this service can stand.
    places: HashMap<String, Vec<Place>>,
}

#[derive(Clone, Debug)]
struct Place {
    container: Option<String>,
    attribute: String,
    sub: Option<String>,
}

impl Renderer {
    pub(crate) fn new(registry: &Registry) -> Self {
        let places = registry.resource_types().iter().map(|t| (t.name().to_owned(), places(t))).collect();
        Self { places }
    }

    /// A resource under a projection, with absolute references.
    pub(crate) fn resource(
        &self,
        stored: &Stored,
        resource_type: &ResourceType,
        projection: &Projection,
        base: &str,
    ) -> Object {
        let mut object = projection.apply(&stored.resource);
        for place in self.places.get(resource_type.name()).into_iter().flatten() {
            let holder = match &place.container {
                Some(urn) => object.get_mut(urn).and_then(Value::as_object_mut),
                None => Some(&mut object),
            };
            let Some(value) = holder.and_then(|o| o.get_mut(&place.attribute)) else { continue };
            for_each_element(value, &mut |element| {
                let reference = match &place.sub {
                    Some(sub) => element.as_object_mut().and_then(|o| o.get_mut(sub)),
                    None => Some(element),
                };
                if let Some(Value::String(text)) = reference {
                    let absolute = resolve_reference(base, text);
                    if absolute != *text {
                        *text = absolute.into();
                    }
                }
            });
        }
        object
    }
}

fn places(resource_type: &ResourceType) -> Vec<Place> {
    let mut places = vec![Place { container: None, attribute: "meta".into(), sub: Some("location".into()) }];
    let mut collect = |container: Option<&str>, attribute: &Attribute| {
        let place = |sub: Option<&Attribute>| Place {
            container: container.map(str::to_owned),
            attribute: attribute.name().to_owned(),
            sub: sub.map(|s| s.name().to_owned()),
        };
        if attribute.kind() == Type::Reference && attribute.refers_to_resources() {
            places.push(place(None));
        }
        for sub in attribute.sub_attributes().iter().filter(|s| s.refers_to_resources()) {
            places.push(place(Some(sub)));
        }
    };
    for attribute in resource_type.attributes() {
        collect(None, attribute);
    }
    for extension in resource_type.extensions() {
        for attribute in extension.schema().attributes() {
            collect(Some(extension.schema().id()), attribute);
        }
    }
    places
}

fn for_each_element(value: &mut Value, visit: &mut impl FnMut(&mut Value)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(visit),
        other => visit(other),
    }
}

/// A reference under the base URL, which ends before the endpoint's segment (RFC 7643 §2.3.7):
/// `https://h/t/1/v2` and `Users/9` give `https://h/t/1/v2/Users/9`. Absolute references stay.
///
/// ```
/// use scim_core::resolve_reference;
/// assert_eq!(resolve_reference("https://h/t/1/v2", "Users/9"), "https://h/t/1/v2/Users/9");
/// assert_eq!(resolve_reference("https://h/t/1/v2/", "../Users/9"), "https://h/t/1/v2/Users/9");
/// assert_eq!(resolve_reference("https://h/v2", "https://elsewhere/x"), "https://elsewhere/x");
/// ```
pub fn resolve_reference(base: &str, reference: &str) -> String {
    let is_absolute = reference.split(['/', '?', '#']).next().is_some_and(|s| s.contains(':'))
        || reference.starts_with("//");
    if is_absolute {
        return reference.to_owned();
    }
    let mut rest = reference;
    while let Some(stripped) = rest.strip_prefix("../").or_else(|| rest.strip_prefix("./")) {
        rest = stripped;
    }
    format!("{}/{}", base.trim_end_matches('/'), rest.trim_start_matches('/'))
}

/// A list response (RFC 7644 §3.4.2).
pub(crate) struct ListResponse {
    pub(crate) total: u64,
    /// 1-based; absent when the page was found by a cursor (RFC 9865 §2).
    pub(crate) start_index: Option<u64>,
    pub(crate) next_cursor: Option<String>,
    pub(crate) previous_cursor: Option<String>,
    pub(crate) resources: Vec<Value>,
}

impl ListResponse {
    pub(crate) fn into_value(self) -> Value {
        let mut object = Object::with_capacity(6);
        object.push("schemas", vec![Value::from(LIST_RESPONSE)]);
        object.push("totalResults", self.total);
        object.push("itemsPerPage", self.resources.len() as u64);
        if let Some(start) = self.start_index {
            object.push("startIndex", start);
        }
        if let Some(cursor) = self.previous_cursor {
            object.push("previousCursor", cursor);
        }
        if let Some(cursor) = self.next_cursor {
            object.push("nextCursor", cursor);
        }
        object.push("Resources", self.resources);
        Value::Object(object)
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
