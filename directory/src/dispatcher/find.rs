//! Which endpoints have something due, as far as that can be seen without a lock.

use std::collections::{BTreeMap, HashSet, VecDeque};

use scim_schema::DateTime;
use scim_sql::{Session, Statement, params};

use super::look::{BUSY_ENDPOINTS, Leases, Queue, Segment, candidates, queues};
use super::search::{Room, Search, earlier, next_of, room};
use super::target::Target;
use crate::error::DirectoryError;
use crate::event::Lane;

/// What is due, as far as that can be seen without a lock.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Endpoints for which an attempt is due, and where: lane and directory.
    pub(super) wanting: BTreeMap<i64, (i64, i64)>,
    /// When the next attempt falls due, or may be made.
    pub(super) next: Option<DateTime>,
    /// Others have attempts under way.
    pub(super) sees_others: bool,
    /// There was no room for more attempts at all.
    pub(super) is_full: bool,
    /// There was none for more at one of the endpoints.
    pub(super) is_short: bool,
}

/// Looks for endpoints for which an attempt is due.
pub(super) fn find(session: &Session<'_>, search: &Search) -> Result<Found, DirectoryError> {
    let mut found = Found { is_full: search.free() == 0, ..Found::default() };
    if found.is_full {
        return Ok(found);
    }
    let mut others = Leases::at(search.now);
    let (mut enabled, mut busy) = (Vec::new(), HashSet::new());
    let select_enabled = Target::select_enabled();
    let statements = [
        others.page(&search.holder),
        Statement::new(&select_enabled, params![]),
        Statement::new(BUSY_ENDPOINTS, params![]),
    ];
    session.batch_rows(&statements, |place, row| {
        match place {
            0 => others.read(row)?,
            1 => enabled.push(Target::read(row)?),
            _ => busy.extend([row.int(0)?]),
        }
        Ok::<_, DirectoryError>(())
    })?;
    let others = others.rest(session, &search.holder)?;
    found.sees_others = !others.is_empty();
    let mut segments = Vec::new();
    for target in enabled.iter().filter(|target| busy.contains(&target.number)) {
        match room(target, search, others.of(target.number)) {
            Room::NotBefore(next) => earlier(&mut found.next, next),
            Room::Short => found.is_short = true,
            Room::For(_) => segments.extend(Lane::CODES.map(|lane| Segment {
                endpoint: target.number,
                lane,
                after: i64::MIN,
                up_to: i64::MAX,
            })),
        }
    }
    let queues = queues(session, &segments, usize::MAX >> 1, search.now)?;
    for queue in &queues {
        earlier(&mut found.next, next_of(queue, search.now));
    }
    // The first queue of an endpoint that has something for anybody.
    let mut left: VecDeque<Queue> =
        queues.into_iter().filter(|queue| !queue.is_paused && queue.first <= search.now).collect();
    while !left.is_empty() {
        let mut asked: Vec<(Queue, i64)> = Vec::new();
        let mut rest = VecDeque::new();
        for queue in left {
            if found.wanting.contains_key(&queue.endpoint) {
                continue;
            }
            if asked.last().is_some_and(|(last, _)| last.endpoint == queue.endpoint) {
                rest.push_back(queue);
            } else {
                let limit =
                    i64::try_from(search.taken_of(queue.endpoint)).unwrap_or(i64::MAX).saturating_add(1);
                asked.push((queue, limit));
            }
        }
        for ((queue, _), there) in asked.iter().zip(candidates(session, &asked, search.now)?) {
            if !there.is_empty() {
                found.wanting.insert(queue.endpoint, (queue.lane, queue.directory));
            }
        }
        left = rest;
    }
    Ok(found)
}
