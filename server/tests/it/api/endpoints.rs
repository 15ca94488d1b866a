//! `/webhook_endpoints`: settings, secrets, trials.

use reqwest::Method;
use reqwest::header::{ETAG, IF_MATCH, LOCATION};
use scim_schema::DateTime;
use serde_json::{Value, json};

use super::{Api, id, is_problem, on_both_engines, pointers};
use crate::hook::Hook;
use crate::scimd::{Scimd, answer};

on_both_engines!(
    an_endpoint_is_made_changed_and_gone,
    a_secret_is_rotated_with_an_overlap,
    ed25519_keys_sign_beside_the_secret_until_they_are_removed,
);

async fn an_endpoint_is_made_changed_and_gone(scimd: Scimd) {
    let api = Api::of(&scimd);
    let directory = scimd.ready["directories"][0]["id"].as_str().unwrap();
    let settings = json!({
        "url": "https://app.example.com/hook",
        "description": "the application",
        "event_types": ["organization.directory.user_deleted", "organization.directory.user_created"],
        "directory_ids": [directory],
        "profile": "scalekit",
        "acknowledge": "200-201",
        "ordering": "strict",
        "headers": {"x-api-key": "canary7431"},
        "rate": 10,
        "concurrency": 2,
    });
    let response = api.request(Method::POST, "/webhook_endpoints").json(&settings).send().await.unwrap();
    assert_eq!(response.status(), 201);
    let location = response.headers()[LOCATION].to_str().unwrap().to_owned();
    let tag = response.headers()[ETAG].clone();
    let made: Value = response.json().await.unwrap();
    assert_eq!(location, format!("/api/v1/webhook_endpoints/{}", id(&made)));
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"));
    let path = format!("/webhook_endpoints/{}", id(&made));
    let shown = api.get(&path).await;
    for name in
        ["url", "description", "directory_ids", "profile", "acknowledge", "ordering", "rate", "concurrency"]
    {
        assert_eq!(shown[name], settings[name], "{name}");
    }
    assert_eq!(shown["event_types"].as_array().unwrap().len(), 2);
    assert_eq!(shown["header_names"], json!(["x-api-key"]));
    assert!(shown.get("secret").is_none() && !shown.to_string().contains("canary7431"), "{shown}");
    assert_eq!((shown["enabled"].clone(), shown["health"]["failures"].clone()), (json!(true), json!(0)));
    let list = api.get("/webhook_endpoints").await;
    assert!(list["webhook_endpoints"].as_array().unwrap().contains(&shown));

    // Only what is named changes, and null is the default.
    let change = json!({"description": "changed", "rate": null, "event_types": null});
    let request = api.request(Method::PATCH, &path).header(IF_MATCH, &tag).json(&change);
    let (status, changed) = answer(request).await;
    assert_eq!(status, 200, "{changed}");
    assert_eq!((changed["description"].clone(), changed["rate"].clone()), (json!("changed"), Value::Null));
    assert_eq!(changed["event_types"], json!([]));
    assert_eq!(changed["header_names"], json!(["x-api-key"]));
    // Who saw it before must look again.
    let stale = api.request(Method::PATCH, &path).header(IF_MATCH, &tag).json(&json!({"rate": 1}));
    is_problem(&answer(stale).await, 412, "precondition_failed");
    assert_eq!(api.get(&path).await["rate"], Value::Null);

    let (status, _) = api.send(Method::DELETE, &path, Value::Null).await;
    assert_eq!(status, 204);
    for method in [Method::GET, Method::DELETE] {
        is_problem(&api.send(method, &path, Value::Null).await, 404, "not_found");
    }
    for verb in ["test", "enable", "disable", "rotate_secret", "rotate_signing_key", "remove_signing_keys"] {
        let path = format!("{path}:{verb}");
        is_problem(&api.send(Method::POST, &path, json!({})).await, 404, "not_found");
    }
}

