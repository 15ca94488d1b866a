#![doc = include_str!("../README.md")]

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, Scope, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::{Method, Request, Response, Uri};
use http_body::Body as _;
use scim_core::{BaseUrl, Body, Error, ErrorKind, Service};

/// How many bytes of a body over its limit are read and dropped, so that the client has sent its request
/// and can read the answer. Beyond that the connection is closed.
const DISCARD: usize = 16 * 1024 * 1024;

/// The service as a scope at the path of its base URL.
pub fn scope(path: &str, service: Service) -> Scope {
    web::scope(path).default_service(web::to(move |request: HttpRequest, body: web::Payload| {
        let service = service.clone();
        async move { outgoing(answer(&service, &request, body).await) }
    }))
}

async fn answer(service: &Service, request: &HttpRequest, body: web::Payload) -> Response<Body> {
    let Some(head) = incoming(request) else {
        return service.error(&Error::new(ErrorKind::InvalidSyntax, "the request could not be read"));
    };
    let (parts, ()) = head.into_parts();
    let limit = service.body_limit(&parts);
    match read(body, limit).await {
        Ok(body) => service.respond(Request::from_parts(parts, body)).await,
        Err(Unread::TooLarge) => service.payload_too_large(limit),
        Err(Unread::Broken) => {
            service.error(&Error::new(ErrorKind::InvalidSyntax, "the body could not be read"))
        }
    }
}

/// The head of a request in the types of the `http` crate's first version, its path below the mount.
fn incoming(request: &HttpRequest) -> Option<Request<()>> {
    let mut head = Request::new(());
    *head.method_mut() = Method::from_bytes(request.method().as_str().as_bytes()).ok()?;
    *head.uri_mut() = Uri::try_from(below(request)).ok()?;
    for (name, value) in request.headers() {
        let name = http::HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
        head.headers_mut().append(name, http::HeaderValue::from_bytes(value.as_bytes()).ok()?);
    }
    if let Some(base_url) = request.extensions().get::<BaseUrl>() {
        head.extensions_mut().insert(base_url.clone());
    }
    Some(head)
}

/// Path and query below the mount, as they were sent. What actix-web has matched is known to it in a
/// decoded form only, so it is taken off by the number of its segments.
fn below(request: &HttpRequest) -> String {
    let info = request.match_info();
    let matched = info.as_str().strip_suffix(info.unprocessed()).unwrap_or_default();
    let mounted = matched.matches('/').count();
    let uri = request.uri();
    let (path, query) = (uri.path(), uri.query());
    let rest = path.match_indices('/').nth(mounted).and_then(|(at, _)| path.get(at..)).unwrap_or("/");
    query.map_or_else(|| rest.to_owned(), |query| format!("{rest}?{query}"))
}

fn outgoing(response: Response<Body>) -> HttpResponse {
    let (parts, body) = response.into_parts();
    let status = StatusCode::from_u16(parts.status.as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = HttpResponse::build(status);
    for (name, value) in &parts.headers {
        let name = HeaderName::from_bytes(name.as_str().as_bytes());
        let value = HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            answer.append_header((name, value));
        }
    }
    answer.body(Outgoing(body))
}

/// A body as actix-web sends it.
struct Outgoing(Body);

impl MessageBody for Outgoing {
    type Error = Error;

    fn size(&self) -> BodySize {
        self.0.size_hint().exact().map_or(BodySize::Stream, BodySize::Sized)
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let polled = Pin::new(&mut self.0).poll_frame(context);
        polled.map(|next| next.map(|frame| frame.map(|frame| frame.into_data().unwrap_or_default())))
    }
}

/// Why there is no body.
enum Unread {
    TooLarge,
    Broken,
}

async fn read(mut body: web::Payload, limit: usize) -> Result<Bytes, Unread> {
    let mut read = BytesMut::new();
    let mut seen: usize = 0;
    while let Some(data) = body.next().await {
        let data = data.map_err(|_| Unread::Broken)?;
        seen = seen.saturating_add(data.len());
        if seen <= limit {
            read.extend_from_slice(&data);
        } else if seen > limit.saturating_add(DISCARD) {
            break;
        }
    }
    if seen > limit { Err(Unread::TooLarge) } else { Ok(read.freeze()) }
}
