//! From operations to steps.

use std::collections::HashSet;
use std::sync::Arc;

use scim_filter::{ElementMatcher, Expr, Filter, Literal, MatchOptions, Operator, Path};
use scim_schema::{
    Attribute, Extension, Leniency, Located, Mutability, Object, Report, ResourceType, Target, Value,
};

use super::PatchOptions;
use super::value::{is_listing, no_target, read_only, required};
use crate::body::{Op, Operation};
use crate::compare::keyed_by_text;
use crate::error::{PatchError, PatchErrorKind, filter_error};
use crate::step::{AttributeEdit, Edit, ElementChange, Otherwise, Selection, Step};

/// The steps of all operations, in order.
pub(super) fn steps<'t>(
    operations: Vec<Operation<'_>>,
    resource_type: &'t ResourceType,
    options: &PatchOptions<'_>,
    report: &mut Report,
) -> Result<Vec<Step<'t>>, PatchError> {
    let matching = MatchOptions { base: options.read.base.map(Arc::from) };
    let steps = Vec::with_capacity(operations.iter().map(Operation::targets).sum());
    let mut builder = Builder { resource_type, options, report, matching, steps, operation: 0 };
    for (index, operation) in operations.into_iter().enumerate() {
        builder.operation = index;
        builder.operation(operation).map_err(|e| e.in_operation(index))?;
    }
    Ok(builder.steps)
}

pub(super) struct Builder<'t, 'o, 'r> {
    pub(super) resource_type: &'t ResourceType,
    pub(super) options: &'o PatchOptions<'o>,
    pub(super) report: &'r mut Report,
    matching: MatchOptions,
    steps: Vec<Step<'t>>,
    operation: usize,
}

/// Where a path stands: as the operation's own, as a key of a value without path, or as a key of an
/// extension's object.
#[derive(Clone, Copy)]
enum Place<'t> {
    Path,
    Key,
    Inside(&'t Extension),
}

impl<'t> Builder<'t, '_, '_> {
    fn operation(&mut self, operation: Operation<'_>) -> Result<(), PatchError> {
        let Operation { op, path, value } = operation;
        let value = match (op, value) {
            (Op::Remove, value) => value.unwrap_or(&Value::Null),
            (_, Some(value)) => value,
            // Ledger choice `missing-value`.
            (_, None) => return Err(fault(PatchErrorKind::InvalidValue, "a value is required")),
        };
        match path {
            Some(Value::String(path)) => match self.named(path, Place::Path) {
                Some(located) => self.attribute(op, located, None, value, true),
                None => self.path(op, &Path::parse(path)?, value, Place::Path),
            },
            Some(_) => Err(fault(PatchErrorKind::InvalidPath, "`path` must be a string")),
            None if op == Op::Remove => Err(fault(PatchErrorKind::NoTarget, "remove needs a path")),
            None => match value {
                Value::Object(object) => self.keys(op, object, Place::Key),
                _ => Err(fault(
                    PatchErrorKind::InvalidValue,
                    "without a path, the value must be an object of attributes",
                )),
            },
        }
    }

    /// The keys of a value without path, or of an extension's object: each is a path (ledger choice
    /// `dotted-keys`).
    fn keys(&mut self, op: Op, object: &Object, place: Place<'t>) -> Result<(), PatchError> {
        if has_two_spellings(object) {
            let reason = "an attribute is given twice, in spellings that differ by letter case only";
            return Err(fault(PatchErrorKind::InvalidSyntax, reason));
        }
        for (key, value) in object.iter() {
            if let Some(located) = self.named(key, place) {
                self.attribute(op, located, None, value, false)?;
                continue;
            }
            match Path::parse(key) {
                Ok(path) => self.path(op, &path, value, place)?,
                Err(e) if e.is_filter() => return Err(e.into()),
                Err(_) => self.unknown(key)?,
            }
        }
        Ok(())
    }

