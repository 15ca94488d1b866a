//! Changes that concern many users.

use std::collections::BTreeSet;

use scim_core::{
    Batch, Cause, Change, Document, Member, MemberDelta, MembersChange, Precondition, Store as _, Write,
};
use scim_directory::{Clock as _, EventType};
use scim_schema::{Object, Resource, Value};
use scim_sql::Engine;

use crate::laws::{check_tables, log_in_one_go, said};
use crate::support::{Site, on_both_engines, parse};

on_both_engines! {
    many_users_are_told_of_in_several_transactions_each_once,
    two_relays_write_each_event_once,
    few_and_many_members_are_told_of_alike,
}

const USERS: usize = 1050;

/// Writes, all in one commit.
async fn commit(site: &Site, writes: Vec<Write>, check_members: bool) {
    let batch = Batch { writes, now: site.clock.now(), cause: Cause::default(), check_members };
    site.store.commit(&site.directory.tenant(), batch).await.unwrap();
}

/// A user or group with a name.
fn new(site: &Site, resource_type: &str, id: &str, members: &[String]) -> Write {
    let resource_type = site.store.registry().resource_type(resource_type).unwrap();
    let name = if resource_type.name() == "User" { "userName" } else { "displayName" };
    let mut attributes = Object::new();
    attributes.push("schemas", vec![Value::from(resource_type.schema().id())]);
    attributes.push("id", id);
    attributes.push(name, id);
    let resource = Resource::from_canonical(attributes);
    let document = Document { unique: resource_type.unique_keys(&resource), resource };
    Write {
        resource_type: resource_type.clone(),
        id: id.into(),
        precondition: Precondition::Absent,
        change: Change::Insert { document, members: members.iter().map(Member::new).collect() },
    }
}

/// Members come to a group.
fn join(site: &Site, group: &str, members: &[String]) -> Write {
    let add = members.iter().map(Member::new).collect();
    let change = Change::Update {
        document: None,
        changes: Vec::new(),
        members: MembersChange::Delta(MemberDelta { clear: false, add, remove: Vec::new() }),
    };
    let resource_type = site.store.registry().resource_type("Group").unwrap().clone();
    Write { resource_type, id: group.into(), precondition: Precondition::Any, change }
}

fn user_ids(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("diruser_{n:05}")).collect()
}

/// Users, and a group that gets them all as members in one commit.
async fn grown(site: &Site) -> Vec<String> {
    let ids = user_ids(USERS);
    let mut writes: Vec<Write> = ids.iter().map(|id| new(site, "User", id, &[])).collect();
    writes.push(new(site, "Group", "dirgroup_all", &[]));
    writes.push(join(site, "dirgroup_all", &ids));
    commit(site, writes, true).await;
    ids
}

/// More members than a transaction keeps in memory are moved in the tables: nobody sees which it was.
async fn few_and_many_members_are_told_of_alike(engine: Engine) {
    for count in [199, 200, 201] {
        let site = Site::new(engine).await;
        let ids = user_ids(count);
        let ghosts: Vec<String> = ids.iter().map(|id| id.replace("user", "ghost")).collect();
        // These members are nobody yet, so there are no events that end the transaction.
        let named =
            [new(&site, "Group", "dirgroup_ghosts", &ghosts), new(&site, "Group", "dirgroup_all", &[])];
        commit(&site, named.into(), false).await;
        commit(&site, ids.iter().chain(&ghosts[..9]).map(|id| new(&site, "User", id, &[])).collect(), true)
            .await;
        site.catch_up().await;
        commit(&site, vec![join(&site, "dirgroup_all", &ids)], true).await;
        commit(&site, vec![join(&site, "dirgroup_ghosts", &["dirgroup_all".to_owned()])], true).await;
        site.catch_up().await;
        site.remove_member("dirgroup_all", &ids[1]).await;
        site.delete(&format!("/Users/{}", ids[2])).await;
        site.set("/Groups/dirgroup_ghosts", "displayName", "renamed".into()).await;
        site.catch_up().await;
        site.delete("/Groups/dirgroup_all").await;
        site.add_members("dirgroup_ghosts", &[&ids[3]]).await;
        site.set(&format!("/Users/{}", ids[3]), "title", "new".into()).await;
        site.catch_up().await;
        let users = async || {
            let groups = site.directories.groups(&site.directory.id, None, 10).await.unwrap();
            let [members, users] = ["member_count", "total_users"].map(|name| groups[0].get(name).cloned());
            assert_eq!(members, Some(Value::from(count as u64 + 1)));
            users
        };
        assert_eq!(users().await, Some(Value::from(10_u64)));
        commit(&site, ghosts[9..].iter().map(|id| new(&site, "User", id, &[])).collect(), true).await;
        site.set("/Groups/dirgroup_ghosts", "displayName", "alive".into()).await;
        site.catch_up().await;
        assert_eq!(users().await, Some(Value::from(count as u64 + 1)));
        check_tables(&site).await;
        let events = site.events().await;
        let late = log_in_one_go(&site).await;
        assert_eq!(
            events.iter().map(said).collect::<Vec<_>>(),
            late.iter().map(said).collect::<Vec<_>>(),
            "{count}"
        );
        check_tables(&site).await;
    }
}

async fn many_users_are_told_of_in_several_transactions_each_once(engine: Engine) {
    let site = Site::new(engine).await;
    let ids = grown(&site).await;
    // A relay that dies after each transaction, and one that does not.
    let mut transactions = 0;
    while site.relay().step().await.unwrap() {
        transactions += 1;
    }
    assert!(transactions > 10, "{transactions}");
    let events = site.events().await;
    assert_eq!(events.len(), 2 * USERS + 2);
    let of = |event_type: EventType| events.iter().filter(move |e| e.event_type == event_type);
    assert_eq!(of(EventType::GroupUpdated).count(), 1);
    let group = parse(&of(EventType::GroupUpdated).next().unwrap().body);
    assert_eq!(group["data"]["member_count"], USERS);
    // Too many to name.
    assert_eq!(group["changes"][1]["path"], "total_users");
    assert_eq!(group["changes"][2]["path"], "members");
    assert!(group["changes"][2]["to"].is_null());
    let updated: Vec<&str> = of(EventType::UserUpdated).map(|e| e.subject.as_str()).collect();
    assert_eq!(updated.len(), USERS);
    assert_eq!(updated.iter().copied().collect::<BTreeSet<_>>(), ids.iter().map(String::as_str).collect());
    let sequences: Vec<u64> = events.iter().map(|e| e.sequence).collect();
    assert_eq!(sequences, (1..=sequences.len() as u64).collect::<Vec<_>>());

    // One that goes on without a break says the same.
    let other = Site::new(engine).await;
    grown(&other).await;
    other.catch_up().await;
    let said = |events: &[scim_directory::Event]| -> Vec<(EventType, String, u64)> {
        events.iter().map(|e| (e.event_type, e.subject.clone(), e.sequence)).collect()
    };
    assert_eq!(said(&other.events().await), said(&events));
}

async fn two_relays_write_each_event_once(engine: Engine) {
    let site = Site::new(engine).await;
    grown(&site).await;
    let (mut a, mut b) = (site.relay(), site.relay());
    let (a, b) = tokio::join!(a.catch_up(), b.catch_up());
    assert_eq!(a.unwrap() + b.unwrap(), 2 * USERS + 2);
    assert_eq!(site.events().await.len(), 2 * USERS + 2);
}
