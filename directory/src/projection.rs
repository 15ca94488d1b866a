//! Users, groups and memberships as of the feed cursor.
//!
//! Events are made from these tables and the feed's entries alone. So the log is a function of the feed: it
//! does not depend on how far the resources have moved on by the time it is written.

use std::collections::{HashSet, VecDeque};

use scim_core::Member;
use scim_core::edges::MAX_NESTING;
use scim_schema::{Object, Resource, Value};
use scim_sql::{DatabaseError, Engine, Row, Session, params};

use crate::normalize::{GroupRef, MemberCounts, Subject};

/// What a subject is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    User,
    Group,
}

impl Kind {
    /// The kind of a SCIM resource type; `None` for types that make no events.
    pub(crate) fn of(resource_type: &str) -> Option<Self> {
        match resource_type {
            "User" => Some(Self::User),
            "Group" => Some(Self::Group),
            _ => None,
        }
    }

    pub(crate) fn code(self) -> i64 {
        match self {
            Self::User => 0,
            Self::Group => 1,
        }
    }
}

/// A directory, as far as its subjects need it.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) number: i64,
    pub(crate) directory_id: String,
    pub(crate) organization_id: String,
}

impl Place {
    pub(crate) fn find(session: &Session<'_>, directory_id: &str) -> Result<Option<Self>, DatabaseError> {
        let select = "SELECT number, id, organization FROM dir_directories WHERE id = ?1";
        session.first(select, params![directory_id], |row| {
            Ok(Self { number: row.int(0)?, directory_id: row.owned(1)?, organization_id: row.owned(2)? })
        })
    }
}

/// A user or group.
#[derive(Clone, Debug)]
pub(crate) struct SubjectRow {
    pub(crate) kind: Kind,
    pub(crate) version: u64,
    pub(crate) resource: Resource,
    /// How many members the group has.
    pub(crate) counts: MemberCounts,
    /// What the last event said.
    pub(crate) told: Told,
    pub(crate) sequence: u64,
    /// When it or its groups changed last, in microseconds. It never goes back.
    pub(crate) updated: i64,
}

/// What an event says of its subject beside the document.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Told {
    /// The groups of a user.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) groups: Vec<GroupRef>,
    /// The members of a group.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) counts: MemberCounts,
}

impl SubjectRow {
    /// One that came just now.
    pub(crate) fn new(kind: Kind, resource: Resource) -> Self {
        let (counts, told) = (MemberCounts::default(), Told::default());
        Self { kind, version: 0, resource, counts, told, sequence: 0, updated: 0 }
    }

    /// The `displayName`.
    pub(crate) fn name(&self) -> Option<&str> {
        self.resource.get("displayName").and_then(Value::as_str)
    }

    pub(crate) fn subject<'a>(&'a self, place: &'a Place, sequence: u64) -> Subject<'a> {
        Subject {
            resource: &self.resource,
            organization_id: &place.organization_id,
            directory_id: &place.directory_id,
            version: self.version,
            sequence,
        }
    }
}

pub(crate) fn read_subject(
    session: &Session<'_>,
    place: &Place,
    id: &str,
) -> Result<Option<SubjectRow>, DatabaseError> {
    let select = "SELECT kind, version, document, told, members, users, sequence, updated FROM dir_subjects
        WHERE directory = ?1 AND id = ?2";
    session.first(select, params![place.number, id], read_row)
}

/// A row of kind, version, document, told, members, users, sequence and updated.
pub(crate) fn read_row(row: &Row<'_>) -> Result<SubjectRow, DatabaseError> {
    Ok(SubjectRow {
        kind: if row.int(0)? == Kind::User.code() { Kind::User } else { Kind::Group },
        version: row.unsigned(1)?,
        resource: Resource::from_canonical(parse_object(row.text(2)?)),
        told: serde_json::from_str(row.text(3)?).unwrap_or_default(),
        counts: MemberCounts { members: row.unsigned(4)?, users: row.unsigned(5)? },
        sequence: row.unsigned(6)?,
        updated: row.int(7)?,
    })
}

/// Takes a group out, with its memberships in both directions.
pub(crate) fn delete_group(session: &Session<'_>, place: &Place, id: &str) -> Result<(), DatabaseError> {
    for statement in [
        "UPDATE dir_subjects SET members = members - 1
            WHERE directory = ?1
                AND id IN (SELECT holder FROM dir_members WHERE directory = ?1 AND member = ?2)",
        "DELETE FROM dir_subjects WHERE directory = ?1 AND id = ?2",
        "DELETE FROM dir_members WHERE directory = ?1 AND holder = ?2",
        "DELETE FROM dir_members WHERE directory = ?1 AND member = ?2",
    ] {
        session.execute(statement, params![place.number, id])?;
    }
    Ok(())
}

