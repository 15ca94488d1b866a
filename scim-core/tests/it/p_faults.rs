//! Stores that fail, stores without a feed, and what goes to sinks.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::Request;
use scim_core::{
    Batch, BearerToken, Capabilities, ChangeEntry, ChangeKind, Committed, EventSink, Include, MemoryStore,
    Page, Query, RegistryBuilder, ResourceType, Service, Store, StoreError, Stored, TenantId,
};
use serde_json::{Value, json};

use crate::support::*;

/// A memory store that fails when it is told to, and that keeps its feed to itself.
#[derive(Clone, Debug)]
struct Faulty {
    store: MemoryStore,
    fault: Arc<Mutex<Option<fn() -> StoreError>>>,
}

impl Faulty {
    fn check(&self) -> Result<(), StoreError> {
        self.fault.lock().unwrap().map_or(Ok(()), |fault| Err(fault()))
    }
}

#[async_trait]
impl Store for Faulty {
    fn capabilities(&self) -> Capabilities {
        Capabilities { change_feed: false }
    }

    async fn get(
        &self,
        t: &TenantId,
        r: &ResourceType,
        id: &str,
        i: Include,
    ) -> Result<Option<Stored>, StoreError> {
        self.check()?;
        self.store.get(t, r, id, i).await
    }

    async fn types_of(&self, t: &TenantId, ids: &[String]) -> Result<Vec<Option<String>>, StoreError> {
        self.check()?;
        self.store.types_of(t, ids).await
    }

    async fn query(&self, t: &TenantId, query: &Query) -> Result<Page, StoreError> {
        self.check()?;
        self.store.query(t, query).await
    }

    async fn commit(&self, t: &TenantId, batch: Batch) -> Result<Vec<Committed>, StoreError> {
        self.check()?;
        self.store.commit(t, batch).await
    }
}

#[derive(Clone, Debug, Default)]
struct Heard(Arc<Mutex<Vec<ChangeEntry>>>);

#[async_trait]
impl EventSink for Heard {
    async fn changed(&self, entries: &[ChangeEntry]) {
        self.0.lock().unwrap().extend_from_slice(entries);
    }
}

fn service() -> (Service, Faulty, Heard) {
    let store = Faulty { store: MemoryStore::standard(), fault: Arc::default() };
    let heard = Heard::default();
    let service = Service::builder(BASE, store.clone(), BearerToken::new(TOKEN), World::default())
        .event_sink(heard.clone())
        .build()
        .unwrap();
    (service, store, heard)
}

fn ask(service: &Service, method: &str, path: &str, body: &Value) -> http::Response<Bytes> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("content-type", "application/scim+json");
    let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    block_on(service.handle(request.body(body).unwrap()))
}

// ledger: 7644-3.12-013
#[test]
fn a_fault_of_the_store_says_nothing_of_the_inside() {
    let (service, store, _) = service();
    let user = json!({"schemas": [USER], "userName": "u"});
    let faults: [(fn() -> StoreError, u16, bool); 3] = [
        (|| StoreError::Other { store: "test", source: "password=hunter2 at line 7".into() }, 500, false),
        (
            || StoreError::Unavailable {
                retry_after: Some(Duration::from_secs(7)),
                source: "hunter2".into(),
            },
            503,
            true,
        ),
        (|| StoreError::Full { source: "hunter2".into() }, 507, true),
    ];
    for (fault, status, retry) in faults {
        *store.fault.lock().unwrap() = Some(fault);
        for (method, path, body) in
            [("POST", "/Users", &user), ("GET", "/Users", &Value::Null), ("GET", "/Users/x", &Value::Null)]
        {
            let response = ask(&service, method, path, body);
            assert_eq!(response.status(), status);
            assert_eq!(response.headers().contains_key("retry-after"), retry);
            let text = String::from_utf8(response.body().to_vec()).unwrap();
            assert!(!text.contains("hunter2"));
            let error: Value = serde_json::from_str(&text).unwrap();
            assert_eq!((&error["schemas"][0], &error["status"]), (&json!(ERROR), &json!(status.to_string())));
            if status == 500 {
                assert!(error["detail"].as_str().unwrap().contains("request id request"));
            }
        }
        *store.fault.lock().unwrap() = None;
        assert_eq!(ask(&service, "GET", "/Users", &Value::Null).status(), 200);
    }
    assert_eq!(ask(&service, "POST", "/Users", &user).status(), 201);
}

