//! Carrying out one operation.

use serde_json::{Map, Value};

use super::edit::{Values, clear, remove, set};
use super::value::Given;
use super::{ScimType, State};
use crate::naive::compare::{is_unassigned, same};
use crate::naive::filter::Expr;
use crate::naive::schema::{Attribute, Extension, Located, Mutability};

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
    Remove { located: Located<'t>, filter: Option<Expr>, listed: Option<Vec<Value>>, is_member: bool },
    /// Nothing but that there is something to change, for an operation that is wrong in another way, too.
    Probe { op: Op, located: Located<'t>, filter: Option<Expr> },
    /// A readOnly attribute that the request repeats.
    MustBe { located: Located<'t>, value: Value },
    /// An extension as a whole goes.
    DropExtension(&'t Extension),
    /// Extensions are named in `schemas`.
    List(Vec<&'t Extension>),
    /// Extensions are no longer named there.
    Unlist(Vec<&'t Extension>),
}

impl Step<'_> {
    pub(super) fn carry_out(&self, state: &mut State) -> Result<(), ScimType> {
        match self {
            Self::Set { op, located, filter, given, is_member } => {
                let current = get(state, located);
                state.hidden_set |= is_hidden(located) || gives_hidden(given, located, current.is_some());
                let new = set(*op, located, filter.as_ref(), given, *is_member, current.as_ref())?;
                put(state, located, current.as_ref(), new)
            }
            Self::Clear { located, filter } => {
                let current = get(state, located);
                let part = located.sub.is_some() || filter.is_some();
                state.hidden_set |= tells_nothing(located, current.is_some(), part);
                let new = clear(located, filter.as_ref(), current.as_ref())?;
                put(state, located, current.as_ref(), new)
            }
            Self::Remove { located, filter, listed, is_member } => {
                let current = get(state, located);
                let part = located.sub.is_some() || filter.is_some() || listed.is_some();
                state.hidden_set |= tells_nothing(located, current.is_some(), part);
                let new = remove(located, filter.as_ref(), listed.as_deref(), current.as_ref(), *is_member)?;
                put(state, located, current.as_ref(), new)
            }
            Self::Probe { op, located, filter: Some(filter) } if *op == Op::Replace => {
                let values = Values::of(get(state, located).as_ref(), located.attribute);
                let found = values.matching(filter, located.attribute);
                if found.is_empty() { Err(ScimType::NoTarget) } else { Ok(()) }
            }
            Self::Probe { .. } => Ok(()),
            Self::MustBe { located, value } => {
                let repeats = repeats(get(state, located).as_ref(), value);
                if repeats { Ok(()) } else { Err(ScimType::Mutability) }
            }
            Self::DropExtension(extension) => drop_extension(state, extension),
            Self::List(extensions) => {
                extensions.iter().for_each(|extension| list_urn(state, &extension.schema.urn));
                Ok(())
            }
            Self::Unlist(extensions) => extensions.iter().try_for_each(|extension| {
                drop_extension(state, extension)?;
                unlist_urn(state, &extension.schema.urn);
                Ok(())
            }),
        }
    }
}

/// Whether a request repeats what a readOnly attribute has. Sub-attributes that it leaves out do not count.
fn repeats(stored: Option<&Value>, given: &Value) -> bool {
    let one = |stored: &Value, given: &Value| match (stored, given) {
        (Value::Object(stored), Value::Object(given)) => given.iter().all(|(name, value)| {
            match stored.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
                Some((_, own)) => own == value,
                None => is_unassigned(value),
            }
        }),
        _ => stored == given,
    };
    match (stored, given) {
        (None, given) => is_unassigned(given),
        (Some(Value::Array(stored)), Value::Array(given)) => {
            stored.len() == given.len() && stored.iter().zip(given).all(|(s, g)| one(s, g))
        }
        (Some(Value::Array(stored)), given) => matches!(&stored[..], [single] if one(single, given)),
        (Some(stored), given) => one(stored, given),
    }
}

fn is_hidden(located: &Located<'_>) -> bool {
    located.attribute.hidden || located.sub.is_some_and(|sub| sub.hidden)
}

/// Whether taking something away counts as a change in any case: of what nobody may read, nobody learns what
/// was there, only that nothing was.
fn tells_nothing(located: &Located<'_>, present: bool, part: bool) -> bool {
    (is_hidden(located) && present) || (located.attribute.hidden && part)
}

/// Whether a value sets a sub-attribute that nobody may read.
fn gives_hidden(given: &Given<'_>, located: &Located<'_>, present: bool) -> bool {
    let subs = &located.attribute.subs;
    let gives = |value: &Value| subs.iter().any(|sub| sub.hidden && value.get(&sub.name).is_some());
    match given {
        Given::Simple(value) => gives(value),
        Given::Parts(parts) => parts.iter().any(|(sub, value)| sub.hidden && (present || value.is_some())),
        Given::List(values) => values.iter().any(gives),
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
    current: Option<&Value>,
    new: Option<Value>,
) -> Result<(), ScimType> {
    let attribute = located.attribute;
    let new = new.filter(|v| !is_unassigned(v));
    if attribute.mutability == Mutability::Immutable
        && let Some(current) = current
    {
        // Ledger choice `immutable-same-value`.
        return match &new {
            Some(new) if !attribute.hidden && same(current, new, attribute) => Ok(()),
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
    // Ledger choice `empty-extension`: it goes with its last value, unless it is required.
    if !container.is_empty() || (extension.required && had_container) {
        state.resource.insert(urn.clone(), Value::Object(container));
        list_urn(state, urn);
    } else if had_container {
        state.resource.remove(urn);
        unlist_urn(state, urn);
    }
    Ok(())
}

pub(super) fn store(container: &mut Map<String, Value>, name: &str, new: Option<Value>) {
    match new {
        Some(value) => drop(container.insert(name.to_owned(), value)),
        None => drop(container.remove(name)),
    }
}

fn drop_extension(state: &mut State, extension: &Extension) -> Result<(), ScimType> {
    let container = state.resource.get(&extension.schema.urn).cloned().unwrap_or_default();
    // What can't be taken away one by one can't be taken away together.
    let fixed = |a: &&Attribute| matches!(a.mutability, Mutability::Immutable | Mutability::ReadOnly);
    if extension.schema.attributes.iter().filter(fixed).any(|a| container.get(&a.name).is_some()) {
        return Err(ScimType::Mutability);
    }
    state.resource.remove(&extension.schema.urn);
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
