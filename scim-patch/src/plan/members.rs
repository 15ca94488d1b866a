//! Changes of members that need not know who the members are.

use std::collections::HashMap;

use scim_schema::Value;

use crate::error::{PatchError, PatchErrorKind};
use crate::member::{Member, MemberDelta};
use crate::step::{AttributeEdit, Edit, ElementChange, Listed, Step};

/// The delta of all steps on the membership attribute, or `None` if one of them depends on the members.
pub(super) fn delta(steps: &[Step<'_>], attribute: &str) -> Result<Option<MemberDelta>, PatchError> {
    let mut builder = Builder::default();
    for step in steps.iter().filter(|s| s.is_on(attribute)) {
        let Edit::Attribute(_, edit) = &step.edit else { continue };
        let known = builder.edit(edit).map_err(|()| {
            PatchError::new(PatchErrorKind::InvalidValue, attribute, "each member needs a `value`")
                .in_operation(step.operation)
        })?;
        if !known {
            return Ok(None);
        }
    }
    Ok(Some(builder.finish()))
}

pub(super) fn too_many(attribute: &str, limit: usize) -> PatchError {
    PatchError::new(PatchErrorKind::TooLarge, attribute, format!("has more than {limit} values"))
}

/// The last word on each id wins.
#[derive(Default)]
struct Builder {
    clear: bool,
    entries: Vec<Option<Entry>>,
    by_id: HashMap<String, usize>,
}

enum Entry {
    Add(Member),
    Remove(String),
}

impl Builder {
    /// Whether the edit could be taken in; an error where a member has no id.
    fn edit(&mut self, edit: &AttributeEdit<'_>) -> Result<bool, ()> {
        match edit {
            AttributeEdit::Set(list) => {
                *self = Self { clear: true, ..Self::default() };
                for value in list.iter().flat_map(Value::elements) {
                    self.add(value)?;
                }
            }
            AttributeEdit::Append(list) => {
                for value in list {
                    self.add(value)?;
                }
            }
            AttributeEdit::RemoveListed(listed) => {
                for item in listed {
                    let Listed::Value(Value::String(id)) = item else { return Ok(false) };
                    self.remove(id.as_str().to_owned());
                }
            }
            AttributeEdit::Select(selection) => match (&selection.values, &selection.change) {
                (Some(ids), ElementChange::Remove) => {
                    for id in ids {
                        self.remove(id.clone());
                    }
                }
                _ => return Ok(false),
            },
            AttributeEdit::Same(_) | AttributeEdit::Merge(_) => return Ok(false),
        }
        Ok(true)
    }

    fn add(&mut self, value: &Value) -> Result<(), ()> {
        let member = Member::of(value).ok_or(())?;
        let at = self.entry(&member.id);
        if let Some(slot) = self.entries.get_mut(at)
            && !matches!(slot, Some(Entry::Add(_)))
        {
            *slot = Some(Entry::Add(member));
        }
        Ok(())
    }

    fn remove(&mut self, id: String) {
        let at = self.entry(&id);
        if let Some(slot) = self.entries.get_mut(at) {
            // After a clear, there is nothing to remove but what this request added.
            *slot = if self.clear { None } else { Some(Entry::Remove(id)) };
        }
    }

    fn entry(&mut self, id: &str) -> usize {
        if let Some(at) = self.by_id.get(id) {
            return *at;
        }
        let at = self.entries.len();
        self.entries.push(None);
        self.by_id.insert(id.to_owned(), at);
        at
    }

    fn finish(self) -> MemberDelta {
        let mut delta = MemberDelta { clear: self.clear, ..MemberDelta::default() };
        for entry in self.entries.into_iter().flatten() {
            match entry {
                Entry::Add(member) => delta.add.push(member),
                Entry::Remove(id) => delta.remove.push(id),
            }
        }
        delta
    }
}
