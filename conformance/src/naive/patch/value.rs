//! Values that a request gives, read as their attribute asks for (RFC 7643 §2.3).

use serde_json::{Map, Value};

use super::ScimType;
use super::list::{check_one_primary, drop_doubled, member_id};
use crate::naive::compare::{instant, is_unassigned};
use crate::naive::schema::{Attribute, Kind, Mutability};

/// What a request gives for a target.
#[derive(Clone, Debug)]
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

/// Whether the value means unassigned (RFC 7643 §2.5): null, an empty list, and for lists a list of nulls.
/// `one` asks for one value of an attribute, for which a list of one is as good.
pub(super) fn is_null(value: &Value, attribute: &Attribute, one: bool) -> bool {
    match value {
        Value::Null => true,
        Value::Array(elements) if one => matches!(elements[..], [] | [Value::Null]),
        Value::Array(elements) if attribute.multi_valued => elements.iter().all(Value::is_null),
        Value::Array(elements) => elements.is_empty(),
        _ => false,
    }
}

/// How a complex value is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of the attribute, or parts of it where it is singular and complex.
    All,
    /// Parts of one value, to be merged into it.
    Parts,
    /// One value as a whole.
    One,
}

/// Reads the value for an attribute, or for one of its values.
pub(super) fn read<'t>(
    value: &Value,
    attribute: &'t Attribute,
    wanted: Wanted,
    member: bool,
) -> Result<Given<'t>, ScimType> {
    let value = match (wanted, value) {
        (Wanted::All, _) if attribute.multi_valued => return list(value, attribute, member).map(Given::List),
        (Wanted::All, value) => value,
        (_, Value::Array(elements)) => match &elements[..] {
            [single] => single,
            _ => return Err(ScimType::InvalidValue),
        },
        (_, value) => value,
    };
    if attribute.kind != Kind::Complex {
        return simple(value, attribute).map(Given::Simple);
    }
    match value {
        Value::Object(members) if wanted == Wanted::One => {
            let element = element(members, attribute)?;
            check_member(&element, member)?;
            Ok(Given::Simple(element))
        }
        Value::Object(members) => parts(members, attribute).map(Given::Parts),
        // Ledger choice `complex-from-string`.
        Value::String(_) if !attribute.multi_valued => {
            let sub = attribute.sub("value").ok_or(ScimType::InvalidValue)?;
            if sub.mutability == Mutability::ReadOnly {
                return Ok(match wanted {
                    Wanted::One => Given::Simple(object(&[])),
                    _ => Given::Parts(Vec::new()),
                });
            }
            let value = simple(value, sub)?;
            if sub.required && value.as_str() == Some("") {
                return Err(ScimType::InvalidValue);
            }
            match wanted {
                Wanted::One => {
                    let element = object(&[(sub, Some(value))]);
                    check_required(&element, attribute)?;
                    Ok(Given::Simple(element))
                }
                _ => Ok(Given::Parts(vec![(sub, Some(value))])),
            }
        }
        _ => Err(ScimType::InvalidValue),
    }
}

/// All values of a multi-valued attribute. One that is no list is a list of one (ledger choice
/// `single-object-for-list`).
fn list(value: &Value, attribute: &Attribute, member: bool) -> Result<Vec<Value>, ScimType> {
    let mut read = Vec::new();
    for value in as_list(value) {
        match value {
            Value::Null => {}
            value if attribute.kind != Kind::Complex => read.push(simple(value, attribute)?),
            value => {
                let element = element(value.as_object().ok_or(ScimType::InvalidValue)?, attribute)?;
                if !is_unassigned(&element) {
                    check_member(&element, member)?;
                    read.push(element);
                }
            }
        }
    }
    check_one_primary(&read)?;
    drop_doubled(&mut read, attribute, member);
    Ok(read)
}

/// A member is known by its id.
pub(super) fn check_member(element: &Value, member: bool) -> Result<(), ScimType> {
    let lacks_id = member && !is_unassigned(element) && member_id(element).is_none();
    if lacks_id { Err(ScimType::InvalidValue) } else { Ok(()) }
}

