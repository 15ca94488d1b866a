//! The deliveries in the database: what is due, who makes the attempt, and what became of it.

use std::collections::{HashMap, HashSet};

use scim_schema::DateTime;
use scim_sql::{Session, params};
use scim_webhook::{Failure, Outcome, Secret, SigningKey, next_attempt};

use super::DispatcherConfig;
use crate::directories::{Directories, signing};
use crate::error::DirectoryError;
use crate::lock::Lock;
use crate::model::DeliveryState;

/// How many deliveries of an endpoint are looked at in one go. Behind so many that have to wait for others,
/// further ones wait too.
const WINDOW: i64 = 256;

/// Who looks, what for, and when.
#[derive(Clone, Debug)]
pub(super) struct Search {
    /// The dispatcher.
    pub(super) holder: String,
    /// Deliveries that it has under way.
    pub(super) taken: HashSet<i64>,
    /// How many attempts it makes at once, and how long they are its own.
    pub(super) config: DispatcherConfig,
    pub(super) now: DateTime,
}

/// Deliveries whose attempts are due, and what comes after them.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// By endpoint.
    positions: Vec<(i64, Vec<i64>)>,
    /// When the next attempt falls due, or the lease of another dispatcher ends.
    pub(super) next: Option<DateTime>,
}

impl Found {
    /// Whether nothing is due.
    pub(super) fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }
}

/// What was claimed.
#[derive(Debug, Default)]
pub(super) struct Claimed {
    pub(super) due: Vec<Due>,
    /// Others were at some of what is due; it may be free again in a moment.
    pub(super) contended: bool,
}

/// A delivery whose attempt is this dispatcher's.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) position: i64,
    pub(super) endpoint: i64,
    pub(super) url: String,
    pub(super) secrets: Vec<Secret>,
    pub(super) signing_keys: Vec<SigningKey>,
    pub(super) event_id: String,
    pub(super) body: String,
    pub(super) attempts: u32,
}

/// An attempt that was made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Finished {
    pub(super) position: i64,
    pub(super) endpoint: i64,
    pub(super) outcome: Outcome,
    pub(super) time: DateTime,
}

/// What to attempt now, of all endpoints or of some, as far as that can be seen without a lock.
pub(super) fn find(
    session: &Session<'_>,
    search: &Search,
    only: Option<&HashSet<i64>>,
) -> Result<Found, DirectoryError> {
    let mut found = Found::default();
    let mut leased: HashMap<i64, usize> = HashMap::new();
    let select = "SELECT endpoint, count(*), min(leased_until) FROM dir_deliveries
        WHERE leased_until > ?1 GROUP BY endpoint";
    let leases = session.all(select, params![search.now.unix_micros()], |row| {
        let count = usize::try_from(row.int(1)?).unwrap_or_default();
        Ok::<_, DirectoryError>((row.int(0)?, count, DateTime::from_unix_micros(row.int(2)?)))
    })?;
    for (endpoint, count, end) in leases {
        leased.insert(endpoint, count);
        found.next = found.next.into_iter().chain([end]).min();
    }
    let mut free = search.config.concurrency.saturating_sub(search.taken.len());
    let select = "SELECT number FROM dir_endpoints WHERE enabled = 1 ORDER BY number";
    let endpoints: Vec<i64> = session.all(select, params![], |row| row.int(0))?;
    for endpoint in endpoints.into_iter().filter(|e| only.is_none_or(|only| only.contains(e))) {
        let under_way = leased.get(&endpoint).copied().unwrap_or_default();
        let wanted = search.config.per_endpoint.saturating_sub(under_way).min(free);
        let positions = candidates(session, endpoint, search, wanted)?;
        free = free.saturating_sub(positions.len());
        if !positions.is_empty() {
            found.positions.push((endpoint, positions));
        }
        let later = next_due(session, endpoint, search.now)?;
        found.next = found.next.into_iter().chain(later).min();
    }
    Ok(found)
}

