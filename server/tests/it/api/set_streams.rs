//! Streams of security event tokens, and their keys.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Api, id, is_problem, on_both_engines, pointers};
use crate::hook::Hook;
use crate::scimd::{Scimd, answer, http};

on_both_engines!(streams_are_made_followed_mended_and_deleted, keys_are_replaced_and_withdrawn);

const AUDIENCE: &str = "https://app.example.com/sets";

async fn streams_are_made_followed_mended_and_deleted(scimd: Scimd) {
    let api = Api::of(&scimd);
    let hook = Hook::start().await;
    hook.answer(400, r#"{"err": "invalid_request", "description": "no"}"#);
    let new = json!({"audience": AUDIENCE, "push_url": hook.url, "authorization": "Bearer canary7431"});
    let stream = api.post("/set_streams", new).await;
    let path = format!("/set_streams/{}", id(&stream));
    assert!(stream.get("token").is_none() && stream["poll_path"].is_null());
    scimd.client(0).create_user("ada@example.com").await;
    hook.up_to(1).await;
    let refused = loop {
        let list = api.get(&format!("{path}/refused_sets")).await["refused_sets"].take();
        if list.as_array().unwrap().len() == 1 {
            break list;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert_eq!((&refused[0]["err"], &refused[0]["description"]), (&json!("invalid_request"), &json!("no")));
    hook.answer(202, "");
    assert_eq!(api.post(&format!("{path}:retry_refused"), json!({})).await, json!({"retried": 1}));
    hook.up_to(2).await;
    let shown = loop {
        let shown = api.get(&path).await;
        if shown["acknowledged"] == 1 {
            break shown;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert_eq!(
        (&shown["waiting"], &shown["last_error"], &shown["enabled"]),
        (&json!(0), &Value::Null, &json!(true))
    );
    assert_eq!(api.post(&format!("{path}:disable"), json!({})).await["enabled"], false);
    assert_eq!(api.post(&format!("{path}:enable"), json!({})).await["enabled"], true);
    let list = api.get("/set_streams").await;
    assert_eq!(list["set_streams"].as_array().unwrap().len(), 1);
    assert!(!list.to_string().contains("canary7431"));

    let wrong = json!({"authorization": "x", "content": "all", "event_uris": ["prov:create"]});
    let wrong = api.send(Method::POST, "/set_streams", wrong).await;
    is_problem(&wrong, 400, "invalid_field");
    let mut named = pointers(&wrong.1);
    named.sort_unstable();
    assert_eq!(named, ["/audience", "/authorization", "/content", "/event_uris/0"]);
    let inside = json!({"audience": AUDIENCE, "push_url": "https://10.0.0.1/"});
    let inside = api.send(Method::POST, "/set_streams", inside).await;
    is_problem(&inside, 400, "invalid_field");
    assert_eq!(pointers(&inside.1), ["/push_url"]);
    assert_eq!(api.send(Method::DELETE, &path, Value::Null).await.0, 204);
    is_problem(&api.send(Method::GET, &path, Value::Null).await, 404, "not_found");
}

async fn keys_are_replaced_and_withdrawn(scimd: Scimd) {
    let api = Api::of(&scimd);
    let keys = || async {
        let (_, set) = answer(http().get(format!("{}/keys", scimd.root()))).await;
        set["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert!(keys().await.is_empty());
    let stream = api.post("/set_streams", json!({"audience": AUDIENCE})).await;
    let poll_path = format!("/api/v1/set_streams/{}/events", id(&stream));
    assert_eq!(stream["poll_path"], poll_path.as_str());
    let first = keys().await;
    let second = api.post("/set_keys:rotate", json!({})).await["kid"].as_str().unwrap().to_owned();
    assert_eq!(keys().await, [second.clone(), first[0].clone()]);
    let withdraw = |kid: String| {
        let api = api.clone();
        async move { api.send(Method::DELETE, &format!("/set_keys/{kid}"), Value::Null).await }
    };
    is_problem(&withdraw(second.clone()).await, 404, "not_found");
    assert_eq!(withdraw(first[0].clone()).await.0, 204);
    assert_eq!(keys().await, [second]);
    // The token that was made with the stream opens it.
    let poll =
        http().post(format!("{}{poll_path}", scimd.root())).bearer_auth(stream["token"].as_str().unwrap());
    let (status, sets) = answer(poll.body(r#"{"returnImmediately": true}"#)).await;
    assert_eq!((status.as_u16(), &sets["sets"]), (200, &json!({})));
}