/// The values that a `remove` lists (ledger choice `remove-with-value`). What is null, hidden or unknown
/// does not serve to tell values apart.
pub(super) fn listed(value: &Value, attribute: &Attribute) -> Result<Vec<Value>, ScimType> {
    let mut read = Vec::new();
    for element in as_list(value) {
        match (attribute.kind, element) {
            (_, Value::Null) => {}
            (Kind::Complex, Value::Object(members)) => {
                let mut known = Map::new();
                for (name, value) in members {
                    let Some(sub) = attribute.sub(name).filter(|sub| !sub.hidden) else { continue };
                    if let Some(value) = part(value, sub)? {
                        known.insert(sub.name.clone(), value);
                    }
                    // By `value` alone, where there is one.
                    if known.contains_key("value") {
                        break;
                    }
                }
                if !known.is_empty() {
                    read.push(Value::Object(known));
                }
            }
            (Kind::Complex, element) => {
                let sub = attribute.sub("value").filter(|sub| !sub.hidden).ok_or(ScimType::InvalidValue)?;
                if let Some(value) = part(element, sub)? {
                    read.push(object(&[(sub, Some(value))]));
                }
            }
            (_, element) => read.extend(list(element, attribute, false)?),
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

/// The members of a complex value, by the names of the schema, to be merged.
fn parts<'t>(members: &Map<String, Value>, attribute: &'t Attribute) -> Result<Vec<Part<'t>>, ScimType> {
    let mut parts: Vec<Part<'t>> = Vec::new();
    for (name, value) in members {
        let sub = attribute.sub(name).ok_or(ScimType::InvalidValue)?;
        if parts.iter().any(|(known, _)| known.name == sub.name) {
            return Err(ScimType::InvalidValue);
        }
        // Ledger choice `read-only-sub-attribute`.
        if sub.mutability == Mutability::ReadOnly {
            continue;
        }
        let value = part(value, sub)?;
        if sub.required {
            match &value {
                // RFC 7644 §3.5.2.2: what is required can't be taken away.
                None => return Err(ScimType::Mutability),
                Some(value) if value.as_str() == Some("") => return Err(ScimType::InvalidValue),
                Some(_) => {}
            }
        }
        parts.push((sub, value));
    }
    Ok(parts)
}

/// The value of a sub-attribute; `None` for an unassigned one.
pub(super) fn part(value: &Value, sub: &Attribute) -> Result<Option<Value>, ScimType> {
    if is_null(value, sub, false) {
        return Ok(None);
    }
    if !sub.multi_valued {
        return simple(value, sub).map(Some);
    }
    Ok(Some(Value::Array(list(value, sub, false)?)).filter(|v| !is_unassigned(v)))
}

/// One complex value as a whole.
pub(super) fn element(members: &Map<String, Value>, attribute: &Attribute) -> Result<Value, ScimType> {
    let mut seen = Vec::new();
    let mut element = Map::new();
    for (name, value) in members {
        let sub = attribute.sub(name).ok_or(ScimType::InvalidValue)?;
        if seen.contains(&sub.name) {
            return Err(ScimType::InvalidValue);
        }
        // Ledger choice `read-only-sub-attribute`.
        if sub.mutability == Mutability::ReadOnly {
            continue;
        }
        seen.push(sub.name.clone());
        let value = match value {
            Value::Null => None,
            value if sub.multi_valued => part(value, sub)?,
            value => Some(simple(value, sub)?),
        };
        if let Some(value) = value {
            element.insert(sub.name.clone(), value);
        }
    }
    let element = Value::Object(element);
    if !is_unassigned(&element) {
        check_required(&element, attribute)?;
    }
    Ok(element)
}

/// A complex value made of parts alone.
pub(super) fn object(parts: &[Part<'_>]) -> Value {
    let given = parts.iter().filter_map(|(sub, value)| Some((sub.name.clone(), value.clone()?)));
    Value::Object(given.collect())
}

/// A complex value has the sub-attributes that a client must give.
pub(super) fn check_required(element: &Value, attribute: &Attribute) -> Result<(), ScimType> {
    let missing = |sub: &Attribute| {
        let asked = sub.required && sub.mutability != Mutability::ReadOnly;
        asked && element.get(&sub.name).is_none_or(|v| is_unassigned(v) || v.as_str() == Some(""))
    };
    if attribute.subs.iter().any(missing) { Err(ScimType::InvalidValue) } else { Ok(()) }
}

/// One simple value.
pub(super) fn simple(value: &Value, attribute: &Attribute) -> Result<Value, ScimType> {
    // The RFC allows U+0000; what a database makes of it is nothing that anybody wants.
    if value.as_str().is_some_and(|text| text.contains('\0')) {
        return Err(ScimType::InvalidValue);
    }
    let fits = match (attribute.kind, value) {
        (Kind::String, Value::String(_)) => true,
        (Kind::Boolean, Value::Bool(_)) => true,
        // Ledger choice `boolean-string`.
        (Kind::Boolean, Value::String(text)) => {
            let known = [("true", true), ("false", false)]
                .into_iter()
                .find(|(word, _)| text.eq_ignore_ascii_case(word));
            return known.map(|(_, value)| Value::Bool(value)).ok_or(ScimType::InvalidValue);
        }
        (Kind::Decimal, Value::Number(_)) => true,
        // §2.3.4: neither fraction nor exponent. JSON readers make a double of `-0`.
        (Kind::Integer, Value::Number(number)) => {
            number.is_i64()
                || number.is_u64()
                || number.as_f64().is_some_and(|n| n == 0.0 && n.is_sign_negative())
        }
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
    alphabet && (padding == 0 || padding == needed)
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
