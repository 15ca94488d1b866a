//! Users, groups and memberships as a transaction of the relay sees them: read together, changed here, and
//! written together.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::iter;
use std::sync::Arc;

use scim_core::edges::MAX_NESTING;
use scim_core::{ChangeEntry, ChangeKind};
use scim_sql::{DatabaseError, Engine, Session, params};

use crate::error::DirectoryError;
use crate::normalize::GroupRef;
use crate::projection::{
    Kind, Place, SubjectRow, Told, change_members, delete_group, members_below, read_row, read_subject,
};
use crate::relay::settle::settle;

/// Up to this many members that an entry moves are kept here; more are moved in the tables.
pub(super) const AT_HAND: usize = 200;

/// What the tables hold, with what is not written yet.
///
/// The members of an entry that moves very many, and those of a group that ends, are moved in the tables, behind
/// all that waits; then what is known of the directory is forgotten.
pub(super) struct View<'t> {
    session: &'t Session<'t>,
    known: HashMap<i64, Content>,
}

/// What is known of a directory, and what of it is not written yet.
#[derive(Default)]
pub(super) struct Content {
    pub(super) subjects: HashMap<String, Held>,
    /// The ids of the groups that a subject itself is in.
    holders: HashMap<String, Arc<BTreeSet<String>>>,
    /// The subjects that are to be written, in the order in which they changed first.
    pub(super) changed: Vec<String>,
    /// Groups and members to be written: `true` came, `false` went.
    pub(super) moved: BTreeMap<(String, String), bool>,
}

/// A subject, or that there is none.
pub(super) struct Held {
    pub(super) row: Option<Arc<SubjectRow>>,
    pub(super) change: Change,
}

/// What of a subject is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    Nothing,
    /// What was told, and how many members there are.
    Told,
    /// All of it.
    Document,
}

/// Whether an entry is worked off in the tables, after which nothing is known of its directory.
pub(super) fn forgets(entry: &ChangeEntry) -> bool {
    let is_end = entry.kind == ChangeKind::Deleted && Kind::of(&entry.resource_type) == Some(Kind::Group);
    is_end || entry.members_added.len() + entry.members_removed.len() > AT_HAND
}