    /// The attribute, if the path is nothing but its name, as most are.
    fn named(&self, path: &str, place: Place<'t>) -> Option<Located<'t>> {
        let (extension, attribute) = match place {
            Place::Path | Place::Key => (None, self.resource_type.attribute(path)?),
            Place::Inside(extension) => (Some(extension), extension.schema().attribute(path)?),
        };
        Some(Located { extension, attribute, sub: None })
    }

    fn path(&mut self, op: Op, path: &Path<'_>, value: &Value, place: Place<'t>) -> Result<(), PatchError> {
        let mut name = path.attribute_path();
        if let (Place::Inside(extension), None) = (place, name.urn) {
            name.urn = Some(extension.schema().id());
        }
        match (self.resource_type.resolve(&name), place) {
            (Some(Target::Attribute(located)), _) => {
                self.attribute(op, located, path.filter(), value, matches!(place, Place::Path))
            }
            (Some(Target::Extension(extension)), Place::Path | Place::Key) if path.filter().is_none() => {
                self.extension(op, extension, value)
            }
            _ => self.unknown(path),
        }
    }

    fn unknown(&mut self, path: impl std::fmt::Display) -> Result<(), PatchError> {
        if self.options.read.dialect.ignore_unknown_targets {
            self.report.note(Leniency::TargetIgnored, path);
            return Ok(());
        }
        Err(fault(PatchErrorKind::InvalidPath, "no schema of the resource type defines the attribute"))
    }

    /// An extension as a whole (ledger choice `extension-path`).
    pub(super) fn extension(
        &mut self,
        op: Op,
        extension: &'t Extension,
        value: &Value,
    ) -> Result<(), PatchError> {
        let urn = extension.schema().id();
        match value {
            Value::Object(object) if op != Op::Remove => {
                return self.keys(op, object, Place::Inside(extension));
            }
            _ if op == Op::Remove => {}
            // `[]` means unassigned like null (ledger choices `add-empty-list`, `null-required`).
            value if value.is_null() || value.as_array().is_some_and(<[_]>::is_empty) => {
                if op == Op::Add {
                    return Ok(());
                }
            }
            _ => {
                let reason = "must be an object of the extension's attributes";
                return Err(PatchError::new(PatchErrorKind::InvalidValue, urn, reason));
            }
        }
        if extension.required() {
            let reason = "a required extension can't be taken away";
            return Err(PatchError::new(PatchErrorKind::Mutability, urn, reason));
        }
        self.push(Edit::RemoveExtension(extension));
        Ok(())
    }

    fn attribute(
        &mut self,
        op: Op,
        located: Located<'t>,
        filter: Option<&Filter<'_>>,
        value: &Value,
        by_path: bool,
    ) -> Result<(), PatchError> {
        let attribute = located.attribute;
        if located.extension.is_none() && attribute.name() == "schemas" {
            return self.schemas(op, &located, filter, value, by_path);
        }
        if [attribute, located.leaf()].iter().any(|a| a.mutability() == Mutability::ReadOnly) {
            return self.read_only(located, filter, value, by_path);
        }
        if filter.is_some() && !attribute.multi_valued() && !attribute.is_complex() {
            // Ledger choice `value-path-on-simple`.
            let reason = "the attribute has no values to select";
            return Err(PatchError::new(PatchErrorKind::InvalidPath, located.path(), reason));
        }
        if filter.is_some() && attribute.is_hidden() {
            let reason = "the attribute can't be filtered on";
            return Err(PatchError::new(PatchErrorKind::InvalidFilter, located.path(), reason));
        }
        let whole = filter.is_none() || located.sub.is_some();
        let listing = is_listing(located.leaf(), value);
        if op == Op::Remove && whole && !listing && located.leaf().required() {
            return Err(required(&located));
        }
        let edit = if filter.is_some() || (attribute.multi_valued() && located.sub.is_some()) {
            self.selection(op, &located, filter, value)?.map(|s| AttributeEdit::Select(Box::new(s)))
        } else if attribute.multi_valued() {
            self.list(op, value, &located)?
        } else if attribute.is_complex() {
            self.complex(op, value, &located)?
        } else {
            self.simple(op, value, &located)?
        };
        if let Some(edit) = edit {
            self.push(Edit::Attribute(Located { sub: None, ..located }, edit));
        }
        Ok(())
    }

    fn simple(
        &mut self,
        op: Op,
        value: &Value,
        located: &Located<'t>,
    ) -> Result<Option<AttributeEdit<'t>>, PatchError> {
        if op == Op::Remove {
            return Ok(Some(AttributeEdit::Set(None)));
        }
        let value = self.coerced(value, located)?;
        unless_empty(op, value, located).map(|v| v.map(AttributeEdit::Set))
    }

