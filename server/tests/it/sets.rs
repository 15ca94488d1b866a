//! Security event tokens: pushed, and polled for, with the keys that the server publishes.

use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use scim_set::{Expected, KeySet, Verified, verify};
use scim_test_postgres::Cluster;
use serde_json::{Value, json};

use crate::hook::{Delivered, Hook};
use crate::scimd::{Client, answer, http};
use crate::serve::{Served, after, started};

const ISSUER: &str = "https://scim.example.com";
const AUDIENCE: &str = "https://app.example.com/sets";
const LOOPBACK: &str = "allow_loopback_http = true\n";

/// Makes two tests of each function, one for each engine.
macro_rules! on_both_engines {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(None).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                super::$name(Some(crate::sets::database())).await;
            })*
        }
    };
}

on_both_engines! {
    pushed_tokens_survive_failures_and_a_kill,
    polled_tokens_come_until_they_are_acknowledged_also_over_a_kill,
}

fn database() -> String {
    Cluster::shared().unwrap().database().unwrap()
}

fn serve(folder: &Path, stream: &str, database: Option<&str>) -> Served {
    let stream = format!("[[set_stream]]\naudience = \"{AUDIENCE}\"\n{stream}\n");
    started(folder, &stream, LOOPBACK, database).ready()
}

/// The identity provider; the address is another one after each start.
fn provider(served: &Served, token: &str) -> Client {
    let public = after(&served.printed, "SCIM base URL").unwrap();
    Client { base_url: reached(served, public), token: token.to_owned(), http: http() }
}

/// Where a public URL is reached without the proxy that would stand before the server.
fn reached(served: &Served, url: &str) -> String {
    format!("http://{}{}", served.address, url.strip_prefix(ISSUER).expect("the configured URL"))
}

async fn keys(served: &Served) -> KeySet {
    let response = http().get(format!("http://{}/keys", served.address)).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/jwk-set+json");
    KeySet::parse(&response.text().await.unwrap()).unwrap()
}

#[track_caller]
fn believed(token: &str, keys: &KeySet) -> Verified {
    verify(token, keys, Expected { issuer: ISSUER, audience: AUDIENCE }).unwrap()
}

async fn pushed_tokens_survive_failures_and_a_kill(database: Option<String>) {
    let folder = tempfile::tempdir().unwrap();
    let hook = Hook::start().await;
    hook.answer(202, "");
    let stream = format!("push_url = \"{}\"\nauthorization = \"Bearer receiver-7\"", hook.url);
    let first = serve(folder.path(), &stream, database.as_deref());
    let token = after(&first.printed, "bearer token").unwrap().to_owned();
    assert_eq!(after(&first.printed, "keys"), Some("https://scim.example.com/keys"));
    assert_eq!(after(&first.printed, "poll token"), None);
    let client = provider(&first, &token);
    let (status, config) = client.get("/ServiceProviderConfig").await;
    assert_eq!(status, 200);
    assert_eq!(config["securityEvents"]["asyncRequest"], "none");
    let uris = config["securityEvents"]["eventUris"].as_array().unwrap();
    assert!(uris.contains(&json!("urn:ietf:params:scim:event:prov:create:full")), "{uris:?}");

    let ann = client.create_user("ann@example.com").await;
    let pushed = hook.up_to(1).await;
    assert_eq!(pushed[0].header("content-type"), "application/secevent+jwt");
    assert_eq!(pushed[0].header("accept"), "application/json");
    assert_eq!(pushed[0].header("authorization"), "Bearer receiver-7");

    // Killed while the receiver fails.
    hook.answer(503, "");
    client.create_user("ben@example.com").await;
    client.create_user("cid@example.com").await;
    hook.up_to(2).await;
    drop(first);
    hook.answer(202, "");
    let second = serve(folder.path(), &stream, database.as_deref());
    provider(&second, &token).create_user("dan@example.com").await;
    let pushed = taken_over(&hook, 5).await;
    let keys = keys(&second).await;
    let sets: Vec<Verified> =
        pushed.iter().map(|set| believed(std::str::from_utf8(&set.body).unwrap(), &keys)).collect();
    assert_eq!(sets[0].subject().uri, format!("/Users/{ann}"));
    assert_eq!(sets[1].claims(), sets[2].claims(), "the same SET again");
    let names: Vec<Value> = sets[1..]
        .iter()
        .map(|set| serde_json::to_value(set.events().next().unwrap().1).unwrap()["data"]["userName"].clone())
        .collect();
    assert_eq!(names, ["ben@example.com", "ben@example.com", "cid@example.com", "dan@example.com"]);
    let log = logs(folder.path());
    assert!(!log.contains("receiver-7") && !log.contains("ann@example.com"), "{log}");
}

/// Waits for so many, for longer than a stream is left to a process that may have died: 20 s.
async fn taken_over(hook: &Hook, count: usize) -> Vec<Delivered> {
    let begun = Instant::now();
    while hook.deliveries().len() < count && begun.elapsed() < Duration::from_secs(60) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    hook.up_to(count).await
}

