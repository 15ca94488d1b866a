//! What differs between two states of a resource.

use scim_schema::{Attribute, CompactString, Located, Object, Resource, ResourceType, Value};

/// One attribute that changed.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a path and two values")]
pub struct AttributeChange {
    /// The canonical path: `title`, `name.familyName`, `urn:…:User:department`.
    pub path: CompactString,
    /// The value before; `None` for unassigned.
    pub from: Option<Value>,
    /// The value after; `None` for unassigned.
    pub to: Option<Value>,
}

/// What differs between two states of a resource, in the order of the schemas.
///
/// Sub-attributes of singular complex attributes are told apart, lists are compared as a whole and in order.
/// `id`, `meta`, members and attributes computed from memberships (`groups`) are left out. `schemas`
/// only counts for URNs of extensions without values, and a missing `primary` is the same as a false one. Of attributes that nobody may read it is told that
/// they changed, never from what to what.
///
/// ```
/// use scim_patch::diff;
/// use scim_schema::{Registry, Resource, Value};
///
/// let registry = Registry::standard();
/// let user = registry.resource_type("User").unwrap();
/// let resource = |json| Resource::from_canonical(serde_json::from_str(json).unwrap());
/// let before = resource(r#"{"userName": "b", "name": {"givenName": "B", "familyName": "Jensen"}}"#);
/// let after = resource(r#"{"userName": "b", "name": {"givenName": "B", "familyName": "Smith"}}"#);
/// let changes = diff(&before, &after, user);
/// assert_eq!(changes.len(), 1);
/// assert_eq!(changes[0].path, "name.familyName");
/// assert_eq!(changes[0].to, Some(Value::from("Smith")));
/// ```
pub fn diff(before: &Resource, after: &Resource, resource_type: &ResourceType) -> Vec<AttributeChange> {
    let mut changes = Vec::new();
    let left_out = |a: &Attribute| {
        matches!(a.name(), "schemas" | "id" | "meta")
            || resource_type.membership().is_some_and(|m| m.attribute() == a.name())
            || resource_type.inverses().iter().any(|i| i == a.name())
    };
    for attribute in resource_type.attributes().filter(|a| !left_out(a)) {
        let located = Located { extension: None, attribute, sub: None };
        diff_attribute(&located, before.value_at(&located), after.value_at(&located), &mut changes);
    }
    for extension in resource_type.extensions() {
        for attribute in extension.schema().attributes() {
            let located = Located { extension: Some(extension), attribute, sub: None };
            diff_attribute(&located, before.value_at(&located), after.value_at(&located), &mut changes);
        }
    }
    bare_schemas(before, after, &mut changes);
    changes
}

/// What differs in one attribute.
pub(crate) fn diff_attribute(
    located: &Located<'_>,
    before: Option<&Value>,
    after: Option<&Value>,
    changes: &mut Vec<AttributeChange>,
) {
    let attribute = located.attribute;
    if before == after || same_but_for_false_primaries(attribute, before, after) {
        return;
    }
    if attribute.is_hidden() {
        changes.push(AttributeChange { path: path_of(located), from: None, to: None });
        return;
    }
    if !attribute.is_complex() || attribute.multi_valued() {
        let (from, to) = (shown(attribute, before), shown(attribute, after));
        changes.push(AttributeChange { path: path_of(located), from, to });
        return;
    }
    for sub in attribute.sub_attributes() {
        let part = |value: Option<&Value>| value.and_then(|v| v.get(sub.name())).cloned();
        let (from, to) = (part(before), part(after));
        if from != to {
            let path = path_of(&Located { sub: Some(sub), ..*located });
            let hide = |value: Option<Value>| value.filter(|_| !sub.is_hidden());
            changes.push(AttributeChange { path, from: hide(from), to: hide(to) });
        }
    }
}

/// The canonical path. Most are short enough to need no memory of their own.
fn path_of(located: &Located<'_>) -> CompactString {
    match located {
        Located { extension: None, attribute, sub: None } => CompactString::from(attribute.name()),
        _ => located.path().into(),
    }
}

/// A missing `primary` is false (RFC 7643 §2.4), so that writing it down changes nothing.
fn same_but_for_false_primaries(
    attribute: &Attribute,
    before: Option<&Value>,
    after: Option<&Value>,
) -> bool {
    let (Some(Value::Array(before)), Some(Value::Array(after))) = (before, after) else { return false };
    attribute.sub_attribute("primary").is_some()
        && before.len() == after.len()
        && before.iter().zip(after).all(|(before, after)| match (before, after) {
            (Value::Object(before), Value::Object(after)) => has_all(before, after) && has_all(after, before),
            _ => false,
        })
}

/// Whether one value has all that another has, but for a false `primary`.
fn has_all(value: &Object, other: &Object) -> bool {
    other.iter().all(|(name, part)| match value.get(name) {
        Some(own) => own == part,
        None => name == "primary" && part.as_bool() == Some(false),
    })
}

/// URNs of extensions that come to or go from `schemas` while the resource has no values of them.
pub(crate) fn bare_schemas(before: &Resource, after: &Resource, changes: &mut Vec<AttributeChange>) {
    let has = |resource: &Resource, urn: &str| resource.schemas().any(|s| s == urn);
    let bare = |urn: &str| before.get(urn).is_none() && after.get(urn).is_none();
    let come = after.schemas().any(|urn| !has(before, urn) && bare(urn));
    let gone = before.schemas().any(|urn| !has(after, urn) && bare(urn));
    // A resource without `schemas`, such as a part of one in a test, has not lost them.
    if (come || gone) && before.get("schemas").is_some() && after.get("schemas").is_some() {
        let (from, to) = (before.get("schemas").cloned(), after.get("schemas").cloned());
        changes.push(AttributeChange { path: "schemas".into(), from, to });
    }
}

/// A value without its hidden sub-attributes.
fn shown(attribute: &Attribute, value: Option<&Value>) -> Option<Value> {
    if !attribute.sub_attributes().iter().any(Attribute::is_hidden) {
        return value.cloned();
    }
    let mut value = value?.clone();
    for element in value.as_array_mut().into_iter().flatten() {
        if let Some(object) = element.as_object_mut() {
            object.retain(|name, _| attribute.sub_attribute(name).is_none_or(|s| !s.is_hidden()));
        }
    }
    Some(value)
}
