//! The service: an HTTP request in, an HTTP response out.

mod bulk;
mod http_answer;
mod query;
mod references;
mod secrets;
mod with_members;
mod write;

pub use self::secrets::take_secrets;

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use scim_schema::{DateTime, Projection, ReadOptions, Registry, Report, ResourceType};
use sha2::{Digest, Sha256};

use self::http_answer::{Answer, negotiate, prefers_minimal, respond};
use crate::auth::{Authenticator, BaseUrl, Caller};
use crate::body::Body;
use crate::config::ServiceConfig;
use crate::cursor::CursorSealer;
use crate::discovery;
use crate::environment::Environment;
use crate::error::{Error, ErrorKind};
use crate::etag::Preconditions;
use crate::feed::EventSink;
use crate::message::{MEDIA_TYPE, read_body};
use crate::params::Params;
use crate::render::error_body;
use crate::router::{Operation, route};
use crate::secret::SecretSink;
use crate::store::{Cause, Include, Store, Stored};

/// The SCIM service: everything between an HTTP server and a [`Store`].
///
/// It is cheap to clone; clones share all state.
#[derive(Clone, Debug)]
pub struct Service {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    base: Arc<str>,
    registry: Arc<Registry>,
    store: Arc<dyn Store>,
    authenticator: Arc<dyn Authenticator>,
    environment: Arc<dyn Environment>,
    sink: Option<Arc<dyn EventSink>>,
    secrets: Option<Arc<dyn SecretSink>>,
    config: ServiceConfig,
    cursors: CursorSealer,
}

/// Puts a [`Service`] together; see [`Service::builder`].
#[derive(Debug)]
pub struct ServiceBuilder {
    base: String,
    registry: Arc<Registry>,
    store: Arc<dyn Store>,
    authenticator: Arc<dyn Authenticator>,
    environment: Arc<dyn Environment>,
    sink: Option<Arc<dyn EventSink>>,
    secrets: Option<Arc<dyn SecretSink>>,
    config: ServiceConfig,
}

/// Why a [`Service`] can't be built.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The base URL is not an absolute http or https URL without query, fragment and user information
    /// (RFC 7644 §1.3 and §7.1).
    #[error("the base URL must be an http or https URL without query, fragment or user information")]
    BaseUrl,
    /// A limit is zero.
    #[error("{0} must not be zero")]
    ZeroLimit(&'static str),
}

impl ServiceBuilder {
    /// The schemas and resource types. Default: [`Registry::standard`].
    #[must_use]
    pub fn registry(mut self, registry: impl Into<Arc<Registry>>) -> Self {
        self.registry = registry.into();
        self
    }

    /// Limits and options.
    #[must_use]
    pub fn config(mut self, config: ServiceConfig) -> Self {
        self.config = config;
        self
    }

    /// Is told of changes, if the store has no change feed.
    #[must_use]
    pub fn event_sink(mut self, sink: impl EventSink) -> Self {
        self.sink = Some(Arc::new(sink));
        self
    }

    /// Takes the values of attributes that are never returned, such as `password`.
    #[must_use]
    pub fn secret_sink(mut self, sink: impl SecretSink) -> Self {
        self.secrets = Some(Arc::new(sink));
        self
    }

    /// The service.
    ///
    /// # Errors
    /// [`BuildError`] says what is wrong with the configuration.
    pub fn build(self) -> Result<Service, BuildError> {
        let base = self.base.trim_end_matches('/');
        check_base(base)?;
        for (limit, name) in [
            (self.config.max_body, "max_body"),
            (self.config.max_page_size, "max_page_size"),
            (self.config.default_page_size, "default_page_size"),
            (self.config.max_bulk_operations, "max_bulk_operations"),
            (self.config.write_attempts, "write_attempts"),
        ] {
            if limit == 0 {
                return Err(BuildError::ZeroLimit(name));
            }
        }
        let key = self.config.cursor_key.unwrap_or_else(|| Sha256::digest(base.as_bytes()).into());
        Ok(Service {
            inner: Arc::new(Inner {
                base: Arc::from(base),
                cursors: CursorSealer::new(&key, self.config.cursor_timeout),
                registry: self.registry,
                store: self.store,
                authenticator: self.authenticator,
                environment: self.environment,
                sink: self.sink,
                secrets: self.secrets,
                config: self.config,
            }),
        })
    }
}

