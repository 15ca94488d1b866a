//! From one entry of the feed to its events.

use std::collections::HashMap;
use std::sync::Arc;

use scim_core::{ChangeEntry, ChangeKind, Member};
use scim_schema::{Object, Resource, Value};
use scim_sql::{Session, Statement, params};

use crate::changes::{change, changes, is_shown};
use crate::directories::{Directories, read_event_types, split};
use crate::error::DirectoryError;
use crate::event::{Envelope, EventType, Lane};
use crate::id::EventId;
use crate::json::python_json;
use crate::normalize::{GroupRef, Subject, is_active, push_groups};
use crate::projection::{
    Kind, Place, SubjectRow, Told, change_members, delete_subject, groups_of, members_below, read_subject,
    write_subject, write_told,
};

/// Up to this many members that come or go are named in `changes`.
const NAMED_MEMBERS: usize = 100;

/// Writes events and deliveries in one transaction.
pub(super) struct Recorder<'t> {
    session: &'t Session<'t>,
    directories: &'t Directories,
    endpoints: Vec<EndpointRow>,
    places: HashMap<String, Option<Arc<Place>>>,
    events: usize,
}

/// Which events an endpoint wants.
struct EndpointRow {
    number: i64,
    event_types: Vec<EventType>,
    organizations: Vec<String>,
    directories: Vec<String>,
}

impl EndpointRow {
    fn wants(&self, event_type: EventType, place: &Place) -> bool {
        let is_asked_for = match self.event_types.as_slice() {
            [] => event_type.is_default(),
            types => types.contains(&event_type),
        };
        is_asked_for
            && (self.organizations.is_empty() || self.organizations.contains(&place.organization_id))
            && (self.directories.is_empty() || self.directories.contains(&place.directory_id))
    }
}

/// What an event is about.
struct News<'a> {
    entry: &'a ChangeEntry,
    place: &'a Place,
    event_type: EventType,
    subject: &'a str,
    version: u64,
    sequence: u64,
    changes: Vec<Value>,
    data: Object,
}

impl<'t> Recorder<'t> {
    pub(super) fn new(
        session: &'t Session<'t>,
        directories: &'t Directories,
    ) -> Result<Self, DirectoryError> {
        let select = "SELECT number, event_types, organizations, directories FROM dir_endpoints
            WHERE enabled = 1 ORDER BY number";
        let endpoints = session.all(select, params![], |row| {
            Ok::<_, DirectoryError>(EndpointRow {
                number: row.int(0)?,
                event_types: read_event_types(row.text(1)?),
                organizations: split(row.text(2)?).collect(),
                directories: split(row.text(3)?).collect(),
            })
        })?;
        Ok(Self { session, directories, endpoints, places: HashMap::new(), events: 0 })
    }

    /// How many events were written.
    pub(super) fn events(&self) -> usize {
        self.events
    }

    /// Brings the projection to the state after an entry, and writes the event of the entry's own resource.
    pub(super) fn begin(&mut self, entry: &ChangeEntry) -> Result<(), DirectoryError> {
        let Some((kind, place)) = self.of_interest(entry)? else { return Ok(()) };
        let old = read_subject(self.session, &place, &entry.id)?;
        match (kind, entry.kind) {
            (Kind::User, ChangeKind::Deleted) => self.user_removed(entry, &place, old.as_ref()),
            (Kind::User, _) => self.user_written(entry, &place, old.as_ref()),
            (Kind::Group, ChangeKind::Deleted) => self.group_removed(entry, &place, old.as_ref()),
            (Kind::Group, _) => self.group_written(entry, &place, old.as_ref()),
        }
    }

    /// The ids, in order, of those whose groups may be others after an entry that was begun. Ids of groups
    /// may be among them.
    pub(super) fn concerned(&mut self, entry: &ChangeEntry) -> Result<Arc<[String]>, DirectoryError> {
        let Some((Kind::Group, place)) = self.of_interest(entry)? else { return Ok(Arc::new([])) };
        let moved = || entry.members_added.iter().chain(&entry.members_removed);
        let shown = |path: &str| matches!(path, "displayName" | "externalId");
        let renamed = entry.changes.iter().any(|c| shown(&c.path)).then_some(entry.id.as_str());
        // A member of unknown type may be a group.
        let groups = moved().filter(|m| m.resource_type.as_deref() != Some("User")).map(|m| m.id.as_str());
        let mut ids = members_below(self.session, &place, groups.chain(renamed))?;
        ids.extend(moved().map(|m| m.id.clone()));
        let mut ids: Vec<String> = ids.into_iter().collect();
        ids.sort_unstable();
        Ok(ids.into())
    }

