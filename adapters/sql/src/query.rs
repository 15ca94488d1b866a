//! Pages of resources: by keyset where the order is that of creation, else by looking at all candidates
//! and keeping only what may be on the page.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;

use scim_core::{
    Include, Matcher, Page, Position, Query, Sort, SortKey, Start, StoreError, Stored, TenantId,
};
use scim_schema::{Registry, ResourceType};

use crate::edges;
use crate::index::Index;
use crate::narrow;
use crate::params;
use crate::rows::{Found, columns};
use crate::session::{Param, Session, int};

/// What a query is answered with.
#[derive(Debug)]
pub(crate) struct Reader<'q> {
    pub(crate) session: &'q Session<'q>,
    pub(crate) registry: &'q Registry,
    pub(crate) index: &'q Index,
    pub(crate) tenant: &'q TenantId,
}

impl Reader<'_> {
    /// One resource.
    pub(crate) fn get(
        &self,
        resource_type: &ResourceType,
        id: &str,
        include: Include,
    ) -> Result<Option<Stored>, StoreError> {
        let sql = concat!("SELECT ", columns!(), " FROM scim_resources r WHERE r.tenant = ?1 AND r.id = ?2");
        let found = self.session.first(sql, params![self.tenant.as_str(), id], |row| {
            let found = Found::read(row)?;
            let of_type = found.resource_type == resource_type.name();
            of_type.then(|| found.stored(resource_type)).transpose()
        })?;
        let Some(mut stored) = found.flatten() else { return Ok(None) };
        self.include(resource_type, &mut stored, include)?;
        Ok(Some(stored))
    }

    /// The answer to a query.
    pub(crate) fn query(&self, query: &Query) -> Result<Page, StoreError> {
        match query.resource_types.as_slice() {
            [resource_type] if query.filter.is_none() && query.sort.is_none() => {
                self.walk(resource_type, query)
            }
            _ => self.search(query),
        }
    }

    fn include(
        &self,
        resource_type: &ResourceType,
        stored: &mut Stored,
        include: Include,
    ) -> Result<(), StoreError> {
        edges::include(self.session, self.registry, self.tenant, resource_type, stored, include)
    }

    /// All resources of a type in the order of creation.
    fn walk(&self, resource_type: &Arc<ResourceType>, query: &Query) -> Result<Page, StoreError> {
        let total = self.total(resource_type)?;
        let tenant = self.tenant.as_str();
        let name = resource_type.name();
        let count = query.page.count;
        let one_more = int((count as u64).saturating_add(1));
        let mut page = Page { total, ..Page::default() };
        let rows = |sql, params: &[Param<'_>]| {
            self.session.all(sql, params, |row| Found::read(row)?.stored(resource_type))
        };
        match &query.page.start {
            Start::Offset(skip) => {
                let from = (*skip).min(total);
                let to = from.saturating_add(count as u64).min(total);
                let length = int(to - from);
                // From the nearer end: skipping goes over the index entries, one by one.
                page.resources = if from <= total - to {
                    rows(FORWARD, params![tenant, name, length, int(from)])?
                } else {
                    reversed(rows(BACKWARD, params![tenant, name, length, int(total - to)])?)
                };
                page.more_before = from > 0;
                page.more_after = to < total;
            }
            Start::After(Position { created, id, .. }) => {
                page.resources = rows(AFTER, params![tenant, name, *created, id, one_more])?;
                page.more_after = page.resources.len() > count;
                page.resources.truncate(count);
                page.more_before = self.exists(UP_TO, resource_type, *created, id)?;
            }
            Start::Before(Position { created, id, .. }) => {
                page.resources = rows(BEFORE, params![tenant, name, *created, id, one_more])?;
                page.more_before = page.resources.len() > count;
                page.resources.truncate(count);
                page.resources.reverse();
                page.more_after = self.exists(FROM, resource_type, *created, id)?;
            }
        }
        for stored in &mut page.resources {
            self.include(resource_type, stored, query.include)?;
        }
        Ok(page)
    }

    fn total(&self, resource_type: &ResourceType) -> Result<u64, StoreError> {
        let total = self.session.first(
            "SELECT CAST(sum(resources) AS BIGINT) FROM scim_counts WHERE tenant = ?1 AND type = ?2",
            params![self.tenant.as_str(), resource_type.name()],
            |row| row.int_or_null(0),
        )?;
        Ok(total.flatten().and_then(|total| u64::try_from(total).ok()).unwrap_or(0))
    }

    fn exists(
        &self,
        sql: &str,
        resource_type: &ResourceType,
        created: i64,
        id: &str,
    ) -> Result<bool, StoreError> {
        let params = params![self.tenant.as_str(), resource_type.name(), created, id];
        Ok(self.session.first(sql, params, |row| row.int(0))?.is_some())
    }

    /// Looks at all candidates, in two steps: which places are on the page, then the resources.
    fn search(&self, query: &Query) -> Result<Page, StoreError> {
        let filter = query.filter.as_deref();
        let mut places = Places::new(query);
        for resource_type in &query.resource_types {
            let candidates = narrow::candidates(self.index, self.tenant, resource_type, filter);
            let needed = needed(resource_type, filter, query.sort.as_ref());
            self.session.query(candidates.sql, &candidates.params(), |row| {
                let found = Found::read(row)?;
                // An id is looked up without its type.
                if found.resource_type != resource_type.name() {
                    return Ok(());
                }
                if filter.is_none() && query.sort.is_none() {
                    let position =
                        Position { key: SortKey::Missing, created: found.created, id: found.id.to_owned() };
                    places.offer(position, found.n);
                    return Ok(());
                }
                let mut stored = found.stored(resource_type)?;
                self.include(resource_type, &mut stored, needed)?;
                if query.matches(resource_type, &stored) {
                    places.offer(Position::of(query, &stored), found.n);
                }
                Ok::<(), StoreError>(())
            })?;
        }
        let (numbers, mut page) = places.into_page();
        for n in numbers {
            page.resources.extend(self.by_number(n, query)?);
        }
        Ok(page)
    }

    fn by_number(&self, n: i64, query: &Query) -> Result<Option<Stored>, StoreError> {
        let sql = concat!("SELECT ", columns!(), " FROM scim_resources r WHERE r.n = ?1");
        let found = self.session.first(sql, params![n], |row| {
            let found = Found::read(row)?;
            let resource_type = query.resource_types.iter().find(|t| t.name() == found.resource_type);
            resource_type.map(|t| Ok::<_, StoreError>((t, found.stored(t)?))).transpose()
        })?;
        let Some((resource_type, mut stored)) = found.flatten() else { return Ok(None) };
        self.include(resource_type, &mut stored, query.include)?;
        Ok(Some(stored))
    }
}

