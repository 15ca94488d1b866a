//! The resources of one tenant.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use indexmap::IndexMap;
use scim_patch::{AttributeChange, Member, MemberDelta};
use scim_schema::{DateTime, Registry, Resource, ResourceType, UniqueKey, Value};

use super::narrow::unique_key;
use crate::edges::{Holder, MAX_NESTING, set_holders, set_members};
use crate::feed::{ChangeEntry, ChangeKind, FeedCursor};
use crate::page::Page;
use crate::store::{
    Batch, Cause, Change, Committed, Document, Include, MembersChange, Precondition, Query, StoreError,
    Stored, TenantId, Write,
};

#[derive(Clone, Debug, Default)]
pub(super) struct Tenant {
    rows: HashMap<String, Row>,
    /// Ids in the order of creation.
    order: BTreeSet<(i64, String)>,
    /// Ids by the name of their resource type and a unique value.
    unique: HashMap<String, HashMap<UniqueKey, String>>,
    /// Members by the id of the resource that has them, in the order in which they came.
    members: HashMap<String, IndexMap<String, Member>>,
    /// The inverse: who has a resource as a member.
    holders: HashMap<String, BTreeSet<String>>,
}

#[derive(Clone, Debug)]
struct Row {
    resource_type: Arc<ResourceType>,
    /// With `meta`, without members and inverse attributes. It is packed: it is seldom looked into.
    resource: Resource,
    unique: Vec<UniqueKey>,
    version: u64,
    created: DateTime,
    last_modified: DateTime,
}

impl Row {
    fn display(&self) -> Option<String> {
        // Not `get`, which would keep all that it reads.
        let named = self.resource.only(|name| name == "displayName");
        named.get("displayName").and_then(Value::as_str).map(str::to_owned)
    }
}

/// What all writes of a batch share, and the feed entries they make.
struct Commit<'b> {
    tenant: &'b TenantId,
    now: DateTime,
    cause: &'b Cause,
    entries: Vec<ChangeEntry>,
    added: Vec<String>,
}

impl Tenant {
    pub(super) fn type_of(&self, id: &str) -> Option<String> {
        self.rows.get(id).map(|row| row.resource_type.name().to_owned())
    }

    pub(super) fn get(
        &self,
        resource_type: &ResourceType,
        id: &str,
        include: Include,
        registry: &Registry,
    ) -> Option<Stored> {
        let row = self.rows.get(id).filter(|row| row.resource_type.name() == resource_type.name())?;
        Some(self.stored(id, row, include, registry))
    }

    pub(super) fn query(&self, query: &Query, registry: &Registry) -> Page {
        let unique = match (query.filter.as_ref(), query.resource_types.as_slice()) {
            (Some(filter), [resource_type]) => {
                unique_key(filter, resource_type).map(|key| (resource_type.name(), key))
            }
            _ => None,
        };
        let needs: Vec<_> = query.resource_types.iter().map(|t| (t.name(), query.needs(t))).collect();
        let one = unique.as_ref().and_then(|(name, key)| self.unique.get(*name)?.get(key));
        let all = unique.is_none().then_some(&self.order);
        let candidates = all.into_iter().flatten().map(|(_, id)| id).chain(one).filter_map(|id| {
            let row = self.rows.get(id)?;
            let resource_type = row.resource_type.as_ref();
            let (_, needs) = needs.iter().find(|(name, _)| *name == resource_type.name())?;
            let resource = needs.of(&row.resource);
            Some((resource_type, self.stored_as(resource, id, row, needs.include(), registry)))
        });
        let mut page = query.answer(candidates);
        for stored in &mut page.resources {
            if let Some(row) = self.rows.get(stored.resource.id()) {
                let id = stored.resource.id().to_owned();
                *stored = self.stored(&id, row, query.include, registry);
            }
        }
        page
    }

    fn stored(&self, id: &str, row: &Row, include: Include, registry: &Registry) -> Stored {
        self.stored_as(row.resource.clone(), id, row, include, registry)
    }

