//! Who asks: from a request's credentials to a caller.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::request::Parts;
use scim_schema::{DateTime, Dialect};

use crate::store::{BoxError, TenantId};

/// Turns the credentials of a request into a [`Caller`].
#[async_trait]
pub trait Authenticator: fmt::Debug + Send + Sync + 'static {
    /// Who asks, at the time `now`.
    ///
    /// # Errors
    /// [`AuthError`] says why nobody does. Missing and wrong credentials must cost the same time.
    async fn authenticate(&self, request: &Parts, now: DateTime) -> Result<Caller, AuthError>;

    /// The `realm` of the `WWW-Authenticate` header (RFC 6750 §3).
    fn realm(&self) -> &str {
        "scim"
    }
}

/// Who asks, and what follows from it.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "made to be written with struct update syntax")]
pub struct Caller {
    /// Whose resources are seen and changed.
    pub tenant: TenantId,
    /// What is accepted beyond the RFCs' text.
    pub dialect: Arc<Dialect>,
    /// Whether the caller may change anything. If not, writes are 403.
    pub can_write: bool,
    /// The caller's own resource, for `/Me` (RFC 7644 §3.11).
    pub subject: Option<Subject>,
    /// Identifies the credentials, so that a cursor ends with them (RFC 9865 §5.2). Never a secret.
    pub credential: String,
}

impl Caller {
    /// A caller who may read and write a tenant under the default dialect.
    pub fn new(tenant: TenantId) -> Self {
        Self {
            tenant,
            dialect: Arc::new(Dialect::default()),
            can_write: true,
            subject: None,
            credential: String::new(),
        }
    }
}

/// The base URL under which one request sees the service, where it is not the service's own: put into
/// the request's extensions by a server that mounts one service under many prefixes. Comes from
/// configuration, never from a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(Arc<str>);

impl BaseUrl {
    /// A base URL without a slash at the end: `https://app.example.com/scim/v2/acme`.
    pub fn new(url: impl Into<Arc<str>>) -> Self {
        Self(url.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The resource that stands for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the two parts of a key")]
pub struct Subject {
    /// The name of the resource type.
    pub resource_type: String,
    /// The id.
    pub id: String,
}

/// Why a request has no caller.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// No credentials: 401 without an error code (RFC 6750 §3).
    #[error("authentication is required")]
    Missing,
    /// Credentials that are unknown, expired or revoked: 401 `invalid_token`.
    #[error("the access token is unknown, expired or revoked")]
    Invalid,
    /// Credentials given in two ways, or malformed: 400 `invalid_request`.
    #[error("the request must carry one bearer token, in the Authorization header")]
    Malformed,
    /// The caller is known but not let in: 403.
    #[error("{0}")]
    Forbidden(String),
    /// There is no service under this address: 404.
    #[error("there is no such endpoint")]
    NotFound,
    /// Too many requests: 429.
    #[error("too many requests")]
    TooMany {
        /// When to try again.
        retry_after: Duration,
    },
    /// Credentials can't be checked now: 503.
    #[error("credentials can't be checked now")]
    Unavailable {
        /// When to try again.
        retry_after: Option<Duration>,
        /// What happened.
        source: BoxError,
    },
}

/// The bearer token of a request (RFC 6750 §2.1). A token in the query is never taken (§2.3).
///
/// # Errors
/// [`AuthError::Missing`] without one; [`AuthError::Malformed`] with two, with one in the query beside
/// the header's, or with characters that a token can't have.
pub fn bearer_token(request: &Parts) -> Result<&str, AuthError> {
    let mut headers = request.headers.get_all(http::header::AUTHORIZATION).iter();
    let header = headers.next().ok_or(AuthError::Missing)?;
    let in_query = request.uri.query().is_some_and(|q| q.split('&').any(|p| p.starts_with("access_token=")));
    if headers.next().is_some() || in_query {
        return Err(AuthError::Malformed);
    }
    let text = header.to_str().map_err(|_| AuthError::Malformed)?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(AuthError::Invalid);
    }
    let token = token.trim();
    let body = token.trim_end_matches('=');
    let well_formed =
        !body.is_empty() && body.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b));
    if well_formed { Ok(token) } else { Err(AuthError::Invalid) }
}
