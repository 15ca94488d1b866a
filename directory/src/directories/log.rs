//! The event log, as readers follow it.

use std::time::Duration;

use scim_schema::DateTime;
use scim_sql::{Param, Row, Session, params};
use tokio::sync::watch;

use super::Directories;
use super::retention::log_start;
use crate::error::DirectoryError;
use crate::event::{Event, EventType};
use crate::id::{DirectoryId, EventId, OrganizationId};

/// How many rows one look at the log reads, however few of them a filter lets through.
const ROWS: usize = 2_000;
/// How long a reader waits at most before it looks again: another process may have written.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// A place in the event log: behind the event of that position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogPosition(u64);

impl LogPosition {
    /// Before the first event.
    pub const START: Self = Self(0);

    /// From its number.
    pub fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// Its number. Numbers grow with the log, and have gaps.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// Which events of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made to be written with struct update syntax")]
pub struct EventFilter {
    /// Of which types; none for all.
    pub event_types: Vec<EventType>,
    /// Of which organizations; none for all, and for events of no organization.
    pub organization_ids: Vec<OrganizationId>,
    /// Of which directories; none for all, and for events of no directory.
    pub directory_ids: Vec<DirectoryId>,
}

/// An event, and where it is.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LoggedEvent {
    /// Behind it a reader goes on.
    pub position: LogPosition,
    /// The event.
    pub event: Event,
}

/// Some events of the log.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct LogPage {
    /// The events that the filter lets through, in order.
    pub events: Vec<LoggedEvent>,
    /// Where to go on: behind all that was looked at.
    pub next: LogPosition,
    /// Whether there may be more. A page can be empty and this be true all the same.
    pub has_more: bool,
}

/// In which direction the log is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are no other directions")]
pub enum Direction {
    /// The oldest event first.
    #[default]
    Forward,
    /// The latest event first.
    Backward,
}

impl Directories {
    /// The events behind a place, at most `limit`: forward the older ones first; backward those before the place,
    /// the latest first, where [`LogPosition::START`] stands for the end of the log.
    ///
    /// Who has seen a position has seen all events before it: an event never appears behind a place that was
    /// handed out.
    ///
    /// # Errors
    /// [`DirectoryError::Forgotten`] forward from a place whose next events are not kept any more;
    /// [`Directories::log_start`] is the first place behind which all are. When the database can't answer.
    pub async fn log(
        &self,
        filter: &EventFilter,
        after: LogPosition,
        direction: Direction,
        limit: usize,
    ) -> Result<LogPage, DirectoryError> {
        let filter = filter.clone();
        self.database().read(move |session| read_log(session, &filter, after, direction, limit)).await
    }

    /// The place behind the last event.
    ///
    /// # Errors
    /// When the database can't answer.
    pub async fn log_end(&self) -> Result<LogPosition, DirectoryError> {
        self.database().read(log_end).await
    }

    /// One event.
    ///
    /// # Errors
    /// When the database can't answer.
    pub async fn event(&self, id: &EventId) -> Result<Option<LoggedEvent>, DirectoryError> {
        let id = id.clone();
        self.database()
            .read(move |session| {
                let select = format!("{SELECT_EVENT} WHERE e.id = ?1");
                Ok(session.first(&select, params![id.as_str()], read_event)?.flatten())
            })
            .await
    }

    /// Waits until there may be events behind what was there when it was called. It comes back after half a
    /// second at the latest.
    pub fn events_written(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut written = self.written();
        async move { wait_for_events(&mut written).await }
    }

    /// What changes when there may be new events: for who must not miss what is written while it is not waiting.
    pub(crate) fn written(&self) -> watch::Receiver<()> {
        self.inner.written.subscribe()
    }

    /// Says that there are new events, here or written by another process.
    pub(crate) fn tell_readers(&self) {
        self.inner.written.send_replace(());
    }
}

/// Waits until there may be new events; half a second at the longest.
pub(crate) async fn wait_for_events(written: &mut watch::Receiver<()>) {
    // An error would mean that nobody can write any more.
    let _ = tokio::time::timeout(LOOK_AGAIN, written.changed()).await;
}

