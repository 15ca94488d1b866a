//! A directory that is provisioned over SCIM.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request};
use scim_core::{Caller, Environment, Service, StaticTokens};
use scim_directory::{
    Clock, Directories, Directory, EndpointId, Event, EventType, Keys, NewDirectory, NewEndpoint,
    NewOrganization, Relay, new_id,
};
use scim_schema::{DateTime, Registry};
use scim_sql::{Database, Engine, OpenError, PostgresOptions, SqlStore};
use scim_test_postgres::Cluster;
use serde_json::{Value, json};
use tempfile::TempDir;

/// 2026-01-01T00:00:00Z.
pub(crate) const START: i64 = 1_767_225_600_000_000;

/// Time that passes when a test says so.
#[derive(Debug)]
pub(crate) struct VirtualClock(AtomicI64);

impl VirtualClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(START)))
    }

    pub(crate) fn advance(&self, duration: Duration) {
        self.0.fetch_add(i64::try_from(duration.as_micros()).unwrap(), Ordering::SeqCst);
    }

    /// As if somebody had put the clock right.
    pub(crate) fn set_back(&self, duration: Duration) {
        self.0.fetch_sub(i64::try_from(duration.as_micros()).unwrap(), Ordering::SeqCst);
    }

    pub(crate) fn seconds(&self) -> i64 {
        (self.0.load(Ordering::SeqCst) - START) / 1_000_000
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> DateTime {
        DateTime::from_unix_micros(self.0.load(Ordering::SeqCst))
    }

    async fn sleep(&self, duration: Duration) {
        self.advance(duration);
    }
}

/// Time that passes when a test says so; who sleeps, waits for it.
#[derive(Debug)]
pub(crate) struct SteppedClock(AtomicI64);

impl SteppedClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(START)))
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for SteppedClock {
    fn now(&self) -> DateTime {
        DateTime::from_unix_micros(self.0.load(Ordering::SeqCst))
    }

    async fn sleep(&self, duration: Duration) {
        let end = self.now().plus(duration);
        while self.now() < end {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[derive(Debug)]
struct TestEnvironment(Arc<VirtualClock>);

impl Environment for TestEnvironment {
    fn now(&self) -> DateTime {
        self.0.now()
    }

    fn new_id(&self, resource_type: &str) -> String {
        new_id(resource_type, self.now())
    }
}

/// How often something is done: what the environment says, or this.
pub(crate) fn times(variable: &str, otherwise: u32) -> u32 {
    let text = std::env::var(variable).ok();
    text.map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

/// Waits until something has come about.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(10), "it does not come about");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Makes two tests of each function, one for each engine.
macro_rules! on_both_engines {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(scim_sql::Engine::Sqlite).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                super::$name(scim_sql::Engine::Postgres).await;
            })*
        }
    };
}
pub(crate) use on_both_engines;

/// Where the data of a site is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The keys; on SQLite the database too.
    pub(crate) folder: Arc<TempDir>,
    /// The database on PostgreSQL.
    pub(crate) url: Option<String>,
}

impl Place {
    fn new(engine: Engine) -> Self {
        let url = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(Cluster::shared().unwrap().database().unwrap()),
        };
        Self { folder: Arc::new(TempDir::new().unwrap()), url }
    }

    /// In memory, where the machine has a file system there.
    fn in_memory(engine: Engine) -> Self {
        let memory = std::path::Path::new("/dev/shm");
        let place = Self::new(engine);
        let folder = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
        Self { folder: Arc::new(folder.unwrap()), ..place }
    }

    /// A write that was begun before is done, whoever waits for it.
    async fn open_file(&self) -> Database {
        let path = self.folder.path().join("scim.db");
        for _ in 0..10_000 {
            match Database::open(path.clone()).await {
                Err(OpenError::Locked { .. }) => tokio::time::sleep(Duration::from_millis(1)).await,
                opened => return opened.unwrap(),
            }
        }
        panic!("the file stays locked");
    }

    /// As a process of its own opens it.
    pub(crate) async fn open(&self) -> (SqlStore, Directories) {
        let database = match &self.url {
            None => self.open_file().await,
            Some(url) => {
                let mut options = PostgresOptions::new(url).unwrap();
                (options.writers, options.readers) = (4, 4);
                Database::connect(options).await.unwrap()
            }
        };
        let store = SqlStore::new(database.clone(), Registry::standard()).await.unwrap();
        let keys = Keys::load_or_create(&self.folder.path().join("keys")).unwrap();
        let directories = Directories::open(database, keys).await.unwrap().with_loopback_http(true);
        (store, directories)
    }
}

/// An organization with one directory, the SCIM service in front of it, and the event log behind it.
pub(crate) struct Site {
    pub(crate) place: Place,
    pub(crate) clock: Arc<VirtualClock>,
    pub(crate) store: SqlStore,
    pub(crate) directories: Directories,
    pub(crate) directory: Directory,
    service: Service,
}

impl Site {
    pub(crate) async fn new(engine: Engine) -> Self {
        Self::at(Place::new(engine)).await
    }

    /// One of which nothing need last: its database is in memory as far as possible.
    pub(crate) async fn in_memory(engine: Engine) -> Self {
        Self::at(Place::in_memory(engine)).await
    }

    async fn at(place: Place) -> Self {
        let clock = VirtualClock::new();
        let (store, directories) = place.open().await;
        let organization = NewOrganization { display_name: "Acme".into(), external_id: None };
        let organization = directories.create_organization(organization, clock.now()).await.unwrap();
        let new = NewDirectory { name: "Staff".into(), ..NewDirectory::default() };
        let directory = directories.create_directory(&organization.id, new, clock.now()).await.unwrap();
        let service = service_of(&store, &clock, &directory);
        Self { place, clock, store, directories, directory, service }
    }

