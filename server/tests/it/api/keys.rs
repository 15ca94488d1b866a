//! API keys, and that what is secret is nowhere in the clear.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Api, id, is_problem, on_both_engines, pointers};
use crate::scimd::Scimd;
use crate::secrets::hits;

on_both_engines!(a_key_is_made_used_and_revoked);

async fn a_key_is_made_used_and_revoked(scimd: Scimd) {
    let api = Api::of(&scimd);
    let made = api
        .post("/api_keys", json!({"name": "reader", "scopes": ["events:read"], "lifetime_days": 30}))
        .await;
    let reader = Api { key: made["api_key"].as_str().unwrap().to_owned(), ..api.clone() };
    assert!(made["expires_at"].is_string());
    reader.get("/events").await;
    is_problem(&reader.send(Method::GET, "/directories", Value::Null).await, 403, "insufficient_scope");
    is_problem(&reader.send(Method::POST, "/api_keys", json!({})).await, 403, "insufficient_scope");
    let list = api.get("/api_keys").await;
    let keys = list["api_keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2);
    assert!(!list.to_string().contains(&reader.key));
    assert_eq!(keys[1]["name"], "reader");
    assert!(keys[1]["last_used_at"].is_string());
    let (status, _) = api.send(Method::DELETE, &format!("/api_keys/{}", id(&made)), Value::Null).await;
    assert_eq!(status, 204);
    is_problem(&reader.send(Method::GET, "/events", Value::Null).await, 401, "unauthenticated");
    let again = api.send(Method::DELETE, &format!("/api_keys/{}", id(&made)), Value::Null).await;
    is_problem(&again, 404, "not_found");

    // Nobody gives what they have not.
    let scopes = ["keys:write", "events:read"];
    let made = api.post("/api_keys", json!({"name": "maker", "scopes": scopes})).await;
    let maker = Api { key: made["api_key"].as_str().unwrap().to_owned(), ..api.clone() };
    let more =
        maker.send(Method::POST, "/api_keys", json!({"name": "x", "scopes": ["webhooks:write"]})).await;
    is_problem(&more, 403, "insufficient_scope");
    maker.post("/api_keys", json!({"name": "x", "scopes": ["events:read"]})).await;
    let wrong = api.send(Method::POST, "/api_keys", json!({"name": "", "scopes": ["odd"]})).await;
    is_problem(&wrong, 400, "invalid_field");
    assert_eq!(pointers(&wrong.1), ["/scopes/0"]);
    let none = api.send(Method::POST, "/api_keys", json!({"name": "x", "scopes": []})).await;
    is_problem(&none, 400, "invalid_field");
}

/// The database with its write-ahead log, all other files, and the log.
#[tokio::test]
async fn keys_secrets_and_header_values_are_nowhere_in_the_clear() {
    let folder = tempfile::tempdir().unwrap();
    let scimd = Scimd::demo_in(folder.path(), &[]);
    let api = Api::of(&scimd);
    let key = api.post("/api_keys", json!({"name": "x", "scopes": ["events:read"]})).await;
    let header = "canary7431-header-value";
    let new = json!({"url": "https://app.example.com/hook", "headers": {"authorization": header}});
    let endpoint = api.post("/webhook_endpoints", new).await;
    let path = format!("/webhook_endpoints/{}", id(&endpoint));
    let rotated = api.post(&format!("{path}:rotate_secret"), json!({})).await;
    let own = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    api.post(&format!("{path}:rotate_secret"), json!({"secret": own})).await;
    let user = scimd.client(0).create_user("ada@example.com").await;
    scimd.events_up_to(1).await;
    // Requests with secrets and persons where they do not belong.
    let directory = &api.get("/directories").await["directories"][0];
    let place = format!(
        "/organizations/{}/directories/{}",
        directory["organization_id"].as_str().unwrap(),
        id(directory)
    );
    api.get(&format!("{place}/users/{user}")).await;
    for path in ["/events/canary7431-path", "/canary7431-path", "/events?after=canary7431-path"] {
        api.send(Method::GET, path, Value::Null).await;
    }
    api.send(
        Method::POST,
        "/webhook_endpoints",
        json!({"url": "https://u:canary7431-path@x/", "secret": "canary7431-path"}),
    )
    .await;
    let log = scimd.log();
    let secrets = [
        key["api_key"].as_str().unwrap(),
        header,
        endpoint["secret"].as_str().unwrap(),
        rotated["secret"].as_str().unwrap(),
        own,
        "canary7431-path",
    ];
    for secret in secrets {
        // The prefix says what it is; what follows opens.
        let part = secret.split_once('_').map_or(secret, |(_, rest)| rest);
        assert_eq!(hits(folder.path(), part), Vec::<String>::new(), "{secret}");
        assert!(!log.contains(part), "{secret} in {log}");
    }
    assert!(log.contains("/api/v1/webhook_endpoints/{id}:rotate_secret"), "requests are logged: {log}");
    assert!(!log.contains(&user), "no ids of persons in {log}");
}
