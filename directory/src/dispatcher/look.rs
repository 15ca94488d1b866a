//! What waits in the database. On SQLite a statement costs next to nothing, so there are loops of them; on PostgreSQL
//! each is a round trip, so one statement answers for all.
//!
//! Where a delivery is found by its subject, event or position, statements say `state = (SELECT 0)`. With `state = 0`
//! PostgreSQL may take the index of queues instead, as long as its statistics say that nothing waits, and read all of
//! it for each delivery.

use std::collections::HashMap;
use std::sync::Arc;

use scim_schema::DateTime;
use scim_sql::{Engine, Param, Row, Session, Statement, params};

use super::numbers::list;
use super::subject::Waiting;
use crate::error::DirectoryError;
use crate::event::{DEACTIVATED, EventType, REMOVED};

/// How many leases of others are read at once.
const LEASES: usize = 500;

/// The deliveries of one directory to an endpoint that wait in one lane.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    pub(super) endpoint: i64,
    pub(super) lane: i64,
    pub(super) directory: i64,
    pub(super) organization: Arc<str>,
    pub(super) is_paused: bool,
    /// When the first one is due.
    pub(super) first: DateTime,
    /// When the first one is due that is not due now.
    pub(super) later: Option<DateTime>,
    /// How many of it have been taken in this look.
    pub(super) taken: usize,
}

/// A delivery that is due.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    /// The position of its event.
    pub(super) event: i64,
    pub(super) subject: String,
}

/// Some directories of an endpoint's lane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) endpoint: i64,
    pub(super) lane: i64,
    /// Those above it…
    pub(super) after: i64,
    /// …up to this.
    pub(super) up_to: i64,
}

/// A user or group of which deliveries to an endpoint may wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct SubjectOf<'a> {
    pub(super) endpoint: i64,
    pub(super) subject: &'a str,
    /// How many deliveries are read at most.
    pub(super) limit: i64,
}

/// Attempts that others make.
#[derive(Debug)]
pub(super) struct Leases {
    /// How many, and when the first lease ends, by endpoint.
    of: HashMap<i64, (usize, DateTime)>,
    /// The end and the position of the lease behind which the next page begins.
    last: (i64, i64),
    /// How many are on the page that is being read.
    on_page: usize,
}

impl Leases {
    pub(super) fn at(now: DateTime) -> Self {
        Self { of: HashMap::new(), last: (now.unix_micros(), i64::MAX), on_page: 0 }
    }

    pub(super) fn of(&self, endpoint: i64) -> Option<&(usize, DateTime)> {
        self.of.get(&endpoint)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// Asks for a page of leases.
    ///
    /// Page by page, because PostgreSQL walks along the index then. All together it takes all entries of the index, and
    /// then those of leases that have ended are never marked as dead, but looked up each time until the next vacuum.
    pub(super) fn page<'a>(&self, holder: &'a str) -> Statement<'a> {
        let select = "SELECT endpoint, leased_until, position FROM dir_deliveries
            WHERE leased_until >= ?1 AND (leased_until, position) > (?1, ?2) AND holder <> ?3
            ORDER BY leased_until, position LIMIT ?4";
        let (until, position) = self.last;
        Statement::new(select, params![until, position, holder, i64::try_from(LEASES).unwrap_or(i64::MAX)])
    }

    /// Takes in a row of a page.
    pub(super) fn read(&mut self, row: &Row<'_>) -> Result<(), DirectoryError> {
        self.last = (row.int(1)?, row.int(2)?);
        self.on_page += 1;
        let end = DateTime::from_unix_micros(self.last.0);
        let (count, first) = self.of.entry(row.int(0)?).or_insert((0, end));
        *count += 1;
        *first = end.min(*first);
        Ok(())
    }

    /// Reads the other pages, if there are some.
    pub(super) fn rest(mut self, session: &Session<'_>, holder: &str) -> Result<Self, DirectoryError> {
        while self.on_page == LEASES {
            self.on_page = 0;
            let page = self.page(holder);
            session.batch_rows(&[page], |_, row| self.read(row))?;
        }
        Ok(self)
    }
}

