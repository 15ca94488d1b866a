//! A batch of writes, step by step. It runs in a transaction that ends with it: whatever fails here,
//! nothing of the batch stays.
//!
//! On PostgreSQL many batches run at once. A resource is locked before it is looked at, and stays so until
//! the commit; of several the one with the smaller id first.

mod draft;
mod log;
mod members;
mod once;
mod request;
mod together;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use scim_core::{
    Batch, Change, ChangeKind, Committed, Document, Member, Precondition, StoreError, TenantId, Write,
};
use scim_schema::{DateTime, UniqueKey, fold};

pub use self::draft::Draft;
pub(crate) use self::draft::draft;
use self::draft::drafts;
use self::log::Entry;
pub(crate) use self::request::Request;

use crate::error::DatabaseError;
use crate::index::{FORGET_VALUE, INSERT_UNIQUE, INSERT_VALUE, Index, RowKey, unique_text};
use crate::params;
use crate::rows;
use crate::session::{Engine, Session, Statement, int, is_storable};

/// Applies a batch, of whose writes there are drafts.
pub(crate) fn commit(
    session: &Session<'_>,
    index: &Index,
    tenant: &TenantId,
    batch: &Batch,
    drafts: &[Option<&Draft>],
) -> Result<Vec<Committed>, StoreError> {
    let tenant = tenant.as_str();
    let mut commit =
        Commit { session, index, tenant, batch, counts: BTreeMap::new(), added: Vec::new(), counted: false };
    commit.lock()?;
    let mut committed = Vec::with_capacity(batch.writes.len());
    let planned: Vec<Planned<'_>> = batch.writes.iter().zip(drafts.iter().copied()).collect();
    let mut writes = planned.as_slice();
    while let Some((first, rest)) = writes.split_first() {
        let together = commit.alike(writes);
        match writes.split_at_checked(together) {
            Some((some, others)) if together > 1 => {
                match commit.insert_together(some)? {
                    Some(inserted) => committed.extend(inserted),
                    // One by one they tell which of them it is, and why.
                    None => {
                        for planned in some {
                            committed.push(commit.apply(*planned)?);
                        }
                    }
                }
                writes = others;
            }
            _ => {
                committed.push(commit.apply(*first)?);
                writes = rest;
            }
        }
    }
    commit.check_members()?;
    commit.update_counts()?;
    Ok(committed)
}

/// A write, and the draft of its document if it has one.
type Planned<'c> = (&'c Write, Option<&'c Draft>);

struct Commit<'c> {
    session: &'c Session<'c>,
    index: &'c Index,
    tenant: &'c str,
    batch: &'c Batch,
    /// How many resources came, less those that went, of each type.
    counts: BTreeMap<&'c str, i64>,
    /// Ids of members that were added.
    added: Vec<String>,
    /// The one insert of the batch has counted itself.
    counted: bool,
}

/// The state of a resource before a write.
struct Current {
    n: i64,
    version: u64,
    created: i64,
    modified: i64,
}

/// What a resource held before a write.
struct Old {
    text: String,
    unique: Vec<UniqueKey>,
}

/// How a row is read before it is written.
const CURRENT: &str = "SELECT n, version, created, modified, type, document, unique_keys FROM scim_resources
     WHERE tenant = ?1 AND id = ?2";
const CURRENT_TO_UPDATE: &str =
    "SELECT n, version, created, modified, type, document, unique_keys FROM scim_resources
     WHERE tenant = ?1 AND id = ?2 FOR NO KEY UPDATE";
const CURRENT_TO_DELETE: &str =
    "SELECT n, version, created, modified, type, document, unique_keys FROM scim_resources
     WHERE tenant = ?1 AND id = ?2 FOR UPDATE";

