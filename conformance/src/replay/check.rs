//! Checks of a JSON body.

use std::borrow::Cow;

use regex::Regex;
use scim_schema::{Object, Value};

use super::Failure;

/// Makes one check of a document.
pub(super) fn check(document: &Value, check: &Value) -> Result<(), Failure> {
    let pointer = check.get("pointer").and_then(Value::as_str).unwrap_or_default();
    let found = resolve(document, pointer);
    let Some(kinds) = check.as_object() else { return Err(Failure("a check is an object".into())) };
    for (kind, want) in kinds.iter().filter(|(kind, _)| !matches!(*kind, "pointer" | "note")) {
        if !holds(kind, found.as_deref(), want)? {
            let pointer = if pointer.is_empty() { "/" } else { pointer };
            let (want, got) = (show(Some(want)), show(found.as_deref()));
            return Err(Failure(format!("{pointer}: wanted {kind} {want}, got {got}")));
        }
    }
    Ok(())
}

fn holds(kind: &str, found: Option<&Value>, want: &Value) -> Result<bool, Failure> {
    let text = found.and_then(Value::as_str);
    Ok(match kind {
        "equals" => found.is_some_and(|found| same(found, want)),
        "not_equals" => !found.is_some_and(|found| same(found, want)),
        "iequals" => text.zip(want.as_str()).is_some_and(|(a, b)| a.to_lowercase() == b.to_lowercase()),
        "exists" => found.is_some_and(|found| !found.is_null()) == truth(want),
        "absent" => is_absent(found) == truth(want),
        "contains" => found.is_some_and(|found| contains(found, want)),
        "not_contains" => !found.is_some_and(|found| contains(found, want)),
        "length" => length(found).zip(number(want)).is_some_and(|(length, want)| length == want),
        "min_length" => length(found).zip(number(want)).is_some_and(|(length, want)| length >= want),
        "type" => found.is_some_and(|found| has_type(found, want.as_str().unwrap_or_default())),
        "matches" => {
            let pattern = want.as_str().unwrap_or_default();
            let regex = Regex::new(pattern).map_err(|e| Failure(format!("bad pattern: {e}")))?;
            text.is_some_and(|text| regex.is_match(text))
        }
        "unordered" => found.is_some_and(|found| same_unordered(found, want)),
        unknown => return Err(Failure(format!("unknown check {unknown}"))),
    })
}

/// The value at a pointer; `None` where there is none. Member names are compared without case where there
/// is none of the exact name (RFC 7643 §2.1).
fn resolve<'d>(document: &'d Value, pointer: &str) -> Option<Cow<'d, Value>> {
    let mut current = document;
    let mut rest = match pointer {
        "" | "/" => return Some(Cow::Borrowed(document)),
        pointer => pointer.get(1..),
    };
    while let Some(path) = rest {
        let (segment, tail) = path.split_once('/').map_or((path, None), |(head, tail)| (head, Some(tail)));
        let segment = segment.replace("~1", "/").replace("~0", "~");
        if segment == "[*]" {
            let tail = tail.map_or(String::new(), |tail| format!("/{tail}"));
            let all = current.as_array()?.iter().filter_map(|each| resolve(each, &tail));
            return Some(Cow::Owned(all.map(Cow::into_owned).collect::<Vec<_>>().into()));
        }
        let selector =
            segment.strip_prefix('[').and_then(|s| s.strip_suffix(']')).and_then(|s| s.split_once('='));
        current = match (selector, current) {
            (Some((name, wanted)), Value::Array(items)) => {
                items.iter().find(|item| has_member(item, name, wanted))?
            }
            (None, Value::Array(items)) => items.get(segment.parse::<usize>().ok()?)?,
            (None, Value::Object(members)) => member(members, &segment)?,
            _ => return None,
        };
        rest = tail;
    }
    Some(Cow::Borrowed(current))
}

fn member<'v>(members: &'v Object, name: &str) -> Option<&'v Value> {
    members.get(name).or_else(|| members.get_ignore_case(name))
}

fn has_member(item: &Value, name: &str, wanted: &str) -> bool {
    let value = item.as_object().and_then(|members| member(members, name));
    value.is_some_and(|value| super::template::plain(value).to_lowercase() == wanted.to_lowercase())
}

/// Equal by value: `1` and `1.0` are the same, `1` and `true` are not.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || x.as_f64() == y.as_f64(),
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(a, b)| same(a, b)),
        (Value::Object(x), Value::Object(y)) => {
            x.len() == y.len() && x.iter().all(|(name, a)| y.get(name).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

fn same_unordered(a: &Value, b: &Value) -> bool {
    let (Some(a), Some(b)) = (a.as_array(), b.as_array()) else { return false };
    let mut left: Vec<&Value> = b.iter().collect();
    a.len() == b.len()
        && a.iter().all(|each| {
            left.iter().position(|other| same(each, other)).map(|at| left.swap_remove(at)).is_some()
        })
}

/// A part of a string, without case; an element of an array; some members of an object.
fn contains(have: &Value, want: &Value) -> bool {
    match (have, want) {
        (Value::String(have), Value::String(want)) => {
            have.to_lowercase().contains(want.to_lowercase().as_str())
        }
        (Value::Array(items), Value::Object(_)) => items.iter().any(|item| contains(item, want)),
        (Value::Array(items), _) => items.iter().any(|item| same(item, want)),
        (Value::Object(have), Value::Object(want)) => want.iter().all(|(name, wanted)| {
            have.get(name).is_some_and(|found| match wanted {
                Value::Object(_) => contains(found, wanted),
                _ => same(found, wanted),
            })
        }),
        _ => same(have, want),
    }
}

/// Whether there is no value: an empty array or object is none (RFC 7643 §2.5).
fn is_absent(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::Object(members)) => members.is_empty(),
        Some(_) => false,
    }
}