/// The endpoints for which something waits, due or not: one look-up in the index for each.
pub(super) const BUSY_ENDPOINTS: &str = "WITH RECURSIVE busy AS (
        SELECT * FROM (SELECT endpoint FROM dir_deliveries WHERE state = 0 ORDER BY endpoint LIMIT 1) f
        UNION ALL
        SELECT (SELECT endpoint FROM dir_deliveries WHERE state = 0 AND endpoint > busy.endpoint
            ORDER BY endpoint LIMIT 1)
        FROM busy WHERE busy.endpoint IS NOT NULL
    ) SELECT endpoint FROM busy WHERE endpoint IS NOT NULL";

/// A question for queues as PostgreSQL is asked it: one statement, and its lists.
#[derive(Debug)]
pub(super) struct QueuesOf {
    select: String,
    now: i64,
    columns: [String; 4],
    limit: i64,
}

impl QueuesOf {
    /// The question for what [`queues`] answers.
    pub(super) fn new(session: &Session<'_>, segments: &[Segment], limit: usize, now: DateTime) -> Self {
        let select = format!(
            "SELECT s.endpoint, s.lane, q.directory, q.due, o.organization, o.delivery_paused, {LATER}
            FROM unnest(CAST(?2 AS BIGINT[]), CAST(?3 AS BIGINT[]), CAST(?4 AS BIGINT[]),
                    CAST(?5 AS BIGINT[])) WITH ORDINALITY AS s (endpoint, lane, after, up_to, n)
            CROSS JOIN LATERAL (
                WITH RECURSIVE w AS (
                    (SELECT d.directory, d.due FROM dir_deliveries d
                    WHERE d.state = 0 AND d.endpoint = s.endpoint AND d.lane = s.lane
                        AND d.directory > s.after AND d.directory <= s.up_to
                    ORDER BY d.directory, d.due LIMIT 1)
                    UNION ALL
                    SELECT x.directory, x.due FROM w CROSS JOIN LATERAL (
                        SELECT d.directory, d.due FROM dir_deliveries d
                        WHERE d.state = 0 AND d.endpoint = s.endpoint AND d.lane = s.lane
                            AND d.directory > w.directory AND d.directory <= s.up_to
                        ORDER BY d.directory, d.due LIMIT 1
                    ) x
                )
                SELECT directory, due FROM w LIMIT ?6
            ) q
            LEFT JOIN dir_directories o ON o.number = q.directory
            ORDER BY s.n, q.directory"
        );
        let column = |of: fn(&Segment) -> i64| list(session, segments.iter().map(of));
        let columns = [column(|s| s.endpoint), column(|s| s.lane), column(|s| s.after), column(|s| s.up_to)];
        Self { select, now: now.unix_micros(), columns, limit: i64::try_from(limit).unwrap_or(i64::MAX) }
    }

    pub(super) fn statement(&self) -> Statement<'_> {
        let lists = self.columns.iter().map(Param::from);
        let values: Vec<Param<'_>> =
            [self.now.into()].into_iter().chain(lists).chain([self.limit.into()]).collect();
        Statement::new(&self.select, values)
    }
}

/// When the next delivery of a queue is due that is not due now.
const LATER: &str = "(SELECT l.due FROM dir_deliveries l
    WHERE l.state = 0 AND l.endpoint = s.endpoint AND l.lane = s.lane AND l.directory = q.directory
        AND l.due > ?1 ORDER BY l.due LIMIT 1)";

/// The queues of some segments, up to `limit` of each: one look-up in the index for each queue.
pub(super) fn queues(
    session: &Session<'_>,
    segments: &[Segment],
    limit: usize,
    now: DateTime,
) -> Result<Vec<Queue>, DirectoryError> {
    let mut found = Vec::new();
    match session.engine() {
        Engine::Sqlite => {
            let select = format!(
                "SELECT q.endpoint, q.lane, q.directory, q.due, o.organization, o.delivery_paused, {}
                FROM dir_deliveries q LEFT JOIN dir_directories o ON o.number = q.directory
                WHERE q.state = 0 AND q.endpoint = ?2 AND q.lane = ?3 AND q.directory > ?4 AND q.directory <= ?5
                ORDER BY q.directory, q.due LIMIT 1",
                LATER.replace("s.", "q.")
            );
            for Segment { endpoint, lane, mut after, up_to } in segments.iter().copied() {
                for _ in 0..limit {
                    let values = params![now.unix_micros(), endpoint, lane, after, up_to];
                    let Some(queue) = session.first(&select, values, read_queue)? else { break };
                    after = queue.directory;
                    found.push(queue);
                }
            }
        }
        Engine::Postgres if !segments.is_empty() => {
            let asked = QueuesOf::new(session, segments, limit, now);
            session.batch_rows(&[asked.statement()], |_, row| {
                found.push(read_queue(row)?);
                Ok::<_, DirectoryError>(())
            })?;
        }
        Engine::Postgres => {}
    }
    Ok(found)
}