    /// Writes `user_updated` if the user's groups are not those that the user's last event named.
    pub(super) fn user_moved(&mut self, entry: &ChangeEntry, id: &str) -> Result<(), DirectoryError> {
        let Some((_, place)) = self.of_interest(entry)? else { return Ok(()) };
        let Some(row) = read_subject(self.session, &place, id)?.filter(|row| row.kind == Kind::User) else {
            return Ok(());
        };
        let groups = groups_of(self.session, &place, id)?;
        if groups == row.told.groups {
            return Ok(());
        }
        let (mut old, mut new) = (Object::new(), Object::new());
        push_groups(&mut old, &row.told.groups);
        push_groups(&mut new, &groups);
        let sequence = self.next_sequence(&place)?;
        let data = self.directories.normalizer().user(&row.subject(&place, sequence), &groups);
        self.write(News {
            entry,
            place: &place,
            event_type: EventType::UserUpdated,
            subject: id,
            version: row.version,
            sequence,
            changes: changes(&old, &new, &[], false),
            data,
        })?;
        write_told(self.session, &place, id, &Told { groups, ..Told::default() }, sequence)?;
        Ok(())
    }

    fn user_written(
        &mut self,
        entry: &ChangeEntry,
        place: &Place,
        old: Option<&SubjectRow>,
    ) -> Result<(), DirectoryError> {
        write_subject(self.session, place, Kind::User, entry)?;
        if entry.kind == ChangeKind::Updated && !entry.changes.iter().any(is_shown) {
            return Ok(());
        }
        let groups = groups_of(self.session, place, &entry.id)?;
        let sequence = self.next_sequence(place)?;
        let normalizer = self.directories.normalizer();
        let mut data = normalizer.user(&subject(entry, place, sequence), &groups);
        let was_active = old.map(|row| is_active(&row.resource));
        let event_type = match (entry.kind, was_active, is_active(&entry.resource)) {
            (ChangeKind::Created, ..) | (_, Some(false), true) => EventType::UserCreated,
            (_, Some(true), false) => EventType::UserDeleted,
            _ => EventType::UserUpdated,
        };
        let changes = match old {
            Some(row) if entry.kind == ChangeKind::Updated => {
                let before = normalizer.user(&row.subject(place, sequence), &row.told.groups);
                changes(&before, &data, &entry.changes, normalizer.raw_attributes)
            }
            _ => Vec::new(),
        };
        if event_type == EventType::UserDeleted {
            data.push("reason", "deactivated");
        }
        self.write(News {
            entry,
            place,
            event_type,
            subject: &entry.id,
            version: entry.version,
            sequence,
            changes,
            data,
        })?;
        write_told(self.session, place, &entry.id, &Told { groups, ..Told::default() }, sequence)?;
        Ok(())
    }

    fn user_removed(
        &mut self,
        entry: &ChangeEntry,
        place: &Place,
        old: Option<&SubjectRow>,
    ) -> Result<(), DirectoryError> {
        let sequence = self.next_sequence(place)?;
        let groups: &[GroupRef] = old.map(|row| row.told.groups.as_slice()).unwrap_or_default();
        let mut data = self.directories.normalizer().user(&subject(entry, place, sequence), groups);
        data.push("reason", "removed");
        delete_subject(self.session, place, Kind::User, &entry.id)?;
        self.write(News {
            entry,
            place,
            event_type: EventType::UserDeleted,
            subject: &entry.id,
            version: entry.version,
            sequence,
            changes: Vec::new(),
            data,
        })
    }