/// Changes the members of a group and its counts.
pub(crate) fn change_members(
    session: &Session<'_>,
    place: &Place,
    holder: &str,
    added: &[Member],
    removed: &[Member],
) -> Result<(), DatabaseError> {
    let (gone, come) = match session.engine() {
        Engine::Sqlite => (
            change_each(session, place, holder, removed, DELETE_MEMBER)?,
            change_each(session, place, holder, added, INSERT_MEMBER)?,
        ),
        Engine::Postgres => (
            change_all(session, place, holder, removed, DELETE_MEMBERS)?,
            change_all(session, place, holder, added, INSERT_MEMBERS)?,
        ),
    };
    let (members, users) = (come.0 - gone.0, come.1 - gone.1);
    let update = "UPDATE dir_subjects SET members = members + ?3, users = users + ?4
        WHERE directory = ?1 AND id = ?2";
    session.execute(update, params![place.number, holder, members, users])?;
    Ok(())
}

/// Takes a member out of a group: directory, group, member.
pub(crate) const DELETE_MEMBER: &str =
    "DELETE FROM dir_members WHERE directory = ?1 AND holder = ?2 AND member = ?3";
/// Puts it in.
pub(crate) const INSERT_MEMBER: &str =
    "INSERT INTO dir_members (directory, holder, member) VALUES (?1, ?2, ?3)
    ON CONFLICT DO NOTHING";

/// How many members came or went by a statement for each, and how many of them are users.
fn change_each(
    session: &Session<'_>,
    place: &Place,
    holder: &str,
    moved: &[Member],
    statement: &str,
) -> Result<(i64, i64), DatabaseError> {
    let select = "SELECT 1 FROM dir_subjects WHERE directory = ?1 AND id = ?2 AND kind = 0";
    let (mut members, mut users) = (0, 0);
    for member in moved {
        if session.execute(statement, params![place.number, holder, &member.id])? > 0 {
            members += 1;
            let user =
                session.first(select, params![place.number, &member.id], |_| Ok::<_, DatabaseError>(()))?;
            users += i64::from(user.is_some());
        }
    }
    Ok((members, users))
}

const DELETE_MEMBERS: &str = "WITH moved AS (
        DELETE FROM dir_members WHERE directory = ?1 AND holder = ?2 AND member = ANY(?3) RETURNING member)
    SELECT count(*), count(s.id) FROM moved m
    LEFT JOIN dir_subjects s ON s.directory = ?1 AND s.id = m.member AND s.kind = 0";
const INSERT_MEMBERS: &str = "WITH moved AS (
        INSERT INTO dir_members (directory, holder, member) SELECT ?1, ?2, m.member FROM unnest(?3) AS m (member)
        ON CONFLICT DO NOTHING RETURNING member)
    SELECT count(*), count(s.id) FROM moved m
    LEFT JOIN dir_subjects s ON s.directory = ?1 AND s.id = m.member AND s.kind = 0";

/// The same by one statement for all, because each is a message to PostgreSQL and back.
fn change_all(
    session: &Session<'_>,
    place: &Place,
    holder: &str,
    moved: &[Member],
    statement: &str,
) -> Result<(i64, i64), DatabaseError> {
    if moved.is_empty() {
        return Ok((0, 0));
    }
    let ids: Vec<Option<&str>> = moved.iter().map(|member| Some(member.id.as_str())).collect();
    let counts = session.first(statement, params![place.number, holder, &ids], |row| {
        Ok::<_, DatabaseError>((row.int(0)?, row.int(1)?))
    })?;
    Ok(counts.unwrap_or_default())
}

/// What is in groups, directly and through groups in them. The groups that were asked for are among it only as members
/// of others.
pub(crate) fn members_below<'a>(
    session: &Session<'_>,
    place: &Place,
    groups: impl Iterator<Item = &'a str>,
) -> Result<HashSet<String>, DatabaseError> {
    let select = "SELECT member FROM dir_members WHERE directory = ?1 AND holder = ?2";
    let mut found = HashSet::new();
    let mut queue: VecDeque<(String, usize)> = groups.map(|id| (id.to_owned(), 0)).collect();
    while let Some((holder, depth)) = queue.pop_front() {
        let members: Vec<String> = session.all(select, params![place.number, &holder], |row| row.owned(0))?;
        for member in members {
            if found.insert(member.clone()) && depth + 1 < MAX_NESTING {
                queue.push_back((member, depth + 1));
            }
        }
    }
    Ok(found)
}

fn parse_object(text: &str) -> Object {
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => object,
        _ => Object::new(),
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
