//! The deliveries in the database: what is due, and what became of it.

use std::collections::HashMap;

use scim_schema::DateTime;
use scim_sql::rusqlite::{Connection, OptionalExtension as _, Row, params};
use scim_webhook::{Failure, Outcome, Secret, next_attempt};

use crate::directories::Directories;
use crate::error::DirectoryError;
use crate::model::DeliveryState;

/// How many deliveries of an endpoint are looked at in one go. Behind so many that have to wait for others,
/// further ones wait too.
const WINDOW: usize = 256;

/// A delivery whose next attempt is due.
pub(super) struct Due {
    pub(super) position: i64,
    pub(super) endpoint: i64,
    pub(super) url: String,
    pub(super) secrets: Vec<Secret>,
    pub(super) event_id: String,
    pub(super) body: String,
    pub(super) attempts: u32,
}

/// An attempt that was made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Finished {
    pub(super) position: i64,
    pub(super) outcome: Outcome,
    pub(super) time: DateTime,
}

/// How many attempts may be started.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// In all.
    pub(super) free: usize,
    /// To one endpoint, those under way included.
    pub(super) per_endpoint: usize,
}

/// What to attempt now, and when the next attempt falls due after that.
pub(super) fn due(
    db: &Connection,
    directories: &Directories,
    taken: &HashMap<i64, i64>,
    limits: Limits,
    now: DateTime,
) -> Result<(Vec<Due>, Option<DateTime>), DirectoryError> {
    let mut endpoints =
        db.prepare_cached("SELECT number, id, url, secret FROM dir_endpoints WHERE enabled")?;
    let mut endpoints = endpoints.query([])?;
    let (mut due, mut next) = (Vec::new(), None);
    while let Some(endpoint) = endpoints.next()? {
        let number = endpoint.get(0)?;
        let under_way = taken.values().filter(|e| **e == number).count();
        let free = limits.per_endpoint.saturating_sub(under_way).min(limits.free.saturating_sub(due.len()));
        let positions = candidates(db, number, taken, free, now)?;
        if !positions.is_empty() {
            let Some(secret) = open_secret(directories, endpoint)? else {
                let endpoint: String = endpoint.get(1)?;
                tracing::error!(%endpoint, "the endpoint's secret can't be opened with this key file");
                continue;
            };
            for position in positions {
                due.push(read_due(db, position, number, endpoint.get(2)?, secret.clone())?);
            }
        }
        let later = next_due(db, number, now)?;
        next = next.into_iter().chain(later).min();
    }
    Ok((due, next))
}

/// Up to `free` deliveries to an endpoint whose attempts are due: urgent ones first, then the longest due.
fn candidates(
    db: &Connection,
    endpoint: i64,
    taken: &HashMap<i64, i64>,
    free: usize,
    now: DateTime,
) -> Result<Vec<i64>, DirectoryError> {
    let mut found = Vec::new();
    // An event waits for the first attempts of all events of its subject before it.
    let select = "SELECT d.position FROM (
            SELECT position, subject, due FROM dir_deliveries
            WHERE endpoint = ?1 AND urgent = ?2 AND due <= ?3 AND state = 0
            ORDER BY due, position LIMIT ?4
        ) d
        WHERE NOT EXISTS (
            SELECT 1 FROM dir_deliveries e
            WHERE e.endpoint = ?1 AND e.subject = d.subject AND e.position < d.position
                AND e.state = 0 AND e.attempts = 0
        )
        ORDER BY d.due, d.position";
    let mut select = db.prepare_cached(select)?;
    let window = i64::try_from(WINDOW).unwrap_or(i64::MAX);
    for urgent in [true, false] {
        if found.len() >= free {
            break;
        }
        let mut rows = select.query(params![endpoint, urgent, now.unix_micros(), window])?;
        while let Some(row) = rows.next()? {
            let position = row.get(0)?;
            if found.len() < free && !taken.contains_key(&position) {
                found.push(position);
            }
        }
    }
    Ok(found)
}

