//! What a transaction of the relay has changed, written to the tables.
//!
//! On SQLite a statement for each row is cheap. To PostgreSQL each statement is a message there and back: there it
//! is one for each kind of change, with arrays of the values, numbers as texts.

use std::borrow::Cow;
use std::iter;

use scim_schema::write_json;
use scim_sql::{DatabaseError, Engine, Param, Session};

use crate::normalize::MemberCounts;
use crate::projection::SubjectRow;
use crate::relay::view::{Change, Known};

/// Writes what waits of a directory.
pub(super) fn settle(session: &Session<'_>, directory: i64, known: &mut Known) -> Result<(), DatabaseError> {
    let moved = std::mem::take(&mut known.moved);
    for (statements, come) in [(DELETE_MEMBER, false), (INSERT_MEMBER, true)] {
        let pairs = moved.iter().filter(|(_, comes)| **comes == come);
        let rows = pairs.map(|((group, member), _)| vec![group.as_str().into(), member.as_str().into()]);
        statements.execute(session, directory, &rows.collect::<Vec<_>>())?;
    }
    let ids = std::mem::take(&mut known.changed);
    let (mut gone, mut told, mut whole) = (Vec::new(), Vec::new(), Vec::new());
    for id in &ids {
        let Some(held) = known.subjects.get(id) else { continue };
        match (&held.row, held.change) {
            (None, _) => gone.push(vec![id.as_str().into()]),
            (Some(row), Change::Document) => whole.push(all_of(id, row)),
            (Some(row), _) => told.push(told_of(id, row)),
        }
    }
    DELETE_SUBJECT.execute(session, directory, &gone)?;
    TELL_SUBJECT.execute(session, directory, &told)?;
    WRITE_SUBJECT.execute(session, directory, &whole)?;
    for id in &ids {
        if let Some(held) = known.subjects.get_mut(id) {
            held.change = Change::Nothing;
        }
    }
    Ok(())
}

macro_rules! insert {
    () => {
        "INSERT INTO dir_subjects
            (directory, id, told, members, users, sequence, kind, name, external_id, version, document)
        "
    };
}

macro_rules! or_update {
    () => {
        " ON CONFLICT (directory, id) DO UPDATE SET told = excluded.told, members = excluded.members,
            users = excluded.users, sequence = excluded.sequence, name = excluded.name,
            external_id = excluded.external_id, version = excluded.version, document = excluded.document"
    };
}

/// The statements for one row, and for many on PostgreSQL. The first parameter is the directory.
struct Statements {
    one: &'static str,
    many: &'static str,
}

impl Statements {
    fn execute(
        &self,
        session: &Session<'_>,
        directory: i64,
        rows: &[Vec<Cell<'_>>],
    ) -> Result<(), DatabaseError> {
        let directory = || Param::from(directory);
        match (session.engine(), rows.first()) {
            (_, None) => {}
            (Engine::Sqlite, _) => {
                for row in rows {
                    let params = iter::once(directory()).chain(row.iter().map(Cell::param));
                    session.execute(self.one, &params.collect::<Vec<_>>())?;
                }
            }
            (Engine::Postgres, Some(first)) => {
                let texts: Vec<Vec<Option<Cow<'_, str>>>> = (0..first.len())
                    .map(|column| rows.iter().map(|row| row.get(column).and_then(Cell::text)).collect())
                    .collect();
                let columns: Vec<Vec<Option<&str>>> =
                    texts.iter().map(|column| column.iter().map(Option::as_deref).collect()).collect();
                let params = iter::once(directory()).chain(columns.iter().map(Param::from));
                session.execute(self.many, &params.collect::<Vec<_>>())?;
            }
        }
        Ok(())
    }
}

/// A value of a row.
enum Cell<'c> {
    Text(Option<Cow<'c, str>>),
    Number(u64),
}

impl Cell<'_> {
    fn param(&self) -> Param<'_> {
        match self {
            Self::Text(text) => text.as_deref().into(),
            Self::Number(number) => (*number).into(),
        }
    }

    fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => text.as_deref().map(Cow::Borrowed),
            Self::Number(number) => Some(number.to_string().into()),
        }
    }
}

impl<'c> From<&'c str> for Cell<'c> {
    fn from(text: &'c str) -> Self {
        Self::Text(Some(text.into()))
    }
}

/// What of a subject changes with each event.
fn told_of<'c>(id: &'c str, row: &SubjectRow) -> Vec<Cell<'c>> {
    let told = write_json(&row.told).unwrap_or_default();
    let MemberCounts { members, users } = row.counts;
    vec![
        id.into(),
        Cell::Text(Some(told.into())),
        Cell::Number(members),
        Cell::Number(users),
        Cell::Number(row.sequence),
    ]
}

/// That, and all else.
fn all_of<'c>(id: &'c str, row: &'c SubjectRow) -> Vec<Cell<'c>> {
    let mut cells = told_of(id, row);
    cells.extend([
        Cell::Number(row.kind.code().unsigned_abs()),
        Cell::Text(row.name().map(Cow::Borrowed)),
        Cell::Text(row.resource.external_id().map(Cow::Borrowed)),
        Cell::Number(row.version),
        Cell::Text(Some(row.resource.text())),
    ]);
    cells
}

const DELETE_MEMBER: Statements = Statements {
    one: "DELETE FROM dir_members WHERE directory = ?1 AND holder = ?2 AND member = ?3",
    many: "DELETE FROM dir_members d USING unnest(?2, ?3) AS m (holder, member)
        WHERE d.directory = ?1 AND d.holder = m.holder AND d.member = m.member",
};
const INSERT_MEMBER: Statements = Statements {
    one: "INSERT INTO dir_members (directory, holder, member) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
    many: "INSERT INTO dir_members (directory, holder, member)
        SELECT ?1, m.holder, m.member FROM unnest(?2, ?3) AS m (holder, member) ON CONFLICT DO NOTHING",
};
const DELETE_SUBJECT: Statements = Statements {
    one: "DELETE FROM dir_subjects WHERE directory = ?1 AND id = ?2",
    many: "DELETE FROM dir_subjects WHERE directory = ?1 AND id = ANY(?2)",
};
const TELL_SUBJECT: Statements = Statements {
    one: "UPDATE dir_subjects SET told = ?3, members = ?4, users = ?5, sequence = ?6
        WHERE directory = ?1 AND id = ?2",
    many: "UPDATE dir_subjects d SET told = s.told, members = CAST(s.members AS BIGINT),
            users = CAST(s.users AS BIGINT), sequence = CAST(s.sequence AS BIGINT)
        FROM unnest(?2, ?3, ?4, ?5, ?6) AS s (id, told, members, users, sequence)
        WHERE d.directory = ?1 AND d.id = s.id",
};
const WRITE_SUBJECT: Statements = Statements {
    one: concat!(insert!(), "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)", or_update!()),
    many: concat!(
        insert!(),
        "SELECT ?1, s.id, s.told, CAST(s.members AS BIGINT), CAST(s.users AS BIGINT), CAST(s.sequence AS BIGINT),
            CAST(s.kind AS BIGINT), s.name, s.external_id, CAST(s.version AS BIGINT), s.document
        FROM unnest(?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
            AS s (id, told, members, users, sequence, kind, name, external_id, version, document)",
        or_update!()
    ),
};
