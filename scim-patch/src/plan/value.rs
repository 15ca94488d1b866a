//! Values of operations, brought to the type of their target.

use scim_filter::ElementMatcher;
use scim_schema::{
    Array, Attribute, Leniency, Located, Mutability, Object, Report, Value, coerce, referenced_id,
};

use super::build::Builder;
use crate::body::Op;
use crate::error::{PatchError, PatchErrorKind};
use crate::step::{Listed, Otherwise, Part, PartEdit};

impl<'t> Builder<'t, '_, '_> {
    /// The whole value of an attribute or sub-attribute.
    pub(super) fn coerced(
        &mut self,
        value: &Value,
        located: &Located<'t>,
    ) -> Result<Option<Value>, PatchError> {
        // `[]` means unassigned like null (ledger choice `null-required`).
        if value.as_array().is_some_and(<[_]>::is_empty) && !located.leaf().multi_valued() {
            return Ok(None);
        }
        let members = located.sub.is_none() && self.is_membership(located);
        let mut value = value.clone();
        let assigned = coerce(&mut value, located, members, &self.options.read, self.report)?;
        Ok(assigned.then_some(value))
    }

    /// The values for a list; none for null, `[]` and values that are all unassigned.
    pub(super) fn coerced_list(&mut self, value: &Value, located: &Located<'t>) -> Result<Array, PatchError> {
        let list = match self.coerced(value, located)? {
            Some(Value::Array(list)) => list,
            Some(single) => Array::from_iter([single]),
            None => Array::new(),
        };
        if self.is_membership(located) && list.iter().any(|m| referenced_id(m).is_none()) {
            return Err(lacks_id(located));
        }
        Ok(list)
    }

