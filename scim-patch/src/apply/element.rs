//! Parts of one complex value.

use scim_schema::{Array, Located, Mutability, Object, Value};

use crate::compare::same_value;
use crate::error::{PatchError, PatchErrorKind};
use crate::step::{Part, PartEdit};

/// Changes one sub-attribute of a value of the complex attribute that `located` names.
pub(super) fn edit_part(
    object: &mut Object,
    part: &Part<'_>,
    located: &Located<'_>,
) -> Result<(), PatchError> {
    let sub = part.sub;
    let present = object.get(sub.name());
    if let (Mutability::Immutable, Some(present)) = (sub.mutability(), present) {
        let same = !sub.is_hidden()
            && match &part.edit {
                PartEdit::Set(value) => value.as_ref().is_some_and(|v| same_value(sub, present, v)),
                PartEdit::Append(values) => values.iter().all(|v| has(part, present, v)),
            };
        return if same { Ok(()) } else { Err(immutable(&Located { sub: Some(sub), ..*located })) };
    }
    match &part.edit {
        PartEdit::Set(None) => drop(object.remove(sub.name())),
        // A missing `primary` is false already (RFC 7643 §2.4).
        PartEdit::Set(Some(Value::Bool(false))) if sub.name() == "primary" && present.is_none() => {}
        PartEdit::Set(Some(value)) => drop(object.insert(sub.name(), value.clone())),
        PartEdit::Append(values) => {
            let list = object.get_or_insert_with(sub.name(), || Value::Array(Array::new()));
            for value in values {
                if !has(part, list, value)
                    && let Some(list) = list.as_array_mut()
                {
                    list.push(value.clone());
                }
            }
        }
    }
    Ok(())
}

/// Whether a part sets `primary`.
pub(super) fn sets_primary(part: &Part<'_>) -> bool {
    part.sub.name() == "primary" && matches!(part.edit, PartEdit::Set(Some(Value::Bool(true))))
}

pub(super) fn immutable(located: &Located<'_>) -> PatchError {
    PatchError::new(PatchErrorKind::Mutability, located.path(), "the value is immutable and can't be changed")
}

fn has(part: &Part<'_>, list: &Value, value: &Value) -> bool {
    list.elements().iter().any(|present| same_value(part.sub, present, value))
}
