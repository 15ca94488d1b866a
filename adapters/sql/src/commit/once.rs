//! One simple write as one statement that is a transaction of its own: one round trip to PostgreSQL.
//!
//! Each statement looks first, and writes only what it finds possible; else it answers no row, has written
//! nothing, and the steps of a transaction say why. What it finds is as old as its beginning. If another commits
//! in between, either a unique index refuses the whole statement, or the version of the resource is another when
//! its row is locked: each change of it, and of its members, makes a new one.
//!
//! Rows are looked for by all columns of a unique index, or one by one: a plan that is made while the tables are
//! empty must do when they are not.

use scim_core::{
    Batch, Change, Committed, Document, Member, MembersChange, Precondition, StoreError, TenantId, Write,
};
use scim_schema::fold;

use super::{Current, Draft, committed, label};
use crate::error::DatabaseError;
use crate::index::unique_text;
use crate::params;
use crate::rows;
use crate::session::{Param, Row, Session, is_storable};

/// A resource with one unique value.
const INSERT: &str = "WITH free AS (
         SELECT 1
         WHERE NOT EXISTS (SELECT 1 FROM scim_resources WHERE tenant = ?1 AND id = ?3)
             AND NOT EXISTS (SELECT 1 FROM scim_unique_keys
                 WHERE tenant = ?1 AND type = ?2 AND attribute = ?8 AND key = ?9)),
     logged AS (
         INSERT INTO scim_changes (tenant, type, id, kind, version, created, modified, document,
             cause, request_id, time)
         SELECT ?1, ?2, ?3, 'created', 1, ?4, ?4, '', ?12, ?13, ?4 FROM free
         RETURNING seq),
     unsequenced AS (INSERT INTO scim_unsequenced (seq) SELECT seq FROM logged),
     inserted AS (
         INSERT INTO scim_resources
             (tenant, type, id, version, created, modified, label, unique_keys, document, created_by)
         SELECT ?1, ?2, ?3, 1, ?4, ?4, ?5, ?6, ?7, seq FROM logged
         RETURNING n),
     taken AS (
         INSERT INTO scim_unique_keys (tenant, type, attribute, key, resource)
         SELECT ?1, ?2, ?8, ?9, n FROM inserted),
     indexed AS (
         INSERT INTO scim_values (tenant, type, attribute, value, created, id, resource)
         SELECT ?1, ?2, v.attribute, v.value, ?4, ?3, i.n
         FROM inserted i, unnest(?10, ?11) AS v (attribute, value)),
     counted AS (
         INSERT INTO scim_counts (tenant, type, shard, resources)
         SELECT ?1, ?2, ?14, 1 FROM inserted
         ON CONFLICT (tenant, type, shard) DO UPDATE SET resources = scim_counts.resources + 1)
     SELECT n FROM inserted";

/// One more version of a resource, if its row is the one that the statement began with, and what the log has of
/// it: the end of both statements for members. `?6` is the time, `?7` the version that is wanted, or 0.
macro_rules! touched {
    ($condition:literal) => {
        concat!(
            "seen AS MATERIALIZED (SELECT n, version FROM scim_resources WHERE tenant = ?1 AND id = ?2),
             touched AS (
                 UPDATE scim_resources SET version = version + 1, modified = greatest(?6, modified + 1)
                 WHERE n = (SELECT n FROM seen) AND version = (SELECT version FROM seen)
                     AND type = ?3 AND (?7 = 0 OR version = ?7) AND ",
            $condition,
            " RETURNING tenant, type, id, version, created, modified, document, created_by),
             logged AS (
                 INSERT INTO scim_changes (tenant, type, id, kind, version, created, modified, document,
                     changes, cause, request_id, time)
                 SELECT tenant, type, id, 'updated', version, created, modified, document, ?8, ?9, ?10, ?6
                 FROM touched
                 RETURNING seq),
             unsequenced AS (INSERT INTO scim_unsequenced (seq) SELECT seq FROM logged),
             kept AS (
                 UPDATE scim_changes SET document = (SELECT document FROM touched)
                 WHERE seq = (SELECT created_by FROM touched WHERE version = 2) AND document = '')"
        )
    };
}

/// A member that is there, and stays until the commit.
const ADD_MEMBER: &str = concat!(
    "WITH there AS MATERIALIZED (
         SELECT 1 FROM scim_resources WHERE tenant = ?1 AND id = ?4 FOR KEY SHARE), ",
    touched!(
        "EXISTS (SELECT 1 FROM there) AND NOT EXISTS (SELECT 1 FROM scim_members
             WHERE tenant = ?1 AND member_key = ?5 AND holder = ?2 AND member = ?4)"
    ),
    ", linked AS (
         INSERT INTO scim_members (tenant, holder, position, member, member_key, member_type, display)
         SELECT ?1, ?2, 1 + coalesce((SELECT position FROM scim_members WHERE tenant = ?1 AND holder = ?2
             ORDER BY position DESC LIMIT 1), 0), ?4, ?5, ?11, ?12 FROM touched),
     named AS (
         INSERT INTO scim_change_members (seq, added, position, member, member_type, display)
         SELECT seq, 1, 1, ?4, ?11, ?12 FROM logged)
     SELECT version, created, modified FROM touched"
);

