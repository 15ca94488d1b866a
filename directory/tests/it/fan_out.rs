//! Changes that concern many users.

use std::collections::BTreeSet;

use scim_core::{
    Batch, Cause, Change, Document, Member, MemberDelta, MembersChange, Precondition, Store as _, Write,
};
use scim_directory::{Clock as _, EventType};
use scim_schema::{Object, Resource, Value};
use scim_sql::Engine;

use crate::support::{Site, on_both_engines, parse};

on_both_engines! {
    many_users_are_told_of_in_several_transactions_each_once,
    two_relays_write_each_event_once,
}

const USERS: usize = 1050;

/// Users, and a group that gets them all as members in one commit.
async fn grown(site: &Site) -> Vec<String> {
    let registry = site.store.registry();
    let write = |resource_type: &str, id: &str, attribute: &str, change: fn(Document) -> Change| {
        let resource_type = registry.resource_type(resource_type).unwrap();
        let mut attributes = Object::new();
        attributes.push("schemas", vec![Value::from(resource_type.schema().id())]);
        attributes.push("id", id);
        attributes.push(attribute, id);
        let resource = Resource::from_canonical(attributes);
        let document = Document { unique: resource_type.unique_keys(&resource), resource };
        let precondition = Precondition::Absent;
        Write { resource_type: resource_type.clone(), id: id.into(), precondition, change: change(document) }
    };
    let ids: Vec<String> = (0..USERS).map(|n| format!("diruser_{n:05}")).collect();
    let insert: fn(Document) -> Change = |document| Change::Insert { document, members: Vec::new() };
    let mut writes: Vec<Write> = ids.iter().map(|id| write("User", id, "userName", insert)).collect();
    writes.push(write("Group", "dirgroup_all", "displayName", insert));
    let add = ids.iter().map(Member::new).collect();
    let change = Change::Update {
        document: None,
        changes: Vec::new(),
        members: MembersChange::Delta(MemberDelta { clear: false, add, remove: Vec::new() }),
    };
    let group = registry.resource_type("Group").unwrap().clone();
    writes.push(Write {
        resource_type: group,
        id: "dirgroup_all".into(),
        precondition: Precondition::Any,
        change,
    });
    let batch = Batch { writes, now: site.clock.now(), cause: Cause::default(), check_members: true };
    site.store.commit(&site.directory.tenant(), batch).await.unwrap();
    ids
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
