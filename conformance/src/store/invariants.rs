//! What must hold in every state: after faults, races and made-up operations.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use scim_core::{ChangeEntry, ChangeKind, Include, Member, Position, Start, Stored, TenantId};
use scim_schema::Value;

use super::build::*;
use super::check::{Proof, Wrong, found, holds, same};
use super::lab::Lab;

/// Checks all that can be known of a tenant: lists, reads, lookups, edges, unique values, and that the feed
/// tells the same story.
pub(super) async fn check(lab: &Lab, tenant: &TenantId) -> Proof {
    let resources = listed(lab, tenant).await?;
    reads(lab, tenant, &resources).await?;
    unique(lab, tenant, &resources).await?;
    edges(&resources)?;
    if let Some(feed) = &lab.handle.feed {
        let mut entries = lab.entries().await.map_err(|wrong| wrong.of(format!("the feed {feed:?}")))?;
        let mut cursors = BTreeSet::new();
        holds(
            "each entry of the feed has a cursor of its own",
            entries.iter().all(|e| cursors.insert(e.cursor)),
        )?;
        entries.retain(|entry| entry.tenant == *tenant);
        history(&resources, &entries)?;
    }
    Ok(())
}

/// All resources by a walk from page to page, whose totals agree.
async fn listed(lab: &Lab, tenant: &TenantId) -> Result<Vec<Stored>, Wrong> {
    let mut asked = query(&["User", "Group"], None)?;
    asked.include = Include::ALL;
    asked.page.count = 50;
    let mut resources: Vec<Stored> = Vec::new();
    let mut total = 0;
    for name in ["User", "Group"] {
        total += lab.store().query(tenant, &paged(query(&[name], None)?, Start::Offset(0), 0)).await?.total;
    }
    loop {
        let page = lab.store().query(tenant, &asked).await?;
        same("the total of a page, and the sum of the types'", page.total, total)?;
        let Some(last) = page.resources.last() else { break };
        asked.page.start = Start::After(Position::of(&asked, last));
        let more = page.more_after;
        resources.extend(page.resources);
        if !more || resources.len() as u64 > total {
            break;
        }
    }
    let ids: BTreeSet<&str> = resources.iter().map(|stored| stored.resource.id()).collect();
    same(
        "how many are listed, and how many ids",
        (resources.len() as u64, ids.len() as u64),
        (total, total),
    )?;
    Ok(resources)
}

fn type_of(stored: &Stored) -> Result<&str, Wrong> {
    let name = stored.resource.get("meta").and_then(|meta| meta.get("resourceType")).and_then(Value::as_str);
    found("meta.resourceType", name)
}

async fn reads(lab: &Lab, tenant: &TenantId, resources: &[Stored]) -> Proof {
    let ids: Vec<String> = resources.iter().map(|stored| stored.resource.id().to_owned()).collect();
    let types = lab.store().types_of(tenant, &ids).await?;
    same("how many types", types.len(), ids.len())?;
    for ((stored, id), named) in resources.iter().zip(&ids).zip(types) {
        let name = type_of(stored)?;
        same(format!("the type of {id}"), named.as_deref(), Some(name))?;
        let got = lab.store().get(tenant, type_named(name), id, Include::ALL).await?;
        same(format!("{id} by get and in the list"), got.as_ref(), Some(stored))?;
    }
    Ok(())
}

/// No two resources share a value that must be unique, and each is found by it.
async fn unique(lab: &Lab, tenant: &TenantId, resources: &[Stored]) -> Proof {
    let mut owners = HashMap::new();
    for (number, stored) in resources.iter().enumerate() {
        let resource_type = type_named(type_of(stored)?);
        let id = stored.resource.id();
        for key in resource_type.unique_keys(&stored.resource) {
            let other = owners.insert((resource_type.name(), key.clone()), id);
            same(format!("who else has {key:?} of {id}"), other, None)?;
        }
        let name = text(&stored.resource, "userName");
        if let (Some(name), true) = (name, number < 30) {
            let filter = format!("userName eq {}", serde_json::Value::from(name));
            let page = lab.store().query(tenant, &query(&["User"], Some(&filter))?).await?;
            holds(format!("{id} is found by {filter}"), ids(&page).iter().any(|found| found == id))?;
        }
    }
    Ok(())
}

/// `groups` is the inverse of `members`.
fn edges(resources: &[Stored]) -> Proof {
    let mut groups: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for holder in resources {
        for member in values(holder, "members") {
            for stored in resources.iter().filter(|stored| stored.resource.id() == member) {
                groups.entry(stored.resource.id()).or_default().insert(holder.resource.id().to_owned());
            }
        }
    }
    for stored in resources {
        if type_of(stored)? != "User" {
            continue;
        }
        let id = stored.resource.id();
        let shown = stored.resource.get("groups").map(Value::elements).unwrap_or_default();
        let direct = shown.iter().filter(|group| group.get("type").and_then(Value::as_str) == Some("direct"));
        let direct: BTreeSet<String> =
            direct.filter_map(|group| group.get("value")?.as_str()).map(str::to_owned).collect();
        same(format!("the direct groups of {id}"), direct, groups.get(id).cloned().unwrap_or_default())?;
    }
    Ok(())
}

/// What the feed tells of each resource leads to what is there.
fn history(resources: &[Stored], entries: &[ChangeEntry]) -> Proof {
    let mut present: BTreeMap<&str, (&ChangeEntry, Vec<Member>)> = BTreeMap::new();
    for entry in entries {
        let id = entry.id.as_str();
        let what = |what: &str| {
            format!("{what} of the feed's entry {} {} version {}", entry.kind.as_str(), id, entry.version)
        };
        let before = present.remove(id);
        let expected = match (entry.kind, &before) {
            (ChangeKind::Created, None) => 1,
            (ChangeKind::Created, Some(_)) => {
                return Err(Wrong::new(what("it is there already, at the time")));
            }
            (_, None) => return Err(Wrong::new(what("it is not there, at the time"))),
            (ChangeKind::Updated, Some((last, _))) => last.version + 1,
            (ChangeKind::Deleted, Some((last, _))) => last.version,
        };
        same(what("the version"), entry.version, expected)?;
        let mut members = before.map(|(_, members)| members).unwrap_or_default();
        for gone in &entry.members_removed {
            let place = members.iter().position(|member| member == gone);
            members.remove(found(what("a member that went"), place)?);
        }
        for came in &entry.members_added {
            holds(
                what("a member came that was not there"),
                members.iter().all(|member| member.id != came.id),
            )?;
            members.push(came.clone());
        }
        if entry.kind == ChangeKind::Deleted {
            same(what("what is left of the members"), members, Vec::new())?;
        } else {
            present.insert(id, (entry, members));
        }
    }
    let there: BTreeSet<&str> = resources.iter().map(|stored| stored.resource.id()).collect();
    let told: BTreeSet<&str> = present.keys().copied().collect();
    same("which resources there are, and which by the feed", &there, &told)?;
    for stored in resources {
        let id = stored.resource.id();
        let Some((entry, members)) = present.get(id) else { continue };
        same(format!("the version of {id} and of its last entry"), stored.version, entry.version)?;
        let ids: Vec<String> = members.iter().map(|member| member.id.clone()).collect();
        same(format!("the members of {id} and what the feed makes of them"), values(stored, "members"), ids)?;
        let mut own = stored.resource.clone();
        own.attributes_mut().remove("members");
        own.attributes_mut().remove("groups");
        same(format!("{id} and its last entry's resource"), letters(&own), letters(&entry.resource))?;
    }
    Ok(())
}