const REMOVE_MEMBER: &str = concat!(
    "WITH edge AS MATERIALIZED (
         SELECT member, member_type, display FROM scim_members
         WHERE tenant = ?1 AND member_key = ?5 AND holder = ?2 AND member = ?4), ",
    touched!("EXISTS (SELECT 1 FROM edge)"),
    ", gone AS (
         DELETE FROM scim_members
         WHERE tenant = ?1 AND member_key = ?5 AND holder = ?2 AND member = ?4
             AND EXISTS (SELECT 1 FROM touched)),
     named AS (
         INSERT INTO scim_change_members (seq, added, position, member, member_type, display)
         SELECT l.seq, 0, 1, e.member, e.member_type, e.display FROM logged l, edge e)
     SELECT t.version, t.created, t.modified, e.member, e.member_type, e.display FROM touched t, edge e"
);

/// Does what a batch asks for, if it is one write of a kind that there is a statement for and nothing is in its
/// way. `None`: nothing was written, and the transaction has not begun.
pub(super) fn at_once(
    session: &Session<'_>,
    tenant: &TenantId,
    batch: &Batch,
    drafts: &[Option<&Draft>],
) -> Result<Option<Committed>, StoreError> {
    let ([write], [draft]) = (batch.writes.as_slice(), drafts) else { return Ok(None) };
    let once = Once { session, tenant: tenant.as_str(), batch, write };
    match (&write.change, write.precondition, draft) {
        (Change::Insert { document, members }, Precondition::Absent, Some(draft)) if members.is_empty() => {
            once.insert(document, draft)
        }
        (Change::Update { document: None, members: MembersChange::Delta(delta), .. }, precondition, _)
            if !delta.clear =>
        {
            let version = match precondition {
                Precondition::Version(version) => version,
                Precondition::Any => 0,
                Precondition::Absent => return Ok(None),
            };
            match (delta.add.as_slice(), delta.remove.as_slice()) {
                ([member], []) => once.add(version, member),
                ([], [member]) => once.remove(version, member),
                _ => Ok(None),
            }
        }
        _ => Ok(None),
    }
}

struct Once<'c> {
    session: &'c Session<'c>,
    tenant: &'c str,
    batch: &'c Batch,
    write: &'c Write,
}

