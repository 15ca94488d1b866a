//! A list being edited, step by step, without looking at all of it each time.

use std::borrow::Cow;
use std::collections::HashMap;

use scim_schema::{Array, Attribute, Located, Object, Value, referenced_id};

use super::Budget;
use super::element::{edit_part, sets_primary};
use crate::compare::{contains, is_primary, key, key_definition, key_of, same_type, text_key};
use crate::error::{PatchError, PatchErrorKind};
use crate::step::{ElementChange, Listed, Part, PartEdit, Selection};

/// The values of a multi-valued attribute, or the one of a singular complex attribute.
///
/// Removed values leave a hole, so that places stay what they are. From the second look-up by key on, a
/// long list has an index from keys to places. It may hold places whose key has changed since; each find
/// is checked against the value.
pub(super) struct List<'p> {
    located: Located<'p>,
    /// Whether the values are members, which are the same whenever their ids are.
    members: bool,
    limit: usize,
    places: Vec<Option<Value>>,
    live: usize,
    lookups: usize,
    index: Option<HashMap<String, Vec<usize>>>,
    /// Places whose value was made primary by the present step.
    primaries: Vec<usize>,
    had_values: bool,
}

/// Shorter lists are looked through.
const INDEXED: usize = 32;

impl<'p> List<'p> {
    pub(super) fn new(located: Located<'p>, value: Option<Value>, members: bool, limit: usize) -> Self {
        let values = match value {
            Some(Value::Array(values)) => values,
            Some(Value::Null) | None => Array::new(),
            Some(single) => Array::from_iter([single]),
        };
        Self {
            located,
            members,
            limit,
            live: values.len(),
            had_values: !values.is_empty(),
            places: values.into_iter().map(Some).collect(),
            lookups: 0,
            index: None,
            primaries: Vec::new(),
        }
    }

    pub(super) fn is_of(&self, located: &Located<'_>) -> bool {
        std::ptr::eq(self.located.attribute, located.attribute)
    }

