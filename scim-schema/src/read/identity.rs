//! What makes two values of a multi-valued attribute the same (RFC 7643 §2.4).

use std::borrow::Cow;
use std::collections::HashSet;

use crate::attribute::Attribute;
use crate::reference::referenced_id;
use crate::text;
use crate::value::{Array, Object, Value};

/// From how many values on a hash set pays.
const FEW: usize = 16;

/// Keeps the first of equal values, equal (type, value) pairs and equal members, in linear time. Says
/// whether any was dropped.
pub(super) fn drop_duplicates(list: &mut Array, attribute: &Attribute, members: bool) -> bool {
    let kept = match list.len() {
        0 | 1 => return false,
        few if few <= FEW => {
            let mut seen = Vec::with_capacity(few);
            mark(list, attribute, members, |identity| {
                let is_new = !seen.contains(&identity);
                seen.push(identity);
                is_new
            })
        }
        many => {
            let mut seen = HashSet::with_capacity(many);
            mark(list, attribute, members, |identity| seen.insert(identity))
        }
    };
    let Some(kept) = kept else { return false };
    let mut kept = kept.into_iter();
    list.retain(|_| kept.next().unwrap_or(true));
    true
}

/// Which values to keep; `None` for all of them.
fn mark<'v>(
    list: &'v [Value],
    attribute: &Attribute,
    members: bool,
    mut is_new: impl FnMut(Identity<'v>) -> bool,
) -> Option<Vec<bool>> {
    let mut kept = None;
    for (at, value) in list.iter().enumerate() {
        let new = is_new(Identity::of(value, attribute, members));
        if !new {
            kept.get_or_insert_with(|| vec![true; at]);
        }
        if let Some(kept) = &mut kept {
            kept.push(new);
        }
    }
    kept
}

#[derive(PartialEq, Eq, Hash)]
enum Identity<'v> {
    /// The value itself, or a member's id.
    Value(Cow<'v, str>),
    /// The `value` and the `type`.
    Pair(Cow<'v, str>, Option<Cow<'v, str>>),
    /// All parts of a value that has no `value`, by name.
    Whole(Vec<(&'v str, Cow<'v, str>)>),
}

impl<'v> Identity<'v> {
    fn of(value: &'v Value, attribute: &Attribute, members: bool) -> Self {
        let Value::Object(object) = value else {
            return Self::Value(comparable(value, attribute));
        };
        if members && let Some((id, sub)) = referenced_id(value).zip(attribute.sub_attribute("value")) {
            return Self::Value(text::comparable(id, sub.case_exact()));
        }
        match part(object, attribute, "value") {
            Some(value) => Self::Pair(value, part(object, attribute, "type")),
            None => {
                let mut parts: Vec<_> = object.iter().map(|(name, value)| (name, exact(value))).collect();
                parts.sort_unstable();
                Self::Whole(parts)
            }
        }
    }
}

fn part<'v>(object: &'v Object, attribute: &Attribute, name: &str) -> Option<Cow<'v, str>> {
    let sub = attribute.sub_attribute(name)?;
    object.get(sub.name()).map(|value| comparable(value, sub))
}

fn comparable<'v>(value: &'v Value, attribute: &Attribute) -> Cow<'v, str> {
    match value {
        Value::String(value) => text::comparable(value, attribute.case_exact()),
        _ => exact(value),
    }
}

/// Values of one attribute are of one type, so the text of a value tells it from the others.
fn exact(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(format!("{other:?}")),
    }
}
