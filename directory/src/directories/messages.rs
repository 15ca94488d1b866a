//! The message log: deliveries, their attempts, and sending again.

use std::time::Duration;

use scim_schema::DateTime;
use scim_sql::{Param, Row, Session, Statement, params};

use super::{Directories, number_of};
use crate::endpoint::Ordering;
use crate::error::DirectoryError;
use crate::event::{EventType, Lane};
use crate::id::{DeliveryId, EndpointId, EventId};
use crate::log::{INSERT_DELIVERY, Wanting, lock};
use crate::model::{AttemptRecord, Backlog, DeliveryFilter, DeliveryRecord, DeliveryState};

/// How many rows one transaction looks at, so that no other write waits for long.
const ROWS: i64 = 1_000;

impl Directories {
    /// The deliveries of an event, one for each endpoint that it goes to.
    ///
    /// # Errors
    /// When the database can't answer.
    pub async fn deliveries(&self, event: &EventId) -> Result<Vec<DeliveryRecord>, DirectoryError> {
        let filter = DeliveryFilter { event_id: Some(event.clone()), ..DeliveryFilter::default() };
        let mut found = self.delivery_list(&filter, None, usize::MAX).await?;
        found.reverse();
        Ok(found)
    }

    /// Deliveries, the latest first, from behind one that was seen, at most `limit`.
    ///
    /// # Errors
    /// When the database can't answer.
    pub async fn delivery_list(
        &self,
        filter: &DeliveryFilter,
        after: Option<&DeliveryId>,
        limit: usize,
    ) -> Result<Vec<DeliveryRecord>, DirectoryError> {
        let (filter, after) = (filter.clone(), after.cloned());
        self.database()
            .read(move |session| {
                let before = after.as_ref().and_then(DeliveryId::position).unwrap_or(u64::MAX >> 1);
                let mut select = format!("{SELECT_DELIVERY} WHERE d.position < ?1");
                let limit = i64::try_from(limit).unwrap_or(i64::MAX);
                let mut values: Vec<Param<'_>> = vec![before.into(), limit.into()];
                if let Some(endpoint) = &filter.endpoint_id {
                    values.push(number_of(session, endpoint)?.into());
                    select.push_str(&format!(" AND d.endpoint = ?{}", values.len()));
                }
                if let Some(event) = &filter.event_id {
                    values.push(event.as_str().into());
                    let number = values.len();
                    select.push_str(&format!(
                        " AND d.event = (SELECT position FROM dir_events WHERE id = ?{number})"
                    ));
                }
                if !filter.states.is_empty() {
                    let codes: Vec<String> = filter.states.iter().map(|s| s.code().to_string()).collect();
                    select.push_str(&format!(" AND d.state IN ({})", codes.join(", ")));
                }
                select.push_str(" ORDER BY d.position DESC LIMIT ?2");
                let found = session.all(&select, &values, read_delivery)?;
                Ok(found.into_iter().flatten().collect())
            })
            .await
    }

    /// One delivery.
    ///
    /// # Errors
    /// When the database can't answer.
    pub async fn delivery(&self, id: &DeliveryId) -> Result<Option<DeliveryRecord>, DirectoryError> {
        let Some(position) = id.position() else { return Ok(None) };
        self.database()
            .read(move |session| {
                let select = format!("{SELECT_DELIVERY} WHERE d.position = ?1");
                Ok(session.first(&select, params![position], read_delivery)?.flatten())
            })
            .await
    }

    /// The attempts of a delivery that have come to an end, the first one first; also those before it was sent
    /// again.
    ///
    /// # Errors
    /// [`DirectoryError::NotFound`] without the delivery.
    pub async fn attempts(&self, id: &DeliveryId) -> Result<Vec<AttemptRecord>, DirectoryError> {
        let not_found = DirectoryError::NotFound { what: "delivery" };
        let Some(position) = id.position() else { return Err(not_found) };
        self.database()
            .read(move |session| {
                let select = "SELECT 1 FROM dir_deliveries WHERE position = ?1";
                let found = session.first(select, params![position], |_| Ok::<_, DirectoryError>(()))?;
                found.ok_or(DirectoryError::NotFound { what: "delivery" })?;
                session.all(SELECT_ATTEMPTS, params![position], read_attempt)
            })
            .await
    }

