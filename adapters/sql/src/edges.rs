//! Members and holders, put into resources where they are asked for.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};

use scim_core::edges::{Holder, MAX_NESTING, set_holders, set_members};
use scim_core::{Include, StoreError, Stored, TenantId};
use scim_schema::{Registry, ResourceType, fold};

use crate::error::DatabaseError;
use crate::params;
use crate::rows;
use crate::session::{Engine, Row, Session};

/// Of so many resources it is remembered at most who has them as members.
const KNOWN: usize = 10_000;

/// Who has one resource as a member.
const HOLDERS: &str = "SELECT r.id, r.type, r.label FROM scim_members m
     JOIN scim_resources r ON r.tenant = m.tenant AND r.id = m.holder
     WHERE m.tenant = ?1 AND m.member_key = ?2 AND m.member = ?3 ORDER BY m.holder";

/// Who has each of several resources as a member. A subquery with OFFSET is not merged into the query around it, where
/// PostgreSQL would read all members of the tenant as long as it has not counted them.
const HOLDERS_OF_MANY: &str =
    "SELECT found.id, found.type, found.label, wanted.id FROM unnest(?2, ?3) AS wanted (key, id)
     CROSS JOIN LATERAL (
         SELECT r.id, r.type, r.label FROM scim_members m
         JOIN scim_resources r ON r.tenant = m.tenant AND r.id = m.holder
         WHERE m.tenant = ?1 AND m.member_key = wanted.key AND m.member = wanted.id OFFSET 0
     ) AS found
     ORDER BY wanted.id, found.id";

/// The edges of a tenant, as one view of the data has them. Those of a page are mostly to the same groups: what
/// was read is remembered.
pub(crate) struct Edges<'s> {
    session: &'s Session<'s>,
    registry: &'s Registry,
    tenant: &'s TenantId,
    /// Direct holders by the id of the member.
    known: HashMap<String, Vec<Holder>>,
}

fn read_holder(row: &Row<'_>) -> Result<Holder, DatabaseError> {
    let (id, resource_type, display) = (row.owned(0)?, row.owned(1)?, row.owned_or_null(2)?);
    Ok(Holder { id, resource_type, display, direct: true })
}

impl<'s> Edges<'s> {
    pub(crate) fn new(session: &'s Session<'s>, registry: &'s Registry, tenant: &'s TenantId) -> Self {
        Self { session, registry, tenant, known: HashMap::new() }
    }

    /// Reads ahead, level by level, who has some resources as members, where that saves round trips.
    pub(crate) fn prepare(&mut self, ids: impl Iterator<Item = String>) -> Result<(), DatabaseError> {
        if self.session.engine() == Engine::Sqlite {
            return Ok(());
        }
        let mut level: Vec<String> = ids.collect();
        for _ in 0..MAX_NESTING {
            level.retain(|id| !self.known.contains_key(id));
            if level.is_empty() {
                break;
            }
            let folded: Vec<_> = level.iter().map(|id| fold(id)).collect();
            let keys: Vec<Option<&str>> = folded.iter().map(|key| Some(key.as_ref())).collect();
            let wanted: Vec<Option<&str>> = level.iter().map(|id| Some(id.as_str())).collect();
            let params = params![self.tenant.as_str(), &keys, &wanted];
            let found = self.session.all(HOLDERS_OF_MANY, params, |row| {
                Ok::<_, DatabaseError>((row.owned(3)?, read_holder(row)?))
            })?;
            self.known.extend(level.drain(..).map(|id| (id, Vec::new())));
            let mut next = HashSet::new();
            for (member, holder) in found {
                next.insert(holder.id.clone());
                self.known.entry(member).or_default().push(holder);
            }
            level.extend(next);
        }
        Ok(())
    }

    /// Puts what `include` says into a resource.
    pub(crate) fn include(
        &mut self,
        resource_type: &ResourceType,
        stored: &mut Stored,
        include: Include,
    ) -> Result<(), StoreError> {
        let resource = &mut stored.resource;
        if let (Some(membership), true) = (resource_type.membership(), include.members) {
            let members = rows::members(self.session, self.tenant.as_str(), resource.id())?;
            set_members(resource, membership, &members, self.registry);
        }
        if include.memberships {
            for inverse in resource_type.inverses() {
                let holders = self.holders(resource.id(), inverse)?;
                set_holders(resource, inverse, &holders, self.registry);
            }
        }
        Ok(())
    }

    /// Who has a resource as a member: directly first, then through others, each once.
    fn holders(&mut self, id: &str, inverse: &str) -> Result<Vec<Holder>, DatabaseError> {
        let mut found: Vec<Holder> = Vec::new();
        let mut listed = HashSet::new();
        let mut followed = HashSet::from([id.to_owned()]);
        let mut queue = VecDeque::from([(id.to_owned(), 0)]);
        let registry = self.registry;
        while let Some((member, depth)) = queue.pop_front() {
            for holder in self.direct(member)? {
                let resource_type = registry.resource_type(&holder.resource_type);
                if resource_type.and_then(|t| t.membership()).and_then(|m| m.inverse()) != Some(inverse) {
                    continue;
                }
                if depth + 1 < MAX_NESTING && followed.insert(holder.id.clone()) {
                    queue.push_back((holder.id.clone(), depth + 1));
                }
                // A resource in a circle belongs to itself only if it is its own member.
                if (depth == 0 || holder.id != id) && listed.insert(holder.id.clone()) {
                    found.push(Holder { direct: depth == 0, ..holder.clone() });
                }
            }
        }
        Ok(found)
    }

    /// Who has a resource as a member itself.
    fn direct(&mut self, member: String) -> Result<&[Holder], DatabaseError> {
        if self.known.len() > KNOWN {
            self.known.clear();
        }
        match self.known.entry(member) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(unknown) => {
                let member = unknown.key();
                let key = fold(member);
                let params = params![self.tenant.as_str(), key.as_ref(), member];
                let found = self.session.all(HOLDERS, params, read_holder)?;
                Ok(unknown.insert(found))
            }
        }
    }
}
