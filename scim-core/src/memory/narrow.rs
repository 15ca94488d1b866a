//! The one resource that a filter can match, where it asks for a unique value.

use scim_filter::{Comparand, Matcher, Operator, TypedExpr};
use scim_schema::{Resource, ResourceType, UniqueKey, Value};

/// A unique value that every match of the filter has; `None` if none is known of.
pub(super) fn unique_key(filter: &Matcher, resource_type: &ResourceType) -> Option<UniqueKey> {
    let mut known: Vec<Option<UniqueKey>> = Vec::new();
    for visit in filter.post_order(resource_type.name()) {
        let key = match visit.expr {
            TypedExpr::And => known.pop()?.or(known.pop()?),
            TypedExpr::Or => {
                known.pop();
                known.pop();
                None
            }
            TypedExpr::Not | TypedExpr::ValuePath(_) => {
                known.pop();
                None
            }
            TypedExpr::Compare {
                path,
                operator: Operator::Eq,
                value: Comparand::Text { key, base: None, .. },
            } if visit.within.is_none() && path.urn.is_none() && path.sub.is_none() => {
                let mut probe = Resource::default();
                probe.attributes_mut().push(path.attribute, Value::from(key));
                resource_type.unique_keys(&probe).pop()
            }
            _ => None,
        };
        known.push(key);
    }
    known.pop().flatten()
}