/// All that an insert writes, at once. It counts the resource where `?15` is 1.
///
/// It looks first whether the id is free: the change has its number before the index says so, and would come before the
/// deletion of another resource of that id which the index waits for.
const INSERT_ON_POSTGRES: &str = "WITH logged AS (
         INSERT INTO scim_changes (tenant, type, id, kind, version, created, modified, document,
             cause, request_id, time)
         SELECT ?1, ?2, ?3, 'created', 1, ?4, ?4, '', ?12, ?13, ?4
         WHERE NOT EXISTS (SELECT 1 FROM scim_resources WHERE tenant = ?1 AND id = ?3)
         RETURNING seq),
     unsequenced AS (INSERT INTO scim_unsequenced (seq) SELECT seq FROM logged),
     inserted AS (
         INSERT INTO scim_resources
             (tenant, type, id, version, created, modified, label, unique_keys, document, created_by)
         SELECT ?1, ?2, ?3, 1, ?4, ?4, ?5, ?6, ?7, seq FROM logged ON CONFLICT DO NOTHING
         RETURNING n, created_by),
     taken AS (
         INSERT INTO scim_unique_keys (tenant, type, attribute, key, resource)
         SELECT ?1, ?2, u.attribute, u.key, i.n FROM inserted i, unnest(?8, ?9) AS u (attribute, key)
         ON CONFLICT DO NOTHING RETURNING resource),
     indexed AS (
         INSERT INTO scim_values (tenant, type, attribute, value, created, id, resource)
         SELECT ?1, ?2, v.attribute, v.value, ?4, ?3, i.n
         FROM inserted i, unnest(?10, ?11) AS v (attribute, value)),
     counted AS (
         INSERT INTO scim_counts (tenant, type, shard, resources)
         SELECT ?1, ?2, ?14, 1 FROM inserted WHERE ?15 = 1
         ON CONFLICT (tenant, type, shard) DO UPDATE SET resources = scim_counts.resources + 1)
     SELECT i.n, (SELECT count(*) FROM taken), i.created_by FROM inserted i";

impl<'c> Commit<'c> {
    /// Locks all that are written, in one order for all batches.
    fn lock(&self) -> Result<(), DatabaseError> {
        if self.session.engine() == Engine::Sqlite || self.batch.writes.len() < 2 {
            return Ok(());
        }
        let there = self.batch.writes.iter().filter(|w| !matches!(w.change, Change::Insert { .. }));
        let ids: Vec<Option<&str>> = there.map(|w| Some(w.id.as_str())).collect();
        if !ids.is_empty() {
            let sql =
                "SELECT 1 FROM scim_resources WHERE tenant = ?1 AND id = ANY(?2) ORDER BY id FOR UPDATE";
            self.session.execute(sql, params![self.tenant, &ids])?;
        }
        Ok(())
    }

    fn apply(&mut self, (write, draft): Planned<'c>) -> Result<Committed, StoreError> {
        if let (Change::Insert { document, members }, Precondition::Absent, Some(draft)) =
            (&write.change, write.precondition, draft)
        {
            // That there is none under this id is left to the index to say.
            return self.insert(write, document, draft, members);
        }
        let Some((current, old)) = self.current(write)? else { return Err(StoreError::NotFound) };
        match write.precondition {
            Precondition::Absent => return Err(id_taken()),
            Precondition::Version(expected) if current.version != expected => {
                return Err(StoreError::VersionMismatch { current: current.version });
            }
            Precondition::Version(_) | Precondition::Any => {}
        }
        match &write.change {
            Change::Insert { .. } => Err(id_taken()),
            Change::Update { document, changes, members } => {
                let replaced = match (document, draft) {
                    (Some(document), Some(draft)) => {
                        self.replace_document(write, &current, &old, document, draft)?
                    }
                    _ => false,
                };
                // What is never returned is in `changes` only: the document is the same.
                let changed = replaced || (document.is_some() && !changes.is_empty());
                let (added, removed) = self.change_members(&write.id, members)?;
                if !changed && added.is_empty() && removed.is_empty() {
                    return Ok(committed(&current, false, added, removed));
                }
                let keep = if replaced { None } else { Self::keep_document(&current) };
                let (touch, current) = self.touched(&current);
                let changes = rows::changes_to_text(changes)?;
                let entry = Entry::new(&current, ChangeKind::Updated)
                    .changes(changes.as_deref())
                    .members(&added, &removed);
                self.log_after(keep.into_iter().chain([touch]).collect(), &[entry])?;
                Ok(committed(&current, true, added, removed))
            }
            Change::Delete => self.delete(write, &current, &old),
        }
    }