    /// How many deliveries there are in each state.
    ///
    /// # Errors
    /// When the database can't answer.
    pub async fn backlog(&self) -> Result<Backlog, DirectoryError> {
        self.database()
            .read(|session| {
                let select = "SELECT d.state, count(*) FROM dir_deliveries d
                    JOIN dir_endpoints e ON e.number = d.endpoint
                    WHERE d.state <> 0 OR e.enabled = 1 GROUP BY d.state";
                let mut backlog = Backlog::default();
                let states = session.all(select, params![], |row| {
                    Ok::<_, DirectoryError>((DeliveryState::from_code(row.int(0)?), row.unsigned(1)?))
                })?;
                for (state, count) in states {
                    match state {
                        DeliveryState::Pending => backlog.pending += count,
                        DeliveryState::Delivered => backlog.delivered += count,
                        DeliveryState::Exhausted | DeliveryState::Refused => backlog.failed += count,
                        DeliveryState::Superseded => backlog.superseded += count,
                    }
                }
                Ok(backlog)
            })
            .await
    }

    /// Sends an event again, whatever became of it: to one endpoint, or to each that wants it. Answers to how
    /// many. An attempt that is under way just now is left to come to its end.
    ///
    /// # Errors
    /// [`DirectoryError::NotFound`] without the event or the endpoint.
    pub async fn resend(
        &self,
        event: &EventId,
        endpoint: Option<&EndpointId>,
        now: DateTime,
    ) -> Result<u64, DirectoryError> {
        let (event, endpoint) = (event.clone(), endpoint.cloned());
        let sent = self
            .database()
            .write(move |session| {
                let select = format!("{SELECT_SENDABLE} WHERE e.id = ?1 AND e.body <> ''");
                let found = session.first(&select, params![event.as_str()], read_sendable)?.flatten();
                let found = found.ok_or(DirectoryError::NotFound { what: "event" })?;
                let mut sent = 0;
                match &endpoint {
                    Some(endpoint) => {
                        sent += send_again(session, &found, number_of(session, endpoint)?, now)?;
                    }
                    None => {
                        for endpoint in Wanting::of_enabled(session)? {
                            if found.is_wanted_by(&endpoint) {
                                sent += send_again(session, &found, endpoint.number(), now)?;
                            }
                        }
                    }
                }
                Ok::<_, DirectoryError>(sent)
            })
            .await?;
        self.new_deliveries().notify_one();
        Ok(sent)
    }

    /// Tries the deliveries to an endpoint again that were given up or refused, of events that happened from
    /// `since` to `until`. Answers how many. Where each event takes the place of those before it, those are left
    /// out that a later one has overtaken.
    ///
    /// # Errors
    /// [`DirectoryError::NotFound`] without the endpoint.
    pub async fn recover(
        &self,
        endpoint: &EndpointId,
        since: DateTime,
        until: Option<DateTime>,
        now: DateTime,
    ) -> Result<u64, DirectoryError> {
        let settings = self.endpoint(endpoint).await?.ok_or(DirectoryError::NotFound { what: "endpoint" })?;
        let overtaken = match settings.settings.ordering {
            Ordering::Strict => String::new(),
            Ordering::Latest => format!(" AND NOT {}", is_overtaken()),
        };
        let select = format!(
            "SELECT d.position FROM dir_deliveries d JOIN dir_events e ON e.position = d.event
            WHERE d.endpoint = ?1 AND d.state IN (2, 3) AND d.position > ?2
                AND e.occurred_at >= ?3 AND e.occurred_at <= ?4{overtaken}
            ORDER BY d.position LIMIT ?5"
        );
        let endpoint = endpoint.clone();
        let (since, until) = (since.unix_micros(), until.unwrap_or(now).unix_micros());
        let (mut after, mut recovered) = (0, 0);
        loop {
            let (select, endpoint) = (select.clone(), endpoint.clone());
            let positions = self
                .database()
                .write(move |session| {
                    let number = number_of(session, &endpoint)?;
                    let values = params![number, after, since, until, ROWS];
                    let positions: Vec<i64> = session.all(&select, values, |row| row.int(0))?;
                    for position in &positions {
                        make_pending(session, *position, now)?;
                    }
                    Ok::<_, DirectoryError>(positions)
                })
                .await?;
            recovered += positions.len();
            match positions.last() {
                Some(last) => after = *last,
                None => break,
            }
            self.new_deliveries().notify_one();
        }
        Ok(u64::try_from(recovered).unwrap_or(u64::MAX))
    }