    fn stored_as(
        &self,
        mut resource: Resource,
        id: &str,
        row: &Row,
        include: Include,
        registry: &Registry,
    ) -> Stored {
        if let (Some(membership), true) = (row.resource_type.membership(), include.members) {
            let members: Vec<Member> =
                self.members.get(id).into_iter().flat_map(|m| m.values()).cloned().collect();
            set_members(&mut resource, membership, &members, registry);
        }
        if include.memberships {
            for inverse in row.resource_type.inverses() {
                set_holders(&mut resource, inverse, &self.holders_of(id, inverse), registry);
            }
        }
        Stored { resource, version: row.version, created: row.created, last_modified: row.last_modified }
    }

    /// Who has a resource as a member, directly first, then through others, each once.
    fn holders_of(&self, id: &str, inverse: &str) -> Vec<Holder> {
        let mut found: IndexMap<String, Holder> = IndexMap::new();
        let mut queue = VecDeque::from([(id.to_owned(), 0)]);
        let mut seen = HashSet::from([id.to_owned()]);
        while let Some((member, depth)) = queue.pop_front() {
            for holder in self.holders.get(&member).into_iter().flatten() {
                let Some(row) = self.rows.get(holder) else { continue };
                if row.resource_type.membership().and_then(|m| m.inverse()) != Some(inverse) {
                    continue;
                }
                // A resource in a circle belongs to itself only if it is its own member.
                if depth == 0 || holder != id {
                    found.entry(holder.clone()).or_insert_with(|| Holder {
                        id: holder.clone(),
                        resource_type: row.resource_type.name().to_owned(),
                        display: row.display(),
                        direct: depth == 0,
                    });
                }
                if depth + 1 < MAX_NESTING && seen.insert(holder.clone()) {
                    queue.push_back((holder.clone(), depth + 1));
                }
            }
        }
        found.into_values().collect()
    }

    /// Applies a batch, all or none.
    pub(super) fn commit(
        &mut self,
        tenant: &TenantId,
        batch: Batch,
    ) -> Result<(Vec<Committed>, Vec<ChangeEntry>), StoreError> {
        let mut commit =
            Commit { tenant, now: batch.now, cause: &batch.cause, entries: Vec::new(), added: Vec::new() };
        // One write checks everything before it changes anything; several may have to be undone.
        let backup = (batch.writes.len() > 1).then(|| self.clone());
        let single = batch.writes.len() == 1 && batch.check_members;
        let mut committed = Vec::with_capacity(batch.writes.len());
        for write in batch.writes {
            match self.apply(write, single, &mut commit) {
                Ok(done) => committed.push(done),
                Err(error) => {
                    if let Some(backup) = backup {
                        *self = backup;
                    }
                    return Err(error);
                }
            }
        }
        if batch.check_members && commit.added.iter().any(|id| !self.rows.contains_key(id)) {
            if let Some(backup) = backup {
                *self = backup;
            }
            return Err(StoreError::UnknownMember);
        }
        Ok((committed, commit.entries))
    }

    fn apply(
        &mut self,
        write: Write,
        check_members: bool,
        commit: &mut Commit<'_>,
    ) -> Result<Committed, StoreError> {
        let Write { resource_type, id, precondition, change } = write;
        let current = self.rows.get(&id).filter(|row| row.resource_type.name() == resource_type.name());
        match (precondition, current) {
            (Precondition::Absent, _) if self.rows.contains_key(&id) => {
                return Err(StoreError::Conflict { attribute: "id".into() });
            }
            (Precondition::Absent, _) => {}
            (_, None) => return Err(StoreError::NotFound),
            (Precondition::Version(expected), Some(row)) if row.version != expected => {
                return Err(StoreError::VersionMismatch { current: row.version });
            }
            (Precondition::Version(_) | Precondition::Any, Some(_)) => {}
        }
        match change {
            Change::Insert { document, members } => {
                self.check_unique(&resource_type, &id, &document.unique)?;
                let missing = |m: &&Member| m.id != id && !self.rows.contains_key(&m.id);
                if check_members && members.iter().find(missing).is_some() {
                    return Err(StoreError::UnknownMember);
                }
                Ok(self.insert(resource_type, &id, document, members, commit))
            }
            Change::Update { document, changes, members } => {
                if let Some(document) = &document {
                    self.check_unique(&resource_type, &id, &document.unique)?;
                }
                let (added, removed) = self.effect(&id, members);
                if check_members && added.iter().any(|m| !self.rows.contains_key(&m.id)) {
                    return Err(StoreError::UnknownMember);
                }
                self.update(&id, document, changes, added, removed, commit)
            }
            Change::Delete => self.delete(&id, commit),
        }
    }

