//! The HTTP test-set over real sockets: axum, actix-web and plain tower answer byte for byte alike.

use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use scim_conformance::http::run;
use scim_conformance::{BoxError, InProcess, ScimClient, SocketClient};
use scim_core::{BearerToken, MemoryStore, Service, ServiceConfig, UnknownMembers};
use scim_tower::ScimService;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{BASE, Counted, TOKEN, memory};

/// What is asked.
#[derive(Clone, Copy)]
enum Script {
    TestSet,
    /// Answers that are written while they are sent.
    ManyMembers,
}

/// One request and its answer, in the order and form in which they can be compared.
#[derive(Clone, PartialEq)]
struct Exchange {
    request: String,
    status: u16,
    headers: Vec<(String, String)>,
    body: Bytes,
}

/// A client that writes down what it sees.
#[derive(Debug)]
struct Recorder<C> {
    client: C,
    exchanges: Mutex<Vec<Exchange>>,
}

impl<C: ScimClient> Recorder<C> {
    fn new(client: C) -> Self {
        Self { client, exchanges: Mutex::default() }
    }

    async fn play(self, script: Script) -> Vec<Exchange> {
        match script {
            Script::TestSet => assert_eq!(run(&self, "s").await.failures, []),
            Script::ManyMembers => self.ask_for_many_members().await,
        }
        self.exchanges.into_inner().unwrap()
    }
}

impl<C: ScimClient> Recorder<C> {
    async fn ask_for_many_members(&self) {
        let members: Vec<Value> = (0..6000).map(|n| json!({"value": format!("somebody-{n:060}")})).collect();
        let group = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
            "displayName": "many",
            "members": members,
        });
        let created = self.ask("POST", "/Groups", group.to_string()).await;
        assert_eq!(created["members"], json!(members));
        let path = format!("/Groups/{}", created["id"].as_str().unwrap());
        assert_eq!(self.ask("GET", &path, String::new()).await, created);
        let list = self.ask("GET", "/Groups?filter=displayName%20eq%20%22many%22", String::new()).await;
        assert_eq!(list["Resources"], json!([created]));
    }

    async fn ask(&self, method: &str, path: &str, body: String) -> Value {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("content-type", "application/scim+json")
            .body(body.into());
        let response = self.send(request.unwrap()).await.unwrap();
        assert!(response.status().is_success(), "{response:?}");
        serde_json::from_slice(response.body()).unwrap()
    }
}

/// What a server adds for the connection, which says nothing about the answer.
const OF_THE_CONNECTION: [&str; 4] = ["date", "content-length", "transfer-encoding", "connection"];

#[async_trait]
impl<C: ScimClient> ScimClient for Recorder<C> {
    fn base_url(&self) -> &str {
        self.client.base_url()
    }

    fn token(&self) -> Option<&str> {
        self.client.token()
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, BoxError> {
        let asked = format!("{} {}", request.method(), request.uri());
        let response = self.client.send(request).await?;
        let of_the_answer = |name: &str| !OF_THE_CONNECTION.contains(&name);
        let headers = response.headers().iter().filter(|(name, _)| of_the_answer(name.as_str()));
        let mut headers: Vec<(String, String)> =
            headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        headers.sort();
        self.exchanges.lock().unwrap().push(Exchange {
            request: asked,
            status: response.status().as_u16(),
            headers,
            body: response.body().clone(),
        });
        Ok(response)
    }
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        write!(f, "{} -> {} {:?} {body}", self.request, self.status, self.headers)
    }
}

fn socket(port: u16) -> Recorder<SocketClient> {
    let address = format!("http://127.0.0.1:{port}/scim/v2");
    Recorder::new(SocketClient::new(&address, Some(TOKEN)).unwrap().known_as(BASE))
}

async fn through_axum(service: Service, script: Script) -> Vec<Exchange> {
    let app = axum::Router::new().nest_service("/scim/v2", scim_axum::router(service));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let exchanges = socket(port).play(script).await;
    server.abort();
    exchanges
}

async fn through_actix(service: Service, script: Script) -> Vec<Exchange> {
    let (tell, told) = tokio::sync::oneshot::channel();
    // actix-web brings a runtime of its own.
    let server = std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let app = move || actix_web::App::new().service(scim_actix::scope("/scim/v2", service.clone()));
            let server = actix_web::HttpServer::new(app).workers(1).bind("127.0.0.1:0").unwrap();
            let port = server.addrs()[0].port();
            let server = server.disable_signals().run();
            tell.send((port, server.handle())).unwrap();
            server.await
        })
    });
    let (port, handle) = told.await.unwrap();
    let exchanges = socket(port).play(script).await;
    handle.stop(false).await;
    server.join().unwrap().unwrap();
    exchanges
}

async fn through_tower(service: Service, script: Script) -> Vec<Exchange> {
    let service = TowerToHyperService::new(ScimService::new(service).at("/scim/v2"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let connection = hyper::server::conn::http1::Builder::new();
            tokio::spawn(connection.serve_connection(TokioIo::new(stream), service.clone()).into_future());
        }
    });
    let exchanges = socket(port).play(script).await;
    server.abort();
    exchanges
}

fn assert_alike(name: &str, left: &[Exchange], right: &[Exchange]) {
    for (left, right) in left.iter().zip(right) {
        assert_eq!(left, right, "{name}");
    }
    assert_eq!(left.len(), right.len(), "{name}");
}

/// Asks the same of the service itself and through each framework.
async fn compare(service: fn() -> Service, script: Script) -> usize {
    let direct = Recorder::new(InProcess::new(service(), Some(TOKEN))).play(script).await;
    assert_alike("axum", &direct, &through_axum(service(), script).await);
    assert_alike("actix-web", &direct, &through_actix(service(), script).await);
    assert_alike("tower", &direct, &through_tower(service(), script).await);
    direct.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_frameworks_answer_alike() {
    assert!(compare(memory, Script::TestSet).await > 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_frameworks_send_what_is_written_meanwhile() {
    let service = || {
        let tokens = BearerToken::new(TOKEN);
        let config = ServiceConfig { unknown_members: UnknownMembers::Keep, ..ServiceConfig::default() };
        let service = Service::builder(BASE, MemoryStore::standard(), tokens, Counted::default());
        service.config(config).build().unwrap()
    };
    assert_eq!(compare(service, Script::ManyMembers).await, 3);
}
