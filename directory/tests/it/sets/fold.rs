//! Who applies full SETs in order has what the service has.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use proptest::test_runner::{Config, TestRunner};
use scim_patch::{PatchOptions, Plan};
use scim_schema::{Dialect, Registry, Report, Resource};
use scim_set::{KeySet, PollRequest, Verified};
use scim_sql::Engine;
use serde_json::Value;

use super::{ISSUER, believed, keys, now, polled};
use crate::laws::{Operation, operation, perform};
use crate::support::Site;

#[test]
fn full_sets_folded_give_the_rest_state() {
    folded(Engine::Sqlite, 24);
}

#[test]
fn full_sets_folded_give_the_rest_state_on_postgres_too() {
    folded(Engine::Postgres, 4);
}

fn folded(engine: Engine, cases: u32) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases, ..Config::default() });
    runner
        .run(&proptest::collection::vec(operation(), 1..60), |operations| {
            runtime.block_on(run(engine, &operations));
            Ok(())
        })
        .unwrap();
}

async fn run(engine: Engine, operations: &[Operation]) {
    let site = Site::new(engine).await;
    let stream = site.set_stream(polled()).await.id;
    let site = perform(site, operations).await;
    let keys: KeySet = keys(&site).await;
    let mut known = BTreeMap::new();
    let mut ack = Vec::new();
    loop {
        let request = PollRequest { return_immediately: true, ack, ..PollRequest::default() };
        let answer =
            site.directories.poll_sets(&stream, request, ISSUER, Duration::ZERO, now(&site)).await.unwrap();
        if answer.sets.is_empty() {
            break;
        }
        for token in answer.sets.values() {
            apply(&mut known, &believed(token, &keys));
        }
        ack = answer.sets.into_keys().collect();
    }
    let mut stored = BTreeMap::new();
    for endpoint in ["/Users", "/Groups"] {
        let list = site.scim(Method::GET, &format!("{endpoint}?count=1000"), Value::Null, 200).await;
        for resource in list["Resources"].as_array().cloned().unwrap_or_default() {
            stored.insert(format!("{endpoint}/{}", resource["id"].as_str().unwrap()), plain(resource));
        }
    }
    let known: BTreeMap<String, Value> = known.into_iter().map(|(uri, value)| (uri, plain(value))).collect();
    assert_eq!(known, stored);
}

/// Without what a SET does not tell: views, times, and where things are.
fn plain(mut resource: Value) -> Value {
    let object = resource.as_object_mut().unwrap();
    for name in ["meta", "groups"] {
        object.remove(name);
    }
    if let Some(members) = object.get_mut("members").and_then(Value::as_array_mut) {
        for member in members.iter_mut() {
            member.as_object_mut().unwrap().remove("$ref");
        }
        members.sort_by_key(|member| member["value"].as_str().unwrap().to_owned());
    }
    resource
}

fn apply(known: &mut BTreeMap<String, Value>, set: &Verified) {
    let uri = set.subject().uri.clone();
    for (event, payload) in set.events() {
        let data = payload.get("data");
        match event.strip_prefix("urn:ietf:params:scim:event:prov:").unwrap() {
            "create:full" => {
                let created = serde_json::to_value(data.unwrap()).unwrap();
                assert!(known.insert(uri.clone(), created).is_none(), "what comes was not there");
            }
            "patch:full" => {
                let before = known.remove(&uri).expect("what changes is there");
                known.insert(uri.clone(), patched(before, data.unwrap(), uri.starts_with("/Users")));
            }
            "delete" => assert!(known.remove(&uri).is_some(), "what goes was there"),
            "activate" => assert_eq!(known[&uri]["active"], true),
            "deactivate" => assert_eq!(known[&uri]["active"], false),
            other => panic!("{other}"),
        }
    }
}

fn patched(before: Value, body: &scim_schema::Value, is_user: bool) -> Value {
    let registry = Registry::standard();
    let resource_type = registry.resource_type(if is_user { "User" } else { "Group" }).unwrap();
    let dialect = Dialect::strict();
    let options = PatchOptions { inline_members: true, ..PatchOptions::new(&dialect) };
    let mut report = Report::default();
    let plan = Plan::new(body, resource_type, &options, &mut report).unwrap();
    let before = Resource::from_canonical(serde_json::from_value(before).unwrap());
    let outcome = plan.apply(&before, &mut report).unwrap();
    assert!(outcome.changed, "each SET tells something new");
    serde_json::to_value(outcome.resource.attributes()).unwrap()
}