    pub(super) fn located(&self) -> Located<'p> {
        self.located
    }

    pub(super) fn is_empty(&self) -> bool {
        self.live == 0
    }

    pub(super) fn into_value(self) -> Option<Value> {
        let mut values = self.places.into_iter().flatten();
        if !self.located.attribute.multi_valued() {
            return values.next();
        }
        (self.live > 0).then(|| Value::Array(values.collect()))
    }

    /// What holds after each step: at most one value was made primary, and the others lose the mark;
    /// required attributes keep a value; the list is within its limit.
    pub(super) fn check(&mut self, budget: &mut Budget) -> Result<(), PatchError> {
        let primaries = std::mem::take(&mut self.primaries);
        if let Some(chosen) = primaries.first() {
            if primaries.iter().any(|other| other != chosen) {
                return Err(self.error(PatchErrorKind::InvalidValue, "at most one value can be primary"));
            }
            budget.spend(self.places.len())?;
            for (place, value) in self.places.iter_mut().enumerate() {
                if place != *chosen
                    && let Some(value) = value.as_mut().filter(|v| is_primary(v))
                    && let Some(object) = value.as_object_mut()
                {
                    object.insert("primary", false);
                }
            }
        }
        if self.live == 0 && self.had_values && self.attribute().required() {
            return Err(self.error(PatchErrorKind::Mutability, "a required value can't be taken away"));
        }
        self.had_values |= self.live > 0;
        if self.live > self.limit {
            return Err(self.error(PatchErrorKind::TooLarge, &format!("has more than {} values", self.limit)));
        }
        Ok(())
    }

    /// Adds values that are not there yet. One that is there by `value` and `type` gains what else is
    /// given (ledger choices `add-same-member`, `add-merge-same-value`, `add-subset`).
    pub(super) fn append(&mut self, values: &[Value], budget: &mut Budget) -> Result<(), PatchError> {
        let attribute = self.attribute();
        for value in values {
            let candidates = match self.keys().of(value) {
                Some(key) => {
                    let known = self.lookup(&key, budget)?;
                    if self.members && !known.is_empty() {
                        continue;
                    }
                    known
                }
                None => {
                    budget.spend(self.places.len())?;
                    (0..self.places.len()).collect()
                }
            };
            let has = |place: &&usize| self.get(**place).is_some_and(|v| contains(attribute, v, value));
            if let Some(place) = candidates.iter().find(has).copied() {
                if is_primary(value) {
                    self.primaries.push(place);
                }
                continue;
            }
            let keyed = attribute.is_complex() && self.keys().of(value).is_some();
            let same = |place: &&usize| {
                keyed && self.get(**place).is_some_and(|present| same_type(attribute, present, value))
            };
            match candidates.iter().find(same).copied() {
                Some(place) => self.merge_whole(place, value)?,
                None => self.push(value.clone()),
            }
        }
        Ok(())
    }

    /// Adds a value that a filter did not find; it may be there all the same, without what the filter asks for.
    pub(super) fn create(&mut self, value: &Value, budget: &mut Budget) -> Result<(), PatchError> {
        if self.live > 0 && !self.attribute().multi_valued() {
            return Err(self.error(PatchErrorKind::NoTarget, "the path selects no value"));
        }
        self.append(std::slice::from_ref(value), budget)
    }

    pub(super) fn remove_listed(&mut self, listed: &[Listed], budget: &mut Budget) -> Result<(), PatchError> {
        for item in listed {
            let found = match item {
                Listed::Value(value) => {
                    match key_definition(self.attribute()).and_then(|definition| key(definition, value)) {
                        Some(key) => self.lookup(&key, budget)?,
                        None => Vec::new(),
                    }
                }
                Listed::Parts(given) => {
                    budget.spend(self.places.len())?;
                    let attribute = self.attribute();
                    self.places_where(|value| contains(attribute, value, given))
                }
            };
            for place in found {
                self.remove(place);
            }
        }
        Ok(())
    }

    /// Changes the selected values; says whether there were any.
    pub(super) fn select(
        &mut self,
        selection: &Selection<'_>,
        budget: &mut Budget,
    ) -> Result<bool, PatchError> {
        let selected = match (&selection.matcher, &selection.values) {
            (Some(_), Some(texts)) => {
                let attribute = self.attribute();
                let mut selected = Vec::new();
                if let Some(definition) = key_definition(attribute) {
                    for text in texts {
                        selected.extend(self.lookup(&text_key(definition, text), budget)?);
                    }
                }
                // A filter asks for `value`, whatever else gives a member its id.
                selected.retain(|place| self.get(*place).is_some_and(|v| key_of(attribute, v).is_some()));
                selected.sort_unstable();
                selected.dedup();
                selected
            }
            (matcher, _) => {
                budget.spend(self.places.len())?;
                self.places_where(|value| matcher.as_ref().is_none_or(|m| m.matches(value)))
            }
        };
        match &selection.change {
            ElementChange::Remove => selected.iter().for_each(|place| self.remove(*place)),
            ElementChange::Replace(value) => self.replace(&selected, value, budget)?,
            ElementChange::Merge(parts) => {
                for place in &selected {
                    self.merge(*place, parts)?;
                }
            }
        }
        Ok(!selected.is_empty())
    }

    /// All selected values become this one. It is there once afterwards (RFC 7643 §2.4).
    fn replace(&mut self, selected: &[usize], value: &Value, budget: &mut Budget) -> Result<(), PatchError> {
        let Some((first, rest)) = selected.split_first() else { return Ok(()) };
        if is_primary(value) && !rest.is_empty() {
            // Ledger choice `two-primaries`.
            return Err(self.error(PatchErrorKind::InvalidValue, "at most one value can be primary"));
        }
        for place in rest {
            self.remove(*place);
        }
        let attribute = self.attribute();
        if let Some(key) = self.keys().of(value) {
            for place in self.lookup(&key, budget)? {
                let same = self.members
                    || !attribute.is_complex()
                    || self.get(place).is_some_and(|present| same_type(attribute, present, value));
                if place != *first && same {
                    self.remove(place);
                }
            }
        }
        if let Some(slot) = self.places.get_mut(*first) {
            *slot = Some(value.clone());
        }
        if is_primary(value) {
            self.primaries.push(*first);
        }
        self.reindex(*first);
        Ok(())
    }

    fn merge(&mut self, place: usize, parts: &[Part<'_>]) -> Result<(), PatchError> {
        let Some(Value::Object(object)) = self.places.get_mut(place).and_then(Option::as_mut) else {
            return Ok(());
        };
        for part in parts {
            edit_part(object, part, &self.located)?;
        }
        if object.is_empty() {
            self.remove(place);
            return Ok(());
        }
        if parts.iter().any(sets_primary) {
            self.primaries.push(place);
        }
        if parts.iter().any(|p| matches!(p.sub.name(), "value" | "$ref")) {
            self.reindex(place);
        }
        Ok(())
    }

    /// A value gains the sub-attributes of another that is the same by `value` and `type`.
    fn merge_whole(&mut self, place: usize, value: &Value) -> Result<(), PatchError> {
        let attribute = self.attribute();
        let mut parts = Vec::new();
        for (name, value) in value.as_object().into_iter().flat_map(Object::iter) {
            let Some(sub) = attribute.sub_attribute(name) else { continue };
            if matches!(name, "value" | "type") {
                continue;
            }
            let edit = match value {
                Value::Array(values) => PartEdit::Append(values.clone()),
                value => PartEdit::Set(Some(value.clone())),
            };
            parts.push(Part { sub, edit });
        }
        self.merge(place, &parts)
    }

    fn keys(&self) -> Keys<'p> {
        Keys { attribute: self.attribute(), members: self.members }
    }

    fn attribute(&self) -> &'p Attribute {
        self.located.attribute
    }

    fn get(&self, place: usize) -> Option<&Value> {
        self.places.get(place)?.as_ref()
    }

    fn push(&mut self, value: Value) {
        let place = self.places.len();
        if is_primary(&value) {
            self.primaries.push(place);
        }
        self.places.push(Some(value));
        self.live += 1;
        self.reindex(place);
    }

    fn remove(&mut self, place: usize) {
        if let Some(slot) = self.places.get_mut(place)
            && slot.take().is_some()
        {
            self.live -= 1;
        }
    }

    fn places_where(&self, holds: impl Fn(&Value) -> bool) -> Vec<usize> {
        let places = self.places.iter().enumerate();
        places.filter(|(_, v)| v.as_ref().is_some_and(&holds)).map(|(place, _)| place).collect()
    }

    /// The places of values with that key, in order.
    fn lookup(&mut self, key: &str, budget: &mut Budget) -> Result<Vec<usize>, PatchError> {
        let keys = self.keys();
        self.lookups += 1;
        if self.index.is_none() && (self.places.len() <= INDEXED || self.lookups == 1) {
            budget.spend(self.places.len())?;
            return Ok(self.places_where(|value| keys.of(value).is_some_and(|k| k == key)));
        }
        if self.index.is_none() {
            budget.spend(self.places.len())?;
            let mut index: HashMap<String, Vec<usize>> = HashMap::with_capacity(self.places.len());
            for (place, value) in self.places.iter().enumerate() {
                if let Some(key) = value.as_ref().and_then(|v| keys.of(v)) {
                    index.entry(key.into_owned()).or_default().push(place);
                }
            }
            self.index = Some(index);
        }
        let mut found = self.index.as_ref().and_then(|index| index.get(key)).cloned().unwrap_or_default();
        budget.spend(found.len() + 1)?;
        found.retain(|place| self.get(*place).and_then(|v| keys.of(v)).is_some_and(|present| present == key));
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    fn reindex(&mut self, place: usize) {
        let key = self.get(place).and_then(|v| self.keys().of(v)).map(Cow::into_owned);
        if let (Some(index), Some(key)) = (&mut self.index, key) {
            index.entry(key).or_default().push(place);
        }
    }

    fn error(&self, kind: PatchErrorKind, reason: &str) -> PatchError {
        PatchError::new(kind, self.located.path(), reason)
    }
}

/// By what the values of a list are told apart.
#[derive(Clone, Copy)]
struct Keys<'p> {
    attribute: &'p Attribute,
    members: bool,
}

impl Keys<'_> {
    fn of(self, value: &Value) -> Option<Cow<'_, str>> {
        if !self.members {
            return key_of(self.attribute, value);
        }
        Some(text_key(key_definition(self.attribute)?, referenced_id(value)?))
    }
}
