//! `id`, `externalId` and `meta` (RFC 7643 §3.1).

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use scim_core::{BearerToken, DateTime, Environment, MemoryStore, Service};
use serde_json::{Value, json};

use crate::support::*;
use crate::things::{THING, thing, things};

// ledger: 7643-3.1-001, 7643-3-005
#[test]
fn every_type_has_the_common_attributes() {
    let scim = things(json!([{"name": "size", "type": "integer"}]));
    let made = thing(&scim, json!({"size": 1, "externalId": "e-1"})).is(201);
    let path = format!("/Things/{}", made.id());
    let shown = scim.get(&path).is(200).body;
    assert_eq!(shown["externalId"], "e-1");
    assert_eq!(shown["meta"]["resourceType"], "Thing");
    assert_eq!(shown["meta"]["location"], format!("{BASE}{path}"));
    for filter in
        [format!("id eq \"{}\"", made.id()), "externalId eq \"e-1\"".into(), "meta.created pr".into()]
    {
        assert_eq!(scim.filter("/Things", &filter).is(200).body["totalResults"], 1, "{filter}");
    }
    // They belong to no schema, and no schema has to list them.
    let schema = scim.get(&format!("/Schemas/{THING}")).is(200).body;
    assert_eq!(schema["attributes"].as_array().unwrap().len(), 1);
    let patched = scim.patch(&path, json!([{"op": "replace", "path": "externalId", "value": "e-2"}])).is(200);
    assert_eq!(patched.body["externalId"], "e-2");
}

// ledger: 7643-3.1-002, 7643-3.1-007, 7643-3.1-018, 7643-3.1-019
#[test]
fn the_service_gives_id_and_meta() {
    let scim = strict().build();
    let made = scim.user("u", json!({"id": "mine"}));
    assert_ne!(made.id(), "mine");
    let meta = &made.body["meta"];
    assert_eq!(meta["resourceType"], "User");
    assert_eq!(meta["created"], meta["lastModified"]);
    assert_eq!(meta["location"], format!("{BASE}/Users/{}", made.id()));
    assert_eq!(made.header("location"), meta["location"].as_str());
    assert_eq!(made.header("content-location"), None);
    let got = scim.get(&format!("/Users/{}", made.id())).is(200);
    assert_eq!(got.header("location"), got.body["meta"]["location"].as_str());
    assert_eq!(got.header("content-location"), None);
    let path = format!("/Users/{}", made.id());
    let changed = scim.patch(&path, json!([{"op": "add", "path": "title", "value": "t"}])).is(200).body;
    let time = |v: &Value| DateTime::parse(v.as_str().unwrap()).unwrap();
    assert_eq!(changed["meta"]["created"], meta["created"]);
    assert!(time(&changed["meta"]["lastModified"]) > time(&meta["lastModified"]));
}

// ledger: 7643-3.1-003
#[test]
fn a_schema_can_t_loosen_a_common_attribute() {
    let scim = things(json!([
        {"name": "id", "mutability": "readWrite", "returned": "request"}, {"name": "size", "type": "integer"}]));
    let made = thing(&scim, json!({"id": "mine", "size": 1})).is(201);
    assert_ne!(made.id(), "mine");
    let path = format!("/Things/{}", made.id());
    scim.patch(&path, json!([{"op": "replace", "path": "id", "value": "mine"}])).fails(400, "mutability");
    scim.put(&path, json!({"schemas": [THING], "id": "mine", "size": 2})).is(200);
    assert_eq!(scim.get(&format!("{path}?attributes=size")).is(200).id(), made.id());
}

// ledger: 7643-3.1-004, 7643-3.1-009
#[test]
fn the_id_is_in_every_representation() {
    let scim = strict().build();
    let made = scim.user("u", json!({}));
    let path = format!("/Users/{}", made.id());
    for query in [
        "",
        "?attributes=userName",
        "?excludedAttributes=id",
        "?excludedAttributes=ID,userName",
        "?attributes=none",
    ] {
        assert_eq!(scim.get(&format!("{path}{query}")).is(200).id(), made.id(), "{query}");
        let list = scim.get(&format!("/Users{query}")).is(200).body;
        assert_eq!(list["Resources"][0]["id"], made.id(), "{query}");
    }
    assert!(!made.id().is_empty());
}

/// Ids that a test hands out one after the other, over and over.
#[derive(Debug)]
struct Ids {
    ids: &'static [&'static str],
    next: AtomicUsize,
}

impl Environment for Ids {
    fn now(&self) -> DateTime {
        DateTime::from_unix_micros(0)
    }

    fn new_id(&self, _: &str) -> String {
        self.ids[self.next.fetch_add(1, Ordering::SeqCst) % self.ids.len()].to_owned()
    }

    fn request_id(&self) -> String {
        "request".to_owned()
    }
}

fn with_ids(ids: &'static [&'static str]) -> Scim {
    let store = MemoryStore::standard();
    let environment = Ids { ids, next: AtomicUsize::new(0) };
    let service =
        Service::builder(BASE, store.clone(), BearerToken::new(TOKEN), environment).build().unwrap();
    Scim { service, store, world: World::default(), token: Some(TOKEN.to_owned()) }
}

