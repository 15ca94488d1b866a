//! `scimd` on PostgreSQL: without its database, and in several processes on one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use scim_test_postgres::{Cluster, Durability};
use serde_json::{Value, json};

use crate::crash::receiver::Receiver;
use crate::scimd::{Client, Scimd, answer, http, is_scim_error, user};
use crate::serve::{Served, after, started, webhook};

const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

#[tokio::test]
async fn a_database_that_is_away_is_503_and_its_return_is_noticed() {
    let cluster = Cluster::start(Durability::None).unwrap();
    let scimd = Scimd::demo(&["--database", &cluster.database().unwrap()]);
    let client = scimd.client(0);
    let id = client.create_user("ann@example.com").await;
    let ready = || async { answer(http().get(format!("{}/readyz", scimd.root()))).await };
    assert_eq!(ready().await, (StatusCode::OK, json!({"status": "ready", "database": "postgres"})));
    for round in 0..2 {
        cluster.stop().unwrap();
        let requests = [
            client.request(Method::GET, &format!("/Users/{id}")),
            client.request(Method::GET, "/Users?filter=userName%20eq%20%22ann%22"),
            client.request(Method::POST, "/Users").body(user("bob@example.com").to_string()),
            client.request(Method::DELETE, &format!("/Users/{id}")),
            http().get(format!("{}/Users", client.base_url)).bearer_auth("wrong"),
        ];
        for request in requests {
            let response = request.header("content-type", "application/scim+json").send().await.unwrap();
            assert_eq!(response.status(), 503);
            let seconds: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
            assert!((1..=60).contains(&seconds));
            let body: Value = response.json().await.unwrap();
            assert!(is_scim_error(&body, 503), "{body}");
        }
        assert_eq!(ready().await.0, 503);
        assert_eq!(answer(http().get(format!("{}/healthz", scimd.root()))).await.0, 200);
        cluster.resume().unwrap();
        let begun = Instant::now();
        let name = format!("user{round}@example.com");
        while client.send(Method::POST, "/Users", user(&name)).await.0 != 201 {
            assert!(begun.elapsed() < Duration::from_secs(5), "the database is back, and not used");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    scimd.events_up_to(3).await;
    assert!(!scimd.log().contains("\"status\":500"), "{}", scimd.log());
}

/// What the tests know of two processes that share a database and a key file.
struct Site {
    first: Served,
    second: Served,
    receiver: Receiver,
    path: String,
    token: String,
    _folder: tempfile::TempDir,
}

impl Site {
    async fn start(cluster: &Cluster) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let receiver = Receiver::start().await;
        let url = cluster.database().unwrap();
        let webhook = webhook(&receiver.url, "ordering = \"strict\"");
        let start = || started(folder.path(), &webhook, "allow_loopback_http = true\n", Some(&url));
        let (first, second) = (start(), start());
        let (first, second) = (first.ready(), second.ready());
        let printed = [first.printed.clone(), second.printed.clone()].concat();
        let tokens: Vec<&String> = printed.iter().filter(|line| line.contains("bearer token")).collect();
        assert_eq!(tokens.len(), 1, "one of them makes the directory and prints its token: {printed:?}");
        let token = after(&printed, "bearer token").unwrap().to_owned();
        let base = after(&printed, "SCIM base URL").unwrap();
        assert_eq!(after(&first.printed, "SCIM base URL"), after(&second.printed, "SCIM base URL"));
        let path = base.strip_prefix("https://scim.example.com").unwrap().to_owned();
        Self { first, second, receiver, path, token, _folder: folder }
    }

    fn client(&self, served: &Served) -> Client {
        let base_url = format!("http://{}{}", served.address, self.path);
        Client { base_url, token: self.token.clone(), http: http() }
    }

    /// Waits until every user's last version was told and no number of the sequence is missing. The events,
    /// as they first came.
    async fn settled(&self, time: Duration) -> Vec<Value> {
        let begun = Instant::now();
        loop {
            let events: Vec<Value> =
                self.receiver.first().iter().map(|body| serde_json::from_slice(body).unwrap()).collect();
            let numbers: BTreeSet<u64> = events.iter().map(|e| e["sequence"].as_u64().unwrap()).collect();
            let whole = numbers.last().is_some_and(|last| *last == numbers.len() as u64);
            let told = told(&events);
            let (_, list) = self.client(&self.first).get("/Users?count=1000").await;
            let users = list["Resources"].as_array().unwrap();
            let all = users.iter().all(|user| {
                let version = user["meta"]["version"].as_str().unwrap();
                let last = told.get(user["id"].as_str().unwrap()).and_then(|versions| versions.last());
                last.is_some_and(|last| version == format!("W/\"{last}\""))
            });
            if whole && all {
                return events;
            }
            assert!(begun.elapsed() < time, "{} events, {} users", events.len(), users.len());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// The versions of each user in the order in which they were told.
fn told(events: &[Value]) -> BTreeMap<&str, Vec<u64>> {
    let mut told: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for event in events {
        told.entry(event["subject"].as_str().unwrap()).or_default().push(event["version"].as_u64().unwrap());
    }
    told
}

/// Creates a user and renames it, through one server after the other. What has no answer is made sure of.
async fn write(clients: Arc<Vec<Client>>, name: String, renames: usize) {
    let mut turn = 0;
    let mut id = None;
    while id.is_none() {
        turn += 1;
        let client = &clients[turn % clients.len()];
        let request = client.request(Method::POST, "/Users").header("content-type", "application/scim+json");
        let Ok(response) = request.body(user(&name).to_string()).send().await else { continue };
        let status = response.status();
        assert!(status == 201 || status == 409, "{status}");
        let filter = format!("/Users?filter=userName%20eq%20%22{name}%22");
        let Ok(found) = client.request(Method::GET, &filter).send().await else { continue };
        let found: Value = found.json().await.unwrap();
        id = found["Resources"][0]["id"].as_str().map(str::to_owned);
    }
    let id = id.unwrap();
    for title in 0..renames {
        let operation = json!({"op": "replace", "path": "title", "value": format!("title {title}")});
        let body = json!({"schemas": [PATCH], "Operations": [operation]}).to_string();
        loop {
            turn += 1;
            let client = &clients[turn % clients.len()];
            let request = client.request(Method::PATCH, &format!("/Users/{id}"));
            let request = request.header("content-type", "application/scim+json").body(body.clone());
            if let Ok(response) = request.send().await {
                assert_eq!(response.status(), 200);
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_processes_share_a_database_and_one_may_be_killed() {
    const USERS: usize = 8;
    const RENAMES: usize = 12;
    let cluster = Cluster::start(Durability::None).unwrap();
    let mut site = Site::start(&cluster).await;
    let clients = Arc::new(vec![site.client(&site.first), site.client(&site.second)]);
    let load = |round: usize| {
        let writer = |n| {
            let name = format!("user{n}-{round}@example.com");
            tokio::spawn(write(Arc::clone(&clients), name, RENAMES))
        };
        (0..USERS).map(writer).collect::<Vec<_>>()
    };

    // While both are there, each event comes once.
    for writer in load(1) {
        writer.await.unwrap();
    }
    let events = site.settled(Duration::from_secs(20)).await;
    assert_eq!(events.len(), USERS * (RENAMES + 1));
    assert!(site.receiver.deliveries().values().all(|delivered| delivered.count == 1));

    // One is killed amid its work: what it had begun to send comes again, and nothing else.
    let writers = load(2);
    tokio::time::sleep(Duration::from_millis(300)).await;
    site.second.child.kill().unwrap();
    site.second.child.wait().unwrap();
    for writer in writers {
        writer.await.unwrap();
    }
    let events = site.settled(Duration::from_secs(60)).await;
    let again = site.receiver.deliveries().values().map(|delivered| delivered.count - 1).sum::<usize>();
    assert!(again <= 4, "{again} deliveries came again, and only four can have been under way");
    assert!(site.receiver.deliveries().values().all(|delivered| delivered.constant));
    for (user, versions) in told(&events) {
        let expected: Vec<u64> = (1..=versions.len() as u64).collect();
        assert_eq!(versions, expected, "each change of {user} once, in order");
    }
    assert_eq!(told(&events).len(), 2 * USERS);
}
