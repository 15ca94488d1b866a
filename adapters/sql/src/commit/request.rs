//! A batch on its way to the database.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use scim_core::{Batch, Change, Committed, Document, Precondition, StoreError, TenantId, Write};

use super::once::at_once;
use super::together::Columns;
use super::{Current, Draft, commit, committed, drafts, label};
use crate::error::DatabaseError;
use crate::index::{Index, unique_text};
use crate::params;
use crate::session::Session;

/// What [`Store::commit`](scim_core::Store::commit) is asked for.
pub(crate) struct Request {
    index: Arc<Index>,
    tenant: TenantId,
    batch: Batch,
    drafts: Vec<Option<Draft>>,
}

/// Resources with all that belongs to them, if nothing is in the way of any of them. Each value names the tenant
/// and the id of its resource, which come once. Unique values are taken in one order by all who take several.
pub(super) const INSERT: &str = "WITH free AS (
         SELECT 1
         WHERE NOT EXISTS (SELECT 1 FROM unnest(?1, ?3) AS r (tenant, id), LATERAL (
                 SELECT 1 FROM scim_resources s WHERE s.tenant = r.tenant AND s.id = r.id LIMIT 1) AS found)
             AND NOT EXISTS (SELECT 1 FROM unnest(?10, ?11, ?13, ?14) AS u (tenant, type, attribute, key), LATERAL (
                 SELECT 1 FROM scim_unique_keys k WHERE k.tenant = u.tenant AND k.type = u.type
                     AND k.attribute = u.attribute AND k.key = u.key LIMIT 1) AS found)),
     logged AS (
         INSERT INTO scim_changes (tenant, type, id, kind, version, created, modified, document,
             cause, request_id, time)
         SELECT r.tenant, r.type, r.id, 'created', 1, r.now::bigint, r.now::bigint, '',
             r.cause, r.request_id, r.now::bigint
         FROM free, unnest(?1, ?2, ?3, ?4, ?8, ?9) WITH ORDINALITY
             AS r (tenant, type, id, now, cause, request_id, place)
         ORDER BY r.place
         RETURNING seq, tenant, id),
     unsequenced AS (INSERT INTO scim_unsequenced (seq) SELECT seq FROM logged),
     inserted AS (
         INSERT INTO scim_resources
             (tenant, type, id, version, created, modified, label, unique_keys, document, created_by)
         SELECT r.tenant, r.type, r.id, 1, r.now::bigint, r.now::bigint, r.label, r.unique_keys, r.document, l.seq
         FROM unnest(?1, ?2, ?3, ?4, ?5, ?6, ?7) AS r (tenant, type, id, now, label, unique_keys, document)
             JOIN logged l ON l.tenant = r.tenant AND l.id = r.id
         ORDER BY l.seq
         RETURNING n, tenant, type, id, created),
     taken AS (
         INSERT INTO scim_unique_keys (tenant, type, attribute, key, resource)
         SELECT u.tenant, u.type, u.attribute, u.key, i.n
         FROM unnest(?10, ?11, ?12, ?13, ?14) AS u (tenant, type, id, attribute, key)
             JOIN inserted i ON i.tenant = u.tenant AND i.id = u.id
         ORDER BY u.tenant, u.type, u.attribute, u.key),
     indexed AS (
         INSERT INTO scim_values (tenant, type, attribute, value, created, id, resource)
         SELECT i.tenant, i.type, v.attribute, v.value, i.created, i.id, i.n
         FROM unnest(?15, ?16, ?17, ?18) AS v (tenant, id, attribute, value)
             JOIN inserted i ON i.tenant = v.tenant AND i.id = v.id),
     counted AS (
         INSERT INTO scim_counts (tenant, type, shard, resources)
         SELECT tenant, type, ?19, count(*) FROM inserted GROUP BY tenant, type ORDER BY tenant, type
         ON CONFLICT (tenant, type, shard) DO UPDATE SET resources = scim_counts.resources + excluded.resources)
     SELECT count(*) FROM inserted HAVING count(*) > 0";

impl Request {
    pub(crate) fn new(index: &Arc<Index>, tenant: &TenantId, batch: Batch) -> Self {
        let drafts = drafts(index, &batch);
        Self { index: Arc::clone(index), tenant: tenant.clone(), batch, drafts }
    }