    fn check_unique(
        &self,
        resource_type: &ResourceType,
        id: &str,
        keys: &[UniqueKey],
    ) -> Result<(), StoreError> {
        let Some(taken) = self.unique.get(resource_type.name()) else { return Ok(()) };
        for key in keys {
            if taken.get(key).is_some_and(|owner| owner != id) {
                return Err(StoreError::Conflict { attribute: key.attribute.clone() });
            }
        }
        Ok(())
    }

    fn insert(
        &mut self,
        resource_type: Arc<ResourceType>,
        id: &str,
        document: Document,
        members: Vec<Member>,
        commit: &mut Commit<'_>,
    ) -> Committed {
        let Document { mut resource, unique } = document;
        resource.pack();
        resource.set_meta(&resource_type, commit.now, commit.now, 1);
        let taken = self.unique.entry(resource_type.name().to_owned()).or_default();
        taken.extend(unique.iter().map(|key| (key.clone(), id.to_owned())));
        self.order.insert((commit.now.unix_micros(), id.to_owned()));
        let row = Row {
            resource_type,
            resource,
            unique,
            version: 1,
            created: commit.now,
            last_modified: commit.now,
        };
        self.rows.insert(id.to_owned(), row);
        let mut seen = HashSet::new();
        let members: Vec<Member> = members.into_iter().filter(|m| seen.insert(m.id.clone())).collect();
        self.link(id, &members, commit);
        self.record(id, ChangeKind::Created, Vec::new(), members.clone(), Vec::new(), commit);
        Committed {
            version: 1,
            created: commit.now,
            last_modified: commit.now,
            changed: true,
            members_added: members,
            members_removed: Vec::new(),
        }
    }

    fn update(
        &mut self,
        id: &str,
        document: Option<Document>,
        changes: Vec<AttributeChange>,
        added: Vec<Member>,
        removed: Vec<Member>,
        commit: &mut Commit<'_>,
    ) -> Result<Committed, StoreError> {
        // What is never returned is in `changes` only: the document is the same.
        let replaced =
            document.as_ref().is_some_and(|d| !changes.is_empty() || self.differs(id, &d.resource));
        let document = document.filter(|_| replaced);
        let changed = replaced || !added.is_empty() || !removed.is_empty();
        if changed {
            if let Some(Document { resource, unique }) = document {
                self.set_document(id, resource, unique)?;
            }
            self.unlink(id, &removed);
            self.link(id, &added, commit);
            self.touch(id, commit.now);
            self.record(id, ChangeKind::Updated, changes, added.clone(), removed.clone(), commit);
        }
        let row = self.rows.get(id).ok_or(StoreError::NotFound)?;
        Ok(Committed {
            version: row.version,
            created: row.created,
            last_modified: row.last_modified,
            changed,
            members_added: added,
            members_removed: removed,
        })
    }

    fn delete(&mut self, id: &str, commit: &mut Commit<'_>) -> Result<Committed, StoreError> {
        let removed: Vec<Member> =
            self.members.remove(id).map(|m| m.into_values().collect()).unwrap_or_default();
        for member in &removed {
            self.forget_holder(&member.id, id);
        }
        self.record(id, ChangeKind::Deleted, Vec::new(), Vec::new(), removed.clone(), commit);
        let row = self.rows.remove(id).ok_or(StoreError::NotFound)?;
        self.order.remove(&(row.created.unix_micros(), id.to_owned()));
        if let Some(taken) = self.unique.get_mut(row.resource_type.name()) {
            row.unique.iter().for_each(|key| drop(taken.remove(key)));
        }
        for holder in self.holders.remove(id).unwrap_or_default() {
            let lost = self.members.get_mut(&holder).and_then(|m| m.shift_remove(id));
            if holder != id
                && let Some(lost) = lost
            {
                self.touch(&holder, commit.now);
                self.record(&holder, ChangeKind::Updated, Vec::new(), Vec::new(), vec![lost], commit);
            }
        }
        Ok(Committed {
            version: row.version,
            created: row.created,
            last_modified: row.last_modified,
            changed: true,
            members_added: Vec::new(),
            members_removed: removed,
        })
    }

