//! Membership edges as the attributes that clients see.

use scim_patch::Member;
use scim_schema::{Membership, Object, Registry, Resource, ResourceType, Value};

/// How deep memberships of groups in groups are followed for inverse attributes such as `groups`.
pub const MAX_NESTING: usize = 16;

/// A resource that has another as a member, as the inverse attribute shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by every store")]
pub struct Holder {
    /// The id of the resource that has the member.
    pub id: String,
    /// Its type's name.
    pub resource_type: String,
    /// Its label: `displayName`.
    pub display: Option<String>,
    /// Whether it has the member itself, or through others (RFC 7643 §4.1.2 `direct`, `indirect`).
    pub direct: bool,
}

/// Puts the members into a resource whose type declares a membership: `value`, `$ref` relative to the
/// base URL, `type`, `display`. No members: no attribute.
pub fn set_members(
    resource: &mut Resource,
    membership: &Membership,
    members: &[Member],
    registry: &Registry,
) {
    let values: Vec<Value> = members
        .iter()
        .map(|member| {
            let mut value = Object::with_capacity(4);
            value.push("value", member.id.as_str());
            if let Some(name) = &member.resource_type {
                if let Some(resource_type) = registry.resource_type(name) {
                    value.push("$ref", relative(resource_type, &member.id));
                }
                value.push("type", name.as_str());
            }
            if let Some(display) = &member.display {
                value.push("display", display.as_str());
            }
            Value::Object(value)
        })
        .collect();
    set(resource, membership.attribute(), values);
}

/// Puts the holders into a resource whose type has the inverse attribute of a membership.
pub fn set_holders(resource: &mut Resource, inverse: &str, holders: &[Holder], registry: &Registry) {
    let values: Vec<Value> = holders
        .iter()
        .map(|holder| {
            let mut value = Object::with_capacity(4);
            value.push("value", holder.id.as_str());
            if let Some(resource_type) = registry.resource_type(&holder.resource_type) {
                value.push("$ref", relative(resource_type, &holder.id));
            }
            if let Some(display) = &holder.display {
                value.push("display", display.as_str());
            }
            value.push("type", if holder.direct { "direct" } else { "indirect" });
            Value::Object(value)
        })
        .collect();
    set(resource, inverse, values);
}

/// The members that a resource's document holds as an array, taken out of it.
pub fn take_members(resource: &mut Resource, membership: &Membership) -> Vec<Member> {
    match resource.remove(membership.attribute()) {
        Some(values) => values.elements().iter().filter_map(Member::of).collect(),
        None => Vec::new(),
    }
}

/// `Users/1`: the reference to a resource, relative to the base URL.
pub fn relative(resource_type: &ResourceType, id: &str) -> String {
    let endpoint = resource_type.endpoint();
    format!("{}/{id}", endpoint.strip_prefix('/').unwrap_or(endpoint))
}

fn set(resource: &mut Resource, name: &str, values: Vec<Value>) {
    if values.is_empty() {
        resource.remove_computed(name);
    } else {
        resource.set_computed(name, values);
    }
}
