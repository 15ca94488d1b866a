//! Pages of a query's answer (RFC 7644 §3.4.2.4, RFC 9865).

use scim_schema::{Attribute, Resource, ResourceType};
use serde::{Deserialize, Serialize};

use crate::sort::{Sort, SortKey};
use crate::store::{Include, Query, StoreError, Stored};

/// Which part of an answer.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a start and a count")]
pub struct PageRequest {
    /// Where the page begins.
    pub start: Start,
    /// How many resources at most.
    pub count: usize,
}

/// Where a page begins.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "every store must know them all")]
pub enum Start {
    /// So many resources are skipped. For index paging; 0 is the first page.
    Offset(u64),
    /// Behind this position. For cursor paging.
    After(Position),
    /// Before this position: the `count` resources in front of it, in the query's order.
    Before(Position),
}

/// A page.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "built by every store")]
pub struct Page {
    /// The resources, in the query's order.
    pub resources: Vec<Stored>,
    /// How many resources match in all.
    pub total: u64,
    /// Whether there are matches behind the page.
    pub more_after: bool,
    /// Whether there are matches in front of the page.
    pub more_before: bool,
}

/// The place of a resource in a query's order: its sort key, then its creation, then its id.
///
/// Positions stay good when resources come and go, so that paging while others write neither repeats
/// nor skips what was there all the time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "stores compare the parts in their own way")]
pub struct Position {
    /// The sort key; [`SortKey::Missing`] where the query has no sort.
    pub key: SortKey,
    /// When the resource was created, in microseconds since 1970.
    pub created: i64,
    /// Its id.
    pub id: String,
}

impl Position {
    /// The position of a resource in the order of a query.
    pub fn of(query: &Query, stored: &Stored) -> Self {
        let key = match &query.sort {
            Some(sort) => sort.key(&stored.resource),
            None => SortKey::Missing,
        };
        Self { key, created: stored.created.unix_micros(), id: stored.resource.id().to_owned() }
    }

    /// Compares two positions in the order of a query. Only the sort key is turned round by a descending
    /// order; ties are always in the order of creation.
    pub fn compare(&self, other: &Self, query: &Query) -> std::cmp::Ordering {
        let by_key = match &query.sort {
            Some(sort) if sort.is_descending() => other.key.cmp(&self.key),
            Some(_) => self.key.cmp(&other.key),
            None => std::cmp::Ordering::Equal,
        };
        by_key.then_with(|| self.created.cmp(&other.created)).then_with(|| self.id.cmp(&other.id))
    }

    /// The bytes that go into a cursor.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// A position from the bytes of a cursor.
    ///
    /// # Errors
    /// [`StoreError::InvalidPosition`] when they are not such bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StoreError> {
        serde_json::from_slice(bytes).map_err(|_| StoreError::InvalidPosition)
    }
}

/// What a query looks at in resources of one type; see [`Query::needs`].
#[derive(Clone, Debug)]
pub struct Needs<'t> {
    /// Attributes and extensions, by canonical name and URN.
    names: Vec<&'t str>,
    include: Include,
}

impl Needs<'_> {
    /// The computed attributes among them.
    pub fn include(&self) -> Include {
        self.include
    }

    /// Whether it looks at an attribute, by canonical name, or at an extension, by URN.
    pub fn reads(&self, name: &str) -> bool {
        self.names.contains(&name)
    }

    /// A resource with what is needed of it, and its id; of one that is still text nothing else is read.
    #[must_use]
    pub fn of(&self, resource: &Resource) -> Resource {
        if self.names.is_empty() {
            return resource.clone();
        }
        resource.only(|name| name == "id" || self.reads(name))
    }
}

impl Query {
    /// What must be known of resources of that type to find out whether they match, and where they stand. A
    /// store works it out once, not for each resource.
    pub fn needs<'t>(&self, resource_type: &'t ResourceType) -> Needs<'t> {
        let sorts = |sort: &Sort, name: &str| name == "meta" || sort.uses(name);
        let reads = |name: &str| {
            self.filter.as_ref().is_some_and(|f| f.uses(name))
                || self.sort.as_ref().is_some_and(|s| sorts(s, name))
        };
        let names = resource_type.attributes().map(Attribute::name);
        let urns = resource_type.extensions().iter().map(|extension| extension.schema().id());
        Needs {
            names: names.chain(urns).filter(|name| reads(name)).collect(),
            include: Include {
                members: resource_type.membership().is_some_and(|m| reads(m.attribute())),
                memberships: resource_type.inverses().iter().any(|i| reads(i)),
            },
        }
    }

    /// Whether a resource of that type matches the filter.
    pub fn matches(&self, resource_type: &ResourceType, stored: &Stored) -> bool {
        self.resource_types.iter().any(|t| t.name() == resource_type.name())
            && self.filter.as_ref().is_none_or(|f| f.matches(resource_type.name(), &stored.resource))
    }

    /// The whole answer, from all resources of a tenant: filtered, sorted, cut to the page, without computed
    /// attributes that [`Query::include`] does not ask for. This is what every store's answer must equal, and
    /// all that a small store needs.
    ///
    /// The candidates must carry what the filter, the sort and the answer need (see [`crate::edges`]); it
    /// does no harm if they carry more.
    pub fn answer<'t>(&self, candidates: impl IntoIterator<Item = (&'t ResourceType, Stored)>) -> Page {
        let mut matches: Vec<(Position, &ResourceType, Stored)> = candidates
            .into_iter()
            .filter(|(resource_type, stored)| self.matches(resource_type, stored))
            .map(|(resource_type, stored)| (Position::of(self, &stored), resource_type, stored))
            .collect();
        matches.sort_by(|(a, ..), (b, ..)| a.compare(b, self));
        let total = matches.len();
        let count = self.page.count;
        let (from, to) = match &self.page.start {
            Start::Offset(skip) => {
                let from = usize::try_from(*skip).unwrap_or(usize::MAX).min(total);
                (from, from.saturating_add(count).min(total))
            }
            Start::After(position) => {
                let from = matches.partition_point(|(p, ..)| p.compare(position, self).is_le());
                (from, from.saturating_add(count).min(total))
            }
            Start::Before(position) => {
                let to = matches.partition_point(|(p, ..)| p.compare(position, self).is_lt());
                (to.saturating_sub(count), to)
            }
        };
        Page {
            resources: matches
                .drain(from..to)
                .map(|(_, t, stored)| self.without_unasked(t, stored))
                .collect(),
            total: total as u64,
            more_after: to < total,
            more_before: from > 0,
        }
    }

    /// What only the filter or the sort needed is not part of the answer.
    fn without_unasked(&self, resource_type: &ResourceType, mut stored: Stored) -> Stored {
        if let (Some(membership), false) = (resource_type.membership(), self.include.members) {
            stored.resource.remove_computed(membership.attribute());
        }
        if !self.include.memberships {
            for inverse in resource_type.inverses() {
                stored.resource.remove_computed(inverse);
            }
        }
        stored
    }
}