#[tokio::test]
async fn what_is_wrong_is_named_and_never_repeated() {
    let scimd = Scimd::demo(&[]);
    let api = Api::of(&scimd);
    let refused = async |body: Value, names: &[&str]| {
        let answer = api.send(Method::POST, "/webhook_endpoints", body).await;
        is_problem(&answer, 400, "invalid_field");
        assert_eq!(pointers(&answer.1), names);
        assert!(!answer.1.to_string().contains("canary"), "{}", answer.1);
    };
    let url = "https://app.example.com/hook";
    refused(json!({}), &["/url"]).await;
    refused(json!({"url": "ftp://canary"}), &["/url"]).await;
    refused(json!({"url": 7}), &["/url"]).await;
    refused(json!({"url": url, "colour": "canary"}), &["/colour"]).await;
    refused(json!({"url": url, "event_types": ["canary"]}), &["/event_types/0"]).await;
    refused(json!({"url": url, "rate": -1, "concurrency": "canary"}), &["/rate", "/concurrency"]).await;
    refused(json!({"url": url, "rate": 0}), &["/rate"]).await;
    refused(json!({"url": url, "profile": "canary"}), &["/profile"]).await;
    refused(json!({"url": url, "secret": "canary"}), &["/secret"]).await;
    refused(json!({"url": url, "headers": {"x": 1}}), &["/headers"]).await;
    refused(json!({"url": url, "description": "\u{7}"}), &["/description"]).await;
    let nobody = "org_0000000000000000000000";
    refused(json!({"url": url, "organization_ids": [nobody]}), &["/organization_ids"]).await;
    let nobody = "dir_0000000000000000000000";
    refused(json!({"url": url, "directory_ids": [nobody]}), &["/directory_ids"]).await;

    let send = |body: Vec<u8>, media: &'static str| {
        let request = api.request(Method::POST, "/webhook_endpoints").header("content-type", media);
        answer(request.body(body))
    };
    is_problem(&send(b"{".to_vec(), "application/json").await, 400, "malformed_request");
    is_problem(&send(b"[]".to_vec(), "application/json").await, 400, "malformed_request");
    is_problem(&send(b"{}".to_vec(), "text/plain").await, 400, "malformed_request");
    let deep = format!("{{\"url\":{}{}}}", "[".repeat(50), "]".repeat(50)).into_bytes();
    is_problem(&send(deep, "application/json").await, 400, "malformed_request");
    is_problem(&send(vec![b' '; 64 * 1024 + 1], "application/json").await, 413, "body_too_large");
    is_problem(&api.send(Method::PUT, "/webhook_endpoints", json!({})).await, 405, "method_not_allowed");
    is_problem(&api.send(Method::GET, "/nothing", Value::Null).await, 404, "not_found");
    is_problem(&api.send(Method::GET, "/deliveries?colour=red", Value::Null).await, 400, "invalid_field");
    assert_eq!(api.get("/webhook_endpoints").await["webhook_endpoints"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn of_changes_at_the_same_time_none_is_lost() {
    let scimd = Scimd::demo(&[]);
    let api = Api::of(&scimd);
    let endpoint = api.endpoint("https://app.example.com/hook").await;
    let path = format!("/webhook_endpoints/{}", id(&endpoint));
    for round in 1..=20 {
        let (one, two) = tokio::join!(
            api.send(Method::PATCH, &path, json!({"rate": round})),
            api.send(Method::PATCH, &path, json!({"concurrency": round})),
        );
        assert_eq!((one.0.as_u16(), two.0.as_u16()), (200, 200));
        let shown = api.get(&path).await;
        assert_eq!((shown["rate"].clone(), shown["concurrency"].clone()), (json!(round), json!(round)));
    }
}

#[tokio::test]
async fn a_trial_says_what_the_receiver_answered() {
    let scimd = Scimd::demo(&[]);
    let (api, hook) = (Api::of(&scimd), Hook::start().await);
    let new = json!({"url": hook.url, "headers": {"x-tenant": "seven"}});
    let endpoint = api.post("/webhook_endpoints", new).await;
    let path = format!("/webhook_endpoints/{}:test", id(&endpoint));
    hook.answer(201, "thanks");
    let tried = api.post(&path, json!({"event_type": "organization.directory.group_created"})).await;
    assert_eq!((tried["delivered"].clone(), tried["status"].clone()), (json!(true), json!(201)));
    assert_eq!((tried["excerpt"].clone(), tried["reason"].clone()), (json!("thanks"), Value::Null));
    assert!(tried["elapsed_ms"].as_u64().unwrap() < 15_000);
    let got = hook.up_to(1).await.remove(0);
    assert!(got.is_signed_by(endpoint["secret"].as_str().unwrap()));
    assert_eq!(got.header("x-tenant"), "seven");
    assert_eq!(got.event()["type"], "organization.directory.group_created");
    assert_eq!(got.event()["id"], tried["event_id"]);
    assert_eq!(got.header("webhook-id"), tried["event_id"].as_str().unwrap());

    hook.answer(500, "no room");
    let tried = api.post(&path, json!({})).await;
    assert_eq!((tried["delivered"].clone(), tried["status"].clone()), (json!(false), json!(500)));
    assert_eq!((tried["excerpt"].clone(), tried["reason"].clone()), (json!("no room"), json!("status")));
    // It is in no log, and does not count against the endpoint.
    let shown = api.get(&format!("/webhook_endpoints/{}", id(&endpoint))).await;
    assert_eq!((shown["health"]["failures"].clone(), shown["enabled"].clone()), (json!(0), json!(true)));
    assert_eq!(api.get("/events").await["events"], json!([]));
    assert_eq!(api.get("/deliveries").await["deliveries"], json!([]));
    is_problem(&api.send(Method::POST, &path, json!({"event_type": "x"})).await, 400, "invalid_field");
}

// mission: M-86
async fn a_secret_is_rotated_with_an_overlap(scimd: Scimd) {
    let (api, hook, client) = (Api::of(&scimd), Hook::start().await, scimd.client(0));
    let endpoint = api.endpoint(&hook.url).await;
    let old = endpoint["secret"].as_str().unwrap().to_owned();
    let path = format!("/webhook_endpoints/{}:rotate_secret", id(&endpoint));
    client.create_user("one@example.com").await;
    assert!(hook.up_to(1).await[0].is_signed_by(&old));

    let rotated = api.post(&path, json!({"overlap_seconds": 8})).await;
    let new = rotated["secret"].as_str().unwrap().to_owned();
    assert_ne!(new, old);
    client.create_user("two@example.com").await;
    let during = hook.up_to(2).await.remove(1);
    assert!(during.is_signed_by(&new) && during.is_signed_by(&old), "both, while the receiver changes");
    assert_eq!(during.header("webhook-signature").split(' ').count(), 2);

    tokio::time::sleep(std::time::Duration::from_millis(8_200)).await;
    client.create_user("three@example.com").await;
    let after = hook.up_to(3).await.remove(2);
    assert!(after.is_signed_by(&new) && !after.is_signed_by(&old), "only the new one");

    // One's own secret, and no overlap.
    let own = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let rotated = api.post(&path, json!({"secret": own, "overlap_seconds": 0})).await;
    assert_eq!(rotated["secret"], own);
    client.create_user("four@example.com").await;
    let last = hook.up_to(4).await.remove(3);
    assert!(last.is_signed_by(own) && !last.is_signed_by(&new));
    is_problem(&api.send(Method::POST, &path, json!({"overlap_seconds": -1})).await, 400, "invalid_field");

    // A day, if nobody says.
    let rotated = api.post(&path, json!({})).await;
    let end = DateTime::parse(rotated["previous_secret_expires_at"].as_str().unwrap()).unwrap();
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let overlap = end.unix_seconds() - i64::try_from(now).unwrap();
    assert!((24 * 3600 - 60..=24 * 3600).contains(&overlap), "{overlap}");
}

// mission: M-71, M-86
async fn ed25519_keys_sign_beside_the_secret_until_they_are_removed(scimd: Scimd) {
    let (api, hook, client) = (Api::of(&scimd), Hook::start().await, scimd.client(0));
    let endpoint = api.endpoint(&hook.url).await;
    assert_eq!(endpoint["verifying_keys"], json!([]));
    let secret = endpoint["secret"].as_str().unwrap();
    let path = format!("/webhook_endpoints/{}", id(&endpoint));
    let rotate = format!("{path}:rotate_signing_key");
    let key_of = |answer: &Value| answer["verifying_key"].as_str().unwrap().to_owned();

    let first = api.post(&rotate, json!({})).await;
    assert_eq!((&first["id"], &first["previous_key_expires_at"]), (&endpoint["id"], &Value::Null));
    let first = key_of(&first);
    assert_eq!(api.get(&path).await["verifying_keys"], json!([first]));
    client.create_user("one@example.com").await;
    let got = hook.up_to(1).await.remove(0);
    assert_eq!(got.versions(), ["v1", "v1a"]);
    assert!(got.is_signed_by(secret) && got.is_signed_for(&first));

    let second = api.post(&rotate, json!({"overlap_seconds": 600})).await;
    assert!(second["previous_key_expires_at"].is_string());
    let second = key_of(&second);
    client.create_user("two@example.com").await;
    let got = hook.up_to(2).await.remove(1);
    assert_eq!(got.versions(), ["v1", "v1a", "v1a"]);
    assert!(got.is_signed_for(&first) && got.is_signed_for(&second), "both, while the receiver changes");

    // Whatever shows the endpoint shows them, the newest first.
    let keys = json!([second, first]);
    assert_eq!(api.get(&path).await["verifying_keys"], keys);
    let list = api.get("/webhook_endpoints").await;
    let entry = list["webhook_endpoints"].as_array().unwrap().iter().find(|e| e["id"] == endpoint["id"]);
    assert_eq!(entry.unwrap()["verifying_keys"], keys);
    let (_, changed) = api.send(Method::PATCH, &path, json!({"description": "signed"})).await;
    assert_eq!(changed["verifying_keys"], keys);
    for verb in ["disable", "enable"] {
        assert_eq!(api.post(&format!("{path}:{verb}"), json!({})).await["verifying_keys"], keys, "{verb}");
    }
    let other = api.endpoint("https://app.example.com/hook").await;
    assert_eq!(api.get(&format!("/webhook_endpoints/{}", id(&other))).await["verifying_keys"], json!([]));

    let removed = api.post(&format!("{path}:remove_signing_keys"), json!({})).await;
    assert_eq!((&removed["id"], &removed["verifying_keys"]), (&endpoint["id"], &json!([])));
    client.create_user("three@example.com").await;
    let got = hook.up_to(3).await.remove(2);
    assert_eq!(got.versions(), ["v1"]);
    assert!(got.is_signed_by(secret) && !got.is_signed_for(&second));

    for wrong in [json!({"overlap_seconds": 604_801}), json!({"secret": secret})] {
        is_problem(&api.send(Method::POST, &rotate, wrong).await, 400, "invalid_field");
    }
}