impl Held {
    fn read(row: Option<SubjectRow>) -> Self {
        Self { row: row.map(Arc::new), change: Change::Nothing }
    }
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
            return Ok(held.row.clone());
        }
        let held = Held::read(read_subject(self.session, place, id)?);
        let row = held.row.clone();
        subjects.insert(id.to_owned(), held);
        Ok(row)
    }

    /// Whether subjects and their groups are known.
    pub(super) fn knows<'a>(&self, place: &Place, mut ids: impl Iterator<Item = &'a str>) -> bool {
        let known = self.known.get(&place.number);
        ids.all(|id| known.is_some_and(|known| known.has(id)))
    }

    /// Reads subjects and their groups that will be asked for; from PostgreSQL together, because each is a
    /// message there and back.
    pub(super) fn expect<'a>(
        &mut self,
        place: &Place,
        ids: impl Iterator<Item = &'a str>,
    ) -> Result<(), DatabaseError> {
        if self.session.engine() == Engine::Sqlite {
            return Ok(());
        }
        let known = self.known.entry(place.number).or_default();
        let ids: BTreeSet<String> = ids.filter(|id| !known.has(id)).map(str::to_owned).collect();
        let mut subjects = ids.clone();
        let mut members = ids;
        for _ in 0..MAX_NESTING {
            members.retain(|id| !known.holders.contains_key(id));
            if members.is_empty() {
                break;
            }
            let mut found = read_holders(self.session, place, &members)?;
            let above: BTreeSet<String> = found.values().flatten().cloned().collect();
            for id in members {
                let holders = found.remove(&id).unwrap_or_default();
                known.holders.insert(id, holders.into());
            }
            subjects.extend(above.iter().cloned());
            members = above;
        }
        subjects.retain(|id| !known.subjects.contains_key(id));
        let mut rows = read_subjects(self.session, place, &subjects)?;
        for id in subjects {
            let held = Held::read(rows.remove(&id));
            known.subjects.insert(id, held);
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
            for id in self.holders(place, &member)?.iter() {
                if !seen.insert(id.clone()) {
                    continue;
                }
                let Some(group) = self.subject(place, id)? else { continue };
                found.push(GroupRef {
                    id: id.clone(),
                    name: group.name().map(str::to_owned),
                    external_id: group.resource.external_id().map(str::to_owned),
                });
                if depth + 1 < MAX_NESTING {
                    queue.push_back((id.clone(), depth + 1));
                }
            }
        }
        found.sort();
        Ok(found)
    }

    fn holders(&mut self, place: &Place, id: &str) -> Result<Arc<BTreeSet<String>>, DatabaseError> {
        let known = self.known.entry(place.number).or_default();
        if let Some(holders) = known.holders.get(id) {
            return Ok(Arc::clone(holders));
        }
        let select = "SELECT holder FROM dir_members WHERE directory = ?1 AND member = ?2";
        let holders: Vec<String> = self.session.all(select, params![place.number, id], |row| row.owned(0))?;
        let holders = Arc::new(BTreeSet::from_iter(holders));
        known.holders.insert(id.to_owned(), Arc::clone(&holders));
        Ok(holders)
    }

    /// What is in groups, directly and through groups in them, each once.
    pub(super) fn members_below<'a>(
        &mut self,
        place: &Place,
        groups: impl Iterator<Item = &'a str>,
    ) -> Result<HashSet<String>, DirectoryError> {
        let known = self.known.entry(place.number).or_default();
        let is_user = |id: &str| {
            let row = known.subjects.get(id).and_then(|held| held.row.as_ref());
            row.is_some_and(|row| row.kind == Kind::User)
        };
        let groups: Vec<&str> = groups.filter(|id| !is_user(id)).collect();
        if groups.is_empty() {
            return Ok(HashSet::new());
        }
        self.settle()?;
        Ok(members_below(self.session, place, groups.into_iter())?)
    }

    /// Takes over the state of a user that an entry brings.
    pub(super) fn write_user(&mut self, place: &Place, entry: &ChangeEntry) -> Result<(), DirectoryError> {
        let is_new = self.subject(place, &entry.id)?.is_none();
        self.take_over(place, Kind::User, entry)?;
        if is_new {
            // Groups may have named the id before there was a user.
            for holder in self.holders(place, &entry.id)?.iter() {
                self.count(place, holder, 0, 1)?;
            }
        }
        Ok(())
    }

    /// Takes over the state of a group that an entry brings, and its members.
    pub(super) fn write_group(&mut self, place: &Place, entry: &ChangeEntry) -> Result<(), DirectoryError> {
        self.take_over(place, Kind::Group, entry)?;
        let (added, removed) = (&entry.members_added, &entry.members_removed);
        if forgets(entry) {
            self.settle()?;
            change_members(self.session, place, &entry.id, added, removed)?;
            self.known.remove(&place.number);
            return Ok(());
        }
        self.move_members(place, &entry.id, removed.iter().map(|member| member.id.as_str()), false)?;
        self.move_members(place, &entry.id, added.iter().map(|member| member.id.as_str()), true)
    }

    /// Takes a subject out, with its memberships in both directions.
    pub(super) fn remove(&mut self, place: &Place, kind: Kind, id: &str) -> Result<(), DirectoryError> {
        match kind {
            Kind::User => {
                for holder in self.holders(place, id)?.iter() {
                    self.move_members(place, holder, iter::once(id), false)?;
                }
                self.change(place, id, Change::Document, |row| *row = None)?;
            }
            Kind::Group => {
                self.settle()?;
                delete_group(self.session, place, id)?;
                self.known.remove(&place.number);
            }
        }
        Ok(())
    }

    /// Notes what the last event of a subject said, which an entry brought about.
    pub(super) fn write_told(
        &mut self,
        place: &Place,
        id: &str,
        told: Told,
        sequence: u64,
        entry: &ChangeEntry,
    ) -> Result<(), DatabaseError> {
        self.change(place, id, Change::Told, |row| {
            if let Some(row) = row {
                let row = Arc::make_mut(row);
                row.told = told;
                row.sequence = sequence;
                row.updated = row.updated.max(entry.time.unix_micros());
            }
        })
    }

    fn take_over(&mut self, place: &Place, kind: Kind, entry: &ChangeEntry) -> Result<(), DatabaseError> {
        self.change(place, &entry.id, Change::Document, |row| {
            let resource = entry.resource.clone();
            let row = row.get_or_insert_with(|| SubjectRow::new(kind, resource.clone()).into());
            let row = Arc::make_mut(row);
            row.resource = resource;
            row.version = entry.version;
            row.updated = row.updated.max(entry.time.unix_micros());
        })
    }

    /// Puts members into a group, or takes them out, and counts them.
    fn move_members<'a>(
        &mut self,
        place: &Place,
        group: &str,
        members: impl Iterator<Item = &'a str>,
        come: bool,
    ) -> Result<(), DirectoryError> {
        let (mut moved, mut users) = (0, 0);
        for id in members {
            self.holders(place, id)?;
            let is_user = self.subject(place, id)?.is_some_and(|row| row.kind == Kind::User);
            if self.known.entry(place.number).or_default().move_member(group, id, come) {
                moved += 1;
                users += i64::from(is_user);
            }
        }
        let sign = if come { 1 } else { -1 };
        if moved > 0 { Ok(self.count(place, group, sign * moved, sign * users)?) } else { Ok(()) }
    }

    /// Changes the counts of a group.
    fn count(&mut self, place: &Place, group: &str, members: i64, users: i64) -> Result<(), DatabaseError> {
        self.change(place, group, Change::Told, |row| {
            if let Some(row) = row {
                let counts = &mut Arc::make_mut(row).counts;
                counts.members = counts.members.saturating_add_signed(members);
                counts.users = counts.users.saturating_add_signed(users);
            }
        })
    }

    /// Changes a subject, of which it is noted what is to be written.
    fn change(
        &mut self,
        place: &Place,
        id: &str,
        change: Change,
        edit: impl FnOnce(&mut Option<Arc<SubjectRow>>),
    ) -> Result<(), DatabaseError> {
        self.subject(place, id)?;
        let known = self.known.entry(place.number).or_default();
        if let Some(held) = known.subjects.get_mut(id) {
            let was_there = held.row.is_some();
            edit(&mut held.row);
            if !was_there && held.row.is_none() {
                return Ok(());
            }
            if held.change == Change::Nothing {
                known.changed.push(id.to_owned());
            }
            held.change = held.change.max(change);
        }
        Ok(())
    }

    /// Writes what waits.
    pub(super) fn settle(&mut self) -> Result<(), DirectoryError> {
        Ok(self.known.iter_mut().try_for_each(|(number, known)| settle(self.session, *number, known))?)
    }
}

