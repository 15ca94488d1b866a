//! Delivery workers: processes that are killed, and an endpoint that never answers.
//!
//! `cargo xtask faults` runs these at full size and reads the figures that they print.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use reqwest::Method;
use scim_test_postgres::{Cluster, Durability};
use serde_json::{Value, json};

use crate::crash::setting;
use crate::scimd::{Client, http, user};
use crate::serve::{Served, after, started, webhook};

/// How many attempts at one endpoint are under way at once, by all processes.
const SLOTS: u64 = 4;
/// How long an attempt is left to a process that may have died, and what it takes to notice.
const LEASE: Duration = Duration::from_secs(15);
/// How late 99 of 100 deliveries may be.
const LATE: Duration = Duration::from_secs(1);
const LOOPBACK: &str = "allow_loopback_http = true\n";

/// A receiver that notes when each delivery came, by path and `webhook-id`.
#[derive(Clone, Debug)]
struct Receiver {
    url: String,
    came: Arc<Mutex<HashMap<Which, Vec<Instant>>>>,
}

/// A path and a `webhook-id`.
type Which = (String, String);

impl Receiver {
    /// It answers after `delay`; at `/never` not at all.
    async fn start(delay: Duration) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let receiver = Self { url, came: Arc::default() };
        let taking = receiver.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let _ = stream.set_nodelay(true);
                let taking = taking.clone();
                let service = service_fn(move |request| taking.clone().take(request, delay));
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        receiver
    }

    async fn take(
        self,
        request: Request<Incoming>,
        delay: Duration,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let now = Instant::now();
        let path = request.uri().path().to_owned();
        let id = request.headers()["webhook-id"].to_str().unwrap().to_owned();
        if path == "/never" {
            std::future::pending::<()>().await;
        }
        let _ = request.into_body().collect().await;
        self.came.lock().unwrap().entry((path, id)).or_default().push(now);
        tokio::time::sleep(delay).await;
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    }

    fn distinct(&self) -> usize {
        self.came.lock().unwrap().len()
    }

    /// Waits until so many deliveries came.
    async fn has(&self, expected: u64) {
        let expected = usize::try_from(expected).unwrap();
        let begun = Instant::now();
        while self.distinct() < expected {
            assert!(begun.elapsed() < Duration::from_secs(60), "{} of {expected}", self.distinct());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn repeated(&self) -> u64 {
        self.came.lock().unwrap().values().map(|times| times.len() as u64 - 1).sum()
    }
}

fn client(served: &Served) -> Client {
    let base = after(&served.printed, "SCIM base URL").unwrap();
    let path = base.strip_prefix("https://scim.example.com").unwrap();
    let token = after(&served.printed, "bearer token").unwrap().to_owned();
    Client { base_url: format!("http://{}{path}", served.address), token, http: http() }
}

/// Creates users, a hundred in a request.
async fn load(client: &Client, users: u64) {
    for hundred in 0..users.div_ceil(100) {
        let operation = |n: u64| json!({"method": "POST", "path": "/Users", "bulkId": format!("b{n}"), "data": user(&format!("user{n}"))});
        let numbers = hundred * 100..users.min(hundred * 100 + 100);
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
            "Operations": numbers.map(operation).collect::<Vec<_>>(),
        });
        let (status, answer) = client.send(Method::POST, "/Bulk", body).await;
        assert_eq!(status, 200, "{answer}");
    }
}

