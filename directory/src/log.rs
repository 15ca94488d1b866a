//! Writing the event log: an event, and a delivery of it for each endpoint that wants it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use scim_core::Cause;
use scim_schema::{DateTime, Object, Value};
use scim_sql::{DatabaseError, Engine, Param, Session, params};

use crate::cell::{Cell, Columns};
use crate::directories::{Directories, number_of, read_event_types, split};
use crate::endpoint::Ordering;
use crate::error::DirectoryError;
use crate::event::{Envelope, EventType, Lane};
use crate::id::{EndpointId, EventId};
use crate::json::python_json;
use crate::lock::Lock;
use crate::projection::Place;

/// The kind of the cause of notices.
const DELIVERY: &str = "delivery";

/// Appends events in one transaction, which must have the lock of the log: see [`lock`]. They are kept until
/// [`Log::finish`], which writes them together.
pub(crate) struct Log<'t> {
    session: &'t Session<'t>,
    directories: &'t Directories,
    endpoints: Vec<Wanting>,
    /// The number of the last event of each directory that has new ones.
    sequences: HashMap<i64, u64>,
    events: Vec<Appended>,
}

/// An event that is not written yet.
struct Appended {
    directory: Option<i64>,
    sequence: u64,
    id: EventId,
    event_type: EventType,
    subject: String,
    version: u64,
    occurred_at: i64,
    lane: i64,
    reason: Option<&'static str>,
    body: String,
    /// The endpoints that want it.
    endpoints: Vec<i64>,
}

impl Appended {
    /// The row, without its position.
    fn cells(&self) -> [Cell<'_>; 10] {
        [
            self.directory.into(),
            self.directory.map(|_| self.sequence).into(),
            self.id.as_str().into(),
            self.event_type.as_str().into(),
            self.subject.as_str().into(),
            self.version.into(),
            self.occurred_at.into(),
            self.lane.into(),
            self.reason.into(),
            self.body.as_str().into(),
        ]
    }
}

/// Which events an endpoint wants.
pub(crate) struct Wanting {
    number: i64,
    event_types: Vec<EventType>,
    organizations: Vec<String>,
    directories: Vec<String>,
    ordering: Ordering,
}

/// What an event is made of.
pub(crate) struct NewEvent<'a> {
    /// `None` for a notice.
    pub(crate) place: Option<&'a Place>,
    pub(crate) event_type: EventType,
    pub(crate) subject: &'a str,
    pub(crate) version: u64,
    /// 0 for a notice.
    pub(crate) sequence: u64,
    pub(crate) occurred_at: DateTime,
    pub(crate) cause: &'a Cause,
    /// Why a user is told to be deleted, or was before this update.
    pub(crate) reason: Option<&'static str>,
    pub(crate) changes: Vec<Value>,
    pub(crate) data: Object,
}

/// Keeps other transactions from writing events until this one ends: so positions are in the order of commits.
pub(crate) fn lock(session: &Session<'_>) -> Result<(), DatabaseError> {
    let select = format!("SELECT one FROM dir_feed WHERE one = 1{}", Lock::Wait.words(session));
    session.first(&select, params![], |_| Ok(())).map(drop)
}

/// Appends an event about the deliveries to an endpoint; `key` tells it from others of its kind. The endpoint
/// itself does not get it.
pub(crate) fn write_notice(
    session: &Session<'_>,
    directories: &Directories,
    event_type: EventType,
    endpoint: &EndpointId,
    now: DateTime,
    key: &str,
    data: Object,
) -> Result<(), DirectoryError> {
    lock(session)?;
    let cause = Cause { kind: DELIVERY.into(), request_id: key.into() };
    let mut log = Log::open(session, directories)?;
    let number = number_of(session, endpoint)?;
    log.endpoints.retain(|wanting| wanting.number != number);
    log.append(NewEvent {
        place: None,
        event_type,
        subject: endpoint.as_str(),
        version: 0,
        sequence: 0,
        occurred_at: now,
        cause: &cause,
        reason: None,
        changes: Vec::new(),
        data,
    });
    log.finish()
}

impl Wanting {
    /// What endpoints want that are enabled.
    pub(crate) fn of_enabled(session: &Session<'_>) -> Result<Vec<Self>, DirectoryError> {
        let select = format!("{SELECT_WANTING} WHERE enabled = 1 ORDER BY number");
        session.all(&select, params![], Self::read)
    }

