//! Our axum adapter over `MemoryStore`, with all that a server in production has: tokens, tenants, limits, a log.
//!
//! It prints where it is as a line of JSON when its users are there.

use std::collections::HashMap;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::extract::Request;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::serve::ListenerExt as _;
use bytes::Bytes;
use clap::Parser;
use scim_benches::population::Population;
use scim_core::{AuthError, Authenticator, Caller, MemoryStore, Service, TenantId, bearer_token};
use scim_schema::DateTime;
use scim_system::SystemEnvironment;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;

/// The allocator that scimd has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TOKEN: &str = "a-token-of-the-length-that-tokens-have-0123456789";
const PREFIX: &str = "/scim/v2";
/// What a server takes of header fields.
const HEADER_BYTES: usize = 64 * 1024;

/// Our axum adapter over MemoryStore
#[derive(Debug, Parser)]
struct Options {
    /// How many users there are
    #[arg(long, default_value_t = 10_000)]
    users: usize,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).json().flatten_event(true);
    log.with_current_span(false).init();
    let base = format!("https://scim.example.com{PREFIX}");
    let service =
        Service::builder(base, MemoryStore::standard(), Tokens::new(), SystemEnvironment).build()?;
    fill(&service, options.users).await?;
    let scim = scim_axum::router(service).layer(from_fn(logged));
    let app: Router = Router::new().nest_service(PREFIX, scim);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let ready = serde_json::json!({"address": listener.local_addr()?, "path": PREFIX, "token": TOKEN});
    println!("{ready}");
    // A lost option only costs latency.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    Ok(axum::serve(listener, app).await?)
}

/// Users as they come in over HTTP, without the network.
async fn fill(service: &Service, users: usize) -> Result<()> {
    let population = Population::default();
    for number in 0..users {
        let body = Bytes::from(population.user(number));
        let request = axum::http::Request::post("/Users")
            .header(AUTHORIZATION, format!("Bearer {TOKEN}"))
            .header("content-type", "application/scim+json")
            .body(body)
            .context("a request")?;
        let status = service.handle(request).await.status();
        ensure!(status == StatusCode::CREATED, "user {number} is answered {status}");
    }
    Ok(())
}

/// Tenants by the hash of their token.
#[derive(Debug)]
struct Tokens(HashMap<[u8; 32], TenantId>);

impl Tokens {
    /// The tenant that is asked, among others.
    fn new() -> Self {
        let token = |number: usize| if number == 0 { TOKEN.to_owned() } else { format!("{TOKEN}{number}") };
        let tenant =
            |number| (Sha256::digest(token(number)).into(), TenantId::new(format!("tenant-{number}")));
        Self((0..1000).map(tenant).collect())
    }
}

#[async_trait::async_trait]
impl Authenticator for Tokens {
    async fn authenticate(&self, request: &Parts, _now: DateTime) -> Result<Caller, AuthError> {
        let hash: [u8; 32] = Sha256::digest(bearer_token(request)?).into();
        let tenant = self.0.get(&hash).ok_or(AuthError::Invalid)?;
        Ok(Caller { credential: tenant.as_str().to_owned(), ..Caller::new(tenant.clone()) })
    }
}

/// An id and a line in the log for each request, and a limit on its header.
async fn logged(request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let id = uuid::Uuid::new_v4().to_string();
    let method = request.method().clone();
    let header = request.headers().iter();
    let bytes: usize = header.map(|(name, value)| name.as_str().len() + value.len()).sum();
    let mut response = if bytes > HEADER_BYTES {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE.into_response()
    } else {
        next.run(request).await
    };
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-request-id", value);
    }
    let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(request_id = id, %method, status = response.status().as_u16(), ms, "request");
    response
}
