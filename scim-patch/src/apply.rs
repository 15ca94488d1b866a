//! A plan carried out on a copy of a resource.

mod element;
mod list;

use scim_schema::{
    Array, Extension, Leniency, Located, Mutability, Object, Report, Resource, ResourceType, Value,
};

use crate::compare::{same_as_stored, same_value};
use crate::diff::{AttributeChange, bare_schemas, diff_attribute};
use crate::error::{PatchError, PatchErrorKind};
use crate::plan::{Plan, PlanLimits};
use crate::step::{AttributeEdit, Edit, Otherwise, Part, PartEdit, Selection, Step};
use list::List;

/// What a PATCH made of a resource.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a resource and what is new about it")]
pub struct Outcome {
    /// The resource after the request, valid if the given one was.
    pub resource: Resource,
    /// Whether it differs from what it was, members included. A request that ends where it began changes
    /// nothing (ledger choice `net-no-change`); setting an attribute that nobody may read always counts.
    pub changed: bool,
    /// What differs, without members; see [`diff`](crate::diff()).
    pub changes: Vec<AttributeChange>,
}

pub(crate) fn apply(
    plan: &Plan<'_>,
    resource: &Resource,
    report: &mut Report,
) -> Result<Outcome, PatchError> {
    let has_schemas = resource.contains("schemas");
    // Without `schemas`, all extensions are looked at.
    if !resource.is_unread() || !has_schemas {
        // Not a clone of what may be text, which would be read twice.
        let copy = Resource::from_canonical(resource.attributes().clone());
        return apply_to(plan, resource, copy, has_schemas, report);
    }
    let needed = plan.attributes();
    let part = resource.only(|name| needed.contains(&name));
    let done = apply_to(plan, &part, part.clone(), has_schemas, report)?;
    let differs = |name: &&str| part.get(name) != done.resource.get(name);
    // Those that were there, then what is new in its own order.
    let (present, new): (Vec<&str>, Vec<&str>) =
        needed.into_iter().filter(differs).partition(|name| part.contains(name));
    let new = done.resource.attributes().keys().filter(|name| new.contains(name));
    let changes: Vec<_> =
        present.into_iter().chain(new).map(|name| (name, done.resource.get(name).cloned())).collect();
    let mut whole = resource.clone();
    if !changes.is_empty() {
        whole.edit(&changes);
    }
    Ok(Outcome { resource: whole, changed: done.changed, changes: done.changes })
}

/// Carries a plan out on a copy of a resource, or of a part that has all that the plan is about.
fn apply_to(
    plan: &Plan<'_>,
    original: &Resource,
    copy: Resource,
    has_schemas: bool,
    report: &mut Report,
) -> Result<Outcome, PatchError> {
    let mut work = Work {
        resource_type: plan.resource_type,
        original,
        resource: copy,
        lists: Vec::new(),
        touched: Vec::with_capacity(plan.steps.len()),
        hidden: Vec::new(),
        schemas_differ: !has_schemas,
        budget: Budget { left: plan.limits.max_work, limit: plan.limits.max_work },
        limits: plan.limits,
        report,
    };
    for step in &plan.steps {
        work.step(step).map_err(|e| e.in_operation(step.operation))?;
    }
    work.finish()
}

/// How many values of lists may still be looked at.
pub(crate) struct Budget {
    left: usize,
    limit: usize,
}

impl Budget {
    fn spend(&mut self, values: usize) -> Result<(), PatchError> {
        match self.left.checked_sub(values) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                let reason = format!("the request looks at more than {} values", self.limit);
                Err(PatchError::new(PatchErrorKind::TooLarge, "", reason))
            }
        }
    }
}

struct Work<'p, 'r> {
    resource_type: &'p ResourceType,
    original: &'p Resource,
    resource: Resource,
    /// Lists that are being edited; their values are not in `resource` meanwhile.
    lists: Vec<List<'p>>,
    /// Attributes that steps were about, once each.
    touched: Vec<Touched<'p>>,
    /// Paths of hidden attributes that steps were about.
    hidden: Vec<String>,
    /// Whether extensions came or went.
    schemas_differ: bool,
    budget: Budget,
    limits: PlanLimits,
    report: &'r mut Report,
}