    /// Delivers to an endpoint the events it wants that happened from `since` to `until` and were never meant for
    /// it: because it was not there yet, disabled, or had other settings. Answers how many. Where each event takes
    /// the place of those before it, those are left out that a later one has overtaken.
    ///
    /// # Errors
    /// [`DirectoryError::NotFound`] without the endpoint.
    pub async fn replay_missing(
        &self,
        endpoint: &EndpointId,
        since: DateTime,
        until: Option<DateTime>,
        now: DateTime,
    ) -> Result<u64, DirectoryError> {
        let span = (since.unix_micros(), until.unwrap_or(now).unix_micros());
        self.replay(endpoint, 0, span, now).await
    }

    /// As [`Directories::replay_missing`], of the events that came since an endpoint was disabled the last time, if it was:
    /// by their place in the log, whatever the clocks said. Who is not sure that it came to its end may do it again.
    ///
    /// # Errors
    /// [`DirectoryError::NotFound`] without the endpoint.
    pub async fn replay_disabled(&self, endpoint: &EndpointId, now: DateTime) -> Result<u64, DirectoryError> {
        let id = endpoint.clone();
        let behind = self.database().write(move |session| {
            // Who writes events just now may have seen it disabled.
            lock(session)?;
            let select = "SELECT disabled_behind FROM dir_endpoints WHERE id = ?1";
            let behind = session.first(select, params![id.as_str()], |row| row.int_or_null(0))?;
            behind.ok_or(DirectoryError::NotFound { what: "endpoint" })
        });
        match behind.await? {
            Some(behind) => self.replay(endpoint, behind, (i64::MIN, i64::MAX), now).await,
            None => Ok(0),
        }
    }

    /// Inserts deliveries of events behind a position that happened in a time.
    async fn replay(
        &self,
        endpoint: &EndpointId,
        mut after: i64,
        (since, until): (i64, i64),
        now: DateTime,
    ) -> Result<u64, DirectoryError> {
        let mut replayed = 0;
        loop {
            let endpoint = endpoint.clone();
            let (last, inserted) = self
                .database()
                .write(move |session| {
                    let wanting = Wanting::of(session, &endpoint)?;
                    replay_some(session, &wanting, (after, since, until), now)
                })
                .await?;
            replayed += inserted;
            match last {
                Some(last) => after = last,
                None => break,
            }
            self.new_deliveries().notify_one();
        }
        Ok(replayed)
    }
}

/// An event that can be sent again: not one that was forgotten.
struct Sendable {
    position: i64,
    event_type: EventType,
    subject: String,
    lane: i64,
    directory: i64,
    /// The ids of organization and directory.
    from: Option<(String, String)>,
}

impl Sendable {
    fn is_wanted_by(&self, endpoint: &Wanting) -> bool {
        let from =
            self.from.as_ref().map(|(organization, directory)| (organization.as_str(), directory.as_str()));
        endpoint.wants(self.event_type, from)
    }

    /// Who must be let go is still told first; all else waits for what happens now.
    fn lane(&self) -> i64 {
        if self.event_type.is_urgent() { self.lane } else { Lane::Bulk.code() }
    }
}

const SELECT_SENDABLE: &str = "SELECT e.position, e.type, e.subject, e.lane, d.number, d.organization, d.id
    FROM dir_events e LEFT JOIN dir_directories d ON d.number = e.directory";

