//! SETs that wait: who has them, and what becomes of them.

use std::time::Duration;

use scim_schema::DateTime;
use scim_set::SetError;
use scim_sql::{Session, Statement, params};
use scim_webhook::next_attempt;

use crate::error::DirectoryError;

/// How many refused SETs of a stream are kept.
const REFUSED: i64 = 1_000;
/// For how long a stream may have failures only.
const FAILING: Duration = Duration::from_secs(5 * 24 * 3600);
/// The wait between attempts when the schedule has come to its end.
const LONGEST: Duration = Duration::from_secs(10 * 3600);

/// A SET that waits.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) position: i64,
    pub(super) id: String,
    pub(super) claims: String,
}

/// Not those of directories whose events are kept back.
const SELECT_WAITING: &str = "SELECT s.position, s.jti, s.claims FROM dir_sets s
    WHERE s.stream = ?1 AND s.refused IS NULL
        AND s.directory NOT IN (SELECT number FROM dir_directories WHERE delivery_paused = 1)
    ORDER BY s.position LIMIT ?2";

/// The first SETs of a stream that wait: at most so many, and no more bytes of claims than the limit, unless the
/// first alone has more. Answers also whether there are more.
pub(super) fn waiting(
    session: &Session<'_>,
    stream: i64,
    limit: usize,
    bytes: usize,
) -> Result<(Vec<Waiting>, bool), DirectoryError> {
    let rows = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
    let (mut found, mut size, mut more) = (Vec::new(), 0_usize, false);
    session.query(SELECT_WAITING, params![stream, rows], |row| {
        let claims = row.text(2)?;
        size = size.saturating_add(claims.len());
        more |= found.len() >= limit || (size > bytes && !found.is_empty());
        if !more {
            found.push(Waiting { position: row.int(0)?, id: row.owned(1)?, claims: claims.to_owned() });
        }
        Ok::<_, DirectoryError>(())
    })?;
    Ok((found, more))
}

/// Forgets SETs that the receiver has. Answers how many there were.
pub(super) fn acknowledge(
    session: &Session<'_>,
    stream: i64,
    ids: &[String],
    now: DateTime,
) -> Result<usize, DirectoryError> {
    let delete = "DELETE FROM dir_sets WHERE stream = ?1 AND jti = ?2";
    let statements: Vec<_> = ids.iter().map(|id| Statement::new(delete, params![stream, id])).collect();
    let count: usize = session.batch(&statements)?.into_iter().sum();
    if count > 0 {
        let update = "UPDATE dir_set_streams SET acknowledged = acknowledged + ?2, last_acknowledged = ?3,
                failures = 0, failing_since = NULL, not_before = NULL, last_error = NULL
            WHERE number = ?1";
        let rows = i64::try_from(count).unwrap_or(i64::MAX);
        session.execute(update, params![stream, rows, now.unix_micros()])?;
    }
    Ok(count)
}

/// Sets a SET aside that the receiver does not take, so that those behind it are not kept waiting. Answers
/// whether it was there.
pub(super) fn refuse(
    session: &Session<'_>,
    stream: i64,
    id: &str,
    error: &SetError,
    now: DateTime,
) -> Result<bool, DirectoryError> {
    let error = error.shortened();
    let update = "UPDATE dir_sets SET refused = ?3, err = ?4, description = ?5
        WHERE stream = ?1 AND jti = ?2 AND refused IS NULL";
    let values = params![stream, id, now.unix_micros(), &error.err, &error.description];
    if session.execute(update, values)? == 0 {
        return Ok(false);
    }
    let update = "UPDATE dir_set_streams
        SET failures = 0, failing_since = NULL, not_before = NULL, last_error = ?2 WHERE number = ?1";
    session.execute(update, params![stream, &error.err])?;
    let delete = "DELETE FROM dir_sets WHERE stream = ?1 AND refused IS NOT NULL AND position <=
        (SELECT position FROM dir_sets WHERE stream = ?1 AND refused IS NOT NULL
         ORDER BY position DESC LIMIT 1 OFFSET ?2)";
    session.execute(delete, params![stream, REFUSED])?;
    Ok(true)
}