const FORWARD: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM scim_resources r WHERE r.tenant = ?1 AND r.type = ?2
     ORDER BY r.created, r.id LIMIT ?3 OFFSET ?4"
);

const BACKWARD: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM scim_resources r WHERE r.tenant = ?1 AND r.type = ?2
     ORDER BY r.created DESC, r.id DESC LIMIT ?3 OFFSET ?4"
);

const AFTER: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM scim_resources r WHERE r.tenant = ?1 AND r.type = ?2 AND (r.created, r.id) > (?3, ?4)
     ORDER BY r.created, r.id LIMIT ?5"
);

const BEFORE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM scim_resources r WHERE r.tenant = ?1 AND r.type = ?2 AND (r.created, r.id) < (?3, ?4)
     ORDER BY r.created DESC, r.id DESC LIMIT ?5"
);

const UP_TO: &str = "SELECT 1 FROM scim_resources r
     WHERE r.tenant = ?1 AND r.type = ?2 AND (r.created, r.id) <= (?3, ?4) LIMIT 1";

const FROM: &str = "SELECT 1 FROM scim_resources r
     WHERE r.tenant = ?1 AND r.type = ?2 AND (r.created, r.id) >= (?3, ?4) LIMIT 1";

fn reversed<R>(mut rows: Vec<R>) -> Vec<R> {
    rows.reverse();
    rows
}

/// The computed attributes that a filter and a sort read.
fn needed(resource_type: &ResourceType, filter: Option<&Matcher>, sort: Option<&Sort>) -> Include {
    let reads = |name: &str| filter.is_some_and(|f| f.uses(name)) || sort.is_some_and(|s| s.uses(name));
    Include {
        members: resource_type.membership().is_some_and(|m| reads(m.attribute())),
        memberships: resource_type.inverses().iter().any(|i| reads(i)),
    }
}

/// Finds the places of a page among all matches, which come in any order. It keeps no more places than
/// lie between the start of the answer (or the given position) and the end of the page.
struct Places<'q> {
    query: &'q Query,
    /// How many places are kept.
    room: usize,
    total: u64,
    /// Matches at or in front of the given position.
    in_front: u64,
    kept: BinaryHeap<Place<'q>>,
}

/// A match. The greatest of all is the one that gives way when there is no more room.
struct Place<'q> {
    query: &'q Query,
    position: Position,
    n: i64,
}

impl<'q> Places<'q> {
    fn new(query: &'q Query) -> Self {
        let room = match query.page.start {
            Start::Offset(skip) => {
                usize::try_from(skip).unwrap_or(usize::MAX).saturating_add(query.page.count)
            }
            Start::After(_) | Start::Before(_) => query.page.count,
        };
        Self { query, room, total: 0, in_front: 0, kept: BinaryHeap::new() }
    }

    fn offer(&mut self, position: Position, n: i64) {
        self.total += 1;
        let (in_front, wanted) = match &self.query.page.start {
            Start::Offset(_) => (false, true),
            Start::After(given) => {
                let in_front = position.compare(given, self.query).is_le();
                (in_front, !in_front)
            }
            Start::Before(given) => {
                let in_front = position.compare(given, self.query).is_lt();
                (in_front, in_front)
            }
        };
        self.in_front += u64::from(in_front);
        if !wanted || self.room == 0 {
            return;
        }
        let place = Place { query: self.query, position, n };
        if self.kept.len() < self.room {
            self.kept.push(place);
        } else if let Some(mut worst) = self.kept.peek_mut()
            && place < *worst
        {
            *worst = place;
        }
    }

    /// The rows of the page in order, and the page without them.
    fn into_page(self) -> (Vec<i64>, Page) {
        let Self { query, total, in_front, kept, .. } = self;
        let mut places = kept.into_sorted_vec();
        let (from, to) = match query.page.start {
            Start::Offset(skip) => {
                let from = skip.min(total);
                places.drain(..usize::try_from(from).unwrap_or(usize::MAX).min(places.len()));
                (from, from + places.len() as u64)
            }
            Start::After(_) => (in_front, in_front + places.len() as u64),
            Start::Before(_) => {
                places.reverse();
                (in_front - places.len() as u64, in_front)
            }
        };
        let page = Page { resources: Vec::new(), total, more_after: to < total, more_before: from > 0 };
        (places.into_iter().map(|place| place.n).collect(), page)
    }
}

impl Ord for Place<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let order = self.position.compare(&other.position, self.query);
        // In front of a position those nearest to it are wanted: the last ones.
        match self.query.page.start {
            Start::Before(_) => order.reverse(),
            Start::Offset(_) | Start::After(_) => order,
        }
    }
}

impl PartialOrd for Place<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Place<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Place<'_> {}
