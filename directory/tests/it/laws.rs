//! Laws that hold for every sequence of operations.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use scim_core::{Include, Store as _};
use scim_directory::{Directories, Event, EventType, Relay};
use scim_sql::Engine;
use serde_json::{Value, json};

use crate::support::{Site, group_body, on_both_engines, parse, times, user_body};

on_both_engines! {
    nothing_is_lost_and_nothing_told_twice_when_the_process_dies_between_steps,
    a_put_of_what_is_there_is_a_no_op_for_all,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation {
    CreateUser,
    CreateGroup { member: usize },
    Rename { user: usize, title: u8 },
    Activate { user: usize, active: bool },
    RenameGroup { group: usize, name: u8 },
    AddMember { group: usize, member: usize },
    AddGroup { group: usize, member: usize },
    RemoveMember { group: usize, member: usize },
    ReplaceMembers { group: usize, first: usize, second: usize },
    DeleteUser { user: usize },
    DeleteGroup { group: usize },
    Relay,
    Restart,
}

pub(crate) fn operation() -> impl Strategy<Value = Operation> {
    let n = 0..8_usize;
    prop_oneof![
        3 => Just(Operation::CreateUser),
        2 => n.clone().prop_map(|member| Operation::CreateGroup { member }),
        2 => (n.clone(), 0..3_u8).prop_map(|(user, title)| Operation::Rename { user, title }),
        2 => (n.clone(), any::<bool>()).prop_map(|(user, active)| Operation::Activate { user, active }),
        1 => (n.clone(), 0..3_u8).prop_map(|(group, name)| Operation::RenameGroup { group, name }),
        3 => (n.clone(), n.clone()).prop_map(|(group, member)| Operation::AddMember { group, member }),
        2 => (n.clone(), n.clone()).prop_map(|(group, member)| Operation::AddGroup { group, member }),
        2 => (n.clone(), n.clone()).prop_map(|(group, member)| Operation::RemoveMember { group, member }),
        1 => (n.clone(), n.clone(), n.clone())
            .prop_map(|(group, first, second)| Operation::ReplaceMembers { group, first, second }),
        1 => n.clone().prop_map(|user| Operation::DeleteUser { user }),
        1 => n.prop_map(|group| Operation::DeleteGroup { group }),
        2 => Just(Operation::Relay),
        1 => Just(Operation::Restart),
    ]
}

/// Runs the operations; what they name is picked among what there is.
pub(crate) async fn perform(mut site: Site, operations: &[Operation]) -> Site {
    let (mut users, mut groups): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    let pick = |of: &[String], n: usize| (!of.is_empty()).then(|| of[n % of.len()].clone());
    for (number, operation) in operations.iter().enumerate() {
        match *operation {
            Operation::CreateUser => users.push(site.user(&format!("user{number}")).await),
            Operation::CreateGroup { member } => {
                let member = pick(&users, member);
                let members: Vec<&str> = member.iter().map(String::as_str).collect();
                groups.push(site.group(&format!("group{number}"), &members).await);
            }
            Operation::Rename { user, title } => {
                if let Some(id) = pick(&users, user) {
                    site.set(&format!("/Users/{id}"), "title", json!(format!("Title {title}"))).await;
                }
            }
            Operation::Activate { user, active } => {
                if let Some(id) = pick(&users, user) {
                    site.set(&format!("/Users/{id}"), "active", json!(active)).await;
                }
            }
            Operation::RenameGroup { group, name } => {
                if let Some(id) = pick(&groups, group) {
                    site.set(&format!("/Groups/{id}"), "displayName", json!(format!("{id} {name}"))).await;
                }
            }
            Operation::AddMember { group, member } => {
                if let (Some(group), Some(member)) = (pick(&groups, group), pick(&users, member)) {
                    site.add_members(&group, &[&member]).await;
                }
            }
            Operation::AddGroup { group, member } => {
                if let (Some(group), Some(member)) = (pick(&groups, group), pick(&groups, member))
                    && group != member
                {
                    site.add_members(&group, &[&member]).await;
                }
            }
            Operation::RemoveMember { group, member } => {
                if let (Some(group), Some(member)) = (pick(&groups, group), pick(&users, member)) {
                    site.remove_member(&group, &member).await;
                }
            }
            Operation::ReplaceMembers { group, first, second } => {
                if let (Some(group), Some(a), Some(b)) =
                    (pick(&groups, group), pick(&users, first), pick(&users, second))
                {
                    let members: Vec<&str> = if a == b { vec![&a] } else { vec![&a, &b] };
                    let body = group_body("replaced", &members);
                    site.scim(Method::PUT, &format!("/Groups/{group}"), body, 200).await;
                }
            }
            Operation::DeleteUser { user } => {
                if let Some(id) = pick(&users, user) {
                    site.delete(&format!("/Users/{id}")).await;
                    users.retain(|u| *u != id);
                }
            }
            Operation::DeleteGroup { group } => {
                if let Some(id) = pick(&groups, group) {
                    site.delete(&format!("/Groups/{id}")).await;
                    groups.retain(|g| *g != id);
                }
            }
            Operation::Relay => {
                site.catch_up().await;
                check(&site).await;
            }
            Operation::Restart => {
                // Dies in the middle of its work.
                site.relay().step().await.unwrap();
                site = site.restarted().await;
            }
        }
    }
    site.catch_up().await;
    check(&site).await;
    site
}

/// What an application knows that has heard all events: users and groups by id.
fn fold(events: &[Event]) -> BTreeMap<String, Value> {
    let mut known = BTreeMap::new();
    for event in events {
        let mut data = parse(&event.body)["data"].take();
        let reason = data.as_object_mut().unwrap().remove("reason");
        let gone = event.event_type == EventType::GroupDeleted || reason == Some(json!("removed"));
        if gone {
            assert!(known.remove(&event.subject).is_some(), "what goes was there");
        } else {
            let was_there = known.insert(event.subject.clone(), data).is_some();
            let comes = matches!(event.event_type, EventType::UserCreated | EventType::GroupCreated);
            assert!(was_there || comes, "what comes is told of as created");
        }
    }
    known
}

/// The events, folded, give what the directory says and what the store holds.
async fn check(site: &Site) {
    let events = site.events().await;
    let sequences: Vec<u64> = events.iter().map(|e| e.sequence).collect();
    assert_eq!(sequences, (1..=sequences.len() as u64).collect::<Vec<_>>());
    let known = fold(&events);
    check_tables(site).await;

    let directory = &site.directory.id;
    let users = site.directories.users(directory, None, 1000).await.unwrap();
    let groups = site.directories.groups(directory, None, 1000).await.unwrap();
    let said: BTreeMap<String, Value> = users
        .into_iter()
        .chain(groups)
        .map(|v| (v.get("id").and_then(|id| id.as_str()).unwrap().to_owned(), v.into()))
        .collect();
    assert_eq!(known, said);

    let tenant = site.directory.tenant();
    for resource_type in site.store.registry().resource_types() {
        let list = site.scim(Method::GET, resource_type.endpoint(), Value::Null, 200).await;
        let listed = list["Resources"].as_array().cloned().unwrap_or_default();
        let object = if resource_type.name() == "User" { "directory_user" } else { "directory_group" };
        assert_eq!(listed.len(), known.values().filter(|v| v["object"] == object).count());
        for resource in listed {
            let id = resource["id"].as_str().unwrap();
            let stored = site
                .store
                .get(&tenant, resource_type, id, Include::ALL)
                .await
                .unwrap()
                .expect("it is listed");
            let known = &known[id];
            assert_eq!(known["version"], stored.version);
            assert_eq!(known["updated_at"], stored.last_modified.to_string());
            let stored: Value = serde_json::to_value(&stored.resource).unwrap();
            if resource_type.name() == "User" {
                assert_eq!(known["title"], stored["title"]);
                assert_eq!(known["active"], stored["active"]);
                let mut expected: Vec<&str> = stored["groups"]
                    .as_array()
                    .map(|groups| groups.iter().map(|g| g["display"].as_str().unwrap()).collect())
                    .unwrap_or_default();
                expected.sort_unstable();
                assert_eq!(known["groups"], json!(expected));
            } else {
                assert_eq!(known["name"], stored["displayName"]);
                let members = stored["members"].as_array().map_or(0, Vec::len);
                assert_eq!(known["member_count"], members);
            }
        }
    }
}

/// Users, groups, memberships, their counts and the log are as the feed has them.
pub(crate) async fn check_tables(site: &Site) {
    let mut findings = Directories::check(&site.store).await.unwrap();
    findings.retain(|finding| finding.count > 0);
    assert_eq!(findings, []);
}

/// An event without what is new each time.
pub(crate) fn said(event: &Event) -> (EventType, String, Value) {
    let mut body = parse(&event.body);
    for field in ["id", "environment_id"] {
        body.as_object_mut().unwrap().remove(field);
    }
    (event.event_type, event.subject.clone(), body)
}

// mission: M-49, M-65
#[test]
fn events_folded_give_the_state_whenever_the_relay_ran_and_died() {
    events_folded_give_the_state(Engine::Sqlite, times("SCIM_DIRECTORY_SEQUENCES", 24));
}

#[test]
fn events_folded_give_the_state_on_postgres_too() {
    events_folded_give_the_state(Engine::Postgres, times("SCIM_DIRECTORY_SEQUENCES", 48).div_ceil(12));
}

fn events_folded_give_the_state(engine: Engine, cases: u32) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases, ..Config::default() });
    let operations = proptest::collection::vec(operation(), 1..60);
    runner
        .run(&operations, |operations| {
            runtime.block_on(async {
                let site = perform(Site::new(engine).await, &operations).await;
                // A second log, written in one go when all is over, says the same.
                let events = site.events().await;
                let late = log_in_one_go(&site).await;
                let late: Vec<_> = late.iter().map(said).collect();
                assert_eq!(events.iter().map(said).collect::<Vec<_>>(), late);
            });
            Ok(())
        })
        .unwrap();
    println!(
        "{}",
        json!({"row": "O6", "engine": format!("{engine:?}"), "sequences": cases, "differences": 0})
    );
}

