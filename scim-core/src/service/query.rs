//! Queries: `GET` on an endpoint and `POST …/.search` (RFC 7644 §3.4.2, §3.4.3; RFC 9865).

use std::sync::Arc;

use http::StatusCode;
use scim_filter::{Filter, MatchOptions, Matcher};
use scim_schema::{Projection, ResourceType, Selection};

use super::with_members::Listed;
use super::{Answer, Exchange, Inner};
use crate::cursor::{Cursor, binding};
use crate::error::{Error, ErrorKind};
use crate::page::{Page, PageRequest, Position, Start};
use crate::params::Params;
use crate::render::ListResponse;
use crate::sort::{Sort, SortError};
use crate::store::{Include, Query, Stored};

/// How a query came: what stands in a URL may be seen by others (RFC 7644 §7.5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Via {
    Get,
    Post,
}

/// How the pages of an answer are found.
enum Paging {
    Index {
        start: u64,
    },
    /// With the cursor that was given; `None` for the first page.
    Cursor(Option<Cursor>),
}

impl Inner {
    pub(super) async fn list(
        &self,
        resource_type: Option<&Arc<ResourceType>>,
        params: &Params,
        via: Via,
        exchange: &Exchange,
    ) -> Result<Answer, Error> {
        let resource_types = match resource_type {
            Some(t) => vec![Arc::clone(t)],
            None => self.registry.resource_types().to_vec(),
        };
        let filter = match &params.filter {
            Some(text) => Some(self.matcher(text, &resource_types, via, exchange)?),
            None => None,
        };
        let sort = match &params.sort_by {
            Some(path) => Some(sort(path, params.descending, &resource_types, exchange)?),
            None => None,
        };
        let projections: Vec<Projection> =
            resource_types.iter().map(|t| Projection::new(t, &params.selection, &[])).collect();
        let mut include = Include::NONE;
        for (t, projection) in resource_types.iter().zip(&projections) {
            let wanted = Self::include(t, projection);
            include.members |= wanted.members;
            include.memberships |= wanted.memberships;
        }
        // Members are read when it is the turn of their resource, unless they say where it stands.
        let sorted_by = |t: &Arc<ResourceType>| {
            t.membership().zip(sort.as_ref()).is_some_and(|(m, sort)| sort.uses(m.attribute()))
        };
        let apart = include.members && !resource_types.iter().any(sorted_by);
        let bound = bind(resource_type, params, exchange);
        let (paging, count) = self.paging(params, &bound, exchange)?;
        let query = Query {
            resource_types,
            filter,
            sort,
            page: PageRequest {
                start: match &paging {
                    Paging::Index { start } => Start::Offset(start - 1),
                    Paging::Cursor(None) => Start::Offset(0),
                    Paging::Cursor(Some(c)) if c.backwards => Start::Before(c.position.clone()),
                    Paging::Cursor(Some(c)) => Start::After(c.position.clone()),
                },
                count,
            },
            include: Include { members: include.members && !apart, ..include },
        };
        let page = self.store.query(&exchange.caller.tenant, &query).await?;
        if resource_type.is_none() && page.total > self.config.max_root_results {
            let limit = self.config.max_root_results;
            return Err(Error::new(
                ErrorKind::TooMany,
                format!("the query matches more than {limit} resources"),
            ));
        }
        let found = |stored: &Stored| {
            let name = stored.resource.get("meta")?.get("resourceType")?.as_str()?;
            query.resource_types.iter().zip(&projections).find(|(t, _)| t.name() == name)
        };
        let response = self.list_response(&query, &page, &paging, count, &bound, exchange)?;
        let shows_members = |stored: &Stored| found(stored).is_some_and(|(t, p)| Self::include(t, p).members);
        if apart && page.resources.iter().any(shows_members) {
            let listed = page.resources.into_iter().filter_map(|stored| {
                let (resource_type, projection) = found(&stored)?;
                let (resource_type, projection) = (Arc::clone(resource_type), projection.clone());
                Some(Listed { resource_type, projection, stored })
            });
            return Ok(self.list_with_members(response, listed.collect(), include, exchange));
        }
        let shown = page.resources.iter().filter_map(|stored| {
            let (_, projection) = found(stored)?;
            Some(projection.show(&stored.resource, &exchange.base))
        });
        let text = response.with_resources(shown, |shown, text| shown.write_json(text));
        Ok(Answer::text(StatusCode::OK, text))
    }

