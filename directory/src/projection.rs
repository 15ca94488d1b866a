//! Users, groups and memberships as of the feed cursor.
//!
//! Events are made from these tables and the feed's entries alone. So the log is a function of the feed: it
//! does not depend on how far the resources have moved on by the time it is written.

use std::collections::{HashSet, VecDeque};

use scim_core::edges::MAX_NESTING;
use scim_core::{ChangeEntry, Member};
use scim_schema::{Object, Resource, Value};
use scim_sql::rusqlite::{self, Connection, OptionalExtension as _, params};

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
    pub(crate) fn find(db: &Connection, directory_id: &str) -> rusqlite::Result<Option<Self>> {
        let select = "SELECT number, id, organization FROM dir_directories WHERE id = ?1";
        db.prepare_cached(select)?
            .query_row([directory_id], |row| {
                Ok(Self { number: row.get(0)?, directory_id: row.get(1)?, organization_id: row.get(2)? })
            })
            .optional()
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

pub(crate) fn read_subject(db: &Connection, place: &Place, id: &str) -> rusqlite::Result<Option<SubjectRow>> {
    let select = "SELECT kind, version, document, told, members, users, sequence FROM dir_subjects
        WHERE directory = ?1 AND id = ?2";
    db.prepare_cached(select)?
        .query_row(params![place.number, id], |row| {
            Ok(SubjectRow {
                kind: if row.get::<_, i64>(0)? == Kind::User.code() { Kind::User } else { Kind::Group },
                version: unsigned(row.get(1)?),
                resource: Resource::from_canonical(parse_object(row.get_ref(2)?.as_str()?)),
                told: serde_json::from_str(row.get_ref(3)?.as_str()?).unwrap_or_default(),
                counts: MemberCounts { members: unsigned(row.get(4)?), users: unsigned(row.get(5)?) },
                sequence: unsigned(row.get(6)?),
            })
        })
        .optional()
}

/// Writes the state that an entry brings.
pub(crate) fn write_subject(
    db: &Connection,
    place: &Place,
    kind: Kind,
    entry: &ChangeEntry,
) -> rusqlite::Result<()> {
    let name = entry.resource.get("displayName").and_then(Value::as_str);
    let values = params![
        place.number,
        entry.id,
        kind.code(),
        name,
        entry.resource.external_id(),
        signed(entry.version),
        document(&entry.resource),
    ];
    let update = "UPDATE dir_subjects SET name = ?4, external_id = ?5, version = ?6, document = ?7
        WHERE directory = ?1 AND id = ?2 AND kind = ?3";
    if db.prepare_cached(update)?.execute(values)? > 0 {
        return Ok(());
    }
    let insert = "INSERT INTO dir_subjects
            (directory, id, kind, name, external_id, version, document, told, members, users, sequence)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, '{}', 0, 0, 0)";
    db.prepare_cached(insert)?.execute(values)?;
    if kind == Kind::User {
        // A group may have named the id before there was a user.
        count_in_holders(db, place, &entry.id, 0, 1)?;
    }
    Ok(())
}

/// Notes what the last event of a subject said.
pub(crate) fn write_told(
    db: &Connection,
    place: &Place,
    id: &str,
    told: &Told,
    sequence: u64,
) -> rusqlite::Result<()> {
    let update = "UPDATE dir_subjects SET told = ?3, sequence = ?4 WHERE directory = ?1 AND id = ?2";
    db.prepare_cached(update)?.execute(params![
        place.number,
        id,
        serde_json::to_string(told).unwrap_or_default(),
        signed(sequence)
    ])?;
    Ok(())
}

/// Takes a subject out, with its memberships in both directions.
pub(crate) fn delete_subject(db: &Connection, place: &Place, kind: Kind, id: &str) -> rusqlite::Result<()> {
    count_in_holders(db, place, id, -1, if kind == Kind::User { -1 } else { 0 })?;
    for delete in [
        "DELETE FROM dir_subjects WHERE directory = ?1 AND id = ?2",
        "DELETE FROM dir_members WHERE directory = ?1 AND holder = ?2",
        "DELETE FROM dir_members WHERE directory = ?1 AND member = ?2",
    ] {
        db.prepare_cached(delete)?.execute(params![place.number, id])?;
    }
    Ok(())
}

