//! `/events` as server-sent events.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use super::{Api, id, is_problem, on_both_engines};
use crate::scimd::{Client, Scimd, user};
use crate::serve::free_address;

/// A client of the stream.
struct Reader {
    response: reqwest::Response,
    text: String,
    events: VecDeque<Told>,
}

#[derive(Clone, Debug)]
struct Told {
    cursor: String,
    event_type: String,
    event: Value,
}

impl Reader {
    async fn open(api: &Api, query: &str, last: Option<&str>) -> Self {
        let mut request =
            api.request(Method::GET, &format!("/events{query}")).header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new(), events: VecDeque::new() }
    }

    /// The next event; `None` when the stream has ended.
    async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some(told) = self.events.pop_front() {
                return Some(told);
            }
            let chunk =
                tokio::time::timeout(Duration::from_secs(30), self.response.chunk()).await.expect("in time");
            let Ok(Some(chunk)) = chunk else { return None };
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let field =
                    |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                if let Some(data) = field("data: ") {
                    self.events.push_back(Told {
                        cursor: field("id: ").unwrap(),
                        event_type: field("event: ").unwrap(),
                        event: serde_json::from_str(&data).unwrap(),
                    });
                }
                self.text = rest.to_owned();
            }
        }
    }
}

on_both_engines!(events_are_told_as_they_come);

// mission: M-66
async fn events_are_told_as_they_come(scimd: Scimd) {
    let (api, client) = (Api::of(&scimd), scimd.client(0));
    client.create_user("before@example.com").await;
    scimd.events_up_to(1).await;
    let mut all = Reader::open(&api, "", None).await;
    let mut news = Reader::open(&api, "?start=end", None).await;
    let mut deleted = Reader::open(&api, "?types=organization.directory.user_deleted", None).await;
    assert_eq!(all.next().await.unwrap().event["data"]["email"], "before@example.com");
    let mut delays = Vec::new();
    for n in 0..5 {
        let email = format!("user{n}@example.com");
        client.create_user(&email).await;
        let written = Instant::now();
        let told = news.next().await.unwrap();
        delays.push(written.elapsed());
        assert_eq!(told.event_type, "organization.directory.user_created");
        assert_eq!(told.event["data"]["email"], email.as_str());
        assert_eq!(all.next().await.unwrap().event, told.event);
    }
    assert!(delays.iter().min().unwrap() < &Duration::from_millis(100), "{delays:?}");
    let events = api.get("/events").await;
    let created = events["events"][0]["subject"].as_str().unwrap();
    client.send(Method::DELETE, &format!("/Users/{created}"), Value::Null).await;
    let told = deleted.next().await.unwrap();
    assert_eq!(told.event_type, "organization.directory.user_deleted");
    // A cursor of the stream is one of the pages.
    let page = api.get(&format!("/events?after={}", told.cursor)).await;
    assert_eq!(page["events"], json!([]));
    let request = api.request(Method::GET, "/events").header("accept", "text/event-stream");
    is_problem(&crate::scimd::answer(request.header("last-event-id", "AAAA")).await, 400, "invalid_field");
    let request = api.request(Method::GET, "/events?order=desc").header("accept", "text/event-stream");
    is_problem(&crate::scimd::answer(request).await, 400, "invalid_field");
}

async fn keep_writing(client: Client, count: usize) {
    for n in 0..count {
        // While the server is away, again.
        loop {
            let body = user(&format!("user{n}@example.com")).to_string();
            let request =
                client.request(Method::POST, "/Users").header("content-type", "application/scim+json");
            match request.body(body).send().await {
                Ok(answer) if answer.status() == 201 || answer.status() == 409 => break,
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

// mission: M-66
#[tokio::test]
async fn a_reader_goes_on_over_restarts_without_a_gap_or_a_double() {
    const USERS: usize = 120;
    let folder = tempfile::tempdir().unwrap();
    // The next process listens where the first one does.
    let address = free_address();
    let mut scimd = Scimd::demo_in(folder.path(), &["--listen", &address]);
    let api = Api::of(&scimd);
    let writer = tokio::spawn(keep_writing(scimd.client(0), USERS));
    let (mut told, mut last): (Vec<Told>, Option<String>) = (Vec::new(), None);
    for stop in [20, 60] {
        let mut reader = Reader::open(&api, "", last.as_deref()).await;
        while told.len() < stop {
            told.push(reader.next().await.expect("events"));
        }
        // Once it is asked to end, once it is killed.
        if stop == 20 {
            scimd.terminate();
            while let Some(more) = reader.next().await {
                told.push(more);
            }
            assert!(scimd.exit(Duration::from_secs(10)).success());
        } else {
            scimd.kill();
        }
        last = Some(told.last().unwrap().cursor.clone());
        scimd = Scimd::demo_in(folder.path(), &["--listen", &address]);
    }
    let mut reader = Reader::open(&api, "", last.as_deref()).await;
    while told.len() < USERS {
        told.push(reader.next().await.expect("events"));
    }
    writer.await.unwrap();
    let sequences: Vec<u64> = told.iter().map(|told| told.event["sequence"].as_u64().unwrap()).collect();
    assert_eq!(sequences, (1..=USERS as u64).collect::<Vec<_>>(), "each once, in order");
    let page = api.get("/events?order=desc&limit=1").await;
    assert_eq!(page["events"][0]["sequence"], USERS as u64, "and there are no others");
}

#[tokio::test]
async fn a_stream_ends_when_its_key_does() {
    let scimd = Scimd::demo(&[]);
    let api = Api::of(&scimd);
    let made = api.post("/api_keys", json!({"name": "reader", "scopes": ["events:read"]})).await;
    let reader = Api { key: made["api_key"].as_str().unwrap().to_owned(), ..api.clone() };
    let mut stream = Reader::open(&reader, "", None).await;
    api.send(Method::DELETE, &format!("/api_keys/{}", id(&made)), Value::Null).await;
    let begun = Instant::now();
    assert!(stream.next().await.is_none());
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn readers_that_do_not_read_take_no_memory() {
    use tokio::io::AsyncWriteExt as _;
    let scimd = Scimd::demo(&[]);
    let (api, client) = (Api::of(&scimd), scimd.client(0));
    // Twenty megabytes of events.
    let long = "x".repeat(25_000);
    for n in 0..400 {
        let mut body = user(&format!("user{n}@example.com"));
        body["title"] = json!(long);
        assert_eq!(client.send(Method::POST, "/Users", body).await.0, 201);
    }
    scimd.events_up_to(400).await;
    let memory = || -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", scimd.pid())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() / 1024
    };
    let before = memory();
    let mut readers = Vec::new();
    for _ in 0..40 {
        let mut stream =
            tokio::net::TcpStream::connect(scimd.root().strip_prefix("http://").unwrap()).await.unwrap();
        let head = format!(
            "GET /api/v1/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nAuthorization: Bearer {}\r\n\r\n",
            api.key
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        readers.push(stream);
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let after = memory();
    // Each may have a page of events ready; the whole log for each would be 800 MB.
    assert!(after < before + 400, "{before} MB before, {after} MB after");
    assert_eq!(api.get("/events?limit=1").await["events"].as_array().unwrap().len(), 1, "others are served");
}
