//! The HTTP API below `/api/v1`: for the application, and for who looks after the server.
//!
//! `routes.rs` is the table of all routes with the scope that each needs; beside it there is one file for each kind of
//! thing.

mod access;
mod api_keys;
mod audit;
mod call;
mod cursor;
mod deliveries;
mod directories;
mod endpoints;
mod events;
mod fields;
mod metrics;
mod problem;
mod routes;
mod set_streams;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use http::Method;
use http::header::{CACHE_CONTROL, HeaderValue};
use scim_directory::{Directories, Keys, Transport};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::access::{Access, require};
pub(crate) use self::api_keys::shown as shown_key;
use self::call::Call;
use self::cursor::Cursors;
pub(crate) use self::problem::Problem;
use self::routes::{Found, find};
use crate::auth::Failures;
use crate::instance::now;
use crate::shutdown::Phases;

/// The prefix of all paths of the API.
pub(crate) const PREFIX: &str = "/api/v1";
/// How many requests may wait for events or follow them at once.
const WAITING: usize = 1_000;
/// The longest time for which a request may ask to be kept waiting for events.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What the API works with.
#[derive(Clone, Debug)]
pub(crate) struct Api(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    directories: Directories,
    transport: Arc<dyn Transport>,
    access: Access,
    cursors: Cursors,
    issuer: Arc<str>,
    phases: Phases,
    /// How many requests may wait for events at once.
    waiting: Arc<Semaphore>,
    trusted_proxy: bool,
    body_time: Duration,
    handler_time: Duration,
}

/// What is needed to make one.
#[derive(Debug)]
pub(crate) struct ApiOptions {
    /// How attempts to try out endpoints are made.
    pub(crate) transport: Arc<dyn Transport>,
    /// The `iss` of what is signed here.
    pub(crate) issuer: Arc<str>,
    /// Counts failed authentications.
    pub(crate) failures: Failures,
    /// Says when the server stops.
    pub(crate) phases: Phases,
    /// Whether a proxy stands before the server.
    pub(crate) trusted_proxy: bool,
    /// How long a body may take to arrive.
    pub(crate) body_time: Duration,
    /// How long a request may take, beside the time for which it asked to wait.
    pub(crate) handler_time: Duration,
}

impl Api {
    pub(crate) fn new(directories: Directories, keys: &Keys, options: ApiOptions) -> Self {
        Self(Arc::new(Parts {
            access: Access::new(directories.clone(), options.failures),
            cursors: Cursors::new(keys.derive("api cursors")),
            transport: options.transport,
            issuer: options.issuer,
            phases: options.phases,
            trusted_proxy: options.trusted_proxy,
            waiting: Arc::new(Semaphore::new(WAITING)),
            body_time: options.body_time,
            handler_time: options.handler_time,
            directories,
        }))
    }

