//! How the test-sets and simulators reach a SCIM service: in process, or over a socket.

mod in_process;
#[cfg(feature = "socket")]
mod socket;

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};

pub use in_process::InProcess;
pub use scim_core::BoxError;
#[cfg(feature = "socket")]
pub use socket::SocketClient;

/// Sends requests to one SCIM base URL.
///
/// The URI of a request is what follows the base URL: `/Users?count=1`. A client sends what it is given
/// and nothing else: who makes a request also gives it its `Authorization` and `Content-Type`.
#[async_trait]
pub trait ScimClient: fmt::Debug + Send + Sync {
    /// The base URL without a slash at the end, as the service writes it into `meta.location`.
    fn base_url(&self) -> &str;

    /// The bearer token that requests to this service carry.
    fn token(&self) -> Option<&str>;

    /// Sends a request and waits for the whole answer.
    ///
    /// # Errors
    /// When there is no answer. An answer of any status is one.
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, BoxError>;
}