/// Without a feed the sink hears of each change, and of nothing that changed nothing.
#[test]
fn a_sink_hears_of_changes_of_a_store_without_a_feed() {
    let (service, _, heard) = service();
    let made =
        ask(&service, "POST", "/Users", &json!({"schemas": [USER], "userName": "u", "password": "hunter2"}));
    let id = made.headers()["location"].to_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let path = format!("/Users/{id}");
    ask(&service, "PUT", &path, &json!({"schemas": [USER], "userName": "u", "title": "T"}));
    ask(&service, "PUT", &path, &json!({"schemas": [USER], "userName": "u", "title": "T"}));
    ask(
        &service,
        "POST",
        "/Groups",
        &json!({"schemas": [GROUP], "displayName": "G", "members": [{"value": id}]}),
    );
    ask(&service, "PUT", &path, &json!({"schemas": [USER], "title": "no userName"}));
    ask(&service, "DELETE", &path, &Value::Null);
    let heard = heard.0.lock().unwrap();
    let kinds: Vec<(&str, ChangeKind)> = heard.iter().map(|e| (e.resource_type.as_str(), e.kind)).collect();
    assert_eq!(
        kinds,
        [
            ("User", ChangeKind::Created),
            ("User", ChangeKind::Updated),
            ("Group", ChangeKind::Created),
            ("User", ChangeKind::Deleted),
        ]
    );
    assert_eq!(heard[1].changes.len(), 1);
    assert_eq!((heard[1].changes[0].path.as_str(), heard[1].version), ("title", 2));
    assert_eq!(heard[2].members_added[0].id, id);
    assert!(!format!("{heard:?}").contains("hunter2"));
}

// ledger: 7644-3.2-001, 7643-3.2-001
#[test]
fn a_registered_type_has_its_endpoint() {
    let urn = "urn:example:params:scim:schemas:1.0:Device";
    let build = |endpoint: Option<&str>| {
        let mut document = json!({"name": "Device", "schema": urn});
        if let Some(endpoint) = endpoint {
            document["endpoint"] = json!(endpoint);
        }
        let schema = json!({"id": urn, "name": "Device", "attributes": [{"name": "serial", "required": true, "uniqueness": "server"}]});
        let registry = RegistryBuilder::standard().schema_json(&schema.to_string()).unwrap();
        strict()
            .registry(registry.resource_type_json(&document.to_string()).unwrap().build().unwrap())
            .build()
    };
    for (endpoint, path) in [(None, "/Devices"), (Some("/Machines"), "/Machines")] {
        let scim = build(endpoint);
        assert_eq!(scim.get("/ResourceTypes/Device").is(200).body["endpoint"], path);
        let made = scim.post(path, json!({"schemas": [urn], "serial": "A"})).is(201);
        assert_eq!(made.body["meta"]["resourceType"], "Device");
        let one = format!("{path}/{}", made.id());
        scim.get(&one).is(200);
        scim.put(&one, json!({"schemas": [urn], "serial": "B"})).is(200);
        scim.patch(&one, json!([{"op": "replace", "path": "serial", "value": "C"}])).is(200);
        scim.post(path, json!({"schemas": [urn], "serial": "c"})).fails(409, "uniqueness");
        assert_eq!(scim.filter(path, "serial eq \"c\"").body["totalResults"], 1);
        scim.delete(&one).is(204);
    }
}