    /// Whether a document is another than the present one.
    fn differs(&self, id: &str, resource: &Resource) -> bool {
        self.rows.get(id).is_none_or(|row| {
            let present = row.resource.attributes();
            present.iter().filter(|(name, _)| *name != "meta").count() != resource.attributes().len()
                || resource.attributes().iter().any(|(name, value)| present.get(name) != Some(value))
        })
    }

    /// Another document. `meta` is set with the version that it makes; see [`touch`](Self::touch).
    fn set_document(
        &mut self,
        id: &str,
        mut resource: Resource,
        unique: Vec<UniqueKey>,
    ) -> Result<(), StoreError> {
        let row = self.rows.get_mut(id).ok_or(StoreError::NotFound)?;
        resource.pack();
        row.resource = resource;
        if row.unique != unique {
            let taken = self.unique.entry(row.resource_type.name().to_owned()).or_default();
            row.unique.iter().for_each(|key| drop(taken.remove(key)));
            taken.extend(unique.iter().map(|key| (key.clone(), id.to_owned())));
            row.unique = unique;
        }
        Ok(())
    }

    /// One more version, a later time.
    fn touch(&mut self, id: &str, now: DateTime) {
        if let Some(row) = self.rows.get_mut(id) {
            row.version += 1;
            row.last_modified = now.max(row.last_modified.plus_micros(1));
            row.resource.set_meta(&row.resource_type, row.created, row.last_modified, row.version);
        }
    }

    /// The members that really come and go.
    fn effect(&self, id: &str, change: MembersChange) -> (Vec<Member>, Vec<Member>) {
        let none = IndexMap::new();
        let present = self.members.get(id).unwrap_or(&none);
        let delta = match change {
            MembersChange::Keep => return (Vec::new(), Vec::new()),
            MembersChange::Delta(delta) => delta,
            MembersChange::Set(members) => MemberDelta { clear: true, add: members, remove: Vec::new() },
        };
        let mut wanted: IndexMap<String, Member> = IndexMap::new();
        for member in delta.add {
            wanted.entry(member.id.clone()).or_insert(member);
        }
        let removed = if delta.clear {
            present.values().filter(|m| !wanted.contains_key(&m.id)).cloned().collect()
        } else {
            let mut seen = HashSet::new();
            let ids = delta.remove.iter().filter(|r| !wanted.contains_key(*r) && seen.insert(*r));
            ids.filter_map(|r| present.get(r)).cloned().collect()
        };
        let added = wanted.into_values().filter(|m| !present.contains_key(&m.id)).collect();
        (added, removed)
    }

    fn link(&mut self, id: &str, added: &[Member], commit: &mut Commit<'_>) {
        for member in added {
            self.members.entry(id.to_owned()).or_default().insert(member.id.clone(), member.clone());
            self.holders.entry(member.id.clone()).or_default().insert(id.to_owned());
            commit.added.push(member.id.clone());
        }
    }

    fn unlink(&mut self, id: &str, removed: &[Member]) {
        if removed.is_empty() {
            return;
        }
        let gone: HashSet<&str> = removed.iter().map(|m| m.id.as_str()).collect();
        if let Some(members) = self.members.get_mut(id) {
            members.retain(|m, _| !gone.contains(m.as_str()));
        }
        for member in removed {
            self.forget_holder(&member.id, id);
        }
    }

    fn forget_holder(&mut self, member: &str, holder: &str) {
        if let Some(holders) = self.holders.get_mut(member) {
            holders.remove(holder);
            if holders.is_empty() {
                self.holders.remove(member);
            }
        }
    }

    fn record(
        &self,
        id: &str,
        kind: ChangeKind,
        changes: Vec<AttributeChange>,
        members_added: Vec<Member>,
        members_removed: Vec<Member>,
        commit: &mut Commit<'_>,
    ) {
        let Some(row) = self.rows.get(id) else { return };
        commit.entries.push(ChangeEntry {
            cursor: FeedCursor::START,
            tenant: commit.tenant.clone(),
            resource_type: row.resource_type.name().to_owned(),
            id: id.to_owned(),
            kind,
            version: row.version,
            resource: row.resource.clone(),
            changes,
            members_added,
            members_removed,
            cause: commit.cause.clone(),
            time: commit.now,
        });
    }
}
