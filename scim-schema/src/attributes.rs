//! Lists of attributes, looked up by name.

use crate::attribute::Attribute;

/// Attributes in the order of their document, found by name: an open hash table of their positions.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Attributes {
    list: Vec<Attribute>,
    /// Positions in the list, `usize::MAX` for none; at least half of them are free.
    slots: Vec<usize>,
}

impl Attributes {
    /// Appends an attribute, whose name must be new.
    pub(crate) fn push(&mut self, attribute: Attribute) {
        self.list.push(attribute);
        if 2 * self.list.len() > self.slots.len() {
            self.slots = vec![usize::MAX; (4 * self.list.len()).next_power_of_two()];
            (0..self.list.len()).for_each(|at| self.enter(at));
        } else {
            self.enter(self.list.len() - 1);
        }
    }

    fn enter(&mut self, at: usize) {
        let Some(attribute) = self.list.get(at) else { return };
        let (mut slot, last) = (hash(attribute.name()), self.slots.len() - 1);
        while let Some(taken) = self.slots.get_mut(slot & last) {
            if *taken == usize::MAX {
                *taken = at;
                return;
            }
            slot += 1;
        }
    }

    /// The attribute of that name, without regard to letter case, and its position.
    #[inline]
    pub(crate) fn find(&self, name: &str) -> Option<(usize, &Attribute)> {
        let mut slot = hash(name);
        loop {
            let at = *self.slots.get(slot & self.slots.len().wrapping_sub(1))?;
            let attribute = self.list.get(at)?;
            if attribute.name() == name || attribute.name().eq_ignore_ascii_case(name) {
                return Some((at, attribute));
            }
            slot += 1;
        }
    }
}

impl std::ops::Deref for Attributes {
    type Target = [Attribute];

    fn deref(&self) -> &[Attribute] {
        &self.list
    }
}

/// The same for names that differ by letter case only. Length and three letters tell the attributes of the
/// standard schemas apart well enough.
#[inline]
fn hash(name: &str) -> usize {
    let bytes = name.as_bytes();
    let letter = |at: usize| bytes.get(at).map_or(0, |byte| usize::from(byte | 0x20));
    let length = bytes.len();
    length + 3 * letter(0) + 7 * letter(length / 2) + 17 * letter(length.wrapping_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute::Nesting;
    use crate::value::{Object, Value};

    #[test]
    fn every_attribute_is_found_by_its_name_in_any_letter_case() {
        let mut attributes = Attributes::default();
        assert_eq!(attributes.find("a"), None);
        // Many of the same length, first, middle and last letter: they share a slot.
        let names: Vec<String> = (0..300).map(|n| format!("a{n:03}b{n:03}a")).collect();
        for (at, name) in names.iter().enumerate() {
            let definition = Value::Object([("name", name.as_str())].into_iter().collect::<Object>());
            attributes.push(Attribute::from_value(&definition, None, Nesting::TwoLevels).unwrap());
            assert_eq!(attributes.find(name).map(|(at, _)| at), Some(at));
        }
        for (at, name) in names.iter().enumerate() {
            let found = attributes.find(&name.to_ascii_uppercase()).unwrap();
            assert_eq!((found.0, found.1.name()), (at, name.as_str()));
        }
        for absent in ["", "a", "a000b001a", "a000b000ä"] {
            assert_eq!(attributes.find(absent), None, "{absent}");
        }
    }
}