// ledger: 7643-3.1-005
#[test]
fn ids_are_unique_over_all_types() {
    let scim = Arc::new(strict().build());
    let threads: Vec<_> = (0..4)
        .map(|n| {
            let scim = Arc::clone(&scim);
            std::thread::spawn(move || {
                (0..50)
                    .map(|i| match (n + i) % 2 {
                        0 => scim.user(&format!("u{n}-{i}"), json!({})).id(),
                        _ => scim.group(&format!("g{n}-{i}"), &[]).id(),
                    })
                    .collect::<Vec<_>>()
            })
        })
        .collect();
    let ids: Vec<String> = threads.into_iter().flat_map(|t| t.join().unwrap()).collect();
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 200);
    // A generator that repeats itself does not overwrite, not even a resource of another type.
    let scim = with_ids(&["same"]);
    scim.user("u", json!({}));
    assert_eq!(scim.post("/Users", json!({"schemas": [USER], "userName": "v"})).status, 409);
    assert_eq!(scim.post("/Groups", json!({"schemas": [GROUP], "displayName": "g"})).status, 409);
    assert_eq!(scim.get("/Users/same").is(200).body["userName"], "u");
    scim.get("/Groups/same").fails(404, "");
}

// ledger: 7643-3.1-006
#[test]
fn the_id_stays_and_is_not_given_again() {
    let scim = strict().build();
    let made = scim.user("u", json!({}));
    let path = format!("/Users/{}", made.id());
    assert_eq!(
        scim.put(&path, json!({"schemas": [USER], "userName": "v", "id": "other"})).is(200).id(),
        made.id()
    );
    assert_eq!(
        scim.patch(&path, json!([{"op": "replace", "path": "userName", "value": "w"}])).is(200).id(),
        made.id()
    );
    scim.patch(&path, json!([{"op": "replace", "path": "id", "value": "other"}])).fails(400, "mutability");
    scim.delete(&path).is(204);
    for _ in 0..20 {
        let again = scim.user("w", json!({}));
        assert_ne!(again.id(), made.id());
        scim.delete(&format!("/Users/{}", again.id())).is(204);
    }
    scim.get(&path).fails(404, "");
}

// ledger: 7643-3.1-008
#[test]
fn an_id_never_has_the_text_bulk_id() {
    // A pluggable generator that breaks the rule gets nothing stored.
    for ids in [&["bulkId:1"][..], &["a-bulkId-1"], &["bulkId"], &[""]] {
        let scim = with_ids(ids);
        scim.post("/Users", json!({"schemas": [USER], "userName": "u"})).fails(500, "");
        let data = json!({"schemas": [USER], "userName": "u"});
        let operation = json!({"method": "POST", "path": "/Users", "bulkId": "q", "data": data});
        let bulk = scim.post("/Bulk", json!({"schemas": [BULK], "Operations": [operation]})).is(200);
        assert_eq!(bulk.body["Operations"][0]["status"], "500", "{}", bulk.body);
        let member = json!({"schemas": [GROUP], "displayName": "g", "members": [{"value": "bulkId:q"}]});
        let circle = json!({"method": "POST", "path": "/Groups", "bulkId": "q", "data": member});
        let bulk = scim.post("/Bulk", json!({"schemas": [BULK], "Operations": [circle]})).is(200);
        assert_eq!(bulk.body["Operations"][0]["status"], "500", "{}", bulk.body);
        assert_eq!(scim.get("/").is(200).body["totalResults"], 0);
    }
    let scim = strict().build();
    for n in 0..100 {
        assert!(!scim.user(&format!("bulkId{n}"), json!({"externalId": "bulkId:1"})).id().contains("bulkId"));
    }
}