/// `None` for a type that a newer version has written.
fn read_sendable(row: &Row<'_>) -> Result<Option<Sendable>, DirectoryError> {
    let Some(event_type) = EventType::parse(row.text(1)?) else { return Ok(None) };
    Ok(Some(Sendable {
        position: row.int(0)?,
        event_type,
        subject: row.owned(2)?,
        lane: row.int(3)?,
        directory: row.int_or_null(4)?.unwrap_or_default(),
        from: row.owned_or_null(5)?.zip(row.owned_or_null(6)?),
    }))
}

/// Makes a delivery wait for a first attempt, as if there had been none. Answers 0 if one is under way.
fn send_again(
    session: &Session<'_>,
    event: &Sendable,
    endpoint: i64,
    now: DateTime,
) -> Result<u64, DirectoryError> {
    let select = "SELECT position FROM dir_deliveries WHERE event = ?1 AND endpoint = ?2";
    if let Some(position) = session.first(select, params![event.position, endpoint], |row| row.int(0))? {
        return make_pending(session, position, now);
    }
    // Who must be let go is told first, as when it happened.
    let lane = if event.event_type.is_urgent() { event.lane } else { Lane::Live.code() };
    let values = params![endpoint, event.position, event.directory, &event.subject, lane, now.unix_micros()];
    session.execute(INSERT_DELIVERY, values)?;
    Ok(1)
}

/// The last attempt goes where those before it are, and the delivery waits for its first one.
fn make_pending(session: &Session<'_>, position: i64, now: DateTime) -> Result<u64, DirectoryError> {
    let keep = "INSERT INTO dir_attempts (delivery, made_at, status, reason, excerpt, elapsed)
        SELECT position, last_attempt, status, reason, excerpt, elapsed FROM dir_deliveries
        WHERE position = ?1 AND last_attempt IS NOT NULL AND leased_until IS NULL";
    let update = "UPDATE dir_deliveries
        SET state = 0, attempts = 0, due = ?2, finished = NULL, last_attempt = NULL, status = NULL,
            reason = NULL, excerpt = NULL, elapsed = NULL
        WHERE position = ?1 AND leased_until IS NULL";
    let statements = [
        Statement::new(keep, params![position]),
        Statement::new(update, params![position, now.unix_micros()]),
    ];
    let changed = session.batch(&statements)?;
    Ok(changed.last().map_or(0, |rows| u64::from(*rows > 0)))
}

/// Inserts deliveries of some events behind a position. Answers the last position looked at, if any.
fn replay_some(
    session: &Session<'_>,
    endpoint: &Wanting,
    (after, since, until): (i64, i64, i64),
    now: DateTime,
) -> Result<(Option<i64>, u64), DirectoryError> {
    let select = format!(
        "{SELECT_SENDABLE} WHERE e.body <> '' AND e.position > ?1 AND e.occurred_at >= ?2 AND e.occurred_at <= ?3
        ORDER BY e.position LIMIT ?4"
    );
    let events = session.all(&select, params![after, since, until, ROWS], |row| {
        Ok::<_, DirectoryError>((row.int(0)?, read_sendable(row)?))
    })?;
    let last = events.last().map(|(position, _)| *position);
    let insert = match endpoint.ordering() {
        Ordering::Strict => format!("{INSERT_DELIVERY} ON CONFLICT DO NOTHING"),
        Ordering::Latest => insert_not_overtaken(),
    };
    let mut statements = Vec::new();
    for event in events.iter().filter_map(|(_, event)| event.as_ref()) {
        if event.is_wanted_by(endpoint) {
            let time = now.unix_micros();
            let values = params![
                endpoint.number(),
                event.position,
                event.directory,
                &event.subject,
                event.lane(),
                time
            ];
            statements.push(Statement::new(&insert, values));
        }
    }
    if statements.is_empty() {
        return Ok((last, 0));
    }
    let inserted: usize = session.batch(&statements)?.into_iter().sum();
    Ok((last, u64::try_from(inserted).unwrap_or(u64::MAX)))
}