    fn group_written(
        &mut self,
        entry: &ChangeEntry,
        place: &Place,
        old: Option<&SubjectRow>,
    ) -> Result<(), DirectoryError> {
        write_subject(self.session, place, Kind::Group, entry)?;
        change_members(self.session, place, &entry.id, &entry.members_added, &entry.members_removed)?;
        let members_moved = !entry.members_added.is_empty() || !entry.members_removed.is_empty();
        if entry.kind == ChangeKind::Updated && !entry.changes.iter().any(is_shown) && !members_moved {
            return Ok(());
        }
        let sequence = self.next_sequence(place)?;
        let normalizer = self.directories.normalizer();
        let counts = read_subject(self.session, place, &entry.id)?.map(|row| row.counts).unwrap_or_default();
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
        self.write(News {
            entry,
            place,
            event_type,
            subject: &entry.id,
            version: entry.version,
            sequence,
            changes: changed,
            data,
        })?;
        write_told(self.session, place, &entry.id, &Told { counts, ..Told::default() }, sequence)?;
        Ok(())
    }

    fn group_removed(
        &mut self,
        entry: &ChangeEntry,
        place: &Place,
        old: Option<&SubjectRow>,
    ) -> Result<(), DirectoryError> {
        let sequence = self.next_sequence(place)?;
        let counts = old.map(|row| row.told.counts).unwrap_or_default();
        let data = self.directories.normalizer().group(&subject(entry, place, sequence), counts);
        delete_subject(self.session, place, Kind::Group, &entry.id)?;
        self.write(News {
            entry,
            place,
            event_type: EventType::GroupDeleted,
            subject: &entry.id,
            version: entry.version,
            sequence,
            changes: Vec::new(),
            data,
        })
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

    fn next_sequence(&self, place: &Place) -> Result<u64, DirectoryError> {
        let update =
            "UPDATE dir_directories SET sequence = sequence + 1 WHERE number = ?1 RETURNING sequence";
        let sequence = self.session.first(update, params![place.number], |row| row.unsigned(0))?;
        sequence.ok_or(DirectoryError::NotFound { what: "directory" })
    }

    /// The same change always makes an event of the same id: also where it is made again from a copy of the
    /// database, by a server that was restored. Another change has another request or another time.
    fn event_id(&self, news: &News<'_>) -> EventId {
        let text = format!(
            "event {} {} {} {} {} {} {} {}",
            self.directories.environment_id(),
            news.place.directory_id,
            news.sequence,
            news.subject,
            news.version,
            news.event_type.as_str(),
            news.entry.time.unix_micros(),
            news.entry.cause.request_id,
        );
        EventId::of(news.entry.time, self.directories.keys().hash(&text))
    }

    /// Appends an event to the log, and a delivery for each endpoint that wants it.
    fn write(&mut self, news: News<'_>) -> Result<(), DirectoryError> {
        let id = self.event_id(&news);
        let News { entry, place, event_type, subject, version, sequence, changes, data } = news;
        let envelope = Envelope {
            id: id.as_str(),
            event_type,
            occurred_at: entry.time,
            environment_id: self.directories.environment_id().as_str(),
            organization_id: &place.organization_id,
            directory_id: &place.directory_id,
            sequence,
            subject,
            version,
            cause: &entry.cause,
            changes,
            data,
        };
        let body = python_json(&envelope.into_value());
        let lane = Lane::of(event_type, &entry.cause);
        let insert = "INSERT INTO dir_events
                (directory, sequence, id, type, subject, version, occurred_at, lane, body)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        let values = params![
            place.number,
            sequence,
            id.as_str(),
            event_type.as_str(),
            subject,
            version,
            entry.time.unix_micros(),
            lane.code(),
            &body
        ];
        let event = self.session.insert(insert, values, "position")?.unwrap_or_default();
        let insert = "INSERT INTO dir_deliveries
                (endpoint, event, directory, subject, lane, state, attempts, due)
            VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, ?6)";
        let due = entry.time.unix_micros();
        let mut statements = Vec::new();
        for endpoint in self.endpoints.iter().filter(|e| e.wants(event_type, place)) {
            let values = params![endpoint.number, event, place.number, subject, lane.code(), due];
            statements.push(Statement::new(insert, values));
        }
        if !statements.is_empty() {
            self.session.batch(&statements)?;
        }
        self.events += 1;
        Ok(())
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

/// The ids of members; `None` when there are too many to name.
fn named(members: &[Member]) -> Option<Value> {
    let ids = || members.iter().map(|m| Value::from(m.id.as_str())).collect::<Vec<_>>();
    (members.len() <= NAMED_MEMBERS).then(|| ids().into())
}