impl Content {
    fn has(&self, id: &str) -> bool {
        self.subjects.contains_key(id) && self.holders.contains_key(id)
    }

    /// Answers whether the member, whose groups are known, was elsewhere before.
    fn move_member(&mut self, group: &str, member: &str, comes: bool) -> bool {
        let Some(holders) = self.holders.get_mut(member) else { return false };
        if holders.contains(group) == comes {
            return false;
        }
        let holders = Arc::make_mut(holders);
        let pair = (group.to_owned(), member.to_owned());
        if comes {
            holders.insert(group.to_owned())
        } else {
            holders.remove(group)
        };
        // Who is back where the table has him needs no change there.
        if self.moved.remove(&pair).is_none() {
            self.moved.insert(pair, comes);
        }
        true
    }
}

fn read_holders(
    session: &Session<'_>,
    place: &Place,
    members: &BTreeSet<String>,
) -> Result<HashMap<String, BTreeSet<String>>, DatabaseError> {
    let members: Vec<Option<&str>> = members.iter().map(|id| Some(id.as_str())).collect();
    let select = "SELECT member, holder FROM dir_members WHERE directory = ?1 AND member = ANY(?2)";
    let pairs: Vec<(String, String)> = session.all(select, params![place.number, &members], |row| {
        Ok::<_, DatabaseError>((row.owned(0)?, row.owned(1)?))
    })?;
    let mut holders: HashMap<String, BTreeSet<String>> = HashMap::new();
    for (member, holder) in pairs {
        holders.entry(member).or_default().insert(holder);
    }
    Ok(holders)
}

fn read_subjects(
    session: &Session<'_>,
    place: &Place,
    ids: &BTreeSet<String>,
) -> Result<HashMap<String, SubjectRow>, DatabaseError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<Option<&str>> = ids.iter().map(|id| Some(id.as_str())).collect();
    let select =
        "SELECT kind, version, document, told, members, users, sequence, updated, id FROM dir_subjects
        WHERE directory = ?1 AND id = ANY(?2)";
    let rows = session.all(select, params![place.number, &ids], |row| {
        Ok::<_, DatabaseError>((row.owned(8)?, read_row(row)?))
    })?;
    Ok(rows.into_iter().collect())
}