// ledger: 7643-3.1-010, 7643-3.1-011, 7643-3.1-013, 7643-7-008
#[test]
fn the_external_id_is_the_client_s() {
    let scim = strict().build();
    let without = scim.user("without", json!({}));
    assert!(scim.get(&format!("/Users/{}", without.id())).is(200).body.get("externalId").is_none());
    scim.user("one", json!({"externalId": "AbC"}));
    scim.user("two", json!({"externalId": "AbC"}));
    assert_eq!(scim.found("/Users", r#"externalId eq "AbC""#), ["one", "two"]);
    assert!(scim.found("/Users", r#"externalId eq "abc""#).is_empty());
    let unique = strict().config(|c| c.unique_external_id = true).build();
    unique.user("one", json!({"externalId": "AbC"}));
    let again = json!({"schemas": [USER], "userName": "two", "externalId": "AbC"});
    unique.post("/Users", again).fails(409, "uniqueness");
    unique.user("three", json!({"externalId": "abc"}));
}

// ledger: 7643-3.1-012
#[test]
fn the_external_id_belongs_to_the_directory() {
    let first = strict().config(|c| c.unique_external_id = true).build();
    let second = first.with_token(Some("other-token"));
    first.user("mine", json!({"externalId": "e"}));
    second.user("theirs", json!({"externalId": "e"}));
    assert_eq!(first.found("/Users", r#"externalId eq "e""#), ["mine"]);
    assert_eq!(second.found("/Users", r#"externalId eq "e""#), ["theirs"]);
}

// ledger: 7643-3.1-014
#[test]
fn meta_of_clients_is_ignored() {
    let scim = strict().build();
    let forged = json!({"resourceType": "Group", "created": "1999-01-01T00:00:00Z",
        "lastModified": "1999-01-01T00:00:00Z", "location": "https://evil.example/", "version": "W/\"99\""});
    let made = scim.user("u", json!({"meta": forged}));
    let path = format!("/Users/{}", made.id());
    let true_meta = scim.get(&path).is(200).body["meta"].clone();
    assert_eq!(true_meta, made.body["meta"]);
    assert_eq!((&true_meta["resourceType"], &true_meta["version"]), (&json!("User"), &json!("W/\"1\"")));
    assert!(!true_meta.to_string().contains("1999") && !true_meta.to_string().contains("evil"));
    // A change that is only a forged meta is no change.
    let body = json!({"schemas": [USER], "userName": "u", "meta": forged});
    assert_eq!(scim.put(&path, body).is(200).body["meta"], true_meta);
    let operations =
        json!([{"op": "replace", "value": {"meta": forged}}, {"op": "add", "value": {"meta": forged}}]);
    assert_eq!(scim.patch(&path, operations).is(200).body["meta"], true_meta);
    // A malformed one neither.
    let body = json!({"schemas": [USER], "userName": "u", "meta": "none of this"});
    assert_eq!(scim.put(&path, body).is(200).body["meta"], true_meta);
}

// ledger: 7643-3.1-015
#[test]
fn meta_is_read_only_and_shown_by_default() {
    let scim = strict().build();
    let path = format!("/Users/{}", scim.user("u", json!({})).id());
    for name in ["resourceType", "created", "lastModified", "location", "version"] {
        assert!(scim.get(&path).is(200).body["meta"][name].is_string(), "{name}");
        for op in ["replace", "add"] {
            let change = json!([{"op": op, "path": format!("meta.{name}"), "value": "2001-01-01T00:00:00Z"}]);
            scim.patch(&path, change).fails(400, "mutability");
        }
        scim.patch(&path, json!([{"op": "remove", "path": format!("meta.{name}")}])).fails(400, "mutability");
    }
    assert!(scim.get(&format!("{path}?excludedAttributes=meta")).is(200).body.get("meta").is_none());
    let part = scim.get(&format!("{path}?attributes=meta.created")).is(200).body["meta"].clone();
    assert_eq!(part.as_object().unwrap().keys().collect::<Vec<_>>(), ["created"]);
}

// ledger: 7643-3.1-016
#[test]
fn the_resource_type_is_compared_exactly() {
    let scim = strict().build();
    let group = scim.group("g", &[]);
    assert_eq!(scim.get(&format!("/Groups/{}", group.id())).is(200).body["meta"]["resourceType"], "Group");
    assert_eq!(scim.found("/Groups", r#"meta.resourceType eq "Group""#), ["g"]);
    assert!(scim.found("/Groups", r#"meta.resourceType eq "group""#).is_empty());
    scim.user("u", json!({}));
    assert_eq!(scim.found("/", r#"meta.resourceType eq "User""#), ["u"]);
}

// ledger: 7643-3.1-017
#[test]
fn times_have_date_time_and_zone() {
    let scim = strict().build();
    let meta = scim.user("u", json!({})).body["meta"].clone();
    for name in ["created", "lastModified"] {
        let text = meta[name].as_str().unwrap();
        assert!(DateTime::parse(text).is_some() && text.ends_with('Z') && text.contains('T'), "{text}");
    }
    let later = format!("meta.created ge \"{}\"", meta["created"].as_str().unwrap());
    assert_eq!(scim.found("/Users", &later), ["u"]);
}

// ledger: 7643-3.1-020, 7643-3.1-021
#[test]
fn the_version_is_the_weak_entity_tag() {
    let scim = strict().build();
    let made = scim.user("u", json!({}));
    let path = format!("/Users/{}", made.id());
    let patch = json!([{"op": "add", "path": "title", "value": "t"}]);
    let mut seen = HashSet::new();
    for (reply, is_new) in [
        (made, true),
        (scim.get(&path), false),
        (scim.put(&path, json!({"schemas": [USER], "userName": "v"})), true),
        (scim.patch(&path, patch), true),
        (scim.get(&path), false),
    ] {
        let tag = reply.header("etag").unwrap();
        assert_eq!(reply.body["meta"]["version"], tag);
        let opaque = tag.strip_prefix("W/\"").and_then(|t| t.strip_suffix('"')).unwrap();
        assert!(!opaque.is_empty() && !opaque.contains('"'), "{tag}");
        assert_eq!(seen.insert(tag.to_owned()), is_new, "{tag}");
    }
    assert_eq!(scim.found("/Users", r#"meta.version sw "W/""#), ["v"]);
    assert!(scim.found("/Users", r#"meta.version sw "w/""#).is_empty());
}
