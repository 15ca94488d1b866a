//! What the file holds, and the rules by which it changes.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

use scim_core::edges::{Holder, MAX_NESTING, set_holders, set_members};
use scim_core::{
    Batch, Change, Committed, DateTime, Document, Include, Member, MembersChange, Page, Precondition, Query,
    Registry, Resource, ResourceType, StoreError, Stored, TenantId, Write,
};
use scim_schema::Value;
use serde::{Deserialize, Serialize};

/// All resources by tenant and id.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Content {
    tenants: BTreeMap<String, Tenant>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Tenant {
    rows: BTreeMap<String, Row>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Row {
    resource_type: String,
    /// The resource's own attributes.
    attributes: Value,
    /// Unique values, each an attribute's path and the form in which it is compared.
    unique: BTreeSet<(String, String)>,
    /// For each member: id, type, label. In the order in which they came.
    members: Vec<(String, Option<String>, Option<String>)>,
    version: u64,
    /// In microseconds since 1970, as is the next.
    created: i64,
    last_modified: i64,
}

impl Content {
    pub(crate) fn get(
        &self,
        tenant: &TenantId,
        resource_type: &ResourceType,
        id: &str,
        include: Include,
        registry: &Registry,
    ) -> Option<Stored> {
        let tenant = self.tenants.get(tenant.as_str())?;
        let row = tenant.rows.get(id).filter(|row| row.resource_type == resource_type.name())?;
        Some(tenant.stored(id, row, resource_type, include, &tenant.holders(), registry))
    }

    pub(crate) fn type_of(&self, tenant: &TenantId, id: &str) -> Option<String> {
        Some(self.tenants.get(tenant.as_str())?.rows.get(id)?.resource_type.clone())
    }

    /// [`Query::answer`] filters, sorts, cuts and drops what was not asked for: all that is left to do is to
    /// hand it every resource of the types in question, whole.
    pub(crate) fn query(&self, tenant: &TenantId, query: &Query, registry: &Registry) -> Page {
        let Some(tenant) = self.tenants.get(tenant.as_str()) else { return Page::default() };
        let holders = tenant.holders();
        let candidates = tenant.rows.iter().filter_map(|(id, row)| {
            let resource_type = query.resource_types.iter().find(|t| t.name() == row.resource_type)?;
            let stored = tenant.stored(id, row, resource_type, Include::ALL, &holders, registry);
            Some((resource_type.as_ref(), stored))
        });
        query.answer(candidates)
    }

    /// Does all writes of a batch. After an error the content is not fit for use.
    pub(crate) fn apply(&mut self, tenant: &TenantId, batch: Batch) -> Result<Vec<Committed>, StoreError> {
        let tenant = self.tenants.entry(tenant.as_str().to_owned()).or_default();
        let mut committed = Vec::with_capacity(batch.writes.len());
        for write in batch.writes {
            committed.push(tenant.write(write, batch.now)?);
        }
        let mut added = committed.iter().flat_map(|write| &write.members_added);
        if batch.check_members && added.any(|member| !tenant.rows.contains_key(&member.id)) {
            return Err(StoreError::UnknownMember);
        }
        Ok(committed)
    }
}

impl Tenant {
    fn write(&mut self, write: Write, now: DateTime) -> Result<Committed, StoreError> {
        let Write { resource_type, id, precondition, change } = write;
        let current = self.rows.get(&id);
        match (precondition, current.filter(|row| row.resource_type == resource_type.name())) {
            (Precondition::Absent, _) if current.is_some() => {
                return Err(StoreError::Conflict { attribute: "id".into() });
            }
            (Precondition::Absent, _) => {}
            (_, None) => return Err(StoreError::NotFound),
            (Precondition::Version(expected), Some(row)) if row.version != expected => {
                return Err(StoreError::VersionMismatch { current: row.version });
            }
            _ => {}
        }
        match change {
            Change::Insert { document, members } => {
                let row = Row {
                    resource_type: resource_type.name().to_owned(),
                    attributes: Value::Null,
                    unique: BTreeSet::new(),
                    members: Vec::new(),
                    version: 0,
                    created: now.unix_micros(),
                    last_modified: now.unix_micros(),
                };
                self.rows.insert(id.clone(), row);
                self.update(&id, Some(document), false, MembersChange::Set(members), now)
            }
            Change::Update { document, changes, members } => {
                self.update(&id, document, !changes.is_empty(), members, now)
            }
            Change::Delete => self.delete(&id, now),
        }
    }

    fn update(
        &mut self,
        id: &str,
        document: Option<Document>,
        hidden_change: bool,
        members: MembersChange,
        now: DateTime,
    ) -> Result<Committed, StoreError> {
        if let Some(document) = &document {
            self.check_unique(id, document)?;
        }
        let row = self.rows.get_mut(id).ok_or(StoreError::NotFound)?;
        let (added, removed) = row.change_members(members);
        // What is in `changes` only, such as a password, is a change too.
        let document = document.map(|d| (Value::from(d.resource.into_attributes()), d.unique));
        let document = document.filter(|(attributes, _)| hidden_change || *attributes != row.attributes);
        let changed = document.is_some() || !added.is_empty() || !removed.is_empty();
        if let Some((attributes, unique)) = document {
            row.attributes = attributes;
            row.unique = unique.into_iter().map(|key| (key.attribute, key.value)).collect();
        }
        if changed {
            row.touch(now);
        }
        Ok(row.committed(changed, added, removed))
    }

    fn check_unique(&self, id: &str, document: &Document) -> Result<(), StoreError> {
        let resource_type = self.rows.get(id).map(|row| row.resource_type.as_str());
        let others = || {
            let same_type = |row: &&Row| Some(row.resource_type.as_str()) == resource_type;
            self.rows.iter().filter(|(other, _)| *other != id).map(|(_, row)| row).filter(same_type)
        };
        for key in &document.unique {
            let key = (key.attribute.clone(), key.value.clone());
            if others().any(|row| row.unique.contains(&key)) {
                return Err(StoreError::Conflict { attribute: key.0 });
            }
        }
        Ok(())
    }

    /// Who had the resource as a member gets a new version without it.
    fn delete(&mut self, id: &str, now: DateTime) -> Result<Committed, StoreError> {
        let row = self.rows.remove(id).ok_or(StoreError::NotFound)?;
        for holder in self.rows.values_mut() {
            let before = holder.members.len();
            holder.members.retain(|(member, _, _)| member != id);
            if holder.members.len() < before {
                holder.touch(now);
            }
        }
        let removed = row.members.iter().map(member).collect();
        Ok(row.committed(true, Vec::new(), removed))
    }

    /// For each member the ids of those that have it.
    fn holders(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut holders: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (id, row) in &self.rows {
            for (member, _, _) in &row.members {
                holders.entry(member).or_default().push(id);
            }
        }
        holders
    }

    fn stored(
        &self,
        id: &str,
        row: &Row,
        resource_type: &ResourceType,
        include: Include,
        holders: &BTreeMap<&str, Vec<&str>>,
        registry: &Registry,
    ) -> Stored {
        let created = DateTime::from_unix_micros(row.created);
        let last_modified = DateTime::from_unix_micros(row.last_modified);
        let mut resource = Resource::from_canonical(row.attributes.as_object().cloned().unwrap_or_default());
        resource.set_meta(resource_type, created, last_modified, row.version);
        if let (Some(membership), true) = (resource_type.membership(), include.members) {
            let members: Vec<Member> = row.members.iter().map(member).collect();
            set_members(&mut resource, membership, &members, registry);
        }
        if include.memberships {
            for inverse in resource_type.inverses() {
                let holders = self.holders_of(id, inverse, holders, registry);
                set_holders(&mut resource, inverse, &holders, registry);
            }
        }
        Stored { resource, version: row.version, created, last_modified }
    }

    /// Who has a resource as a member, directly first, then through others, each once.
    fn holders_of(
        &self,
        id: &str,
        inverse: &str,
        holders: &BTreeMap<&str, Vec<&str>>,
        registry: &Registry,
    ) -> Vec<Holder> {
        let mut found: Vec<Holder> = Vec::new();
        let mut seen = HashSet::from([id]);
        let mut queue = VecDeque::from([(id, 0)]);
        while let Some((member, depth)) = queue.pop_front() {
            for &holder in holders.get(member).into_iter().flatten() {
                let Some(row) = self.rows.get(holder) else { continue };
                let membership = registry.resource_type(&row.resource_type).and_then(|t| t.membership());
                if membership.and_then(|m| m.inverse()) != Some(inverse) {
                    continue;
                }
                // In a circle a resource belongs to itself only if it is its own member.
                if (depth == 0 || holder != id) && !found.iter().any(|known| known.id == holder) {
                    let display = row.attributes.get("displayName").and_then(Value::as_str);
                    found.push(Holder {
                        id: holder.to_owned(),
                        resource_type: row.resource_type.clone(),
                        display: display.map(str::to_owned),
                        direct: depth == 0,
                    });
                }
                if depth + 1 < MAX_NESTING && seen.insert(holder) {
                    queue.push_back((holder, depth + 1));
                }
            }
        }
        found
    }
}

impl Row {
    /// One more version, at a time later than the last.
    fn touch(&mut self, now: DateTime) {
        self.version += 1;
        if self.version > 1 {
            self.last_modified = now.unix_micros().max(self.last_modified + 1);
        }
    }

    /// Changes the members, and says which really came and went. One that is there already stays as it is.
    fn change_members(&mut self, change: MembersChange) -> (Vec<Member>, Vec<Member>) {
        let (clear, add, remove) = match change {
            MembersChange::Keep => return (Vec::new(), Vec::new()),
            MembersChange::Delta(delta) => (delta.clear, delta.add, delta.remove),
            MembersChange::Set(members) => (true, members, Vec::new()),
        };
        let wanted: HashSet<&str> = add.iter().map(|member| member.id.as_str()).collect();
        let unwanted: HashSet<&str> = remove.iter().map(String::as_str).collect();
        let goes = |id: &str| !wanted.contains(id) && (clear || unwanted.contains(id));
        let removed = self.members.iter().filter(|(id, _, _)| goes(id)).map(member).collect();
        self.members.retain(|(id, _, _)| !goes(id));
        let mut present: HashSet<String> = self.members.iter().map(|(id, _, _)| id.clone()).collect();
        let added: Vec<Member> = add.into_iter().filter(|member| present.insert(member.id.clone())).collect();
        let rows = added.iter().cloned().map(|member| (member.id, member.resource_type, member.display));
        self.members.extend(rows);
        (added, removed)
    }

    fn committed(&self, changed: bool, added: Vec<Member>, removed: Vec<Member>) -> Committed {
        Committed {
            version: self.version,
            created: DateTime::from_unix_micros(self.created),
            last_modified: DateTime::from_unix_micros(self.last_modified),
            changed,
            members_added: added,
            members_removed: removed,
        }
    }
}

fn member((id, resource_type, display): &(String, Option<String>, Option<String>)) -> Member {
    Member { id: id.clone(), resource_type: resource_type.clone(), display: display.clone() }
}
