//! A resource that is still the text that a store kept.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use compact_str::CompactString;
use ecow::EcoVec;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::json::append_json;
use crate::value::{Object, Value};

/// How much room a text begins with, in bytes: few resources are longer.
const ROOM: usize = 4096;

/// So many members may have another value than the text says. Each is looked for among the others.
const MAX_EDITS: usize = 8;

/// The JSON text of a resource's own attributes, what became of some of them since, and attributes that were set
/// beside it.
#[derive(Clone)]
pub(crate) struct Unread {
    text: Arc<str>,
    members: Arc<[Member]>,
    /// Members that have another value by now: their place among the members, and the value's text.
    edits: EcoVec<(usize, CompactString)>,
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
#[derive(Clone)]
pub(crate) struct Written<'t> {
    pub(crate) name: &'t str,
    /// The text of its value.
    pub(crate) value: &'t str,
    /// Where all of it is, for [`Unread::part`], if it is as the text says.
    pub(crate) place: Option<Range<usize>>,
}

impl Written<'_> {
    /// The value. What it can't be is an object that has one name twice, which no resource in canonical form
    /// has: that is nothing.
    pub(crate) fn read(&self) -> Value {
        serde_json::from_str(self.value).unwrap_or_default()
    }
}

/// A text while it is written.
struct Draft {
    text: String,
    members: Vec<Member>,
}

impl Draft {
    fn new(room: usize, members: usize) -> Self {
        let mut text = String::with_capacity(room);
        text.push('{');
        Self { text, members: Vec::with_capacity(members) }
    }

    /// Adds a member. `None` where it could not be told from another one.
    fn push(&mut self, name: &str, value: impl FnOnce(&mut String) -> Option<()>) -> Option<()> {
        let text = &mut self.text;
        if !self.members.is_empty() {
            text.push(',');
        }
        let from = text.len() + 1;
        append_json(text, name).ok()?;
        let name_end = text.len() - 1;
        // A name with escapes can't be looked for.
        (text.get(from..name_end) == Some(name)).then_some(())?;
        text.push(':');
        let value_from = text.len();
        value(text)?;
        let places = [from, name_end, value_from, text.len()].map(u32::try_from);
        let [Ok(from), Ok(name_end), Ok(value_from), Ok(to)] = places else { return None };
        self.members.push(Member { name: (from, name_end), value: (value_from, to) });
        Some(())
    }

    fn push_value(&mut self, name: &str, value: &Value) -> Option<()> {
        self.push(name, |text| append_json(text, value).ok())
    }

    fn push_written(&mut self, member: &Written<'_>) -> Option<()> {
        self.push(member.name, |text| {
            text.push_str(member.value);
            Some(())
        })
    }

    fn into_text(mut self) -> String {
        self.text.push('}');
        self.text
    }

    fn finish(mut self) -> (Arc<str>, Arc<[Member]>) {
        let members = std::mem::take(&mut self.members);
        (self.into_text().into(), members.into())
    }
}

impl Unread {
    /// Checks that the text is an object in JSON.
    pub(super) fn new(text: Arc<str>) -> Result<Self, serde_json::Error> {
        let mut reader = serde_json::Deserializer::from_str(&text);
        let members = reader.deserialize_map(Members { text: &text })?;
        reader.end()?;
        Ok(Self::of_parts(text, members.into()))
    }

    fn of_parts(text: Arc<str>, members: Arc<[Member]>) -> Self {
        Self { text, members, edits: EcoVec::new(), beside: Object::new(), read: OnceLock::new() }
    }

    /// The text of attributes. `None` where it could not be told from another one.
    pub(super) fn of(attributes: &Object) -> Option<Self> {
        let mut draft = Draft::new(ROOM, attributes.len());
        for (name, value) in attributes.iter() {
            draft.push_value(name, value)?;
        }
        let (text, members) = draft.finish();
        Some(Self { read: OnceLock::from(attributes.clone()), ..Self::of_parts(text, members) })
    }

    /// Keeps no values of what is text.
    pub(super) fn forget(&mut self) {
        self.read = OnceLock::new();
    }

    /// Whether all values have been made of the text.
    pub(super) fn is_read(&self) -> bool {
        self.read.get().is_some()
    }

