//! From one entry of the feed to its events.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use scim_core::{ChangeEntry, ChangeKind, Member};
use scim_schema::{Object, Resource, Value};
use scim_set::Activity;
use scim_sql::Session;

use crate::changes::{change, changes, is_shown};
use crate::directories::Directories;
use crate::error::DirectoryError;
use crate::event::{DEACTIVATED, Deactivation, EventType, REMOVED};
use crate::log::{Log, NewEvent};
use crate::normalize::{GroupRef, Subject, is_active, membership, push_groups};
use crate::projection::{Kind, Place, SubjectRow, Told};
use crate::relay::view::{AT_HAND, View, forgets};
use crate::sets::Outbox;

/// Up to this many members that come or go are named in `changes`.
const NAMED_MEMBERS: usize = 100;

/// How many of those whom entries concern are read together: at least all of one entry.
const AHEAD: usize = AT_HAND + 1;

/// Whom an entry of a group concerns.
#[derive(Debug, Default)]
pub(super) struct Concerned {
    /// The ids, in order, of those whose groups may be others. Ids of groups may be among them.
    pub(super) ids: Vec<String>,
    /// Who came to the group itself, where that is told.
    came: HashSet<String>,
    /// Who left it.
    went: HashSet<String>,
}

/// Makes the events and deliveries of one transaction. They are written by [`Recorder::finish`].
pub(super) struct Recorder<'t> {
    session: &'t Session<'t>,
    directories: &'t Directories,
    log: Log<'t>,
    view: View<'t>,
    sets: Outbox<'t>,
    places: HashMap<String, Option<Arc<Place>>>,
}

impl<'t> Recorder<'t> {
    pub(super) fn new(
        session: &'t Session<'t>,
        directories: &'t Directories,
    ) -> Result<Self, DirectoryError> {
        let (log, sets) = (Log::open(session, directories)?, Outbox::open(session)?);
        let view = View::new(session);
        Ok(Self { session, directories, log, sets, view, places: HashMap::new() })
    }

    /// How many events there are.
    pub(super) fn events(&self) -> usize {
        self.log.events()
    }

    /// Writes all of it.
    pub(super) fn finish(mut self) -> Result<(), DirectoryError> {
        self.view.settle()?;
        self.log.finish()?;
        self.sets.finish()
    }

    /// Reads together what the next entries need, if what the first of them needs is not known yet.
    pub(super) fn expect_entries(&mut self, entries: &[ChangeEntry]) -> Result<(), DirectoryError> {
        let Some(first) = entries.first() else { return Ok(()) };
        let Some((_, place)) = self.of_interest(first)? else { return Ok(()) };
        if self.view.knows(&place, touched(first)) {
            return Ok(());
        }
        let of_directory = entries.iter().filter(|entry| entry.tenant == first.tenant);
        let mut keeps = true;
        let before_it_forgets =
            of_directory.take_while(|entry| std::mem::replace(&mut keeps, !forgets(entry)));
        Ok(self.view.expect(&place, before_it_forgets.flat_map(touched).take(AHEAD))?)
    }

    /// Reads together what the next of those need whom an entry concerns, if the first of them is not known yet.
    pub(super) fn expect_moved(&mut self, entry: &ChangeEntry, ids: &[String]) -> Result<(), DirectoryError> {
        let Some((_, place)) = self.of_interest(entry)? else { return Ok(()) };
        let ids = ids.iter().map(String::as_str).take(AHEAD);
        if self.view.knows(&place, ids.clone().take(1)) {
            return Ok(());
        }
        Ok(self.view.expect(&place, ids)?)
    }

    /// Brings the projection to the state after an entry, and writes the event of the entry's own resource.
    pub(super) fn begin(&mut self, entry: &ChangeEntry) -> Result<(), DirectoryError> {
        let Some((kind, place)) = self.of_interest(entry)? else { return Ok(()) };
        let old = self.view.subject(&place, &entry.id)?;
        match (kind, entry.kind) {
            (Kind::User, ChangeKind::Deleted) => self.user_removed(entry, &place, old.as_deref()),
            (Kind::User, _) => self.user_written(entry, &place, old.as_deref()),
            (Kind::Group, ChangeKind::Deleted) => self.group_removed(entry, &place, old.as_deref()),
            (Kind::Group, _) => self.group_written(entry, &place, old.as_deref()),
        }
    }

