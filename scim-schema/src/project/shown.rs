//! What a projection shows of a resource: written out as it is read, or copied.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Named, References, Rule};
use crate::reference::absolute;
use crate::value::{Object, Value};

/// What a [`Projection`](crate::Projection) shows of a resource; see [`Projection::show`](crate::Projection::show).
#[derive(Clone, Copy, Debug)]
pub struct Shown<'s> {
    object: &'s Object,
    rules: &'s Named<Rule>,
    base: &'s str,
}

impl<'s> Shown<'s> {
    pub(super) fn new(object: &'s Object, rules: &'s Named<Rule>, base: &'s str) -> Self {
        Self { object, rules, base }
    }
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value, rule) in members(self.object, self.rules) {
            match rule {
                Rule::Whole(References::Nowhere) => map.serialize_entry(name, value)?,
                rule => map.serialize_entry(name, &Part { value, rule, base: self.base })?,
            }
        }
        map.end()
    }
}

/// The shown attributes of a resource as a value of its own.
pub(super) fn copy(object: &Object, rules: &Named<Rule>) -> Object {
    let mut shown = Object::with_capacity(object.len());
    for (name, value, rule) in members(object, rules) {
        shown.push(name, copy_value(value, rule));
    }
    shown
}

fn copy_value(value: &Value, rule: &Rule) -> Value {
    match (rule, value) {
        (Rule::Whole(_), _) => value.clone(),
        (Rule::Parts(rules), Value::Object(object)) => copy(object, rules).into(),
        (Rule::Parts(_), _) => {
            items(value, rule).map(|item| copy_value(item, rule)).collect::<Vec<_>>().into()
        }
    }
}

/// The members that are shown, in the object's order.
fn members<'s>(
    object: &'s Object,
    rules: &'s Named<Rule>,
) -> impl Iterator<Item = (&'s str, &'s Value, &'s Rule)> {
    // Resources are in the order of the schemas, and so are the rules: the next one is near.
    let mut next = 0;
    object.iter().filter_map(move |(name, value)| {
        let (before, behind) = rules.split_at_checked(next)?;
        let (at, (_, rule)) =
            (next..).zip(behind).chain((0..).zip(before)).find(|(_, (candidate, _))| candidate == name)?;
        next = at + 1;
        is_shown(value, rule).then_some((name, value, rule))
    })
}

/// The values of a list of which something is shown.
fn items<'s>(value: &'s Value, rule: &'s Rule) -> impl Iterator<Item = &'s Value> {
    value.as_array().unwrap_or_default().iter().filter(|item| is_shown(item, rule))
}

/// Whether something is left of a value.
fn is_shown(value: &Value, rule: &Rule) -> bool {
    match (rule, value) {
        (Rule::Whole(_), _) => !value.is_unassigned(),
        (Rule::Parts(rules), Value::Object(object)) => members(object, rules).next().is_some(),
        (Rule::Parts(_), _) => items(value, rule).next().is_some(),
    }
}

/// One value of which something is shown.
struct Part<'s> {
    value: &'s Value,
    rule: &'s Rule,
    base: &'s str,
}

impl Serialize for Part<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { value, rule, base } = *self;
        match (rule, value) {
            (Rule::Whole(references), _) => Whole { value, references, base }.serialize(serializer),
            (Rule::Parts(rules), Value::Object(object)) => {
                Shown { object, rules, base }.serialize(serializer)
            }
            (Rule::Parts(_), _) => {
                serializer.collect_seq(items(value, rule).map(|value| Part { value, rule, base }))
            }
        }
    }
}

/// All of a value, references made absolute.
struct Whole<'s> {
    value: &'s Value,
    references: &'s References,
    base: &'s str,
}

impl Serialize for Whole<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { value, references, base } = *self;
        match (references, value) {
            (References::Here, Value::String(text)) => serializer.serialize_str(&absolute(base, text)),
            (References::Here | References::Parts(_), Value::Array(items)) => {
                serializer.collect_seq(items.iter().map(|value| Whole { value, references, base }))
            }
            (References::Parts(parts), Value::Object(object)) => {
                serializer.collect_map(object.iter().map(|(name, value)| {
                    let found = parts.iter().find(|(part, _)| part == name);
                    let references = found.map_or(&References::Nowhere, |(_, references)| references);
                    (name, Whole { value, references, base })
                }))
            }
            _ => value.serialize(serializer),
        }
    }
}
