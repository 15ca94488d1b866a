//! Many inserts at once, where a batch begins with or comes to several of them: on PostgreSQL one statement,
//! whose cost is not that of its round trip.

use std::borrow::Cow;
use std::collections::HashSet;

use scim_core::{Change, ChangeKind, Committed, Precondition, StoreError};
use scim_schema::UniqueKey;

use super::{Commit, Current, Planned, committed, label};
use crate::error::DatabaseError;
use crate::index::unique_text;
use crate::params;
use crate::session::{Engine, int};

/// How many resources one statement inserts at most.
const MOST: usize = 256;

/// Resources with their keys, values and log entries. Each key and value names the id of its resource, which
/// comes once. Of a new resource no value can be there yet. Whether the ids are free is looked at first, as where one is
/// inserted.
const INSERT_TOGETHER: &str = "WITH logged AS (
         INSERT INTO scim_changes (tenant, type, id, kind, version, created, modified, document,
             cause, request_id, time)
         SELECT ?1, ?2, r.id, ?14, 1, ?3, ?3, '', ?15, ?16, ?3
         FROM unnest(?4) WITH ORDINALITY AS r (id, place)
         WHERE NOT EXISTS (SELECT 1 FROM scim_resources s WHERE s.tenant = ?1 AND s.id = r.id)
         ORDER BY r.place
         RETURNING seq, id),
     unsequenced AS (INSERT INTO scim_unsequenced (seq) SELECT seq FROM logged),
     inserted AS (
         INSERT INTO scim_resources
             (tenant, type, id, version, created, modified, label, unique_keys, document, created_by)
         SELECT ?1, ?2, r.id, 1, ?3, ?3, r.label, r.unique_keys, r.document, l.seq
         FROM unnest(?4, ?5, ?6, ?7) AS r (id, label, unique_keys, document) JOIN logged l ON l.id = r.id
         ORDER BY l.seq
         ON CONFLICT DO NOTHING RETURNING n, id),
     taken AS (
         INSERT INTO scim_unique_keys (tenant, type, attribute, key, resource)
         SELECT ?1, ?2, u.attribute, u.key, i.n
         FROM unnest(?8, ?9, ?10) AS u (id, attribute, key) JOIN inserted i ON i.id = u.id
         ON CONFLICT DO NOTHING RETURNING resource),
     indexed AS (
         INSERT INTO scim_values (tenant, type, attribute, value, created, id, resource)
         SELECT ?1, ?2, v.attribute, v.value, ?3, i.id, i.n
         FROM unnest(?11, ?12, ?13) AS v (id, attribute, value) JOIN inserted i ON i.id = v.id)
     SELECT (SELECT count(*) FROM inserted), (SELECT count(*) FROM taken)";

impl<'c> Commit<'c> {
    /// How many writes from the first on can be one statement: inserts of one type, without members, under
    /// different ids.
    pub(super) fn alike(&self, writes: &[Planned<'_>]) -> usize {
        if self.session.engine() == Engine::Sqlite {
            return 0;
        }
        let Some((first, _)) = writes.first() else { return 0 };
        let mut ids: HashSet<&str> = HashSet::new();
        let mut together = 0;
        for (write, _) in writes.iter().take(MOST) {
            let is_alike = write.resource_type.name() == first.resource_type.name()
                && write.precondition == Precondition::Absent
                && matches!(&write.change, Change::Insert { members, .. } if members.is_empty());
            if !is_alike || !ids.insert(&write.id) {
                break;
            }
            together += 1;
        }
        together
    }

    /// Inserts what [`Commit::alike`] has counted. `None`: something is taken that one of them needs, and
    /// nothing was inserted.
    pub(super) fn insert_together(
        &mut self,
        writes: &[Planned<'c>],
    ) -> Result<Option<Vec<Committed>>, StoreError> {
        let Some((first, _)) = writes.first() else { return Ok(Some(Vec::new())) };
        self.session.execute("SAVEPOINT together", &[])?;
        let name = first.resource_type.name();
        let documents = || {
            writes.iter().filter_map(|(write, draft)| match &write.change {
                Change::Insert { document, .. } => Some((*write, document, (*draft)?)),
                _ => None,
            })
        };
        let ids: Vec<Option<&str>> = documents().map(|(write, ..)| Some(write.id.as_str())).collect();
        let labels: Vec<Option<&str>> = documents().map(|(_, document, _)| label(document)).collect();
        let unique: Vec<Option<&str>> = documents().map(|(.., d)| Some(d.unique.as_str())).collect();
        let texts: Vec<Option<&str>> = documents().map(|(.., d)| Some(d.text.as_str())).collect();
        let keys: Vec<(&str, &str, Cow<'_, str>)> = documents()
            .flat_map(|(write, document, _)| {
                let key =
                    |key: &'c UniqueKey| (write.id.as_str(), key.attribute.as_str(), unique_text(&key.value));
                document.unique.iter().map(key)
            })
            .collect();
        let Columns([key_ids, key_attributes, keys]) =
            Columns::of(keys.iter().map(|(id, attribute, key)| [id, *attribute, key.as_ref()].map(Some)));
        let Columns([value_ids, paths, values]) = Columns::of(documents().flat_map(|(write, _, draft)| {
            draft.values.iter().map(|(path, value)| [write.id.as_str(), path, value].map(Some))
        }));
        let now = self.batch.now.unix_micros();
        let found = self.session.first(
            INSERT_TOGETHER,
            params![
                self.tenant,
                name,
                now,
                &ids,
                &labels,
                &unique,
                &texts,
                &key_ids,
                &key_attributes,
                &keys,
                &value_ids,
                &paths,
                &values,
                ChangeKind::Created.as_str(),
                &self.batch.cause.kind,
                &self.batch.cause.request_id
            ],
            |row| Ok::<_, DatabaseError>((row.int(0)?, row.int(1)?)),
        )?;
        let (inserted, taken) = found.unwrap_or_default();
        if inserted < int(writes.len() as u64) || taken < int(keys.len() as u64) {
            self.session.execute("ROLLBACK TO SAVEPOINT together", &[])?;
            return Ok(None);
        }
        *self.counts.entry(name).or_default() += int(writes.len() as u64);
        let current = Current { n: 0, version: 1, created: now, modified: now };
        Ok(Some(writes.iter().map(|_| committed(&current, true, Vec::new(), Vec::new())).collect()))
    }
}

/// Rows of texts, as arrays.
pub(super) struct Columns<'t, const N: usize>(pub(super) [Vec<Option<&'t str>>; N]);

impl<'t, const N: usize> Columns<'t, N> {
    pub(super) fn of(rows: impl Iterator<Item = [Option<&'t str>; N]>) -> Self {
        let mut columns = std::array::from_fn(|_| Vec::new());
        for row in rows {
            for (column, text) in columns.iter_mut().zip(row) {
                column.push(text);
            }
        }
        Self(columns)
    }
}
