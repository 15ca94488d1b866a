//! A batch of writes, step by step. It runs in a transaction that ends with it: whatever fails here,
//! nothing of the batch stays.

use std::collections::{BTreeMap, HashSet};

use scim_core::{
    Batch, Change, ChangeKind, Committed, Document, Member, MemberDelta, MembersChange, Precondition,
    StoreError, TenantId, Write,
};
use scim_schema::{DateTime, ResourceType, fold};

use crate::engine::{Tx, int, params};
use crate::error::DatabaseError;
use crate::index::{self, Index, RowKey};
use crate::rows;

/// Applies a batch.
pub(crate) fn commit(
    tx: &impl Tx,
    index: &Index,
    tenant: &TenantId,
    batch: &Batch,
) -> Result<Vec<Committed>, StoreError> {
    let mut commit =
        Commit { tx, index, tenant: tenant.as_str(), batch, counts: BTreeMap::new(), added: Vec::new() };
    let mut committed = Vec::with_capacity(batch.writes.len());
    for write in &batch.writes {
        committed.push(commit.apply(write)?);
    }
    commit.check_members()?;
    commit.update_counts()?;
    Ok(committed)
}

struct Commit<'c, T> {
    tx: &'c T,
    index: &'c Index,
    tenant: &'c str,
    batch: &'c Batch,
    /// How many resources came, less those that went, of each type.
    counts: BTreeMap<&'c str, i64>,
    /// Ids of members that were added.
    added: Vec<String>,
}

/// The state of a resource before a write.
struct Current {
    n: i64,
    version: u64,
    created: i64,
    modified: i64,
}

impl<'c, T: Tx> Commit<'c, T> {
    fn apply(&mut self, write: &'c Write) -> Result<Committed, StoreError> {
        let current = self.current(&write.resource_type, &write.id)?;
        match (write.precondition, &current) {
            // That there is none under this id is left to the index to say.
            (Precondition::Absent, None) => {}
            (Precondition::Absent, Some(_)) => return Err(id_taken()),
            (_, None) => return Err(StoreError::NotFound),
            (Precondition::Version(expected), Some(current)) if current.version != expected => {
                return Err(StoreError::VersionMismatch { current: current.version });
            }
            (Precondition::Version(_) | Precondition::Any, Some(_)) => {}
        }
        match (&write.change, current) {
            (Change::Insert { document, members }, None) => self.insert(write, document, members),
            (Change::Insert { .. }, Some(_)) => Err(id_taken()),
            (_, None) => Err(StoreError::NotFound),
            (Change::Update { document, changes, members }, Some(current)) => {
                // What is never returned is in `changes` only: the document is the same.
                let changed = match document {
                    Some(document) => {
                        self.replace_document(write, &current, document)? || !changes.is_empty()
                    }
                    None => false,
                };
                let (added, removed) = self.change_members(&write.id, members)?;
                if !changed && added.is_empty() && removed.is_empty() {
                    return Ok(committed(&current, false, added, removed));
                }
                let current = self.touch(&current)?;
                let changes = rows::changes_to_text(changes)?;
                let seq = self.log(&current, ChangeKind::Updated, changes.as_deref())?;
                self.log_members(seq, &added, &removed)?;
                Ok(committed(&current, true, added, removed))
            }
            (Change::Delete, Some(current)) => self.delete(write, &current),
        }
    }

    /// The resource, if it is there and of that type.
    fn current(&self, resource_type: &ResourceType, id: &str) -> Result<Option<Current>, DatabaseError> {
        let found = self.tx.first(
            "SELECT n, version, created, modified, type FROM scim_resources WHERE tenant = ?1 AND id = ?2",
            params![self.tenant, id],
            |row| {
                let current = Current {
                    n: row.int(0)?,
                    version: row.unsigned(1)?,
                    created: row.int(2)?,
                    modified: row.int(3)?,
                };
                Ok::<_, DatabaseError>((row.text(4)? == resource_type.name()).then_some(current))
            },
        )?;
        Ok(found.flatten())
    }

