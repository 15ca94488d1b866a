//! Carrying out one operation.

use serde_json::{Map, Value};

use super::list::{check_one_primary, drop_doubled, is_primary, is_same_value, move_primary};
use super::value::{Given, Part, check_required, object};
use super::{ScimType, State};
use crate::naive::compare::{is_unassigned, same, same_sub};
use crate::naive::filter::{Expr, Literal, Operator};
use crate::naive::matching::{elements, matches_value};
use crate::naive::schema::{Attribute, Extension, Kind, Located, Mutability, ResourceType};

/// `op`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Add,
    Remove,
    Replace,
}

/// One operation on one target, read and checked.
#[derive(Debug)]
pub(super) enum Step<'t> {
    /// `add` or `replace`.
    Set { op: Op, located: Located<'t>, filter: Option<Expr>, given: Given<'t>, is_member: bool },
    /// `replace` with null.
    Clear { located: Located<'t>, filter: Option<Expr> },
    /// `remove`.
    Remove { located: Located<'t>, filter: Option<Expr>, listed: Option<Vec<Value>> },
    /// A readOnly attribute that the request repeats.
    MustBe { located: Located<'t>, value: Value },
    /// An extension as a whole goes.
    DropExtension(&'t Extension),
    /// Extensions are named in `schemas`.
    List(Vec<&'t Extension>),
    /// No others are.
    ListOnly(Vec<&'t Extension>),
    /// Extensions are no longer named there.
    Unlist(Vec<&'t Extension>),
    /// The same for those whose URN matches.
    UnlistMatching(Expr),
}

impl Step<'_> {
    pub(super) fn carry_out(&self, state: &mut State, resource_type: &ResourceType) -> Result<(), ScimType> {
        match self {
            Self::Set { op, located, filter, given, is_member } => {
                if is_hidden(located) || gives_hidden(given, located) {
                    state.hidden_set = true;
                }
                let current = get(state, located);
                let new = set(*op, located, filter.as_ref(), given, *is_member, current.clone())?;
                put(state, located, current, new)
            }
            Self::Clear { located, filter } => {
                let current = get(state, located);
                let new = clear(located, filter.as_ref(), current.clone())?;
                put(state, located, current, new)
            }
            Self::Remove { located, filter, listed } => {
                let current = get(state, located);
                let new = remove(located, filter.as_ref(), listed.as_deref(), current.clone())?;
                put(state, located, current, new)
            }
            Self::MustBe { located, value } => {
                let current = get(state, located).unwrap_or_default();
                let current = match located.sub {
                    Some(sub) => current.get(&sub.name).cloned().unwrap_or_default(),
                    None => current,
                };
                let leaf = located.sub.unwrap_or(located.attribute);
                let unassigned = is_unassigned(&current) && is_unassigned(value);
                if unassigned || same(&current, value, leaf) { Ok(()) } else { Err(ScimType::Mutability) }
            }
            Self::DropExtension(extension) => drop_extension(state, extension),
            Self::List(extensions) => {
                for extension in extensions {
                    list_urn(state, &extension.schema.urn);
                }
                Ok(())
            }
            Self::ListOnly(extensions) => {
                for extension in &resource_type.extensions {
                    if extensions.iter().any(|e| e.schema.urn == extension.schema.urn) {
                        list_urn(state, &extension.schema.urn);
                    } else {
                        unlist(state, extension)?;
                    }
                }
                Ok(())
            }
            Self::Unlist(extensions) => extensions.iter().try_for_each(|extension| unlist(state, extension)),
            Self::UnlistMatching(filter) => {
                let Some(attribute) = resource_type.attribute("schemas") else { return Ok(()) };
                if matches_value(filter, attribute, &Value::from(resource_type.base.urn.as_str())) {
                    return Err(ScimType::Mutability);
                }
                for extension in &resource_type.extensions {
                    if matches_value(filter, attribute, &Value::from(extension.schema.urn.as_str())) {
                        unlist(state, extension)?;
                    }
                }
                Ok(())
            }
        }
    }
}

fn is_hidden(located: &Located<'_>) -> bool {
    located.attribute.hidden || located.sub.is_some_and(|sub| sub.hidden)
}

/// Whether a complex value sets a sub-attribute that nobody may read.
fn gives_hidden(given: &Given<'_>, located: &Located<'_>) -> bool {
    match given {
        Given::Simple(_) => false,
        Given::Parts(parts) => parts.iter().any(|(sub, _)| sub.hidden),
        Given::List(values) => {
            let hidden = located.attribute.subs.iter().filter(|sub| sub.hidden);
            hidden.into_iter().any(|sub| values.iter().any(|v| v.get(&sub.name).is_some()))
        }
    }
}

fn get(state: &State, located: &Located<'_>) -> Option<Value> {
    let container = match located.extension {
        Some(extension) => state.resource.get(&extension.schema.urn)?.as_object()?,
        None => &state.resource,
    };
    container.get(&located.attribute.name).filter(|v| !is_unassigned(v)).cloned()
}

/// Stores the new value of an attribute, if it may be changed.
fn put(
    state: &mut State,
    located: &Located<'_>,
    current: Option<Value>,
    new: Option<Value>,
) -> Result<(), ScimType> {
    let attribute = located.attribute;
    let new = new.filter(|v| !is_unassigned(v));
    if attribute.mutability == Mutability::Immutable
        && let Some(current) = &current
    {
        // Ledger choice `immutable-same-value`.
        return match &new {
            Some(new) if same(current, new, attribute) => Ok(()),
            _ => Err(ScimType::Mutability),
        };
    }
    if new.is_none() && current.is_some() && attribute.required {
        return Err(ScimType::Mutability);
    }
    let Some(extension) = located.extension else {
        store(&mut state.resource, &attribute.name, new);
        return Ok(());
    };
    let urn = &extension.schema.urn;
    let had_container = state.resource.contains_key(urn);
    let mut container = match state.resource.get(urn) {
        Some(Value::Object(container)) => container.clone(),
        _ => Map::new(),
    };
    store(&mut container, &attribute.name, new);
    if !container.is_empty() {
        state.resource.insert(urn.clone(), Value::Object(container));
        list_urn(state, urn);
    } else if had_container {
        // Ledger choice `empty-extension`.
        state.resource.remove(urn);
        unlist_urn(state, urn);
    }
    Ok(())
}

fn store(container: &mut Map<String, Value>, name: &str, new: Option<Value>) {
    match new {
        Some(value) => drop(container.insert(name.to_owned(), value)),
        None => drop(container.remove(name)),
    }
}

fn drop_extension(state: &mut State, extension: &Extension) -> Result<(), ScimType> {
    let Some(container) = state.resource.get(&extension.schema.urn) else { return Ok(()) };
    // What can't be taken away one by one can't be taken away together.
    let fixed = |a: &&Attribute| matches!(a.mutability, Mutability::Immutable | Mutability::ReadOnly);
    if extension.schema.attributes.iter().filter(fixed).any(|a| container.get(&a.name).is_some()) {
        return Err(ScimType::Mutability);
    }
    state.resource.remove(&extension.schema.urn);
    unlist_urn(state, &extension.schema.urn);
    Ok(())
}

fn unlist(state: &mut State, extension: &Extension) -> Result<(), ScimType> {
    if extension.required {
        return Err(ScimType::Mutability);
    }
    drop_extension(state, extension)?;
    unlist_urn(state, &extension.schema.urn);
    Ok(())
}

fn list_urn(state: &mut State, urn: &str) {
    let schemas = state.resource.entry("schemas").or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(urns) = schemas
        && !urns.iter().any(|known| known == urn)
    {
        urns.push(Value::from(urn));
    }
}

fn unlist_urn(state: &mut State, urn: &str) {
    if let Some(Value::Array(urns)) = state.resource.get_mut("schemas") {
        urns.retain(|known| known != urn);
    }
}

/// `add` and `replace`: the new value of the attribute.
fn set(
    op: Op,
    located: &Located<'_>,
    filter: Option<&Expr>,
    given: &Given<'_>,
    member: bool,
    current: Option<Value>,
) -> Result<Option<Value>, ScimType> {
    let attribute = located.attribute;
    let mut values = Values::of(current, attribute);
    match (filter, located.sub) {
        (None, None) => match given {
            Given::List(new) if op == Op::Add => {
                let mut marked = Vec::new();
                for value in new {
                    let at = add_value(&mut values.elements, value, attribute, member)?;
                    if is_primary(value) {
                        marked.push(at);
                    }
                }
                marked.dedup();
                move_primary(&mut values.elements, &marked)?;
            }
            Given::List(new) => values.elements.clone_from(new),
            Given::Simple(new) => values.elements = vec![new.clone()],
            Given::Parts(parts) => {
                let mut object = values.elements.pop().unwrap_or_else(|| Value::Object(Map::new()));
                set_parts(&mut object, parts, op)?;
                values.elements.push(object);
            }
        },
        (None, Some(sub)) => {
            if values.elements.is_empty() {
                // Ledger choice `sub-attribute-all-values`.
                if attribute.multi_valued {
                    return Err(ScimType::NoTarget);
                }
                values.elements.push(Value::Object(Map::new()));
            }
            let all: Vec<usize> = (0..values.elements.len()).collect();
            set_sub(&mut values, &all, sub, given, op)?;
        }
        (Some(filter), sub) => {
            let mut found = values.matching(filter, attribute);
            if found.is_empty() {
                // Ledger choice `add-filter-no-match`; a singular attribute has room for one value only.
                if op == Op::Replace || !(attribute.multi_valued || values.elements.is_empty()) {
                    return Err(ScimType::NoTarget);
                }
                let created = create(filter, attribute)?;
                found.push(values.elements.len());
                if is_primary(&created) {
                    move_primary(&mut values.elements, &found)?;
                }
                values.elements.push(created);
            }
            if let Some(sub) = sub {
                set_sub(&mut values, &found, sub, given, op)?;
            } else {
                set_elements(&mut values, &found, given, op)?;
                values.elements.retain(|v| !is_unassigned(v));
                drop_doubled(&mut values.elements, attribute, member);
            }
        }
    }
    values.elements.retain(|v| !is_unassigned(v));
    if attribute.kind == Kind::Complex {
        values.elements.iter().try_for_each(|v| check_required(v, attribute))?;
    }
    check_one_primary(&values.elements)?;
    Ok(values.into_value())
}

/// The values of an attribute, whether it is multi-valued or not.
struct Values {
    elements: Vec<Value>,
    multi_valued: bool,
}

impl Values {
    fn of(current: Option<Value>, attribute: &Attribute) -> Self {
        let elements = elements(current.as_ref()).into_iter().cloned().collect();
        Self { elements, multi_valued: attribute.multi_valued }
    }

    fn matching(&self, filter: &Expr, attribute: &Attribute) -> Vec<usize> {
        let matching = self.elements.iter().enumerate().filter(|(_, v)| matches_value(filter, attribute, v));
        matching.map(|(at, _)| at).collect()
    }

    fn into_value(mut self) -> Option<Value> {
        if self.multi_valued { Some(Value::Array(self.elements)) } else { self.elements.pop() }
    }
}

/// RFC 7644 §3.5.2.1, a multi-valued target: a new value is added, one that is there is not. Returns its place.
fn add_value(
    values: &mut Vec<Value>,
    new: &Value,
    attribute: &Attribute,
    member: bool,
) -> Result<usize, ScimType> {
    // Ledger choice `add-subset`.
    let holds = |value: &Value| match (value, new) {
        (Value::Object(_), Value::Object(new)) => new.iter().all(|(name, part)| {
            attribute.sub(name).is_some_and(|sub| same_sub(value.get(name), Some(part), sub))
        }),
        _ => same(value, new, attribute),
    };
    if !member && let Some(at) = values.iter().position(holds) {
        return Ok(at);
    }
    // Ledger choices `add-same-member`, `add-merge-same-value`.
    let Some(at) = values.iter().position(|v| is_same_value(v, new, attribute, member)) else {
        values.push(new.clone());
        return Ok(values.len() - 1);
    };
    if !member && let Some(value) = values.get_mut(at) {
        let parts: Vec<Part<'_>> =
            attribute.subs.iter().filter_map(|sub| Some((sub, Some(new.get(&sub.name)?.clone())))).collect();
        set_parts(value, &parts, Op::Add)?;
    }
    Ok(at)
}

fn set_parts(object: &mut Value, parts: &[Part<'_>], op: Op) -> Result<(), ScimType> {
    parts.iter().try_for_each(|(sub, value)| set_part(object, sub, value.clone(), op))
}

/// Sets or takes away a sub-attribute of one value.
fn set_part(object: &mut Value, sub: &Attribute, new: Option<Value>, op: Op) -> Result<(), ScimType> {
    let Some(members) = object.as_object_mut() else { return Ok(()) };
    let current = members.get(&sub.name).filter(|v| !is_unassigned(v)).cloned();
    let new = match (new, &current) {
        (Some(Value::Array(added)), Some(Value::Array(present))) if sub.multi_valued && op == Op::Add => {
            let mut all = present.clone();
            for value in added {
                add_value(&mut all, &value, sub, false)?;
            }
            Some(Value::Array(all))
        }
        (new, _) => new,
    };
    if let Some(current) = &current {
        let kept = new.as_ref().is_some_and(|new| same(current, new, sub));
        if sub.mutability == Mutability::Immutable {
            return if kept { Ok(()) } else { Err(ScimType::Mutability) };
        }
        if new.is_none() && sub.required {
            return Err(ScimType::Mutability);
        }
    }
    store(members, &sub.name, new);
    Ok(())
}

/// Sets a sub-attribute of the values at some places.
fn set_sub(
    values: &mut Values,
    places: &[usize],
    sub: &Attribute,
    given: &Given<'_>,
    op: Op,
) -> Result<(), ScimType> {
    let new = match given {
        Given::Simple(value) => value.clone(),
        Given::List(values) => Value::Array(values.clone()),
        Given::Parts(parts) => object(parts),
    };
    for (at, value) in values.elements.iter_mut().enumerate() {
        if places.contains(&at) {
            set_part(value, sub, Some(new.clone()), op)?;
        }
    }
    if values.multi_valued && sub.name == "primary" && new == Value::Bool(true) {
        move_primary(&mut values.elements, places)?;
    }
    Ok(())
}

/// Sets the values at some places as wholes: `replace` swaps them (ledger choice `replace-value-path-whole`),
/// `add` merges (ledger choice `add-value-path-merges`).
fn set_elements(values: &mut Values, places: &[usize], given: &Given<'_>, op: Op) -> Result<(), ScimType> {
    for (at, value) in values.elements.iter_mut().enumerate() {
        match given {
            _ if !places.contains(&at) => {}
            Given::Parts(parts) if op == Op::Add => set_parts(value, parts, op)?,
            Given::Parts(parts) => *value = object(parts),
            Given::Simple(new) => *value = new.clone(),
            Given::List(_) => {}
        }
    }
    match given {
        Given::Parts(parts) if is_primary(&object(parts)) => move_primary(&mut values.elements, places),
        _ => Ok(()),
    }
}

/// A value of the `eq` terms of a filter; `noTarget` where it is anything but such terms joined by `and`, or
/// two of them contradict each other (ledger choice `add-filter-no-match`).
fn create(filter: &Expr, attribute: &Attribute) -> Result<Value, ScimType> {
    let mut terms = Vec::new();
    eq_terms(filter, &mut terms)?;
    let mut created = Value::Object(Map::new());
    for (name, literal) in terms {
        if attribute.kind != Kind::Complex {
            continue;
        }
        let sub = attribute.sub(name).ok_or(ScimType::NoTarget)?;
        let value = match literal {
            Literal::Null => return Err(ScimType::NoTarget),
            Literal::Bool(value) => Value::Bool(*value),
            Literal::Number(text) => serde_json::from_str(text).map_err(|_| ScimType::NoTarget)?,
            Literal::Text(text) => Value::from(text.as_str()),
        };
        let value = super::value::simple(&value, sub).map_err(|_| ScimType::NoTarget)?;
        let Some(members) = created.as_object_mut() else { continue };
        match members.get(&sub.name) {
            Some(known) if !same(known, &value, sub) => return Err(ScimType::NoTarget),
            Some(_) => {}
            None => drop(members.insert(sub.name.clone(), value)),
        }
    }
    Ok(created)
}

fn eq_terms<'f>(filter: &'f Expr, terms: &mut Vec<(&'f str, &'f Literal)>) -> Result<(), ScimType> {
    match filter {
        Expr::And(all) => all.iter().try_for_each(|term| eq_terms(term, terms)),
        Expr::Compare(path, Operator::Eq, value) => {
            terms.push((&path.attribute, value));
            Ok(())
        }
        _ => Err(ScimType::NoTarget),
    }
}

/// `replace` with null: what there is becomes unassigned.
fn clear(
    located: &Located<'_>,
    filter: Option<&Expr>,
    current: Option<Value>,
) -> Result<Option<Value>, ScimType> {
    let attribute = located.attribute;
    let values = Values::of(current.clone(), attribute);
    if let Some(filter) = filter
        && values.matching(filter, attribute).is_empty()
    {
        return Err(ScimType::NoTarget);
    }
    // Ledger choice `sub-attribute-all-values`.
    if filter.is_none() && located.sub.is_some() && attribute.multi_valued && values.elements.is_empty() {
        return Err(ScimType::NoTarget);
    }
    remove(located, filter, None, current)
}

/// `remove`: what is left of the attribute.
fn remove(
    located: &Located<'_>,
    filter: Option<&Expr>,
    listed: Option<&[Value]>,
    current: Option<Value>,
) -> Result<Option<Value>, ScimType> {
    let attribute = located.attribute;
    let mut values = Values::of(current, attribute);
    let places = match filter {
        Some(filter) => values.matching(filter, attribute),
        None => (0..values.elements.len()).collect(),
    };
    if let Some(sub) = located.sub {
        for (at, value) in values.elements.iter_mut().enumerate() {
            if !places.contains(&at) {
                continue;
            }
            match (listed, value.get(&sub.name).cloned()) {
                (Some(listed), Some(Value::Array(mut present))) => {
                    present.retain(|v| !listed.iter().any(|l| same(l, v, sub)));
                    let left = Some(Value::Array(present)).filter(|v| !is_unassigned(v));
                    set_part(value, sub, left, Op::Replace)?;
                }
                _ => set_part(value, sub, None, Op::Remove)?,
            }
        }
    } else if let Some(listed) = listed {
        values.elements.retain(|v| !listed.iter().any(|l| is_listed(v, l, attribute)));
    } else {
        let mut at = 0;
        values.elements.retain(|_| {
            at += 1;
            !places.contains(&(at - 1))
        });
    }
    values.elements.retain(|v| !is_unassigned(v));
    Ok(values.into_value())
}

/// Ledger choice `remove-with-value`: by `value`, or by all that is given where there is none.
fn is_listed(value: &Value, listed: &Value, attribute: &Attribute) -> bool {
    let Value::Object(parts) = listed else { return same(value, listed, attribute) };
    if let (Some(sub), Some(_)) = (attribute.sub("value"), listed.get("value")) {
        return same_sub(value.get("value"), listed.get("value"), sub);
    }
    let holds = |(name, part): (&String, &Value)| {
        attribute.sub(name).is_some_and(|sub| same_sub(value.get(name), Some(part), sub))
    };
    !parts.is_empty() && parts.iter().all(holds)
}
