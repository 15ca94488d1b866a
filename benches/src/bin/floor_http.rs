//! The least that an HTTP server can do: axum alone, with an answer that is always the same. What it is sent it
//! reads as JSON with `serde_json`; a POST is answered with what was read.
//!
//! It prints its address as a line of JSON, and takes every path.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::ListenerExt as _;
use scim_benches::population::Population;
use serde_json::Value;
use tokio::net::TcpListener;

/// The allocator that scimd has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let user = Bytes::from(Population::default().shown(1));
    let app = Router::new().route("/{*path}", get(fixed).post(parsed).patch(changed)).with_state(user);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", serde_json::json!({"address": listener.local_addr()?}));
    // A lost option only costs latency.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    Ok(axum::serve(listener, app).await?)
}

async fn fixed(State(user): State<Bytes>) -> Response {
    answer(StatusCode::OK, user)
}

async fn parsed(body: Bytes) -> Response {
    match serde_json::from_slice::<Value>(&body).and_then(|value| serde_json::to_vec(&value)) {
        Ok(text) => answer(StatusCode::CREATED, text.into()),
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}

async fn changed(State(user): State<Bytes>, body: Bytes) -> Response {
    match serde_json::from_slice::<Value>(&body) {
        Ok(_) => answer(StatusCode::OK, user),
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}

fn answer(status: StatusCode, body: Bytes) -> Response {
    (status, [(CONTENT_TYPE, "application/scim+json")], body).into_response()
}