    /// What one endpoint wants, enabled or not.
    pub(crate) fn of(session: &Session<'_>, endpoint: &EndpointId) -> Result<Self, DirectoryError> {
        let select = format!("{SELECT_WANTING} WHERE id = ?1");
        let found = session.first(&select, params![endpoint.as_str()], Self::read)?;
        found.ok_or(DirectoryError::NotFound { what: "endpoint" })
    }

    fn read(row: &scim_sql::Row<'_>) -> Result<Self, DirectoryError> {
        Ok(Self {
            number: row.int(0)?,
            event_types: read_event_types(row.text(1)?),
            organizations: split(row.text(2)?).collect(),
            directories: split(row.text(3)?).collect(),
            ordering: Ordering::parse(row.text(4)?).unwrap_or_default(),
        })
    }

    /// The number of the endpoint.
    pub(crate) fn number(&self) -> i64 {
        self.number
    }

    /// What an event does that comes while an earlier one waits.
    pub(crate) fn ordering(&self) -> Ordering {
        self.ordering
    }

    /// Whether it wants events of that type from there: organization and directory, where the event is of one.
    pub(crate) fn wants(&self, event_type: EventType, from: Option<(&str, &str)>) -> bool {
        let is_asked_for = match self.event_types.as_slice() {
            [] => event_type.is_default(),
            types => types.contains(&event_type),
        };
        let among = |list: &[String], id: Option<&str>| {
            list.is_empty() || id.is_some_and(|id| list.iter().any(|entry| entry == id))
        };
        is_asked_for
            && among(&self.organizations, from.map(|(organization, _)| organization))
            && among(&self.directories, from.map(|(_, directory)| directory))
    }
}

const SELECT_WANTING: &str =
    "SELECT number, event_types, organizations, directories, ordering FROM dir_endpoints";

/// A delivery that waits for its first attempt.
pub(crate) const INSERT_DELIVERY: &str = "INSERT INTO dir_deliveries
        (endpoint, event, directory, subject, lane, state, attempts, due)
    VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, ?6)";

/// Events and their deliveries on PostgreSQL: arrays of what is inserted, numbers as texts. The rows are numbered
/// in the order in which they are inserted.
const INSERT_TOGETHER: &str = "WITH written AS (
        INSERT INTO dir_events
            (directory, sequence, id, type, subject, version, occurred_at, lane, reason, body)
        SELECT CAST(e.directory AS BIGINT), CAST(e.sequence AS BIGINT), e.id, e.type, e.subject,
            CAST(e.version AS BIGINT), CAST(e.time AS BIGINT), CAST(e.lane AS BIGINT), e.reason, e.body
        FROM unnest(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) WITH ORDINALITY
            AS e (directory, sequence, id, type, subject, version, time, lane, reason, body, place)
        ORDER BY e.place
        RETURNING position, directory, id, subject, occurred_at, lane)
    INSERT INTO dir_deliveries (endpoint, event, directory, subject, lane, state, attempts, due)
    SELECT CAST(d.endpoint AS BIGINT), w.position, coalesce(w.directory, 0), w.subject, w.lane, 0, 0, w.occurred_at
    FROM unnest(?11, ?12) WITH ORDINALITY AS d (event, endpoint, place) JOIN written w ON w.id = d.event
    ORDER BY d.place";

impl<'t> Log<'t> {
    pub(crate) fn open(
        session: &'t Session<'t>,
        directories: &'t Directories,
    ) -> Result<Self, DirectoryError> {
        let endpoints = Wanting::of_enabled(session)?;
        Ok(Self { session, directories, endpoints, sequences: HashMap::new(), events: Vec::new() })
    }

    /// How many events were appended.
    pub(crate) fn events(&self) -> usize {
        self.events.len()
    }

    /// The number of the directory's next event, which must be appended.
    pub(crate) fn next_sequence(&mut self, place: &Place) -> Result<u64, DirectoryError> {
        let last = match self.sequences.entry(place.number) {
            Entry::Occupied(last) => last.into_mut(),
            Entry::Vacant(unknown) => {
                let select = "SELECT sequence FROM dir_directories WHERE number = ?1";
                let last = self.session.first(select, params![place.number], |row| row.unsigned(0))?;
                unknown.insert(last.ok_or(DirectoryError::NotFound { what: "directory" })?)
            }
        };
        *last = last.saturating_add(1);
        Ok(*last)
    }

