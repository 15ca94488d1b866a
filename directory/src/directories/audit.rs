//! What is recorded of events and their deliveries, for who must prove it.

use scim_schema::DateTime;
use scim_sql::{Session, Statement, params};

use super::Directories;
use super::log::{EventFilter, LogPosition, LoggedEvent, ROWS, SELECT_EVENT, log_end, passes, read_event};
use super::messages::{SELECT_DELIVERY, read_attempt, read_delivery};
use super::retention::log_start;
use crate::error::DirectoryError;
use crate::id::DeliveryId;
use crate::model::{AttemptRecord, DeliveryRecord};

/// Which events are to be proved.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made to be written by callers")]
pub struct AuditScope {
    /// Of what.
    pub events: EventFilter,
    /// That happened from here on.
    pub since: DateTime,
    /// Up to here, this moment included.
    pub until: DateTime,
}

/// Where in the log they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditExtent {
    /// Behind it.
    pub start: LogPosition,
    /// Up to here: the end of the log when it was asked.
    pub end: LogPosition,
    /// Whether no event of that time was forgotten.
    pub is_complete: bool,
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

/// Some of the events.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct AuditPage {
    /// In the order of the log.
    pub records: Vec<AuditRecord>,
    /// Where to go on: behind all that was looked at.
    pub next: LogPosition,
    /// Whether there may be more. A page can be empty and this be true all the same.
    pub has_more: bool,
}

impl Directories {
    /// Where in the log the events of a scope are.
    ///
    /// # Errors
    /// When the database can't answer.
    pub async fn audit_extent(&self, scope: &AuditScope) -> Result<AuditExtent, DirectoryError> {
        let (since, until) = (scope.since.unix_micros(), scope.until.unix_micros());
        self.database()
            .read(move |session| {
                let start = log_start(session)?;
                let select = "SELECT position FROM dir_events
                    WHERE position <= ?1 AND occurred_at >= ?2 AND occurred_at <= ?3 ORDER BY position DESC LIMIT 1";
                let values = params![start.number(), since, until];
                let forgotten = session.first(select, values, |row| row.int(0))?;
                Ok(AuditExtent { start, end: log_end(session)?, is_complete: forgotten.is_none() })
            })
            .await
    }

    /// The events of a scope behind a place and up to another, the older ones first, at most `limit`, with all that
    /// is known now of their deliveries.
    ///
    /// # Errors
    /// [`DirectoryError::Forgotten`] from a place whose next events are not kept any more. When the database can't
    /// answer.
    pub async fn audit_page(
        &self,
        scope: &AuditScope,
        after: LogPosition,
        end: LogPosition,
        limit: usize,
    ) -> Result<AuditPage, DirectoryError> {
        let scope = scope.clone();
        self.database()
            .read(move |session| {
                let mut page = read_events(session, &scope, after, end, limit)?;
                read_deliveries(session, &mut page.records)?;
                read_attempts(session, &mut page.records)?;
                Ok(page)
            })
            .await
    }
}

fn read_events(
    session: &Session<'_>,
    scope: &AuditScope,
    after: LogPosition,
    end: LogPosition,
    limit: usize,
) -> Result<AuditPage, DirectoryError> {
    if after < log_start(session)? {
        return Err(DirectoryError::Forgotten);
    }
    let rows = if scope.events == EventFilter::default() { limit } else { ROWS.max(limit) };
    let select = format!(
        "{SELECT_EVENT} WHERE e.position > ?1 AND e.position <= ?2 AND e.occurred_at >= ?3 AND e.occurred_at <= ?4
        ORDER BY e.position LIMIT ?5"
    );
    let (since, until) = (scope.since.unix_micros(), scope.until.unix_micros());
    let values = params![after.number(), end.number(), since, until, i64::try_from(rows).unwrap_or(i64::MAX)];
    let mut page = AuditPage { next: after, ..AuditPage::default() };
    let mut seen = 0;
    session.query(&select, values, |row| {
        if page.records.len() >= limit {
            page.has_more = true;
            return Ok(());
        }
        seen += 1;
        page.next = LogPosition::from_number(row.unsigned(0)?);
        if let Some(logged) = read_event(row)?.filter(|logged| passes(&scope.events, &logged.event)) {
            page.records.push(AuditRecord { logged, deliveries: Vec::new() });
        }
        Ok::<_, DirectoryError>(())
    })?;
    page.has_more |= seen == rows;
    Ok(page)
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
    let select =
        "SELECT made_at, elapsed, status, reason, excerpt, number FROM dir_attempts WHERE delivery = ?1
        UNION ALL
        SELECT last_attempt, elapsed, status, reason, excerpt, 9223372036854775807 FROM dir_deliveries
            WHERE position = ?1 AND last_attempt IS NOT NULL
        ORDER BY 6";
    let mut deliveries: Vec<_> = records.iter_mut().flat_map(|record| &mut record.deliveries).collect();
    let position = |id: &DeliveryId| id.position().unwrap_or_default();
    let of_delivery = |(delivery, _): &&mut (DeliveryRecord, Vec<AttemptRecord>)| {
        Statement::new(select, params![position(&delivery.id)])
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