/// Up to `wanted` deliveries to an endpoint whose attempts are due: urgent ones first, then the longest due.
fn candidates(
    session: &Session<'_>,
    endpoint: i64,
    search: &Search,
    wanted: usize,
) -> Result<Vec<i64>, DirectoryError> {
    let mut found = Vec::new();
    // An event waits for the first attempts of all events of its subject before it.
    let select = "SELECT d.position FROM (
            SELECT position, subject, due FROM dir_deliveries
            WHERE endpoint = ?1 AND lane = ?2 AND due <= ?3 AND state = 0
                AND (leased_until IS NULL OR leased_until <= ?3)
            ORDER BY due, position LIMIT ?4
        ) d
        WHERE NOT EXISTS (
            SELECT 1 FROM dir_deliveries e
            WHERE e.endpoint = ?1 AND e.subject = d.subject AND e.position < d.position
                AND e.state = 0 AND e.attempts = 0
        )
        ORDER BY d.due, d.position";
    for lane in 0..3_i64 {
        if found.len() >= wanted {
            break;
        }
        let params = params![endpoint, lane, search.now.unix_micros(), WINDOW];
        let positions: Vec<i64> = session.all(select, params, |row| row.int(0))?;
        let own = positions.into_iter().filter(|position| !search.taken.contains(position));
        found.extend(own.take(wanted.saturating_sub(found.len())));
    }
    Ok(found)
}

/// When the first delivery to an endpoint falls due after `now`.
fn next_due(session: &Session<'_>, endpoint: i64, now: DateTime) -> Result<Option<DateTime>, DirectoryError> {
    let select = "SELECT min(due) FROM dir_deliveries
        WHERE endpoint = ?1 AND lane = ?2 AND due > ?3 AND state = 0";
    let mut next = None;
    for lane in 0..3_i64 {
        let params = params![endpoint, lane, now.unix_micros()];
        let due = session.first(select, params, |row| row.int_or_null(0))?.flatten();
        next = next.into_iter().chain(due).min();
    }
    Ok(next.map(DateTime::from_unix_micros))
}

/// Makes attempts this dispatcher's own until their lease ends. It waits for nobody: what another process is
/// at is left out.
pub(super) fn claim(
    session: &Session<'_>,
    directories: &Directories,
    search: &Search,
    found: &Found,
) -> Result<Claimed, DirectoryError> {
    let mut claimed = Claimed::default();
    for (endpoint, positions) in &found.positions {
        // One dispatcher at a time claims of an endpoint, so that all together keep its limit.
        let lock = Lock::SkipReferable.words(session);
        let select = format!("SELECT id, url FROM dir_endpoints WHERE number = ?1 AND enabled = 1{lock}");
        let row = session.first(&select, params![*endpoint], |row| {
            Ok::<_, DirectoryError>((row.owned(0)?, row.owned(1)?))
        })?;
        let Some((id, url)) = row else {
            claimed.contended = true;
            continue;
        };
        let (secrets, signing_keys) = signing(session, directories, *endpoint, &id, search.now)?;
        if secrets.is_empty() {
            tracing::error!(endpoint = %id, "the endpoint's secret can't be opened with this key file");
            continue;
        };
        let under_way = under_way(session, *endpoint, search.now)?;
        let free = search.config.per_endpoint.saturating_sub(under_way);
        for position in positions.iter().take(free) {
            match claim_one(session, search, *position)? {
                Some((event_id, body, attempts)) => claimed.due.push(Due {
                    position: *position,
                    endpoint: *endpoint,
                    url: url.clone(),
                    secrets: secrets.clone(),
                    signing_keys: signing_keys.clone(),
                    event_id,
                    body,
                    attempts,
                }),
                None => claimed.contended = true,
            }
        }
    }
    Ok(claimed)
}

/// How many attempts all dispatchers together make for an endpoint now.
fn under_way(session: &Session<'_>, endpoint: i64, now: DateTime) -> Result<usize, DirectoryError> {
    let select = "SELECT count(*) FROM dir_deliveries WHERE leased_until > ?1 AND endpoint = ?2";
    let count = session.first(select, params![now.unix_micros(), endpoint], |row| row.int(0))?;
    Ok(count.and_then(|count| usize::try_from(count).ok()).unwrap_or_default())
}