    fn insert(
        &mut self,
        write: &'c Write,
        document: &Document,
        members: &[Member],
    ) -> Result<Committed, StoreError> {
        let name = write.resource_type.name();
        let now = self.batch.now.unix_micros();
        let text = rows::document_to_text(&document.resource)?;
        let inserted = self.tx.first(
            "INSERT INTO scim_resources
                 (tenant, type, id, version, created, modified, label, unique_keys, document)
             VALUES (?1, ?2, ?3, 1, ?4, ?4, ?5, ?6, ?7) RETURNING n",
            params![
                self.tenant,
                name,
                &write.id,
                now,
                label(document),
                &rows::unique_to_text(&document.unique),
                &text
            ],
            |row| row.int(0),
        );
        let n = match inserted {
            Ok(n) => n.unwrap_or_default(),
            Err(DatabaseError::NotUnique(_)) => return Err(id_taken()),
            Err(error) => return Err(error.into()),
        };
        for key in &document.unique {
            self.take(name, key, n)?;
        }
        let row = RowKey { n, created: now, id: &write.id };
        for (path, value) in self.index.values(name, &document.resource) {
            index::insert_value(self.tx, self.tenant, name, path, &value, row)?;
        }
        let mut seen = HashSet::new();
        let members: Vec<Member> = members.iter().filter(|m| seen.insert(m.id.as_str())).cloned().collect();
        self.link(&write.id, &members)?;
        *self.counts.entry(name).or_default() += 1;
        let current = Current { n, version: 1, created: now, modified: now };
        let seq = self.log(&current, ChangeKind::Created, None)?;
        self.log_members(seq, &members, &[])?;
        Ok(committed(&current, true, members, Vec::new()))
    }

    /// Says whether the document is another than before.
    fn replace_document(
        &self,
        write: &Write,
        current: &Current,
        document: &Document,
    ) -> Result<bool, StoreError> {
        let name = write.resource_type.name();
        let text = rows::document_to_text(&document.resource)?;
        let (old_text, old_unique) = self.document(current)?;
        let old = rows::parse_document(&old_text)?;
        if old == document.resource && old_unique == document.unique {
            return Ok(false);
        }
        for key in old_unique.iter().filter(|key| !document.unique.contains(key)) {
            self.release(name, key)?;
        }
        for key in document.unique.iter().filter(|key| !old_unique.contains(key)) {
            self.take(name, key, current.n)?;
        }
        let (before, after) = (self.index.values(name, &old), self.index.values(name, &document.resource));
        let row = RowKey { n: current.n, created: current.created, id: &write.id };
        for (path, value) in before.difference(&after) {
            self.forget_value(name, path, value, row)?;
        }
        for (path, value) in after.difference(&before) {
            index::insert_value(self.tx, self.tenant, name, path, value, row)?;
        }
        self.tx.execute(
            "UPDATE scim_resources SET label = ?2, unique_keys = ?3, document = ?4 WHERE n = ?1",
            params![current.n, label(document), &rows::unique_to_text(&document.unique), &text],
        )?;
        Ok(true)
    }

    fn delete(&mut self, write: &'c Write, current: &Current) -> Result<Committed, StoreError> {
        let name = write.resource_type.name();
        let id = write.id.as_str();
        let (text, unique) = self.document(current)?;
        let members = self.members(id)?;
        let seq = self.log(current, ChangeKind::Deleted, None)?;
        self.log_members(seq, &[], &members)?;
        self.tx.execute(
            "DELETE FROM scim_members WHERE tenant = ?1 AND holder = ?2",
            params![self.tenant, id],
        )?;
        for key in &unique {
            self.release(name, key)?;
        }
        let row = RowKey { n: current.n, created: current.created, id };
        for (path, value) in self.index.values(name, &rows::parse_document(&text)?) {
            self.forget_value(name, path, &value, row)?;
        }
        self.tx.execute("DELETE FROM scim_resources WHERE n = ?1", params![current.n])?;
        *self.counts.entry(name).or_default() -= 1;
        self.leave_holders(id)?;
        Ok(committed(current, true, Vec::new(), members))
    }

