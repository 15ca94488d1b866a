//! A resource that is still the text that a store kept.

use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::json::{ROOM, append_json};
use crate::value::{Object, Value};

/// The JSON text of a resource's own attributes, and attributes that were set beside it since.
#[derive(Clone)]
pub(crate) struct Unread {
    text: Arc<str>,
    members: Arc<[Member]>,
    /// None of them is in the text.
    beside: Object,
    /// All together, once somebody has asked for it.
    read: OnceLock<Object>,
}

/// Where a member's name and value are in the text, without the quotation marks of the name.
#[derive(Clone, Copy)]
struct Member {
    name: (u32, u32),
    value: (u32, u32),
}

/// A member as it is written.
#[derive(Clone, Copy)]
pub(crate) struct Written<'t> {
    pub(crate) name: &'t str,
    /// The text of its value.
    pub(crate) value: &'t str,
    /// Where all of it begins and ends, for [`Unread::part`].
    pub(crate) from: usize,
    pub(crate) to: usize,
}

impl Written<'_> {
    /// The value. What it can't be is an object that has one name twice, which no resource in canonical form
    /// has: that is nothing.
    pub(crate) fn read(&self) -> Value {
        serde_json::from_str(self.value).unwrap_or_default()
    }
}

impl Unread {
    /// Checks that the text is an object in JSON.
    pub(super) fn new(text: Arc<str>) -> Result<Self, serde_json::Error> {
        let mut reader = serde_json::Deserializer::from_str(&text);
        let members = reader.deserialize_map(Members { text: &text })?;
        reader.end()?;
        Ok(Self { members: members.into(), text, beside: Object::new(), read: OnceLock::new() })
    }

    /// The text of attributes. `None` where it could not be told from another one.
    pub(super) fn of(attributes: &Object) -> Option<Self> {
        let mut text = String::with_capacity(ROOM);
        text.push('{');
        let mut members = Vec::with_capacity(attributes.len());
        for (name, value) in attributes.iter() {
            if !members.is_empty() {
                text.push(',');
            }
            let from = text.len() + 1;
            append_json(&mut text, name).ok()?;
            let name_end = text.len() - 1;
            // A name with escapes can't be looked for.
            (text.get(from..name_end) == Some(name)).then_some(())?;
            text.push(':');
            let value_from = text.len();
            append_json(&mut text, value).ok()?;
            let places = [from, name_end, value_from, text.len()].map(u32::try_from);
            let [Ok(from), Ok(name_end), Ok(value_from), Ok(to)] = places else { return None };
            members.push(Member { name: (from, name_end), value: (value_from, to) });
        }
        text.push('}');
        let read = OnceLock::from(attributes.clone());
        Some(Self { text: text.into(), members: members.into(), beside: Object::new(), read })
    }

    /// Keeps no values of what is text.
    pub(super) fn forget(&mut self) {
        self.read = OnceLock::new();
    }

    /// The text, without what was set beside it.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The members of the text.
    pub(crate) fn members(&self) -> impl Iterator<Item = Written<'_>> {
        self.members.iter().map(|Member { name, value }| Written {
            name: self.part(name.0 as usize, name.1 as usize),
            value: self.part(value.0 as usize, value.1 as usize),
            from: (name.0 as usize).saturating_sub(1),
            to: value.1 as usize,
        })
    }

    /// A part of the text.
    pub(crate) fn part(&self, from: usize, to: usize) -> &str {
        self.text.get(from..to).unwrap_or_default()
    }

    /// The member of that name, if it is in the text.
    pub(super) fn find(&self, name: &str) -> Option<Written<'_>> {
        self.members().find(|member| member.name == name)
    }

    /// What was set beside the text.
    pub(crate) fn beside(&self) -> &Object {
        &self.beside
    }

    /// To set what is not in the text.
    pub(super) fn beside_mut(&mut self) -> &mut Object {
        self.read = OnceLock::new();
        &mut self.beside
    }

    pub(super) fn read(&self) -> &Object {
        self.read.get_or_init(|| self.all())
    }

    pub(super) fn into_read(mut self) -> Object {
        self.read.take().unwrap_or_else(|| self.all())
    }

    fn all(&self) -> Object {
        // In one go, unless some part can't be read: then without that part.
        let Ok(Value::Object(mut attributes)) = serde_json::from_str(&self.text) else {
            return self.only(|_| true);
        };
        for (name, value) in self.beside.iter() {
            attributes.push(name, value.clone());
        }
        attributes
    }

    /// The attributes for which `wanted` says so.
    pub(super) fn only(&self, wanted: impl Fn(&str) -> bool) -> Object {
        let mut attributes = Object::new();
        for member in self.members().filter(|member| wanted(member.name)) {
            attributes.push(member.name, member.read());
        }
        for (name, value) in self.beside.iter().filter(|(name, _)| wanted(name)) {
            attributes.push(name, value.clone());
        }
        attributes
    }
}

/// Reads where the members are.
struct Members<'t> {
    text: &'t str,
}

impl<'t> Visitor<'t> for Members<'t> {
    type Value = Vec<Member>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Vec<Member>, A::Error> {
        let place = |part: &str| {
            let from = part.as_ptr().addr().wrapping_sub(self.text.as_ptr().addr());
            let from = u32::try_from(from).map_err(A::Error::custom)?;
            let to = u32::try_from(part.len()).ok().and_then(|length| from.checked_add(length));
            Ok((from, to.ok_or_else(|| A::Error::custom("the text is too long"))?))
        };
        let mut members = Vec::with_capacity(32);
        // A name with escapes is not borrowed: an error. No schema has one.
        while let Some((name, value)) = map.next_entry::<&'t str, &'t RawValue>()? {
            members.push(Member { name: place(name)?, value: place(value.get())? });
        }
        Ok(members)
    }
}
