//! The change log as a feed.

use std::collections::BTreeMap;

use scim_core::{Cause, ChangeEntry, ChangeKind, FeedCursor, Member, StoreError, TenantId};
use scim_schema::{DateTime, Registry};

use crate::error::DatabaseError;
use crate::params;
use crate::rows;
use crate::session::{Row, Session, int};

/// Up to `limit` entries behind a cursor.
pub(crate) fn after(
    session: &Session<'_>,
    registry: &Registry,
    cursor: FeedCursor,
    limit: usize,
) -> Result<Vec<ChangeEntry>, StoreError> {
    let (_, seen) = cursor.parts();
    let mut entries = session.all(
        "SELECT seq, tenant, type, id, kind, version, created, modified, document, changes, cause,
             request_id, time
         FROM scim_changes WHERE seq > ?1 ORDER BY seq LIMIT ?2",
        params![int(seen), int(limit as u64)],
        |row| entry(row, registry),
    )?;
    let Some(last) = entries.last() else { return Ok(entries) };
    let mut members: BTreeMap<u64, (Vec<Member>, Vec<Member>)> = BTreeMap::new();
    session.query(
        "SELECT seq, added, member, member_type, display FROM scim_change_members
         WHERE seq > ?1 AND seq <= ?2 ORDER BY seq, added, position",
        params![int(seen), int(last.cursor.parts().1)],
        |row| {
            let (added, removed) = members.entry(row.unsigned(0)?).or_default();
            if row.int(1)? == 1 { added } else { removed }.push(rows::member(row, 2)?);
            Ok::<(), DatabaseError>(())
        },
    )?;
    for entry in &mut entries {
        if let Some((added, removed)) = members.remove(&entry.cursor.parts().1) {
            entry.members_added = added;
            entry.members_removed = removed;
        }
    }
    Ok(entries)
}

/// Whether there is an entry behind a cursor.
pub(crate) fn is_behind(session: &Session<'_>, cursor: FeedCursor) -> Result<bool, StoreError> {
    let (_, seen) = cursor.parts();
    let found = session.first(
        "SELECT seq FROM scim_changes WHERE seq > ?1 ORDER BY seq LIMIT 1",
        params![int(seen)],
        |row| row.int(0),
    )?;
    Ok(found.is_some())
}

/// An entry without its members.
fn entry(row: &Row<'_>, registry: &Registry) -> Result<ChangeEntry, StoreError> {
    let version = row.unsigned(5)?;
    let mut resource = rows::parse_document(row.text(8)?)?;
    // A type may have been taken out of the registry since; its changes are told of all the same.
    if let Some(resource_type) = registry.resource_type(row.text(2)?) {
        let created = DateTime::from_unix_micros(row.int(6)?);
        let modified = DateTime::from_unix_micros(row.int(7)?);
        resource.set_meta(resource_type, created, modified, version);
    }
    Ok(ChangeEntry {
        cursor: FeedCursor::from_parts(0, row.unsigned(0)?),
        tenant: TenantId::new(row.text(1)?),
        resource_type: row.text(2)?.to_owned(),
        id: row.text(3)?.to_owned(),
        kind: match row.text(4)? {
            "created" => ChangeKind::Created,
            "updated" => ChangeKind::Updated,
            "deleted" => ChangeKind::Deleted,
            _ => return Err(rows::malformed("a change is of an unknown kind")),
        },
        version,
        resource,
        changes: rows::changes_from_text(row.text_or_null(9)?)?,
        members_added: Vec::new(),
        members_removed: Vec::new(),
        cause: Cause { kind: row.text(10)?.to_owned(), request_id: row.text(11)?.to_owned() },
        time: DateTime::from_unix_micros(row.int(12)?),
    })
}
