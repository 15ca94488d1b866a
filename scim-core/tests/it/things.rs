//! A resource type `Thing` of a test's own, and attributes of it.

use scim_core::{Registry, RegistryBuilder};
use serde_json::{Value, json};

use crate::support::{Reply, Scim, merge, strict};

pub(crate) const THING: &str = "urn:example:params:scim:schemas:1.0:Thing";

/// User, Group, and Thing with these attributes.
pub(crate) fn thing_registry(attributes: Value) -> Registry {
    RegistryBuilder::standard()
        .schema_json(
            &json!({"id": THING, "name": "Thing", "description": "x", "attributes": attributes}).to_string(),
        )
        .unwrap()
        .resource_type_json(&json!({"name": "Thing", "description": "x", "schema": THING}).to_string())
        .unwrap()
        .build()
        .unwrap()
}

/// A strict service with such a registry.
pub(crate) fn things(attributes: Value) -> Scim {
    strict().registry(thing_registry(attributes)).build()
}

/// Creates a Thing, or fails to.
pub(crate) fn thing(scim: &Scim, attributes: Value) -> Reply {
    let mut body = json!({"schemas": [THING]});
    merge(&mut body, attributes);
    scim.post("/Things", body)
}

/// A body as it is written here, with the order of its members.
pub(crate) fn raw(scim: &Scim, method: &str, path: &str, body: &str) -> Reply {
    scim.raw(method, path, &[("content-type", "application/scim+json")], body.as_bytes())
}

/// The path of a URL that the service gave, below the base URL.
pub(crate) fn below_base(url: &Value) -> String {
    let url = url.as_str().unwrap_or_else(|| panic!("no URL: {url}"));
    url.strip_prefix(crate::support::BASE).unwrap_or_else(|| panic!("{url} is not below the base")).to_owned()
}
