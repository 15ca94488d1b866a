//! Members of a resource, and changes to them.

use scim_schema::{Value, referenced_id};

/// A member: the id of another resource, with what is recorded about it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "the sub-attributes of RFC 7643 §4.2")]
pub struct Member {
    /// The id of the member (`value`).
    pub id: String,
    /// The name of its resource type (`type`), where it is known.
    pub resource_type: Option<String>,
    /// The label that the client gave (`display`).
    pub display: Option<String>,
}

impl Member {
    /// A member of which only the id is known.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), resource_type: None, display: None }
    }

    /// The member that a value in canonical form stands for; `None` for a value without id.
    pub fn of(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let id = referenced_id(value)?.to_owned();
        Some(Self { id, resource_type: text("type"), display: text("display") })
    }
}

/// A change of members whose cost does not depend on how many there are.
///
/// The members afterwards are those before (none, if `clear`), without `remove`, with `add`. No id is in
/// both lists, and none twice in one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the three parts of a change of a set")]
pub struct MemberDelta {
    /// Whether all present members go first.
    pub clear: bool,
    /// Members that come. One that is there already stays as it is.
    pub add: Vec<Member>,
    /// Ids of members that go. One that is not there is ignored.
    pub remove: Vec<String>,
}

impl MemberDelta {
    /// Whether the change does nothing whatever the members are.
    pub fn is_empty(&self) -> bool {
        !self.clear && self.add.is_empty() && self.remove.is_empty()
    }
}