pub(super) fn log_end(session: &Session<'_>) -> Result<LogPosition, DirectoryError> {
    let select = "SELECT max(position) FROM dir_events";
    let last = session.first(select, params![], |row| row.int_or_null(0))?.flatten();
    Ok(LogPosition(last.and_then(|last| u64::try_from(last).ok()).unwrap_or_default()))
}

pub(super) const SELECT_EVENT: &str =
    "SELECT e.position, e.id, e.sequence, e.type, e.subject, e.version, e.occurred_at,
        e.body, d.id, d.organization
    FROM dir_events e LEFT JOIN dir_directories d ON d.number = e.directory";

fn read_log(
    session: &Session<'_>,
    filter: &EventFilter,
    after: LogPosition,
    direction: Direction,
    limit: usize,
) -> Result<LogPage, DirectoryError> {
    if direction == Direction::Forward && after < log_start(session)? {
        return Err(DirectoryError::Forgotten);
    }
    let (comparison, order) = match direction {
        Direction::Forward => (">", "ASC"),
        Direction::Backward => ("<", "DESC"),
    };
    let start = match (direction, after) {
        (Direction::Backward, LogPosition::START) => u64::MAX >> 1,
        (_, LogPosition(number)) => number,
    };
    // Forward the rows that are looked at are counted, not those that pass, so that no look takes long.
    let select =
        format!("{SELECT_EVENT} WHERE e.position {comparison} ?1 ORDER BY e.position {order} LIMIT ?2");
    let is_filtered = *filter != EventFilter::default();
    let rows = if is_filtered { ROWS.max(limit) } else { limit };
    let values: [Param<'_>; 2] = [start.into(), i64::try_from(rows).unwrap_or(i64::MAX).into()];
    let mut page = LogPage { next: after, ..LogPage::default() };
    let mut seen = 0;
    session.query(&select, &values, |row| {
        if page.events.len() >= limit {
            page.has_more = true;
            return Ok(());
        }
        seen += 1;
        page.next = LogPosition(row.unsigned(0)?);
        let wanted = read_event(row)?.filter(|LoggedEvent { event, .. }| {
            let (organization, directory) = (event.organization_id.as_ref(), event.directory_id.as_ref());
            passes(filter, event.event_type, organization, directory)
        });
        page.events.extend(wanted);
        Ok::<_, DirectoryError>(())
    })?;
    page.has_more |= seen == rows;
    Ok(page)
}

pub(super) fn passes(
    filter: &EventFilter,
    event_type: EventType,
    organization: Option<&OrganizationId>,
    directory: Option<&DirectoryId>,
) -> bool {
    (filter.event_types.is_empty() || filter.event_types.contains(&event_type))
        && (filter.organization_ids.is_empty()
            || organization.is_some_and(|id| filter.organization_ids.contains(id)))
        && (filter.directory_ids.is_empty() || directory.is_some_and(|id| filter.directory_ids.contains(id)))
}

/// `None` for a type that a newer version has written, and for an event that was forgotten.
pub(super) fn read_event(row: &Row<'_>) -> Result<Option<LoggedEvent>, DirectoryError> {
    let Some(event_type) = EventType::parse(row.text(3)?) else { return Ok(None) };
    if row.text(7)?.is_empty() {
        return Ok(None);
    }
    let sequence = row.int_or_null(2)?.and_then(|number| u64::try_from(number).ok());
    let event = Event {
        id: EventId::stored(row.owned(1)?),
        organization_id: row.owned_or_null(9)?.map(OrganizationId::stored),
        directory_id: row.owned_or_null(8)?.map(DirectoryId::stored),
        sequence: sequence.unwrap_or_default(),
        event_type,
        subject: row.owned(4)?,
        version: row.unsigned(5)?,
        occurred_at: DateTime::from_unix_micros(row.int(6)?),
        body: row.owned(7)?,
    };
    Ok(Some(LoggedEvent { position: LogPosition(row.unsigned(0)?), event }))
}
