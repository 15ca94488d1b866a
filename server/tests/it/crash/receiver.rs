//! A receiver that outlives the server, and counts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};

/// Deliveries by `webhook-id`.
#[derive(Clone, Debug)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    deliveries: Arc<Mutex<BTreeMap<String, Delivered>>>,
    first: Arc<Mutex<Vec<Bytes>>>,
}

/// How often an event came, and what it was.
#[derive(Clone, Debug)]
pub(crate) struct Delivered {
    pub(crate) count: usize,
    pub(crate) body: Bytes,
    /// Whether each repetition had the same body.
    pub(crate) constant: bool,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let receiver = Self { url, deliveries: Arc::default(), first: Arc::default() };
        let router = Router::new().route("/", post(take)).with_state(receiver.clone());
        tokio::spawn(async move {
            use hyper_util::rt::TokioIo;
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = hyper_util::service::TowerToHyperService::new(router.clone());
                let connection = hyper::server::conn::http1::Builder::new();
                // The server is killed now and then; a connection that ends is no problem.
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        receiver
    }

    pub(crate) fn deliveries(&self) -> BTreeMap<String, Delivered> {
        self.deliveries.lock().unwrap().clone()
    }

    /// How many events came.
    pub(crate) fn count(&self) -> usize {
        self.deliveries.lock().unwrap().len()
    }

    pub(crate) fn has(&self, id: &str) -> bool {
        self.deliveries.lock().unwrap().contains_key(id)
    }

    /// The bodies in the order in which each came for the first time.
    pub(crate) fn first(&self) -> Vec<Bytes> {
        self.first.lock().unwrap().clone()
    }
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let id = headers["webhook-id"].to_str().unwrap().to_owned();
    let mut deliveries = receiver.deliveries.lock().unwrap();
    let delivered =
        deliveries.entry(id).or_insert_with(|| Delivered { count: 0, body: body.clone(), constant: true });
    delivered.count += 1;
    if delivered.count == 1 {
        receiver.first.lock().unwrap().push(body.clone());
    }
    delivered.constant &= delivered.body == body;
    StatusCode::OK
}
