//! A directory that is provisioned over SCIM, its event log, and what a stream holds of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::{self, Context};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Method, Request};
use scim_core::{Caller, Environment, Service, StaticTokens};
use scim_directory::{
    Clock, Directories, Directory, Event, EventFilter, Keys, NewDirectory, NewOrganization, Outlet, Reader,
    Relay, new_id,
};
use scim_nats::{Nats, NatsConfig};
use scim_schema::{DateTime, Registry};
use scim_sql::{Database, Engine, PostgresOptions, SqlStore};
use scim_test_nats::Server;
use scim_test_postgres::Cluster;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The stream and the subjects of all tests.
pub(crate) const STREAM: &str = "scimd";
pub(crate) const PREFIX: &str = "scimd.events";

/// The time of the machine, and what a test adds.
#[derive(Debug, Default)]
pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> DateTime {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let micros = i64::try_from(since.as_micros()).unwrap();
        DateTime::from_unix_micros(micros + self.0.load(Ordering::SeqCst))
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

impl Environment for TestClock {
    fn now(&self) -> DateTime {
        Clock::now(self)
    }

    fn new_id(&self, resource_type: &str) -> String {
        new_id(resource_type, Clock::now(self))
    }
}

#[derive(Debug)]
struct Shared(Arc<TestClock>);

impl Environment for Shared {
    fn now(&self) -> DateTime {
        Clock::now(&*self.0)
    }

    fn new_id(&self, resource_type: &str) -> String {
        self.0.new_id(resource_type)
    }
}

/// Where the data of a site is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    folder: Arc<TempDir>,
    url: Option<String>,
}

impl Place {
    /// As a process of its own opens it.
    pub(crate) async fn open(&self) -> (SqlStore, Directories) {
        let database = match &self.url {
            None => Database::open(self.folder.path().join("scim.db")).await.unwrap(),
            Some(url) => {
                let mut options = PostgresOptions::new(url).unwrap();
                (options.writers, options.readers) = (4, 4);
                Database::connect(options).await.unwrap()
            }
        };
        let store = SqlStore::new(database.clone(), Registry::standard()).await.unwrap();
        let keys = Keys::load_or_create(&self.folder.path().join("keys")).unwrap();
        (store, Directories::open(database, keys).await.unwrap())
    }
}

/// An organization with one directory, and the SCIM service in front of it.
pub(crate) struct Site {
    pub(crate) place: Place,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) directories: Directories,
    pub(crate) directory: Directory,
    store: SqlStore,
    service: Service,
}

impl Site {
    pub(crate) async fn new(engine: Engine) -> Self {
        let url = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(Cluster::shared().unwrap().database().unwrap()),
        };
        let place = Place { folder: Arc::new(TempDir::new().unwrap()), url };
        let clock = Arc::new(TestClock::default());
        let (store, directories) = place.open().await;
        let now = Clock::now(&*clock);
        let organization = NewOrganization { display_name: "Acme".into(), external_id: None };
        let organization = directories.create_organization(organization, now).await.unwrap();
        let new = NewDirectory { name: "Staff".into(), ..NewDirectory::default() };
        let directory = directories.create_directory(&organization.id, new, now).await.unwrap();
        let service = service_of(&store, &clock, &directory);
        Self { place, clock, directories, directory, store, service }
    }

    /// As after the death of the process: everything anew from the database.
    pub(crate) async fn restarted(self) -> Self {
        let Self { place, clock, directory, directories, store, service } = self;
        drop((store, directories, service));
        let (store, directories) = place.open().await;
        let service = service_of(&store, &clock, &directory);
        Self { place, clock, directories, directory, store, service }
    }

    pub(crate) async fn catch_up(&self) {
        Relay::new(&self.directories, Arc::new(self.store.clone())).catch_up().await.unwrap();
    }

    /// A request as an identity provider makes it. Answers the id of the resource.
    pub(crate) async fn scim(&self, method: Method, path: &str, body: &Value) -> String {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", "Bearer token")
            .header("content-type", "application/scim+json")
            .body(if body.is_null() { Bytes::new() } else { body.to_string().into() })
            .unwrap();
        let response = self.service.handle(request).await;
        let text = String::from_utf8_lossy(response.body()).into_owned();
        assert!(response.status().is_success(), "{path} {body}: {text}");
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        answer["id"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) async fn user(&self, name: &str) -> String {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": format!("{name}@example.com"),
            "displayName": name,
        });
        self.scim(Method::POST, "/Users", &body).await
    }

    /// Creates users, and has events made of that.
    pub(crate) async fn users(&self, count: usize) {
        for n in 0..count {
            self.user(&format!("user{n}-{}", new_id("User", Clock::now(&*self.clock)))).await;
        }
        self.catch_up().await;
    }

    pub(crate) async fn set(&self, path: &str, attribute: &str, value: Value) {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "replace", "path": attribute, "value": value}],
        });
        self.scim(Method::PATCH, path, &body).await;
    }

    /// The event log.
    pub(crate) async fn events(&self) -> Vec<Event> {
        self.directories.events(&self.directory.id, 0, usize::MAX).await.unwrap()
    }

    pub(crate) async fn ids(&self) -> Vec<String> {
        self.events().await.into_iter().map(|event| event.id.to_string()).collect()
    }

    pub(crate) fn reader(&self, outlet: Arc<dyn Outlet>) -> Reader {
        self.reader_of(&self.directories, outlet)
    }

    pub(crate) fn reader_of(&self, directories: &Directories, outlet: Arc<dyn Outlet>) -> Reader {
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as _;
        Reader::new(directories, "nats", EventFilter::default(), outlet, clock)
    }
}

