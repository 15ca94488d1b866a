//! Values that a request gives, read as their attribute asks for (RFC 7643 §2.3).

use serde_json::{Map, Value};

use super::ScimType;
use super::list::{check_one_primary, drop_doubled};
use crate::naive::compare::{instant, is_unassigned};
use crate::naive::schema::{Attribute, Kind, Mutability};

/// What a request gives for a target.
#[derive(Debug)]
pub(super) enum Given<'t> {
    /// One simple value.
    Simple(Value),
    /// Sub-attributes of a complex value.
    Parts(Vec<Part<'t>>),
    /// The values of a multi-valued attribute.
    List(Vec<Value>),
}

/// A sub-attribute with its new value; `None` takes it away (ledger choice `null-sub-attribute`).
pub(super) type Part<'t> = (&'t Attribute, Option<Value>);

/// Reads the value for an attribute, or for one of its values where `one` says so.
pub(super) fn read<'t>(
    value: &Value,
    attribute: &'t Attribute,
    one: bool,
    member: bool,
) -> Result<Given<'t>, ScimType> {
    if attribute.multi_valued && !one {
        return list(value, attribute, member).map(Given::List);
    }
    // For one value of a list, a list of one is as good.
    let value = match value {
        Value::Array(elements) if attribute.multi_valued => match &elements[..] {
            [single] => single,
            _ => return Err(ScimType::InvalidValue),
        },
        single => single,
    };
    if attribute.kind != Kind::Complex {
        return simple(value, attribute).map(Given::Simple);
    }
    match value {
        Value::Object(members) => parts(members, attribute).map(Given::Parts),
        // Ledger choice `complex-from-string`.
        Value::String(_) if !attribute.multi_valued => {
            let sub = attribute.sub("value").ok_or(ScimType::InvalidValue)?;
            Ok(Given::Parts(vec![(sub, Some(simple(value, sub)?))]))
        }
        _ => Err(ScimType::InvalidValue),
    }
}

/// All values of a multi-valued attribute. One that is no list is a list of one (ledger choice
/// `single-object-for-list`).
fn list(value: &Value, attribute: &Attribute, member: bool) -> Result<Vec<Value>, ScimType> {
    let mut read = Vec::new();
    for element in as_list(value) {
        if element.is_null() {
            continue;
        }
        if attribute.kind != Kind::Complex {
            read.push(simple(element, attribute)?);
            continue;
        }
        let members = element.as_object().ok_or(ScimType::InvalidValue)?;
        let element = object(&parts(members, attribute)?);
        if member && element.get("value").and_then(Value::as_str).is_none_or(str::is_empty) {
            return Err(ScimType::InvalidValue);
        }
        if is_unassigned(&element) {
            continue;
        }
        check_required(&element, attribute)?;
        read.push(element);
    }
    drop_doubled(&mut read, attribute, member);
    check_one_primary(&read)?;
    Ok(read)
}

/// The values that a `remove` lists (ledger choice `remove-with-value`).
pub(super) fn listed(value: &Value, attribute: &Attribute) -> Result<Vec<Value>, ScimType> {
    let mut read = Vec::new();
    for element in as_list(value) {
        match (attribute.kind, element) {
            (_, Value::Null) => {}
            (Kind::Complex, Value::Object(members)) => read.push(object(&parts(members, attribute)?)),
            (Kind::Complex, Value::String(_)) => {
                let sub = attribute.sub("value").ok_or(ScimType::InvalidValue)?;
                let mut members = Map::new();
                members.insert(sub.name.clone(), simple(element, sub)?);
                read.push(Value::Object(members));
            }
            (Kind::Complex, _) => return Err(ScimType::InvalidValue),
            _ => read.push(simple(element, attribute)?),
        }
    }
    Ok(read)
}

fn as_list(value: &Value) -> &[Value] {
    match value {
        Value::Array(elements) => elements,
        single => std::slice::from_ref(single),
    }
}

