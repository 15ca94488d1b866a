#![doc = include_str!("../README.md")]

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes, BytesMut};
use http::uri::PathAndQuery;
use http::{Request, Response, Uri};
use http_body_util::BodyExt as _;
use scim_core::{Body, Error, ErrorKind, Service};

/// How many bytes of a body over its limit are read and dropped, so that the client has sent its request
/// and can read the answer. Beyond that the connection is closed.
const DISCARD: usize = 16 * 1024 * 1024;

/// The service as a [`tower_service::Service`] for requests with any body.
///
/// It is always ready and never fails: what goes wrong is a SCIM error in the response.
#[derive(Clone)]
pub struct ScimService {
    service: Service,
    mount: Arc<str>,
}

impl ScimService {
    /// Answers requests whose path is relative to the base URL, such as `/Users`.
    pub fn new(service: Service) -> Self {
        Self { service, mount: "".into() }
    }

    /// Answers requests below a path, such as `/scim/v2/Users` below `/scim/v2`. Any other path is
    /// answered 404.
    #[must_use]
    pub fn at(self, mount: &str) -> Self {
        Self { mount: mount.trim_end_matches('/').into(), ..self }
    }
}

impl<B> tower_service::Service<Request<B>> for ScimService
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Self { service, mount } = self.clone();
        Box::pin(async move { Ok(answer(&service, &mount, request).await) })
    }
}

impl fmt::Debug for ScimService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScimService").field("mount", &self.mount).finish_non_exhaustive()
    }
}

async fn answer<B>(service: &Service, mount: &str, request: Request<B>) -> Response<Body>
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
{
    let (mut parts, body) = request.into_parts();
    let Some(uri) = below(mount, &parts.uri) else {
        return service.error(&Error::new(ErrorKind::NotFound, "there is no such endpoint"));
    };
    parts.uri = uri;
    let limit = service.body_limit(&parts);
    match read(body, limit).await {
        Ok(body) => service.respond(Request::from_parts(parts, body)).await,
        Err(Unread::TooLarge) => service.payload_too_large(limit),
        Err(Unread::Broken) => {
            service.error(&Error::new(ErrorKind::InvalidSyntax, "the body could not be read"))
        }
    }
}

/// What follows the mount in a URI.
fn below(mount: &str, uri: &Uri) -> Option<Uri> {
    let path = uri.path().strip_prefix(mount)?;
    let path_and_query = match (path.starts_with('/'), path.is_empty(), uri.query()) {
        (true, _, Some(query)) => format!("{path}?{query}"),
        (true, _, None) => path.to_owned(),
        (false, true, Some(query)) => format!("/?{query}"),
        (false, true, None) => "/".to_owned(),
        (false, false, _) => return None,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path_and_query).ok()?);
    Uri::from_parts(parts).ok()
}

/// Why there is no body.
enum Unread {
    TooLarge,
    Broken,
}

async fn read<B: http_body::Body>(body: B, limit: usize) -> Result<Bytes, Unread> {
    let mut body = std::pin::pin!(body);
    let mut read = BytesMut::new();
    let mut seen: usize = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Unread::Broken)?;
        let Ok(mut data) = frame.into_data() else { continue };
        seen = seen.saturating_add(data.remaining());
        if seen <= limit {
            read.extend_from_slice(&data.copy_to_bytes(data.remaining()));
        } else if seen > limit.saturating_add(DISCARD) {
            break;
        }
    }
    if seen > limit { Err(Unread::TooLarge) } else { Ok(read.freeze()) }
}