pub(super) fn read_queue(row: &Row<'_>) -> Result<Queue, DirectoryError> {
    Ok(Queue {
        endpoint: row.int(0)?,
        lane: row.int(1)?,
        directory: row.int(2)?,
        first: DateTime::from_unix_micros(row.int(3)?),
        // Events of no directory are of no organization.
        organization: row.text_or_null(4)?.unwrap_or_default().into(),
        is_paused: row.int_or_null(5)?.unwrap_or_default() != 0,
        later: row.int_or_null(6)?.map(DateTime::from_unix_micros),
        taken: 0,
    })
}

/// The first deliveries of some queues that are due and nobody's, up to so many of each, in the order of the queues.
pub(super) fn candidates(
    session: &Session<'_>,
    queues: &[(Queue, i64)],
    now: DateTime,
) -> Result<Vec<Vec<Candidate>>, DirectoryError> {
    let now = now.unix_micros();
    let mut found: Vec<Vec<Candidate>> = queues.iter().map(|_| Vec::new()).collect();
    match session.engine() {
        Engine::Sqlite => {
            let select = "SELECT event, subject FROM dir_deliveries
                WHERE state = 0 AND endpoint = ?1 AND lane = ?2 AND directory = ?3 AND due <= ?4
                    AND (leased_until IS NULL OR leased_until <= ?4)
                ORDER BY due, position LIMIT ?5";
            for ((queue, limit), found) in queues.iter().zip(&mut found) {
                let values = params![queue.endpoint, queue.lane, queue.directory, now, *limit];
                *found = session.all(select, values, |row| {
                    Ok::<_, DirectoryError>(Candidate { event: row.int(0)?, subject: row.owned(1)? })
                })?;
            }
        }
        Engine::Postgres if !queues.is_empty() => {
            let select = "SELECT q.n, d.event, d.subject
                FROM unnest(CAST(?1 AS BIGINT[]), CAST(?2 AS BIGINT[]), CAST(?3 AS BIGINT[]),
                        CAST(?4 AS BIGINT[])) WITH ORDINALITY AS q (endpoint, lane, directory, most, n)
                CROSS JOIN LATERAL (
                    SELECT event, subject, due, position FROM dir_deliveries
                    WHERE state = 0 AND endpoint = q.endpoint AND lane = q.lane AND directory = q.directory
                        AND due <= ?5 AND (leased_until IS NULL OR leased_until <= ?5)
                    ORDER BY due, position LIMIT q.most
                ) d
                ORDER BY q.n, d.due, d.position";
            let column = |of: fn(&(Queue, i64)) -> i64| list(session, queues.iter().map(of));
            let (endpoints, lanes) = (column(|q| q.0.endpoint), column(|q| q.0.lane));
            let (directories, most) = (column(|q| q.0.directory), column(|q| q.1));
            let values = params![&endpoints, &lanes, &directories, &most, now];
            let rows = session.all(select, values, |row| {
                let candidate = Candidate { event: row.int(1)?, subject: row.owned(2)? };
                Ok::<_, DirectoryError>((row.int(0)?, candidate))
            })?;
            for (number, candidate) in rows {
                if let Some(found) = usize::try_from(number - 1).ok().and_then(|at| found.get_mut(at)) {
                    found.push(candidate);
                }
            }
        }
        Engine::Postgres => {}
    }
    Ok(found)
}

const WAITING: &str = "d.position, d.event, e.id, e.type, d.told_as, e.version, e.reason, d.attempts, d.due,
    d.leased_until, d.last_attempt, coalesce(d.told_since, e.occurred_at)";