    /// Appends an event, and a delivery for each endpoint that wants it. Answers its id.
    pub(crate) fn append(&mut self, event: NewEvent<'_>) -> EventId {
        let id = self.event_id(&event);
        let NewEvent { place, event_type, subject, version, sequence, occurred_at, cause, reason, .. } =
            event;
        let envelope = Envelope {
            id: id.as_str(),
            event_type,
            occurred_at,
            environment_id: self.directories.environment_id().as_str(),
            organization_id: place.map(|place| place.organization_id.as_str()),
            directory_id: place.map(|place| place.directory_id.as_str()),
            sequence,
            subject,
            version,
            cause,
            changes: event.changes,
            data: event.data,
        };
        let body = python_json(&envelope.into_value());
        let from = place.map(|place| (place.organization_id.as_str(), place.directory_id.as_str()));
        let wanting = self.endpoints.iter().filter(|endpoint| endpoint.wants(event_type, from));
        self.events.push(Appended {
            directory: place.map(|place| place.number),
            sequence,
            id: id.clone(),
            event_type,
            subject: subject.to_owned(),
            version,
            occurred_at: occurred_at.unix_micros(),
            lane: Lane::of(event_type, cause).code(),
            reason,
            body,
            endpoints: wanting.map(|endpoint| endpoint.number).collect(),
        });
        id
    }

    /// Writes what was appended, in its order.
    pub(crate) fn finish(self) -> Result<(), DirectoryError> {
        match self.session.engine() {
            Engine::Sqlite => self.events.iter().try_for_each(|event| self.write(event))?,
            Engine::Postgres => self.write_together()?,
        }
        for (number, last) in &self.sequences {
            let update = "UPDATE dir_directories SET sequence = ?2 WHERE number = ?1";
            self.session.execute(update, params![*number, *last])?;
        }
        Ok(())
    }

    fn write(&self, event: &Appended) -> Result<(), DirectoryError> {
        let insert = "INSERT INTO dir_events
                (directory, sequence, id, type, subject, version, occurred_at, lane, reason, body)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        let cells = event.cells();
        let number = self.session.insert(insert, &cells.each_ref().map(Cell::param), "position")?;
        let (number, directory) = (number.unwrap_or_default(), event.directory.unwrap_or_default());
        for endpoint in &event.endpoints {
            let values = params![*endpoint, number, directory, &event.subject, event.lane, event.occurred_at];
            self.session.execute(INSERT_DELIVERY, values)?;
        }
        Ok(())
    }

    /// In one statement, because each is a message to PostgreSQL and back.
    fn write_together(&self) -> Result<(), DirectoryError> {
        if self.events.is_empty() {
            return Ok(());
        }
        let events: Vec<_> = self.events.iter().map(Appended::cells).collect();
        let deliveries: Vec<[Cell<'_>; 2]> = self
            .events
            .iter()
            .flat_map(|event| {
                event.endpoints.iter().map(|number| [event.id.as_str().into(), (*number).into()])
            })
            .collect();
        let (events, deliveries) = (Columns::of(&events), Columns::of(&deliveries));
        let columns = [events.texts(), deliveries.texts()].concat();
        let params: Vec<Param<'_>> = columns.iter().map(Param::from).collect();
        self.session.execute(INSERT_TOGETHER, &params)?;
        Ok(())
    }

    /// The same change always makes an event of the same id: also where it is made again from a copy of the
    /// database, by a server that was restored. Another change has another request or another time.
    fn event_id(&self, event: &NewEvent<'_>) -> EventId {
        let text = format!(
            "event {} {} {} {} {} {} {} {}",
            self.directories.environment_id(),
            event.place.map(|place| place.directory_id.as_str()).unwrap_or_default(),
            event.sequence,
            event.subject,
            event.version,
            event.event_type.as_str(),
            event.occurred_at.unix_micros(),
            event.cause.request_id,
        );
        EventId::of(event.occurred_at, self.directories.keys().hash(&text))
    }
}