    /// The resource, if it is there and of that type. It is locked.
    fn current(&self, write: &Write) -> Result<Option<(Current, Old)>, StoreError> {
        if !is_storable(&write.id) {
            return Ok(None);
        }
        let sql = match (self.session.engine(), &write.change) {
            (Engine::Sqlite, _) => CURRENT,
            (Engine::Postgres, Change::Delete) => CURRENT_TO_DELETE,
            (Engine::Postgres, _) => CURRENT_TO_UPDATE,
        };
        let found = self.session.first(sql, params![self.tenant, &write.id], |row| {
            if row.text(4)? != write.resource_type.name() {
                return Ok::<_, StoreError>(None);
            }
            let current = Current {
                n: row.int(0)?,
                version: row.unsigned(1)?,
                created: row.int(2)?,
                modified: row.int(3)?,
            };
            let old = Old { text: row.owned(5)?, unique: rows::unique_from_text(row.text(6)?)? };
            Ok(Some((current, old)))
        })?;
        Ok(found.flatten())
    }

    fn insert(
        &mut self,
        write: &'c Write,
        document: &Document,
        draft: &Draft,
        members: &[Member],
    ) -> Result<Committed, StoreError> {
        let name = write.resource_type.name();
        let now = self.batch.now.unix_micros();
        let mut seen = HashSet::new();
        let members: Vec<Member> = members.iter().filter(|m| seen.insert(m.id.as_str())).cloned().collect();
        let (n, change) = match self.session.engine() {
            Engine::Sqlite => self.insert_in_steps(write, document, draft)?,
            Engine::Postgres => self.insert_at_once(write, document, draft)?,
        };
        let current = Current { n, version: 1, created: now, modified: now };
        self.link(&write.id, &members)?;
        self.log_first_members(change, &members)?;
        *self.counts.entry(name).or_default() += 1;
        Ok(committed(&current, true, members, Vec::new()))
    }

