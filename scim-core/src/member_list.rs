//! Members, many of them in little memory.

use scim_patch::Member;

/// The members of one resource, in order, close together: a hundred thousand take some megabytes.
///
/// ```
/// use scim_core::{Member, MemberList};
///
/// let mut members = MemberList::default();
/// members.push("2819c223", Some("User"), Some("Babs Jensen"));
/// members.push("902c246b", None, None);
/// assert_eq!(members.len(), 2);
/// assert_eq!(members.part(1, 10), [Member::new("902c246b")]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberList {
    /// Ids and displays, one after the other.
    text: String,
    entries: Vec<Entry>,
    /// Names of resource types, each once.
    types: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    /// Where the id ends; it begins where the entry before ends.
    id: usize,
    /// Where the display ends, and with it the entry.
    display: usize,
    has_display: bool,
    /// The place of the type's name, if there is one.
    resource_type: Option<u16>,
}

impl MemberList {
    /// Puts a member behind the others.
    pub fn push(&mut self, id: &str, resource_type: Option<&str>, display: Option<&str>) {
        self.text.push_str(id);
        let id = self.text.len();
        self.text.push_str(display.unwrap_or_default());
        let resource_type = resource_type.and_then(|name| self.place(name));
        let display_end = self.text.len();
        self.entries.push(Entry { id, display: display_end, has_display: display.is_some(), resource_type });
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// At most `count` members, without the first `skip`.
    pub fn part(&self, skip: usize, count: usize) -> Vec<Member> {
        let before = skip.checked_sub(1).and_then(|last| self.entries.get(last));
        let mut begin = before.map_or(0, |entry| entry.display);
        let text = |from, to| self.text.get(from..to).unwrap_or_default().to_owned();
        let member = |entry: &Entry| {
            let name = entry.resource_type.and_then(|at| self.types.get(usize::from(at)));
            let member = Member {
                id: text(begin, entry.id),
                resource_type: name.cloned(),
                display: entry.has_display.then(|| text(entry.id, entry.display)),
            };
            begin = entry.display;
            member
        };
        self.entries.iter().skip(skip).take(count).map(member).collect()
    }

    /// There are as many names as the registry has types, which are few.
    fn place(&mut self, name: &str) -> Option<u16> {
        let known = self.types.iter().position(|known| known == name);
        let at = known.unwrap_or_else(|| {
            self.types.push(name.to_owned());
            self.types.len() - 1
        });
        u16::try_from(at).ok()
    }
}

impl<'m> FromIterator<&'m Member> for MemberList {
    fn from_iter<I: IntoIterator<Item = &'m Member>>(members: I) -> Self {
        let mut list = Self::default();
        for member in members {
            list.push(&member.id, member.resource_type.as_deref(), member.display.as_deref());
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_in_parts() {
        let member = |id: &str, resource_type: Option<&str>, display: Option<&str>| Member {
            id: id.to_owned(),
            resource_type: resource_type.map(str::to_owned),
            display: display.map(str::to_owned),
        };
        let members = [
            member("a", Some("User"), Some("Ann")),
            member("", None, Some("")),
            member("ü", Some("Group"), None),
            member("b", Some("User"), Some("Bø")),
        ];
        let list: MemberList = members.iter().collect();
        assert_eq!(list.part(0, usize::MAX), members);
        for skip in 0..5 {
            assert_eq!(list.part(skip, 2), members.iter().skip(skip).take(2).cloned().collect::<Vec<_>>());
        }
        assert!(!list.is_empty() && MemberList::default().is_empty());
        assert_eq!(list.types, ["User", "Group"]);
    }
}