/// Row D1: the processes that deliver are killed one after the other, one in each second.
async fn kill_workers(processes: usize, cluster: Option<&Cluster>) {
    let events = setting("SCIMD_WORKER_EVENTS").unwrap_or(800);
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(Duration::from_millis(10)).await;
    let database = cluster.map(|cluster| cluster.database().unwrap());
    let webhook = webhook(&format!("{}/", receiver.url), "");
    let start = || started(folder.path(), &webhook, LOOPBACK, database.as_deref()).ready();
    let first = start();
    let client = client(&first);
    let mut workers = vec![first];
    for _ in 1..processes {
        workers.push(start());
    }
    load(&client, events).await;
    let mut kills = 0;
    let mut last_kill = Instant::now();
    while receiver.distinct() < usize::try_from(events).unwrap() * 9 / 10 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let number = usize::try_from(kills).unwrap() % workers.len();
        workers[number].child.kill().unwrap();
        workers[number].child.wait().unwrap();
        (kills, last_kill) = (kills + 1, Instant::now());
        workers[number] = start();
        assert!(kills < 600, "{} of {events} events after {kills} kills", receiver.distinct());
    }
    while receiver.distinct() < usize::try_from(events).unwrap() {
        assert!(last_kill.elapsed() < LEASE * 2, "{} of {events} events came", receiver.distinct());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let after = last_kill.elapsed();
    let figure = json!({
        "row": "D1", "engine": if cluster.is_some() { "Postgres" } else { "Sqlite" }, "processes": processes,
        "events": events, "kills": kills, "repeated": receiver.repeated(), "may_repeat": SLOTS * kills,
        "all_delivered_after_ms": after.as_millis(),
    });
    println!("{figure}");
    assert!(receiver.repeated() <= SLOTS * kills, "{figure}");
    assert!(after <= LEASE, "{figure}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn workers_that_are_killed_lose_nothing_on_sqlite() {
    kill_workers(1, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn workers_that_are_killed_lose_nothing_on_postgres() {
    let cluster = Cluster::start(Durability::None).unwrap();
    kill_workers(3, Some(&cluster)).await;
}

/// How late 99 of 100 deliveries to healthy endpoints are, from the SCIM answer on.
async fn lateness(healthy: u64, changes: u64, poisoned: bool, cluster: Option<&Cluster>) -> Duration {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(Duration::ZERO).await;
    let paths = (0..healthy).map(|n| format!("/{n}")).chain(poisoned.then(|| "/never".to_owned()));
    let webhooks: String = paths.map(|path| webhook(&format!("{}{path}", receiver.url), "")).collect();
    let database = cluster.map(|cluster| cluster.database().unwrap());
    let served = started(folder.path(), &webhooks, LOOPBACK, database.as_deref()).ready();
    let client = client(&served);
    // The first deliveries pay for connections and for statements that are new to the database.
    client.create_user("warm-up").await;
    receiver.has(healthy).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut answered = Vec::new();
    for n in 0..changes {
        let begun = Instant::now();
        client.create_user(&format!("user{n}")).await;
        answered.push(Instant::now());
        tokio::time::sleep(Duration::from_millis(100).saturating_sub(begun.elapsed())).await;
    }
    receiver.has(healthy * (changes + 1)).await;
    // The n-th event of an endpoint is of the n-th user.
    let came = receiver.came.lock().unwrap();
    let mut late = Vec::new();
    for n in 0..healthy {
        let path = format!("/{n}");
        let mut times: Vec<Instant> =
            came.iter().filter(|((p, _), _)| *p == path).map(|(_, times)| times[0]).collect();
        times.sort_unstable();
        let pairs = times.iter().skip(1).zip(&answered);
        late.extend(pairs.map(|(came, answered)| came.saturating_duration_since(*answered)));
    }
    late.sort_unstable();
    late[(late.len() * 99).div_ceil(100) - 1]
}

/// Row D2: an endpoint that hangs delays no other.
async fn poison(cluster: Option<&Cluster>) {
    let healthy = setting("SCIMD_HEALTHY_ENDPOINTS").unwrap_or(19);
    let changes = setting("SCIMD_POISON_CHANGES").unwrap_or(40);
    let without = lateness(healthy, changes, false, cluster).await;
    let with = lateness(healthy, changes, true, cluster).await;
    let figure: Value = json!({
        "row": "D2", "engine": if cluster.is_some() { "Postgres" } else { "Sqlite" }, "healthy": healthy,
        "deliveries": healthy * changes, "p99_ms_without": without.as_secs_f64() * 1e3,
        "p99_ms_with": with.as_secs_f64() * 1e3, "ratio": with.as_secs_f64() / without.as_secs_f64(),
    });
    println!("{figure}");
    assert!(with <= LATE, "{figure}");
}

// mission: M-04
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_poison_endpoint_delays_no_other_on_sqlite() {
    poison(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_poison_endpoint_delays_no_other_on_postgres() {
    // A disk that stalls delays all endpoints: a commit that waited for it has taken 0.6 s.
    let cluster = Cluster::start(Durability::None).unwrap();
    poison(Some(&cluster)).await;
}
