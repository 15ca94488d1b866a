//! The values of a multi-valued attribute (RFC 7643 §2.4).

use serde_json::Value;

use super::ScimType;
use crate::naive::compare::same;
use crate::naive::schema::{Attribute, Kind};

/// Whether two values are one: the same member, the same pair of value and type, or the same altogether.
pub(super) fn is_same_value(a: &Value, b: &Value, attribute: &Attribute, member: bool) -> bool {
    if attribute.kind != Kind::Complex {
        return same(a, b, attribute);
    }
    if member && let (Some(sub), Some(a), Some(b)) = (attribute.sub("value"), member_id(a), member_id(b)) {
        return same(&a, &b, sub);
    }
    match (attribute.sub("value"), a.get("value"), b.get("value")) {
        (Some(sub), Some(a_value), Some(b_value)) => {
            same(a_value, b_value, sub) && same_part(a, b, attribute, "type")
        }
        (_, None, None) => a == b,
        _ => false,
    }
}

/// The id of a member; one that is given by its URI only has its id at the end of it.
pub(super) fn member_id(member: &Value) -> Option<Value> {
    let text = |name: &str| member.get(name).and_then(Value::as_str);
    let id = text("value").or_else(|| text("$ref").and_then(|uri| uri.rsplit('/').next()))?;
    if id.is_empty() { None } else { Some(Value::from(id)) }
}

/// Whether both lack a sub-attribute, or it is the same.
fn same_part(a: &Value, b: &Value, attribute: &Attribute, name: &str) -> bool {
    match (attribute.sub(name), a.get(name), b.get(name)) {
        (Some(sub), Some(a), Some(b)) => same(a, b, sub),
        (_, None, None) | (None, ..) => true,
        _ => false,
    }
}

/// Whether a value has all that another says, so that to add it would change nothing (ledger choice
/// `add-subset`). What tells values apart is compared by its rules, everything else as it is written.
pub(super) fn holds(value: &Value, given: &Value, attribute: &Attribute) -> bool {
    let (Value::Object(value), Value::Object(given)) = (value, given) else {
        return same(value, given, attribute);
    };
    given.iter().all(|(name, part)| match (value.get(name), attribute.sub(name)) {
        (Some(present), Some(sub)) if name == "value" || name == "type" => same(present, part, sub),
        (Some(present), _) => present == part,
        // RFC 7643 §2.4: no `primary` is false.
        (None, _) => name == "primary" && *part == Value::Bool(false),
    })
}

/// Keeps the first of values that are the same.
pub(crate) fn drop_doubled(values: &mut Vec<Value>, attribute: &Attribute, member: bool) {
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
