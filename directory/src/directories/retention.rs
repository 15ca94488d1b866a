//! Forgetting what is old.

use scim_schema::DateTime;
use scim_sql::{Session, params};

use super::{Directories, LogPosition};
use crate::error::DirectoryError;

/// How many events a transaction forgets, so that no other write waits for long.
const EVENTS: i64 = 1_000;
/// The settings in which is kept up to where events were forgotten, and when the latest of them happened.
const FORGOTTEN: &str = "forgotten";
const FORGOTTEN_TIME: &str = "forgotten_time";

impl Directories {
    /// Forgets the bodies of events that happened before a time, with their deliveries and attempts. What stays of
    /// an event is that it was: its id, type, subject, version, number and time. Events that wait for delivery, or
    /// for a [`Reader`](crate::Reader), stay as they are, and those behind them too; for an endpoint that has been
    /// disabled since before that time nothing waits any more. Answers how many events were forgotten.
    ///
    /// # Errors
    /// When the database can't do it; what is forgotten stays so.
    pub async fn forget_before(&self, time: DateTime) -> Result<u64, DirectoryError> {
        let mut forgotten = 0;
        loop {
            let events = self.database().write(move |session| forget_some(session, time)).await?;
            forgotten += events;
            if events == 0 {
                break;
            }
        }
        if forgotten > 0 {
            tracing::info!(events = forgotten, "old events forgotten");
        }
        Ok(forgotten)
    }

    /// The place behind the last event that was forgotten. Behind it the log is whole.
    ///
    /// # Errors
    /// When the database can't answer.
    pub async fn log_start(&self) -> Result<LogPosition, DirectoryError> {
        self.database().read(log_start).await
    }
}

pub(super) fn log_start(session: &Session<'_>) -> Result<LogPosition, DirectoryError> {
    Ok(LogPosition::from_number(setting(session, FORGOTTEN)?.unwrap_or_default()))
}

/// When the latest of the events happened that were forgotten.
pub(super) fn forgotten_time(session: &Session<'_>) -> Result<Option<DateTime>, DirectoryError> {
    Ok(setting(session, FORGOTTEN_TIME)?.map(DateTime::from_unix_micros))
}

fn setting<T: std::str::FromStr>(session: &Session<'_>, name: &str) -> Result<Option<T>, DirectoryError> {
    let select = "SELECT value FROM dir_settings WHERE name = ?1";
    let value = session.first(select, params![name], |row| row.owned(0))?;
    Ok(value.and_then(|text: String| text.parse().ok()))
}

fn forget_some(session: &Session<'_>, time: DateTime) -> Result<u64, DirectoryError> {
    let start = log_start(session)?.number();
    // Up to the first event that somebody still needs, or that is not old.
    let select = "SELECT position, occurred_at, occurred_at < ?2
            AND position <= coalesce((SELECT min(position) FROM dir_readers), position)
            AND NOT EXISTS (SELECT 1 FROM dir_deliveries d JOIN dir_endpoints n ON n.number = d.endpoint
                WHERE d.event = e.position AND d.state = (SELECT 0) AND (n.enabled = 1 OR n.disabled_at >= ?2))
        FROM dir_events e WHERE position > ?1 ORDER BY position LIMIT ?3";
    let events = session.all(select, params![start, time.unix_micros(), EVENTS], |row| {
        Ok::<_, DirectoryError>((row.int(0)?, row.int(1)?, row.flag(2)?))
    })?;
    let old: Vec<_> = events.into_iter().take_while(|(.., is_old)| *is_old).collect();
    let Some((last, ..)) = old.last().copied() else { return Ok(0) };
    for statement in [
        "DELETE FROM dir_attempts WHERE delivery IN
            (SELECT position FROM dir_deliveries WHERE event > ?1 AND event <= ?2)",
        "DELETE FROM dir_deliveries WHERE event > ?1 AND event <= ?2",
        "UPDATE dir_events SET body = '' WHERE position > ?1 AND position <= ?2",
    ] {
        session.execute(statement, params![start, last])?;
    }
    let times = old.iter().map(|(_, time, _)| DateTime::from_unix_micros(*time));
    let latest = times.chain(forgotten_time(session)?).max().map(DateTime::unix_micros);
    let insert = "INSERT INTO dir_settings (name, value) VALUES (?1, ?2)
        ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    session.execute(insert, params![FORGOTTEN, &last.to_string()])?;
    session.execute(insert, params![FORGOTTEN_TIME, &latest.unwrap_or_default().to_string()])?;
    Ok(u64::try_from(old.len()).unwrap_or(u64::MAX))
}
