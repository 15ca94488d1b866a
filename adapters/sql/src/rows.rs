//! Rows to resources and back.

use scim_core::{AttributeChange, Member, MemberList, Needs, StoreError, Stored};
use scim_schema::{DateTime, Object, Resource, ResourceType, UniqueKey, Value, write_json};

use crate::error::DatabaseError;
use crate::params;
use crate::session::{Row, Session};

/// The columns that [`Found::read`] wants, of `scim_resources AS r`.
macro_rules! columns {
    () => {
        "r.n, r.type, r.version, r.created, r.modified, r.document"
    };
}
pub(crate) use columns;

/// A row of scim_resources, before its document is parsed.
pub(crate) struct Found<'r> {
    pub(crate) n: i64,
    pub(crate) resource_type: &'r str,
    created: i64,
    version: u64,
    modified: i64,
    document: &'r str,
}

impl<'r> Found<'r> {
    pub(crate) fn read(row: &Row<'r>) -> Result<Self, DatabaseError> {
        Ok(Self {
            n: row.int(0)?,
            resource_type: row.text(1)?,
            version: row.unsigned(2)?,
            created: row.int(3)?,
            modified: row.int(4)?,
            document: row.text(5)?,
        })
    }

    /// The resource with `meta`, without members and inverse attributes.
    pub(crate) fn stored(&self, resource_type: &ResourceType) -> Result<Stored, StoreError> {
        let mut stored = self.without_meta(Resource::from_text(self.document).map_err(malformed)?);
        stored.resource.set_meta(resource_type, stored.created, stored.last_modified, self.version);
        Ok(stored)
    }

    /// What a query needs of it, without members and inverse attributes.
    pub(crate) fn needed(
        &self,
        resource_type: &ResourceType,
        needs: &Needs<'_>,
    ) -> Result<Stored, StoreError> {
        let resource = Resource::from_text(self.document).map_err(malformed)?;
        let mut stored = self.without_meta(needs.of(&resource));
        if needs.reads("meta") {
            stored.resource.set_meta(resource_type, stored.created, stored.last_modified, self.version);
        }
        Ok(stored)
    }

    fn without_meta(&self, resource: Resource) -> Stored {
        let created = DateTime::from_unix_micros(self.created);
        let last_modified = DateTime::from_unix_micros(self.modified);
        Stored { resource, version: self.version, created, last_modified }
    }
}

/// A resource's own attributes from the text in the database.
pub(crate) fn parse_document(text: &str) -> Result<Resource, StoreError> {
    match serde_json::from_str(text) {
        Ok(Value::Object(attributes)) => Ok(Resource::from_canonical(attributes)),
        Ok(_) => Err(malformed("a document is not an object")),
        Err(error) => Err(malformed(error)),
    }
}

/// `[[attribute, key], …]`
pub(crate) fn unique_to_text(keys: &[UniqueKey]) -> String {
    let pairs: Vec<Value> = keys
        .iter()
        .map(|k| Value::from(vec![k.attribute.as_str().into(), k.value.as_str().into()]))
        .collect();
    write_json(&pairs).unwrap_or_default()
}

pub(crate) fn unique_from_text(text: &str) -> Result<Vec<UniqueKey>, StoreError> {
    let pairs: Vec<(String, String)> = serde_json::from_str(text).map_err(malformed)?;
    Ok(pairs.into_iter().map(|(attribute, value)| UniqueKey { attribute, value }).collect())
}

/// What changed, as text; `None` for nothing.
pub(crate) fn changes_to_text(changes: &[AttributeChange]) -> Result<Option<String>, StoreError> {
    if changes.is_empty() {
        return Ok(None);
    }
    let list: Vec<Value> = changes
        .iter()
        .map(|change| {
            let mut object = Object::with_capacity(3);
            object.push("path", change.path.as_str());
            for (name, value) in [("from", &change.from), ("to", &change.to)] {
                if let Some(value) = value {
                    object.push(name, value.clone());
                }
            }
            Value::Object(object)
        })
        .collect();
    write_json(&list).map(Some).map_err(malformed)
}

pub(crate) fn changes_from_text(text: Option<&str>) -> Result<Vec<AttributeChange>, StoreError> {
    let Some(text) = text else { return Ok(Vec::new()) };
    let list: Vec<Value> = serde_json::from_str(text).map_err(malformed)?;
    let change = |value: &Value| AttributeChange {
        path: value.get("path").and_then(Value::as_str).unwrap_or_default().into(),
        from: value.get("from").cloned(),
        to: value.get("to").cloned(),
    };
    Ok(list.iter().map(change).collect())
}

/// A member from the columns id, type, display, of which the first is given.
pub(crate) fn member(row: &Row<'_>, first: usize) -> Result<Member, DatabaseError> {
    Ok(Member {
        id: row.text(first)?.to_owned(),
        resource_type: row.owned_or_null(first + 1)?,
        display: row.owned_or_null(first + 2)?,
    })
}

/// The members of a resource, in the order in which they came.
pub(crate) fn members(
    session: &Session<'_>,
    tenant: &str,
    holder: &str,
) -> Result<Vec<Member>, DatabaseError> {
    session.all(MEMBERS, params![tenant, holder], |row| member(row, 0))
}

/// Puts them into a list, as they come.
pub(crate) fn list_members(
    session: &Session<'_>,
    tenant: &str,
    holder: &str,
    list: &mut MemberList,
) -> Result<(), DatabaseError> {
    session.query(MEMBERS, params![tenant, holder], |row| {
        list.push(row.text(0)?, row.text_or_null(1)?, row.text_or_null(2)?);
        Ok(())
    })
}

const MEMBERS: &str = "SELECT member, member_type, display FROM scim_members
    WHERE tenant = ?1 AND holder = ?2 ORDER BY position";

pub(crate) fn malformed(source: impl Into<scim_core::BoxError>) -> StoreError {
    StoreError::Other { store: "SQL", source: source.into() }
}
