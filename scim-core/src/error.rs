//! Errors of the protocol, and the one table that maps them to what a client sees (RFC 7644 §3.12).

use std::time::Duration;

use http::StatusCode;
use scim_filter::{FilterError, FilterErrorKind};
use scim_patch::{PatchError, PatchErrorKind};
use scim_schema::{JsonError, Violation, ViolationKind};

use crate::auth::AuthError;
use crate::store::{BoxError, StoreError};

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $status:ident $scim_type:expr;)*) => {
        /// What kind of error it is: each has one status and at most one `scimType`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind { $($(#[$doc])* $kind,)* }

        impl ErrorKind {
            /// All kinds, for tests that walk the table.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// The HTTP status.
            pub fn status(self) -> StatusCode {
                match self { $(Self::$kind => StatusCode::$status,)* }
            }

            /// The detail error keyword of RFC 7644 §3.12 and RFC 9865 §2.1.
            pub fn scim_type(self) -> Option<&'static str> {
                match self { $(Self::$kind => $scim_type,)* }
            }
        }
    };
}

kinds! {
    // The client's fault.
    /// A filter that is malformed or asks for what its attributes can't do.
    InvalidFilter = BAD_REQUEST Some("invalidFilter");
    /// More results than the server is willing to compute.
    TooMany = BAD_REQUEST Some("tooMany");
    /// A body that is malformed or does not conform to its schema.
    InvalidSyntax = BAD_REQUEST Some("invalidSyntax");
    /// A PATCH path that is malformed or names nothing.
    InvalidPath = BAD_REQUEST Some("invalidPath");
    /// A PATCH path that yields nothing to operate on.
    NoTarget = BAD_REQUEST Some("noTarget");
    /// A value that is missing or not fit for its attribute or parameter.
    InvalidValue = BAD_REQUEST Some("invalidValue");
    /// A protocol version that is not served.
    InvalidVers = BAD_REQUEST Some("invalidVers");
    /// A change of what can't be changed.
    Mutability = BAD_REQUEST Some("mutability");
    /// A cursor that was not issued for this query.
    InvalidCursor = BAD_REQUEST Some("invalidCursor");
    /// A cursor that is too old.
    ExpiredCursor = BAD_REQUEST Some("expiredCursor");
    /// A count outside the limits, or another than the cursor was issued for.
    InvalidCount = BAD_REQUEST Some("invalidCount");
    /// Credentials given in a way that can't be read.
    InvalidRequest = BAD_REQUEST None;
    /// No credentials.
    CredentialsMissing = UNAUTHORIZED None;
    /// Wrong credentials.
    CredentialsInvalid = UNAUTHORIZED None;
    /// What the caller may not do.
    Forbidden = FORBIDDEN None;
    /// What would reveal or expose sensitive information.
    Sensitive = FORBIDDEN Some("sensitive");
    /// No such resource or endpoint.
    NotFound = NOT_FOUND None;
    /// A method that the endpoint does not have.
    MethodNotAllowed = METHOD_NOT_ALLOWED None;
    /// A request that took too long to arrive.
    RequestTimeout = REQUEST_TIMEOUT None;
    /// A body over its limit.
    PayloadTooLarge = PAYLOAD_TOO_LARGE None;
    /// A URI over its limit.
    UriTooLong = URI_TOO_LONG None;
    /// A body that is not JSON by its media type.
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE None;
    /// Too many requests.
    TooManyRequests = TOO_MANY_REQUESTS None;
    /// Header fields over their limit.
    HeadersTooLarge = REQUEST_HEADER_FIELDS_TOO_LARGE None;

    // Conflicts.
    /// A unique value that is taken.
    Uniqueness = CONFLICT Some("uniqueness");
    /// A reference inside a bulk job that can't be resolved.
    Conflict = CONFLICT None;
    /// A precondition that does not hold.
    PreconditionFailed = PRECONDITION_FAILED None;

    // The store, and the server itself.
    /// What the service does not offer.
    NotImplemented = NOT_IMPLEMENTED None;
    /// The store can't answer now.
    Unavailable = SERVICE_UNAVAILABLE None;
    /// The store has no space.
    InsufficientStorage = INSUFFICIENT_STORAGE None;
    /// A fault of the server.
    Internal = INTERNAL_SERVER_ERROR None;
}

/// Why a request failed.
///
/// The text is for the client: it names attributes and parameters, never values, and says nothing of
/// the server's inside. What went wrong there is the [`source`](std::error::Error::source).
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub struct Error {
    kind: ErrorKind,
    detail: String,
    allow: Option<&'static str>,
    retry_after: Option<Duration>,
    source: Option<BoxError>,
}

