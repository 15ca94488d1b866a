//! Users, groups and memberships as a transaction of the relay sees them: read once, and written together at
//! its end.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use scim_core::edges::MAX_NESTING;
use scim_core::{ChangeEntry, ChangeKind};
use scim_schema::{Value, write_json};
use scim_sql::{DatabaseError, Engine, Row, Session, params};

use crate::error::DirectoryError;
use crate::log::borrowed;
use crate::normalize::GroupRef;
use crate::projection::{
    self, Kind, Place, SubjectRow, Told, change_members, count_in_holders, delete_subject, read_row,
    read_subject,
};

/// What the tables hold, with what is not written yet.
///
/// Users come and change here, and what was told of them. What moves groups and memberships is written at once,
/// after all that waits; then what it has moved is forgotten.
pub(super) struct View<'t> {
    session: &'t Session<'t>,
    known: HashMap<i64, Known>,
}

/// What is known of a directory.
#[derive(Default)]
struct Known {
    subjects: HashMap<String, Option<Held>>,
    /// The groups that a subject itself is in.
    holders: HashMap<String, Arc<[GroupRef]>>,
    /// The subjects that are to be written, in the order in which they were first.
    changed: Vec<String>,
}

struct Held {
    row: Arc<SubjectRow>,
    change: Change,
}

/// What of a subject is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Nothing,
    /// What was told.
    Told,
    /// All of it, in its row.
    Document,
    /// All of it, in a new row.
    New,
}

impl<'t> View<'t> {
    pub(super) fn new(session: &'t Session<'t>) -> Self {
        Self { session, known: HashMap::new() }
    }

    /// A user or group.
    pub(super) fn subject(
        &mut self,
        place: &Place,
        id: &str,
    ) -> Result<Option<Arc<SubjectRow>>, DatabaseError> {
        let subjects = &mut self.known.entry(place.number).or_default().subjects;
        if let Some(held) = subjects.get(id) {
            return Ok(held.as_ref().map(|held| Arc::clone(&held.row)));
        }
        let row = read_subject(self.session, place, id)?.map(Arc::new);
        subjects.insert(id.to_owned(), row.clone().map(|row| Held { row, change: Change::Nothing }));
        Ok(row)
    }

    /// Whether a subject and its groups are known.
    pub(super) fn knows(&self, place: &Place, id: &str) -> bool {
        self.known.get(&place.number).is_some_and(|known| known.has(id))
    }

    /// Reads subjects and their groups that will be asked for; from PostgreSQL together, because each is a
    /// message there and back.
    pub(super) fn expect(&mut self, place: &Place, ids: &[&str]) -> Result<(), DatabaseError> {
        if self.session.engine() == Engine::Sqlite {
            return Ok(());
        }
        let known = self.known.entry(place.number).or_default();
        // Each once: what is read of it is taken.
        let ids: HashSet<&str> = ids.iter().copied().filter(|id| !known.has(id)).collect();
        let ids: Vec<Option<&str>> = ids.into_iter().map(Some).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let select = "SELECT kind, version, document, told, members, users, sequence, id FROM dir_subjects
            WHERE directory = ?1 AND id = ANY(?2)";
        let rows = self.session.all(select, params![place.number, &ids], |row| {
            Ok::<_, DatabaseError>((row.owned(7)?, Arc::new(read_row(row)?)))
        })?;
        let mut rows: HashMap<String, Arc<SubjectRow>> = rows.into_iter().collect();
        let select = "SELECT m.holder, s.name, s.external_id, m.member FROM dir_members m
            JOIN dir_subjects s ON s.directory = m.directory AND s.id = m.holder
            WHERE m.directory = ?1 AND m.member = ANY(?2)";
        let edges = self.session.all(select, params![place.number, &ids], |row| {
            Ok::<_, DatabaseError>((row.owned(3)?, read_group(row)?))
        })?;
        let mut holders: HashMap<String, Vec<GroupRef>> = HashMap::new();
        for (member, group) in edges {
            holders.entry(member).or_default().push(group);
        }
        for id in ids.into_iter().flatten() {
            let held = rows.remove(id).map(|row| Held { row, change: Change::Nothing });
            // What is not written yet is newer.
            known.subjects.entry(id.to_owned()).or_insert(held);
            known.holders.insert(id.to_owned(), holders.remove(id).unwrap_or_default().into());
        }
        Ok(())
    }