    /// Answers the number of the resource, and that of the change.
    fn insert_in_steps(
        &self,
        write: &Write,
        document: &Document,
        draft: &Draft,
    ) -> Result<(i64, i64), StoreError> {
        let name = write.resource_type.name();
        let change = self.log_creation(write)?;
        let n = self.session.insert(
            "INSERT INTO scim_resources
                 (tenant, type, id, version, created, modified, label, unique_keys, document, created_by)
             VALUES (?1, ?2, ?3, 1, ?4, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING",
            params![
                self.tenant,
                name,
                &write.id,
                self.batch.now.unix_micros(),
                label(document),
                &draft.unique,
                &draft.text,
                change
            ],
            "n",
        )?;
        let n = n.ok_or_else(id_taken)?;
        for key in &document.unique {
            let text = unique_text(&key.value);
            let params = params![self.tenant, name, &key.attribute, text.as_ref(), n];
            if self.session.execute(INSERT_UNIQUE, params)? == 0 {
                return Err(StoreError::Conflict { attribute: key.attribute.clone() });
            }
        }
        let row = RowKey { n, created: self.batch.now.unix_micros(), id: &write.id };
        for (path, value) in &draft.values {
            self.session.execute(INSERT_VALUE, &row.params(self.tenant, name, path, value))?;
        }
        Ok((n, change))
    }

    /// As [`Commit::insert_in_steps`].
    fn insert_at_once(
        &mut self,
        write: &Write,
        document: &Document,
        draft: &Draft,
    ) -> Result<(i64, i64), StoreError> {
        let name = write.resource_type.name();
        let texts: Vec<Cow<'_, str>> = document.unique.iter().map(|k| unique_text(&k.value)).collect();
        let keys: Vec<Option<&str>> = texts.iter().map(|text| Some(text.as_ref())).collect();
        let attributes: Vec<Option<&str>> = document.unique.iter().map(|k| Some(&*k.attribute)).collect();
        let (paths, indexed): (Vec<_>, Vec<_>) =
            draft.values.iter().map(|(path, value)| (Some(&**path), Some(value.as_str()))).unzip();
        // Alone it counts itself; of several the sum is added when all are known.
        self.counted = self.batch.writes.len() == 1;
        let cause = &self.batch.cause;
        let inserted = self.session.first(
            INSERT_ON_POSTGRES,
            params![
                self.tenant,
                name,
                &write.id,
                self.batch.now.unix_micros(),
                label(document),
                &draft.unique,
                &draft.text,
                &attributes,
                &keys,
                &paths,
                &indexed,
                &cause.kind,
                &cause.request_id,
                self.session.shard(),
                self.counted
            ],
            |row| Ok::<_, DatabaseError>((row.int(0)?, row.int(1)?, row.int(2)?)),
        )?;
        let (n, taken, change) = inserted.ok_or_else(id_taken)?;
        if taken < int(document.unique.len() as u64) {
            return Err(self.conflict(name, document, n)?);
        }
        Ok((n, change))
    }

    /// Which unique value another resource has.
    fn conflict(&self, resource_type: &str, document: &Document, n: i64) -> Result<StoreError, StoreError> {
        for key in &document.unique {
            let holder = self.session.first(
                "SELECT resource FROM scim_unique_keys
                 WHERE tenant = ?1 AND type = ?2 AND attribute = ?3 AND key = ?4",
                params![self.tenant, resource_type, &key.attribute, unique_text(&key.value).as_ref()],
                |row| row.int(0),
            )?;
            if holder != Some(n) {
                return Ok(StoreError::Conflict { attribute: key.attribute.clone() });
            }
        }
        // Two values of the document are the same, or who had it is gone in this moment.
        let first = document.unique.first().map(|key| key.attribute.clone());
        Ok(StoreError::Conflict { attribute: first.unwrap_or_default() })
    }

    /// Says whether the document is another than before.
    fn replace_document(
        &self,
        write: &Write,
        current: &Current,
        before: &Old,
        document: &Document,
        draft: &Draft,
    ) -> Result<bool, StoreError> {
        let name = write.resource_type.name();
        let old = rows::parse_document(&before.text)?;
        if old == document.resource && before.unique == document.unique {
            return Ok(false);
        }
        let (old_values, new_values) = (&self.index.values(name, &old), &draft.values);
        let mut statements = Vec::new();
        let (freed, wanted) =
            (missing(&before.unique, &document.unique), missing(&document.unique, &before.unique));
        for (key, text) in &freed {
            statements.push(self.release(name, key, text));
        }
        for (key, text) in &wanted {
            let params = params![self.tenant, name, &key.attribute, text.as_ref(), current.n];
            statements.push(Statement::new(INSERT_UNIQUE, params));
        }
        let row = RowKey { n: current.n, created: current.created, id: &write.id };
        for (path, value) in old_values.difference(new_values) {
            statements.push(Statement::new(FORGET_VALUE, row.key_params(self.tenant, name, path, value)));
        }
        for (path, value) in new_values.difference(old_values) {
            statements.push(Statement::new(INSERT_VALUE, row.params(self.tenant, name, path, value)));
        }
        statements.extend(Self::keep_document(current));
        statements.push(Statement::new(
            "UPDATE scim_resources SET label = ?2, unique_keys = ?3, document = ?4 WHERE n = ?1",
            params![current.n, label(document), &draft.unique, &draft.text],
        ));
        let rows = self.session.batch(&statements)?;
        let refused = wanted.iter().zip(rows.iter().skip(freed.len())).find(|(_, rows)| **rows == 0);
        match refused {
            Some(((key, _), _)) => Err(StoreError::Conflict { attribute: key.attribute.clone() }),
            None => Ok(true),
        }
    }

    fn delete(&mut self, write: &'c Write, current: &Current, before: &Old) -> Result<Committed, StoreError> {
        let name = write.resource_type.name();
        let id = write.id.as_str();
        let members = match write.resource_type.membership() {
            Some(_) => self.members(id)?,
            None => Vec::new(),
        };
        self.log(&[Entry::new(current, ChangeKind::Deleted).members(&[], &members)])?;
        let values = self.index.values(name, &rows::parse_document(&before.text)?);
        let mut statements = vec![Statement::new(
            "DELETE FROM scim_members WHERE tenant = ?1 AND holder = ?2",
            params![self.tenant, id],
        )];
        let freed = missing(&before.unique, &[]);
        statements.extend(freed.iter().map(|(key, text)| self.release(name, key, text)));
        let row = RowKey { n: current.n, created: current.created, id };
        statements.extend(values.iter().map(|(path, value)| {
            Statement::new(FORGET_VALUE, row.key_params(self.tenant, name, path, value))
        }));
        statements.extend(Self::keep_document(current));
        statements.push(Statement::new("DELETE FROM scim_resources WHERE n = ?1", params![current.n]));
        self.session.batch(&statements)?;
        *self.counts.entry(name).or_default() -= 1;
        self.leave_holders(id)?;
        Ok(committed(current, true, Vec::new(), members))
    }

    /// Removes a deleted resource from all that had it as a member; each of them changes.
    fn leave_holders(&self, id: &str) -> Result<(), StoreError> {
        let key = fold(id);
        let holders = "SELECT r.n, r.version, r.created, r.modified, r.id FROM scim_resources r
             WHERE r.tenant = ?1 AND r.id IN (SELECT m.holder FROM scim_members m
                 WHERE m.tenant = ?1 AND m.member_key = ?2 AND m.member = ?3)
             ORDER BY r.id";
        let locked = format!("{holders} FOR NO KEY UPDATE");
        let holders = match self.session.engine() {
            Engine::Sqlite => holders,
            Engine::Postgres => locked.as_str(),
        };
        let holders = self.session.all(holders, params![self.tenant, key.as_ref(), id], |row| {
            let current = Current {
                n: row.int(0)?,
                version: row.unsigned(1)?,
                created: row.int(2)?,
                modified: row.int(3)?,
            };
            Ok::<_, DatabaseError>((row.owned(4)?, current))
        })?;
        if holders.is_empty() {
            return Ok(());
        }
        // Looked at once more when they are locked: another may have removed it meanwhile.
        let left = self.session.all(
            "DELETE FROM scim_members WHERE tenant = ?1 AND member_key = ?2 AND member = ?3
             RETURNING member, member_type, display, holder",
            params![self.tenant, key.as_ref(), id],
            |row| Ok::<_, DatabaseError>((row.owned(3)?, [rows::member(row, 0)?])),
        )?;
        let left: HashMap<String, [Member; 1]> = left.into_iter().collect();
        let (mut touches, mut entries) = (Vec::new(), Vec::new());
        for (holder, current) in &holders {
            if let Some(member) = left.get(holder) {
                touches.extend(Self::keep_document(current));
                let (touch, current) = self.touched(current);
                touches.push(touch);
                entries.push(Entry::new(&current, ChangeKind::Updated).members(&[], member));
            }
        }
        Ok(self.log_after(touches, &entries)?)
    }

    /// One more version, a later time.
    fn touched(&self, current: &Current) -> (Statement<'static>, Current) {
        let version = current.version + 1;
        let modified = self.batch.now.unix_micros().max(current.modified.saturating_add(1));
        let touch = Statement::new(
            "UPDATE scim_resources SET version = ?2, modified = ?3 WHERE n = ?1",
            params![current.n, version, modified],
        );
        (touch, Current { version, modified, ..*current })
    }

    fn release<'a>(&self, resource_type: &'a str, key: &'a UniqueKey, text: &'a str) -> Statement<'a>
    where
        'c: 'a,
    {
        Statement::new(
            "DELETE FROM scim_unique_keys WHERE tenant = ?1 AND type = ?2 AND attribute = ?3 AND key = ?4",
            params![self.tenant, resource_type, &key.attribute, text],
        )
    }