    /// Does it, in the transaction of the session or in one of its own.
    pub(crate) fn run(&self, session: &Session<'_>) -> Result<Vec<Committed>, StoreError> {
        let drafts: Vec<Option<&Draft>> = self.drafts.iter().map(Option::as_ref).collect();
        if let Some(done) = at_once(session, &self.tenant, &self.batch, &drafts)? {
            return Ok(vec![done]);
        }
        commit(session, &self.index, &self.tenant, &self.batch, &drafts)
    }

    /// Whether it may be one of several that are done together: a new resource without members.
    pub(crate) fn can_be_joined(&self) -> bool {
        self.insertion().is_some()
    }

    fn insertion(&self) -> Option<Insertion<'_>> {
        let ([write], [Some(draft)]) = (self.batch.writes.as_slice(), self.drafts.as_slice()) else {
            return None;
        };
        match (&write.change, write.precondition) {
            (Change::Insert { document, members }, Precondition::Absent) if members.is_empty() => {
                Some(Insertion { request: self, write, document, draft })
            }
            _ => None,
        }
    }

    /// Does several that can be joined, as one statement that is a transaction of its own. `None`: something is
    /// in the way of one of them, and nothing was written.
    pub(crate) fn run_together(
        session: &Session<'_>,
        requests: &[&Self],
    ) -> Result<Option<Vec<Vec<Committed>>>, DatabaseError> {
        let insertions: Vec<Insertion<'_>> = requests.iter().filter_map(|r| r.insertion()).collect();
        if insertions.len() < requests.len() || !are_apart(&insertions) {
            return Ok(None);
        }
        let times: Vec<String> = insertions.iter().map(|i| i.now().to_string()).collect();
        let Columns([tenants, types, ids, times, labels, unique, documents, causes, request_ids]) =
            Columns::of(insertions.iter().zip(&times).map(|(i, time)| {
                let cause = &i.request.batch.cause;
                [
                    Some(i.tenant()),
                    Some(i.resource_type()),
                    Some(i.id()),
                    Some(time.as_str()),
                    label(i.document),
                    Some(i.draft.unique.as_str()),
                    Some(i.draft.text.as_str()),
                    Some(cause.kind.as_str()),
                    Some(cause.request_id.as_str()),
                ]
            }));
        let keys: Vec<_> = insertions.iter().flat_map(Insertion::keys).collect();
        let Columns([key_tenants, key_types, key_ids, key_attributes, keys]) =
            Columns::of(keys.iter().map(|(i, attribute, key)| {
                [i.tenant(), i.resource_type(), i.id(), attribute, key.as_ref()].map(Some)
            }));
        let Columns([value_tenants, value_ids, paths, values]) =
            Columns::of(insertions.iter().flat_map(|i| {
                i.draft.values.iter().map(|(path, value)| [i.tenant(), i.id(), path, value].map(Some))
            }));
        let params = params![
            &tenants,
            &types,
            &ids,
            &times,
            &labels,
            &unique,
            &documents,
            &causes,
            &request_ids,
            &key_tenants,
            &key_types,
            &key_ids,
            &key_attributes,
            &keys,
            &value_tenants,
            &value_ids,
            &paths,
            &values,
            session.shard()
        ];
        let inserted = session.once(INSERT, params, |row| row.int(0))?;
        let done = |i: &Insertion<'_>| {
            let current = Current { n: 0, version: 1, created: i.now(), modified: i.now() };
            vec![committed(&current, true, Vec::new(), Vec::new())]
        };
        Ok(inserted.map(|_| insertions.iter().map(done).collect()))
    }
}

/// A request for a new resource without members.
struct Insertion<'r> {
    request: &'r Request,
    write: &'r Write,
    document: &'r Document,
    draft: &'r Draft,
}

impl<'r> Insertion<'r> {
    fn tenant(&self) -> &'r str {
        self.request.tenant.as_str()
    }

    fn resource_type(&self) -> &'r str {
        self.write.resource_type.name()
    }

    fn id(&self) -> &'r str {
        &self.write.id
    }

    fn now(&self) -> i64 {
        self.request.batch.now.unix_micros()
    }

    fn keys(&self) -> impl Iterator<Item = (&Self, &'r str, Cow<'r, str>)> {
        self.document.unique.iter().map(move |key| (self, key.attribute.as_str(), unique_text(&key.value)))
    }
}

/// Whether no two of them want the same.
fn are_apart(insertions: &[Insertion<'_>]) -> bool {
    let (mut ids, mut keys) = (HashSet::new(), HashSet::new());
    insertions.iter().all(|i| {
        ids.insert((i.tenant(), i.id()))
            && i.keys()
                .all(|(_, attribute, key)| keys.insert((i.tenant(), i.resource_type(), attribute, key)))
    })
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}