fn check_base(base: &str) -> Result<(), BuildError> {
    let uri: http::Uri = base.parse().map_err(|_| BuildError::BaseUrl)?;
    let scheme_ok = matches!(uri.scheme_str(), Some("http" | "https"));
    let authority_ok = uri.authority().is_some_and(|a| !a.as_str().contains('@') && !a.host().is_empty());
    if scheme_ok && authority_ok && uri.query().is_none() && !base.contains('#') {
        Ok(())
    } else {
        Err(BuildError::BaseUrl)
    }
}

/// An answer up to about this many bytes is whole before it is sent.
const BEGINNING: usize = 256 * 1024;

/// What belongs to one request.
#[derive(Debug)]
struct Exchange {
    caller: Caller,
    base: Arc<str>,
    now: DateTime,
    request_id: String,
    report: Report,
    /// `Prefer: return=minimal` (RFC 7240).
    minimal: bool,
}

impl Exchange {
    fn cause(&self) -> Cause {
        Cause { kind: "scim".to_owned(), request_id: self.request_id.clone() }
    }
}

impl Service {
    /// Begins a service under a base URL, such as `https://app.example.com/scim/v2`, over a store.
    pub fn builder(
        base_url: impl Into<String>,
        store: impl Store,
        authenticator: impl Authenticator,
        environment: impl Environment,
    ) -> ServiceBuilder {
        Self::builder_shared(base_url, Arc::new(store), Arc::new(authenticator), Arc::new(environment))
    }

    /// As [`Service::builder`], with parts that are shared with others.
    pub fn builder_shared(
        base_url: impl Into<String>,
        store: Arc<dyn Store>,
        authenticator: Arc<dyn Authenticator>,
        environment: Arc<dyn Environment>,
    ) -> ServiceBuilder {
        ServiceBuilder {
            base: base_url.into(),
            registry: Arc::new(Registry::standard()),
            store,
            authenticator,
            environment,
            sink: None,
            secrets: None,
            config: ServiceConfig::default(),
        }
    }

    /// The base URL.
    pub fn base_url(&self) -> &str {
        &self.inner.base
    }

    /// The schemas and resource types.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.inner.registry
    }

    /// Limits and options.
    pub fn config(&self) -> &ServiceConfig {
        &self.inner.config
    }

    /// How many bytes of body an adapter may read for a request. For a larger body it answers
    /// [`Service::payload_too_large`].
    pub fn body_limit(&self, request: &Parts) -> usize {
        match route(&request.method, request.uri.path(), &self.inner.registry) {
            Ok(Operation::Me(_)) | Err(_) => self.inner.config.max_body,
            Ok(operation) => self.inner.body_limit_of(&operation),
        }
    }

    /// The answer to a body over its limit.
    pub fn payload_too_large(&self, limit: usize) -> Response<Body> {
        self.error(&Error::too_large("the body", limit, "bytes"))
    }

    /// The answer to an error that an adapter or server found before the service saw the request.
    pub fn error(&self, error: &Error) -> Response<Body> {
        let request_id = self.inner.environment.request_id();
        self.inner.error_response(error, &request_id, MEDIA_TYPE)
    }

    /// Answers a request. The path is what follows the base URL's path: `/Users/1`.
    ///
    /// Every request gets an answer with a SCIM body where one is due. What a dialect did beyond the
    /// RFCs' text is in the response's extensions, as a [`Report`].
    ///
    /// Where the answer has many members, its body is written while it is read, and an error in the middle is
    /// one of the body. [`Service::handle`] answers the whole text.
    pub async fn respond(&self, request: Request<Bytes>) -> Response<Body> {
        let request_id = self.inner.environment.request_id();
        self.respond_with(request, &request_id).await
    }

    /// As [`Service::respond`], with all of the body in memory: for tests, and where answers are small.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let request_id = self.inner.environment.request_id();
        let media_type = negotiate(request.headers());
        let (parts, body) = self.respond_with(request, &request_id).await.into_parts();
        match body.into_bytes().await {
            Ok(text) => Response::from_parts(parts, text),
            Err(error) => {
                let (parts, body) = self.inner.error_response(&error, &request_id, media_type).into_parts();
                // It is whole.
                Response::from_parts(parts, body.into_bytes().await.unwrap_or_default())
            }
        }
    }

    async fn respond_with(&self, request: Request<Bytes>, request_id: &str) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let media_type = negotiate(&parts.headers);
        let mut report = Report::default();
        let answer = self.inner.answer(&parts, &body, request_id, &mut report).await;
        let mut response = match begin(answer).await {
            Ok(answer) => respond(answer, media_type),
            Err(error) => self.inner.error_response(&error, request_id, media_type),
        };
        if parts.method == Method::HEAD {
            *response.body_mut() = Body::default();
        }
        response.extensions_mut().insert(report);
        response
    }
}

