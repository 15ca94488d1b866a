//! When values are the same.

use std::borrow::Cow;

use scim_schema::{Attribute, Type, Value, comparable};

/// Whether two values of an attribute are the same by its own comparison rules.
pub(crate) fn same_value(attribute: &Attribute, a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) => text_key(attribute, a) == text_key(attribute, b),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_value(attribute, a, b))
        }
        _ => a == b,
    }
}

/// The form in which texts of an attribute are compared.
pub(crate) fn text_key<'v>(attribute: &Attribute, text: &'v str) -> Cow<'v, str> {
    comparable(text, attribute.case_exact())
}

/// The definition by which values of a list are told apart: the `value` sub-attribute, or the simple
/// attribute itself.
pub(crate) fn key_definition(attribute: &Attribute) -> Option<&Attribute> {
    if attribute.is_complex() { attribute.sub_attribute("value") } else { Some(attribute) }
}

/// The key of a value of a list; `None` if it has none. Equal values have equal keys.
pub(crate) fn key_of<'v>(attribute: &Attribute, element: &'v Value) -> Option<Cow<'v, str>> {
    let definition = key_definition(attribute)?;
    key(definition, if attribute.is_complex() { element.get(definition.name())? } else { element })
}

/// The key that a value of the [`key_definition`] is.
pub(crate) fn key<'v>(definition: &Attribute, value: &'v Value) -> Option<Cow<'v, str>> {
    match value {
        Value::String(text) => Some(text_key(definition, text)),
        Value::Number(n) => Some(Cow::Owned(n.to_string())),
        Value::Bool(b) => Some(Cow::Borrowed(if *b { "true" } else { "false" })),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Whether the keys of an attribute's values decide `value eq "…"` in filters.
pub(crate) fn keyed_by_text(attribute: &Attribute) -> bool {
    key_definition(attribute).is_some_and(|definition| {
        let single = !attribute.is_complex() || !definition.multi_valued();
        definition.kind() == Type::String && !definition.is_hidden() && single
    })
}

/// Whether `element` has all that `given` says, so that adding it would change nothing.
pub(crate) fn contains(attribute: &Attribute, element: &Value, given: &Value) -> bool {
    let (Value::Object(element), Value::Object(given)) = (element, given) else {
        return same_value(attribute, element, given);
    };
    given.iter().all(|(name, value)| match (element.get(name), attribute.sub_attribute(name)) {
        (Some(present), Some(sub)) if matches!(name, "value" | "type") => same_value(sub, present, value),
        (Some(present), _) => present == value,
        // A missing `primary` is false (RFC 7643 §2.4).
        (None, _) => name == "primary" && value.as_bool() == Some(false),
    })
}

/// Whether two values of a complex list are the same by `type`, given that they are by `value`.
pub(crate) fn same_type(attribute: &Attribute, a: &Value, b: &Value) -> bool {
    let Some(sub) = attribute.sub_attribute("type") else { return true };
    match (a.get(sub.name()), b.get(sub.name())) {
        (Some(a), Some(b)) => same_value(sub, a, b),
        (None, None) => true,
        _ => false,
    }
}

pub(crate) fn is_primary(value: &Value) -> bool {
    value.get("primary").and_then(Value::as_bool) == Some(true)
}

/// Whether what a client sent for a readOnly attribute is what it has: names in any letter case,
/// sub-attributes that are not sent do not count, references may be absolute or relative.
pub(crate) fn same_as_stored(stored: Option<&Value>, given: &Value) -> bool {
    let Some(stored) = stored else { return given.is_unassigned() };
    match (stored, given) {
        (Value::Array(stored), given) => {
            let given = given.elements();
            stored.len() == given.len() && stored.iter().zip(given).all(|(s, g)| same_element(s, g))
        }
        (stored, given) => same_element(stored, given),
    }
}

fn same_element(stored: &Value, given: &Value) -> bool {
    let (Value::Object(stored), Value::Object(given)) = (stored, given) else { return stored == given };
    given.iter().all(|(name, value)| match stored.get_ignore_case(name) {
        Some(Value::String(own)) if name.eq_ignore_ascii_case("$ref") => {
            value.as_str().is_some_and(|v| v.ends_with(own.as_str()))
        }
        Some(own) => own == value,
        None => value.is_unassigned(),
    })
}