impl Error {
    /// An error of a kind, with a text for the client.
    pub fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), allow: None, retry_after: None, source: None }
    }

    /// What kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The text for the client.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The methods that the endpoint has, for [`ErrorKind::MethodNotAllowed`].
    pub fn allow(&self) -> Option<&'static str> {
        self.allow
    }

    /// When to try again.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    pub(crate) fn method_not_allowed(allow: &'static str) -> Self {
        let error = Self::new(ErrorKind::MethodNotAllowed, format!("the endpoint has the methods {allow}"));
        Self { allow: Some(allow), ..error }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(ErrorKind::NotFound, "the resource does not exist")
    }

    pub(crate) fn too_large(what: &str, limit: usize, unit: &str) -> Self {
        Self::new(ErrorKind::PayloadTooLarge, format!("{what} is over its limit of {limit} {unit}"))
    }

    fn with_retry(self, retry_after: Option<Duration>) -> Self {
        Self { retry_after: Some(retry_after.unwrap_or(Duration::from_secs(1))), ..self }
    }

    fn with_source(self, source: BoxError) -> Self {
        Self { source: Some(source), ..self }
    }
}

impl From<JsonError> for Error {
    fn from(error: JsonError) -> Self {
        let kind = match error {
            JsonError::Nodes { .. } => ErrorKind::PayloadTooLarge,
            _ => ErrorKind::InvalidSyntax,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<Violation> for Error {
    fn from(violation: Violation) -> Self {
        let kind = match violation.kind() {
            ViolationKind::InvalidSyntax => ErrorKind::InvalidSyntax,
            ViolationKind::Mutability => ErrorKind::Mutability,
            ViolationKind::TooLarge => ErrorKind::PayloadTooLarge,
            _ => ErrorKind::InvalidValue,
        };
        Self::new(kind, violation.to_string())
    }
}

impl From<PatchError> for Error {
    fn from(error: PatchError) -> Self {
        let kind = match error.kind() {
            PatchErrorKind::InvalidPath => ErrorKind::InvalidPath,
            PatchErrorKind::InvalidFilter => ErrorKind::InvalidFilter,
            PatchErrorKind::NoTarget => ErrorKind::NoTarget,
            PatchErrorKind::InvalidValue => ErrorKind::InvalidValue,
            PatchErrorKind::Mutability => ErrorKind::Mutability,
            PatchErrorKind::TooManyOperations | PatchErrorKind::TooLarge => ErrorKind::PayloadTooLarge,
            _ => ErrorKind::InvalidSyntax,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<FilterError> for Error {
    fn from(error: FilterError) -> Self {
        let kind = match error.kind() {
            FilterErrorKind::Sensitive => ErrorKind::Sensitive,
            _ => ErrorKind::InvalidFilter,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<AuthError> for Error {
    fn from(error: AuthError) -> Self {
        let detail = error.to_string();
        match error {
            AuthError::Missing => Self::new(ErrorKind::CredentialsMissing, detail),
            AuthError::Invalid => Self::new(ErrorKind::CredentialsInvalid, detail),
            AuthError::Malformed => Self::new(ErrorKind::InvalidRequest, detail),
            AuthError::Forbidden(_) => Self::new(ErrorKind::Forbidden, detail),
            AuthError::NotFound => Self::new(ErrorKind::NotFound, detail),
            AuthError::TooMany { retry_after } => {
                Self::new(ErrorKind::TooManyRequests, detail).with_retry(Some(retry_after))
            }
            AuthError::Unavailable { retry_after, source } => {
                Self::new(ErrorKind::Unavailable, detail).with_retry(retry_after).with_source(source)
            }
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => Self::not_found(),
            StoreError::Conflict { attribute } => Self::new(
                ErrorKind::Uniqueness,
                format!("{attribute}: the value is taken by another resource"),
            ),
            StoreError::VersionMismatch { .. } => {
                Self::new(ErrorKind::PreconditionFailed, "the resource has another version")
            }
            StoreError::UnknownMember => {
                Self::new(ErrorKind::InvalidValue, "members: a value is the id of no resource")
            }
            StoreError::InvalidPosition => {
                Self::new(ErrorKind::InvalidCursor, "the cursor was not issued for this query")
            }
            StoreError::Unavailable { retry_after, source } => {
                Self::new(ErrorKind::Unavailable, "the service is not available now; try again later")
                    .with_retry(retry_after)
                    .with_source(source)
            }
            StoreError::Full { source } => Self::new(
                ErrorKind::InsufficientStorage,
                "the service has no space to store changes; reads go on",
            )
            .with_retry(Some(Duration::from_secs(30)))
            .with_source(source),
            StoreError::Other { store, source } => {
                Self::new(ErrorKind::Internal, format!("the {store} store failed")).with_source(source)
            }
        }
    }
}