/// An attribute that a step was about.
#[derive(Clone, Copy)]
struct Touched<'p> {
    located: Located<'p>,
    /// Where it was found last; see [`Object::find`].
    place: usize,
}

impl Touched<'_> {
    fn is(&self, located: &Located<'_>) -> bool {
        std::ptr::eq(self.located.attribute, located.attribute)
    }
}

impl<'p> Work<'p, '_> {
    fn step(&mut self, step: &'p Step<'_>) -> Result<(), PatchError> {
        match &step.edit {
            Edit::AddSchemas(extensions) => {
                self.settle_extensions();
                self.add_schemas(extensions);
                Ok(())
            }
            Edit::SetSchemas(extensions) => {
                self.settle_extensions();
                self.set_schemas(extensions)
            }
            Edit::RemoveExtension(extension) => self.remove_extension(extension),
            Edit::Attribute(located, AttributeEdit::Same(given)) => {
                if same_as_stored(self.original.value_at(located), given) {
                    self.report.note(Leniency::ReadOnlyIgnored, located.path());
                    return Ok(());
                }
                let reason = "the attribute is readOnly and has another value";
                Err(PatchError::new(PatchErrorKind::Mutability, located.path(), reason))
            }
            Edit::Attribute(located, edit) => {
                self.touch(located, edit);
                if located.attribute.mutability() == Mutability::Immutable {
                    return self.immutable(located, edit);
                }
                self.attribute(located, edit)
            }
        }
    }

    fn touch(&mut self, located: &Located<'p>, edit: &AttributeEdit<'_>) {
        if !self.touched.iter().any(|touched| touched.is(located)) {
            self.touched.push(Touched { located: *located, place: 0 });
        }
        // What is unassigned does not change by being taken away (ledger choice `remove-no-match`).
        let is_present = |work: &Self| work.resource.value_at(located).is_some();
        if located.attribute.is_hidden() && (!matches!(edit, AttributeEdit::Set(None)) || is_present(self)) {
            self.hide(located.path());
        }
        for part in edit.parts().iter().filter(|p| p.sub.is_hidden()) {
            if !matches!(part.edit, PartEdit::Set(None)) || is_present(self) {
                self.hide(format!("{}.{}", located.path(), part.sub.name()));
            }
        }
        for sub in located.attribute.sub_attributes().iter().filter(|sub| sub.is_hidden()) {
            if edit.values().iter().any(|value| value.get(sub.name()).is_some()) {
                self.hide(format!("{}.{}", located.path(), sub.name()));
            }
        }
    }

    fn hide(&mut self, path: String) {
        if !self.hidden.contains(&path) {
            self.hidden.push(path);
        }
    }

    /// An immutable attribute takes a first value; after that it only takes the same again (RFC 7644
    /// §3.5.2; ledger choice `immutable-same-value`).
    fn immutable(&mut self, located: &Located<'p>, edit: &'p AttributeEdit<'_>) -> Result<(), PatchError> {
        self.close(located);
        let before = self.resource.value_at(located).cloned();
        self.attribute(located, edit)?;
        self.close(located);
        let Some(before) = before else { return Ok(()) };
        let after = self.resource.value_at(located);
        let same = after.is_some_and(|after| same_value(located.attribute, &before, after));
        if !same || located.attribute.is_hidden() {
            return Err(element::immutable(located));
        }
        self.set(located, Some(before));
        Ok(())
    }

    fn attribute(&mut self, located: &Located<'p>, edit: &'p AttributeEdit<'_>) -> Result<(), PatchError> {
        match edit {
            AttributeEdit::Set(value) => {
                self.lists.retain(|list| !list.is_of(located));
                match value {
                    Some(value) => {
                        if let Some(slot) = self.slot(located) {
                            *slot = value.clone();
                        }
                    }
                    None => self.unset(located),
                }
                Ok(())
            }
            AttributeEdit::Merge(parts) => {
                self.close(located);
                self.merge(located, parts)
            }
            AttributeEdit::Append(values) => self.edit(located, |list, budget| list.append(values, budget)),
            AttributeEdit::RemoveListed(listed) => {
                self.edit(located, |list, budget| list.remove_listed(listed, budget))
            }
            AttributeEdit::Select(selection) => self.select(located, selection),
            AttributeEdit::Same(_) => Ok(()),
        }
    }

    fn select(&mut self, located: &Located<'p>, selection: &'p Selection<'_>) -> Result<(), PatchError> {
        let mut selected = true;
        self.edit(located, |list, budget| {
            selected = list.select(selection, budget)?;
            match &selection.otherwise {
                _ if selected => Ok(()),
                Otherwise::Nothing => Ok(()),
                Otherwise::Create(value) => list.create(value, budget),
                Otherwise::Fail(error) => Err(error.clone()),
            }
        })?;
        if !selected && matches!(selection.otherwise, Otherwise::Create(_)) {
            self.report.note(Leniency::Created, located.path());
        }
        Ok(())
    }

    /// Edits the values of an attribute as a list, and checks what holds for every list.
    fn edit(
        &mut self,
        located: &Located<'p>,
        edit: impl FnOnce(&mut List<'p>, &mut Budget) -> Result<(), PatchError>,
    ) -> Result<(), PatchError> {
        let at = match self.lists.iter().position(|list| list.is_of(located)) {
            Some(at) => at,
            None => {
                let members = located.extension.is_none()
                    && self
                        .resource_type
                        .membership()
                        .is_some_and(|m| m.attribute() == located.attribute.name());
                let limit = if members { self.limits.max_members } else { self.limits.max_values };
                let value = self.value_mut(located).map(std::mem::take);
                self.lists.push(List::new(*located, value, members, limit));
                self.lists.len() - 1
            }
        };
        let Some(list) = self.lists.get_mut(at) else { return Ok(()) };
        edit(list, &mut self.budget)?;
        list.check(&mut self.budget)?;
        if !list.is_empty() {
            self.open_container(located);
        }
        Ok(())
    }

    /// Puts the values of a list back, if it is being edited.
    fn close(&mut self, located: &Located<'p>) {
        if let Some(at) = self.lists.iter().position(|list| list.is_of(located)) {
            let list = self.lists.swap_remove(at);
            self.set(located, list.into_value());
        }
    }

    fn merge(&mut self, located: &Located<'p>, parts: &[Part<'_>]) -> Result<(), PatchError> {
        // A missing `primary` is false already (RFC 7643 §2.4).
        let assigns = parts.iter().any(|p| match &p.edit {
            PartEdit::Set(None) => false,
            PartEdit::Set(Some(Value::Bool(false))) => p.sub.name() != "primary",
            _ => true,
        });
        let had_value = self.value_mut(located).is_some();
        if !had_value {
            if !assigns {
                return Ok(());
            }
            self.set(located, Some(Value::Object(Object::with_capacity(parts.len()))));
        }
        let Some(Value::Object(object)) = self.value_mut(located) else { return Ok(()) };
        for part in parts {
            element::edit_part(object, part, located)?;
        }
        if object.is_empty() {
            if had_value && located.attribute.required() {
                let reason = "a required value can't be taken away";
                return Err(PatchError::new(PatchErrorKind::Mutability, located.path(), reason));
            }
            self.set(located, None);
            return Ok(());
        }
        for sub in located.attribute.sub_attributes().iter().filter(|s| s.required()) {
            if sub.mutability() != Mutability::ReadOnly && !object.contains(sub.name()) {
                let path = Located { sub: Some(sub), ..*located }.path();
                return Err(PatchError::new(PatchErrorKind::InvalidValue, path, "a value is required"));
            }
        }
        Ok(())
    }

    fn value_mut(&mut self, located: &Located<'_>) -> Option<&mut Value> {
        container(&mut self.resource, located)?.get_mut(located.attribute.name())
    }

    /// The object of the attribute's extension, so that it is known later that there was one.
    fn open_container(&mut self, located: &Located<'_>) {
        let Some(extension) = located.extension else { return };
        let (urn, attributes) = (extension.schema().id(), self.resource.attributes_mut());
        if !attributes.contains(urn) {
            attributes.push(urn, Object::new());
            self.schemas_differ = true;
        }
    }

    fn set(&mut self, located: &Located<'_>, value: Option<Value>) {
        match value {
            Some(value) => {
                if let Some(slot) = self.slot(located) {
                    *slot = value;
                }
            }
            None => self.unset(located),
        }
    }

    /// Where the value of an attribute goes.
    fn slot(&mut self, located: &Located<'_>) -> Option<&mut Value> {
        self.open_container(located);
        let name = located.attribute.name();
        let touched = self.touched.iter_mut().find(|touched| touched.is(located));
        let container = container(&mut self.resource, located)?;
        let place = match container.find(name, touched.as_ref().map_or(0, |touched| touched.place)) {
            Some((place, _)) => place,
            None => {
                let end = container.len();
                container.push(name, Value::Null);
                end
            }
        };
        if let Some(touched) = touched {
            touched.place = place;
        }
        container.find_mut(name, place).map(|(_, value)| value)
    }

    fn unset(&mut self, located: &Located<'_>) {
        if let Some(container) = container(&mut self.resource, located) {
            container.remove(located.attribute.name());
        }
    }

    /// Extensions that operations before have emptied are gone, so that listing their URN again counts.
    fn settle_extensions(&mut self) {
        for list in std::mem::take(&mut self.lists) {
            let located = list.located();
            if located.extension.is_some() {
                self.set(&located, list.into_value());
            } else {
                self.lists.push(list);
            }
        }
        self.drop_empty_extensions();
    }

    fn add_schemas(&mut self, extensions: &[&Extension]) {
        self.schemas_differ = true;
        let schemas =
            self.resource.attributes_mut().get_or_insert_with("schemas", || Value::Array(Array::new()));
        let Some(list) = schemas.as_array_mut() else { return };
        for extension in extensions {
            let urn = extension.schema().id();
            if !list.iter().any(|known| known.as_str() == Some(urn)) {
                list.push(Value::from(urn));
            }
        }
    }

    fn set_schemas(&mut self, extensions: &[&Extension]) -> Result<(), PatchError> {
        for extension in self.resource_type.extensions() {
            if !extensions.iter().any(|kept| std::ptr::eq(*kept, extension)) {
                self.remove_extension(extension)?;
            }
        }
        self.add_schemas(extensions);
        Ok(())
    }

    /// Takes an extension away, unless it holds what a client can't take away.
    fn remove_extension(&mut self, extension: &'p Extension) -> Result<(), PatchError> {
        let urn = extension.schema().id();
        for attribute in extension.schema().attributes() {
            let located = Located { extension: Some(extension), attribute, sub: None };
            self.close(&located);
            if self.resource.value_at(&located).is_none() {
                continue;
            }
            if matches!(attribute.mutability(), Mutability::ReadOnly | Mutability::Immutable) {
                let reason = "a value that is readOnly or immutable can't be taken away";
                return Err(PatchError::new(PatchErrorKind::Mutability, located.path(), reason));
            }
            self.touch(&located, &AttributeEdit::Set(None));
        }
        self.resource.attributes_mut().remove(urn);
        self.drop_schema(urn);
        Ok(())
    }

    fn drop_schema(&mut self, urn: &str) {
        self.schemas_differ = true;
        if let Some(schemas) = self.resource.attributes_mut().get_mut("schemas").and_then(Value::as_array_mut)
        {
            schemas.retain(|known| known.as_str() != Some(urn));
        }
    }

    fn finish(mut self) -> Result<Outcome, PatchError> {
        for list in std::mem::take(&mut self.lists) {
            let located = list.located();
            self.set(&located, list.into_value());
        }
        self.drop_empty_extensions();
        if self.schemas_differ {
            self.resource.set_schemas(self.resource_type);
        }
        self.required()?;
        self.meta_last();
        let mut changes = Vec::with_capacity(self.touched.len());
        let mut members_changed = false;
        let touched = std::mem::take(&mut self.touched);
        for Touched { located, place } in &touched {
            let (place, after) = self
                .resource
                .find(located, *place)
                .map_or((*place, None), |(place, value)| (place, Some(value)));
            let before = self.original.find(located, place).map(|(_, value)| value);
            let members = located.extension.is_none()
                && self.resource_type.membership().is_some_and(|m| m.attribute() == located.attribute.name());
            if members {
                members_changed = before != after;
            } else {
                let known = changes.len();
                diff_attribute(located, before, after, &mut changes);
                if changes.len() == known && before != after {
                    // Another way to write the same value.
                    let before = before.cloned();
                    self.set(located, before);
                }
            }
        }
        for path in std::mem::take(&mut self.hidden) {
            if !changes.iter().any(|c| c.path == path) {
                changes.push(AttributeChange { path: path.into(), from: None, to: None });
            }
        }
        if self.schemas_differ {
            bare_schemas(self.original, &self.resource, &mut changes);
        }
        let changed = members_changed || !changes.is_empty();
        Ok(Outcome { resource: self.resource, changed, changes })
    }

    /// When the last value of an extension goes, so does its URN (ledger choice `empty-extension`).
    fn drop_empty_extensions(&mut self) {
        for extension in self.resource_type.extensions().iter().filter(|e| !e.required()) {
            let urn = extension.schema().id();
            let container = self.resource.get(urn).and_then(Value::as_object);
            if container.is_some_and(Object::is_empty) {
                self.resource.attributes_mut().remove(urn);
                self.drop_schema(urn);
            }
        }
    }

    /// Required attributes have a value, as far as the request could have left them without: those it
    /// edited, and those of extensions that it brought.
    fn required(&self) -> Result<(), PatchError> {
        let brought = self.resource_type.extensions().iter().filter(|e| {
            let urn = e.schema().id();
            self.schemas_differ && self.original.get(urn).is_none() && self.resource.get(urn).is_some()
        });
        let brought = brought.flat_map(|e| {
            let attributes = e.schema().attributes().iter();
            attributes.map(|attribute| Located { extension: Some(e), attribute, sub: None })
        });
        let is_present = |located: &Located<'_>| {
            located.extension.is_none_or(|e| e.required() || self.resource.get(e.schema().id()).is_some())
        };
        for located in self.touched.iter().map(|t| t.located).filter(is_present).chain(brought) {
            let attribute = located.attribute;
            let is_missing = || {
                let value = self.resource.value_at(&located);
                value.is_none_or(|v| v.is_unassigned() || v.as_str() == Some(""))
            };
            if attribute.required() && attribute.mutability() != Mutability::ReadOnly && is_missing() {
                let reason = "a value is required";
                return Err(PatchError::new(PatchErrorKind::InvalidValue, located.path(), reason));
            }
        }
        Ok(())
    }

    fn meta_last(&mut self) {
        let attributes = self.resource.attributes_mut();
        if attributes.keys().last() != Some("meta")
            && let Some(meta) = attributes.remove("meta")
        {
            attributes.push("meta", meta);
        }
    }
}

/// The attributes of the resource or of the extension that an attribute is among.
fn container<'r>(resource: &'r mut Resource, located: &Located<'_>) -> Option<&'r mut Object> {
    let attributes = resource.attributes_mut();
    match located.extension {
        Some(extension) => attributes.get_mut(extension.schema().id())?.as_object_mut(),
        None => Some(attributes),
    }
}
