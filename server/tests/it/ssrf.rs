//! Webhooks never go where they may not: when an endpoint is made, changed, tried out, and delivered to.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::scimd::{answer, http, user};
use crate::serve::{Served, after, started, webhook};

#[derive(Deserialize)]
struct Vector {
    url: String,
    error: String,
    why: String,
}

impl Vector {
    /// The URL with the port of the forbidden listener, where it is the address that is wrong with it: another URL
    /// would not be wrong any more.
    fn aimed(&self, port: u16) -> String {
        match Url::parse(&self.url) {
            Ok(mut parsed) if self.error == "Address" => {
                parsed.set_port(Some(port)).unwrap();
                parsed.into()
            }
            _ => self.url.clone(),
        }
    }
}

fn vectors() -> Vec<Vector> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../adapters/webhook/testdata/ssrf-vectors.json");
    let vectors: Vec<Vector> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert!(vectors.len() >= 120, "{}", vectors.len());
    vectors
}

/// A listener on all addresses of the machine that nobody may connect to, and how many did.
fn forbidden() -> (u16, Arc<AtomicUsize>) {
    let connections = Arc::new(AtomicUsize::new(0));
    let four = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = four.local_addr().unwrap().port();
    for listener in [Some(four), TcpListener::bind(("::", port)).ok()].into_iter().flatten() {
        let connections = Arc::clone(&connections);
        std::thread::spawn(move || {
            for _ in listener.incoming() {
                connections.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    (port, connections)
}

struct Site {
    served: Served,
    key: String,
    http: reqwest::Client,
}

impl Site {
    async fn api(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let request = self.http.request(method, format!("http://{}/api/v1{path}", self.served.address));
        let request = request.bearer_auth(&self.key);
        answer(if body.is_null() { request } else { request.json(&body) }).await
    }
}

// mission: M-84
#[tokio::test(flavor = "multi_thread")]
async fn no_vector_is_ever_connected_to() {
    let folder = tempfile::tempdir().unwrap();
    let (port, connections) = forbidden();
    let start = || started(folder.path(), &webhook("https://app.example.com/hook", ""), "", None).ready();
    let served = start();
    let key = after(&served.printed, "API key").unwrap().to_owned();
    let token = after(&served.printed, "bearer token").unwrap().to_owned();
    let base_url = after(&served.printed, "SCIM base URL").unwrap().to_owned();
    let mut site = Site { served, key, http: http() };
    let vectors = vectors();

    // Neither made nor changed to.
    let (status, good) =
        site.api(Method::POST, "/webhook_endpoints", json!({"url": "https://app.example.com/a"})).await;
    assert_eq!(status, 201);
    let path = format!("/webhook_endpoints/{}", good["id"].as_str().unwrap());
    for vector in &vectors {
        for url in [vector.url.clone(), vector.aimed(port)] {
            let why = &vector.why;
            for (method, path) in [(Method::POST, "/webhook_endpoints"), (Method::PATCH, &*path)] {
                let (status, problem) = site.api(method, path, json!({"url": url})).await;
                assert_eq!(
                    (status.as_u16(), &problem["code"]),
                    (400, &json!("invalid_field")),
                    "{url} {why}"
                );
                assert_eq!(problem["errors"][0]["pointer"], "/url", "{url} {why}");
            }
        }
    }

    // Neither tried out nor delivered to, although the database has them, as an earlier switch may have left them.
    let mut ids = Vec::new();
    for n in 0..vectors.len() {
        let new = json!({"url": format!("https://app.example.com/{n}")});
        let (status, made) = site.api(Method::POST, "/webhook_endpoints", new).await;
        assert_eq!(status, 201, "{made}");
        ids.push(made["id"].as_str().unwrap().to_owned());
    }
    site.served.child.kill().unwrap();
    site.served.child.wait().unwrap();
    let database = rusqlite::Connection::open(folder.path().join("data/scimd.db")).unwrap();
    for (vector, id) in vectors.iter().zip(&ids) {
        let update = "UPDATE dir_endpoints SET url = ?1 WHERE id = ?2";
        assert_eq!(database.execute(update, (vector.aimed(port), id)).unwrap(), 1);
    }
    drop(database);
    site.served = start();
    for (Vector { url, why, .. }, id) in vectors.iter().zip(&ids) {
        let (status, tried) =
            site.api(Method::POST, &format!("/webhook_endpoints/{id}:test"), json!({})).await;
        assert_eq!(status, 200, "{tried}");
        assert_eq!(
            (&tried["delivered"], &tried["reason"]),
            (&json!(false), &json!("refused")),
            "{url} {why}"
        );
    }
    let scim = base_url.replace("https://scim.example.com", &format!("http://{}", site.served.address));
    let create = http().post(format!("{scim}/Users")).bearer_auth(&token);
    let create =
        create.header("content-type", "application/scim+json").body(user("ada@example.com").to_string());
    assert_eq!(answer(create).await.0, 201);
    let begun = Instant::now();
    for (Vector { url, why, .. }, id) in vectors.iter().zip(&ids) {
        loop {
            let (_, list) =
                site.api(Method::GET, &format!("/deliveries?endpoint_id={id}"), Value::Null).await;
            let delivery = &list["deliveries"][0];
            if delivery["reason"] == "refused" {
                assert_eq!(delivery["status"], Value::Null);
                break;
            }
            assert!(delivery["reason"].is_null(), "{url} {why}: {delivery}");
            assert!(begun.elapsed() < Duration::from_secs(60), "{url} {why}: {delivery}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    assert_eq!(connections.load(Ordering::SeqCst), 0, "somebody connected");
    // It would have been seen.
    std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let begun = Instant::now();
    while connections.load(Ordering::SeqCst) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(5));
        std::thread::sleep(Duration::from_millis(10));
    }
}
