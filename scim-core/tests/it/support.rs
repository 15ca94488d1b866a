//! A service over the memory store with a clock and ids of its own.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use scim_core::{
    BearerToken, Caller, DateTime, Dialect, Environment, MemoryStore, Registry, Service, ServiceConfig,
    StaticTokens, TenantId,
};
use scim_schema::Report;
use serde_json::Value;

pub(crate) const BASE: &str = "https://scim.example.test/t1/v2";
pub(crate) const TOKEN: &str = "a-token";
pub(crate) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub(crate) const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
pub(crate) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
pub(crate) const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";
pub(crate) const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
pub(crate) const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
pub(crate) const BULK: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
pub(crate) const SEARCH: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

/// A clock that moves one second each time it is asked, and ids that count.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    micros: Arc<AtomicI64>,
    ids: Arc<AtomicU64>,
}

impl World {
    /// Moves the clock.
    pub(crate) fn advance(&self, seconds: i64) {
        self.micros.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl Environment for World {
    fn now(&self) -> DateTime {
        DateTime::from_unix_micros(self.micros.fetch_add(1_000_000, Ordering::SeqCst))
    }

    fn new_id(&self, resource_type: &str) -> String {
        let n = self.ids.fetch_add(1, Ordering::SeqCst);
        format!("{}-{n:04}", resource_type.to_lowercase())
    }

    fn request_id(&self) -> String {
        "request".to_owned()
    }
}

/// A service with helpers to talk to it.
#[derive(Clone, Debug)]
pub(crate) struct Scim {
    pub(crate) service: Service,
    pub(crate) store: MemoryStore,
    pub(crate) world: World,
    pub(crate) token: Option<String>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
    pub(crate) body: Value,
    pub(crate) report: Report,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|v| v.to_str().unwrap())
    }

    pub(crate) fn id(&self) -> String {
        self.body["id"].as_str().unwrap_or_else(|| panic!("no id in {self:?}")).to_owned()
    }

    /// The status must be this one.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self
    }

    /// The status and `scimType` of an error, whose body must be one.
    #[track_caller]
    pub(crate) fn fails(self, status: u16, scim_type: &str) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        assert_eq!(self.body["schemas"], serde_json::json!([ERROR]));
        assert_eq!(self.body["status"], status.to_string());
        assert!(
            self.body["detail"].as_str().is_some_and(|d| !d.is_empty() && d.len() <= 300),
            "{}",
            self.body
        );
        assert_eq!(self.body["scimType"].as_str().unwrap_or_default(), scim_type, "{}", self.body);
        self
    }
}

pub(crate) fn strict() -> ServiceSetup {
    ServiceSetup { dialect: Dialect::strict(), ..ServiceSetup::default() }
}

pub(crate) fn lenient() -> ServiceSetup {
    ServiceSetup::default()
}

pub(crate) struct ServiceSetup {
    pub(crate) dialect: Dialect,
    pub(crate) config: ServiceConfig,
    pub(crate) registry: Registry,
    pub(crate) caller: fn(Caller) -> Caller,
}

impl Default for ServiceSetup {
    fn default() -> Self {
        Self {
            dialect: Dialect::default(),
            config: ServiceConfig::default(),
            registry: Registry::standard(),
            caller: |c| c,
        }
    }
}

impl ServiceSetup {
    pub(crate) fn config(mut self, change: impl FnOnce(&mut ServiceConfig)) -> Self {
        change(&mut self.config);
        self
    }

    pub(crate) fn registry(mut self, registry: Registry) -> Self {
        self.registry = registry;
        self
    }

    pub(crate) fn build(self) -> Scim {
        let world = World::default();
        world.advance(1_767_225_600);
        let registry = Arc::new(self.registry);
        let store = MemoryStore::new(Arc::clone(&registry));
        let caller = |tenant: &str, credential: &str| {
            (self.caller)(Caller {
                dialect: Arc::new(self.dialect.clone()),
                credential: credential.to_owned(),
                ..Caller::new(TenantId::new(tenant))
            })
        };
        let tokens = StaticTokens::new([
            (TOKEN.to_owned(), caller("t1", "c1")),
            ("other-token".to_owned(), caller("t2", "c2")),
            ("second-token".to_owned(), caller("t1", "c3")),
            ("read-only".to_owned(), Caller { can_write: false, ..caller("t1", "c4") }),
        ]);
        let service = Service::builder(BASE, store.clone(), tokens, world.clone())
            .registry(registry)
            .config(self.config)
            .build()
            .unwrap();
        Scim { service, store, world, token: Some(TOKEN.to_owned()) }
    }
}

