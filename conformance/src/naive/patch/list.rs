//! The values of a multi-valued attribute (RFC 7643 §2.4).

use serde_json::Value;

use super::ScimType;
use crate::naive::compare::{is_unassigned, same, same_sub};
use crate::naive::schema::{Attribute, Kind};

/// Whether two values are one: the same member, the same pair of value and type, or the same altogether.
pub(super) fn is_same_value(a: &Value, b: &Value, attribute: &Attribute, member: bool) -> bool {
    let part = |value: &Value, name: &str| value.get(name).filter(|v| !is_unassigned(v)).cloned();
    if attribute.kind != Kind::Complex {
        return same(a, b, attribute);
    }
    match (attribute.sub("value"), part(a, "value"), part(b, "value")) {
        (Some(value), Some(_), Some(_)) => {
            let values = same_sub(a.get("value"), b.get("value"), value);
            let types = match attribute.sub("type") {
                Some(sub) => same_sub(a.get("type"), b.get("type"), sub),
                None => true,
            };
            values && (member || types)
        }
        (_, None, None) => same(a, b, attribute),
        _ => false,
    }
}

/// Keeps the first of values that are the same.
pub(super) fn drop_doubled(values: &mut Vec<Value>, attribute: &Attribute, member: bool) {
    let mut kept: Vec<Value> = Vec::new();
    for value in values.drain(..) {
        if !kept.iter().any(|k| is_same_value(k, &value, attribute, member)) {
            kept.push(value);
        }
    }
    *values = kept;
}

/// Ledger choice `two-primaries`.
pub(super) fn check_one_primary(values: &[Value]) -> Result<(), ScimType> {
    let primaries = values.iter().filter(|v| is_primary(v)).count();
    if primaries > 1 { Err(ScimType::InvalidValue) } else { Ok(()) }
}

pub(super) fn is_primary(value: &Value) -> bool {
    value.get("primary") == Some(&Value::Bool(true))
}

/// RFC 7644 §3.5.2: where one value becomes primary, the others cease to be. `marked` are the places of the
/// values that one operation makes primary.
pub(super) fn move_primary(values: &mut [Value], marked: &[usize]) -> Result<(), ScimType> {
    let [primary] = marked else {
        return if marked.is_empty() { Ok(()) } else { Err(ScimType::InvalidValue) };
    };
    for (at, value) in values.iter_mut().enumerate() {
        if at != *primary
            && is_primary(value)
            && let Some(object) = value.as_object_mut()
        {
            object.insert("primary".to_owned(), Value::Bool(false));
        }
    }
    Ok(())
}