fn read_due(
    db: &Connection,
    position: i64,
    endpoint: i64,
    url: String,
    secret: Secret,
) -> Result<Due, DirectoryError> {
    let select = "SELECT e.id, e.body, d.attempts FROM dir_deliveries d
        JOIN dir_events e ON e.position = d.event WHERE d.position = ?1";
    Ok(db.prepare_cached(select)?.query_row([position], |row| {
        Ok(Due {
            position,
            endpoint,
            url,
            secrets: vec![secret],
            event_id: row.get(0)?,
            body: row.get(1)?,
            attempts: row.get(2)?,
        })
    })?)
}

fn open_secret(directories: &Directories, endpoint: &Row<'_>) -> Result<Option<Secret>, DirectoryError> {
    let id = endpoint.get_ref(1)?.as_str().unwrap_or_default();
    let sealed = endpoint.get_ref(3)?.as_blob().unwrap_or_default();
    let opened = directories.keys().open(sealed, id);
    Ok(opened.and_then(|bytes| Secret::from_bytes(&bytes).ok()))
}

/// When the first delivery to an endpoint falls due after `now`.
fn next_due(db: &Connection, endpoint: i64, now: DateTime) -> Result<Option<DateTime>, DirectoryError> {
    let select = "SELECT min(due) FROM dir_deliveries
        WHERE endpoint = ?1 AND urgent = ?2 AND due > ?3 AND state = 0";
    let mut select = db.prepare_cached(select)?;
    let mut next = None;
    for urgent in [true, false] {
        let due: Option<i64> =
            select.query_row(params![endpoint, urgent, now.unix_micros()], |row| row.get(0))?;
        next = next.into_iter().chain(due).min();
    }
    Ok(next.map(DateTime::from_unix_micros))
}

/// Records attempts: done, due again, or given up.
pub(super) fn record(tx: &Connection, finished: &[Finished]) -> Result<(), DirectoryError> {
    let select = "SELECT attempts, endpoint FROM dir_deliveries WHERE position = ?1 AND state = 0";
    let mut select = tx.prepare_cached(select)?;
    let update = "UPDATE dir_deliveries
        SET state = ?2, attempts = ?3, due = coalesce(?4, due), status = ?5, reason = ?6, finished = ?7
        WHERE position = ?1";
    let mut update = tx.prepare_cached(update)?;
    let disable =
        "UPDATE dir_endpoints SET enabled = 0, disabled_reason = 'gone' WHERE number = ?1 AND enabled";
    let mut disable = tx.prepare_cached(disable)?;
    for Finished { position, outcome, time } in finished {
        let row = select
            .query_row([position], |row| Ok((row.get::<_, u32>(0)?, row.get::<_, i64>(1)?)))
            .optional()?;
        let Some((attempts, endpoint)) = row else { continue };
        let attempts = attempts.saturating_add(1);
        let mut due = None;
        let (state, status, reason) = match *outcome {
            Outcome::Delivered { status } => (DeliveryState::Delivered, Some(status), None),
            Outcome::Failed { status, reason: Failure::Gone, .. } => {
                if disable.execute([endpoint])? > 0 {
                    tracing::warn!(endpoint, "the endpoint is gone and was disabled");
                }
                (DeliveryState::Refused, status, Some(Failure::Gone))
            }
            Outcome::Failed { status, reason, .. } => {
                let wait = next_attempt(attempts).and_then(|wait| i64::try_from(wait.as_micros()).ok());
                due = wait.map(|wait| time.plus_micros(wait).unix_micros());
                let state = if due.is_some() { DeliveryState::Pending } else { DeliveryState::Exhausted };
                (state, status, Some(reason))
            }
        };
        let end = (state != DeliveryState::Pending).then(|| time.unix_micros());
        let reason = reason.map(Failure::as_str);
        update.execute(params![position, state.code(), attempts, due, status, reason, end])?;
    }
    Ok(())
}