    /// The groups that a subject belongs to, directly and through others, in order of name and id.
    ///
    /// As deep as stores follow them for the `groups` of a SCIM user.
    pub(super) fn groups_of(&mut self, place: &Place, id: &str) -> Result<Vec<GroupRef>, DatabaseError> {
        let mut found = Vec::new();
        let mut seen = HashSet::from([id.to_owned()]);
        let mut queue = VecDeque::from([(id.to_owned(), 0)]);
        while let Some((member, depth)) = queue.pop_front() {
            for group in self.holders(place, &member)?.iter() {
                if seen.insert(group.id.clone()) {
                    if depth + 1 < MAX_NESTING {
                        queue.push_back((group.id.clone(), depth + 1));
                    }
                    found.push(group.clone());
                }
            }
        }
        found.sort();
        Ok(found)
    }

    fn holders(&mut self, place: &Place, id: &str) -> Result<Arc<[GroupRef]>, DatabaseError> {
        let known = self.known.entry(place.number).or_default();
        if let Some(holders) = known.holders.get(id) {
            return Ok(Arc::clone(holders));
        }
        let select = "SELECT m.holder, s.name, s.external_id FROM dir_members m
            JOIN dir_subjects s ON s.directory = m.directory AND s.id = m.holder
            WHERE m.directory = ?1 AND m.member = ?2";
        let holders: Arc<[GroupRef]> =
            self.session.all(select, params![place.number, id], read_group)?.into();
        known.holders.insert(id.to_owned(), Arc::clone(&holders));
        Ok(holders)
    }

    /// Takes over the state of a user that an entry brings.
    pub(super) fn write_user(&mut self, place: &Place, entry: &ChangeEntry) -> Result<(), DirectoryError> {
        let old = self.subject(place, &entry.id)?;
        if old.is_none() && !self.holders(place, &entry.id)?.is_empty() {
            // A group has named the id before there was a user.
            self.settle()?;
            count_in_holders(self.session, place, &entry.id, 0, 1)?;
            self.known.entry(place.number).or_default().forget_groups();
        }
        let mut row = match old.as_deref() {
            Some(old) => SubjectRow { resource: entry.resource.clone(), ..old.clone() },
            None => SubjectRow::new(Kind::User, entry.resource.clone()),
        };
        row.version = entry.version;
        let change = if old.is_none() { Change::New } else { Change::Document };
        self.hold(place, &entry.id, row, change);
        Ok(())
    }

    /// Notes what the last event of a subject said.
    pub(super) fn write_told(
        &mut self,
        place: &Place,
        id: &str,
        told: Told,
        sequence: u64,
    ) -> Result<(), DatabaseError> {
        let Some(row) = self.subject(place, id)? else { return Ok(()) };
        self.hold(place, id, SubjectRow { told, sequence, ..(*row).clone() }, Change::Told);
        Ok(())
    }

    fn hold(&mut self, place: &Place, id: &str, row: SubjectRow, change: Change) {
        let known = self.known.entry(place.number).or_default();
        let row = Arc::new(row);
        match known.subjects.get_mut(id) {
            Some(Some(held)) if held.change != Change::Nothing => {
                held.row = row;
                held.change = match (held.change, change) {
                    (before, Change::Told) => before,
                    (Change::New, _) => Change::New,
                    (_, now) => now,
                };
            }
            _ => {
                known.subjects.insert(id.to_owned(), Some(Held { row, change }));
                known.changed.push(id.to_owned());
            }
        }
    }

    /// Takes over the state of a group that an entry brings, and its members.
    pub(super) fn write_group(&mut self, place: &Place, entry: &ChangeEntry) -> Result<(), DirectoryError> {
        self.settle()?;
        projection::write_group(self.session, place, entry)?;
        change_members(self.session, place, &entry.id, &entry.members_added, &entry.members_removed)?;
        let known = self.known.entry(place.number).or_default();
        known.subjects.remove(&entry.id);
        if entry.kind == ChangeKind::Updated && !is_renamed(entry) {
            for member in entry.members_added.iter().chain(&entry.members_removed) {
                known.holders.remove(&member.id);
            }
        } else {
            known.holders.clear();
        }
        Ok(())
    }

