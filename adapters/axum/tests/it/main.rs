//! The router in an application.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::Error;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http_body_util::BodyExt as _;
use scim_core::{BaseUrl, BearerToken, MemoryStore, Service};
use scim_system::SystemEnvironment;
use tower::ServiceExt as _;

fn app() -> Router {
    let token = BearerToken::new("secret");
    let service = Service::builder("http://h/scim/v2", MemoryStore::standard(), token, SystemEnvironment);
    Router::new().nest_service("/scim/v2", scim_axum::router(service.build().unwrap()))
}

fn get(path: &str) -> Request {
    Request::get(path).header("authorization", "Bearer secret").body(Body::empty()).unwrap()
}

async fn text(response: Response) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn every_path_below_the_mount_is_the_services() {
    for (path, status) in [
        ("/scim/v2", 200),
        ("/scim/v2/", 200),
        ("/scim/v2?count=0", 200),
        ("/scim/v2/?count=0", 200),
        ("/scim/v2/Users", 200),
        ("/scim/v2/Users/", 200),
        ("/scim/v2//Users", 200),
        ("/scim/v2/Nothing/1/2/3", 404),
    ] {
        let response = app().oneshot(get(path)).await.unwrap();
        assert_eq!(response.status(), status, "{path}");
        assert!(text(response).await.contains("urn:ietf:params:scim:api:messages:2.0:"), "{path}");
    }
    let outside = app().oneshot(get("/other")).await.unwrap();
    assert_eq!((outside.status().as_u16(), text(outside).await.as_str()), (404, ""));
}

#[tokio::test]
async fn a_plain_nest_works_for_all_but_the_slash() {
    let token = BearerToken::new("secret");
    let service = Service::builder("http://h/scim/v2", MemoryStore::standard(), token, SystemEnvironment);
    let app: Router = Router::new().nest("/scim/v2", scim_axum::router(service.build().unwrap()));
    for path in ["/scim/v2", "/scim/v2/Users", "/scim/v2/Nothing"] {
        let response = app.clone().oneshot(get(path)).await.unwrap();
        assert!(text(response).await.contains("urn:ietf:params:scim:api:messages:2.0:"), "{path}");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_not_kept() {
    let chunks = (0..3).map(|_| Ok::<_, Error>(Bytes::from(vec![b'x'; 1 << 20])));
    let body = Body::from_stream(stream::iter(chunks.collect::<Vec<_>>()));
    let request = Request::post("/scim/v2/Users").body(body).unwrap();
    let response = app().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 413);
    assert!(text(response).await.contains("limit of 1048576 bytes"));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_a_scim_error() {
    let body = stream::iter([Ok(Bytes::from_static(b"{")), Err(Error::other("gone"))]);
    let request = Request::post("/scim/v2/Users").body(Body::from_stream(body)).unwrap();
    let response = app().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 400);
    assert!(text(response).await.contains("invalidSyntax"));
}

#[tokio::test]
async fn extensions_of_the_application_reach_the_service() {
    let elsewhere = from_fn(|mut request: Request, next: Next| async {
        request.extensions_mut().insert(BaseUrl::new("http://elsewhere/scim"));
        next.run(request).await
    });
    let response = app().layer(elsewhere).oneshot(get("/scim/v2/ServiceProviderConfig")).await.unwrap();
    assert!(text(response).await.contains("http://elsewhere/scim/ServiceProviderConfig"));
}