impl Inner {
    async fn answer(
        &self,
        parts: &Parts,
        body: &Bytes,
        request_id: &str,
        report: &mut Report,
    ) -> Result<Answer, Error> {
        let length = parts.uri.path_and_query().map_or(0, |p| p.as_str().len());
        if length > self.config.max_uri {
            return Err(Error::new(
                ErrorKind::UriTooLong,
                format!("the URI is longer than {} bytes", self.config.max_uri),
            ));
        }
        let base = parts
            .extensions
            .get::<BaseUrl>()
            .map_or_else(|| Arc::clone(&self.base), |b| Arc::from(b.as_str()));
        let routed = route(&parts.method, parts.uri.path(), &self.registry);
        if self.config.public_discovery && is_public(&routed, parts, &self.registry) {
            let operation = routed?;
            return self.discover(&operation, parts.uri.query(), &base);
        }
        let now = self.environment.now();
        let caller = self.authenticator.authenticate(parts, now).await?;
        let operation = routed?;
        if operation.is_write() && !caller.can_write {
            return Err(Error::new(ErrorKind::Forbidden, "the access token allows reading only"));
        }
        let mut exchange = Exchange {
            caller,
            base,
            now,
            request_id: request_id.to_owned(),
            report: Report::default(),
            minimal: prefers_minimal(&parts.headers),
        };
        let answer = self.perform(operation, parts, body, &mut exchange).await;
        if !exchange.report.is_empty() {
            for note in exchange.report.notes() {
                tracing::debug!(
                    request_id,
                    kind = note.kind.as_str(),
                    path = note.path,
                    "accepted beyond the RFCs"
                );
            }
        }
        *report = exchange.report;
        answer
    }

    async fn perform(
        &self,
        operation: Operation,
        parts: &Parts,
        body: &Bytes,
        exchange: &mut Exchange,
    ) -> Result<Answer, Error> {
        let query = parts.uri.query();
        let limit = self.body_limit_of(&operation);
        if body.len() > limit {
            return Err(Error::too_large("the body", limit, "bytes"));
        }
        if operation.is_discovery() {
            return self.discover(&operation, query, &exchange.base);
        }
        let preconditions = Preconditions::from_headers(&parts.headers);
        let json = || read_body(&parts.headers, body, self.config.json);
        let params = |exchange: &Exchange| Params::from_query(query, &exchange.caller.dialect);
        match operation {
            Operation::Get(resource_type, id) => {
                let params = params(exchange)?;
                let projection = Projection::new(&resource_type, &params.selection, &[]);
                self.get(&resource_type, &id, projection, &preconditions, exchange).await
            }
            Operation::List(resource_type) => {
                let params = params(exchange)?;
                self.list(resource_type.as_ref(), &params, query::Via::Get, exchange).await
            }
            Operation::Search(resource_type) => {
                let params = Params::from_search(&json()?, &exchange.caller.dialect)?;
                self.list(resource_type.as_ref(), &params, query::Via::Post, exchange).await
            }
            Operation::Create(resource_type) => {
                let params = params(exchange)?;
                self.create(&resource_type, json()?, &params.selection, exchange).await
            }
            Operation::Replace(resource_type, id) => {
                let params = params(exchange)?;
                self.replace(&resource_type, &id, json()?, &params.selection, &preconditions, exchange).await
            }
            Operation::Patch(resource_type, id) => {
                let params = params(exchange)?;
                self.patch(&resource_type, &id, json()?, &params.selection, &preconditions, exchange).await
            }
            Operation::Delete(resource_type, id) => {
                self.delete(&resource_type, &id, &preconditions, exchange).await
            }
            Operation::Bulk if !self.config.bulk => {
                Err(Error::new(ErrorKind::NotImplemented, "bulk operations are not offered"))
            }
            Operation::Bulk => self.bulk(&json()?, exchange).await,
            Operation::Me(method) => {
                let operation = self.me(&method, exchange)?;
                Box::pin(self.perform(operation, parts, body, exchange)).await
            }
            Operation::ServiceProviderConfig
            | Operation::ResourceTypes
            | Operation::ResourceType(_)
            | Operation::Schemas
            | Operation::Schema(_) => self.discover(&operation, query, &exchange.base),
        }
    }

