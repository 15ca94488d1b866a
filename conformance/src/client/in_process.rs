//! A service in this process.

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use scim_core::Service;

use super::{BoxError, ScimClient};

/// A [`Service`] that is asked without a socket. What an adapter does is done here too: a body over its
/// limit never reaches the service.
#[derive(Clone, Debug)]
pub struct InProcess {
    service: Service,
    token: Option<String>,
}

impl InProcess {
    /// A client of a service, with the bearer token that its authenticator takes.
    pub fn new(service: Service, token: Option<&str>) -> Self {
        Self { service, token: token.map(str::to_owned) }
    }
}

#[async_trait]
impl ScimClient for InProcess {
    fn base_url(&self) -> &str {
        self.service.base_url()
    }

    fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, BoxError> {
        let (parts, body) = request.into_parts();
        let limit = self.service.body_limit(&parts);
        if body.len() > limit {
            let (parts, body) = self.service.payload_too_large(limit).into_parts();
            return Ok(Response::from_parts(parts, body.into_bytes().await?));
        }
        Ok(self.service.handle(Request::from_parts(parts, body)).await)
    }
}
