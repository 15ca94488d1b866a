//! What a transaction of the relay has changed, written to the tables.
//!
//! On SQLite a statement for each row, on PostgreSQL one for each kind of change.

use std::iter;

use scim_schema::write_json;
use scim_sql::{DatabaseError, Engine, Param, Session};

use crate::cell::{Cell, Columns};
use crate::normalize::MemberCounts;
use crate::projection::{DELETE_MEMBER, INSERT_MEMBER, SubjectRow};
use crate::relay::view::{Change, Content};

/// Writes what waits of a directory.
pub(super) fn settle(
    session: &Session<'_>,
    directory: i64,
    content: &mut Content,
) -> Result<(), DatabaseError> {
    let moved = std::mem::take(&mut content.moved);
    for (statements, come) in [(DELETE_MEMBERS, false), (INSERT_MEMBERS, true)] {
        let pairs = moved.iter().filter(|(_, comes)| **comes == come);
        let rows = pairs.map(|((group, member), _)| [group.as_str().into(), member.as_str().into()]);
        statements.execute(session, directory, &rows.collect::<Vec<_>>())?;
    }
    let ids = std::mem::take(&mut content.changed);
    let (mut gone, mut told, mut whole) = (Vec::new(), Vec::new(), Vec::new());
    for id in &ids {
        let Some(held) = content.subjects.get(id) else { continue };
        match (&held.row, held.change) {
            (None, _) => gone.push([id.as_str().into()]),
            (Some(row), Change::Document) => whole.push(all_of(id, row)),
            (Some(row), _) => told.push(told_of(id, row)),
        }
    }
    DELETE_SUBJECT.execute(session, directory, &gone)?;
    TELL_SUBJECT.execute(session, directory, &told)?;
    WRITE_SUBJECT.execute(session, directory, &whole)?;
    for id in &ids {
        if let Some(held) = content.subjects.get_mut(id) {
            held.change = Change::Nothing;
        }
    }
    Ok(())
}

macro_rules! insert {
    () => {
        "INSERT INTO dir_subjects
            (directory, id, told, members, users, sequence, updated, kind, version, document)
        "
    };
}

macro_rules! or_update {
    () => {
        " ON CONFLICT (directory, id) DO UPDATE SET told = excluded.told, members = excluded.members,
            users = excluded.users, sequence = excluded.sequence, updated = excluded.updated,
            version = excluded.version, document = excluded.document"
    };
}

/// The statements for one row, and for many on PostgreSQL. The first parameter is the directory.
struct Statements {
    one: &'static str,
    many: &'static str,
}

impl Statements {
    fn execute<const WIDTH: usize>(
        &self,
        session: &Session<'_>,
        directory: i64,
        rows: &[[Cell<'_>; WIDTH]],
    ) -> Result<(), DatabaseError> {
        match session.engine() {
            _ if rows.is_empty() => {}
            Engine::Sqlite => {
                for row in rows {
                    let params: Vec<Param<'_>> =
                        iter::once(directory.into()).chain(row.iter().map(Cell::param)).collect();
                    session.execute(self.one, &params)?;
                }
            }
            Engine::Postgres => {
                let columns = Columns::of(rows);
                let texts = columns.texts();
                let params: Vec<Param<'_>> =
                    iter::once(directory.into()).chain(texts.iter().map(Param::from)).collect();
                session.execute(self.many, &params)?;
            }
        }
        Ok(())
    }
}

/// What of a subject changes with each event.
fn told_of<'c>(id: &'c str, row: &SubjectRow) -> [Cell<'c>; 6] {
    let told = write_json(&row.told).unwrap_or_default();
    let MemberCounts { members, users } = row.counts;
    [id.into(), told.into(), members.into(), users.into(), row.sequence.into(), row.updated.into()]
}

/// That, and all else.
fn all_of<'c>(id: &'c str, row: &'c SubjectRow) -> [Cell<'c>; 9] {
    let [id, told, members, users, sequence, updated] = told_of(id, row);
    [
        id,
        told,
        members,
        users,
        sequence,
        updated,
        row.kind.code().into(),
        row.version.into(),
        row.resource.text().into(),
    ]
}

const DELETE_MEMBERS: Statements = Statements {
    one: DELETE_MEMBER,
    many: "DELETE FROM dir_members d USING unnest(?2, ?3) AS m (holder, member)
        WHERE d.directory = ?1 AND d.holder = m.holder AND d.member = m.member",
};
const INSERT_MEMBERS: Statements = Statements {
    one: INSERT_MEMBER,
    many: "INSERT INTO dir_members (directory, holder, member)
        SELECT ?1, m.holder, m.member FROM unnest(?2, ?3) AS m (holder, member) ON CONFLICT DO NOTHING",
};
const DELETE_SUBJECT: Statements = Statements {
    one: "DELETE FROM dir_subjects WHERE directory = ?1 AND id = ?2",
    many: "DELETE FROM dir_subjects WHERE directory = ?1 AND id = ANY(?2)",
};
const TELL_SUBJECT: Statements = Statements {
    one: "UPDATE dir_subjects SET told = ?3, members = ?4, users = ?5, sequence = ?6, updated = ?7
        WHERE directory = ?1 AND id = ?2",
    many: "UPDATE dir_subjects d SET told = s.told, members = CAST(s.members AS BIGINT),
            users = CAST(s.users AS BIGINT), sequence = CAST(s.sequence AS BIGINT),
            updated = CAST(s.updated AS BIGINT)
        FROM unnest(?2, ?3, ?4, ?5, ?6, ?7) AS s (id, told, members, users, sequence, updated)
        WHERE d.directory = ?1 AND d.id = s.id",
};
const WRITE_SUBJECT: Statements = Statements {
    one: concat!(insert!(), "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)", or_update!()),
    many: concat!(
        insert!(),
        "SELECT ?1, s.id, s.told, CAST(s.members AS BIGINT), CAST(s.users AS BIGINT), CAST(s.sequence AS BIGINT),
            CAST(s.updated AS BIGINT), CAST(s.kind AS BIGINT), CAST(s.version AS BIGINT), s.document
        FROM unnest(?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
            AS s (id, told, members, users, sequence, updated, kind, version, document)",
        or_update!()
    ),
};