    /// The text of all attributes. `None` where one could not be told from another.
    pub(super) fn text(&self) -> Option<Cow<'_, str>> {
        if self.edits.is_empty() && self.beside.is_empty() {
            return Some((&*self.text).into());
        }
        let mut draft = self.draft(|_| true)?;
        for (name, value) in self.beside.iter() {
            draft.push_value(name, value)?;
        }
        Some(draft.into_text().into())
    }

    /// What is text, written anew.
    fn draft(&self, stays: impl Fn(&str) -> bool) -> Option<Draft> {
        let mut draft = Draft::new(self.text.len() + ROOM / 4, self.members.len());
        for member in self.members().filter(|member| stays(member.name)) {
            draft.push_written(&member)?;
        }
        Some(draft)
    }

    /// The members that are text.
    pub(crate) fn members(&self) -> impl Iterator<Item = Written<'_>> {
        (0..self.members.len()).filter_map(|at| self.member(at))
    }

    fn member(&self, at: usize) -> Option<Written<'_>> {
        let Member { name, value } = *self.members.get(at)?;
        let (name, value) = (name.0 as usize..name.1 as usize, value.0 as usize..value.1 as usize);
        let place = name.start.saturating_sub(1)..value.end;
        let edit = self.edits.iter().find(|(edited, _)| *edited == at);
        Some(Written {
            name: self.part(name),
            value: edit.map_or_else(|| self.part(value), |(_, value)| value),
            place: edit.is_none().then_some(place),
        })
    }

    /// A part of the text.
    pub(crate) fn part(&self, part: Range<usize>) -> &str {
        self.text.get(part).unwrap_or_default()
    }

    /// The names of the members that are text.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| self.part(member.name.0 as usize..member.name.1 as usize))
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.names().position(|known| known == name)
    }

    /// Whether a member of that name is text.
    pub(super) fn has(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    /// The member of that name, if it is text.
    pub(super) fn find(&self, name: &str) -> Option<Written<'_>> {
        self.member(self.position(name)?)
    }

    /// Gives attributes other values, or takes them away; what is new stands behind the text. Members that stay
    /// as they are need not be read, nor copied where others only get another value. `None` where a new one
    /// could not be told from another: then nothing has changed.
    pub(super) fn edit(&mut self, changes: &[(&str, Option<Value>)]) -> Option<()> {
        let mut edited = Self { read: OnceLock::new(), ..self.clone() };
        let (mut gone, mut new) = (Vec::new(), Vec::new());
        for (name, value) in changes {
            match (edited.position(name), value) {
                (Some(at), Some(value)) => {
                    let mut text = String::new();
                    append_json(&mut text, value).ok()?;
                    edited.edits.retain(|(edited, _)| *edited != at);
                    edited.edits.push((at, text.into()));
                }
                (Some(_), None) => gone.push(*name),
                (None, Some(value)) if edited.beside.contains(name) => {
                    edited.beside.insert(name, value.clone());
                }
                (None, Some(value)) => new.push((*name, value)),
                (None, None) => drop(edited.beside.remove(name)),
            }
        }
        if !gone.is_empty() || !new.is_empty() || edited.is_worn() {
            let mut draft = edited.draft(|name| !gone.contains(&name))?;
            for (name, value) in new {
                draft.push_value(name, value)?;
            }
            let (text, members) = draft.finish();
            edited = Self { beside: edited.beside, ..Self::of_parts(text, members) };
        }
        *self = edited;
        Some(())
    }

    /// Whether it takes too long to look for edits, or much of the text is kept for nothing.
    fn is_worn(&self) -> bool {
        let length =
            |at: &usize| self.members.get(*at).map_or(0, |member| (member.value.1 - member.value.0) as usize);
        let stale: usize = self.edits.iter().map(|(at, _)| length(at)).sum();
        self.edits.len() > MAX_EDITS || stale > self.text.len() / 2
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
        for edited in self.edits.iter().filter_map(|(at, _)| self.member(*at)) {
            if let Some(value) = attributes.get_mut(edited.name) {
                *value = edited.read();
            }
        }
        for (name, value) in self.beside.iter() {
            attributes.push(name, value.clone());
        }
        attributes
    }

    /// The attributes for which `wanted` says so.
    pub(super) fn only(&self, wanted: impl Fn(&str) -> bool) -> Object {
        let mut attributes = Object::new();
        let found = (0..).zip(self.names()).filter(|(_, name)| wanted(name));
        for member in found.filter_map(|(at, _)| self.member(at)) {
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