async fn poll(served: &Served, url: &str, token: &str, body: Value) -> (StatusCode, Value) {
    let request = http().post(reached(served, url)).bearer_auth(token);
    answer(request.header("content-type", "application/json").body(body.to_string())).await
}

fn ids(answer: &Value) -> Vec<String> {
    answer["sets"].as_object().unwrap().keys().cloned().collect()
}

/// Asks until there are so many.
async fn polled(served: &Served, url: &str, token: &str, count: usize) -> Value {
    let begun = Instant::now();
    loop {
        let (status, answer) = poll(served, url, token, json!({"returnImmediately": true})).await;
        assert_eq!(status, 200);
        if ids(&answer).len() == count {
            return answer;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{answer}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

// ledger: 9967-5-003
async fn polled_tokens_come_until_they_are_acknowledged_also_over_a_kill(database: Option<String>) {
    let folder = tempfile::tempdir().unwrap();
    let first = serve(folder.path(), "content = \"notice\"", database.as_deref());
    let token = after(&first.printed, "bearer token").unwrap().to_owned();
    let url = after(&first.printed, "poll URL").unwrap().to_owned();
    let secret = after(&first.printed, "poll token").unwrap().to_owned();
    let client = provider(&first, &token);

    // Nobody else is let in, and nobody learns which streams there are.
    let missing = http().post(reached(&first, &url)).send().await.unwrap();
    assert_eq!(missing.status(), 401);
    assert_eq!(missing.headers()["www-authenticate"], "Bearer realm=\"scimd\"");
    let nowhere = format!("{ISSUER}/api/v1/set_streams/stream_0000000000000000000000/events");
    let (status, wrong) = poll(&first, &url, &token, json!({})).await;
    assert_eq!((status.as_u16(), wrong["err"].as_str()), (401, Some("authentication_failed")));
    assert_eq!(poll(&first, &nowhere, &secret, json!({})).await, (status, wrong));
    let (status, error) = poll(&first, &url, &secret, json!({"maxEvents": "all"})).await;
    assert_eq!((status.as_u16(), error["err"].as_str()), (400, Some("invalid_request")));
    let read = http().get(reached(&first, &url)).bearer_auth(&secret).send().await.unwrap();
    assert_eq!((read.status().as_u16(), read.headers()["allow"].to_str().unwrap()), (405, "POST"));

    let (status, none) = poll(&first, &url, &secret, json!({"returnImmediately": true})).await;
    assert_eq!((status.as_u16(), none), (200, json!({"sets": {}, "moreAvailable": false})));

    // A poll that waits is answered when something happens.
    let waiting = {
        let (address, secret) = (reached(&first, &url), secret.clone());
        tokio::spawn(async move { answer(http().post(address).bearer_auth(secret).body("{}")).await })
    };
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!waiting.is_finished());
    client.create_user("ann@example.com").await;
    let (status, ann) = waiting.await.unwrap();
    assert_eq!((status.as_u16(), ids(&ann).len()), (200, 1));

    // What was answered and not acknowledged comes again, also after a kill.
    client.create_user("ben@example.com").await;
    let both = polled(&first, &url, &secret, 2).await;
    let published = keys(&first).await;
    drop(first);
    let second = serve(folder.path(), "content = \"notice\"", database.as_deref());
    assert_eq!(after(&second.printed, "poll token"), None, "only once");
    assert_eq!(keys(&second).await, published);
    let again = polled(&second, &url, &secret, 2).await;
    assert_eq!(ids(&again), ids(&both));
    assert_eq!(ids(&again)[0], ids(&ann)[0]);
    let set = believed(again["sets"][&ids(&again)[0]].as_str().unwrap(), &published);
    let (uri, payload) = set.events().next().unwrap();
    assert_eq!(uri, "urn:ietf:params:scim:event:prov:create:notice");
    let payload = serde_json::to_value(payload).unwrap();
    assert!(payload["attributes"].as_array().unwrap().contains(&json!("userName")), "{payload}");

    // One is acknowledged, one refused.
    let error = json!({"err": "invalid_request", "description": "no"});
    let body = json!({"maxEvents": 0, "ack": [ids(&again)[0]], "setErrs": {ids(&again)[1].as_str(): error}});
    assert_eq!(poll(&second, &url, &secret, body).await.0, 200);
    assert!(ids(&polled(&second, &url, &secret, 0).await).is_empty());
    let (status, _) =
        provider(&second, &token).send(Method::POST, "/Users", crate::scimd::user("cid@example.com")).await;
    assert_eq!(status, 201);
    polled(&second, &url, &secret, 1).await;
    let log = logs(folder.path());
    assert!(log.contains("/api/v1/set_streams/{id}/events"), "{log}");
    assert!(!log.contains(&secret) && !log.contains("ben@example.com"), "{log}");
}

/// All that the servers of a folder have logged.
fn logs(folder: &Path) -> String {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let logs = files.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
    logs.map(|path| std::fs::read_to_string(path).unwrap()).collect()
}
