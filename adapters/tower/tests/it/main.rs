//! The service below a mount, with bodies of any kind.

#![expect(clippy::unwrap_used, reason = "tests")]

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty, Full};
use scim_core::{BearerToken, Body, MemoryStore, Service};
use scim_system::SystemEnvironment;
use scim_tower::ScimService;
use tower_service::Service as _;

fn service() -> Service {
    let token = BearerToken::new("secret");
    let service = Service::builder("http://h/scim/v2", MemoryStore::standard(), token, SystemEnvironment);
    service.build().unwrap()
}

async fn get(mut service: ScimService, path: &str) -> Response<Body> {
    let request = Request::get(path).header("authorization", "Bearer secret").body(Empty::<Bytes>::new());
    service.call(request.unwrap()).await.unwrap()
}

#[tokio::test]
async fn paths_are_taken_below_the_mount() {
    for (path, status) in [
        ("/scim/v2", 200),
        ("/scim/v2/", 200),
        ("/scim/v2?count=0", 200),
        ("/scim/v2/Users?count=0", 200),
        ("/scim/v2/Nothing", 404),
        ("/scim/v22/Users", 404),
        ("/scim", 404),
        ("/Users", 404),
    ] {
        let response = get(ScimService::new(service()).at("/scim/v2/"), path).await;
        assert_eq!(response.status(), status, "{path}");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(body.starts_with(b"{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:"), "{path}");
    }
}

#[tokio::test]
async fn without_a_mount_paths_are_relative_to_the_base_url() {
    assert_eq!(get(ScimService::new(service()), "/Users").await.status(), 200);
    assert_eq!(get(ScimService::new(service()), "http://h/Users?count=0").await.status(), 200);
    assert_eq!(get(ScimService::new(service()), "/scim/v2/Users").await.status(), 404);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let body = Full::new(Bytes::from(vec![b' '; 3 << 20]));
    let request = Request::post("/Users").header("authorization", "Bearer secret").body(body);
    let response = ScimService::new(service()).call(request.unwrap()).await.unwrap();
    assert_eq!(response.status(), 413);
}