/// How long a string, array or object is; what is not there is empty; anything else has no length.
fn length(value: Option<&Value>) -> Option<usize> {
    match value {
        None | Some(Value::Null) => Some(0),
        Some(Value::String(text)) => Some(text.chars().count()),
        Some(Value::Array(items)) => Some(items.len()),
        Some(Value::Object(members)) => Some(members.len()),
        Some(_) => None,
    }
}

fn number(want: &Value) -> Option<usize> {
    want.as_i64().and_then(|n| usize::try_from(n).ok())
}

fn truth(want: &Value) -> bool {
    want.as_bool() == Some(true)
}

fn has_type(value: &Value, name: &str) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(_) => name == "boolean",
        Value::Number(n) => name == "number" || (name == "integer" && (n.is_i64() || n.is_u64())),
        Value::String(_) => name == "string",
        Value::Array(_) => name == "array",
        Value::Object(_) => name == "object",
    }
}

fn show(value: Option<&Value>) -> String {
    let Some(value) = value else { return "nothing".into() };
    let text = serde_json::to_string(value).unwrap_or_default();
    if text.chars().count() < 160 { text } else { text.chars().take(157).chain("...".chars()).collect() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn passes(document: &serde_json::Value, checks: serde_json::Value) -> bool {
        check(&document.clone().into(), &checks.into()).is_ok()
    }

    #[test]
    fn pointers_find_values() {
        let document = json!({
            "Name": {"a/b": 1},
            "urn:x:2.0:User": {"n": "y"},
            "emails": [{"type": "home", "value": "h"}, {"type": "Work", "value": "w", "primary": true}],
        });
        for (pointer, value) in [
            ("/name/a~1b", json!(1)),
            ("/urn:x:2.0:User/n", json!("y")),
            ("/emails/0/type", json!("home")),
            ("/emails/[type=work]/value", json!("w")),
            ("/emails/[primary=true]/value", json!("w")),
            ("/emails/[*]/value", json!(["h", "w"])),
            ("/emails/[*]/primary", json!([true])),
        ] {
            assert!(passes(&document, json!({"pointer": pointer, "equals": value})), "{pointer}");
        }
        for pointer in ["/x", "/emails/2", "/emails/[type=fax]", "/emails/x", "/name/[*]", "/name/a~1b/c"] {
            assert!(
                passes(&document, json!({"pointer": pointer, "absent": true, "exists": false})),
                "{pointer}"
            );
        }
    }

    #[test]
    fn each_kind_of_check_can_pass_and_fail() {
        let document = json!({
            "s": "Hello", "n": 2, "b": true, "empty": [], "none": null, "o": {}, "text": "",
            "list": [1, 2], "objects": [{"a": 1, "b": {"c": 2}}],
        });
        for (pointer, good, bad) in [
            ("/s", json!({"equals": "Hello"}), json!({"equals": "hello"})),
            ("/n", json!({"equals": 2.0}), json!({"equals": 3})),
            ("/b", json!({"equals": true}), json!({"equals": 1})),
            ("/s", json!({"not_equals": "x"}), json!({"not_equals": "Hello"})),
            ("/s", json!({"iequals": "hELLO"}), json!({"iequals": "hell"})),
            ("/s", json!({"exists": true}), json!({"exists": false})),
            ("/none", json!({"exists": false}), json!({"exists": true})),
            ("/empty", json!({"absent": true}), json!({"absent": false})),
            ("/o", json!({"absent": true}), json!({"absent": false})),
            ("/none", json!({"absent": true}), json!({"absent": false})),
            ("/n", json!({"absent": false}), json!({"absent": true})),
            ("/text", json!({"absent": false}), json!({"absent": true})),
            ("/list", json!({"absent": false}), json!({"absent": true})),
            ("/s", json!({"contains": "ELL"}), json!({"contains": "x"})),
            ("/list", json!({"contains": 2}), json!({"contains": 3})),
            ("/objects", json!({"contains": {"b": {"c": 2}}}), json!({"contains": {"a": 2}})),
            ("/list", json!({"not_contains": 3}), json!({"not_contains": 1})),
            ("/list", json!({"length": 2}), json!({"length": 1})),
            ("/none", json!({"length": 0}), json!({"length": 1})),
            ("/text", json!({"min_length": 0}), json!({"min_length": 1})),
            ("/list", json!({"min_length": 2}), json!({"min_length": 3})),
            ("/n", json!({"type": "integer"}), json!({"type": "boolean"})),
            ("/b", json!({"type": "boolean"}), json!({"type": "number"})),
            ("/s", json!({"matches": "^Hel+o$"}), json!({"matches": "^x"})),
            ("/list", json!({"unordered": [2, 1]}), json!({"unordered": [1, 1]})),
        ] {
            let with = |check: &serde_json::Value| {
                let mut check = check.clone();
                check["pointer"] = json!(pointer);
                check
            };
            assert!(passes(&document, with(&good)), "{pointer} {good}");
            assert!(!passes(&document, with(&bad)), "{pointer} {bad}");
        }
        assert!(!passes(&document, json!({"pointer": "/s", "unheard": 1})), "an unknown check fails");
    }
}