    /// Whether a path is the API's.
    pub(crate) fn has(path: &str) -> bool {
        path.strip_prefix(PREFIX).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// What a log line says of a request: never the text of its path, which may hold ids of persons.
    pub(crate) fn route_name(method: &Method, path: &str) -> String {
        match find(method, path) {
            Found::Route(route, _) => format!("{PREFIX}{}", route.path),
            Found::Methods(_) | Found::Nothing => "other".to_owned(),
        }
    }

    /// Answers a request for a path of the API.
    pub(crate) async fn answer(&self, request: Request) -> Response {
        let longest = self.0.handler_time.saturating_add(LONGEST_WAIT);
        let answered = match tokio::time::timeout(longest, self.handle(request)).await {
            Ok(answered) => answered,
            Err(_) => Err(Problem::unavailable("the answer took too long")),
        };
        let mut response = answered.unwrap_or_else(Problem::into_response);
        // Answers hold secrets and personal data.
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    async fn handle(&self, request: Request) -> Result<Response, Problem> {
        let (parts, body) = request.into_parts();
        let key = self.0.access.authenticate(&parts, now()).await?;
        let (route, params) = match find(&parts.method, parts.uri.path()) {
            Found::Route(route, params) => (route, params),
            Found::Methods(allowed) => return Err(Problem::method(&allowed)),
            Found::Nothing => return Err(Problem::not_found("path")),
        };
        require(&key, route.scope)?;
        let call = Call::read(key, params, parts, body, self.0.body_time).await?;
        (route.run)(self.clone(), call).await
    }

    fn directories(&self) -> &Directories {
        &self.0.directories
    }

    fn cursors(&self) -> &Cursors {
        &self.0.cursors
    }

    fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// A place among the requests that wait; given back when it is dropped.
    fn waiting(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let place = Arc::clone(&self.0.waiting).try_acquire_owned();
        place.map_err(|_| Problem::unavailable("too many requests wait for events already"))
    }

    fn is_draining(&self) -> bool {
        self.0.phases.is_draining()
    }

    async fn draining(&self) {
        self.0.phases.draining().await;
    }

    fn transport(&self) -> &dyn Transport {
        &*self.0.transport
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_trait::async_trait;
    use axum::body::Body;
    use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
    use http::{Request, StatusCode};
    use http_body_util::BodyExt as _;
    use scim_directory::{Attempt, Scope};
    use scim_webhook::{Failure, Outcome, Policy, Report};
    use tempfile::TempDir;

    use super::routes::ROUTES;
    use super::*;
    use crate::database::DatabasePlace;
    use crate::instance::{Files, Opened};
    use crate::shutdown::Shutdown;

    #[derive(Debug)]
    struct Nowhere;

    #[async_trait]
    impl Transport for Nowhere {
        async fn attempt(&self, _: &Attempt) -> Report {
            Report::of(Outcome::unanswered(Failure::Connect))
        }
    }

    struct Site {
        api: Api,
        directories: Directories,
        _folder: TempDir,
    }

    impl Site {
        async fn new(failures: u32) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let database = DatabasePlace::File(folder.path().join("scimd.db"));
            let files = Files { database, keys: folder.path().join("keys") };
            let directories = Opened::open(&files, Policy::default()).await.unwrap().directories;
            let options = ApiOptions {
                transport: Arc::new(Nowhere),
                issuer: "https://scim.example.com".into(),
                failures: Failures::new(failures),
                phases: Shutdown::new().phases(),
                trusted_proxy: false,
                body_time: Duration::from_secs(5),
                handler_time: Duration::from_secs(5),
            };
            let keys = Keys::load_or_create(&files.keys).unwrap();
            let api = Api::new(directories.clone(), &keys, options);
            Self { api, directories, _folder: folder }
        }

        async fn key(&self, scopes: &[Scope], lifetime: Option<Duration>) -> String {
            let issued = self.directories.create_api_key("test", scopes, lifetime, now()).await.unwrap();
            issued.plain.expose().to_owned()
        }

        async fn ask(&self, method: &Method, path: &str, key: Option<&str>) -> Response {
            let mut request = Request::builder().method(method).uri(format!("{PREFIX}{path}"));
            if let Some(key) = key {
                request = request.header(AUTHORIZATION, format!("Bearer {key}"));
            }
            let peer = crate::http::Peer([192, 0, 2, 1].into());
            self.api.answer(request.extension(peer).body(Body::empty()).unwrap()).await
        }
    }

    /// A route's path with something at its open places.
    fn filled(path: &str) -> String {
        let path = path.replace("{organization}", "org_0000000000000000000000");
        path.replace("{id}", "x").replace("{user}", "u").replace("{group}", "g")
    }

    #[tokio::test]
    async fn every_route_needs_a_key_with_its_scope() {
        let site = Site::new(u32::MAX).await;
        assert!(ROUTES.len() >= 25);
        for route in ROUTES {
            let (path, name) = (filled(route.path), format!("{} {}", route.method, route.path));
            let others: Vec<Scope> = Scope::ALL.iter().copied().filter(|s| *s != route.scope).collect();
            let (right, others) = (site.key(&[route.scope], None).await, site.key(&others, None).await);
            for wrong in [None, Some("wrong"), Some(&*format!("{right}x")), Some("skc_")] {
                let answer = site.ask(&route.method, &path, wrong).await;
                assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{name}");
                assert!(answer.headers()[WWW_AUTHENTICATE].to_str().unwrap().starts_with("Bearer "));
                assert_eq!(answer.headers()[CONTENT_TYPE], "application/problem+json");
            }
            let answer = site.ask(&route.method, &path, Some(&others)).await;
            assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{name}");
            let challenge = answer.headers()[WWW_AUTHENTICATE].to_str().unwrap();
            assert!(challenge.contains(&format!("scope=\"{}\"", route.scope.as_str())), "{challenge}");
            let answer = site.ask(&route.method, &path, Some(&right)).await;
            let refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::METHOD_NOT_ALLOWED];
            assert!(!refused.contains(&answer.status()), "{name}: {}", answer.status());
            assert_eq!(answer.headers()[CACHE_CONTROL], "no-store");
        }
        for path in ["", "/", "/nothing", "/webhook_endpoints/x:nothing"] {
            assert_eq!(site.ask(&Method::GET, path, None).await.status(), StatusCode::UNAUTHORIZED, "{path}");
            let key = site.key(Scope::ALL, None).await;
            assert_eq!(site.ask(&Method::GET, path, Some(&key)).await.status(), StatusCode::NOT_FOUND);
        }
    }

    #[tokio::test]
    async fn a_key_that_is_over_is_as_an_unknown_one() {
        let site = Site::new(u32::MAX).await;
        let expired = site.key(Scope::ALL, Some(Duration::ZERO)).await;
        let revoked = site.key(Scope::ALL, None).await;
        let path = "/directories";
        assert_eq!(site.ask(&Method::GET, path, Some(&revoked)).await.status(), StatusCode::OK);
        for key in site.directories.api_keys().await.unwrap() {
            site.directories.revoke_api_key(&key.id, now()).await.unwrap();
        }
        for key in [expired, revoked] {
            assert_eq!(site.ask(&Method::GET, path, Some(&key)).await.status(), StatusCode::UNAUTHORIZED);
        }
    }

    #[tokio::test]
    async fn an_export_breaks_off_when_its_key_is_revoked() {
        let site = Site::new(u32::MAX).await;
        let key = site.key(&[Scope::WebhooksRead], None).await;
        let begin = || async {
            let request = Request::post(format!("{PREFIX}/audit_exports"))
                .header(AUTHORIZATION, format!("Bearer {key}"))
                .header(CONTENT_TYPE, "application/json")
                .extension(crate::http::Peer([192, 0, 2, 1].into()))
                .body(Body::from(r#"{"since": "2026-01-01T00:00:00Z"}"#));
            site.api.answer(request.unwrap()).await.into_body()
        };
        let (whole, broken) = (begin().await, begin().await);
        let lines = whole.collect().await.unwrap().to_bytes();
        assert_eq!(lines.iter().filter(|byte| **byte == b'\n').count(), 1, "the summary");
        for key in site.directories.api_keys().await.unwrap() {
            site.directories.revoke_api_key(&key.id, now()).await.unwrap();
        }
        assert!(broken.collect().await.is_err(), "nobody takes it for whole");
    }

    #[tokio::test]
    async fn guessing_is_slowed_down_and_a_good_key_is_not() {
        let site = Site::new(3).await;
        let key = site.key(Scope::ALL, None).await;
        for expected in [401, 401, 401, 429, 429] {
            assert_eq!(site.ask(&Method::GET, "/directories", Some("wrong")).await.status(), expected);
        }
        assert_eq!(site.ask(&Method::GET, "/directories", Some(&key)).await.status(), StatusCode::OK);
    }
}