fn service_of(store: &SqlStore, clock: &Arc<TestClock>, directory: &Directory) -> Service {
    let caller = Caller::new(directory.tenant());
    let authenticator = StaticTokens::new([("token".to_owned(), caller)]);
    let environment = Shared(Arc::clone(clock));
    let base_url = "https://scim.example.com/v2";
    Service::builder(base_url, store.clone(), authenticator, environment).build().unwrap()
}

pub(crate) fn nats(server: &Server) -> Arc<Nats> {
    Arc::new(Nats::new(NatsConfig::at(server.url())).unwrap())
}

/// As any other program meets the server.
pub(crate) async fn jetstream(server: &Server) -> Context {
    jetstream::new(async_nats::connect(server.url()).await.unwrap())
}

/// A message of the stream.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) subject: String,
    pub(crate) headers: async_nats::HeaderMap,
    pub(crate) body: String,
}

impl Stored {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(async_nats::HeaderValue::as_str).unwrap_or_default()
    }
}

/// What the stream holds, as a consumer of it reads it.
pub(crate) async fn stored(server: &Server) -> Vec<Stored> {
    let stream = jetstream(server).await.get_stream(STREAM).await.unwrap();
    let count = usize::try_from(stream.cached_info().state.messages).unwrap();
    let consumer = stream.create_consumer(pull::Config::default()).await.unwrap();
    let mut stored = Vec::new();
    while stored.len() < count {
        let mut batch = consumer.fetch().max_messages(500).messages().await.unwrap();
        while let Some(message) = batch.next().await {
            let message = message.unwrap();
            message.ack().await.unwrap();
            stored.push(Stored {
                subject: message.subject.to_string(),
                headers: message.headers.clone().unwrap_or_default(),
                body: String::from_utf8(message.payload.to_vec()).unwrap(),
            });
        }
    }
    stored
}

/// The ids of what the stream holds.
pub(crate) async fn stored_ids(server: &Server) -> Vec<String> {
    stored(server).await.iter().map(|stored| stored.header("Nats-Msg-Id").to_owned()).collect()
}

/// How many messages the stream has; 0 without it.
pub(crate) async fn count(server: &Server) -> usize {
    let Ok(client) = async_nats::connect(server.url()).await else { return 0 };
    match jetstream::new(client).get_stream(STREAM).await {
        Ok(stream) => usize::try_from(stream.cached_info().state.messages).unwrap(),
        Err(_) => 0,
    }
}

pub(crate) async fn until_stored(server: &Server, wanted: usize) {
    let begun = Instant::now();
    while count(server).await < wanted {
        assert!(begun.elapsed() < Duration::from_secs(60), "{} of {wanted}", count(server).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
