//! What differs between two states of a resource.

use scim_schema::Value;

/// One attribute that changed.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a path and two values")]
pub struct AttributeChange {
    /// The canonical path: `title`, `name.familyName`, `urn:…:User:department`.
    pub path: String,
    /// The value before; `None` for unassigned.
    pub from: Option<Value>,
    /// The value after; `None` for unassigned.
    pub to: Option<Value>,
}
