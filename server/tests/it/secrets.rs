//! Tokens, secrets and personal data are where they belong, and nowhere else.

use std::path::Path;

use reqwest::Method;
use serde_json::json;

use crate::scimd::Scimd;

const CANARY: &str = "canary7431";

/// Where a text is, among all files of a folder.
pub(crate) fn hits(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(hits(&entry.path(), text));
        } else if contains(&std::fs::read(entry.path()).unwrap(), text) {
            found.push(entry.file_name().into_string().unwrap());
        }
    }
    found
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

// ledger: 7643-4.1.1-016, 7643-9.2-001, 7643-9.3-001, 7644-7.5.2-002
#[tokio::test]
async fn no_file_but_the_demo_s_own_holds_a_token_and_no_log_a_person() {
    let folder = tempfile::tempdir().unwrap();
    let scimd = Scimd::demo_in(folder.path(), &["--directories", "25"]);
    let client = scimd.client(0);
    let email = format!("{CANARY}@example.com");
    let id = client.create_user(&email).await;
    let user = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": email,
        "name": {"givenName": CANARY, "familyName": CANARY},
        "displayName": CANARY,
        "password": format!("{CANARY}-password"),
        "emails": [{"value": email, "type": "work"}]
    });
    assert_eq!(client.send(Method::PUT, &format!("/Users/{id}"), user).await.0, 200);
    // Requests that fail with the canary in every place where a client can put it.
    client.get(&format!("/Users?filter=userName%20eq%20%22{CANARY}%22")).await;
    client.get(&format!("/Users?filter={CANARY}%20{CANARY}")).await;
    client.get(&format!("/Users/{CANARY}")).await;
    client.get(&format!("/{CANARY}?access_token={CANARY}")).await;
    client.send(Method::POST, "/Users", json!({"userName": [CANARY], CANARY: CANARY})).await;
    client.send(Method::PATCH, &format!("/Users/{id}"), json!({"Operations": [{"op": CANARY}]})).await;
    let request = client.http.get(format!("{}/Users", client.base_url)).bearer_auth(CANARY);
    request.header("user-agent", CANARY).header("x-request-id", CANARY).send().await.unwrap();
    scimd.events_up_to(2).await;
    let mut secrets: Vec<String> = scimd.ready["directories"]
        .as_array()
        .unwrap()
        .iter()
        .map(|directory| directory["scim_token"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(secrets.len(), 25);
    secrets.push(scimd.ready["api_key"].as_str().unwrap().to_owned());
    secrets.push(scimd.ready["webhook_secret"].as_str().unwrap().to_owned());
    let log = scimd.log();
    assert!(log.contains("\"route\":\"/scim/v2/{directory}/Users/{id}\""), "requests are logged: {log}");
    for secret in &secrets {
        assert_eq!(hits(folder.path(), secret), ["demo.json"]);
        assert!(!log.contains(secret.as_str()));
    }
    assert!(!log.contains(CANARY), "{log}");
    assert_eq!(hits(folder.path(), &format!("{CANARY}-password")), Vec::<String>::new());
}

#[cfg(unix)]
#[test]
fn the_demo_s_files_are_for_their_owner() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let _scimd = Scimd::demo_in(folder.path(), &[]);
    for file in ["demo.json", "keys", "received.ndjson"] {
        let mode = std::fs::metadata(folder.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file}");
    }
}
