//! What the lines of a batch do to the directory, in one transaction.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use scim_core::{
    Batch, Cause, Change, DateTime, Document, Member, MembersChange, Precondition, StoreError, TenantId,
    Write,
};
use scim_patch::diff;
use scim_schema::{Object, Resource, ResourceType};
use scim_sql::{Alike, DatabaseError, Session, SqlStore};

use super::prepare::{By, Incoming, MemberRef, Pass, Rules, own_name};
use super::state::Counts;

/// Where lines go.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) store: SqlStore,
    pub(super) tenant: TenantId,
    pub(super) rules: Arc<Rules>,
    pub(super) cause: Cause,
}

/// What a batch came to.
#[derive(Debug, Default)]
pub(super) struct Merged {
    pub(super) counts: Counts,
    /// Lines that were not taken, and why.
    pub(super) rejected: Vec<(u64, String)>,
    /// Lines that named members which are not there.
    pub(super) unresolved: u64,
}

/// Why a batch was given up.
#[derive(Debug, thiserror::Error)]
pub(super) enum MergeError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the file of rejected lines can't be written")]
    Rejects(#[from] std::io::Error),
    /// The state of the import is not the one that was left.
    #[error("another process imports the same file into the same directory")]
    Overtaken,
}

impl Target {
    /// Inserts, changes or leaves alone what the lines name. In the order of the lines.
    pub(super) fn merge(
        &self,
        session: &Session<'_>,
        lines: &[Incoming],
        pass: Pass,
        now: DateTime,
    ) -> Result<Merged, MergeError> {
        let mut merged = Merged::default();
        // Two lines may name one resource: then the second one must see what the first did.
        let (mut group, mut names): (Vec<&Incoming>, HashSet<&(String, String)>) =
            (Vec::new(), HashSet::new());
        for line in lines {
            let own = &line.names;
            if own.iter().any(|name| names.contains(name)) {
                self.merge_apart(session, &group, pass, now, &mut merged)?;
                group.clear();
                names.clear();
            }
            names.extend(own);
            group.push(line);
        }
        self.merge_apart(session, &group, pass, now, &mut merged)?;
        merged.counts.rejected = merged.rejected.len() as u64;
        Ok(merged)
    }

    /// Lines that name different resources.
    fn merge_apart(
        &self,
        session: &Session<'_>,
        lines: &[&Incoming],
        pass: Pass,
        now: DateTime,
        merged: &mut Merged,
    ) -> Result<(), MergeError> {
        if lines.is_empty() {
            return Ok(());
        }
        let there = self.there(session, lines)?;
        let mut members = Members::resolve(self, session, lines)?;
        let mut writes = Vec::with_capacity(lines.len());
        let mut drafts = Vec::with_capacity(lines.len());
        let mut created = 0;
        for (line, there) in lines.iter().zip(there) {
            let (list, missing) = match &line.members {
                Some(wanted) => members.list(wanted),
                None => (Vec::new(), 0),
            };
            if missing > 0 {
                merged.unresolved += 1;
                if pass == Pass::Late {
                    merged.rejected.push((
                        line.number,
                        format!("members: {missing} of them are not in the directory; the others were taken"),
                    ));
                }
            }
            match there {
                Err(reason) => merged.rejected.push((line.number, reason)),
                Ok(None) => {
                    created += 1;
                    writes.push(insert(line, list));
                    drafts.push(line.draft.as_ref());
                }
                Ok(Some((stored, version))) => match self.update(line, &stored, version, list) {
                    Ok(write) => {
                        writes.push(write);
                        drafts.push(None);
                    }
                    Err(reason) => merged.rejected.push((line.number, reason)),
                },
            }
        }
        if writes.is_empty() {
            return Ok(());
        }
        let counted = writes.len() as u64;
        let batch = Batch { writes, now, cause: self.cause.clone(), check_members: true };
        let committed = self.store.commit_drafts_in(session, &self.tenant, &batch, &drafts)?;
        let changed = committed.iter().filter(|c| c.changed).count() as u64;
        if pass != Pass::Late {
            merged.counts.created += created;
            merged.counts.updated += changed.saturating_sub(created);
            merged.counts.unchanged += counted.saturating_sub(changed);
        }
        Ok(())
    }

