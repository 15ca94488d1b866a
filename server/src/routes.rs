//! The routes: SCIM below `/scim/v2/{directory}`, the API below `/api/v1`, and what operators ask.

mod body;
mod route_name;
mod sets;

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::get;
use futures_util::FutureExt as _;
use http::header::{CONTENT_TYPE, HeaderMap};
use http::{HeaderName, HeaderValue, StatusCode};
use scim_core::{BaseUrl, BoxError, Error, ErrorKind, Service, StoreError};
use scim_directory::{Directories, DirectoryId};
use scim_sql::Engine;
use scim_tower::ScimService;
use tower_service::Service as _;

use self::body::{TimedBody, received};
use self::route_name::route_name;
pub(crate) use self::sets::Sets;
use crate::api::{Api, Problem};
use crate::auth::PathDirectory;
use crate::environment::{new_request_id, with_request_id};
use crate::http::Peer;
use crate::logging;
use crate::shutdown::Phases;

/// The prefix of all SCIM paths; the directory's id follows.
const PREFIX: &str = "/scim/v2/";
/// Figures for who looks after the server.
const METRICS: &str = "/metrics";
/// How long the database may take to answer while the server is called ready.
const READY_TIME: Duration = Duration::from_secs(3);
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The limits of one request, beside those of the SCIM service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestLimits {
    /// How many bytes the names and values of header fields may have together.
    pub(crate) header_bytes: usize,
    /// How many header fields.
    pub(crate) header_fields: usize,
    /// How long a body may take to arrive.
    pub(crate) body_time: Duration,
    /// How long a request may take once it is there.
    pub(crate) handler_time: Duration,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            header_bytes: 64 * 1024,
            header_fields: 100,
            body_time: Duration::from_secs(30),
            handler_time: Duration::from_secs(30),
        }
    }
}

/// What the routes work with.
#[derive(Clone, Debug)]
pub(crate) struct Routes {
    pub(crate) service: Service,
    pub(crate) api: Api,
    pub(crate) sets: Sets,
    pub(crate) directories: Directories,
    /// The public URL of this server, without a slash at its end.
    pub(crate) base_url: Arc<str>,
    pub(crate) limits: RequestLimits,
    /// Whether `X-Forwarded-For` was written by a proxy of ours.
    pub(crate) trusted_proxy: bool,
    pub(crate) phases: Phases,
    pub(crate) known: KnownDirectories,
}

/// Directories that are known to exist, so that discovery costs no read each time.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownDirectories(Arc<RwLock<HashSet<DirectoryId>>>);

impl Routes {
    /// As a router for the server.
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/healthz", get(healthz))
            .route("/readyz", get(readyz))
            .route("/keys", get(keys))
            .fallback(answer)
            .with_state(Arc::new(self))
    }

    /// The base URL of a directory.
    pub(crate) fn scim_base_url(base_url: &str, directory: &DirectoryId) -> String {
        format!("{base_url}{PREFIX}{directory}")
    }

    async fn exists(&self, id: &DirectoryId) -> Result<bool, Error> {
        let known =
            |known: &KnownDirectories| known.0.read().unwrap_or_else(PoisonError::into_inner).contains(id);
        if known(&self.known) {
            return Ok(true);
        }
        let found = self.directories.directory(id).await.map_err(|error| unavailable(error.into()))?;
        if found.is_some() {
            self.known.0.write().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
        }
        Ok(found.is_some())
    }
}

/// What security event tokens are verified with.
async fn keys(State(routes): State<Arc<Routes>>) -> Response {
    routes.sets.keys().await
}

/// The process runs.
async fn healthz() -> Response {
    json(StatusCode::OK, format!("{{\"status\":\"ok\",\"panics\":{}}}", logging::panics()))
}

/// The process is ready for requests: its database answers and it was not told to stop.
async fn readyz(State(routes): State<Arc<Routes>>) -> Response {
    if routes.phases.is_draining() {
        return json(StatusCode::SERVICE_UNAVAILABLE, "{\"status\":\"stopping\"}".to_owned());
    }
    let database = match routes.directories.engine() {
        Engine::Sqlite => "sqlite",
        Engine::Postgres => "postgres",
    };
    let answer = tokio::time::timeout(READY_TIME, routes.directories.endpoints()).await;
    let (code, status) = match answer {
        Ok(Ok(_)) => (StatusCode::OK, "ready"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "no database"),
    };
    json(code, format!("{{\"status\":\"{status}\",\"database\":\"{database}\"}}"))
}