/// Changes the counts of the groups that have a member.
fn count_in_holders(
    db: &Connection,
    place: &Place,
    member: &str,
    members: i64,
    users: i64,
) -> rusqlite::Result<()> {
    let update = "UPDATE dir_subjects SET members = members + ?3, users = users + ?4
        WHERE directory = ?1
            AND id IN (SELECT holder FROM dir_members WHERE directory = ?1 AND member = ?2)";
    db.prepare_cached(update)?.execute(params![place.number, member, members, users])?;
    Ok(())
}

/// Changes the members of a group and its counts.
pub(crate) fn change_members(
    db: &Connection,
    place: &Place,
    holder: &str,
    added: &[Member],
    removed: &[Member],
) -> rusqlite::Result<()> {
    let select = "SELECT 1 FROM dir_subjects WHERE directory = ?1 AND id = ?2 AND kind = 0";
    let mut is_user = db.prepare_cached(select)?;
    let delete = "DELETE FROM dir_members WHERE directory = ?1 AND holder = ?2 AND member = ?3";
    let mut delete = db.prepare_cached(delete)?;
    let insert = "INSERT OR IGNORE INTO dir_members (directory, holder, member) VALUES (?1, ?2, ?3)";
    let mut insert = db.prepare_cached(insert)?;
    let (mut members, mut users) = (0, 0);
    for member in removed {
        if delete.execute(params![place.number, holder, member.id])? > 0 {
            members -= 1;
            users -= i64::from(is_user.exists(params![place.number, member.id])?);
        }
    }
    for member in added {
        if insert.execute(params![place.number, holder, member.id])? > 0 {
            members += 1;
            users += i64::from(is_user.exists(params![place.number, member.id])?);
        }
    }
    let update = "UPDATE dir_subjects SET members = members + ?3, users = users + ?4
        WHERE directory = ?1 AND id = ?2";
    db.prepare_cached(update)?.execute(params![place.number, holder, members, users])?;
    Ok(())
}

/// The groups that a subject belongs to, directly and through others, in order of name and id.
///
/// As deep as stores follow them for the `groups` of a SCIM user.
pub(crate) fn groups_of(db: &Connection, place: &Place, id: &str) -> rusqlite::Result<Vec<GroupRef>> {
    let select = "SELECT m.holder, s.name, s.external_id FROM dir_members m
        JOIN dir_subjects s ON s.directory = m.directory AND s.id = m.holder
        WHERE m.directory = ?1 AND m.member = ?2";
    let mut select = db.prepare_cached(select)?;
    let mut found = Vec::new();
    let mut seen = HashSet::from([id.to_owned()]);
    let mut queue = VecDeque::from([(id.to_owned(), 0)]);
    while let Some((member, depth)) = queue.pop_front() {
        let mut rows = select.query(params![place.number, member])?;
        while let Some(row) = rows.next()? {
            let group = GroupRef { id: row.get(0)?, name: row.get(1)?, external_id: row.get(2)? };
            if seen.insert(group.id.clone()) {
                if depth + 1 < MAX_NESTING {
                    queue.push_back((group.id.clone(), depth + 1));
                }
                found.push(group);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// What is in groups, directly and through groups in them: all ids, in order, each once. The groups that
/// were asked for are among them only as members of others.
pub(crate) fn members_below<'a>(
    db: &Connection,
    place: &Place,
    groups: impl Iterator<Item = &'a str>,
) -> rusqlite::Result<HashSet<String>> {
    let select = "SELECT member FROM dir_members WHERE directory = ?1 AND holder = ?2";
    let mut select = db.prepare_cached(select)?;
    let mut found = HashSet::new();
    let mut queue: VecDeque<(String, usize)> = groups.map(|id| (id.to_owned(), 0)).collect();
    while let Some((holder, depth)) = queue.pop_front() {
        let mut rows = select.query(params![place.number, holder])?;
        while let Some(row) = rows.next()? {
            let member: String = row.get(0)?;
            if found.insert(member.clone()) && depth + 1 < MAX_NESTING {
                queue.push_back((member, depth + 1));
            }
        }
    }
    Ok(found)
}

/// SQLite's integers are signed.
pub(crate) fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

pub(crate) fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or_default()
}

fn document(resource: &Resource) -> String {
    // Objects of JSON values always have a text.
    serde_json::to_string(resource).unwrap_or_default()
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