    /// Takes a subject out, with its memberships in both directions.
    pub(super) fn remove(&mut self, place: &Place, kind: Kind, id: &str) -> Result<(), DirectoryError> {
        self.settle()?;
        delete_subject(self.session, place, kind, id)?;
        let known = self.known.entry(place.number).or_default();
        // It has counted among the members of groups.
        known.forget_groups();
        known.subjects.remove(id);
        match kind {
            Kind::User => drop(known.holders.remove(id)),
            Kind::Group => known.holders.clear(),
        }
        Ok(())
    }

    /// Writes what waits.
    pub(super) fn settle(&mut self) -> Result<(), DirectoryError> {
        for (number, known) in &mut self.known {
            let ids = std::mem::take(&mut known.changed);
            let mut changed = Vec::new();
            for id in &ids {
                let Some(Some(held)) = known.subjects.get(id) else { continue };
                changed.push(Changed::of(id, held));
            }
            if changed.is_empty() {
                continue;
            }
            match self.session.engine() {
                Engine::Sqlite => changed.iter().try_for_each(|one| one.write(self.session, *number))?,
                Engine::Postgres => write_together(self.session, *number, &changed)?,
            }
            for id in &ids {
                if let Some(Some(held)) = known.subjects.get_mut(id) {
                    held.change = Change::Nothing;
                }
            }
        }
        Ok(())
    }
}

impl Known {
    fn has(&self, id: &str) -> bool {
        self.subjects.contains_key(id) && self.holders.contains_key(id)
    }

    /// Counts of members are others.
    fn forget_groups(&mut self) {
        self.subjects.retain(|_, held| held.as_ref().is_none_or(|held| held.row.kind != Kind::Group));
    }
}

/// Whether a group has another name, by which its members' events tell of it.
pub(super) fn is_renamed(entry: &ChangeEntry) -> bool {
    entry.changes.iter().any(|change| matches!(change.path.as_str(), "displayName" | "externalId"))
}

/// A subject that is to be written.
struct Changed<'k> {
    id: &'k str,
    row: &'k SubjectRow,
    change: Change,
    /// The text of the resource, where it is written.
    document: String,
    told: String,
}

impl<'k> Changed<'k> {
    fn of(id: &'k str, held: &'k Held) -> Self {
        let document =
            if held.change == Change::Told { String::new() } else { held.row.resource.text().into() };
        let told = write_json(&held.row.told).unwrap_or_default();
        Self { id, row: &held.row, change: held.change, document, told }
    }

    fn name(&self) -> Option<&'k str> {
        self.row.resource.get("displayName").and_then(Value::as_str)
    }

    fn write(&self, session: &Session<'_>, directory: i64) -> Result<(), DatabaseError> {
        let (row, external_id) = (self.row, self.row.resource.external_id());
        let (id, told, document) = (self.id, &self.told, &self.document);
        match self.change {
            Change::Nothing => Ok(0),
            Change::Told => {
                let update =
                    "UPDATE dir_subjects SET told = ?3, sequence = ?4 WHERE directory = ?1 AND id = ?2";
                session.execute(update, params![directory, id, told, row.sequence])
            }
            Change::Document => {
                let update = "UPDATE dir_subjects SET name = ?3, external_id = ?4, version = ?5,
                        document = ?6, told = ?7, sequence = ?8
                    WHERE directory = ?1 AND id = ?2";
                let (name, version) = (self.name(), row.version);
                let values =
                    params![directory, id, name, external_id, version, document, told, row.sequence];
                session.execute(update, values)
            }
            Change::New => {
                let insert = "INSERT INTO dir_subjects
                        (directory, id, kind, name, external_id, version, document, told, members, users, sequence)
                    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, 0, ?9)";
                let (name, version, kind) = (self.name(), row.version, row.kind.code());
                let values =
                    params![directory, id, kind, name, external_id, version, document, told, row.sequence];
                session.execute(insert, values)
            }
        }
        .map(drop)
    }
}