/// The members of a complex value, by the names of the schema.
fn parts<'t>(members: &Map<String, Value>, attribute: &'t Attribute) -> Result<Vec<Part<'t>>, ScimType> {
    let mut parts: Vec<Part<'t>> = Vec::new();
    for (name, value) in members {
        let sub = attribute.sub(name).ok_or(ScimType::InvalidValue)?;
        if parts.iter().any(|(known, _)| known.name == sub.name) {
            return Err(ScimType::InvalidSyntax);
        }
        // Ledger choice `read-only-sub-attribute`.
        if sub.mutability == Mutability::ReadOnly {
            continue;
        }
        let value = match value {
            Value::Null => None,
            Value::Array(elements) if elements.is_empty() => None,
            value if sub.multi_valued => {
                Some(Value::Array(list(value, sub, false)?)).filter(|v| !is_unassigned(v))
            }
            value => Some(simple(value, sub)?),
        };
        parts.push((sub, value));
    }
    Ok(parts)
}

/// A complex value made of parts alone.
pub(super) fn object(parts: &[Part<'_>]) -> Value {
    let given = parts.iter().filter_map(|(sub, value)| Some((sub.name.clone(), value.clone()?)));
    Value::Object(given.collect())
}

/// A complex value has the sub-attributes that it must have.
pub(super) fn check_required(element: &Value, attribute: &Attribute) -> Result<(), ScimType> {
    let missing = |sub: &&Attribute| sub.required && element.get(&sub.name).is_none_or(is_unassigned);
    if attribute.subs.iter().any(|sub| missing(&sub)) { Err(ScimType::InvalidValue) } else { Ok(()) }
}

/// One simple value.
pub(super) fn simple(value: &Value, attribute: &Attribute) -> Result<Value, ScimType> {
    let fits = match (attribute.kind, value) {
        (Kind::String, Value::String(text)) => !(attribute.required && text.is_empty()),
        (Kind::Boolean, Value::Bool(_)) => true,
        // Ledger choice `boolean-string`.
        (Kind::Boolean, Value::String(text)) => {
            let known = [("true", true), ("false", false)]
                .into_iter()
                .find(|(word, _)| text.eq_ignore_ascii_case(word));
            return known.map(|(_, value)| Value::Bool(value)).ok_or(ScimType::InvalidValue);
        }
        (Kind::Decimal, Value::Number(_)) => true,
        // §2.3.4: neither fraction nor exponent.
        (Kind::Integer, Value::Number(number)) => number.is_i64() || number.is_u64(),
        (Kind::DateTime, Value::String(text)) => instant(text).is_some(),
        (Kind::Binary, Value::String(text)) => is_base64(text),
        (Kind::Reference, Value::String(text)) => is_uri(text),
        _ => false,
    };
    if fits { Ok(value.clone()) } else { Err(ScimType::InvalidValue) }
}

/// Base64 of RFC 4648 §4, padding optional (RFC 7643 §2.3.6).
fn is_base64(text: &str) -> bool {
    let data = text.trim_end_matches('=');
    let padding = text.len() - data.len();
    let alphabet = data.chars().all(|c| c.is_ascii_alphanumeric() || c == '+' || c == '/');
    let needed = match data.len() % 4 {
        0 => 0,
        2 => 2,
        3 => 1,
        _ => return false,
    };
    alphabet && !data.is_empty() && (padding == 0 || padding == needed)
}

/// An absolute or relative URI (RFC 3986), characters beyond ASCII accepted.
fn is_uri(text: &str) -> bool {
    let characters =
        |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=%".contains(c);
    let scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    };
    // A colon before the first slash ends a scheme.
    let first = text.split(['/', '?', '#']).next().unwrap_or_default();
    !text.is_empty() && text.chars().all(characters) && first.split_once(':').is_none_or(|(s, _)| scheme(s))
}
