//! Resource types (RFC 7643 §6): a base schema, extensions, an endpoint.

use std::sync::{Arc, LazyLock, OnceLock};

use crate::attribute::{Attribute, Nesting, Returned, Uniqueness};
use crate::attributes::Attributes;
use crate::path::AttributePath;
use crate::project::Projection;
use crate::resource::Resource;
use crate::schema::{RESOURCE_TYPE, Schema, read_attributes};
use crate::text::uniqueness_key;
use crate::value::{Object, Value};

/// An extension of a resource type.
#[derive(Clone, Debug)]
pub struct Extension {
    pub(crate) schema: Arc<Schema>,
    pub(crate) required: bool,
}

impl Extension {
    /// The schema; its URN is the key of the extension's object in a resource.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Whether each resource must have the extension.
    pub fn required(&self) -> bool {
        self.required
    }
}

/// A declared relation: values of one multi-valued attribute are the ids of other resources.
///
/// Stores keep such values as edges, not inside the document. Where a resource type has the
/// `inverse` attribute, its value is computed from the edges (RFC 7643 §4.1.2, `groups`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    pub(crate) attribute: String,
    pub(crate) inverse: Option<String>,
}

impl Membership {
    /// The attribute that holds the members; `members` for Group.
    pub fn attribute(&self) -> &str {
        &self.attribute
    }

    /// The readOnly attribute of the members' types that shows where they belong; `groups` for Group.
    pub fn inverse(&self) -> Option<&str> {
        self.inverse.as_deref()
    }
}

/// What an attribute path means for a resource type.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a path names an extension or an attribute, nothing else")]
pub enum Target<'t> {
    /// The whole extension.
    Extension(&'t Extension),
    /// An attribute or sub-attribute.
    Attribute(Located<'t>),
}

impl<'t> Target<'t> {
    /// The attribute, if the path names one.
    pub fn attribute(self) -> Option<Located<'t>> {
        match self {
            Self::Attribute(located) => Some(located),
            Self::Extension(_) => None,
        }
    }
}

/// An attribute with the place it has in a resource.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "the three parts of a path")]
pub struct Located<'t> {
    /// The extension it belongs to; `None` for the base schema and the common attributes.
    pub extension: Option<&'t Extension>,
    /// The attribute.
    pub attribute: &'t Attribute,
    /// The sub-attribute, if the path names one.
    pub sub: Option<&'t Attribute>,
}

impl<'t> Located<'t> {
    /// The definition the path ends at: the sub-attribute, else the attribute.
    pub fn leaf(&self) -> &'t Attribute {
        self.sub.unwrap_or(self.attribute)
    }

    /// The canonical path: canonical names; the URN for attributes of extensions.
    pub fn path(&self) -> String {
        let mut path = String::new();
        if let Some(extension) = self.extension {
            path.push_str(extension.schema.id());
            path.push(':');
        }
        path.push_str(self.attribute.name());
        if let Some(sub) = self.sub {
            path.push('.');
            path.push_str(sub.name());
        }
        path
    }
}

/// A kind of resource: base schema, extensions, endpoint.
#[derive(Clone, Debug)]
pub struct ResourceType {
    pub(crate) name: String,
    pub(crate) endpoint: String,
    pub(crate) description: String,
    pub(crate) schema: Arc<Schema>,
    pub(crate) extensions: Vec<Extension>,
    pub(crate) membership: Option<Membership>,
    /// Inverse attributes of relations that this type has, filled in by the registry.
    pub(crate) inverses: Vec<String>,
    /// What answers show unless a request asks for something else.
    pub(crate) default_projection: OnceLock<Projection>,
    pub(crate) facts: OnceLock<Facts>,
}

/// What each request asks of a resource type, found out once. Names are those of common and base attributes, and
/// the URNs of extensions.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// Whether something is shown on request only.
    shows_on_request: bool,
    /// Where values are that must be unique.
    unique: Vec<String>,
    /// Where something is never returned.
    hiding: Vec<String>,
    /// Where another resource is named.
    referring: Vec<String>,
}

impl ResourceType {
    /// The name, which is also `meta.resourceType` of its resources.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The endpoint relative to the base URL, with a leading slash: `/Users`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Whether it has attributes that are shown on request only (`returned: request`, RFC 7643 §7): what the
    /// answer to a write shows then depends on what was set.
    pub fn shows_on_request(&self) -> bool {
        self.facts().shows_on_request
    }