fn json(status: StatusCode, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Everything else: requests of SCIM and of the API, and paths that nobody knows.
async fn answer(State(routes): State<Arc<Routes>>, request: Request) -> Response {
    let begun = Instant::now();
    let id = new_request_id();
    let method = request.method().clone();
    let path = request.uri().path();
    let is_api = Api::has(path) || path == METRICS;
    let named = split(path).and_then(|(directory, _)| DirectoryId::parse(directory));
    let route = match is_api {
        true if Sets::stream(path).is_some() => Sets::route_name(),
        true if path == METRICS => METRICS.to_owned(),
        true => Api::route_name(&method, path),
        false => route_name(path, PREFIX, routes.service.registry()),
    };
    let handling = async {
        let handling = AssertUnwindSafe(handle(&routes, request, named.clone(), is_api)).catch_unwind();
        handling.await.unwrap_or_else(|_| match is_api {
            true => Problem::internal().into_response(),
            false => {
                let detail = format!("an internal error; its id is {id}");
                refuse(&routes, &Error::new(ErrorKind::Internal, detail))
            }
        })
    };
    let mut response = with_request_id(id.clone(), handling).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let status = response.status().as_u16();
    let directory = named.as_ref().map_or("", DirectoryId::as_str);
    let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(request_id = id, %method, route, directory, status, ms, "request");
    response
}

async fn handle(
    routes: &Routes,
    mut request: Request,
    directory: Option<DirectoryId>,
    is_api: bool,
) -> Response {
    if let Some(error) = over_limits(request.headers(), &routes.limits) {
        return match is_api {
            true => Problem::headers(error.detail()).into_response(),
            false => refuse(routes, &error),
        };
    }
    if routes.trusted_proxy
        && let Some(peer) = forwarded_peer(request.headers())
    {
        request.extensions_mut().insert(peer);
    }
    if Sets::stream(request.uri().path()).is_some() {
        return routes.sets.answer(request).await;
    }
    if request.uri().path() == METRICS {
        return routes.api.metrics(request).await;
    }
    if is_api {
        return routes.api.answer(request).await;
    }
    let Some(directory) = directory else {
        return refuse(routes, &Error::new(ErrorKind::NotFound, "there is no such endpoint"));
    };
    let rest = split(request.uri().path()).map_or("", |(_, rest)| rest);
    if is_discovery(rest) {
        match routes.exists(&directory).await {
            Ok(true) => {}
            Ok(false) => {
                return refuse(routes, &Error::new(ErrorKind::NotFound, "there is no such directory"));
            }
            Err(error) => return refuse(routes, &error),
        }
    }
    let extensions = request.extensions_mut();
    extensions.insert(BaseUrl::new(Routes::scim_base_url(&routes.base_url, &directory)));
    extensions.insert(PathDirectory(directory.clone()));
    let mut scim = ScimService::new(routes.service.clone()).at(&format!("{PREFIX}{directory}"));
    let (body_done, request) = TimedBody::wrap(request);
    let answer = scim.call(request);
    match received(answer, body_done, routes.limits.body_time, routes.limits.handler_time).await {
        Ok(Ok(response)) => response.map(Body::new),
        Ok(Err(never)) => match never {},
        Err(error) => refuse(routes, &error),
    }
}

fn refuse(routes: &Routes, error: &Error) -> Response {
    routes.service.error(error).map(Body::new)
}

/// 503 with a `Retry-After`.
fn unavailable(source: BoxError) -> Error {
    StoreError::Unavailable { retry_after: Some(Duration::from_secs(1)), source }.into()
}

/// The directory and the rest of a SCIM path.
fn split(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix(PREFIX)?;
    Some(rest.split_once('/').unwrap_or((rest, "")))
}

/// What is answered without a token, so that only there an unknown directory would show itself.
fn is_discovery(rest: &str) -> bool {
    let endpoint = rest.split('/').next().unwrap_or_default();
    matches!(endpoint, "ServiceProviderConfig" | "ResourceTypes" | "Schemas")
}

fn over_limits(headers: &HeaderMap, limits: &RequestLimits) -> Option<Error> {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    let detail = if headers.len() > limits.header_fields {
        format!("the request has more than {} header fields", limits.header_fields)
    } else if bytes > limits.header_bytes {
        format!("the header fields have more than {} bytes", limits.header_bytes)
    } else {
        return None;
    };
    Some(Error::new(ErrorKind::HeadersTooLarge, detail))
}

/// The last entry is the one that the proxy wrote; what is before it anybody may have written.
fn forwarded_peer(headers: &HeaderMap) -> Option<Peer> {
    let last = headers.get_all(FORWARDED_FOR).iter().next_back()?.to_str().ok()?;
    last.rsplit(',').next()?.trim().parse().ok().map(Peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_proxy_s_own_entry_counts() {
        let mut headers = HeaderMap::new();
        headers.append(FORWARDED_FOR, HeaderValue::from_static("10.0.0.1"));
        headers.append(FORWARDED_FOR, HeaderValue::from_static("203.0.113.9, 192.0.2.7"));
        assert_eq!(forwarded_peer(&headers).unwrap().0.to_string(), "192.0.2.7");
        headers.append(FORWARDED_FOR, HeaderValue::from_static("unknown"));
        assert!(forwarded_peer(&headers).is_none());
    }

    #[test]
    fn header_limits_hold_to_the_field_and_byte() {
        let limits = RequestLimits { header_bytes: 20, header_fields: 2, ..RequestLimits::default() };
        let mut headers = HeaderMap::new();
        headers.append("a", HeaderValue::from_static("123456789"));
        headers.append("b", HeaderValue::from_static("123456789"));
        assert!(over_limits(&headers, &limits).is_none());
        headers.insert("b", HeaderValue::from_static("1234567890"));
        assert!(over_limits(&headers, &limits).unwrap().detail().contains("bytes"));
        headers.append("c", HeaderValue::from_static(""));
        assert!(over_limits(&headers, &limits).unwrap().detail().contains("fields"));
    }
}
