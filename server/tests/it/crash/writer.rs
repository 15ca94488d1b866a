//! One writer: sends, notes what was acknowledged, and after a kill finds out what became of the rest.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::RECOVERY;
use super::model::{Model, User};
use crate::scimd::{Client, is_scim_error, user};

const GROUPS: usize = 10;
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// A small generator (xorshift64*): the same numbers for the same seed.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn pick<'t, T>(&mut self, from: &'t [T]) -> Option<&'t T> {
        let length = u64::try_from(from.len()).unwrap();
        if length == 0 { None } else { from.get(usize::try_from(self.below(length)).unwrap()) }
    }
}

/// A write, and what the user is after it; `None` when it is gone.
#[derive(Clone, Debug)]
struct Intent {
    /// `None` for a creation.
    id: Option<String>,
    after: Option<User>,
    method: Method,
    path: String,
    body: Value,
}

#[derive(Debug)]
pub(crate) struct Writer {
    number: usize,
    pub(crate) directory: usize,
    groups: Vec<String>,
    random: Random,
    created: usize,
    pub(crate) model: Model,
    /// Sent, and without an answer.
    pending: Option<Intent>,
    pub(crate) acknowledged: usize,
    pub(crate) unanswered: usize,
    pub(crate) unanswered_done: usize,
    pub(crate) problems: Vec<String>,
}

/// The groups that all writers of a directory share.
pub(crate) async fn make_groups(client: &Client) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..GROUPS {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
            "displayName": format!("Group {number}")
        });
        let (status, body) = client.send(Method::POST, "/Groups", body).await;
        assert_eq!(status, 201);
        ids.push(body["id"].as_str().unwrap().to_owned());
    }
    ids
}

/// Reads until the server or its database is gone.
pub(crate) async fn read(client: Client) {
    while let Ok(response) = client.request(Method::GET, "/Users?count=50").send().await {
        if response.status() == 503 {
            return;
        }
        assert_eq!(response.status(), 200);
        if response.bytes().await.is_err() {
            return;
        }
    }
}

impl Writer {
    pub(crate) fn new(number: usize, directory: usize, groups: Vec<String>, seed: u64) -> Self {
        Self {
            number,
            directory,
            groups,
            random: Random::new(seed),
            created: 0,
            model: Model::default(),
            pending: None,
            acknowledged: 0,
            unanswered: 0,
            unanswered_done: 0,
            problems: Vec::new(),
        }
    }

    /// Writes until the server or its database is gone.
    pub(crate) async fn run(mut self, client: Client) -> Self {
        if self.resolve(&client).await.is_none() {
            return self;
        }
        loop {
            let intent = self.intent();
            if let Some(name) = intent.after.as_ref().map(|user| user.user_name.clone()) {
                self.model.sent.insert(name);
            }
            let request = client
                .request(intent.method.clone(), &intent.path)
                .header("content-type", "application/scim+json")
                .body(if intent.body.is_null() { String::new() } else { intent.body.to_string() });
            self.pending = Some(intent);
            let Ok(response) = request.send().await else { return self };
            let status = response.status();
            let retry_after = response.headers().get("retry-after").cloned();
            let Ok(bytes) = response.bytes().await else { return self };
            if status == StatusCode::SERVICE_UNAVAILABLE {
                // It may have been done: the answer of the database to the last step may be what is missing.
                let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
                if retry_after.is_none() || !is_scim_error(&body, 503) {
                    self.problems.push(format!("503 without Retry-After, or not by SCIM: {body}"));
                }
                return self;
            }
            let Some(intent) = self.pending.take() else { return self };
            if !status.is_success() {
                let answer = String::from_utf8_lossy(&bytes);
                self.problems.push(format!("{} {}: {status} {answer}", intent.method, intent.path));
                return self;
            }
            self.acknowledged += 1;
            self.note(intent, &serde_json::from_slice(&bytes).unwrap_or(Value::Null));
        }
    }

    fn intent(&mut self) -> Intent {
        let ids: Vec<String> = self.model.users.keys().cloned().collect();
        let dice = self.random.below(100);
        let Some(id) = self.random.pick(&ids).cloned().filter(|_| dice >= 30) else {
            return self.create();
        };
        let before = self.model.users[&id].clone();
        let path = format!("/Users/{id}");
        let title = format!("title {}", self.random.below(1_000_000));
        match dice {
            30..60 => Intent {
                id: Some(id),
                after: Some(User { title: Some(title.clone()), ..before }),
                method: Method::PATCH,
                path,
                body: json!({
                    "schemas": [PATCH],
                    "Operations": [{"op": "replace", "path": "title", "value": title}]
                }),
            },
            60..80 => self.move_user(id, before),
            80..90 => {
                let mut body = user(&before.user_name);
                body["title"] = json!(title);
                let after = User { title: Some(title), ..before };
                Intent { id: Some(id), after: Some(after), method: Method::PUT, path, body }
            }
            _ => Intent { id: Some(id), after: None, method: Method::DELETE, path, body: Value::Null },
        }
    }