    /// Names of common and base attributes, and URNs of extensions, that are never returned or have parts that
    /// are not.
    pub fn hiding(&self) -> &[String] {
        &self.facts().hiding
    }

    /// Names of common and base attributes that name one other resource, and URNs of extensions that have such an
    /// attribute; see [`Attribute::names_a_resource`].
    pub fn referring(&self) -> &[String] {
        &self.facts().referring
    }

    fn facts(&self) -> &Facts {
        self.facts.get_or_init(|| {
            let with_parts = |attribute: &Attribute, is: fn(&Attribute) -> bool| {
                is(attribute) || attribute.sub_attributes().iter().any(is)
            };
            let places = |is: fn(&Attribute) -> bool| -> Vec<String> {
                let base = self.attributes().filter(|a| with_parts(a, is)).map(Attribute::name);
                let has = |e: &&Extension| e.schema.attributes().iter().any(|a| with_parts(a, is));
                let extensions = self.extensions.iter().filter(has).map(|e| e.schema.id());
                base.chain(extensions).map(str::to_owned).collect()
            };
            let mut unique = places(|a| a.uniqueness() != Uniqueness::None);
            unique.retain(|name| name != "id");
            Facts {
                shows_on_request: !places(|a| a.returned() == Returned::Request).is_empty(),
                unique,
                hiding: places(Attribute::is_hidden),
                referring: places(Attribute::names_a_resource),
            }
        })
    }

    /// What the type is for, for people.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The base schema.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The extensions.
    pub fn extensions(&self) -> &[Extension] {
        &self.extensions
    }

    /// The extension under that URN, without regard to letter case.
    pub fn extension(&self, urn: &str) -> Option<&Extension> {
        self.extensions.iter().find(|e| e.schema.id().eq_ignore_ascii_case(urn))
    }

    /// The relation to members, if the type declares one.
    pub fn membership(&self) -> Option<&Membership> {
        self.membership.as_ref()
    }

    /// Names of attributes that are computed from other resources' memberships; `groups` for User.
    pub fn inverses(&self) -> &[String] {
        &self.inverses
    }

    /// The attributes of every resource: `schemas`, `id`, `externalId`, `meta` (RFC 7643 §3 and §3.1).
    pub fn common_attributes() -> &'static [Attribute] {
        &COMMON
    }

    /// Common attributes and those of the base schema, in that order. A base schema that lists a common
    /// attribute does not change it (RFC 7643 §3.1).
    pub fn attributes(&self) -> impl Iterator<Item = &Attribute> {
        self.positions().map(|(_, attribute)| attribute)
    }

    /// As [`ResourceType::attributes`], each with its position among the common attributes and all of the
    /// base schema's.
    pub(crate) fn positions(&self) -> impl Iterator<Item = (usize, &Attribute)> {
        let base = (COMMON.len()..).zip(self.schema.attributes());
        (0..).zip(COMMON.iter()).chain(base.filter(|(_, a)| COMMON.find(a.name()).is_none()))
    }

    /// The common or base attribute of that name, without regard to letter case.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.find(name).map(|(_, attribute)| attribute)
    }

    /// As [`ResourceType::attribute`], with the position that [`ResourceType::positions`] gives.
    pub(crate) fn find(&self, name: &str) -> Option<(usize, &Attribute)> {
        COMMON.find(name).or_else(|| self.schema.find(name).map(|(at, a)| (COMMON.len() + at, a)))
    }

    /// What a path means (RFC 7644 §3.10): without regard to letter case, with or without URN. An
    /// attribute of an extension may be unqualified where one extension has it and the base schema has
    /// not (ledger choice `unqualified-extension`).
    pub fn resolve(&self, path: &AttributePath<'_>) -> Option<Target<'_>> {
        let Some(urn) = path.urn else {
            return self.resolve_unqualified(path);
        };
        if let Some(extension) = self.extension(urn) {
            let attribute = extension.schema.attribute(path.attribute)?;
            return located(Some(extension), attribute, path.sub);
        }
        if self.schema.id().eq_ignore_ascii_case(urn) {
            return located(None, self.attribute(path.attribute)?, path.sub);
        }
        // The last segment of a bare extension URN was split off as if it were an attribute; a dot in
        // it would have been taken for a sub-attribute.
        let whole = self.extensions.iter().find(|e| path.is_whole_urn(e.schema.id()))?;
        Some(Target::Extension(whole))
    }

    /// As [`ResourceType::resolve`], from text.
    pub fn resolve_str(&self, path: &str) -> Option<Target<'_>> {
        if let Some(extension) = self.extension(path) {
            return Some(Target::Extension(extension));
        }
        self.resolve(&AttributePath::parse(path)?)
    }

    fn resolve_unqualified(&self, path: &AttributePath<'_>) -> Option<Target<'_>> {
        if let Some(attribute) = self.attribute(path.attribute) {
            return located(None, attribute, path.sub);
        }
        let mut owners =
            self.extensions.iter().filter_map(|e| e.schema.attribute(path.attribute).map(|a| (e, a)));
        match (owners.next(), owners.next()) {
            (Some((extension, attribute)), None) => located(Some(extension), attribute, path.sub),
            _ => None,
        }
    }

    /// The values that must be unique among the resources of this type and tenant, with their paths.
    pub fn unique_keys(&self, resource: &Resource) -> Vec<UniqueKey> {
        let unique = &self.facts().unique;
        let part = resource.is_unread().then(|| resource.only(|name| unique.iter().any(|u| u == name)));
        let resource = part.as_ref().unwrap_or(resource);
        let mut keys = Vec::new();
        for name in unique {
            let Some(value) = resource.get(name) else { continue };
            let Some(extension) = self.extension(name) else {
                if let Some(attribute) = self.attribute(name) {
                    collect_unique(None, attribute, value, &mut keys);
                }
                continue;
            };
            for attribute in extension.schema.attributes() {
                if let Some(value) = value.get(attribute.name()) {
                    collect_unique(Some(extension), attribute, value, &mut keys);
                }
            }
        }
        keys
    }

    /// The ResourceType resource that a client reads, without `meta`.
    pub fn to_value(&self) -> Value {
        let mut object = Object::new();
        object.push("schemas", vec![Value::from(RESOURCE_TYPE)]);
        object.push("id", self.name.as_str());
        object.push("name", self.name.as_str());
        object.push("description", self.description.as_str());
        object.push("endpoint", self.endpoint.as_str());
        object.push("schema", self.schema.id());
        let extensions = self.extensions.iter().map(|e| {
            let mut extension = Object::new();
            extension.push("schema", e.schema.id());
            extension.push("required", e.required);
            Value::Object(extension)
        });
        object.push("schemaExtensions", extensions.collect::<Vec<_>>());
        Value::Object(object)
    }
}

