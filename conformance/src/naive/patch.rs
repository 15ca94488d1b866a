//! PATCH: a body and a resource to a new resource, or the error's `scimType` (RFC 7644 §3.5.2).
//!
//! A request is first read as a whole, so that what is wrong with any of its operations is found before the
//! first is carried out; then the operations are carried out one after the other on a copy.

mod edit;
mod list;
mod request;
mod step;
mod value;

pub(crate) use list::drop_doubled;
use serde_json::{Map, Value};

use super::compare::is_unassigned;
use super::schema::{Attribute, Kind, Mutability, ResourceType};

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

/// What is wrong with a request. Where that is more than one thing, a server may name any of them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// What can be said without the resource, operation by operation; then what carrying out meets first.
    pub faults: Vec<ScimType>,
}

impl Refused {
    /// The keywords.
    pub fn keywords(&self) -> Vec<&'static str> {
        self.faults.iter().map(|fault| fault.as_str()).collect()
    }
}

/// Applies a PatchOp body to a resource, under the strict dialect. The resource has no unassigned values.
///
/// # Errors
/// [`Refused`] says what is wrong.
pub fn patch(body: &Value, resource_type: &ResourceType, resource: &Value) -> Result<Patched, Refused> {
    let (steps, mut faults) = request::read(body, resource_type);
    let mut state = State { resource: resource.as_object().cloned().unwrap_or_default(), hidden_set: false };
    let carried_out = steps.iter().try_for_each(|step| step.carry_out(&mut state));
    let mut after = Value::Object(state.resource);
    faults.extend(carried_out.and_then(|()| finish(&mut after, resource, resource_type)).err());
    if !faults.is_empty() {
        return Err(Refused { faults });
    }
    let changed = state.hidden_set || without_marks(&after) != without_marks(resource);
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
    let missing = |a: &Attribute, v: Option<&Value>| {
        a.required
            && a.mutability != Mutability::ReadOnly
            && v.is_none_or(|v| is_unassigned(v) || v.as_str() == Some(""))
    };
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
    super::matching::elements(now)
        .into_iter()
        .try_for_each(|element| value::check_required(element, attribute))
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

/// A resource without each `primary: false` in the values of its lists, which is what none means (RFC 7643 §2.4).
pub(crate) fn without_marks(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, value)| (name.clone(), without_marks(value))).collect())
        }
        Value::Array(elements) => Value::Array(elements.iter().map(without_mark).collect()),
        other => other.clone(),
    }
}

fn without_mark(element: &Value) -> Value {
    let mut element = element.clone();
    if let Some(members) = element.as_object_mut() {
        members.retain(|name, value| name != "primary" || *value != Value::Bool(false));
    }
    element
}