    /// A singular complex attribute, or a sub-attribute of one.
    fn complex(
        &mut self,
        op: Op,
        value: &Value,
        located: &Located<'t>,
    ) -> Result<Option<AttributeEdit<'t>>, PatchError> {
        if located.sub.is_some() {
            let value = if op == Op::Remove { None } else { self.coerced(value, located)? };
            if op == Op::Add && value.is_none() {
                return Ok(None);
            }
            return Ok(Some(AttributeEdit::Merge(vec![self.part(op, value, located)?])));
        }
        let cleared = match value {
            Value::Null => true,
            Value::Array(items) => items.is_empty(),
            Value::String(text) => text.is_empty() && self.options.read.dialect.empty_string_is_unassigned,
            _ => false,
        };
        if op == Op::Remove || cleared {
            let value = unless_empty(op, None, located)?;
            return Ok(value.map(AttributeEdit::Set));
        }
        let parts = self.parts(op, value, located)?;
        Ok((!parts.is_empty()).then_some(AttributeEdit::Merge(parts)))
    }

    fn list(
        &mut self,
        op: Op,
        value: &Value,
        located: &Located<'t>,
    ) -> Result<Option<AttributeEdit<'t>>, PatchError> {
        match op {
            Op::Remove if is_listing(located.attribute, value) => {
                self.report.note(Leniency::RemovedListed, located.path());
                let listed = self.listed(value, located)?;
                Ok((!listed.is_empty()).then_some(AttributeEdit::RemoveListed(listed)))
            }
            Op::Remove => Ok(Some(AttributeEdit::Set(None))),
            Op::Add => {
                let list = self.coerced_list(value, located)?;
                Ok((!list.is_empty()).then_some(AttributeEdit::Append(list)))
            }
            Op::Replace => {
                let list = self.coerced_list(value, located)?;
                let value = (!list.is_empty()).then_some(Value::Array(list));
                unless_empty(op, value, located).map(|v| v.map(AttributeEdit::Set))
            }
        }
    }

    /// `attr[filter]`, `attr[filter].sub`, and `attr.sub` of a list, which means all its values (ledger
    /// choice `sub-attribute-all-values`).
    fn selection(
        &mut self,
        op: Op,
        located: &Located<'t>,
        filter: Option<&Filter<'_>>,
        value: &Value,
    ) -> Result<Option<Selection<'t>>, PatchError> {
        let attribute = located.attribute;
        let matcher = match filter {
            Some(filter) => Some(
                ElementMatcher::new(filter, attribute, &self.matching)
                    .map_err(|e| filter_error(&located.path(), &e))?,
            ),
            None => None,
        };
        let values = filter.and_then(|f| value_terms(f, attribute));
        let creates = op == Op::Add || (op == Op::Replace && self.options.read.dialect.upsert_on_replace);
        let (change, otherwise) = match (op, located.sub) {
            (Op::Remove, None) => (ElementChange::Remove, Otherwise::Nothing),
            (Op::Remove, Some(_)) => {
                (ElementChange::Merge(vec![self.part(op, None, located)?]), Otherwise::Nothing)
            }
            (_, Some(_)) => {
                let value = self.coerced(value, located)?;
                if value.is_none() && op == Op::Add {
                    return Ok(None);
                }
                let is_value = value.is_some();
                let parts = vec![self.part(op, value, located)?];
                let otherwise = match (creates, is_value) {
                    (true, true) => self.create(matcher.as_ref(), &parts, located),
                    (true, false) => Otherwise::Nothing,
                    (false, _) => no_target(located),
                };
                (ElementChange::Merge(parts), otherwise)
            }
            (Op::Add, None) if attribute.is_complex() => {
                let value = single(value, located)?;
                if value.is_null() {
                    return Ok(None);
                }
                let parts = self.parts(op, value, located)?;
                let otherwise = self.create(matcher.as_ref(), &parts, located);
                (ElementChange::Merge(parts), otherwise)
            }
            (_, None) => {
                let whole = self.coerced_list(single(value, located)?, located)?.into_iter().next();
                match whole {
                    None if op == Op::Add => return Ok(None),
                    None if creates => (ElementChange::Remove, Otherwise::Nothing),
                    None => (ElementChange::Remove, no_target(located)),
                    Some(value) => {
                        let otherwise = match matcher.as_ref().and_then(ElementMatcher::eq_terms) {
                            Some(terms) if creates => self.created(with_terms(&value, terms), located),
                            _ => no_target(located),
                        };
                        (ElementChange::Replace(value), otherwise)
                    }
                }
            }
        };
        Ok(Some(Selection { matcher, values, change, otherwise }))
    }

    /// Ledger choice `read-only-in-pathless`: the present value is no change, `meta` is nobody's
    /// business, another value is an error.
    fn read_only(
        &mut self,
        located: Located<'t>,
        filter: Option<&Filter<'_>>,
        value: &Value,
        by_path: bool,
    ) -> Result<(), PatchError> {
        let is_meta = located.extension.is_none() && located.attribute.name() == "meta";
        if is_meta && !by_path {
            self.report.note(Leniency::ReadOnlyIgnored, located.path());
        } else if self.options.read.dialect.ignore_read_only_targets {
            self.report.note(Leniency::TargetIgnored, located.path());
        } else if by_path || located.sub.is_some() || filter.is_some() {
            return Err(read_only(&located));
        } else {
            self.push(Edit::Attribute(located, AttributeEdit::Same(value.clone())));
        }
        Ok(())
    }

    pub(super) fn is_membership(&self, located: &Located<'_>) -> bool {
        located.extension.is_none()
            && self.resource_type.membership().is_some_and(|m| m.attribute() == located.attribute.name())
    }

    pub(super) fn push(&mut self, edit: Edit<'t>) {
        self.steps.push(Step { operation: self.operation, edit });
    }
}