    /// Whom an entry that was begun concerns.
    pub(super) fn concerned(&mut self, entry: &ChangeEntry) -> Result<Arc<Concerned>, DirectoryError> {
        let Some((Kind::Group, place)) = self.of_interest(entry)? else { return Ok(Arc::default()) };
        let moved = || entry.members_added.iter().chain(&entry.members_removed);
        let renamed = is_renamed(entry).then_some(entry.id.as_str());
        // A member of unknown type may be a group.
        let groups = moved().filter(|m| m.resource_type.as_deref() != Some("User")).map(|m| m.id.as_str());
        let mut ids = self.view.members_below(&place, groups.chain(renamed))?;
        ids.extend(moved().map(|m| m.id.clone()));
        let mut ids: Vec<String> = ids.into_iter().collect();
        ids.sort_unstable();
        let mut all = Concerned { ids, ..Concerned::default() };
        if self.directories.event_options().member_events {
            all.came = entry.members_added.iter().map(|m| m.id.clone()).collect();
            all.went = entry.members_removed.iter().map(|m| m.id.clone()).collect();
        }
        Ok(all.into())
    }

    /// Tells what an entry means for one of those whom it concerns.
    pub(super) fn moved(
        &mut self,
        entry: &ChangeEntry,
        all: &Concerned,
        id: &str,
    ) -> Result<(), DirectoryError> {
        let Some((_, place)) = self.of_interest(entry)? else { return Ok(()) };
        let row = self.view.subject(&place, id)?;
        if row.as_ref().is_some_and(|row| row.kind == Kind::Group) {
            return Ok(());
        }
        // Who left a group because it was deleted is not there any more.
        if all.went.contains(id) {
            self.membership(entry, &place, EventType::GroupUserRemoved, id)?;
        }
        if let Some(row) = row {
            self.user_moved(entry, &place, id, &row)?;
        }
        if all.came.contains(id) {
            self.membership(entry, &place, EventType::GroupUserAdded, id)?;
        }
        Ok(())
    }

    /// Writes that a user came to a group or left it.
    fn membership(
        &mut self,
        entry: &ChangeEntry,
        place: &Place,
        event_type: EventType,
        user: &str,
    ) -> Result<(), DirectoryError> {
        let sequence = self.log.next_sequence(place)?;
        let normalizer = self.directories.normalizer();
        let counts = self.view.subject(place, &entry.id)?.map(|row| row.counts).unwrap_or_default();
        let group = normalizer.group(&subject(entry, place, sequence), counts);
        let row = self.view.subject(place, user)?;
        let told = row.map(|row| normalizer.user(&row.subject(place, sequence), &row.told.groups));
        let data = membership(&entry.id, user, group, told);
        // Not the user: of one subject each event has the whole state, and takes the place of those before it.
        let subject = format!("{}/{user}", entry.id);
        self.log.append(NewEvent { subject: &subject, ..event(entry, place, event_type, sequence, data) });
        Ok(())
    }

    /// Writes `user_updated` if the user's groups are not those that the user's last event named.
    fn user_moved(
        &mut self,
        entry: &ChangeEntry,
        place: &Place,
        id: &str,
        row: &SubjectRow,
    ) -> Result<(), DirectoryError> {
        let groups = self.view.groups_of(place, id)?;
        if groups == row.told.groups {
            return Ok(());
        }
        let (mut old, mut new) = (Object::new(), Object::new());
        push_groups(&mut old, &row.told.groups);
        push_groups(&mut new, &groups);
        let sequence = self.log.next_sequence(place)?;
        let data = self.directories.normalizer().user(&row.subject(place, sequence), &groups);
        self.log.append(NewEvent {
            subject: id,
            version: row.version,
            changes: changes(&old, &new, &[], false),
            reason: self.reason(EventType::UserUpdated, &row.resource),
            ..event(entry, place, EventType::UserUpdated, sequence, data)
        });
        self.view.write_told(place, id, Told { groups, ..Told::default() }, sequence, entry)?;
        Ok(())
    }

