//! Operations that change one resource: create, replace, PATCH, delete (RFC 7644 §3.3, §3.5, §3.6).

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use scim_patch::{AttributeChange, Member, MembershipPlan, PatchOptions, Plan, diff};
use scim_schema::{Intent, Projection, Resource, ResourceType, Selection, UniqueKey, Value, normalize, read};

use super::references::Pending;
use super::{Answer, Exchange, Inner, location};
use crate::config::UnknownMembers;
use crate::edges;
use crate::error::{Error, ErrorKind};
use crate::etag::Preconditions;
use crate::feed::{ChangeEntry, ChangeKind, FeedCursor};
use crate::store::{
    Batch, Change, Committed, Document, Include, MembersChange, Precondition, StoreError, Stored, Write,
};

/// A create that is ready to be committed.
pub(super) struct PreparedCreate {
    pub(super) write: Write,
    /// What the client set, for attributes that are shown on request only.
    set: Vec<String>,
}

impl Inner {
    pub(super) async fn create(
        &self,
        resource_type: &Arc<ResourceType>,
        body: Value,
        selection: &Selection,
        exchange: &mut Exchange,
    ) -> Result<Answer, Error> {
        let id = self.environment.new_id(resource_type.name());
        let prepared = self.prepare_create(resource_type, id, body, &Pending::new(), exchange).await?;
        let PreparedCreate { write: mut kept, set } = prepared;
        let committed = self.insert(&mut kept, exchange).await?;
        self.tell_sink(&kept, &committed, None, exchange).await;
        let Change::Insert { document, .. } = kept.change else { return Err(short_answer()) };
        let location = location(resource_type, &kept.id, &exchange.base);
        if exchange.minimal && *selection == Selection::Default {
            return Ok(Answer {
                location: Some(location),
                version: Some(committed.version),
                preference_applied: true,
                ..Answer::empty(StatusCode::CREATED)
            });
        }
        let projection = Projection::new(resource_type, selection, &set);
        let stored = self.stored(resource_type, document.resource, &committed);
        Ok(Self::show(StatusCode::CREATED, resource_type, &stored, &projection, exchange))
    }

