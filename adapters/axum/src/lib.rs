#![doc = include_str!("../README.md")]

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use scim_core::{Error, ErrorKind, Service};

/// How many bytes of a body over its limit are read and dropped, so that the client has sent its request
/// and can read the answer. Beyond that the connection is closed.
const DISCARD: usize = 16 * 1024 * 1024;

/// The service as a router, to be nested at the path of its base URL.
///
/// [`Router::nest_service`] hands it every path below the mount. So does [`Router::nest`], except for the
/// mount itself written with a slash at its end: axum answers that by itself, and a query of the service
/// root may be written so (RFC 7644 §3.4.2.1).
pub fn router<S: Clone + Send + Sync + 'static>(service: Service) -> Router<S> {
    Router::new().fallback(answer).with_state(service)
}

async fn answer(State(service): State<Service>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let limit = service.body_limit(&parts);
    let response = match read(body, limit).await {
        Ok(body) => service.respond(Request::from_parts(parts, body)).await,
        Err(Unread::TooLarge) => service.payload_too_large(limit),
        Err(Unread::Broken) => {
            service.error(&Error::new(ErrorKind::InvalidSyntax, "the body could not be read"))
        }
    };
    response.map(Body::new)
}

/// Why there is no body.
enum Unread {
    TooLarge,
    Broken,
}

async fn read(mut body: Body, limit: usize) -> Result<Bytes, Unread> {
    let mut read = BytesMut::new();
    let mut seen: usize = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Unread::Broken)?;
        let Some(data) = frame.data_ref() else { continue };
        seen = seen.saturating_add(data.len());
        if seen <= limit {
            read.extend_from_slice(data);
        } else if seen > limit.saturating_add(DISCARD) {
            break;
        }
    }
    if seen > limit { Err(Unread::TooLarge) } else { Ok(read.freeze()) }
}

/// The example of the workspace's README runs too.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