    /// Why a user is told to be gone, or was before this update.
    fn reason(&self, event_type: EventType, resource: &Resource) -> Option<&'static str> {
        let tells_deleted = self.directories.event_options().deactivation == Deactivation::Deleted;
        let may_be_gone = matches!(event_type, EventType::UserDeleted | EventType::UserUpdated);
        (tells_deleted && may_be_gone && !is_active(resource)).then_some(DEACTIVATED)
    }

    fn user_written(
        &mut self,
        entry: &ChangeEntry,
        place: &Place,
        old: Option<&SubjectRow>,
    ) -> Result<(), DirectoryError> {
        self.view.write_user(place, entry)?;
        if entry.kind == ChangeKind::Updated && !entry.changes.iter().any(is_shown) {
            return Ok(());
        }
        let groups = self.view.groups_of(place, &entry.id)?;
        let sequence = self.log.next_sequence(place)?;
        let normalizer = self.directories.normalizer();
        let mut data = normalizer.user(&subject(entry, place, sequence), &groups);
        let was_active = old.map(|row| is_active(&row.resource));
        let tells_deleted = self.directories.event_options().deactivation == Deactivation::Deleted;
        let event_type = match (entry.kind, was_active, is_active(&entry.resource)) {
            (ChangeKind::Created, ..) => EventType::UserCreated,
            (_, Some(false), true) if tells_deleted => EventType::UserCreated,
            (_, Some(true), false) if tells_deleted => EventType::UserDeleted,
            _ => EventType::UserUpdated,
        };
        let changes = match old {
            Some(row) if entry.kind == ChangeKind::Updated => {
                let before = normalizer.user(&row.subject(place, sequence), &row.told.groups);
                changes(&before, &data, &entry.changes, normalizer.raw_attributes)
            }
            _ => Vec::new(),
        };
        let reason = self.reason(event_type, &entry.resource);
        if let (EventType::UserDeleted, Some(reason)) = (event_type, reason) {
            data.push("reason", reason);
        }
        let told = NewEvent { changes, reason, ..event(entry, place, event_type, sequence, data) };
        let id = self.log.append(told);
        let activity = match (was_active, is_active(&entry.resource)) {
            (Some(false), true) => Some(Activity::Activated),
            (Some(true), false) => Some(Activity::Deactivated),
            _ => None,
        };
        self.sets.append(&id, entry, place, activity);
        self.view.write_told(place, &entry.id, Told { groups, ..Told::default() }, sequence, entry)?;
        Ok(())
    }

    fn user_removed(
        &mut self,
        entry: &ChangeEntry,
        place: &Place,
        old: Option<&SubjectRow>,
    ) -> Result<(), DirectoryError> {
        let sequence = self.log.next_sequence(place)?;
        let groups: &[GroupRef] = old.map(|row| row.told.groups.as_slice()).unwrap_or_default();
        let mut data = self.directories.normalizer().user(&subject(entry, place, sequence), groups);
        data.push("reason", REMOVED);
        self.view.remove(place, Kind::User, &entry.id)?;
        let reason = Some(REMOVED);
        let told = NewEvent { reason, ..event(entry, place, EventType::UserDeleted, sequence, data) };
        let id = self.log.append(told);
        self.sets.append(&id, entry, place, None);
        Ok(())
    }

    fn group_written(
        &mut self,
        entry: &ChangeEntry,
        place: &Place,
        old: Option<&SubjectRow>,
    ) -> Result<(), DirectoryError> {
        self.view.write_group(place, entry)?;
        let members_moved = !entry.members_added.is_empty() || !entry.members_removed.is_empty();
        if entry.kind == ChangeKind::Updated && !entry.changes.iter().any(is_shown) && !members_moved {
            return Ok(());
        }
        let sequence = self.log.next_sequence(place)?;
        let normalizer = self.directories.normalizer();
        let counts = self.view.subject(place, &entry.id)?.map(|row| row.counts).unwrap_or_default();
        let data = normalizer.group(&subject(entry, place, sequence), counts);
        let mut changed = Vec::new();
        let mut event_type = EventType::GroupCreated;
        if entry.kind == ChangeKind::Updated {
            event_type = EventType::GroupUpdated;
            if let Some(row) = old {
                let before = normalizer.group(&row.subject(place, sequence), row.told.counts);
                changed = changes(&before, &data, &entry.changes, normalizer.raw_attributes);
            }
            if members_moved {
                let (gone, come) = (named(&entry.members_removed), named(&entry.members_added));
                changed.push(change("members", gone, come));
            }
        }
        let told = NewEvent { changes: changed, ..event(entry, place, event_type, sequence, data) };
        let id = self.log.append(told);
        self.sets.append(&id, entry, place, None);
        self.view.write_told(place, &entry.id, Told { counts, ..Told::default() }, sequence, entry)?;
        Ok(())
    }

    fn group_removed(
        &mut self,
        entry: &ChangeEntry,
        place: &Place,
        old: Option<&SubjectRow>,
    ) -> Result<(), DirectoryError> {
        let sequence = self.log.next_sequence(place)?;
        let counts = old.map(|row| row.told.counts).unwrap_or_default();
        let data = self.directories.normalizer().group(&subject(entry, place, sequence), counts);
        self.view.remove(place, Kind::Group, &entry.id)?;
        let id = self.log.append(event(entry, place, EventType::GroupDeleted, sequence, data));
        self.sets.append(&id, entry, place, None);
        Ok(())
    }

    /// Kind and directory of an entry; `None` for what makes no events.
    fn of_interest(&mut self, entry: &ChangeEntry) -> Result<Option<(Kind, Arc<Place>)>, DirectoryError> {
        let Some(kind) = Kind::of(&entry.resource_type) else { return Ok(None) };
        let tenant = entry.tenant.as_str();
        if !self.places.contains_key(tenant) {
            let place = Place::find(self.session, tenant)?.map(Arc::new);
            self.places.insert(tenant.to_owned(), place);
        }
        Ok(self.places.get(tenant).cloned().flatten().map(|place| (kind, place)))
    }
}

