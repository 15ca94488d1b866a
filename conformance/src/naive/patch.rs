//! PATCH: a body and a resource to a new resource, or the error's `scimType` (RFC 7644 §3.5.2).
//!
//! A request is first read as a whole, so that what is wrong with any of its operations is found before the
//! first is carried out; then the operations are carried out one after the other on a copy.

mod list;
mod request;
mod step;
mod value;

use serde_json::{Map, Value};

use super::compare::{is_unassigned, same};
use super::schema::{Attribute, Kind, ResourceType};

/// Why a PATCH is refused (RFC 7644 table 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are the RFC's")]
#[non_exhaustive]
pub enum ScimType {
    InvalidSyntax,
    InvalidPath,
    InvalidFilter,
    NoTarget,
    InvalidValue,
    Mutability,
}

impl ScimType {
    /// The keyword.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidSyntax => "invalidSyntax",
            Self::InvalidPath => "invalidPath",
            Self::InvalidFilter => "invalidFilter",
            Self::NoTarget => "noTarget",
            Self::InvalidValue => "invalidValue",
            Self::Mutability => "mutability",
        }
    }
}

/// What a PATCH makes of a resource.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Patched {
    /// The resource afterwards.
    pub resource: Value,
    /// Whether it changed. Setting what nobody may read counts as a change in any case.
    pub changed: bool,
}

/// Applies a PatchOp body to a resource, under the strict dialect. The resource has no unassigned values.
///
/// # Errors
/// The keyword for what is wrong.
pub fn patch(body: &Value, resource_type: &ResourceType, resource: &Value) -> Result<Patched, ScimType> {
    let steps = request::read(body, resource_type)?;
    let mut state = State { resource: resource.as_object().cloned().unwrap_or_default(), hidden_set: false };
    for step in &steps {
        step.carry_out(&mut state, resource_type)?;
    }
    let mut after = Value::Object(state.resource);
    finish(&mut after, resource, resource_type)?;
    let changed = state.hidden_set || !same_resource(&after, resource, resource_type);
    Ok(Patched { resource: after, changed })
}

/// The resource while the operations are carried out.
#[derive(Debug)]
struct State {
    resource: Map<String, Value>,
    hidden_set: bool,
}

/// The last step: `schemas` names the extensions in use, and what is required is there.
fn finish(after: &mut Value, before: &Value, resource_type: &ResourceType) -> Result<(), ScimType> {
    set_schemas(after, resource_type);
    let missing = |a: &Attribute, v: Option<&Value>| a.required && v.is_none_or(is_unassigned);
    for attribute in resource_type.common.iter().chain(&resource_type.base.attributes) {
        // A resource that is older than the requirement may stay as it is.
        let now = after.get(&attribute.name);
        if missing(attribute, now) && !missing(attribute, before.get(&attribute.name)) {
            return Err(ScimType::InvalidValue);
        }
        check_subs(attribute, now, before.get(&attribute.name))?;
    }
    for extension in &resource_type.extensions {
        let urn = &extension.schema.urn;
        let (Some(now), then) = (after.get(urn), before.get(urn)) else { continue };
        for attribute in &extension.schema.attributes {
            let (now, then_value) = (now.get(&attribute.name), then.and_then(|t| t.get(&attribute.name)));
            if missing(attribute, now) && !(then.is_some() && missing(attribute, then_value)) {
                return Err(ScimType::InvalidValue);
            }
            check_subs(attribute, now, then_value)?;
        }
    }
    Ok(())
}

/// A complex value has the sub-attributes that it must have.
fn check_subs(attribute: &Attribute, now: Option<&Value>, then: Option<&Value>) -> Result<(), ScimType> {
    if attribute.kind != Kind::Complex || now == then {
        return Ok(());
    }
    for element in super::matching::elements(now) {
        for sub in attribute.subs.iter().filter(|sub| sub.required) {
            if element.get(&sub.name).is_none_or(is_unassigned) {
                return Err(ScimType::InvalidValue);
            }
        }
    }
    Ok(())
}

/// The base schema, then the extensions that are required, have values or were listed (RFC 7643 §3).
pub(super) fn set_schemas(resource: &mut Value, resource_type: &ResourceType) {
    let Some(object) = resource.as_object_mut() else { return };
    let listed: Vec<String> = match object.get("schemas") {
        Some(Value::Array(urns)) => urns.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    let mut urns = vec![Value::from(resource_type.base.urn.as_str())];
    for extension in &resource_type.extensions {
        let urn = &extension.schema.urn;
        if extension.required || object.contains_key(urn) || listed.contains(urn) {
            urns.push(Value::from(urn.as_str()));
        }
    }
    object.insert("schemas".to_owned(), Value::Array(urns));
}

/// Whether two states of a resource are the same. Values are compared as they are written; only `primary:
/// false` is the same as none, and numbers and instants are the same however they are written.
fn same_resource(a: &Value, b: &Value, resource_type: &ResourceType) -> bool {
    let _ = (resource_type, same);
    without_marks(a) == without_marks(b)
}

/// A value without each `primary: false` in it.
pub(super) fn without_marks(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members
                .iter()
                .filter(|(name, value)| !(name.as_str() == "primary" && **value == Value::Bool(false)));
            Value::Object(kept.map(|(name, value)| (name.clone(), without_marks(value))).collect())
        }
        Value::Array(elements) => Value::Array(elements.iter().map(without_marks).collect()),
        other => other.clone(),
    }
}
