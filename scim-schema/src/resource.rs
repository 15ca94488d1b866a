//! Resources in canonical form.

mod unread;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use compact_str::{CompactString, format_compact};
use serde::{Serialize, Serializer};

pub(crate) use self::unread::Unread;
use crate::datetime::DateTime;
use crate::json::write_json;
use crate::resource_type::{Located, ResourceType};
use crate::value::{Object, Value};

/// A resource in canonical form: attribute names as the schemas spell them, attributes of extensions
/// in an object under the extension's URN, no unassigned values.
///
/// It is made by [`read`](crate::read) from what a client sent, or by [`Resource::from_canonical`] or
/// [`Resource::from_text`] from what a store kept.
#[derive(Clone)]
pub struct Resource {
    content: Content,
}

#[derive(Clone)]
enum Content {
    Read(Object),
    Unread(Box<Unread>),
}

impl Resource {
    /// Takes attributes that are in canonical form already, such as a store's.
    pub fn from_canonical(attributes: Object) -> Self {
        Self { content: Content::Read(attributes) }
    }

    /// Takes the JSON text of attributes in canonical form, such as a store's. It is checked, but values are
    /// made of it only when they are asked for: [`Projection::show`](crate::Projection::show) writes most of
    /// them as they are.
    ///
    /// ```
    /// use scim_schema::Resource;
    ///
    /// let resource = Resource::from_text(r#"{"id":"1","userName":"bjensen"}"#)?;
    /// assert_eq!(resource.id(), "1");
    /// assert_eq!(resource.get("userName").and_then(|name| name.as_str()), Some("bjensen"));
    /// assert!(Resource::from_text(r#"{"id":"1""#).is_err());
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the text is not an object in JSON.
    pub fn from_text(text: impl Into<Arc<str>>) -> Result<Self, serde_json::Error> {
        Ok(Self { content: Content::Unread(Box::new(Unread::new(text.into())?)) })
    }

    /// Writes the text that [`from_text`](Self::from_text) takes, once for all that will want it: clones share
    /// it, until an attribute is changed.
    pub fn write(&mut self) {
        if let Content::Read(attributes) = &self.content
            && let Some(written) = Unread::of(attributes)
        {
            self.content = Content::Unread(Box::new(written));
        }
    }

    /// Leaves only the text: a third of the memory, in one piece, for a resource that is kept and seldom looked
    /// into.
    pub fn pack(&mut self) {
        self.write();
        if let Content::Unread(unread) = &mut self.content {
            unread.forget();
        }
    }

