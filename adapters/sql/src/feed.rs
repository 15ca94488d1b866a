//! The change log as a feed.

use std::collections::BTreeMap;

use scim_core::{Cause, ChangeEntry, ChangeKind, FeedCursor, Member, StoreError, TenantId};
use scim_schema::{DateTime, Registry};

use crate::error::DatabaseError;
use crate::params;
use crate::rows;
use crate::session::{Engine, Row, Session, Statement, int};

/// The columns of `scim_changes AS c` that [`entry`] wants behind the place of the change. An empty document is
/// still that of the resource.
macro_rules! columns {
    () => {
        "c.tenant, c.type, c.id, c.kind, c.version, c.created, c.modified,
         CASE c.document WHEN '' THEN (
             SELECT r.document FROM scim_resources r WHERE r.tenant = c.tenant AND r.id = c.id
         ) ELSE c.document END,
         c.changes, c.cause, c.request_id, c.time"
    };
}
pub(crate) use columns;

/// What is behind a cursor.
pub(crate) struct Behind {
    pub(crate) entries: Vec<ChangeEntry>,
    /// There are changes without a position, and room for them in the answer.
    pub(crate) unsequenced: bool,
}

/// Up to `limit` entries behind a cursor.
pub(crate) fn after(
    session: &Session<'_>,
    registry: &Registry,
    cursor: FeedCursor,
    limit: usize,
) -> Result<Behind, StoreError> {
    let entries = entries(session, registry, cursor, limit)?;
    let unsequenced = entries.len() < limit && unsequenced(session)?;
    Ok(Behind { entries, unsequenced })
}

/// Gives positions to changes that are committed and have none, in the order of their numbers: the first 10,000.
///
/// A change of a resource is numbered while its row is locked: for each resource the order of numbers is that
/// of commits. Who gives positions locks the one row of scim_feed, and looks at the changes when he has it:
/// so positions become visible in their order and without gaps.
pub(crate) fn sequence(session: &Session<'_>) -> Result<(), StoreError> {
    session.batch(&[
        Statement::new("SELECT last FROM scim_feed WHERE one = 1 FOR UPDATE", []),
        Statement::new(
            "WITH taken AS (
                     DELETE FROM scim_unsequenced
                     WHERE seq = ANY(ARRAY(SELECT seq FROM scim_unsequenced ORDER BY seq LIMIT 10000))
                     RETURNING seq),
                 given AS (
                     INSERT INTO scim_positions (position, seq)
                     SELECT f.last + row_number() OVER (ORDER BY t.seq), t.seq FROM taken t, scim_feed f
                     RETURNING position)
             UPDATE scim_feed SET last = last + (SELECT count(*) FROM given)",
            [],
        ),
    ])?;
    Ok(())
}

fn unsequenced(session: &Session<'_>) -> Result<bool, DatabaseError> {
    if session.engine() == Engine::Sqlite {
        return Ok(false);
    }
    // By the index: the table itself is mostly what was deleted and not cleaned up yet.
    let sql = "SELECT seq FROM scim_unsequenced ORDER BY seq LIMIT 1";
    Ok(session.first(sql, &[], |row| row.int(0))?.is_some())
}

/// Whether there are more changes without a position than who counts resources should look at each time.
pub(crate) fn has_many_unsequenced(session: &Session<'_>) -> Result<bool, DatabaseError> {
    let sql = "SELECT seq FROM scim_unsequenced ORDER BY seq LIMIT 1 OFFSET 1000";
    Ok(session.first(sql, &[], |row| row.int(0))?.is_some())
}

fn entries(
    session: &Session<'_>,
    registry: &Registry,
    cursor: FeedCursor,
    limit: usize,
) -> Result<Vec<ChangeEntry>, StoreError> {
    let (_, seen) = cursor.parts();
    let params = params![int(seen), int(limit as u64)];
    let mut entries = session.all(Position::of(session).after(), params, |row| entry(row, registry))?;
    let Some(last) = entries.last() else { return Ok(entries) };
    let mut members: BTreeMap<u64, (Vec<Member>, Vec<Member>)> = BTreeMap::new();
    session.query(
        Position::of(session).members(),
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
    let found = session.first(Position::of(session).first_after(), params![int(seen)], |row| row.int(0))?;
    Ok(found.is_some() || unsequenced(session)?)
}

/// The place of the newest change that has one; 0 where there is none.
pub(crate) fn newest(session: &Session<'_>) -> Result<u64, DatabaseError> {
    let sql = match Position::of(session) {
        Position::Number => "SELECT seq FROM scim_changes WHERE seq > 0 ORDER BY seq DESC LIMIT 1",
        Position::Table => "SELECT position FROM scim_positions ORDER BY position DESC LIMIT 1",
    };
    Ok(session.first(sql, &[], |row| row.unsigned(0))?.unwrap_or(0))
}

/// The query for what came and went from one place, without it, to another: place, tenant, type, created, id, kind.
pub(crate) fn moves(session: &Session<'_>) -> &'static str {
    match Position::of(session) {
        Position::Number => {
            "SELECT seq, tenant, type, created, id, kind FROM scim_changes
             WHERE seq > ?1 AND seq <= ?2 AND kind <> 'updated' ORDER BY seq"
        }
        Position::Table => {
            "SELECT p.position, c.tenant, c.type, c.created, c.id, c.kind
             FROM scim_positions p JOIN scim_changes c ON c.seq = p.seq
             WHERE p.position > ?1 AND p.position <= ?2 AND c.kind <> 'updated' ORDER BY p.position"
        }
    }
}

/// Where the place of a change in the feed stands.
enum Position {
    /// In its number: there is one writer.
    Number,
    /// In scim_positions.
    Table,
}

impl Position {
    fn of(session: &Session<'_>) -> Self {
        match session.engine() {
            Engine::Sqlite => Self::Number,
            Engine::Postgres => Self::Table,
        }
    }

    fn after(&self) -> &'static str {
        match self {
            Self::Number => {
                concat!(
                    "SELECT c.seq, ",
                    columns!(),
                    " FROM scim_changes c WHERE c.seq > ?1 ORDER BY c.seq LIMIT ?2"
                )
            }
            Self::Table => {
                concat!(
                    "SELECT p.position, ",
                    columns!(),
                    " FROM scim_positions p JOIN scim_changes c ON c.seq = p.seq
                     WHERE p.position > ?1 ORDER BY p.position LIMIT ?2"
                )
            }
        }
    }

    /// The members of the changes from one place to another.
    fn members(&self) -> &'static str {
        match self {
            Self::Number => {
                "SELECT seq, added, member, member_type, display FROM scim_change_members
                 WHERE seq > ?1 AND seq <= ?2 ORDER BY seq, added, position"
            }
            Self::Table => {
                "SELECT p.position, m.added, m.member, m.member_type, m.display
                 FROM scim_positions p JOIN scim_change_members m ON m.seq = p.seq
                 WHERE p.position > ?1 AND p.position <= ?2 ORDER BY p.position, m.added, m.position"
            }
        }
    }

    fn first_after(&self) -> &'static str {
        match self {
            Self::Number => "SELECT seq FROM scim_changes WHERE seq > ?1 ORDER BY seq LIMIT 1",
            Self::Table => {
                "SELECT position FROM scim_positions WHERE position > ?1 ORDER BY position LIMIT 1"
            }
        }
    }
}

/// An entry without its members.
pub(crate) fn entry(row: &Row<'_>, registry: &Registry) -> Result<ChangeEntry, StoreError> {
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
