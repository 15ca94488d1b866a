//! The scope in an application.

#![expect(clippy::unwrap_used, reason = "tests")]

use actix_web::dev::Service as _;
use actix_web::{App, HttpMessage as _, test, web};
use scim_core::{BaseUrl, BearerToken, MemoryStore, Service};
use scim_system::SystemEnvironment;

fn scim() -> Service {
    let token = BearerToken::new("secret");
    let service = Service::builder("http://h/scim/v2", MemoryStore::standard(), token, SystemEnvironment);
    service.build().unwrap()
}

fn get(path: &str) -> test::TestRequest {
    test::TestRequest::get().uri(path).insert_header(("authorization", "Bearer secret"))
}

#[actix_web::test]
async fn every_path_below_the_mount_is_the_services() {
    let app = test::init_service(App::new().service(scim_actix::scope("/scim/v2", scim()))).await;
    for (path, status) in [
        ("/scim/v2", 200),
        ("/scim/v2/", 200),
        ("/scim/v2?count=0", 200),
        ("/scim/v2/?count=0", 200),
        ("/scim/v2/Users", 200),
        ("/scim/v2/Users/", 200),
        ("/scim/v2//Users", 200),
        ("/scim/v2/%55sers", 200),
        ("/s%63im/v2/Users", 200),
        ("/scim/v2/Nothing/1/2/3", 404),
    ] {
        let response = test::call_service(&app, get(path).to_request()).await;
        assert_eq!(response.status(), status, "{path}");
        let body = test::read_body(response).await;
        assert!(body.starts_with(b"{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:"), "{path}");
    }
    for path in ["/scim/v22/Users", "/other"] {
        let response = test::call_service(&app, get(path).to_request()).await;
        assert!(test::read_body(response).await.is_empty(), "{path}");
    }
}

#[actix_web::test]
async fn a_scope_may_lie_in_another() {
    let scope = web::scope("/tenants/{tenant}").service(scim_actix::scope("/scim", scim()));
    let app = test::init_service(App::new().service(scope)).await;
    let response = test::call_service(&app, get("/tenants/t%2F1/scim/Users?count=0").to_request()).await;
    assert_eq!(response.status(), 200);
}

#[actix_web::test]
async fn the_base_url_of_a_request_reaches_the_service() {
    let scope = scim_actix::scope("/scim/v2", scim()).wrap_fn(|request, next| {
        request.extensions_mut().insert(BaseUrl::new("http://elsewhere/scim"));
        next.call(request)
    });
    let app = test::init_service(App::new().service(scope)).await;
    let response = test::call_service(&app, get("/scim/v2/ServiceProviderConfig").to_request()).await;
    let body = test::read_body(response).await;
    assert!(
        String::from_utf8(body.to_vec()).unwrap().contains("http://elsewhere/scim/ServiceProviderConfig")
    );
}

#[actix_web::test]
async fn a_body_over_the_limit_is_refused() {
    let app = test::init_service(App::new().service(scim_actix::scope("/scim/v2", scim()))).await;
    let request = test::TestRequest::post().uri("/scim/v2/Users").set_payload(vec![b'x'; 3 << 20]);
    let response = test::call_service(&app, request.to_request()).await;
    assert_eq!(response.status(), 413);
}