    /// As after the death of the process: everything anew from the database.
    pub(crate) async fn restarted(self) -> Self {
        let Self { place, clock, store, directories, directory, service } = self;
        drop((store, directories, service));
        let (store, directories) = place.open().await;
        let service = service_of(&store, &clock, &directory);
        Self { place, clock, store, directories, directory, service }
    }

    pub(crate) fn relay(&self) -> Relay {
        Relay::new(&self.directories, Arc::new(self.store.clone()))
    }

    /// Waits until so many deliveries are recorded.
    pub(crate) async fn delivered(&self, count: u64) {
        let begun = Instant::now();
        while self.directories.backlog().await.unwrap().delivered < count {
            assert!(begun.elapsed() < Duration::from_secs(10), "they are not recorded");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub(crate) async fn catch_up(&self) -> usize {
        self.relay().catch_up().await.unwrap()
    }

    /// A request as an identity provider makes it; the answer must have this status.
    pub(crate) async fn scim(&self, method: Method, path: &str, body: Value, status: u16) -> Value {
        let (found, answer) = self.ask(&method, path, None, &body).await;
        assert_eq!(found, status, "{method} {path} {body}: {answer}");
        answer
    }

    /// A request, with a precondition if there is one; status and answer.
    pub(crate) async fn ask(
        &self,
        method: &Method,
        path: &str,
        if_match: Option<&str>,
        body: &Value,
    ) -> (u16, Value) {
        self.clock.advance(Duration::from_millis(1));
        let mut request = Request::builder()
            .method(method.clone())
            .uri(path)
            .header("authorization", "Bearer token")
            .header("content-type", "application/scim+json");
        if let Some(version) = if_match {
            request = request.header("if-match", version);
        }
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        let response = self.service.handle(request.body(body).unwrap()).await;
        let text = String::from_utf8_lossy(response.body()).into_owned();
        (response.status().as_u16(), serde_json::from_str(&text).unwrap_or_default())
    }

    pub(crate) async fn create(&self, endpoint: &str, body: Value) -> String {
        let answer = self.scim(Method::POST, endpoint, body, 201).await;
        answer["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn user(&self, name: &str) -> String {
        self.create("/Users", user_body(name)).await
    }

    pub(crate) async fn group(&self, name: &str, members: &[&str]) -> String {
        self.create("/Groups", group_body(name, members)).await
    }

    /// A PATCH with one operation.
    pub(crate) async fn patch(&self, path: &str, operation: Value) {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [operation],
        });
        self.scim(Method::PATCH, path, body, 200).await;
    }

    pub(crate) async fn set(&self, path: &str, attribute: &str, value: Value) {
        self.patch(path, json!({"op": "replace", "path": attribute, "value": value})).await;
    }

    pub(crate) async fn add_members(&self, group: &str, members: &[&str]) {
        let value: Vec<Value> = members.iter().map(|m| json!({"value": m})).collect();
        let operation = json!({"op": "add", "path": "members", "value": value});
        self.patch(&format!("/Groups/{group}"), operation).await;
    }

    pub(crate) async fn remove_member(&self, group: &str, member: &str) {
        let operation = json!({"op": "remove", "path": format!("members[value eq \"{member}\"]")});
        self.patch(&format!("/Groups/{group}"), operation).await;
    }

    pub(crate) async fn delete(&self, path: &str) {
        self.scim(Method::DELETE, path, Value::Null, 204).await;
    }

    pub(crate) async fn endpoint(&self, url: &str, event_types: &[EventType]) -> scim_webhook::Secret {
        let mut new = NewEndpoint::at(url);
        new.settings.event_types = event_types.to_vec();
        self.directories.create_endpoint(new, self.clock.now()).await.unwrap().secret
    }

    /// An endpoint that gets each event, one after the other.
    pub(crate) async fn strict_endpoint(&self, url: &str) -> EndpointId {
        let mut new = NewEndpoint::at(url);
        new.settings.ordering = scim_directory::Ordering::Strict;
        self.directories.create_endpoint(new, self.clock.now()).await.unwrap().endpoint.id
    }

    /// The event log.
    pub(crate) async fn events(&self) -> Vec<Event> {
        self.directories.events(&self.directory.id, 0, usize::MAX).await.unwrap()
    }

    /// The events that an action brings: short type and parsed body.
    pub(crate) async fn news(&self) -> Vec<(String, Value)> {
        let before = self.events().await.len();
        self.catch_up().await;
        let events = self.events().await;
        events[before..].iter().map(|e| (short(e.event_type), parse(&e.body))).collect()
    }
}

fn service_of(store: &SqlStore, clock: &Arc<VirtualClock>, directory: &Directory) -> Service {
    let caller = Caller::new(directory.tenant());
    let authenticator = StaticTokens::new([("token".to_owned(), caller)]);
    let environment = TestEnvironment(Arc::clone(clock));
    Service::builder("https://scim.example.com/v2", store.clone(), authenticator, environment)
        .build()
        .unwrap()
}

pub(crate) fn user_body(name: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": format!("{name}@example.com"),
        "externalId": format!("ext-{name}"),
        "displayName": name,
        "active": true,
    })
}

pub(crate) fn group_body(name: &str, members: &[&str]) -> Value {
    let members: Vec<Value> = members.iter().map(|m| json!({"value": m})).collect();
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
        "displayName": name,
        "members": members,
    })
}

pub(crate) fn parse(body: &str) -> Value {
    serde_json::from_str(body).unwrap()
}

/// `user_created` for `organization.directory.user_created`.
pub(crate) fn short(event_type: EventType) -> String {
    event_type.as_str().strip_prefix("organization.directory.").unwrap().to_owned()
}