    fn update_counts(&self) -> Result<(), DatabaseError> {
        if self.counted {
            return Ok(());
        }
        for (resource_type, difference) in self.counts.iter().filter(|(_, d)| **d != 0) {
            self.session.execute(
                "INSERT INTO scim_counts (tenant, type, shard, resources) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (tenant, type, shard)
                 DO UPDATE SET resources = scim_counts.resources + excluded.resources",
                params![self.tenant, *resource_type, self.session.shard(), *difference],
            )?;
        }
        Ok(())
    }
}

/// The unique values of one document that another has not, with their form in the index.
fn missing<'k>(keys: &'k [UniqueKey], other: &[UniqueKey]) -> Vec<(&'k UniqueKey, Cow<'k, str>)> {
    keys.iter().filter(|key| !other.contains(key)).map(|key| (key, unique_text(&key.value))).collect()
}

fn committed(current: &Current, changed: bool, added: Vec<Member>, removed: Vec<Member>) -> Committed {
    Committed {
        version: current.version,
        created: DateTime::from_unix_micros(current.created),
        last_modified: DateTime::from_unix_micros(current.modified),
        changed,
        members_added: added,
        members_removed: removed,
    }
}

fn id_taken() -> StoreError {
    StoreError::Conflict { attribute: "id".into() }
}

/// What a resource is called where it is listed as a holder.
fn label(document: &Document) -> Option<&str> {
    document.resource.get("displayName").and_then(scim_schema::Value::as_str)
}