    /// Removes a deleted resource from all that had it as a member; each of them changes.
    fn leave_holders(&self, id: &str) -> Result<(), StoreError> {
        let holders = self.tx.all(
            "SELECT r.n, r.version, r.created, r.modified, m.member, m.member_type, m.display
             FROM scim_members m JOIN scim_resources r ON r.tenant = m.tenant AND r.id = m.holder
             WHERE m.tenant = ?1 AND m.member_key = ?2 AND m.member = ?3 ORDER BY m.holder",
            params![self.tenant, fold(id).as_ref(), id],
            |row| {
                let holder = Current {
                    n: row.int(0)?,
                    version: row.unsigned(1)?,
                    created: row.int(2)?,
                    modified: row.int(3)?,
                };
                Ok::<_, DatabaseError>((holder, rows::member(row, 4)?))
            },
        )?;
        self.tx.execute(
            "DELETE FROM scim_members WHERE tenant = ?1 AND member_key = ?2 AND member = ?3",
            params![self.tenant, fold(id).as_ref(), id],
        )?;
        for (holder, member) in holders {
            let holder = self.touch(&holder)?;
            let seq = self.log(&holder, ChangeKind::Updated, None)?;
            self.log_members(seq, &[], &[member])?;
        }
        Ok(())
    }

    /// One more version, a later time.
    fn touch(&self, current: &Current) -> Result<Current, DatabaseError> {
        let version = current.version + 1;
        let modified = self.batch.now.unix_micros().max(current.modified.saturating_add(1));
        self.tx.execute(
            "UPDATE scim_resources SET version = ?2, modified = ?3 WHERE n = ?1",
            params![current.n, int(version), modified],
        )?;
        Ok(Current { version, modified, ..*current })
    }

    /// Applies a change of members and says who really came and went.
    fn change_members(
        &mut self,
        id: &str,
        change: &MembersChange,
    ) -> Result<(Vec<Member>, Vec<Member>), StoreError> {
        let none = MemberDelta::default();
        let (clear, add, remove) = match change {
            MembersChange::Keep => (false, &none.add, &none.remove),
            MembersChange::Delta(delta) => (delta.clear, &delta.add, &delta.remove),
            MembersChange::Set(members) => (true, members, &none.remove),
        };
        let mut wanted = HashSet::new();
        let add: Vec<&Member> = add.iter().filter(|m| wanted.insert(m.id.as_str())).collect();
        let (mut added, mut removed) = (Vec::new(), Vec::new());
        if clear {
            let present = self.members(id)?;
            let ids: HashSet<&str> = present.iter().map(|m| m.id.as_str()).collect();
            added.extend(add.into_iter().filter(|m| !ids.contains(m.id.as_str())).cloned());
            for member in present.iter().filter(|m| !wanted.contains(m.id.as_str())) {
                removed.extend(self.unlink(id, &member.id)?);
            }
        } else {
            for member in remove.iter().filter(|r| !wanted.contains(r.as_str())) {
                removed.extend(self.unlink(id, member)?);
            }
            for member in add {
                if !self.is_member(id, &member.id)? {
                    added.push(member.clone());
                }
            }
        }
        self.link(id, &added)?;
        Ok((added, removed))
    }

    fn members(&self, holder: &str) -> Result<Vec<Member>, DatabaseError> {
        rows::members(self.tx, self.tenant, holder)
    }

    fn is_member(&self, holder: &str, member: &str) -> Result<bool, DatabaseError> {
        let found = self.tx.first(
            "SELECT 1 FROM scim_members
             WHERE tenant = ?1 AND member_key = ?2 AND holder = ?3 AND member = ?4",
            params![self.tenant, fold(member).as_ref(), holder, member],
            |_| Ok::<(), DatabaseError>(()),
        )?;
        Ok(found.is_some())
    }

    fn link(&mut self, holder: &str, members: &[Member]) -> Result<(), DatabaseError> {
        if members.is_empty() {
            return Ok(());
        }
        let last = self.tx.first(
            "SELECT position FROM scim_members WHERE tenant = ?1 AND holder = ?2
             ORDER BY position DESC LIMIT 1",
            params![self.tenant, holder],
            |row| row.int(0),
        )?;
        for (member, position) in members.iter().zip(last.unwrap_or(0) + 1..) {
            self.tx.execute(
                "INSERT INTO scim_members
                     (tenant, holder, position, member, member_key, member_type, display)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![
                    self.tenant,
                    holder,
                    position,
                    &member.id,
                    fold(&member.id).as_ref(),
                    member.resource_type.as_deref(),
                    member.display.as_deref()
                ],
            )?;
            if self.batch.check_members {
                self.added.push(member.id.clone());
            }
        }
        Ok(())
    }