/// A value that must be unique, in the form in which it is compared.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "a path and a key")]
pub struct UniqueKey {
    /// The canonical path of the attribute.
    pub attribute: String,
    /// The comparison form of the value; see [`uniqueness_key`].
    pub value: String,
}

fn located<'t>(
    extension: Option<&'t Extension>,
    attribute: &'t Attribute,
    sub: Option<&str>,
) -> Option<Target<'t>> {
    let sub = match sub {
        Some(name) => Some(attribute.sub_attribute(name)?),
        None => None,
    };
    Some(Target::Attribute(Located { extension, attribute, sub }))
}

fn collect_unique(
    extension: Option<&Extension>,
    attribute: &Attribute,
    value: &Value,
    keys: &mut Vec<UniqueKey>,
) {
    let mut collect = |definition: &Attribute, sub: Option<&Attribute>, value: &Value| {
        let text = match value {
            Value::String(s) => uniqueness_key(s, definition.case_exact()),
            Value::Number(n) => n.to_string(),
            _ => return,
        };
        let path = Located { extension, attribute, sub }.path();
        let key = UniqueKey { attribute: path, value: text };
        if !keys.contains(&key) {
            keys.push(key);
        }
    };
    for element in value.elements() {
        if attribute.uniqueness() != Uniqueness::None {
            collect(attribute, None, element);
        }
        for sub in attribute.sub_attributes().iter().filter(|s| s.uniqueness() != Uniqueness::None) {
            for value in element.get(sub.name()).map(Value::elements).unwrap_or_default() {
                collect(sub, Some(sub), value);
            }
        }
    }
}

static COMMON: LazyLock<Attributes> = LazyLock::new(|| {
    let document: Value =
        serde_json::from_str(include_str!("../schemas/common-attributes.json")).unwrap_or_default();
    let definitions = document.get("attributes").and_then(Value::as_array).unwrap_or_default();
    #[expect(clippy::expect_used, reason = "a document of this crate, read by every test")]
    let attributes =
        read_attributes(definitions, Nesting::TwoLevels).expect("the common attributes are well formed");
    attributes
});