/// An event about the entry's own resource, without changes.
fn event<'a>(
    entry: &'a ChangeEntry,
    place: &'a Place,
    event_type: EventType,
    sequence: u64,
    data: Object,
) -> NewEvent<'a> {
    NewEvent {
        place: Some(place),
        event_type,
        subject: &entry.id,
        version: entry.version,
        sequence,
        occurred_at: entry.time,
        cause: &entry.cause,
        reason: None,
        changes: Vec::new(),
        data,
    }
}

fn subject<'a>(entry: &'a ChangeEntry, place: &'a Place, sequence: u64) -> Subject<'a> {
    let resource: &Resource = &entry.resource;
    Subject {
        resource,
        organization_id: &place.organization_id,
        directory_id: &place.directory_id,
        version: entry.version,
        sequence,
    }
}

/// The subjects that an entry changes and that the view will be asked for.
fn touched(entry: &ChangeEntry) -> impl Iterator<Item = &str> {
    let id = Kind::of(&entry.resource_type).map(|_| entry.id.as_str());
    let members = || entry.members_added.iter().chain(&entry.members_removed);
    let kept = (!forgets(entry)).then(members).into_iter().flatten();
    id.into_iter().chain(kept.map(|member| member.id.as_str()))
}

/// Whether a group has another name, by which its members' events tell of it.
fn is_renamed(entry: &ChangeEntry) -> bool {
    entry.changes.iter().any(|change| matches!(change.path.as_str(), "displayName" | "externalId"))
}

/// The ids of members; `None` when there are too many to name.
fn named(members: &[Member]) -> Option<Value> {
    let ids = || members.iter().map(|m| Value::from(m.id.as_str())).collect::<Vec<_>>();
    (members.len() <= NAMED_MEMBERS).then(|| ids().into())
}