impl Once<'_> {
    fn insert(&self, document: &Document, draft: &Draft) -> Result<Option<Committed>, StoreError> {
        let [unique] = document.unique.as_slice() else { return Ok(None) };
        let (paths, values): (Vec<_>, Vec<_>) =
            draft.values.iter().map(|(path, value)| (Some(&**path), Some(value.as_str()))).unzip();
        let (now, key) = (self.batch.now.unix_micros(), unique_text(&unique.value));
        let params = params![
            self.tenant,
            self.write.resource_type.name(),
            &self.write.id,
            now,
            label(document),
            &draft.unique,
            &draft.text,
            &unique.attribute,
            key.as_ref(),
            &paths,
            &values,
            &self.batch.cause.kind,
            &self.batch.cause.request_id,
            self.session.shard()
        ];
        let inserted = self.session.once(INSERT, params, |row| row.int(0))?;
        Ok(inserted.map(|n| {
            let current = Current { n, version: 1, created: now, modified: now };
            committed(&current, true, Vec::new(), Vec::new())
        }))
    }

    fn add(&self, version: u64, member: &Member) -> Result<Option<Committed>, StoreError> {
        let more = [member.resource_type.as_deref().into(), member.display.as_deref().into()];
        self.change(ADD_MEMBER, version, &member.id, &more, |row| {
            Ok(committed(&current(row)?, true, vec![member.clone()], Vec::new()))
        })
    }

    fn remove(&self, version: u64, member: &str) -> Result<Option<Committed>, StoreError> {
        self.change(REMOVE_MEMBER, version, member, &[], |row| {
            Ok(committed(&current(row)?, true, Vec::new(), vec![rows::member(row, 3)?]))
        })
    }

    fn change(
        &self,
        sql: &str,
        version: u64,
        member: &str,
        more: &[Param<'_>],
        read: impl FnOnce(&Row<'_>) -> Result<Committed, DatabaseError>,
    ) -> Result<Option<Committed>, StoreError> {
        let Change::Update { changes, .. } = &self.write.change else { return Ok(None) };
        if !is_storable(&self.write.id) || !is_storable(member) {
            return Ok(None);
        }
        let (key, changes) = (fold(member), rows::changes_to_text(changes)?);
        let params = params![
            self.tenant,
            &self.write.id,
            self.write.resource_type.name(),
            member,
            key.as_ref(),
            self.batch.now.unix_micros(),
            version,
            changes.as_deref(),
            &self.batch.cause.kind,
            &self.batch.cause.request_id
        ];
        let params: Vec<Param<'_>> = params.iter().chain(more).copied().collect();
        Ok(self.session.once(sql, &params, read)?)
    }
}

/// The state of a resource behind its change.
fn current(row: &Row<'_>) -> Result<Current, DatabaseError> {
    Ok(Current { n: 0, version: row.unsigned(0)?, created: row.int(1)?, modified: row.int(2)? })
}

#[cfg(test)]
mod tests {
    use scim_schema::Registry;

    use super::*;
    use crate::commit::request;
    use crate::{Database, PostgresOptions, SqlStore};

    /// What the server makes of the statements for all parameters, when it knows nothing of the tables yet.
    #[tokio::test]
    async fn plans_of_empty_tables_do_for_full_ones() {
        let cluster = scim_test_postgres::Cluster::shared().unwrap();
        let url = cluster.database().unwrap();
        let database = Database::connect(PostgresOptions::new(&url).unwrap()).await.unwrap();
        let _store = SqlStore::new(database, Registry::standard()).await.unwrap();
        let name = url.rsplit('/').next().unwrap();
        let (text, int, texts) = (("text", "'x'"), ("bigint", "1"), ("text[]", "ARRAY['1']"));
        let alone =
            [vec![text; 3], vec![int], vec![text; 5], vec![texts; 2], vec![text; 2], vec![int]].concat();
        let remove = [vec![text; 5], vec![int; 2], vec![text; 3]].concat();
        let add = [remove.clone(), vec![text; 2]].concat();
        let together = [vec![texts; 18], vec![int]].concat();
        for (sql, params) in
            [(INSERT, alone), (ADD_MEMBER, add), (REMOVE_MEMBER, remove), (request::INSERT, together)]
        {
            let (types, values): (Vec<_>, Vec<_>) = params.into_iter().unzip();
            let script = format!(
                "SET plan_cache_mode = force_generic_plan; PREPARE once ({}) AS {}; EXPLAIN EXECUTE once ({})",
                types.join(", "),
                sql.replace('?', "$"),
                values.join(", ")
            );
            let plan = cluster.sql(name, &script).unwrap();
            assert!(plan.contains("Index"), "{plan}");
            for slow in ["Seq Scan", "scim_resources_by_change", "scim_resources_by_creation"] {
                assert!(!plan.contains(slow), "{plan}");
            }
        }
    }
}
