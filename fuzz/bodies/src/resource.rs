//! JSON, and resources in it.

use scim_schema::{
    Dialect, Intent, JsonLimits, Object, ReadOptions, Report, Resource, ResourceType, Value, parse_json, read,
};

use crate::{LONGEST_MESSAGE, resource_type};

/// JSON survives a round trip, with every number as exact as it can be; no object has a name twice; limits hold. What is
/// accepted as a resource has attributes of its schema only, and is canonical: reading it again changes nothing.
pub fn resource_json(data: &[u8]) {
    let limits = JsonLimits::default();
    let value = match parse_json(data, limits) {
        Ok(value) => value,
        Err(error) => {
            assert!(error.to_string().len() <= LONGEST_MESSAGE);
            return;
        }
    };
    let written = serde_json::to_vec(&value).expect("a value can be written");
    assert_eq!(value, parse_json(&written, limits).expect("what was written can be read"));
    serde_json::from_slice::<serde_json::Value>(data).expect("we accept no more than JSON");
    check_contents(data, &value, limits);

    for dialect in [Dialect::strict(), Dialect::default()] {
        for name in ["User", "Group"] {
            let target = resource_type(name);
            let read_as = |value: Value| {
                let options = ReadOptions::new(&dialect);
                read(value, target, Intent::Create, &options, &mut Report::default())
            };
            match read_as(value.clone()) {
                Ok(resource) => {
                    check_known(target, &resource);
                    let canonical = Value::Object(resource.attributes().clone());
                    let again = read_as(canonical.clone()).expect("a canonical resource is valid");
                    assert_eq!(canonical, Value::Object(again.into_attributes()));
                }
                Err(violation) => assert!(violation.reason().len() <= LONGEST_MESSAGE),
            }
        }
    }
}

/// Compares a value with the tokens of its text.
fn check_contents(text: &[u8], value: &Value, limits: JsonLimits) {
    let mut seen = Seen::default();
    let mut open = vec![(value, 1)];
    while let Some((value, depth)) = open.pop() {
        seen.nodes += 1;
        match value {
            Value::Number(number) => seen.numbers.push(number.to_string()),
            Value::Array(values) => {
                assert!(depth <= limits.depth);
                open.extend(values.iter().rev().map(|value| (value, depth + 1)));
            }
            Value::Object(object) => {
                assert!(depth <= limits.depth);
                seen.names += object.len();
                check_names(object);
                let values: Vec<_> = object.iter().map(|(_, value)| (value, depth + 1)).collect();
                open.extend(values.into_iter().rev());
            }
            Value::Null | Value::Bool(_) | Value::String(_) => {}
        }
    }
    assert!(seen.nodes <= limits.nodes);
    let tokens = Tokens::of(text);
    assert_eq!(seen.names, tokens.colons, "a member was lost");
    assert_eq!(seen.numbers.len(), tokens.numbers.len());
    for (read, written) in seen.numbers.iter().zip(tokens.numbers) {
        check_number(read, written);
    }
}

#[derive(Default)]
struct Seen {
    nodes: usize,
    names: usize,
    numbers: Vec<String>,
}

fn check_names(object: &Object) {
    let mut names: Vec<&str> = object.keys().collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), object.len(), "a name twice");
}

/// A whole number of 64 bits keeps every digit, any other number is the nearest one there is, and what is larger than all
/// is refused.
fn check_number(read: &str, written: &str) {
    // A minus zero is not a whole number.
    if written != "-0" && (written.parse::<u64>().is_ok() || written.parse::<i64>().is_ok()) {
        assert_eq!(read, written);
        return;
    }
    let nearest: f64 = written.parse().expect("a number of JSON is one of Rust");
    assert!(nearest.is_finite(), "a number out of range was accepted");
    assert_eq!(read.parse::<f64>().map(f64::to_bits), Ok(nearest.to_bits()), "{read} for {written}");
}

/// What can be told of valid JSON without a parser.
#[derive(Default)]
struct Tokens<'t> {
    /// Outside of strings: one for each member of an object.
    colons: usize,
    numbers: Vec<&'t str>,
}

impl<'t> Tokens<'t> {
    fn of(text: &'t [u8]) -> Self {
        let mut tokens = Self::default();
        let mut at = 0;
        while let Some(byte) = text.get(at) {
            let is_number = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
            match byte {
                b'"' => {
                    at += 1;
                    while text.get(at).is_some_and(|byte| *byte != b'"') {
                        at += if text.get(at) == Some(&b'\\') { 2 } else { 1 };
                    }
                }
                b':' => tokens.colons += 1,
                b'-' | b'0'..=b'9' => {
                    let length = text[at..].iter().position(|byte| !is_number(byte));
                    let end = length.map_or(text.len(), |length| at + length);
                    tokens.numbers.push(std::str::from_utf8(&text[at..end]).expect("digits are ASCII"));
                    at = end - 1;
                }
                _ => {}
            }
            at += 1;
        }
        tokens
    }
}

/// Every name in a resource is one of its schemas.
fn check_known(target: &ResourceType, resource: &Resource) {
    for (name, value) in resource.attributes().iter() {
        match target.extension(name) {
            Some(extension) => {
                for inner in value.as_object().expect("an extension is an object").keys() {
                    let known = extension.schema().attributes().iter().any(|a| a.name() == inner);
                    assert!(known, "an unknown attribute of an extension was kept");
                }
            }
            None => assert!(target.attribute(name).is_some(), "an unknown attribute was kept"),
        }
    }
}
