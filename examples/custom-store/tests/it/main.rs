//! The store of this example under the store suite and the HTTP test-set, and after a restart.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use bytes::Bytes;
use custom_store_example::FileStore;
use http::Request;
use scim_conformance::{InProcess, ScimClient, http as test_set, store};
use scim_core::{BearerToken, Registry, Service};
use scim_schema::Value;
use scim_system::SystemEnvironment;

fn client(file: &Path) -> InProcess {
    let store = FileStore::open(file, Registry::standard()).unwrap();
    let token = BearerToken::new("secret");
    let service = Service::builder("http://127.0.0.1:8000/scim/v2", store, token, SystemEnvironment);
    InProcess::new(service.build().unwrap(), Some("secret"))
}

async fn get(client: &InProcess, path: &str) -> Value {
    let request = Request::get(path).header("Authorization", "Bearer secret").body(Bytes::new()).unwrap();
    let response = client.send(request).await.unwrap();
    assert_eq!(response.status(), 200);
    serde_json::from_slice(response.body()).unwrap()
}

#[tokio::test]
async fn the_store_keeps_its_promises() {
    let open = |folder: &Path| FileStore::open(&folder.join("people.json"), Registry::standard()).unwrap();
    let stores = store::suite(move || async move {
        let folder = tempfile::tempdir().unwrap();
        (open(folder.path()), folder)
    });
    stores.reopen(move |folder| async move { open(folder.path()) }).run().await.assert();
}

#[tokio::test]
async fn the_http_test_set_passes() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = test_set::run(&client(&folder.path().join("people.json")), "file").await;
    assert_eq!(outcome.failures, []);
    assert!(outcome.passed > 50, "{outcome}");
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("people.json");
    let first = client(&file);
    for name in ["ada", "bob"] {
        let body = format!(
            r#"{{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"{name}","title":"x"}}"#
        );
        let request = Request::post("/Users").header("Authorization", "Bearer secret").body(body.into());
        assert_eq!(first.send(request.unwrap()).await.unwrap().status(), 201);
    }
    let before = get(&first, "/Users").await;
    assert_eq!(before.get("totalResults").unwrap().as_i64(), Some(2));
    assert_eq!(get(&client(&file), "/Users").await, before);
}

#[test]
fn a_file_of_another_kind_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("people.json");
    std::fs::write(&file, "not ours").unwrap();
    assert!(FileStore::open(&file, Registry::standard()).is_err());
}
