//! What an operation makes of the values of an attribute.

use serde_json::{Map, Value};

use super::ScimType;
use super::list::{check_one_primary, holds, is_primary, is_same_value, member_id, move_primary};
use super::step::{Op, store};
use super::value::{Given, Part, check_member, check_required, element};
use crate::naive::compare::{is_unassigned, same, whole_number};
use crate::naive::filter::{Expr, Literal, Operator};
use crate::naive::matching::{elements, matches_value};
use crate::naive::schema::{Attribute, Kind, Located, Mutability};

/// `add` and `replace`: the new value of the attribute.
pub(super) fn set(
    op: Op,
    located: &Located<'_>,
    filter: Option<&Expr>,
    given: &Given<'_>,
    member: bool,
    current: Option<&Value>,
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
            let found = values.matching(filter, attribute);
            match (sub, given) {
                _ if found.is_empty() => {
                    let created = create(op, filter, attribute, sub, given)?;
                    if !is_unassigned(&created) {
                        check_member(&created, member)?;
                        // A singular attribute has room for one value only.
                        if !(attribute.multi_valued || values.elements.is_empty()) {
                            return Err(ScimType::NoTarget);
                        }
                        let place = add_value(&mut values.elements, &created, attribute, member)?;
                        if is_primary(&created) {
                            move_primary(&mut values.elements, &[place])?;
                        }
                    }
                }
                (Some(sub), given) => set_sub(&mut values, &found, sub, given, op)?,
                (None, Given::Simple(new)) => swap(&mut values, &found, new, attribute, member)?,
                (None, Given::Parts(parts)) => merge(&mut values, &found, parts, op)?,
                (None, Given::List(_)) => {}
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
pub(super) struct Values {
    elements: Vec<Value>,
    multi_valued: bool,
}

impl Values {
    pub(super) fn of(current: Option<&Value>, attribute: &Attribute) -> Self {
        let elements = elements(current).into_iter().cloned().collect();
        Self { elements, multi_valued: attribute.multi_valued }
    }

    pub(super) fn matching(&self, filter: &Expr, attribute: &Attribute) -> Vec<usize> {
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
    let by_id = member && member_id(new).is_some();
    if !by_id && let Some(at) = values.iter().position(|value| holds(value, new, attribute)) {
        return Ok(at);
    }
    // Ledger choices `add-same-member`, `add-merge-same-value`.
    let Some(at) = values.iter().position(|v| is_same_value(v, new, attribute, member)) else {
        values.push(new.clone());
        return Ok(values.len() - 1);
    };
    if !by_id && let Some(value) = values.get_mut(at) {
        let further = attribute.subs.iter().filter(|sub| sub.name != "value" && sub.name != "type");
        let parts: Vec<Part<'_>> =
            further.filter_map(|sub| Some((sub, Some(new.get(&sub.name)?.clone())))).collect();
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
    // RFC 7643 §2.4: it is false already.
    if sub.name == "primary" && new == Some(Value::Bool(false)) && !members.contains_key("primary") {
        return Ok(());
    }
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
        // Of what nobody may read, nobody learns whether it is the same.
        let kept = !sub.hidden && new.as_ref().is_some_and(|new| same(current, new, sub));
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
        Given::Parts(_) => return Ok(()),
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

/// One value takes the place of those at some places (ledger choice `replace-value-path-whole`), and of others
/// that are the same.
fn swap(
    values: &mut Values,
    places: &[usize],
    new: &Value,
    attribute: &Attribute,
    member: bool,
) -> Result<(), ScimType> {
    if is_primary(new) {
        move_primary(&mut values.elements, places)?;
    }
    let first = places.first().copied().unwrap_or_default();
    let mut swapped = Vec::new();
    for (at, value) in values.elements.iter().enumerate() {
        let has_id = new.get("value").is_some() || (member && member_id(new).is_some());
        let told_apart = attribute.kind != Kind::Complex || has_id;
        if at == first {
            swapped.push(new.clone());
        } else if !places.contains(&at) && (!told_apart || !is_same_value(value, new, attribute, member)) {
            swapped.push(value.clone());
        }
    }
    values.elements = swapped;
    Ok(())
}

/// Parts are merged into the values at some places (ledger choice `add-value-path-merges`).
fn merge(values: &mut Values, places: &[usize], parts: &[Part<'_>], op: Op) -> Result<(), ScimType> {
    for (at, value) in values.elements.iter_mut().enumerate() {
        if places.contains(&at) {
            set_parts(value, parts, op)?;
        }
    }
    let primary = parts.iter().any(|(sub, value)| sub.name == "primary" && *value == Some(Value::Bool(true)));
    if primary { move_primary(&mut values.elements, places) } else { Ok(()) }
}

/// A value of the `eq` terms of a filter and of what the request gives, which comes before them; `noTarget`
/// where the filter is anything but such terms joined by `and`, or two of them contradict each other (ledger
/// choice `add-filter-no-match`).
fn create(
    op: Op,
    filter: &Expr,
    attribute: &Attribute,
    sub: Option<&Attribute>,
    given: &Given<'_>,
) -> Result<Value, ScimType> {
    if op == Op::Replace {
        return Err(ScimType::NoTarget);
    }
    let mut terms = Vec::new();
    eq_terms(filter, &mut terms)?;
    let mut known: Vec<(&Attribute, Option<Value>)> = Vec::new();
    for (name, literal) in terms {
        let sub = match attribute.kind {
            Kind::Complex => attribute.sub(name).ok_or(ScimType::NoTarget)?,
            _ => attribute,
        };
        let value = Some(literal_value(literal, sub)?);
        match known.iter().find(|(known, _)| known.name == sub.name) {
            Some((_, other)) if *other != value => return Err(ScimType::NoTarget),
            Some(_) => {}
            None => known.push((sub, value)),
        }
    }
    let given: Vec<Part<'_>> = match (sub, given) {
        (Some(sub), Given::Simple(value)) => vec![(sub, Some(value.clone()))],
        (Some(sub), Given::List(values)) => vec![(sub, Some(Value::Array(values.clone())))],
        (_, Given::Parts(parts)) => parts.clone(),
        (None, Given::Simple(value)) => return Ok(value.clone()),
        (None, Given::List(_)) => Vec::new(),
    };
    known.retain(|(sub, _)| !given.iter().any(|(given, _)| given.name == sub.name));
    let mut members = Map::new();
    for (sub, value) in known.into_iter().chain(given) {
        members.insert(sub.name.clone(), value.unwrap_or_default());
    }
    element(&members, attribute)
}

/// A literal as a value: whole numbers are written as such.
fn literal_value(literal: &Literal, sub: &Attribute) -> Result<Value, ScimType> {
    Ok(match literal {
        Literal::Null => return Err(ScimType::NoTarget),
        Literal::Bool(value) => Value::Bool(*value),
        Literal::Number(text) => {
            whole_number(text).or_else(|| serde_json::from_str(text).ok()).ok_or(ScimType::NoTarget)?
        }
        Literal::Text(text) if sub.kind == Kind::Boolean => Value::Bool(text.eq_ignore_ascii_case("true")),
        Literal::Text(text) => Value::from(text.as_str()),
    })
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
pub(super) fn clear(
    located: &Located<'_>,
    filter: Option<&Expr>,
    current: Option<&Value>,
) -> Result<Option<Value>, ScimType> {
    let attribute = located.attribute;
    let values = Values::of(current, attribute);
    if let Some(filter) = filter
        && values.matching(filter, attribute).is_empty()
    {
        return Err(ScimType::NoTarget);
    }
    // Ledger choice `sub-attribute-all-values`.
    if filter.is_none() && located.sub.is_some() && attribute.multi_valued && values.elements.is_empty() {
        return Err(ScimType::NoTarget);
    }
    remove(located, filter, None, current, false)
}

/// `remove`: what is left of the attribute.
pub(super) fn remove(
    located: &Located<'_>,
    filter: Option<&Expr>,
    listed: Option<&[Value]>,
    current: Option<&Value>,
    member: bool,
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
        values.elements.retain(|v| !listed.iter().any(|l| is_listed(v, l, attribute, member)));
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

/// Ledger choice `remove-with-value`: by `value`, or by all that is given where there is none. The URI of a member
/// gives its id.
fn is_listed(value: &Value, listed: &Value, attribute: &Attribute, member: bool) -> bool {
    let Value::Object(parts) = listed else { return same(value, listed, attribute) };
    let by_uri = member && parts.len() == 1 && parts.contains_key("$ref");
    if by_uri && let (Some(sub), Some(wanted)) = (attribute.sub("value"), member_id(listed)) {
        return member_id(value).is_some_and(|id| same(&id, &wanted, sub));
    }
    if let (Some(sub), Some(_)) = (attribute.sub("value"), listed.get("value")) {
        let of = |value: &Value| value.get("value").cloned().unwrap_or_default();
        return same(&of(value), &of(listed), sub);
    }
    !parts.is_empty() && holds(value, listed, attribute)
}