    /// The resource that each line names, with its version: by externalId, else by the type's own name.
    fn there(&self, session: &Session<'_>, lines: &[&Incoming]) -> Result<Vec<There>, MergeError> {
        let mut found: Vec<There> = lines.iter().map(|_| Ok(None)).collect();
        let mut open: BTreeMap<(String, &'static str), Vec<usize>> = BTreeMap::new();
        for (at, line) in lines.iter().enumerate() {
            if line.resource.external_id().is_some() {
                open.entry((line.resource_type.name().to_owned(), "externalId")).or_default().push(at);
            }
        }
        let by_external_id = self.look_up(session, lines, open)?;
        let mut open: BTreeMap<(String, &'static str), Vec<usize>> = BTreeMap::new();
        for (at, line) in lines.iter().enumerate() {
            match by_external_id.get(&at) {
                Some(Alike::One(stored)) => {
                    set(&mut found, at, Ok(Some((stored.resource.clone(), stored.version))));
                }
                Some(Alike::Several) => {
                    let reason = "externalId: several resources of the directory have it".to_owned();
                    set(&mut found, at, Err(reason));
                }
                _ => {
                    let name = own_name(&line.resource_type);
                    // Where another attribute is unique there is no need for displayName.
                    if name == "displayName" && line.resource.external_id().is_some() {
                        continue;
                    }
                    open.entry((line.resource_type.name().to_owned(), name)).or_default().push(at);
                }
            }
        }
        for (at, alike) in self.look_up(session, lines, open)? {
            let Some(line) = lines.get(at) else { continue };
            let name = own_name(&line.resource_type);
            match alike {
                Alike::None => {}
                Alike::Several => {
                    let reason = format!(
                        "{name}: several resources of the directory have it, and there is no externalId"
                    );
                    set(&mut found, at, Err(reason));
                }
                Alike::One(stored) => {
                    // Whose it is by another externalId is another's.
                    let own = line.resource.external_id();
                    let other = stored.resource.external_id().filter(|id| own.is_some_and(|own| own != *id));
                    let there = match other {
                        Some(_) => Err(format!("{name}: is taken by a resource with another externalId")),
                        None => Ok(Some((stored.resource, stored.version))),
                    };
                    set(&mut found, at, there);
                }
            }
        }
        Ok(found)
    }

    fn look_up(
        &self,
        session: &Session<'_>,
        lines: &[&Incoming],
        open: BTreeMap<(String, &'static str), Vec<usize>>,
    ) -> Result<HashMap<usize, Alike>, MergeError> {
        let mut found = HashMap::new();
        for ((resource_type, attribute), at) in open {
            let Some(resource_type) = self.rules.registry.resource_type(&resource_type) else { continue };
            let like: Vec<&Resource> =
                at.iter().filter_map(|at| lines.get(*at)).map(|line| &line.resource).collect();
            let alike = self.store.alike_in(session, &self.tenant, resource_type, attribute, &like)?;
            found.extend(at.into_iter().zip(alike));
        }
        Ok(found)
    }

    fn update(
        &self,
        line: &Incoming,
        there: &Resource,
        version: u64,
        members: Vec<Member>,
    ) -> Result<Write, String> {
        let resource_type = &line.resource_type;
        let mut resource = line.resource.clone();
        resource.set_id(there.id());
        let mut changes = diff(there, &resource, resource_type);
        if !changes.is_empty() {
            // What the line leaves to the server stays as it is.
            resource = self.rules.replacement(line, there)?;
            changes = diff(there, &resource, resource_type);
        }
        let document = (!changes.is_empty()).then(|| document(resource, resource_type));
        let members = match &line.members {
            Some(_) => MembersChange::Set(members),
            None => MembersChange::Keep,
        };
        Ok(Write {
            resource_type: Arc::clone(resource_type),
            id: there.id().to_owned(),
            precondition: Precondition::Version(version),
            change: Change::Update { document, changes, members },
        })
    }
}

/// What is there of a line: nothing, a resource with its version, or a reason why that can't be said.
type There = Result<Option<(Resource, u64)>, String>;

fn set(found: &mut [There], at: usize, value: There) {
    if let Some(there) = found.get_mut(at) {
        *there = value;
    }
}

fn insert(line: &Incoming, added: Vec<Member>) -> Write {
    let mut write = line.insertion.clone();
    if let Change::Insert { members, .. } = &mut write.change {
        *members = added;
    }
    write
}

fn document(resource: Resource, resource_type: &ResourceType) -> Document {
    Document { unique: resource_type.unique_keys(&resource), resource }
}

fn with(mut object: Object, (name, value): (&str, &str)) -> Object {
    object.push(name, value);
    object
}

/// The members that the lines of a group name.
struct Members {
    found: HashMap<(By, String), Member>,
}

impl Members {
    fn resolve(target: &Target, session: &Session<'_>, lines: &[&Incoming]) -> Result<Self, MergeError> {
        let mut wanted: BTreeMap<&By, HashSet<&str>> = BTreeMap::new();
        for member in lines.iter().flat_map(|line| line.members.iter().flatten()) {
            wanted.entry(&member.by).or_default().insert(&member.value);
        }
        let mut found = HashMap::new();
        let mut add = |by: &By, value: &str, id: String, resource_type: &str| {
            let member = Member { id, resource_type: Some(resource_type.to_owned()), display: None };
            found.entry((by.clone(), value.to_owned())).or_insert(member);
        };
        for (by, values) in wanted {
            let values: Vec<&str> = values.into_iter().collect();
            let attribute = match by {
                By::Id => {
                    let ids: Vec<String> = values.iter().map(|id| (*id).to_owned()).collect();
                    let types = target.store.types_of_in(session, &target.tenant, &ids)?;
                    for (id, resource_type) in ids.into_iter().zip(types) {
                        if let Some(resource_type) = resource_type {
                            add(by, &id.clone(), id, &resource_type);
                        }
                    }
                    continue;
                }
                By::ExternalId => "externalId",
                By::Attribute(attribute) => attribute.as_str(),
            };
            for resource_type in target.rules.registry.resource_types() {
                let like: Vec<Resource> = values
                    .iter()
                    .map(|value| Resource::from_canonical(with(Object::new(), (attribute, value))))
                    .collect();
                let alike =
                    target.store.ids_alike_in(session, &target.tenant, resource_type, attribute, &like)?;
                for (value, alike) in values.iter().zip(alike) {
                    if let Alike::One(id) = alike {
                        add(by, value, id, resource_type.name());
                    }
                }
            }
        }
        Ok(Self { found })
    }

    /// Those that are there, each once, and how many are not.
    fn list(&mut self, wanted: &[MemberRef]) -> (Vec<Member>, usize) {
        let (mut list, mut seen, mut missing) = (Vec::new(), HashSet::new(), 0);
        for member in wanted {
            match self.found.get(&(member.by.clone(), member.value.clone())) {
                None => missing += 1,
                Some(found) if seen.insert(found.id.clone()) => {
                    list.push(Member { display: member.display.clone(), ..found.clone() });
                }
                Some(_) => {}
            }
        }
        (list, missing)
    }
}
