//! Answers to queries.
//!
//! What the index tells exactly is counted and cut into pages in SQL, and only the page's documents are
//! read. Where it only narrows, documents are read one by one and the matcher decides.

use std::collections::HashMap;
use std::sync::Arc;

use scim_core::{
    Include, MemberList, Page, Position, Query, SortKey, Start, StoreError, Stored, TenantId, WithMembers,
};
use scim_schema::{Registry, ResourceType};

use crate::edges::Edges;
use crate::fences::Fences;
use crate::index::{Index, Thresholds};
use crate::narrow::{Narrow, Narrowed};
use crate::page::{Side, Walk, Wanted};
use crate::params;
use crate::places::Places;
use crate::rows::{self, Found, columns};
use crate::session::{Param, Session, int, is_storable};
use crate::sets::{Expected, Leaf, Scope, Set};
use crate::statement::Statement;

/// So many leaves can be where the candidates come from.
const SOURCES: usize = 64;

/// What a query is answered with.
#[derive(Debug)]
pub(crate) struct Reader<'q> {
    pub(crate) session: &'q Session<'q>,
    pub(crate) registry: &'q Registry,
    pub(crate) index: &'q Index,
    pub(crate) thresholds: &'q Thresholds,
    pub(crate) fences: &'q Fences,
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
        if !is_storable(id) {
            return Ok(None);
        }
        let sql = concat!("SELECT ", columns!(), " FROM scim_resources r WHERE r.tenant = ?1 AND r.id = ?2");
        let found = self.session.first(sql, params![self.tenant.as_str(), id], |row| {
            let found = Found::read(row)?;
            let of_type = found.resource_type == resource_type.name();
            of_type.then(|| found.stored(resource_type)).transpose()
        })?;
        let Some(mut stored) = found.flatten() else { return Ok(None) };
        self.edges().include(resource_type, &mut stored, include)?;
        Ok(Some(stored))
    }

    /// Resources with their members, as many as there are with `enough` members.
    pub(crate) fn get_with_members(
        &self,
        resource_type: &ResourceType,
        ids: &[String],
        include: Include,
        enough: usize,
    ) -> Result<Vec<Option<WithMembers>>, StoreError> {
        let include = Include { members: false, ..include };
        let mut found = Vec::new();
        let mut count = 0;
        for id in ids {
            let Some(stored) = self.get(resource_type, id, include)? else {
                found.push(None);
                continue;
            };
            let mut members = MemberList::default();
            if resource_type.membership().is_some() {
                rows::list_members(self.session, self.tenant.as_str(), id, &mut members)?;
            }
            count += members.len();
            found.push(Some(WithMembers { stored, members }));
            if count >= enough {
                break;
            }
        }
        Ok(found)
    }

    /// The answer to a query.
    pub(crate) fn query(&self, query: &Query) -> Result<Page, StoreError> {
        let (numbers, mut page) = match query.resource_types.as_slice() {
            [resource_type] => self.of_type(resource_type, query)?,
            resource_types => {
                let mut places = Places::new(query, false);
                for resource_type in resource_types {
                    let candidates = self.candidates(resource_type, query)?;
                    self.offer(resource_type, query, candidates, &mut places)?;
                }
                places.into_page()
            }
        };
        page.resources = self.by_number(&numbers, query)?;
        Ok(page)
    }

    fn edges(&self) -> Edges<'_> {
        Edges::new(self.session, self.registry, self.tenant)
    }

    /// The places of the page of a query for one type.
    fn of_type(
        &self,
        resource_type: &Arc<ResourceType>,
        query: &Query,
    ) -> Result<(Vec<i64>, Page), StoreError> {
        let mut candidates = self.candidates(resource_type, query)?;
        let in_order = !matches!(candidates.walk, Walk::Found(_));
        if candidates.exact && !candidates.is_small {
            if let Some(walk) = self.walk(resource_type, query)?.filter(|walk| can_start(walk, query)) {
                return self.page(resource_type, query, walk, candidates);
            }
        } else if in_order && let Some(walk) = self.walk(resource_type, query)? {
            let mut places = Places::new(query, true);
            candidates.walk = walk;
            self.offer(resource_type, query, candidates, &mut places)?;
            return Ok(places.into_page());
        }
        let mut places = Places::new(query, in_order && query.sort.is_none());
        self.offer(resource_type, query, candidates, &mut places)?;
        Ok(places.into_page())
    }

    /// Where the matches of one type are to be found.
    fn candidates(&self, resource_type: &Arc<ResourceType>, query: &Query) -> Result<Candidates, StoreError> {
        let Some(filter) = &query.filter else {
            return Ok(Candidates { walk: Walk::Creation, rest: Set::All, exact: true, is_small: false });
        };
        let Narrowed { set, exact } = self.narrow(resource_type).filter(filter)?;
        let scope = self.scope(resource_type);
        let Some(source) = self.source(&scope, &set)? else {
            return Ok(Candidates { walk: Walk::Creation, rest: set, exact, is_small: false });
        };
        if source.size > self.thresholds.small {
            return Ok(Candidates {
                walk: Walk::Found(source.leaves),
                rest: source.rest,
                exact,
                is_small: false,
            });
        }
        // What takes longer to find than these few take to look at is not looked for.
        let rest = source.rest.clone().quick();
        let exact = exact && rest == source.rest;
        Ok(Candidates { walk: Walk::Found(source.leaves), rest, exact, is_small: true })
    }

    /// Looks at all candidates.
    fn offer(
        &self,
        resource_type: &Arc<ResourceType>,
        query: &Query,
        candidates: Candidates,
        places: &mut Places<'_>,
    ) -> Result<(), StoreError> {
        let Candidates { walk, rest, exact, .. } = candidates;
        if rest == Set::Nothing {
            return Ok(());
        }
        let scope = self.scope(resource_type);
        // Those that are known to match need not be looked at for it.
        let unfiltered = exact.then(|| Query { filter: None, ..query.clone() });
        let query = unfiltered.as_ref().unwrap_or(query);
        let is_found = matches!(walk, Walk::Found(_));
        if query.filter.is_none() && query.sort.is_none() {
            let mut statement = walk.query(&scope, Wanted::Place, &rest);
            if !is_found {
                walk.order(false, &mut statement);
            }
            return self.session.query(statement.sql(), &statement.params(), |row| {
                let id = row.text(2)?.to_owned();
                places.offer(Position { key: SortKey::Missing, created: row.int(1)?, id }, row.int(0)?);
                Ok(())
            });
        }
        let mut edges = self.edges();
        let needs = query.needs(resource_type);
        let mut statement = walk.query(&scope, Wanted::Document, &rest);
        if !is_found {
            walk.order(false, &mut statement);
        }
        self.session.query(statement.sql(), &statement.params(), |row| {
            let found = Found::read(row)?;
            let mut stored = found.needed(resource_type, &needs)?;
            edges.include(resource_type, &mut stored, needs.include())?;
            if query.matches(resource_type, &stored) {
                places.offer(Position::of(query, &stored), found.n);
            }
            Ok(())
        })
    }

    /// A page of what the index tells exactly.
    fn page(
        &self,
        resource_type: &Arc<ResourceType>,
        query: &Query,
        mut walk: Walk,
        candidates: Candidates,
    ) -> Result<(Vec<i64>, Page), StoreError> {
        let scope = self.scope(resource_type);
        let total = self.count(resource_type, &candidates)?;
        if query.sort.is_some() && total <= self.thresholds.read && matches!(candidates.walk, Walk::Found(_))
        {
            let mut places = Places::new(query, false);
            self.offer(resource_type, query, candidates, &mut places)?;
            return Ok(places.into_page());
        }
        let mut set = candidates.set();
        if let (Walk::Creation, Walk::Found(leaves)) = (&walk, &candidates.walk) {
            if let Some(equal) = Walk::equal(leaves) {
                (walk, set) = (equal, candidates.rest.clone());
            } else if total <= self.thresholds.sorted {
                (walk, set) = (candidates.walk.clone(), candidates.rest.clone());
            }
        }
        let count = query.page.count;
        let mut page = Page { total, ..Page::default() };
        if total == 0 {
            return Ok((Vec::new(), page));
        }
        let numbers = |statement: &Statement| {
            self.session.all(statement.sql(), &statement.params(), |row| Ok::<_, StoreError>(row.int(0)?))
        };
        let mut statement = walk.query(&scope, Wanted::Number, &set);
        let (position, behind, rest) = match &query.page.start {
            Start::Offset(skip) => {
                let from = (*skip).min(total);
                let to = from.saturating_add(count as u64).min(total);
                page.more_before = from > 0;
                page.more_after = to < total;
                if from == to {
                    return Ok((Vec::new(), page));
                }
                // From the nearer end: skipping goes over the index entries, one by one.
                let backwards = from > total - to;
                let mut skip = if backwards { total - to } else { from };
                let mut backwards = backwards;
                if skip > self.thresholds.far && matches!((&walk, &set), (Walk::Creation, Set::All)) {
                    let fence =
                        self.fences.find(self.session, scope.tenant, scope.resource_type, from, total)?;
                    if let Some(fence) = fence {
                        statement.push(
                            " AND (r.created, r.id) >= ({}, {})",
                            [fence.created.into(), (&fence.id).into()],
                        );
                        (skip, backwards) = (fence.skip, false);
                    }
                }
                walk.order(backwards, &mut statement);
                statement.push(" LIMIT {} OFFSET {}", [int(to - from).into(), int(skip).into()]);
                let mut found = numbers(&statement)?;
                if backwards {
                    found.reverse();
                }
                return Ok((found, page));
            }
            Start::After(position) => (position, true, Side::UpTo),
            Start::Before(position) => (position, false, Side::From),
        };
        let Some(mark) = walk.mark(position) else { return Err(StoreError::InvalidPosition) };
        walk.bound(&mark, if behind { Side::Behind } else { Side::Before }, &mut statement);
        walk.order(!behind, &mut statement);
        statement.push(" LIMIT {}", [int((count as u64).saturating_add(1)).into()]);
        let mut found = numbers(&statement)?;
        let more = found.len() > count;
        found.truncate(count);
        let mut other = walk.query(&scope, Wanted::Number, &set);
        walk.bound(&mark, rest, &mut other);
        walk.order(behind, &mut other);
        other.text(" LIMIT 1");
        let others = !numbers(&other)?.is_empty();
        if behind {
            (page.more_before, page.more_after) = (others, more);
        } else {
            found.reverse();
            (page.more_before, page.more_after) = (more, others);
        }
        Ok((found, page))
    }

    /// The walk in the order of the query, if an index has it.
    fn walk(&self, resource_type: &ResourceType, query: &Query) -> Result<Option<Walk>, StoreError> {
        let Some(sort) = &query.sort else { return Ok(Some(Walk::Creation)) };
        let Some(path) = sort.path(resource_type.name()) else { return Ok(None) };
        if let Some(walk) = Walk::by_time(&path, sort) {
            return Ok(Some(walk));
        }
        let Some(indexed) = self.index.find(resource_type.name(), &path) else { return Ok(None) };
        if !self.narrow(resource_type).sorts(indexed)? {
            return Ok(None);
        }
        Ok(Some(Walk::Value { attribute: path, descending: sort.is_descending() }))
    }

    /// How many matches there are. The candidates must be exact.
    fn count(&self, resource_type: &ResourceType, candidates: &Candidates) -> Result<u64, StoreError> {
        let scope = self.scope(resource_type);
        let mut statement = Statement::default();
        match (&candidates.walk, &candidates.rest) {
            (Walk::Creation, Set::All) => return self.total(resource_type),
            (Walk::Creation, Set::Nothing) => return Ok(0),
            (Walk::Creation, Set::Not(leaf)) => {
                let inverse = Candidates {
                    walk: Walk::Found(vec![leaf.clone()]),
                    rest: Set::All,
                    exact: true,
                    is_small: false,
                };
                let others = self.count(resource_type, &inverse)?;
                return Ok(self.total(resource_type)?.saturating_sub(others));
            }
            (Walk::Found(leaves), Set::All) => {
                // With one entry for each resource there is nothing to tell apart.
                let plain = matches!(leaves.as_slice(), [leaf] if leaf.is_distinct());
                statement.text(if plain {
                    "SELECT count(*) FROM ("
                } else {
                    "SELECT count(DISTINCT q.n) FROM ("
                });
                statement.join(" UNION ALL ", leaves, |s, leaf| leaf.write_query(&scope, s));
                statement.text(") q");
            }
            (Walk::Found(leaves), rest) => {
                // Index entries are enough, where they are in one place.
                let equal = Walk::equal(leaves);
                statement = equal.as_ref().unwrap_or(&candidates.walk).query(&scope, Wanted::Count, rest);
            }
            (walk, rest) => statement = walk.query(&scope, Wanted::Count, rest),
        }
        let count = self.session.first(statement.sql(), &statement.params(), |row| row.unsigned(0))?;
        Ok(count.unwrap_or(0))
    }

    fn total(&self, resource_type: &ResourceType) -> Result<u64, StoreError> {
        let total = self.session.first(
            "SELECT CAST(sum(resources) AS BIGINT) FROM scim_counts WHERE tenant = ?1 AND type = ?2",
            params![self.tenant.as_str(), resource_type.name()],
            |row| row.int_or_null(0),
        )?;
        Ok(total.flatten().and_then(|total| u64::try_from(total).ok()).unwrap_or(0))
    }

    /// Leaves that find all of a set, and as little else as can be told.
    fn source(&self, scope: &Scope<'_>, set: &Set) -> Result<Option<Source>, StoreError> {
        match set {
            Set::Leaf(leaf) => {
                let size = match leaf.expected() {
                    Expected::One => 1,
                    Expected::Few | Expected::Some => self.size(scope, leaf)?,
                    Expected::Unknown => u64::MAX / SOURCES as u64,
                };
                Ok(Some(Source { leaves: vec![leaf.clone()], rest: Set::All, size }))
            }
            Set::Or(parts) => {
                let mut whole = Source { leaves: Vec::new(), rest: Set::All, size: 0 };
                for part in parts {
                    let Some(source) = self.source(scope, part)? else { return Ok(None) };
                    whole.leaves.extend(source.leaves);
                    whole.size = whole.size.saturating_add(source.size);
                    if source.rest != Set::All {
                        whole.rest = set.clone();
                    }
                    if whole.leaves.len() > SOURCES {
                        return Ok(None);
                    }
                }
                Ok(Some(whole))
            }
            Set::And(parts) => {
                let mut by_promise: Vec<(usize, &Set)> = parts.iter().enumerate().collect();
                by_promise.sort_by_key(|(_, part)| promise(part));
                let mut best: Option<(usize, Source)> = None;
                for (at, part) in by_promise {
                    if let Some((_, best)) = &best
                        && (best.size <= self.thresholds.small || promise(part) == Expected::Unknown)
                    {
                        break;
                    }
                    if let Some(source) = self.source(scope, part)?
                        && best.as_ref().is_none_or(|(_, best)| source.size < best.size)
                    {
                        best = Some((at, source));
                    }
                }
                Ok(best.map(|(chosen, source)| {
                    let others = parts.iter().enumerate().filter(|(at, _)| *at != chosen);
                    let rest = Set::and(others.map(|(_, part)| part.clone()).chain([source.rest]));
                    Source { rest, ..source }
                }))
            }
            Set::All | Set::Nothing | Set::Not(_) => Ok(None),
        }
    }

    /// How many entries a leaf has, counted up to a little more than are a few.
    fn size(&self, scope: &Scope<'_>, leaf: &Leaf) -> Result<u64, StoreError> {
        let mut statement = Statement::default();
        statement.text("SELECT count(*) FROM (");
        leaf.write_query(scope, &mut statement);
        statement.text(&format!(" LIMIT {}) q", self.thresholds.small + 1));
        let count = self.session.first(statement.sql(), &statement.params(), |row| row.unsigned(0))?;
        Ok(count.unwrap_or(0))
    }

    fn scope<'s>(&'s self, resource_type: &'s ResourceType) -> Scope<'s> {
        Scope {
            tenant: self.tenant.as_str(),
            resource_type: resource_type.name(),
            position: self.session.position_function(),
        }
    }

    fn narrow<'s>(&'s self, resource_type: &'s ResourceType) -> Narrow<'s> {
        Narrow::new(self.session, self.registry, self.index, self.tenant, resource_type)
    }

    /// The resources of some rows, in that order.
    fn by_number(&self, numbers: &[i64], query: &Query) -> Result<Vec<Stored>, StoreError> {
        let mut found: HashMap<i64, Stored> = HashMap::with_capacity(numbers.len());
        let mut left = numbers;
        while let Some(last) = left.last() {
            // A few lengths, so that there are a few statements.
            let (sql, length) = match left.len() {
                1 => (ONE, 1),
                2..=10 => (TEN, 10),
                _ => (HUNDRED, 100),
            };
            let (some, others) = left.split_at(left.len().min(length));
            left = others;
            let padding = std::iter::repeat_n(last, length - some.len());
            let params: Vec<Param<'_>> = some.iter().chain(padding).map(|n| Param::Int(*n)).collect();
            self.session.query(sql, &params, |row| {
                let row = Found::read(row)?;
                if let Some(t) = query.resource_types.iter().find(|t| t.name() == row.resource_type) {
                    found.insert(row.n, row.stored(t)?);
                }
                Ok::<_, StoreError>(())
            })?;
        }
        let mut resources: Vec<Stored> = numbers.iter().filter_map(|n| found.remove(n)).collect();
        let mut edges = self.edges();
        if query.include.memberships {
            edges.prepare(resources.iter().map(|stored| stored.resource.id().to_owned()))?;
        }
        for stored in &mut resources {
            let name = stored.resource.get("meta").and_then(|m| m.get("resourceType"));
            let name = name.and_then(scim_schema::Value::as_str).unwrap_or_default();
            if let Some(t) = query.resource_types.iter().find(|t| t.name() == name) {
                edges.include(t, stored, query.include)?;
            }
        }
        Ok(resources)
    }
}

