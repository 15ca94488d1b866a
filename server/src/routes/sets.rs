//! Security event tokens: receivers poll for them (RFC 8936), and fetch the keys to verify them with.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::request::Parts;
use http::{HeaderName, Method, StatusCode};
use scim_core::{AuthError, bearer_token};
use scim_directory::{Directories, DirectoryError, SetStreamId};
use scim_set::{ErrorCode, PollRequest, PollResponse, SetError};
use tokio::sync::Semaphore;

use crate::auth::Failures;
use crate::http::Peer;
use crate::instance::now;
use crate::shutdown::Phases;

const PREFIX: &str = "/api/v1/set_streams/";
const SUFFIX: &str = "/events";
/// The longest body, in bytes: room for the names of ten thousand SETs.
const BODY: usize = 1 << 20;
/// How long a poll waits for a SET. Proxies often end a request after 30 or 60 s.
const WAIT: Duration = Duration::from_secs(25);
/// How many polls may wait at once; others are answered at once.
const WAITING: usize = 1_000;

/// Answers receivers.
#[derive(Clone, Debug)]
pub(crate) struct Sets {
    directories: Directories,
    /// The `iss` of the SETs.
    issuer: Arc<str>,
    failures: Failures,
    phases: Phases,
    body_time: Duration,
    waiting: Arc<Semaphore>,
}

impl Sets {
    pub(crate) fn new(
        directories: Directories,
        issuer: Arc<str>,
        failures: Failures,
        phases: Phases,
        body_time: Duration,
    ) -> Self {
        let waiting = Arc::new(Semaphore::new(WAITING));
        Self { directories, issuer, failures, phases, body_time, waiting }
    }

    /// The stream whose SETs a path is about; a text that may be no id.
    pub(crate) fn stream(path: &str) -> Option<&str> {
        path.strip_prefix(PREFIX)?.strip_suffix(SUFFIX).filter(|id| !id.contains('/'))
    }

    /// Where the receiver of a stream polls.
    pub(crate) fn poll_url(base_url: &str, stream: &SetStreamId) -> String {
        format!("{base_url}{PREFIX}{stream}{SUFFIX}")
    }

    /// What a log line says of such a path.
    pub(crate) fn route_name() -> String {
        format!("{PREFIX}{{id}}{SUFFIX}")
    }

    /// Answers a poll.
    pub(crate) async fn answer(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let answered = match self.poll(&parts, body).await {
            Ok(sets) => respond(StatusCode::OK, &sets),
            Err(refusal) => refusal.into_response(),
        };
        no_store(answered)
    }

    /// The keys to verify SETs with: a JWK Set.
    pub(crate) async fn keys(&self) -> Response {
        match self.directories.set_keys().await {
            Ok(keys) => {
                let mut response = Response::new(Body::from(keys.to_json()));
                let headers = response.headers_mut();
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json"));
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
                response
            }
            Err(error) => no_store(Refusal::from(error).into_response()),
        }
    }

    async fn poll(&self, parts: &Parts, body: Body) -> Result<PollResponse, Refusal> {
        if parts.method != Method::POST {
            let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::InvalidRequest, "use POST");
            return Err(refusal.with(ALLOW, HeaderValue::from_static("POST")));
        }
        let stream = self.authenticated(parts).await?;
        let body = tokio::time::timeout(self.body_time, to_bytes(body, BODY)).await;
        let body = body.map_err(|_| {
            Refusal::new(StatusCode::REQUEST_TIMEOUT, ErrorCode::InvalidRequest, "the body took too long")
        })?;
        let body = body.map_err(|_| {
            let detail = "the body has more than 1 MiB, or did not arrive";
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::InvalidRequest, detail)
        })?;
        let mut request = PollRequest::parse(&body).map_err(|error| Refusal {
            status: StatusCode::BAD_REQUEST,
            error,
            headers: Vec::new(),
        })?;
        // Held while it waits.
        let place = self.waiting.try_acquire();
        request.return_immediately |= place.is_err() || self.phases.is_draining();
        let polled = self.directories.poll_sets(&stream, request, &self.issuer, WAIT, now());
        tokio::select! {
            polled = polled => Ok(polled?),
            // What the request acknowledged is noted all the same.
            () = self.phases.draining() => Ok(PollResponse::default()),
        }
    }

    async fn authenticated(&self, parts: &Parts) -> Result<SetStreamId, Refusal> {
        let token = match bearer_token(parts) {
            Ok(token) => token,
            Err(AuthError::Malformed) => {
                let detail = "the request must carry one token, in the Authorization header";
                let refusal = Refusal::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, detail);
                return Err(self.failed(parts, refusal));
            }
            Err(error) => {
                let is_missing = matches!(error, AuthError::Missing);
                return Err(self.failed(parts, Refusal::unauthenticated(is_missing)));
            }
        };
        if let Some(id) = Self::stream(parts.uri.path()).and_then(SetStreamId::parse)
            && self.directories.authenticate_set_stream(&id, token).await?
        {
            return Ok(id);
        }
        Err(self.failed(parts, Refusal::unauthenticated(false)))
    }

    /// Failed authentications are counted together with those of identity providers.
    fn failed(&self, parts: &Parts, refusal: Refusal) -> Refusal {
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
        match peer.and_then(|peer| self.failures.count(peer, Instant::now())) {
            Some(wait) => {
                let detail = "too many authentications from this address have failed";
                let code = ErrorCode::AuthenticationFailed;
                Refusal::new(StatusCode::TOO_MANY_REQUESTS, code, detail)
                    .with(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)))
            }
            None => refusal,
        }
    }
}

/// An answer that says why not.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    error: SetError,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Refusal {
    fn new(status: StatusCode, code: ErrorCode, detail: &str) -> Self {
        Self { status, error: SetError::new(code, detail), headers: Vec::new() }
    }

    /// The same for a stream that is not there as for a token that is not its.
    fn unauthenticated(is_missing: bool) -> Self {
        let (detail, challenge) = match is_missing {
            true => ("a token is required: Authorization: Bearer sst_…", "Bearer realm=\"scimd\""),
            false => {
                ("the token is not that of the stream", "Bearer realm=\"scimd\", error=\"invalid_token\"")
            }
        };
        Self::new(StatusCode::UNAUTHORIZED, ErrorCode::AuthenticationFailed, detail)
            .with(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
    }

    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    fn into_response(self) -> Response {
        let mut response = respond(self.status, &self.error);
        response.headers_mut().insert(CONTENT_LANGUAGE, HeaderValue::from_static("en"));
        response.headers_mut().extend(self.headers);
        response
    }
}

impl From<DirectoryError> for Refusal {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::NotFound { .. } => Self::unauthenticated(false),
            DirectoryError::Disabled { .. } => {
                Self::new(StatusCode::FORBIDDEN, ErrorCode::AccessDenied, "the stream is disabled")
            }
            error => {
                tracing::warn!(%error, "a receiver of security event tokens can't be answered now");
                let detail = "the service can't answer now";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::InvalidRequest, detail)
                    .with(RETRY_AFTER, HeaderValue::from_static("1"))
            }
        }
    }
}

fn respond(status: StatusCode, body: &impl serde::Serialize) -> Response {
    let mut response = Response::new(Body::from(serde_json::to_string(body).unwrap_or_default()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// SETs hold personal data.
fn no_store(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