/// The event's id and body, and how many attempts were made; `None` if the delivery is no longer to be had.
fn claim_one(
    session: &Session<'_>,
    search: &Search,
    position: i64,
) -> Result<Option<(String, String, u32)>, DirectoryError> {
    let lease = i64::try_from(search.config.lease.as_micros()).unwrap_or(i64::MAX);
    let end = search.now.plus_micros(lease);
    let lock = Lock::Skip.words(session);
    let update = format!(
        "UPDATE dir_deliveries SET leased_until = ?2, holder = ?3 WHERE position IN (
            SELECT position FROM dir_deliveries
            WHERE position = ?1 AND state = 0 AND (leased_until IS NULL OR leased_until <= ?4){lock}
        ) RETURNING event, attempts"
    );
    let params = params![position, end.unix_micros(), &search.holder, search.now.unix_micros()];
    let row = session.first(&update, params, |row| Ok::<_, DirectoryError>((row.int(0)?, row.int(1)?)))?;
    let Some((event, attempts)) = row else { return Ok(None) };
    let attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
    let select = "SELECT id, body FROM dir_events WHERE position = ?1";
    session.first(select, params![event], |row| Ok((row.owned(0)?, row.owned(1)?, attempts)))
}

/// Records attempts: done, due again, or given up; their leases end.
pub(super) fn record(
    session: &Session<'_>,
    holder: &str,
    finished: &[Finished],
) -> Result<(), DirectoryError> {
    // In one order, so that two who wait for each other's rows can't be.
    let mut finished = finished.to_vec();
    finished.sort_unstable_by_key(|finished| finished.position);
    let select = format!(
        "SELECT attempts, holder FROM dir_deliveries WHERE position = ?1 AND state = 0{}",
        Lock::Wait.words(session)
    );
    let update = "UPDATE dir_deliveries
        SET state = ?2, attempts = ?3, due = coalesce(?4, due), status = ?5, reason = ?6, finished = ?7,
            leased_until = NULL, holder = NULL
        WHERE position = ?1";
    for Finished { position, endpoint, outcome, time } in finished {
        let row = session.first(&select, params![position], |row| {
            let is_ours = row.text_or_null(1)? == Some(holder);
            Ok::<_, DirectoryError>((row.int(0)?, is_ours))
        })?;
        let Some((attempts, is_ours)) = row else { continue };
        // The lease ended, and somebody else has taken over or is done. What was delivered is so all the same.
        if !is_ours && !matches!(outcome, Outcome::Delivered { .. }) {
            continue;
        }
        let attempts = u32::try_from(attempts).unwrap_or(u32::MAX).saturating_add(1);
        let mut due = None;
        let (state, status, reason) = match outcome {
            Outcome::Delivered { status } => (DeliveryState::Delivered, Some(status), None),
            Outcome::Failed { status, reason: Failure::Gone, .. } => {
                disable(session, endpoint)?;
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
        let (attempts, status) = (i64::from(attempts), status.map(i64::from));
        let reason = reason.map(Failure::as_str);
        session.execute(update, params![position, state.code(), attempts, due, status, reason, end])?;
    }
    Ok(())
}

fn disable(session: &Session<'_>, endpoint: i64) -> Result<(), DirectoryError> {
    let update =
        "UPDATE dir_endpoints SET enabled = 0, disabled_reason = 'gone' WHERE number = ?1 AND enabled = 1";
    if session.execute(update, params![endpoint])? > 0 {
        tracing::warn!(endpoint, "the endpoint is gone and was disabled");
    }
    Ok(())
}

/// Gives back what a dispatcher has leased.
pub(super) fn release(session: &Session<'_>, holder: &str) -> Result<(), DirectoryError> {
    let update = "UPDATE dir_deliveries SET leased_until = NULL, holder = NULL
        WHERE leased_until IS NOT NULL AND holder = ?1";
    session.execute(update, params![holder])?;
    Ok(())
}
