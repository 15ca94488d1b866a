//! A service behind a socket.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};

use super::{BoxError, ScimClient};

/// A SCIM service that is reached over HTTP.
#[derive(Clone)]
pub struct SocketClient {
    /// Where requests go.
    address: String,
    /// What the service calls itself.
    base_url: String,
    token: Option<String>,
    http: reqwest::Client,
}

impl SocketClient {
    /// A client for a base URL such as `http://127.0.0.1:8000/scim/v2`. An answer may take a minute.
    ///
    /// # Errors
    /// When the TLS of the platform can't be set up.
    pub fn new(base_url: &str, token: Option<&str>) -> Result<Self, BoxError> {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(60))
            .build()?;
        let base_url = base_url.trim_end_matches('/').to_owned();
        Ok(Self { address: base_url.clone(), base_url, token: token.map(str::to_owned), http })
    }

    /// Says what the service calls itself, where that is not the address at which it is reached.
    #[must_use]
    pub fn known_as(self, base_url: &str) -> Self {
        Self { base_url: base_url.trim_end_matches('/').to_owned(), ..self }
    }
}

#[async_trait]
impl ScimClient for SocketClient {
    fn base_url(&self) -> &str {
        &self.base_url
    }

    fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, BoxError> {
        let (parts, body) = request.into_parts();
        let url = format!("{}{}", self.address, parts.uri);
        let answer = self.http.request(parts.method, url).headers(parts.headers).body(body).send().await?;
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        *response.body_mut() = answer.bytes().await?;
        Ok(response)
    }
}

impl std::fmt::Debug for SocketClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SocketClient")
            .field("address", &self.address)
            .field("base_url", &self.base_url)
            .finish_non_exhaustive()
    }
}