    /// The text of the attributes, which may have been written before.
    pub fn text(&self) -> Cow<'_, str> {
        let written = match &self.content {
            Content::Read(_) => None,
            Content::Unread(unread) => unread.text(),
        };
        // Values have no map that JSON can't have.
        written.unwrap_or_else(|| write_json(self).unwrap_or_default().into())
    }

    /// The attributes and extension containers.
    #[inline]
    pub fn attributes(&self) -> &Object {
        match &self.content {
            Content::Read(attributes) => attributes,
            Content::Unread(unread) => unread.read(),
        }
    }

    /// The attributes and extension containers, to change them. The canonical form is the caller's duty.
    pub fn attributes_mut(&mut self) -> &mut Object {
        if let Content::Unread(_) = self.content {
            self.content = Content::Read(std::mem::take(self).into_attributes());
        }
        match &mut self.content {
            Content::Read(attributes) => attributes,
            // It was read just now.
            Content::Unread(unread) => unread.beside_mut(),
        }
    }

    /// The attributes and extension containers, taken out.
    pub fn into_attributes(self) -> Object {
        match self.content {
            Content::Read(attributes) => attributes,
            Content::Unread(unread) => unread.into_read(),
        }
    }

    /// A resource that has only those attributes and extension containers, by canonical name or URN, for which
    /// `wanted` says so: of one that is text no others need be read.
    #[must_use]
    pub fn only(&self, wanted: impl Fn(&str) -> bool) -> Self {
        Self::from_canonical(match &self.content {
            Content::Read(attributes) => attributes
                .iter()
                .filter(|(name, _)| wanted(name))
                .map(|(name, value)| (name, value.clone()))
                .collect(),
            Content::Unread(unread) => unread.only(wanted),
        })
    }

    /// Whether it is text of which no values have been made yet, so that [`only`](Self::only) saves reading the
    /// others.
    pub fn is_unread(&self) -> bool {
        matches!(&self.content, Content::Unread(unread) if !unread.is_read())
    }

    /// Whether there is such an attribute or extension container, by canonical name or URN.
    pub fn contains(&self, name: &str) -> bool {
        match &self.content {
            Content::Read(attributes) => attributes.contains(name),
            Content::Unread(unread) => unread.has(name) || unread.beside().contains(name),
        }
    }

    /// Gives attributes and extension containers other values, or takes them away. What is new stands at the end,
    /// in front of `meta`. A resource that is text stays so, and the others of its attributes are not read.
    ///
    /// ```
    /// use scim_schema::{Resource, Value};
    ///
    /// let mut resource = Resource::from_text(r#"{"id":"1","active":true,"title":"Guide"}"#)?;
    /// resource.edit(&[("active", Some(Value::from(false))), ("title", None), ("locale", Some(Value::from("en")))]);
    /// assert_eq!(resource.text(), r#"{"id":"1","active":false,"locale":"en"}"#);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn edit(&mut self, changes: &[(&str, Option<Value>)]) {
        if let Content::Unread(unread) = &mut self.content
            && unread.edit(changes).is_some()
        {
            return;
        }
        let attributes = self.attributes_mut();
        for (name, value) in changes {
            match (attributes.get_mut(name), value) {
                (Some(present), Some(value)) => present.clone_from(value),
                (None, Some(value)) => {
                    let meta = attributes.remove("meta");
                    attributes.push(name, value.clone());
                    if let Some(meta) = meta {
                        attributes.push("meta", meta);
                    }
                }
                (_, None) => drop(attributes.remove(name)),
            }
        }
    }

    /// Takes an attribute or extension container out. A resource that is text stays so.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        match &mut self.content {
            Content::Read(attributes) => attributes.remove(name),
            Content::Unread(unread) => match unread.find(name) {
                Some(member) => {
                    let value = member.read();
                    self.edit(&[(name, None)]);
                    Some(value)
                }
                None if unread.beside().contains(name) => unread.beside_mut().remove(name),
                None => None,
            },
        }
    }

    /// The value of a common or base attribute, or the container of an extension, by canonical name or URN.
    #[inline]
    pub fn get(&self, name: &str) -> Option<&Value> {
        match &self.content {
            Content::Read(attributes) => attributes.get(name),
            Content::Unread(unread) if unread.has(name) => unread.read().get(name),
            Content::Unread(unread) => unread.beside().get(name),
        }
    }

    /// The value of the attribute (not of the sub-attribute) that `located` names.
    pub fn value_at(&self, located: &Located<'_>) -> Option<&Value> {
        match located.extension {
            Some(extension) => self.get(extension.schema().id())?.get(located.attribute.name()),
            None => self.get(located.attribute.name()),
        }
    }

    /// As [`value_at`](Self::value_at), with its place among the attributes of the resource or of the extension;
    /// `place` is where it probably is, see [`Object::find`].
    pub fn find(&self, located: &Located<'_>, place: usize) -> Option<(usize, &Value)> {
        let attributes = match located.extension {
            Some(extension) => self.attributes().get(extension.schema().id())?.as_object()?,
            None => self.attributes(),
        };
        attributes.find(located.attribute.name(), place)
    }

    /// The `id`; empty before the server has given one.
    pub fn id(&self) -> &str {
        if let Content::Unread(unread) = &self.content
            && let Some(id) = unread.find("id").and_then(|id| plain_string(id.value))
        {
            return id;
        }
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
        let attributes = self.attributes_mut();
        let schemas = attributes.remove("schemas");
        attributes.insert_first("id", id);
        if let Some(schemas) = schemas {
            attributes.insert_first("schemas", schemas);
        }
    }

    /// Sets an attribute that is no part of what a store keeps as the resource's own, such as `groups`. It
    /// stands at the end, in front of `meta`.
    pub fn set_computed(&mut self, name: &str, value: impl Into<Value>) {
        let attributes = self.beside(name);
        attributes.remove(name);
        let meta = attributes.remove("meta");
        attributes.push(name, value);
        if let Some(meta) = meta {
            attributes.push("meta", meta);
        }
    }

    /// Takes away what was set by [`set_computed`](Self::set_computed).
    pub fn remove_computed(&mut self, name: &str) {
        self.beside(name).remove(name);
    }

    /// Where an attribute can be set at the end: beside the text, if it is not in it.
    fn beside(&mut self, name: &str) -> &mut Object {
        let in_text = |unread: &Unread| unread.has(name) || unread.has("meta");
        if matches!(&self.content, Content::Unread(unread) if in_text(unread)) {
            return self.attributes_mut();
        }
        match &mut self.content {
            Content::Read(attributes) => attributes,
            Content::Unread(unread) => unread.beside_mut(),
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
        let endpoint = endpoint.strip_prefix('/').unwrap_or(endpoint);
        let id = self.id();
        let mut location = CompactString::with_capacity(endpoint.len() + 1 + id.len());
        for part in [endpoint, "/", id] {
            location.push_str(part);
        }
        let mut meta = Object::with_capacity(5);
        meta.push("resourceType", resource_type.name());
        meta.push("created", created.to_compact());
        meta.push("lastModified", last_modified.to_compact());
        meta.push("location", location);
        meta.push("version", format_compact!("W/\"{version}\""));
        let attributes = self.beside("meta");
        attributes.remove("meta");
        attributes.push("meta", meta);
    }

    /// Brings `schemas` in line: the base schema first, then the known extensions that are listed,
    /// required or have values (RFC 7643 §3).
    pub fn set_schemas(&mut self, resource_type: &ResourceType) {
        let in_use = resource_type.extensions().iter().filter(|extension| {
            let urn = extension.schema().id();
            extension.required() || self.get(urn).is_some() || self.schemas().any(|s| s == urn)
        });
        let urns = std::iter::once(resource_type.schema().id()).chain(in_use.map(|e| e.schema().id()));
        let present = self.get("schemas").and_then(Value::as_array);
        if !present.is_some_and(|p| p.iter().map(Value::as_str).eq(urns.clone().map(Some))) {
            let schemas: Vec<Value> = urns.map(Value::from).collect();
            self.attributes_mut().insert_first("schemas", schemas);
        }
    }

    /// What is still text, if anything is.
    pub(crate) fn unread(&self) -> Option<&Unread> {
        match &self.content {
            Content::Read(_) => None,
            Content::Unread(unread) => Some(unread),
        }
    }
}

/// The string of a JSON text that is one without escapes.
fn plain_string(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    (!inner.contains('\\')).then_some(inner)
}

impl Default for Resource {
    fn default() -> Self {
        Self::from_canonical(Object::new())
    }
}

impl PartialEq for Resource {
    fn eq(&self, other: &Self) -> bool {
        self.attributes() == other.attributes()
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resource").field("attributes", self.attributes()).finish()
    }
}

impl Serialize for Resource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.attributes().serialize(serializer)
    }
}

/// The entity tag of a version: weak, because a version covers what the resource means and not the
/// bytes of one representation (RFC 7643 §3.1, RFC 9110 §8.8.3).
pub fn etag(version: u64) -> String {
    format!("W/\"{version}\"")
}