    fn create(&mut self) -> Intent {
        self.created += 1;
        let user_name = format!("writer{}-user{}@crash.example", self.number, self.created);
        Intent {
            id: None,
            body: user(&user_name),
            after: Some(User { user_name, ..User::default() }),
            method: Method::POST,
            path: "/Users".to_owned(),
        }
    }

    fn move_user(&mut self, id: String, mut after: User) -> Intent {
        let group = self.random.pick(&self.groups).unwrap().clone();
        let operation = if after.groups.remove(&group) {
            json!({"op": "remove", "path": format!("members[value eq \"{id}\"]")})
        } else {
            after.groups.insert(group.clone());
            json!({"op": "add", "path": "members", "value": [{"value": id}]})
        };
        Intent {
            id: Some(id),
            after: Some(after),
            method: Method::PATCH,
            path: format!("/Groups/{group}"),
            body: json!({"schemas": [PATCH], "Operations": [operation]}),
        }
    }

    /// Takes over what was done.
    fn note(&mut self, intent: Intent, answer: &Value) {
        let id = match intent.id {
            Some(id) => id,
            None => answer["id"].as_str().unwrap().to_owned(),
        };
        match intent.after {
            Some(user) => {
                self.model.users.insert(id.clone(), user);
            }
            None => {
                self.model.users.remove(&id);
                self.model.deleted.insert(id.clone());
            }
        }
        if let Some(version) = version(answer).filter(|_| answer["id"] == id.as_str()) {
            let before = self.model.versions.insert(id.clone(), version).unwrap_or_default();
            // A PUT or PATCH may have found what it wanted to write.
            if version < before {
                self.problems.push(format!("the version of {id} went from {before} to {version}"));
            }
        }
    }

    /// Finds out what became of the write without an answer: it is done, or it is not. `None` when the
    /// server is gone again.
    pub(crate) async fn resolve(&mut self, client: &Client) -> Option<()> {
        let Some(intent) = self.pending.clone() else { return Some(()) };
        let found = match (&intent.id, &intent.after) {
            (Some(id), _) => find(client, &format!("/Users/{id}")).await?,
            (None, Some(after)) => {
                let filter = format!("/Users?filter=userName%20eq%20%22{}%22", after.user_name);
                let list = find(client, &filter).await?.unwrap_or_default();
                list["Resources"].get(0).cloned()
            }
            (None, None) => None,
        };
        self.pending = None;
        self.unanswered += 1;
        let before = intent.id.as_ref().and_then(|id| self.model.users.get(id)).cloned();
        let state = found.as_ref().map(seen);
        if state == intent.after {
            if state != before {
                self.unanswered_done += 1;
                self.note(intent, &found.unwrap_or_default());
            }
        } else if state != before {
            self.problems.push(format!("{} {}: neither done nor undone", intent.method, intent.path));
        }
        Some(())
    }
}

/// A resource or list; `Some(None)` when there is none, `None` when the server is gone.
async fn find(client: &Client, path: &str) -> Option<Option<Value>> {
    let begun = Instant::now();
    loop {
        let response = client.request(Method::GET, path).send().await.ok()?;
        let status = response.status();
        let bytes = response.bytes().await.ok()?;
        match status {
            StatusCode::OK => return Some(Some(serde_json::from_slice(&bytes).unwrap())),
            StatusCode::NOT_FOUND => return Some(None),
            // Not every connection to a database that came back has been made again.
            StatusCode::SERVICE_UNAVAILABLE if begun.elapsed() < RECOVERY => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            _ => panic!("GET {path}: {status}"),
        }
    }
}

/// A user as the server shows it.
pub(crate) fn seen(body: &Value) -> User {
    let groups = body["groups"].as_array().into_iter().flatten();
    User {
        user_name: body["userName"].as_str().unwrap().to_owned(),
        title: body["title"].as_str().map(str::to_owned),
        groups: groups.map(|group| group["value"].as_str().unwrap().to_owned()).collect(),
    }
}

/// The number in `meta.version`: `W/"7"`.
pub(crate) fn version(body: &Value) -> Option<u64> {
    let text = body["meta"]["version"].as_str()?;
    text.chars().filter(char::is_ascii_digit).collect::<String>().parse().ok()
}