    /// Removes a member and gives back what was recorded with it.
    fn unlink(&self, holder: &str, member: &str) -> Result<Option<Member>, DatabaseError> {
        self.tx.first(
            "DELETE FROM scim_members
             WHERE tenant = ?1 AND member_key = ?2 AND holder = ?3 AND member = ?4
             RETURNING member, member_type, display",
            params![self.tenant, fold(member).as_ref(), holder, member],
            |row| rows::member(row, 0),
        )
    }

    /// The text of the document, and its unique values.
    fn document(&self, current: &Current) -> Result<(String, Vec<scim_schema::UniqueKey>), StoreError> {
        let found = self.tx.first(
            "SELECT document, unique_keys FROM scim_resources WHERE n = ?1",
            params![current.n],
            |row| Ok::<_, StoreError>((row.text(0)?.to_owned(), rows::unique_from_text(row.text(1)?)?)),
        )?;
        found.ok_or(StoreError::NotFound)
    }

    fn take(&self, resource_type: &str, key: &scim_schema::UniqueKey, n: i64) -> Result<(), StoreError> {
        index::insert_unique(self.tx, self.tenant, resource_type, key, n).map_err(|error| match error {
            DatabaseError::NotUnique(_) => StoreError::Conflict { attribute: key.attribute.clone() },
            error => error.into(),
        })
    }

    fn release(&self, resource_type: &str, key: &scim_schema::UniqueKey) -> Result<(), DatabaseError> {
        self.tx.execute(
            "DELETE FROM scim_unique_keys WHERE tenant = ?1 AND type = ?2 AND attribute = ?3 AND key = ?4",
            params![self.tenant, resource_type, &key.attribute, &key.value],
        )?;
        Ok(())
    }

    fn forget_value(
        &self,
        resource_type: &str,
        path: &str,
        value: &str,
        row: RowKey<'_>,
    ) -> Result<(), DatabaseError> {
        self.tx.execute(
            "DELETE FROM scim_values WHERE tenant = ?1 AND type = ?2 AND attribute = ?3 AND value = ?4
             AND created = ?5 AND id = ?6",
            params![self.tenant, resource_type, path, value, row.created, row.id],
        )?;
        Ok(())
    }

    /// Records the resource as it is in the table now.
    fn log(&self, current: &Current, kind: ChangeKind, changes: Option<&str>) -> Result<i64, DatabaseError> {
        let cause = &self.batch.cause;
        let seq = self.tx.first(
            "INSERT INTO scim_changes (tenant, type, id, kind, version, created, modified, document,
                 changes, cause, request_id, time)
             SELECT tenant, type, id, ?2, version, created, modified, document, ?3, ?4, ?5, ?6
             FROM scim_resources WHERE n = ?1
             RETURNING seq",
            params![
                current.n,
                kind.as_str(),
                changes,
                &cause.kind,
                &cause.request_id,
                self.batch.now.unix_micros()
            ],
            |row| row.int(0),
        )?;
        Ok(seq.unwrap_or_default())
    }

    fn log_members(&self, seq: i64, added: &[Member], removed: &[Member]) -> Result<(), DatabaseError> {
        for (is_added, members) in [(1, added), (0, removed)] {
            for (member, position) in members.iter().zip(1..) {
                self.tx.execute(
                    "INSERT INTO scim_change_members (seq, added, position, member, member_type, display)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    params![
                        seq,
                        is_added,
                        position,
                        &member.id,
                        member.resource_type.as_deref(),
                        member.display.as_deref()
                    ],
                )?;
            }
        }
        Ok(())
    }

    fn check_members(&self) -> Result<(), StoreError> {
        for id in &self.added {
            let found = self.tx.first(
                "SELECT 1 FROM scim_resources WHERE tenant = ?1 AND id = ?2",
                params![self.tenant, id],
                |_| Ok::<(), DatabaseError>(()),
            )?;
            if found.is_none() {
                return Err(StoreError::UnknownMember);
            }
        }
        Ok(())
    }

    fn update_counts(&self) -> Result<(), DatabaseError> {
        for (resource_type, difference) in self.counts.iter().filter(|(_, d)| **d != 0) {
            self.tx.execute(
                "INSERT INTO scim_counts (tenant, type, resources) VALUES (?1, ?2, ?3)
                 ON CONFLICT (tenant, type) DO UPDATE SET resources = scim_counts.resources + excluded.resources",
                params![self.tenant, *resource_type, *difference],
            )?;
        }
        Ok(())
    }
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