/// As [`INSERT_DELIVERY`], unless a later event has overtaken it.
fn insert_not_overtaken() -> String {
    format!(
        "INSERT INTO dir_deliveries (endpoint, event, directory, subject, lane, state, attempts, due)
        SELECT CAST(?1 AS BIGINT), CAST(?2 AS BIGINT), CAST(?3 AS BIGINT), CAST(?4 AS TEXT), CAST(?5 AS BIGINT), 0, 0,
            CAST(?6 AS BIGINT)
        FROM dir_events e WHERE e.position = CAST(?2 AS BIGINT) AND NOT {}
        ON CONFLICT DO NOTHING",
        is_overtaken()
    )
}

/// Whether a later event of the subject of `e` was delivered to the endpoint `?1` or is about to be, or gave way: to one
/// that is later still, or because the subject came and went untold. No update overtakes the deletion of a user, which
/// nobody must miss.
fn is_overtaken() -> String {
    let (created, deleted) = (EventType::UserCreated.as_str(), EventType::UserDeleted.as_str());
    format!(
        "EXISTS (SELECT 1 FROM dir_deliveries n JOIN dir_events l ON l.position = n.event
            WHERE n.endpoint = CAST(?1 AS BIGINT) AND n.subject = e.subject AND n.state IN (0, 1, 4)
                AND n.event > e.position
                AND (e.type <> '{deleted}' OR coalesce(n.told_as, l.type) IN ('{created}', '{deleted}')))"
    )
}

/// The attempts of a delivery that have come to an end, the first one first: the last one is in the delivery.
pub(super) const SELECT_ATTEMPTS: &str =
    "SELECT made_at, elapsed, status, reason, excerpt, number FROM dir_attempts WHERE delivery = ?1
    UNION ALL
    SELECT last_attempt, elapsed, status, reason, excerpt, 9223372036854775807 FROM dir_deliveries
        WHERE position = ?1 AND last_attempt IS NOT NULL
    ORDER BY 6";

pub(super) const SELECT_DELIVERY: &str =
    "SELECT d.position, e.id, e.type, d.told_as, d.subject, p.id, d.state, d.attempts,
        e.occurred_at, d.due, d.finished, d.status, d.reason
    FROM dir_deliveries d
    JOIN dir_events e ON e.position = d.event
    JOIN dir_endpoints p ON p.number = d.endpoint";

/// `None` for a type that a newer version has written.
pub(super) fn read_delivery(row: &Row<'_>) -> Result<Option<DeliveryRecord>, DirectoryError> {
    let Some(event_type) = EventType::parse(row.text(2)?) else { return Ok(None) };
    let state = DeliveryState::from_code(row.int(6)?);
    let due = DateTime::from_unix_micros(row.int(9)?);
    Ok(Some(DeliveryRecord {
        id: DeliveryId::of(row.unsigned(0)?),
        event_id: EventId::stored(row.owned(1)?),
        event_type,
        told_as: row.text_or_null(3)?.and_then(EventType::parse),
        subject: row.owned(4)?,
        endpoint_id: EndpointId::stored(row.owned(5)?),
        state,
        attempts: u32::try_from(row.int(7)?).unwrap_or_default(),
        occurred_at: DateTime::from_unix_micros(row.int(8)?),
        next_attempt: (state == DeliveryState::Pending).then_some(due),
        finished: row.int_or_null(10)?.map(DateTime::from_unix_micros),
        status: read_status(row, 11)?,
        reason: row.owned_or_null(12)?,
    }))
}

pub(super) fn read_attempt(row: &Row<'_>) -> Result<AttemptRecord, DirectoryError> {
    let elapsed = row.int_or_null(1)?.and_then(|micros| u64::try_from(micros).ok());
    Ok(AttemptRecord {
        at: DateTime::from_unix_micros(row.int(0)?),
        elapsed: Duration::from_micros(elapsed.unwrap_or_default()),
        status: read_status(row, 2)?,
        reason: row.owned_or_null(3)?,
        excerpt: row.owned_or_null(4)?.unwrap_or_default(),
    })
}

fn read_status(row: &Row<'_>, column: usize) -> Result<Option<u16>, DirectoryError> {
    Ok(row.int_or_null(column)?.and_then(|status| u16::try_from(status).ok()))
}
