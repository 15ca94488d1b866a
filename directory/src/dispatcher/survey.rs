//! What is to be known of endpoints before attempts at them are claimed. None of it rests on the rest, so that on
//! PostgreSQL it is asked for with one round trip.

use scim_sql::{Engine, Session, Statement, params};

use super::look::{Leases, Queue, QueuesOf, Segment, queues, read_queue};
use super::numbers::list;
use super::search::Search;
use super::target::SealedKey;
use crate::error::DirectoryError;

/// What was found of some endpoints.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) leases: Leases,
    pub(super) keys: Vec<SealedKey>,
    pub(super) queues: Vec<Queue>,
}

/// Looks at the leases of others, at the keys of endpoints, and at the queues of some segments, up to `limit` of each.
pub(super) fn survey(
    session: &Session<'_>,
    search: &Search,
    endpoints: impl IntoIterator<Item = i64>,
    segments: &[Segment],
    limit: usize,
) -> Result<Survey, DirectoryError> {
    let mut leases = Leases::at(search.now);
    let (mut keys, mut found) = (Vec::new(), Vec::new());
    let select_keys = SealedKey::select(session);
    let endpoints = list(session, endpoints);
    let mut statements = vec![
        leases.page(&search.holder),
        Statement::new(&select_keys, params![&endpoints, search.now.unix_micros()]),
    ];
    // On SQLite a statement is for one queue.
    let queues_of = match session.engine() {
        Engine::Sqlite => None,
        Engine::Postgres => Some(QueuesOf::new(session, segments, limit, search.now)),
    };
    statements.extend(queues_of.as_ref().map(QueuesOf::statement));
    session.batch_rows(&statements, |place, row| {
        match place {
            0 => leases.read(row)?,
            1 => keys.push(SealedKey::read(row)?),
            _ => found.push(read_queue(row)?),
        }
        Ok::<_, DirectoryError>(())
    })?;
    if queues_of.is_none() {
        found = queues(session, segments, limit, search.now)?;
    }
    Ok(Survey { leases: leases.rest(session, &search.holder)?, keys, queues: found })
}
