//! Members and holders, put into resources where they are asked for.

use std::collections::{HashSet, VecDeque};

use scim_core::edges::{Holder, MAX_NESTING, set_holders, set_members};
use scim_core::{Include, StoreError, Stored, TenantId};
use scim_schema::{Registry, ResourceType, fold};

use crate::error::DatabaseError;
use crate::params;
use crate::rows;
use crate::session::Session;

/// Puts what `include` says into a resource.
pub(crate) fn include(
    session: &Session<'_>,
    registry: &Registry,
    tenant: &TenantId,
    resource_type: &ResourceType,
    stored: &mut Stored,
    include: Include,
) -> Result<(), StoreError> {
    let resource = &mut stored.resource;
    if let (Some(membership), true) = (resource_type.membership(), include.members) {
        let members = rows::members(session, tenant.as_str(), resource.id())?;
        set_members(resource, membership, &members, registry);
    }
    if include.memberships {
        for inverse in resource_type.inverses() {
            let holders = holders(session, registry, tenant, resource.id(), inverse)?;
            set_holders(resource, inverse, &holders, registry);
        }
    }
    Ok(())
}

/// Who has a resource as a member: directly first, then through others, each once.
fn holders(
    session: &Session<'_>,
    registry: &Registry,
    tenant: &TenantId,
    id: &str,
    inverse: &str,
) -> Result<Vec<Holder>, DatabaseError> {
    let mut found: Vec<Holder> = Vec::new();
    let mut listed = HashSet::new();
    let mut followed = HashSet::from([id.to_owned()]);
    let mut queue = VecDeque::from([(id.to_owned(), 0)]);
    while let Some((member, depth)) = queue.pop_front() {
        let holders = session.all(
            "SELECT r.id, r.type, r.label FROM scim_members m
             JOIN scim_resources r ON r.tenant = m.tenant AND r.id = m.holder
             WHERE m.tenant = ?1 AND m.member_key = ?2 AND m.member = ?3 ORDER BY m.holder",
            params![tenant.as_str(), fold(&member).as_ref(), &member],
            |row| {
                Ok::<_, DatabaseError>(Holder {
                    id: row.text(0)?.to_owned(),
                    resource_type: row.text(1)?.to_owned(),
                    display: row.owned_or_null(2)?,
                    direct: depth == 0,
                })
            },
        )?;
        for holder in holders {
            let resource_type = registry.resource_type(&holder.resource_type);
            if resource_type.and_then(|t| t.membership()).and_then(|m| m.inverse()) != Some(inverse) {
                continue;
            }
            if depth + 1 < MAX_NESTING && followed.insert(holder.id.clone()) {
                queue.push_back((holder.id.clone(), depth + 1));
            }
            // A resource in a circle belongs to itself only if it is its own member.
            if (depth == 0 || holder.id != id) && listed.insert(holder.id.clone()) {
                found.push(holder);
            }
        }
    }
    Ok(found)
}
