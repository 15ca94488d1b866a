//! Passwords go in and nothing of them comes out (RFC 7643 §4.1.1 and §9.2).

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use scim_core::{BearerToken, ChangeFeed, FeedCursor, MemoryStore, Secret, SecretSink, Service};
use serde_json::json;

use crate::support::*;

const CANARY: &str = "canary-Passw0rd";

// ledger: 7643-4.1.1-012
#[test]
fn a_password_is_in_no_output() {
    let scim = strict().build();
    let body = json!({"schemas": [USER], "userName": "u", "password": CANARY});
    let made = scim.post("/Users?attributes=password,userName", body.clone()).is(201);
    let path = format!("/Users/{}", made.id());
    let second = json!({"schemas": [USER], "userName": "v", "password": CANARY});
    let operations = json!([
        {"method": "POST", "path": "/Users", "bulkId": "q", "data": second},
        {"method": "PATCH", "path": path, "data": {"schemas": [PATCH], "Operations": [{"op": "replace", "path": "password", "value": CANARY}]}},
        {"method": "POST", "path": "/Users", "bulkId": "r", "data": {"schemas": [USER], "password": CANARY}}]);
    let replies = [
        made,
        scim.get(&path),
        scim.get(&format!("{path}?attributes=password")),
        scim.get("/Users?attributes=password"),
        scim.get("/?attributes=password"),
        scim.post("/Users/.search", json!({"schemas": [SEARCH], "attributes": ["password"]})),
        scim.put(&format!("{path}?attributes=password"), body.clone()),
        scim.patch(&path, json!([{"op": "replace", "path": "password", "value": CANARY}])),
        scim.patch(&path, json!([{"op": "add", "value": {"password": CANARY, "title": "t"}}])),
        scim.patch(
            &format!("{path}?attributes=password"),
            json!([{"op": "add", "path": "password", "value": CANARY}]),
        ),
        scim.post("/Bulk", json!({"schemas": [BULK], "Operations": operations})),
        // Errors do not repeat it either.
        scim.post("/Users", body),
        scim.post("/Users", json!({"schemas": [USER], "userName": "x", "password": [CANARY, CANARY]})),
        scim.filter("/Users", &format!("password eq \"{CANARY}\"")),
        scim.patch(
            &path,
            json!([{"op": "replace", "path": format!("password[value eq \"{CANARY}\"]"), "value": 1}]),
        ),
    ];
    for (n, reply) in replies.iter().enumerate() {
        let text = String::from_utf8(reply.bytes.to_vec()).unwrap();
        assert!(!text.contains("canary"), "{n}: {text}");
        assert!(!text.contains("\"password\""), "{n}: {text}");
        assert!(!format!("{:?}", reply.report).contains("canary"), "{n}");
    }
    // Events and audit are made from the feed: it has that the password changed, and no value.
    let feed = block_on(scim.store.after(FeedCursor::START, 1000)).unwrap();
    assert!(feed.len() >= 3, "{}", feed.len());
    assert!(!format!("{feed:?}").contains("canary"));
    let changed = feed.iter().flat_map(|e| &e.changes).filter(|c| c.path == "password");
    assert!(changed.clone().count() >= 1);
    for change in changed {
        assert_eq!((&change.from, &change.to), (&None, &None));
    }
}

// ledger: 7643-4.1.1-013
#[test]
fn a_store_never_gets_a_password() {
    let scim = strict().build();
    let path = format!("/Users/{}", scim.user("someone", json!({"password": CANARY})).id());
    scim.put(&path, json!({"schemas": [USER], "userName": "someone", "password": CANARY})).is(200);
    scim.patch(&path, json!([{"op": "replace", "path": "password", "value": CANARY}])).is(200);
    let dump = format!("{:?}", scim.store);
    assert!(dump.contains("someone"), "the dump shows what is stored");
    assert!(!dump.contains("canary"), "{dump}");
}

/// Keeps what it is given, and has a policy.
#[derive(Clone, Debug, Default)]
struct Vault(Arc<Mutex<Vec<(String, String, String)>>>);

#[async_trait]
impl SecretSink for Vault {
    async fn accept(&self, secret: Secret<'_>) -> Result<(), String> {
        if secret.value.chars().count() < 8 {
            return Err("must have at least 8 characters".to_owned());
        }
        let entry = (secret.id.to_owned(), secret.path.to_owned(), secret.value.to_owned());
        self.0.lock().unwrap().push(entry);
        Ok(())
    }
}

fn with_vault() -> (Scim, Vault) {
    let (vault, world, store) = (Vault::default(), World::default(), MemoryStore::standard());
    let service = Service::builder(BASE, store.clone(), BearerToken::new(TOKEN), world.clone())
        .secret_sink(vault.clone())
        .build()
        .unwrap();
    (Scim { service, store, world, token: Some(TOKEN.to_owned()) }, vault)
}

// ledger: 7643-4.1.1-014
#[test]
fn the_password_hook_gets_the_prepared_value_and_may_refuse_it() {
    let (scim, vault) = with_vault();
    let decomposed = "Pa\u{301}sswo\u{308}rd1";
    let made = scim.user("u", json!({"password": decomposed}));
    let path = format!("/Users/{}", made.id());
    let entry = |value: &str| (made.id(), "password".to_owned(), value.to_owned());
    assert_eq!(*vault.0.lock().unwrap(), [entry("P\u{e1}ssw\u{f6}rd1")], "composed, letter case kept");
    scim.patch(&path, json!([{"op": "replace", "path": "password", "value": "Second-one"}])).is(200);
    scim.put(&path, json!({"schemas": [USER], "userName": "u", "password": "Third-password"})).is(200);
    let kept = vault.0.lock().unwrap().clone();
    assert_eq!(kept[1..], [entry("Second-one"), entry("Third-password")]);

    let short = json!({"schemas": [USER], "userName": "v", "password": "short"});
    let refused = scim.post("/Users", short).fails(400, "invalidValue");
    assert_eq!(refused.body["detail"], "password: must have at least 8 characters");
    scim.put(&path, json!({"schemas": [USER], "userName": "w", "password": "short"}))
        .fails(400, "invalidValue");
    scim.patch(&path, json!([{"op": "replace", "path": "password", "value": "short"}]))
        .fails(400, "invalidValue");
    assert_eq!(vault.0.lock().unwrap().len(), 3);
    assert_eq!(names(&scim.get("/Users").is(200)), ["u"], "nothing of a refused request is done");
    let dump = format!("{:?}", scim.store);
    assert!(kept.iter().all(|(_, _, value)| !dump.contains(value.as_str())));
    let config = scim.get("/ServiceProviderConfig").is(200).body;
    assert_eq!(config["changePassword"]["supported"], true);
}

#[test]
fn the_debug_form_of_a_secret_does_not_show_it() {
    let tenant = scim_core::TenantId::new("t");
    let secret = Secret { tenant: &tenant, resource_type: "User", id: "1", path: "password", value: CANARY };
    assert!(!format!("{secret:?}").contains("canary"));
}