/// Whether two keys are the same but for letter case. Few keys are compared pair by pair.
fn has_two_spellings(object: &Object) -> bool {
    const FEW: usize = 16;
    if object.len() > FEW {
        let mut seen = HashSet::with_capacity(object.len());
        return !object.keys().all(|key| seen.insert(key.to_ascii_lowercase()));
    }
    let mut keys = object.keys();
    while let Some(key) = keys.next() {
        if keys.clone().any(|other| other.eq_ignore_ascii_case(key)) {
            return true;
        }
    }
    false
}

/// An unassigned value: `add` has nothing to add (ledger choice `add-empty-list`), a required attribute
/// can't be without (ledger choice `null-required`).
fn unless_empty(
    op: Op,
    value: Option<Value>,
    located: &Located<'_>,
) -> Result<Option<Option<Value>>, PatchError> {
    match value {
        None if op == Op::Add => Ok(None),
        None if located.leaf().required() => Err(required(located)),
        value => Ok(Some(value)),
    }
}

/// The one value that replaces what a filter selects; a list of one is taken too.
fn single<'v>(value: &'v Value, located: &Located<'_>) -> Result<&'v Value, PatchError> {
    match value {
        Value::Array(items) if items.len() <= 1 => Ok(items.first().unwrap_or(&Value::Null)),
        Value::Array(_) => {
            let reason = "selected values are replaced by one value";
            Err(PatchError::new(PatchErrorKind::InvalidValue, located.path(), reason))
        }
        value => Ok(value),
    }
}

/// A value with the terms of the filter that it does not say itself.
fn with_terms(value: &Value, terms: &[(String, Value)]) -> Value {
    let mut value = value.clone();
    if let Some(object) = value.as_object_mut() {
        for (name, term) in terms {
            if !object.contains(name) {
                object.push(name, term.clone());
            }
        }
    }
    value
}

/// The texts of a filter that is nothing but `value eq "…"` terms joined by `or`.
pub(super) fn value_terms(filter: &Filter<'_>, attribute: &Attribute) -> Option<Vec<String>> {
    if !keyed_by_text(attribute) {
        return None;
    }
    let mut texts = Vec::new();
    for visit in filter.post_order() {
        match visit.expr {
            Expr::Or(..) => {}
            Expr::Compare { path, operator: Operator::Eq, value: Literal::String(text) }
                if path.urn.is_none()
                    && path.sub.is_none()
                    && path.attribute.eq_ignore_ascii_case("value") =>
            {
                texts.push(text.to_owned());
            }
            _ => return None,
        }
    }
    Some(texts)
}

fn fault(kind: PatchErrorKind, reason: &str) -> PatchError {
    PatchError::new(kind, "", reason)
}