/// The deliveries of some subjects that wait or are under way, in the order of their events.
pub(super) fn waiting(
    session: &Session<'_>,
    subjects: &[SubjectOf<'_>],
    now: DateTime,
) -> Result<Vec<Vec<Waiting>>, DirectoryError> {
    let mut found: Vec<Vec<Waiting>> = subjects.iter().map(|_| Vec::new()).collect();
    match session.engine() {
        Engine::Sqlite => {
            let select = format!(
                "SELECT {WAITING} FROM dir_deliveries d JOIN dir_events e ON e.position = d.event
                WHERE d.endpoint = ?1 AND d.subject = ?2 AND d.state = (SELECT 0) ORDER BY d.event LIMIT ?3"
            );
            for (of, found) in subjects.iter().zip(&mut found) {
                let values = params![of.endpoint, of.subject, of.limit];
                *found = session.all(&select, values, |row| read_waiting(row, 0, now))?;
            }
        }
        Engine::Postgres if !subjects.is_empty() => {
            let select = format!(
                "SELECT s.n, {WAITING}
                FROM unnest(CAST(?1 AS BIGINT[]), CAST(?2 AS TEXT[]), CAST(?3 AS BIGINT[]))
                    WITH ORDINALITY AS s (endpoint, subject, most, n)
                CROSS JOIN LATERAL (
                    SELECT * FROM dir_deliveries w
                    WHERE w.endpoint = s.endpoint AND w.subject = s.subject AND w.state = (SELECT 0)
                    ORDER BY w.event LIMIT s.most
                ) d
                JOIN dir_events e ON e.position = d.event
                ORDER BY s.n, d.event"
            );
            let endpoints = list(session, subjects.iter().map(|of| of.endpoint));
            let names: Vec<Option<&str>> = subjects.iter().map(|of| Some(of.subject)).collect();
            let most = list(session, subjects.iter().map(|of| of.limit));
            let rows = session.all(&select, params![&endpoints, &names, &most], |row| {
                Ok::<_, DirectoryError>((row.int(0)?, read_waiting(row, 1, now)?))
            })?;
            for (number, row) in rows {
                if let Some(found) = usize::try_from(number - 1).ok().and_then(|at| found.get_mut(at)) {
                    found.push(row);
                }
            }
        }
        Engine::Postgres => {}
    }
    Ok(found)
}

/// The delivery of an event to an endpoint, if it waits.
pub(super) fn waiting_of_event(
    session: &Session<'_>,
    endpoint: i64,
    event: i64,
    now: DateTime,
) -> Result<Option<Waiting>, DirectoryError> {
    let select = format!(
        "SELECT {WAITING} FROM dir_deliveries d JOIN dir_events e ON e.position = d.event
        WHERE d.event = ?1 AND d.endpoint = ?2 AND d.state = (SELECT 0)"
    );
    session.first(&select, params![event, endpoint], |row| read_waiting(row, 0, now))
}

fn read_waiting(row: &Row<'_>, at: usize, now: DateTime) -> Result<Waiting, DirectoryError> {
    let event_type = EventType::parse(row.text(at + 3)?);
    let reason = row.text_or_null(at + 6)?;
    let leased_until = row.int_or_null(at + 9)?.map(DateTime::from_unix_micros);
    let attempts = u32::try_from(row.int(at + 7)?).unwrap_or(u32::MAX);
    Ok(Waiting {
        position: row.int(at)?,
        event: row.int(at + 1)?,
        event_id: row.owned(at + 2)?,
        event_type,
        told_as: row.text_or_null(at + 4)?.and_then(EventType::parse),
        version: row.unsigned(at + 5)?,
        is_removal: event_type == Some(EventType::GroupDeleted) || reason == Some(REMOVED),
        is_deactivated: reason == Some(DEACTIVATED),
        attempts,
        // Who had a lease and is gone may have sent it.
        is_begun: attempts > 0 || leased_until.is_some() || row.int_or_null(at + 10)?.is_some(),
        due: DateTime::from_unix_micros(row.int(at + 8)?),
        under_way_until: leased_until.filter(|end| *end > now),
        occurred_at: DateTime::from_unix_micros(row.int(at + 11)?),
    })
}