/// The log that a relay writes which reads the whole feed at once: with the tables of the domain emptied.
pub(crate) async fn log_in_one_go(site: &Site) -> Vec<Event> {
    let empty = |session: &scim_sql::Session<'_>| {
        for statement in [
            "DELETE FROM dir_deliveries",
            "DELETE FROM dir_events",
            "DELETE FROM dir_members",
            "DELETE FROM dir_subjects",
            "UPDATE dir_directories SET sequence = 0",
            "UPDATE dir_feed SET major = 0, minor = 0, fanned_out = NULL",
        ] {
            session.execute(statement, scim_sql::params![])?;
        }
        Ok::<_, scim_sql::DatabaseError>(())
    };
    site.store.database().write(empty).await.unwrap();
    Relay::new(&site.directories, Arc::new(site.store.clone())).catch_up().await.unwrap();
    site.events().await
}

// mission: M-68
async fn nothing_is_lost_and_nothing_told_twice_when_the_process_dies_between_steps(engine: Engine) {
    let mut site = Site::new(engine).await;
    let mut ids = Vec::new();
    for round in 0..12 {
        let user = site.user(&format!("user{round}")).await;
        site.group(&format!("group{round}"), &[&user]).await;
        if round % 3 == 0 {
            site.relay().step().await.unwrap();
        }
        let seen: Vec<String> = site.events().await.iter().map(|e| e.id.to_string()).collect();
        site = site.restarted().await;
        let after: Vec<String> = site.events().await.iter().map(|e| e.id.to_string()).collect();
        assert_eq!(after, seen, "what was written stays as it is");
        assert!(after.starts_with(&ids));
        ids = after;
    }
    site.catch_up().await;
    let events = site.events().await;
    assert_eq!(events.len(), 36);
    assert!(events.iter().map(|e| e.id.to_string()).collect::<Vec<_>>().starts_with(&ids));
    assert_eq!(fold(&events).len(), 24);
    assert_eq!(site.catch_up().await, 0);
}

async fn a_put_of_what_is_there_is_a_no_op_for_all(engine: Engine) {
    let site = Site::new(engine).await;
    let user = site.user("ann").await;
    let group = site.group("Staff", &[&user]).await;
    site.catch_up().await;
    let before = site.events().await;
    site.scim(Method::PUT, &format!("/Users/{user}"), user_body("ann"), 200).await;
    site.scim(Method::PUT, &format!("/Groups/{group}"), group_body("Staff", &[&user]), 200).await;
    site.remove_member(&group, "nobody").await;
    site.catch_up().await;
    assert_eq!(site.events().await, before);
}