/// Arrays of what is written; numbers as texts.
const INSERT_TOGETHER: &str = "INSERT INTO dir_subjects
        (directory, id, kind, name, external_id, version, document, told, members, users, sequence)
    SELECT ?1, s.id, ?2, s.name, s.external_id, CAST(s.version AS BIGINT), s.document, s.told, 0, 0,
        CAST(s.sequence AS BIGINT)
    FROM unnest(?3, ?4, ?5, ?6, ?7, ?8, ?9) AS s (id, name, external_id, version, document, told, sequence)";
const UPDATE_TOGETHER: &str = "UPDATE dir_subjects SET name = s.name, external_id = s.external_id,
        version = CAST(s.version AS BIGINT), document = s.document, told = s.told,
        sequence = CAST(s.sequence AS BIGINT)
    FROM unnest(?2, ?3, ?4, ?5, ?6, ?7, ?8) AS s (id, name, external_id, version, document, told, sequence)
    WHERE dir_subjects.directory = ?1 AND dir_subjects.id = s.id";
const TELL_TOGETHER: &str = "UPDATE dir_subjects SET told = s.told, sequence = CAST(s.sequence AS BIGINT)
    FROM unnest(?2, ?3, ?4) AS s (id, told, sequence)
    WHERE dir_subjects.directory = ?1 AND dir_subjects.id = s.id";

/// On PostgreSQL: in one statement for each kind of change, however many there are.
fn write_together(
    session: &Session<'_>,
    directory: i64,
    changed: &[Changed<'_>],
) -> Result<(), DatabaseError> {
    for change in [Change::New, Change::Document, Change::Told] {
        let columns = Columns::of(changed.iter().filter(|one| one.change == change));
        if columns.ids.is_empty() {
            continue;
        }
        let (versions, sequences) = (borrowed(&columns.versions), borrowed(&columns.sequences));
        let Columns { ids, names, external_ids, documents, told, .. } = &columns;
        let users = Kind::User.code();
        match change {
            Change::Nothing => 0,
            Change::New => {
                let values = params![
                    directory,
                    users,
                    ids,
                    names,
                    external_ids,
                    &versions,
                    documents,
                    told,
                    &sequences
                ];
                session.execute(INSERT_TOGETHER, values)?
            }
            Change::Document => {
                let values =
                    params![directory, ids, names, external_ids, &versions, documents, told, &sequences];
                session.execute(UPDATE_TOGETHER, values)?
            }
            Change::Told => session.execute(TELL_TOGETHER, params![directory, ids, told, &sequences])?,
        };
    }
    Ok(())
}

/// The same values of all.
struct Columns<'c> {
    ids: Vec<Option<&'c str>>,
    names: Vec<Option<&'c str>>,
    external_ids: Vec<Option<&'c str>>,
    versions: Vec<Option<String>>,
    documents: Vec<Option<&'c str>>,
    told: Vec<Option<&'c str>>,
    sequences: Vec<Option<String>>,
}

impl<'c> Columns<'c> {
    fn of(changed: impl Iterator<Item = &'c Changed<'c>>) -> Self {
        let mut columns = Self {
            ids: Vec::new(),
            names: Vec::new(),
            external_ids: Vec::new(),
            versions: Vec::new(),
            documents: Vec::new(),
            told: Vec::new(),
            sequences: Vec::new(),
        };
        for one in changed {
            columns.ids.push(Some(one.id));
            columns.names.push(one.name());
            columns.external_ids.push(one.row.resource.external_id());
            columns.versions.push(Some(one.row.version.to_string()));
            columns.documents.push(Some(&one.document));
            columns.told.push(Some(&one.told));
            columns.sequences.push(Some(one.row.sequence.to_string()));
        }
        columns
    }
}

fn read_group(row: &Row<'_>) -> Result<GroupRef, DatabaseError> {
    Ok(GroupRef { id: row.owned(0)?, name: row.owned_or_null(1)?, external_id: row.owned_or_null(2)? })
}
