//! Resources in canonical form.

use serde::Serialize;

use crate::datetime::DateTime;
use crate::resource_type::{Located, ResourceType};
use crate::value::{Object, Value};

/// A resource in canonical form: attribute names as the schemas spell them, attributes of extensions
/// in an object under the extension's URN, no unassigned values.
///
/// It is made by [`read`](crate::read) from what a client sent, or by [`Resource::from_canonical`] from
/// what a store kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Resource {
    attributes: Object,
}

impl Resource {
    /// Takes attributes that are in canonical form already, such as a store's.
    pub fn from_canonical(attributes: Object) -> Self {
        Self { attributes }
    }

    /// The attributes and extension containers.
    #[inline]
    pub fn attributes(&self) -> &Object {
        &self.attributes
    }

    /// The attributes and extension containers, to change them. The canonical form is the caller's duty.
    pub fn attributes_mut(&mut self) -> &mut Object {
        &mut self.attributes
    }

    /// The attributes and extension containers, taken out.
    pub fn into_attributes(self) -> Object {
        self.attributes
    }

    /// The value of a common or base attribute, or the container of an extension, by canonical name or URN.
    #[inline]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.attributes.get(name)
    }

    /// The value of the attribute (not of the sub-attribute) that `located` names.
    pub fn value_at(&self, located: &Located<'_>) -> Option<&Value> {
        match located.extension {
            Some(extension) => self.attributes.get(extension.schema().id())?.get(located.attribute.name()),
            None => self.attributes.get(located.attribute.name()),
        }
    }

    /// As [`value_at`](Self::value_at), with its place among the attributes of the resource or of the extension;
    /// `place` is where it probably is, see [`Object::find`].
    pub fn find(&self, located: &Located<'_>, place: usize) -> Option<(usize, &Value)> {
        let attributes = match located.extension {
            Some(extension) => self.attributes.get(extension.schema().id())?.as_object()?,
            None => &self.attributes,
        };
        attributes.find(located.attribute.name(), place)
    }

    /// The `id`; empty before the server has given one.
    pub fn id(&self) -> &str {
        self.get("id").and_then(Value::as_str).unwrap_or_default()
    }

    /// The `externalId`.
    pub fn external_id(&self) -> Option<&str> {
        self.get("externalId").and_then(Value::as_str)
    }

    /// The URNs in `schemas`.
    pub fn schemas(&self) -> impl Iterator<Item = &str> {
        self.get("schemas").map(Value::elements).unwrap_or_default().iter().filter_map(Value::as_str)
    }

    /// Sets the `id`. It stands behind `schemas`.
    pub fn set_id(&mut self, id: &str) {
        let schemas = self.attributes.remove("schemas");
        self.attributes.insert_first("id", id);
        if let Some(schemas) = schemas {
            self.attributes.insert_first("schemas", schemas);
        }
    }

    /// Sets `meta` (RFC 7643 §3.1). The location is relative to the service's base URL.
    pub fn set_meta(
        &mut self,
        resource_type: &ResourceType,
        created: DateTime,
        last_modified: DateTime,
        version: u64,
    ) {
        let endpoint = resource_type.endpoint();
        let location = format!("{}/{}", endpoint.strip_prefix('/').unwrap_or(endpoint), self.id());
        let mut meta = Object::with_capacity(5);
        meta.push("resourceType", resource_type.name());
        meta.push("created", created.to_string());
        meta.push("lastModified", last_modified.to_string());
        meta.push("location", location);
        meta.push("version", etag(version));
        self.attributes.remove("meta");
        self.attributes.push("meta", meta);
    }

    /// Brings `schemas` in line: the base schema first, then the known extensions that are listed,
    /// required or have values (RFC 7643 §3).
    pub fn set_schemas(&mut self, resource_type: &ResourceType) {
        let in_use = resource_type.extensions().iter().filter(|extension| {
            let urn = extension.schema().id();
            extension.required() || self.attributes.contains(urn) || self.schemas().any(|s| s == urn)
        });
        let urns = std::iter::once(resource_type.schema().id()).chain(in_use.map(|e| e.schema().id()));
        let present = self.get("schemas").and_then(Value::as_array);
        if !present.is_some_and(|p| p.iter().map(Value::as_str).eq(urns.clone().map(Some))) {
            let schemas: Vec<Value> = urns.map(Value::from).collect();
            self.attributes.insert_first("schemas", schemas);
        }
    }
}

/// The entity tag of a version: weak, because a version covers what the resource means and not the
/// bytes of one representation (RFC 7643 §3.1, RFC 9110 §8.8.3).
pub fn etag(version: u64) -> String {
    format!("W/\"{version}\"")
}
