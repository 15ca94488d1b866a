//! What is recorded of events and their deliveries, for who must prove it.

use scim_schema::DateTime;
use scim_sql::{Session, Statement, params};

use super::Directories;
use super::log::{EventFilter, LogPosition, LoggedEvent, SELECT_EVENT, log_end, passes, read_event};
use super::messages::{SELECT_ATTEMPTS, SELECT_DELIVERY, read_attempt, read_delivery};
use super::retention::{forgotten_time, log_start};
use crate::error::DirectoryError;
use crate::event::EventType;
use crate::id::{DeliveryId, DirectoryId, OrganizationId};
use crate::model::{AttemptRecord, DeliveryRecord};

/// In how many places of the log one look is for events of a range, so that none takes long.
const PLACES: u64 = 10_000;

/// Which events are to be proved.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made to be written by callers")]
pub struct AuditRange {
    /// Of what.
    pub events: EventFilter,
    /// That happened from here on.
    pub since: DateTime,
    /// Up to here, this moment included.
    pub until: DateTime,
}

/// Where in the log they may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditExtent {
    /// Behind it.
    pub start: LogPosition,
    /// Up to here: the end of the log when it was asked.
    pub end: LogPosition,
    /// Whether the log still has all events of that time.
    pub is_complete: bool,
}

/// Where some of them are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditPlaces {
    /// In the order of the log. There may be none.
    pub places: Vec<LogPosition>,
    /// Up to where was looked.
    pub next: LogPosition,
}

/// An event, and what became of it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AuditRecord {
    /// The event.
    pub logged: LoggedEvent,
    /// Its deliveries, the first one first, each with the attempts that have come to an end, as
    /// [`Directories::attempts`].
    pub deliveries: Vec<(DeliveryRecord, Vec<AttemptRecord>)>,
}

impl Directories {
    /// Where in the log the events of a range are.
    ///
    /// # Errors
    /// When the database can't answer.
    pub async fn audit_extent(&self, range: &AuditRange) -> Result<AuditExtent, DirectoryError> {
        let since = range.since;
        self.database()
            .read(move |session| {
                let is_complete = forgotten_time(session)?.is_none_or(|forgotten| forgotten < since);
                Ok(AuditExtent { start: log_start(session)?, end: log_end(session)?, is_complete })
            })
            .await
    }

    /// The next places behind one, and up to another, that have events of a range. All were looked at when it says that
    /// it has come to the end.
    ///
    /// # Errors
    /// [`DirectoryError::Forgotten`] from a place whose next events are not kept any more. When the database can't
    /// answer.
    pub async fn audit_places(
        &self,
        range: &AuditRange,
        after: LogPosition,
        end: LogPosition,
    ) -> Result<AuditPlaces, DirectoryError> {
        let range = range.clone();
        self.database().read(move |session| find(session, &range, after, end)).await
    }

    /// The events at some places, with all that is known now of their deliveries.
    ///
    /// # Errors
    /// [`DirectoryError::Forgotten`] of a place whose event is not kept any more. When the database can't answer.
    pub async fn audit_records(&self, places: &[LogPosition]) -> Result<Vec<AuditRecord>, DirectoryError> {
        let places = places.to_vec();
        self.database()
            .read(move |session| {
                let mut records = read_events(session, &places)?;
                if records.len() < places.len() {
                    return Err(DirectoryError::Forgotten);
                }
                read_deliveries(session, &mut records)?;
                read_attempts(session, &mut records)?;
                Ok(records)
            })
            .await
    }
}

/// Reads no bodies.
fn find(
    session: &Session<'_>,
    range: &AuditRange,
    after: LogPosition,
    end: LogPosition,
) -> Result<AuditPlaces, DirectoryError> {
    if after < log_start(session)? {
        return Err(DirectoryError::Forgotten);
    }
    let next = LogPosition::from_number(after.number().saturating_add(PLACES).min(end.number()));
    let select = "SELECT e.position, e.type, d.organization, d.id
        FROM dir_events e LEFT JOIN dir_directories d ON d.number = e.directory
        WHERE e.position > ?1 AND e.position <= ?2 AND e.occurred_at >= ?3 AND e.occurred_at <= ?4
        ORDER BY e.position";
    let (since, until) = (range.since.unix_micros(), range.until.unix_micros());
    let mut found = AuditPlaces { places: Vec::new(), next };
    session.query(select, params![after.number(), next.number(), since, until], |row| {
        let organization = row.owned_or_null(2)?.map(OrganizationId::stored);
        let directory = row.owned_or_null(3)?.map(DirectoryId::stored);
        let is_wanted = EventType::parse(row.text(1)?).is_some_and(|event_type| {
            passes(&range.events, event_type, organization.as_ref(), directory.as_ref())
        });
        if is_wanted {
            found.places.push(LogPosition::from_number(row.unsigned(0)?));
        }
        Ok::<_, DirectoryError>(())
    })?;
    Ok(found)
}

fn read_events(session: &Session<'_>, places: &[LogPosition]) -> Result<Vec<AuditRecord>, DirectoryError> {
    let select = format!("{SELECT_EVENT} WHERE e.position = ?1");
    let of_place = |place: &LogPosition| Statement::new(&select, params![place.number()]);
    let statements: Vec<Statement<'_>> = places.iter().map(of_place).collect();
    let mut records = Vec::with_capacity(places.len());
    session.batch_rows(&statements, |_, row| {
        let logged = read_event(row)?;
        records.extend(logged.map(|logged| AuditRecord { logged, deliveries: Vec::new() }));
        Ok::<_, DirectoryError>(())
    })?;
    Ok(records)
}

fn read_deliveries(session: &Session<'_>, records: &mut [AuditRecord]) -> Result<(), DirectoryError> {
    let select = format!("{SELECT_DELIVERY} WHERE d.event = ?1 ORDER BY d.position");
    let of_record = |record: &AuditRecord| Statement::new(&select, params![record.logged.position.number()]);
    let statements: Vec<Statement<'_>> = records.iter().map(of_record).collect();
    session.batch_rows(&statements, |place, row| {
        if let (Some(record), Some(delivery)) = (records.get_mut(place), read_delivery(row)?) {
            record.deliveries.push((delivery, Vec::new()));
        }
        Ok(())
    })
}

fn read_attempts(session: &Session<'_>, records: &mut [AuditRecord]) -> Result<(), DirectoryError> {
    let mut deliveries: Vec<_> = records.iter_mut().flat_map(|record| &mut record.deliveries).collect();
    let position = |id: &DeliveryId| id.position().unwrap_or_default();
    let of_delivery = |(delivery, _): &&mut (DeliveryRecord, Vec<AttemptRecord>)| {
        Statement::new(SELECT_ATTEMPTS, params![position(&delivery.id)])
    };
    let statements: Vec<Statement<'_>> = deliveries.iter().map(of_delivery).collect();
    session.batch_rows(&statements, |place, row| {
        let attempt = read_attempt(row)?;
        if let Some((_, attempts)) = deliveries.get_mut(place) {
            attempts.push(attempt);
        }
        Ok(())
    })
}
