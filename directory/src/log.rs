//! Writing the event log: an event, and a delivery of it for each endpoint that wants it.

use scim_core::Cause;
use scim_schema::{DateTime, Object, Value};
use scim_sql::{DatabaseError, Session, Statement, params};

use crate::directories::{Directories, read_event_types, split};
use crate::error::DirectoryError;
use crate::event::{Envelope, EventType, Lane};
use crate::id::{EndpointId, EventId};
use crate::json::python_json;
use crate::lock::Lock;
use crate::projection::Place;

/// The kind of the cause of notices.
const DELIVERY: &str = "delivery";

/// Appends events in one transaction, which must have the lock of the log: see [`lock`].
pub(crate) struct Log<'t> {
    session: &'t Session<'t>,
    directories: &'t Directories,
    endpoints: Vec<Wanting>,
    events: usize,
}

/// Which events an endpoint wants.
pub(crate) struct Wanting {
    number: i64,
    event_types: Vec<EventType>,
    organizations: Vec<String>,
    directories: Vec<String>,
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
    /// Why a user was deleted.
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
    })
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
        })
    }

    /// The number of the endpoint.
    pub(crate) fn number(&self) -> i64 {
        self.number
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

const SELECT_WANTING: &str = "SELECT number, event_types, organizations, directories FROM dir_endpoints";

/// A delivery that waits for its first attempt.
pub(crate) const INSERT_DELIVERY: &str = "INSERT INTO dir_deliveries
        (endpoint, event, directory, subject, lane, state, attempts, due)
    VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, ?6)";

impl<'t> Log<'t> {
    pub(crate) fn open(
        session: &'t Session<'t>,
        directories: &'t Directories,
    ) -> Result<Self, DirectoryError> {
        Ok(Self { session, directories, endpoints: Wanting::of_enabled(session)?, events: 0 })
    }

    /// How many events were written.
    pub(crate) fn events(&self) -> usize {
        self.events
    }

    /// The number of the directory's next event.
    pub(crate) fn next_sequence(&self, place: &Place) -> Result<u64, DirectoryError> {
        let update =
            "UPDATE dir_directories SET sequence = sequence + 1 WHERE number = ?1 RETURNING sequence";
        let sequence = self.session.first(update, params![place.number], |row| row.unsigned(0))?;
        sequence.ok_or(DirectoryError::NotFound { what: "directory" })
    }

    /// Appends an event, and a delivery for each endpoint that wants it.
    pub(crate) fn append(&mut self, event: NewEvent<'_>) -> Result<(), DirectoryError> {
        let id = self.event_id(&event);
        let NewEvent { place, event_type, subject, version, sequence, occurred_at, cause, .. } = event;
        let reason = event.reason;
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
        let lane = Lane::of(event_type, cause).code();
        let insert = "INSERT INTO dir_events
                (directory, sequence, id, type, subject, version, occurred_at, lane, reason, body)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        let time = occurred_at.unix_micros();
        let values = params![
            place.map(|place| place.number),
            place.map(|_| i64::try_from(sequence).unwrap_or(i64::MAX)),
            id.as_str(),
            event_type.as_str(),
            subject,
            version,
            time,
            lane,
            reason,
            &body
        ];
        let number = self.session.insert(insert, values, "position")?.unwrap_or_default();
        let from = place.map(|place| (place.organization_id.as_str(), place.directory_id.as_str()));
        let directory = place.map_or(0, |place| place.number);
        let statements: Vec<Statement<'_>> = self
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.wants(event_type, from))
            .map(|endpoint| {
                let values = params![endpoint.number, number, directory, subject, lane, time];
                Statement::new(INSERT_DELIVERY, values)
            })
            .collect();
        if !statements.is_empty() {
            self.session.batch(&statements)?;
        }
        self.events += 1;
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