    fn matcher(
        &self,
        text: &str,
        resource_types: &[Arc<ResourceType>],
        via: Via,
        exchange: &Exchange,
    ) -> Result<Arc<Matcher>, Error> {
        let dialect = &exchange.caller.dialect;
        let options = scim_filter::Options {
            limits: self.config.filter,
            value_path_sub_attribute: dialect.filter_value_path_sub_attribute,
        };
        let filter = Filter::parse_with(text, &options)
            .map_err(|e| Error::new(ErrorKind::InvalidFilter, e.to_string()))?;
        let options = MatchOptions { base: Some(Arc::clone(&exchange.base)) };
        let matcher = Matcher::new(&filter, resource_types, &options).map_err(|e| {
            let error = Error::from(e);
            if error.kind() == ErrorKind::Sensitive && !dialect.hidden_is_sensitive {
                Error::new(ErrorKind::InvalidFilter, error.detail())
            } else {
                error
            }
        })?;
        let exposed = self.config.sensitive_attributes.iter().any(|path| matcher.uses(path));
        if via == Via::Get && exposed {
            return Err(Error::new(
                ErrorKind::Sensitive,
                "the filter names a sensitive attribute, which must not stand in a URL; search by POST",
            ));
        }
        Ok(Arc::new(matcher))
    }

    /// How pages are found, and how many resources this one has at most.
    fn paging(&self, params: &Params, bound: &[u8], exchange: &Exchange) -> Result<(Paging, usize), Error> {
        let max = self.config.max_page_size;
        let count = params.count.map(|c| usize::try_from(c.max(0)).unwrap_or(usize::MAX));
        let by_default = self.config.cursor_by_default && params.start_index.is_none();
        if params.cursor.is_none() && !by_default {
            let start = u64::try_from(params.start_index.unwrap_or(1).max(1)).unwrap_or(1);
            let count = count.unwrap_or(self.config.default_page_size).min(max);
            return Ok((Paging::Index { start }, count));
        }
        if count.is_some_and(|c| c > max) {
            return Err(Error::new(ErrorKind::InvalidCount, format!("count must be between 0 and {max}")));
        }
        let cursor = match params.cursor.as_deref() {
            None | Some("") => None,
            Some(text) => Some(self.cursors.open(text, bound, exchange.now)?),
        };
        let count = match (&cursor, count) {
            (Some(cursor), given) => {
                let issued = usize::try_from(cursor.count).unwrap_or(max);
                if given.is_some_and(|g| g != issued) {
                    return Err(Error::new(
                        ErrorKind::InvalidCount,
                        "count must be the same for all pages of a cursor",
                    ));
                }
                issued
            }
            (None, given) => given.unwrap_or(self.config.default_page_size.min(max)),
        };
        Ok((Paging::Cursor(cursor), count))
    }

    /// What is said of a page beside its resources: where in all results it stands.
    fn list_response(
        &self,
        query: &Query,
        page: &Page,
        paging: &Paging,
        count: usize,
        bound: &[u8],
        exchange: &Exchange,
    ) -> Result<ListResponse, Error> {
        let mut response = ListResponse::new(page.total, page.resources.len());
        match paging {
            Paging::Index { start } => response.start_index = Some(*start),
            Paging::Cursor(_) => {
                let seal = |position: Position, backwards| {
                    let cursor = Cursor { position, backwards, count: count as u64 };
                    self.cursors.seal(&cursor, bound, exchange.now)
                };
                if let Some(last) = page.resources.last().filter(|_| page.more_after) {
                    response.next_cursor = Some(seal(Position::of(query, last), false)?);
                }
                if let Some(first) = page.resources.first().filter(|_| page.more_before) {
                    response.previous_cursor = Some(seal(Position::of(query, first), true)?);
                }
            }
        }
        Ok(response)
    }
}

fn sort(
    path: &str,
    descending: bool,
    resource_types: &[Arc<ResourceType>],
    exchange: &Exchange,
) -> Result<Sort, Error> {
    Sort::new(path, descending, resource_types).map_err(|e| {
        let kind = match e {
            SortError::Sensitive if exchange.caller.dialect.hidden_is_sensitive => ErrorKind::Sensitive,
            _ => ErrorKind::InvalidValue,
        };
        Error::new(kind, e.to_string())
    })
}

/// What a cursor is bound to: who asks, with which credentials, and the whole query but the page (ledger
/// choice `cursor-binding`).
fn bind(resource_type: Option<&Arc<ResourceType>>, params: &Params, exchange: &Exchange) -> Vec<u8> {
    let (kind, names) = match &params.selection {
        Selection::Default => ("default", String::new()),
        Selection::Only(names) => ("only", names.join(",")),
        Selection::Except(names) => ("except", names.join(",")),
    };
    binding([
        exchange.caller.tenant.as_str(),
        &exchange.caller.credential,
        resource_type.map_or("", |t| t.endpoint()),
        params.filter.as_deref().unwrap_or_default(),
        params.sort_by.as_deref().unwrap_or_default(),
        if params.descending { "descending" } else { "ascending" },
        kind,
        &names,
    ])
}