/// Where matches of one type are: those of the walk that are in `rest`.
struct Candidates {
    /// [`Walk::Creation`] or [`Walk::Found`].
    walk: Walk,
    rest: Set,
    /// Whether all of them match.
    exact: bool,
    /// Whether they are so few that they need no order.
    is_small: bool,
}

impl Candidates {
    /// The candidates as a set.
    fn set(&self) -> Set {
        match &self.walk {
            Walk::Found(leaves) => {
                Set::and([Set::or(leaves.iter().cloned().map(Set::Leaf)), self.rest.clone()])
            }
            _ => self.rest.clone(),
        }
    }
}

/// Leaves, together finding all of a set that are in `rest`.
struct Source {
    leaves: Vec<Leaf>,
    rest: Set,
    size: u64,
}

/// How much a set promises to be a small source, without looking.
fn promise(set: &Set) -> Expected {
    match set {
        Set::Leaf(leaf) => leaf.expected(),
        Set::And(parts) => parts.iter().map(promise).min().unwrap_or(Expected::Unknown),
        Set::Or(parts) => parts.iter().map(promise).max().unwrap_or(Expected::Unknown),
        Set::All | Set::Nothing | Set::Not(_) => Expected::Unknown,
    }
}

/// Whether the walk knows where the page begins.
fn can_start(walk: &Walk, query: &Query) -> bool {
    match &query.page.start {
        Start::Offset(_) => true,
        Start::After(position) | Start::Before(position) => {
            // In the order of `meta.created` a position's key is the time in it, unless somebody made it up.
            let created = SortKey::Micros(position.created);
            let agrees = query.sort.is_none() || !matches!(walk, Walk::Creation) || position.key == created;
            agrees && walk.mark(position).is_some()
        }
    }
}

/// `SELECT … WHERE r.n IN (…)`
macro_rules! by_numbers {
    ($($number:literal)*) => {
        concat!("SELECT ", columns!(), " FROM scim_resources r WHERE r.n IN (?1", $(", ?", $number,)* ")")
    };
}

const ONE: &str = by_numbers!();
const TEN: &str = by_numbers!(2 3 4 5 6 7 8 9 10);
const HUNDRED: &str = by_numbers!(
    2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26
    27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51
    52 53 54 55 56 57 58 59 60 61 62 63 64 65 66 67 68 69 70 71 72 73 74 75 76
    77 78 79 80 81 82 83 84 85 86 87 88 89 90 91 92 93 94 95 96 97 98 99 100
);