    fn body_limit_of(&self, operation: &Operation) -> usize {
        match operation {
            Operation::Bulk => self.config.max_bulk_body,
            Operation::Create(t) | Operation::Replace(t, _) | Operation::Patch(t, _)
                if t.membership().is_some() =>
            {
                self.config.max_members_body.max(self.config.max_body)
            }
            // The operation that stands behind it is checked again.
            Operation::Me(_) => usize::MAX,
            _ => self.config.max_body,
        }
    }

    /// `/Me` is the caller's own resource (RFC 7644 §3.11).
    fn me(&self, method: &Method, exchange: &Exchange) -> Result<Operation, Error> {
        let not_offered = || Error::new(ErrorKind::NotImplemented, "the access token stands for no resource");
        let subject = exchange.caller.subject.clone().ok_or_else(not_offered)?;
        let resource_type = self.registry.resource_type(&subject.resource_type).ok_or_else(not_offered)?;
        let resource_type = Arc::clone(resource_type);
        match method.as_str() {
            "GET" => Ok(Operation::Get(resource_type, subject.id)),
            "PUT" => Ok(Operation::Replace(resource_type, subject.id)),
            "PATCH" => Ok(Operation::Patch(resource_type, subject.id)),
            "DELETE" => Ok(Operation::Delete(resource_type, subject.id)),
            _ => Err(Error::new(ErrorKind::NotImplemented, "a resource can't be created at /Me")),
        }
    }

    fn discover(&self, operation: &Operation, query: Option<&str>, base: &str) -> Result<Answer, Error> {
        discovery::refuse_filter(query)?;
        let (registry, config) = (&self.registry, &self.config);
        let ok = StatusCode::OK;
        Ok(match operation {
            Operation::ServiceProviderConfig => {
                Answer::json(ok, &discovery::service_provider_config(config, self.secrets.is_some(), base))
            }
            Operation::ResourceTypes => Answer::text(ok, discovery::resource_types(registry, base)),
            Operation::ResourceType(name) => {
                Answer::json(ok, &discovery::resource_type(registry, name, base)?)
            }
            Operation::Schemas => Answer::text(ok, discovery::schemas(registry, base)),
            Operation::Schema(urn) => Answer::json(ok, &discovery::schema(registry, urn, base)?),
            _ => return Err(Error::not_found()),
        })
    }

    /// How a body is read for a resource type.
    fn read_options<'e>(&'e self, resource_type: &ResourceType, exchange: &'e Exchange) -> ReadOptions<'e> {
        let defaults = self.config.defaults.iter().find(|(name, _)| name == resource_type.name());
        ReadOptions {
            enforce_canonical_values: self.config.enforce_canonical_values,
            enforce_country_codes: self.config.enforce_country_codes,
            enforce_time_zones: self.config.enforce_time_zones,
            check_certificates: self.config.check_certificates,
            canonicalize: self.config.canonicalize,
            base: Some(&exchange.base),
            defaults: defaults.map(|(_, values)| values),
            max_string: self.config.max_string,
            max_values: self.config.max_values,
            max_members: self.config.max_members,
            ..ReadOptions::new(&exchange.caller.dialect)
        }
    }