impl Scim {
    /// The same service, for the holder of another token, or of none.
    pub(crate) fn with_token(&self, token: Option<&str>) -> Self {
        Self { token: token.map(str::to_owned), ..self.clone() }
    }

    pub(crate) fn raw(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut request =
            Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(encode(path));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = block_on(self.service.handle(request.body(Bytes::copy_from_slice(body)).unwrap()));
        let (parts, bytes) = response.into_parts();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        let report = parts.extensions.get::<Report>().cloned().unwrap_or_default();
        Reply { status: parts.status, headers: parts.headers, bytes, body, report }
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.raw("GET", path, &[], b"")
    }

    pub(crate) fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.raw("GET", path, headers, b"")
    }

    pub(crate) fn send(&self, method: &str, path: &str, body: &Value) -> Reply {
        self.send_with(method, path, &[], body)
    }

    pub(crate) fn send_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Reply {
        let mut all = vec![("content-type", "application/scim+json")];
        all.extend_from_slice(headers);
        self.raw(method, path, &all, body.to_string().as_bytes())
    }

    pub(crate) fn post(&self, path: &str, body: Value) -> Reply {
        self.send("POST", path, &body)
    }

    pub(crate) fn put(&self, path: &str, body: Value) -> Reply {
        self.send("PUT", path, &body)
    }

    pub(crate) fn patch(&self, path: &str, operations: Value) -> Reply {
        self.send("PATCH", path, &serde_json::json!({"schemas": [PATCH], "Operations": operations}))
    }

    pub(crate) fn delete(&self, path: &str) -> Reply {
        self.raw("DELETE", path, &[], b"")
    }

    /// A query by GET; the filter is encoded here.
    pub(crate) fn filter(&self, endpoint: &str, filter: &str) -> Reply {
        self.get(&format!("{endpoint}?filter={}", percent(filter)))
    }

    /// The `userName`s (or `displayName`s) that a filter finds, sorted.
    #[track_caller]
    pub(crate) fn found(&self, endpoint: &str, filter: &str) -> Vec<String> {
        let reply = self.filter(endpoint, filter).is(200);
        let mut names: Vec<String> = names(&reply);
        names.sort();
        names
    }

    /// A user with this name and further attributes.
    #[track_caller]
    pub(crate) fn user(&self, name: &str, more: Value) -> Reply {
        let mut body = serde_json::json!({"schemas": [USER], "userName": name});
        merge(&mut body, more);
        self.post("/Users", body).is(201)
    }

    /// A group with these members.
    #[track_caller]
    pub(crate) fn group(&self, name: &str, members: &[&str]) -> Reply {
        let members: Vec<Value> = members.iter().map(|m| serde_json::json!({"value": m})).collect();
        self.post("/Groups", serde_json::json!({"schemas": [GROUP], "displayName": name, "members": members}))
            .is(201)
    }
}

/// The names in a list response, in its order.
pub(crate) fn names(reply: &Reply) -> Vec<String> {
    let resources = reply.body["Resources"].as_array().cloned().unwrap_or_default();
    let name =
        |r: &Value| r["userName"].as_str().or(r["displayName"].as_str()).unwrap_or_default().to_owned();
    resources.iter().map(name).collect()
}

pub(crate) fn merge(into: &mut Value, more: Value) {
    if let (Some(into), Value::Object(more)) = (into.as_object_mut(), more) {
        into.extend(more);
    }
}

pub(crate) fn percent(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

/// Characters that a URI can't have are escaped; what is escaped already stays.
fn encode(path: &str) -> String {
    path.chars()
        .map(|c| match c {
            ' ' | '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}' => format!("%{:02X}", c as u32),
            c if !c.is_ascii() => percent(&c.to_string()),
            c => c.to_string(),
        })
        .collect()
}

/// The memory store never waits, so one poll is all it takes.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut context = Context::from_waker(Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the memory store does not wait"),
    }
}

/// The builder that the documentation shows, to see that it stays this short.
#[test]
fn the_short_form_builds() {
    assert!(
        Service::builder(BASE, MemoryStore::standard(), BearerToken::new("x"), World::default())
            .build()
            .is_ok()
    );
}