/// What is known of an attempt that failed.
#[derive(Clone, Debug)]
pub(super) struct Failed {
    /// The receiver's error code, or what went wrong with the connection.
    pub(super) error: String,
    /// How long the receiver asked to wait.
    pub(super) retry_after: Option<Duration>,
    /// Whether the receiver is gone for good.
    pub(super) is_gone: bool,
}

/// Notes a failure, and when to try again. Answers why the stream was disabled, if it was.
pub(super) fn fail(
    session: &Session<'_>,
    stream: i64,
    failed: &Failed,
    now: DateTime,
) -> Result<Option<&'static str>, DirectoryError> {
    let select = "SELECT failures, failing_since FROM dir_set_streams WHERE number = ?1";
    let found = session.first(select, params![stream], |row| {
        Ok::<_, DirectoryError>((row.unsigned(0)?, row.int_or_null(1)?))
    })?;
    let Some((failures, since)) = found else { return Ok(None) };
    let failures = u32::try_from(failures).unwrap_or(u32::MAX).saturating_add(1);
    let since = since.unwrap_or(now.unix_micros());
    let wait = next_attempt(failures).unwrap_or(LONGEST).max(failed.retry_after.unwrap_or_default());
    let end = DateTime::from_unix_micros(since).plus(FAILING);
    let disabled = if failed.is_gone { Some("gone") } else { (now >= end).then_some("failing") };
    let update = "UPDATE dir_set_streams SET failures = ?2, failing_since = ?3, not_before = ?4,
            last_error = ?5, enabled = CASE WHEN ?7 = 1 THEN 0 ELSE enabled END,
            disabled_reason = COALESCE(?6, disabled_reason)
        WHERE number = ?1";
    let not_before = now.plus(wait).unix_micros();
    session.execute(
        update,
        params![stream, i64::from(failures), since, not_before, &failed.error, disabled, disabled.is_some()],
    )?;
    Ok(disabled)
}

/// A stream to which something is to be pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) stream: i64,
    /// From when on; it may be later than now.
    pub(super) from: Option<DateTime>,
}

/// The enabled streams by push, of which something waits, that no other transmitter has.
pub(super) fn due(session: &Session<'_>, holder: &str, now: DateTime) -> Result<Vec<Due>, DirectoryError> {
    let select = "SELECT number, not_before FROM dir_set_streams t
        WHERE enabled = 1 AND url IS NOT NULL AND (holder IS NULL OR holder = ?1 OR leased_until <= ?2)
            AND EXISTS (SELECT 1 FROM dir_sets s WHERE s.stream = t.number AND s.refused IS NULL
                AND s.directory NOT IN (SELECT number FROM dir_directories WHERE delivery_paused = 1))
        ORDER BY number";
    session.all(select, params![holder, now.unix_micros()], |row| {
        let from = row.int_or_null(1)?.map(DateTime::from_unix_micros).filter(|from| *from > now);
        Ok(Due { stream: row.int(0)?, from })
    })
}

/// What is needed to push to a stream.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) id: String,
    pub(super) audience: String,
    pub(super) url: String,
    pub(super) sealed: Option<Vec<u8>>,
}

/// Takes a stream, or keeps it; `None` while another transmitter has it, or if it is disabled or gone.
pub(super) fn lease(
    session: &Session<'_>,
    stream: i64,
    holder: &str,
    until: DateTime,
    now: DateTime,
) -> Result<Option<Target>, DirectoryError> {
    let update = "UPDATE dir_set_streams SET holder = ?2, leased_until = ?3
        WHERE number = ?1 AND enabled = 1 AND url IS NOT NULL
            AND (holder IS NULL OR holder = ?2 OR leased_until <= ?4)
        RETURNING id, audience, url, sealed";
    let values = params![stream, holder, until.unix_micros(), now.unix_micros()];
    session.first(update, values, |row| {
        Ok(Target {
            id: row.owned(0)?,
            audience: row.owned(1)?,
            url: row.owned(2)?,
            sealed: row.bytes_or_null(3)?.map(<[u8]>::to_vec),
        })
    })
}

/// Gives a stream back.
pub(super) fn release(session: &Session<'_>, stream: i64, holder: &str) -> Result<(), DirectoryError> {
    let update = "UPDATE dir_set_streams SET holder = NULL, leased_until = NULL
        WHERE number = ?1 AND holder = ?2";
    session.execute(update, params![stream, holder])?;
    Ok(())
}