    /// The parts of a complex value: what is not named stays, what is null goes (ledger choice
    /// `null-sub-attribute`).
    pub(super) fn parts(
        &mut self,
        op: Op,
        value: &Value,
        located: &Located<'t>,
    ) -> Result<Vec<Part<'t>>, PatchError> {
        let attribute = located.attribute;
        let from_text;
        let object = match value {
            Value::Object(object) => object,
            // Ledger choice `complex-from-string`.
            Value::String(text)
                if !attribute.multi_valued() || self.options.read.dialect.strings_as_values =>
            {
                if attribute.sub_attribute("value").is_none() {
                    return Err(not_an_object(located));
                }
                self.report.note(Leniency::Coerced, located.path());
                from_text = Object::from_iter([("value", text.clone())]);
                &from_text
            }
            _ => return Err(not_an_object(located)),
        };
        let mut parts: Vec<Part<'t>> = Vec::with_capacity(object.len());
        for (key, value) in object.iter() {
            let Some(sub) = attribute.sub_attribute(key) else {
                if self.options.read.dialect.ignore_unknown_attributes {
                    self.report.note(Leniency::AttributeIgnored, format_args!("{}.{key}", located.path()));
                    continue;
                }
                let reason = "has a sub-attribute that the schema does not define";
                return Err(PatchError::new(PatchErrorKind::InvalidValue, located.path(), reason));
            };
            let located = Located { sub: Some(sub), ..*located };
            if parts.iter().any(|p| std::ptr::eq(p.sub, sub)) {
                let reason = "is given twice, in spellings that differ by letter case only";
                return Err(PatchError::new(PatchErrorKind::InvalidValue, located.path(), reason));
            }
            // Ledger choice `read-only-sub-attribute`.
            if sub.mutability() == Mutability::ReadOnly {
                self.report.note(Leniency::ReadOnlyIgnored, located.path());
                continue;
            }
            let value = self.coerced(value, &located)?;
            parts.push(self.part(op, value, &located)?);
        }
        Ok(parts)
    }

    /// One part. `None` takes the value away, which a required sub-attribute does not allow.
    pub(super) fn part(
        &self,
        op: Op,
        value: Option<Value>,
        located: &Located<'t>,
    ) -> Result<Part<'t>, PatchError> {
        let sub = located.leaf();
        if sub.required() {
            match &value {
                None => return Err(required(located)),
                Some(Value::String(text)) if text.is_empty() => {
                    let reason = "a value is required";
                    return Err(PatchError::new(PatchErrorKind::InvalidValue, located.path(), reason));
                }
                Some(_) => {}
            }
        }
        let edit = match value {
            Some(Value::Array(values)) if op == Op::Add && sub.multi_valued() => PartEdit::Append(values),
            other => PartEdit::Set(other),
        };
        Ok(Part { sub, edit })
    }

    /// The values named by a `remove` with a value list (ledger choice `remove-with-value`): objects,
    /// texts, one or many. Sub-attributes that are null or unknown do not count.
    pub(super) fn listed(&mut self, value: &Value, located: &Located<'t>) -> Result<Vec<Listed>, PatchError> {
        let attribute = located.attribute;
        let items = match value {
            Value::Array(items) => items,
            single => std::slice::from_ref(single),
        };
        let mut listed = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Value::Null => {}
                Value::Object(object) if attribute.is_complex() => {
                    listed.extend(self.listed_object(object, located)?);
                }
                item if attribute.is_complex() => {
                    let Some(sub) = attribute.sub_attribute("value").filter(|sub| !sub.is_hidden()) else {
                        return Err(not_an_object(located));
                    };
                    let value = self.coerced(item, &Located { sub: Some(sub), ..*located })?;
                    listed.extend(value.map(Listed::Value));
                }
                item => {
                    let values = self.coerced_list(item, located)?;
                    listed.extend(values.into_iter().map(Listed::Value));
                }
            }
        }
        Ok(listed)
    }

    fn listed_object(
        &mut self,
        object: &Object,
        located: &Located<'t>,
    ) -> Result<Option<Listed>, PatchError> {
        let mut parts = Object::with_capacity(object.len());
        for (key, value) in object.iter() {
            let sub = located.attribute.sub_attribute(key).filter(|sub| !sub.is_hidden());
            let Some(sub) = sub else { continue };
            let Some(value) = self.coerced(value, &Located { sub: Some(sub), ..*located })? else { continue };
            if sub.name() == "value" {
                return Ok(Some(Listed::Value(value)));
            }
            parts.push(sub.name(), value);
        }
        if parts.is_empty() {
            return Ok(None);
        }
        let by_uri = self.is_membership(located) && parts.keys().eq(["$ref"]);
        let parts = Value::Object(parts);
        if by_uri && let Some(id) = referenced_id(&parts) {
            return Ok(Some(Listed::Value(id.into())));
        }
        Ok(Some(Listed::Parts(parts)))
    }

    /// What `add` does when its filter selects nothing (ledger choice `add-filter-no-match`), and `replace`
    /// in dialects that ask for it: a new value from the `eq` terms and what the operation gives.
    pub(super) fn create(
        &mut self,
        matcher: Option<&ElementMatcher>,
        parts: &[Part<'t>],
        located: &Located<'t>,
    ) -> Otherwise {
        let Some(terms) = matcher.and_then(ElementMatcher::eq_terms) else { return no_target(located) };
        let mut object: Object = terms.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        for part in parts {
            match &part.edit {
                PartEdit::Set(Some(value)) => drop(object.insert(part.sub.name(), value.clone())),
                PartEdit::Set(None) => drop(object.remove(part.sub.name())),
                PartEdit::Append(values) => drop(object.insert(part.sub.name(), values.clone())),
            }
        }
        self.created(Value::Object(object), located)
    }

    /// A value that is created if the filter selects nothing; it is held to the same rules as others.
    pub(super) fn created(&self, value: Value, located: &Located<'t>) -> Otherwise {
        let whole = Located { sub: None, ..*located };
        let mut value = if whole.attribute.multi_valued() { Array::from_iter([value]).into() } else { value };
        let mut unused = Report::default();
        let read = &self.options.read;
        let members = self.is_membership(&whole);
        match coerce(&mut value, &whole, members, read, &mut unused) {
            Ok(true) => {}
            Ok(false) => return Otherwise::Nothing,
            Err(violation) => return Otherwise::Fail(violation.into()),
        }
        match value {
            Value::Array(list) => match list.into_iter().next() {
                Some(member) if members && referenced_id(&member).is_none() => {
                    Otherwise::Fail(lacks_id(&whole))
                }
                created => created.map_or(Otherwise::Nothing, Otherwise::Create),
            },
            value => Otherwise::Create(value),
        }
    }
}

pub(super) fn no_target(located: &Located<'_>) -> Otherwise {
    let reason = "the path selects no value";
    Otherwise::Fail(PatchError::new(PatchErrorKind::NoTarget, located.path(), reason))
}

pub(super) fn required(located: &Located<'_>) -> PatchError {
    PatchError::new(PatchErrorKind::Mutability, located.path(), "a required value can't be taken away")
}

pub(super) fn read_only(located: &Located<'_>) -> PatchError {
    PatchError::new(PatchErrorKind::Mutability, located.path(), "the attribute is readOnly")
}

fn lacks_id(located: &Located<'_>) -> PatchError {
    PatchError::new(PatchErrorKind::InvalidValue, located.path(), "each member needs a `value`")
}

fn not_an_object(located: &Located<'_>) -> PatchError {
    let reason = "must be an object of its sub-attributes";
    PatchError::new(PatchErrorKind::InvalidValue, located.path(), reason)
}

/// Whether a list of values has room for nothing but unassigned ones.
pub(super) fn is_listing(attribute: &Attribute, value: &Value) -> bool {
    attribute.multi_valued() && !value.elements().is_empty()
}
