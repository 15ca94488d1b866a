//! What a projection shows of a resource: written out as it is read, or copied.

use std::ops::Range;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Named, References, Rule};
use crate::json::append_json;
use crate::reference::absolute;
use crate::resource::{Resource, Unread};
use crate::value::{Object, Value};

/// What a [`Projection`](crate::Projection) shows of a resource; see [`Projection::show`](crate::Projection::show).
#[derive(Clone, Copy, Debug)]
pub struct Shown<'s> {
    resource: &'s Resource,
    rules: &'s Named<Rule>,
    base: &'s str,
}

impl<'s> Shown<'s> {
    pub(super) fn new(resource: &'s Resource, rules: &'s Named<Rule>, base: &'s str) -> Self {
        Self { resource, rules, base }
    }

    /// Writes the JSON text behind another one. Of a resource that is still text, most is copied.
    pub fn write_json(&self, text: &mut String) {
        match self.resource.unread() {
            Some(unread) => self.write_unread(unread, text),
            None => append(text, self),
        }
    }

    fn write_unread(&self, unread: &Unread, text: &mut String) {
        let Self { rules, base, .. } = *self;
        text.push('{');
        let empty = text.len();
        let mut rules = Rules::new(rules);
        // What is shown as it stands, from where to where; the next one mostly follows it.
        let mut whole = 0..0;
        for member in unread.members() {
            let rule = rules.of(member.name);
            if let Some(Rule::Whole(References::Nowhere)) = rule {
                match member.place {
                    Some(place) if whole.is_empty() => whole = place,
                    Some(place) => whole.end = place.end,
                    None => {
                        copy_part(unread, std::mem::take(&mut whole), empty, text);
                        separate(empty, text);
                        append(text, member.name);
                        text.push(':');
                        text.push_str(member.value);
                    }
                }
                continue;
            }
            copy_part(unread, std::mem::take(&mut whole), empty, text);
            if let Some(rule) = rule {
                let value = member.read();
                append_member(member.name, &Part { value: &value, rule, base }, empty, text);
            }
        }
        copy_part(unread, whole, empty, text);
        for (name, value) in unread.beside().iter() {
            if let Some(rule) = rules.of(name) {
                append_member(name, &Part { value, rule, base }, empty, text);
            }
        }
        text.push('}');
    }
}

/// Members in one piece, into an object which began where `empty` says.
fn copy_part(unread: &Unread, part: Range<usize>, empty: usize, text: &mut String) {
    if !part.is_empty() {
        separate(empty, text);
        text.push_str(unread.part(part));
    }
}

/// A member, if something of it is shown.
fn append_member(name: &str, part: &Part<'_>, empty: usize, text: &mut String) {
    if is_shown(part.value, part.rule) {
        separate(empty, text);
        append(text, name);
        text.push(':');
        append(text, part);
    }
}

fn separate(empty: usize, text: &mut String) {
    if text.len() > empty {
        text.push(',');
    }
}

fn append<T: Serialize + ?Sized>(text: &mut String, value: &T) {
    // Values have no map that JSON can't have.
    let _ = append_json(text, value);
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { resource, rules, base } = *self;
        Parts { object: resource.attributes(), rules, base }.serialize(serializer)
    }
}

/// An object of which the members that have a rule are shown.
struct Parts<'s> {
    object: &'s Object,
    rules: &'s Named<Rule>,
    base: &'s str,
}

impl Serialize for Parts<'_> {
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
    let mut rules = Rules::new(rules);
    object.iter().filter_map(move |(name, value)| {
        let rule = rules.of(name)?;
        is_shown(value, rule).then_some((name, value, rule))
    })
}

/// Finds the rules of members that are mostly in the order of the schemas, as the rules are.
struct Rules<'s> {
    rules: &'s Named<Rule>,
    next: usize,
}

impl<'s> Rules<'s> {
    fn new(rules: &'s Named<Rule>) -> Self {
        Self { rules, next: 0 }
    }

    #[inline]
    fn of(&mut self, name: &str) -> Option<&'s Rule> {
        let (before, behind) = self.rules.split_at_checked(self.next)?;
        let behind = (self.next..).zip(behind);
        let (at, (_, rule)) = behind.chain((0..).zip(before)).find(|(_, (known, _))| known == name)?;
        self.next = at + 1;
        Some(rule)
    }
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
                Parts { object, rules, base }.serialize(serializer)
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