    /// The computed attributes that a projection shows.
    fn include(resource_type: &ResourceType, projection: &Projection) -> Include {
        Include {
            members: resource_type.membership().is_some_and(|m| projection.shows(m.attribute())),
            memberships: resource_type.inverses().iter().any(|i| projection.shows(i)),
        }
    }

    /// The answer that shows one resource.
    fn show(
        status: StatusCode,
        resource_type: &ResourceType,
        stored: &Stored,
        projection: &Projection,
        exchange: &Exchange,
    ) -> Answer {
        // Room for a resource of an ordinary size, which is then written without moving it about.
        let mut body = String::with_capacity(4096);
        projection.show(&stored.resource, &exchange.base).write_json(&mut body);
        Answer {
            location: Some(location(resource_type, stored.resource.id(), &exchange.base)),
            version: Some(stored.version),
            ..Answer::text(status, body)
        }
    }

    /// Reads a resource and shows it, unless the client has that version.
    async fn get(
        &self,
        resource_type: &Arc<ResourceType>,
        id: &str,
        projection: Projection,
        preconditions: &Preconditions,
        exchange: &Exchange,
    ) -> Result<Answer, Error> {
        let include = Self::include(resource_type, &projection);
        let not_modified = |version| Answer {
            location: Some(location(resource_type, id, &exchange.base)),
            version: Some(version),
            ..Answer::empty(StatusCode::NOT_MODIFIED)
        };
        if include.members {
            let shown = self.with_members(resource_type, id, include, exchange).await?;
            if preconditions.check_read(shown.stored.version)? {
                return Ok(not_modified(shown.stored.version));
            }
            return Ok(self.show_with_members(resource_type, shown, projection, exchange));
        }
        let stored = self.existing(resource_type, id, include, exchange).await?;
        if preconditions.check_read(stored.version)? {
            return Ok(not_modified(stored.version));
        }
        Ok(Self::show(StatusCode::OK, resource_type, &stored, &projection, exchange))
    }

    fn error_response(&self, error: &Error, request_id: &str, media_type: &'static str) -> Response<Body> {
        let kind = error.kind();
        if kind.status().is_server_error() && kind != ErrorKind::NotImplemented {
            let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
            tracing::error!(request_id, kind = ?kind, detail = error.detail(), source, "request failed");
        }
        let mut response = respond(Answer::json(kind.status(), &error_body(error, request_id)), media_type);
        let headers = response.headers_mut();
        if let Some(allow) = error.allow() {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if let Some(after) = error.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
        }
        let challenge = match kind {
            ErrorKind::CredentialsMissing => Some(String::new()),
            ErrorKind::CredentialsInvalid => Some(", error=\"invalid_token\"".to_owned()),
            ErrorKind::InvalidRequest => Some(", error=\"invalid_request\"".to_owned()),
            _ => None,
        };
        if let Some(rest) = challenge {
            let realm: String =
                self.authenticator.realm().chars().filter(|c| !matches!(c, '"' | '\\')).collect();
            if let Ok(value) = HeaderValue::try_from(format!("Bearer realm=\"{realm}\"{rest}")) {
                headers.insert(WWW_AUTHENTICATE, value);
            }
        }
        response
    }
}

/// Writes the beginning of the answer: what fails in it is still answered with an error.
async fn begin(answer: Result<Answer, Error>) -> Result<Answer, Error> {
    let mut answer = answer?;
    if let Some(body) = answer.body.take() {
        answer.body = Some(body.begin(BEGINNING).await?);
    }
    Ok(answer)
}

/// Whether a request is about what the service says about itself, so that it needs no credentials: also
/// a write there, which is refused, and a name that is not there.
fn is_public(routed: &Result<Operation, Error>, parts: &Parts, registry: &Registry) -> bool {
    match routed {
        Ok(operation) => operation.is_discovery(),
        Err(error) if error.kind() == ErrorKind::MethodNotAllowed => {
            route(&Method::GET, parts.uri.path(), registry).is_ok_and(|o| o.is_discovery())
        }
        Err(_) => false,
    }
}

/// The URL of a resource.
fn location(resource_type: &ResourceType, id: &str, base: &str) -> String {
    format!("{base}{}/{id}", resource_type.endpoint())
}