    /// Commits a create. Where a member went away after it was looked up, the members are looked up again.
    async fn insert(&self, write: &mut Write, exchange: &mut Exchange) -> Result<Committed, Error> {
        for _ in 0..self.config.write_attempts {
            match self.commit(vec![write.clone()], exchange).await {
                Ok(committed) => return committed.into_iter().next().ok_or_else(short_answer),
                Err(StoreError::UnknownMember) if self.ignores_unknown_members() => {
                    let Change::Insert { members, .. } = &mut write.change else { break };
                    let mut no_other = Resource::default();
                    let resource_type = &write.resource_type;
                    self.resolve_references(&mut no_other, members, resource_type, &Pending::new(), exchange)
                        .await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(busy())
    }

    /// Reads and checks the body of a create, up to the point where it can be committed.
    pub(super) async fn prepare_create(
        &self,
        resource_type: &Arc<ResourceType>,
        id: String,
        body: Value,
        pending: &Pending,
        exchange: &mut Exchange,
    ) -> Result<PreparedCreate, Error> {
        check_id(&id)?;
        let mut report = std::mem::take(&mut exchange.report);
        let resource = {
            let options = self.read_options(resource_type, exchange);
            read(body, resource_type, Intent::Create, &options, &mut report)
        };
        exchange.report = report;
        let mut resource = resource?;
        let set = set_paths(&resource, resource_type);
        let mut members = self.take_members(&mut resource, resource_type)?;
        resource.set_id(&id);
        self.take_secrets(&mut resource, resource_type, &id, exchange).await?;
        self.resolve_references(&mut resource, &mut members, resource_type, pending, exchange).await?;
        let document = self.document(resource, resource_type);
        let write = Write {
            resource_type: Arc::clone(resource_type),
            id,
            precondition: Precondition::Absent,
            change: Change::Insert { document, members },
        };
        Ok(PreparedCreate { write, set })
    }

    pub(super) async fn replace(
        &self,
        resource_type: &Arc<ResourceType>,
        id: &str,
        body: Value,
        selection: &Selection,
        preconditions: &Preconditions,
        exchange: &mut Exchange,
    ) -> Result<Answer, Error> {
        let earlier = exchange.report.clone();
        for _ in 0..self.config.write_attempts {
            let existing = self.existing(resource_type, id, Include::NONE, exchange).await?;
            preconditions.check_write(existing.version)?;
            let mut report = earlier.clone();
            let resource = {
                let options = self.read_options(resource_type, exchange);
                read(body.clone(), resource_type, Intent::Replace(&existing.resource), &options, &mut report)
            };
            exchange.report = report;
            let mut resource = resource?;
            let set = set_paths(&resource, resource_type);
            let mut members = self.take_members(&mut resource, resource_type)?;
            resource.set_id(id);
            let secrets = self.take_secrets(&mut resource, resource_type, id, exchange).await?;
            self.resolve_references(&mut resource, &mut members, resource_type, &Pending::new(), exchange)
                .await?;
            let mut changes = diff(&existing.resource, &resource, resource_type);
            changes.extend(secrets);
            let document = (!changes.is_empty()).then(|| self.document(resource, resource_type));
            let members = if resource_type.membership().is_some() {
                MembersChange::Set(members)
            } else {
                MembersChange::Keep
            };
            let update = Update { document, changes, members, bound: true };
            if let Some(committed) =
                self.update(resource_type, &existing, update, preconditions, exchange).await?
            {
                let set = Shown { selection, set: &set, no_content: false };
                return self.show_written(resource_type, id, &committed, set, exchange).await;
            }
        }
        Err(busy())
    }

    pub(super) async fn patch(
        &self,
        resource_type: &Arc<ResourceType>,
        id: &str,
        body: Value,
        selection: &Selection,
        preconditions: &Preconditions,
        exchange: &mut Exchange,
    ) -> Result<Answer, Error> {
        let mut report = std::mem::take(&mut exchange.report);
        let plan = {
            let options = PatchOptions {
                read: self.read_options(resource_type, exchange),
                max_operations: self.config.max_patch_operations,
                ..PatchOptions::new(&exchange.caller.dialect)
            };
            Plan::new(&body, resource_type, &options, &mut report)
        };
        let planned_report = report.clone();
        exchange.report = report;
        let plan = plan?;
        let planned = plan.membership();
        let include = Include {
            members: matches!(planned, MembershipPlan::NeedsMembers),
            memberships: resource_type.inverses().iter().any(|i| plan.compares(i)),
        };
        for _ in 0..self.config.write_attempts {
            let existing = self.existing(resource_type, id, include, exchange).await?;
            preconditions.check_write(existing.version)?;
            let mut report = planned_report.clone();
            let outcome = plan.apply(&existing.resource, &mut report);
            exchange.report = report;
            let outcome = outcome?;
            let (mut resource, mut changes) = (outcome.resource, outcome.changes);
            let mut members = match planned {
                MembershipPlan::Untouched => MembersChange::Keep,
                MembershipPlan::Delta(delta) => MembersChange::Delta(delta.clone()),
                MembershipPlan::NeedsMembers => {
                    MembersChange::Set(self.take_members(&mut resource, resource_type)?)
                }
            };
            if let Some(membership) = resource_type.membership() {
                resource.remove(membership.attribute());
                changes.retain(|c| root(&c.path) != membership.attribute());
            }
            for computed in resource_type.inverses() {
                resource.remove(computed);
            }
            resource.remove("meta");
            self.take_secrets(&mut resource, resource_type, id, exchange).await?;
            let mut nobody = Vec::new();
            let added = match &mut members {
                MembersChange::Keep => &mut nobody,
                MembersChange::Delta(delta) => &mut delta.add,
                MembersChange::Set(all) => all,
            };
            self.resolve_references(&mut resource, added, resource_type, &Pending::new(), exchange).await?;
            let document = (!changes.is_empty()).then(|| self.document(resource, resource_type));
            let bound = document.is_some() || include.members;
            let update = Update { document, changes, members, bound };
            if let Some(committed) =
                self.update(resource_type, &existing, update, preconditions, exchange).await?
            {
                let no_content = self.config.patch_no_content
                    || (exchange.caller.dialect.group_patch_no_content
                        && resource_type.membership().is_some());
                let set = plan.set_paths();
                return self
                    .show_written(
                        resource_type,
                        id,
                        &committed,
                        Shown { selection, set: &set, no_content },
                        exchange,
                    )
                    .await;
            }
        }
        Err(busy())
    }

    pub(super) async fn delete(
        &self,
        resource_type: &Arc<ResourceType>,
        id: &str,
        preconditions: &Preconditions,
        exchange: &Exchange,
    ) -> Result<Answer, Error> {
        let needs_version = preconditions.is_conditional();
        for _ in 0..self.config.write_attempts {
            let mut existing = None;
            let mut precondition = Precondition::Any;
            if needs_version || self.tells_sink() {
                let stored = self.existing(resource_type, id, Include::NONE, exchange).await?;
                preconditions.check_write(stored.version)?;
                if needs_version {
                    precondition = Precondition::Version(stored.version);
                }
                existing = Some(stored);
            }
            let write = Write {
                resource_type: Arc::clone(resource_type),
                id: id.to_owned(),
                precondition,
                change: Change::Delete,
            };
            match self.commit(vec![write.clone()], exchange).await {
                Ok(committed) => {
                    let committed = committed.into_iter().next().ok_or_else(short_answer)?;
                    self.tell_sink(&write, &committed, existing.map(|e| e.resource), exchange).await;
                    return Ok(Answer::empty(StatusCode::NO_CONTENT));
                }
                Err(StoreError::VersionMismatch { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // The version moved on under an If-Match that named it.
        Err(Error::new(ErrorKind::PreconditionFailed, "the resource has another version"))
    }

    pub(super) async fn existing(
        &self,
        resource_type: &ResourceType,
        id: &str,
        include: Include,
        exchange: &Exchange,
    ) -> Result<Stored, Error> {
        let stored = self.store.get(&exchange.caller.tenant, resource_type, id, include).await?;
        stored.ok_or_else(Error::not_found)
    }

    /// Commits an update. `None` when another write came between and the client did not say which
    /// version it meant: the caller begins again.
    async fn update(
        &self,
        resource_type: &Arc<ResourceType>,
        existing: &Stored,
        update: Update,
        preconditions: &Preconditions,
        exchange: &Exchange,
    ) -> Result<Option<Committed>, Error> {
        let idle = match &update.members {
            MembersChange::Keep => true,
            MembersChange::Delta(delta) => delta.is_empty(),
            MembersChange::Set(_) => false,
        };
        if update.document.is_none() && idle {
            return Ok(Some(Committed {
                version: existing.version,
                created: existing.created,
                last_modified: existing.last_modified,
                changed: false,
                members_added: Vec::new(),
                members_removed: Vec::new(),
            }));
        }
        // Changes of members alone commute with other writes, so they need no version.
        let bound = update.bound || preconditions.is_conditional();
        let write = Write {
            resource_type: Arc::clone(resource_type),
            id: existing.resource.id().to_owned(),
            precondition: if bound { Precondition::Version(existing.version) } else { Precondition::Any },
            change: Change::Update {
                document: update.document,
                changes: update.changes,
                members: update.members,
            },
        };
        match self.commit(vec![write.clone()], exchange).await {
            Ok(committed) => {
                let committed = committed.into_iter().next().ok_or_else(short_answer)?;
                self.tell_sink(&write, &committed, Some(existing.resource.clone()), exchange).await;
                Ok(Some(committed))
            }
            Err(StoreError::VersionMismatch { .. }) if !preconditions.is_conditional() => Ok(None),
            Err(StoreError::UnknownMember) if self.ignores_unknown_members() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn commit(
        &self,
        writes: Vec<Write>,
        exchange: &Exchange,
    ) -> Result<Vec<Committed>, StoreError> {
        let batch = Batch {
            writes,
            now: exchange.now,
            cause: exchange.cause(),
            check_members: self.config.unknown_members != UnknownMembers::Keep,
        };
        self.store.commit(&exchange.caller.tenant, batch).await
    }

    fn ignores_unknown_members(&self) -> bool {
        self.config.unknown_members == UnknownMembers::Ignore
    }

    /// The answer to a write of a resource that existed.
    async fn show_written(
        &self,
        resource_type: &Arc<ResourceType>,
        id: &str,
        committed: &Committed,
        shown: Shown<'_>,
        exchange: &Exchange,
    ) -> Result<Answer, Error> {
        let quiet = shown.no_content || exchange.minimal;
        if quiet && *shown.selection == Selection::Default {
            return Ok(Answer {
                location: Some(location(resource_type, id, &exchange.base)),
                version: Some(committed.version),
                preference_applied: exchange.minimal,
                ..Answer::empty(StatusCode::NO_CONTENT)
            });
        }
        // Read again: what is shown is what is stored, computed attributes included.
        let projection = Projection::new(resource_type, shown.selection, shown.set);
        self.get(resource_type, id, projection, &Preconditions::default(), exchange).await
    }

    /// A resource as a store would hand it out right after a create.
    fn stored(&self, resource_type: &ResourceType, mut resource: Resource, committed: &Committed) -> Stored {
        resource.set_meta(resource_type, committed.created, committed.last_modified, committed.version);
        if let Some(membership) = resource_type.membership() {
            edges::set_members(&mut resource, membership, &committed.members_added, &self.registry);
        }
        Stored {
            resource,
            version: committed.version,
            created: committed.created,
            last_modified: committed.last_modified,
        }
    }

    fn document(&self, mut resource: Resource, resource_type: &ResourceType) -> Document {
        let mut unique = resource_type.unique_keys(&resource);
        if self.config.unique_external_id
            && let Some(external_id) = resource.external_id()
        {
            unique.push(UniqueKey {
                attribute: "externalId".into(),
                value: normalize(external_id).into_owned(),
            });
        }
        resource.write();
        Document { resource, unique }
    }

    /// The members that a body gave, each with an id.
    fn take_members(
        &self,
        resource: &mut Resource,
        resource_type: &ResourceType,
    ) -> Result<Vec<Member>, Error> {
        let Some(membership) = resource_type.membership() else { return Ok(Vec::new()) };
        let given = resource.get(membership.attribute()).map_or(0, |v| v.elements().len());
        let mut members = edges::take_members(resource, membership);
        if members.len() < given || members.iter().any(|m| m.id.is_empty()) {
            let detail =
                format!("{}: each member needs a value, the id of a resource", membership.attribute());
            return Err(Error::new(ErrorKind::InvalidValue, detail));
        }
        let mut seen = std::collections::HashSet::new();
        members.retain(|m| seen.insert(m.id.clone()));
        Ok(members)
    }

    fn tells_sink(&self) -> bool {
        self.sink.is_some() && !self.store.capabilities().change_feed
    }

    /// Tells the sink of a change, where the store keeps no feed.
    pub(super) async fn tell_sink(
        &self,
        write: &Write,
        committed: &Committed,
        before: Option<Resource>,
        exchange: &Exchange,
    ) {
        let Some(sink) = self.sink.as_ref().filter(|_| self.tells_sink() && committed.changed) else {
            return;
        };
        let (kind, resource, changes) = match &write.change {
            Change::Insert { document, .. } => {
                (ChangeKind::Created, Some(document.resource.clone()), Vec::new())
            }
            Change::Update { document, changes, .. } => {
                let after = document.as_ref().map(|d| d.resource.clone());
                (ChangeKind::Updated, after.or(before), changes.clone())
            }
            Change::Delete => (ChangeKind::Deleted, before, Vec::new()),
        };
        let mut resource = resource.unwrap_or_default();
        resource.set_meta(
            &write.resource_type,
            committed.created,
            committed.last_modified,
            committed.version,
        );
        let entry = ChangeEntry {
            cursor: FeedCursor::START,
            tenant: exchange.caller.tenant.clone(),
            resource_type: write.resource_type.name().to_owned(),
            id: write.id.clone(),
            kind,
            version: committed.version,
            resource,
            changes,
            members_added: committed.members_added.clone(),
            members_removed: committed.members_removed.clone(),
            cause: exchange.cause(),
            time: committed.last_modified,
        };
        sink.changed(&[entry]).await;
    }
}

/// A change of a resource that exists.
struct Update {
    document: Option<Document>,
    changes: Vec<AttributeChange>,
    members: MembersChange,
    /// Whether it was worked out from the version that was read.
    bound: bool,
}

/// What the answer to a write shows.
#[derive(Clone, Copy)]
struct Shown<'s> {
    selection: &'s Selection,
    set: &'s [String],
    no_content: bool,
}

/// The canonical paths that a body gave values for, where the answer depends on them.
fn set_paths(resource: &Resource, resource_type: &ResourceType) -> Vec<String> {
    let mut paths = Vec::new();
    if !resource_type.shows_on_request() {
        return paths;
    }
    for (name, value) in resource.attributes().iter() {
        match (resource_type.extension(name), value.as_object()) {
            (Some(_), Some(container)) => paths.extend(container.keys().map(|k| format!("{name}:{k}"))),
            _ => paths.push(name.to_owned()),
        }
    }
    paths
}

/// The top-level attribute of a canonical path of the base schema.
fn root(path: &str) -> &str {
    match path.rsplit_once(':') {
        Some(_) => path,
        None => path.split('.').next().unwrap_or(path),
    }
}

/// An id has no text `bulkId`, which would make it a reference inside a bulk job (RFC 7643 §3.1).
fn check_id(id: &str) -> Result<(), Error> {
    if id.is_empty() || id.contains("bulkId") {
        return Err(Error::new(
            ErrorKind::Internal,
            "the environment gave an id that is empty or has `bulkId`",
        ));
    }
    Ok(())
}

fn busy() -> Error {
    StoreError::Unavailable {
        retry_after: Some(Duration::from_secs(1)),
        source: "other writes of the resource came between, again and again".into(),
    }
    .into()
}

fn short_answer() -> Error {
    StoreError::Other {
        store: "configured",
        source: "a commit answered fewer writes than it was given".into(),
    }
    .into()
}
