//! A receiver of webhooks that answers as it is told and remembers what it got.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use hyper_util::rt::TokioIo;
use scim_webhook::{Secret, VerifyingKey, verify, verify_asymmetric};
use serde_json::Value;

#[derive(Clone)]
pub(crate) struct Hook {
    pub(crate) url: String,
    state: Arc<Mutex<Got>>,
}

struct Got {
    status: u16,
    answer: &'static str,
    deliveries: Vec<Delivered>,
}

/// What came in one request.
#[derive(Clone, Debug)]
pub(crate) struct Delivered {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Delivered {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(crate) fn is_signed_by(&self, secret: &str) -> bool {
        let secret = Secret::parse(secret).unwrap();
        let header = |name: &str| self.headers.get(name).and_then(|value| value.to_str().ok());
        verify(&secret, header, &self.body, seconds()).is_ok()
    }

    /// By an Ed25519 signature.
    pub(crate) fn is_signed_for(&self, verifying_key: &str) -> bool {
        let key = VerifyingKey::parse(verifying_key).unwrap();
        let header = |name: &str| self.headers.get(name).and_then(|value| value.to_str().ok());
        verify_asymmetric(&key, header, &self.body, seconds()).is_ok()
    }

    /// The versions of its signatures.
    pub(crate) fn versions(&self) -> Vec<&str> {
        let signatures = self.header("webhook-signature").split(' ');
        signatures.map(|signature| signature.split_once(',').unwrap().0).collect()
    }

    pub(crate) fn event(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

fn seconds() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    i64::try_from(now).unwrap()
}

impl Hook {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let got = Got { status: 200, answer: "taken", deliveries: Vec::new() };
        let hook = Self { url, state: Arc::new(Mutex::new(got)) };
        let router = Router::new().route("/hook", post(take)).with_state(hook.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = hyper_util::service::TowerToHyperService::new(router.clone());
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        hook
    }

    /// From now on it answers so.
    pub(crate) fn answer(&self, status: u16, answer: &'static str) {
        let mut state = self.state.lock().unwrap();
        (state.status, state.answer) = (status, answer);
    }

    pub(crate) fn deliveries(&self) -> Vec<Delivered> {
        self.state.lock().unwrap().deliveries.clone()
    }

    pub(crate) fn forget(&self) {
        self.state.lock().unwrap().deliveries.clear();
    }

    /// Waits for so many.
    pub(crate) async fn up_to(&self, count: usize) -> Vec<Delivered> {
        let begun = Instant::now();
        loop {
            let deliveries = self.deliveries();
            if deliveries.len() >= count {
                return deliveries;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{} of {count}", deliveries.len());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn take(State(hook): State<Hook>, headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    let mut state = hook.state.lock().unwrap();
    state.deliveries.push(Delivered { headers, body });
    (StatusCode::from_u16(state.status).unwrap(), state.answer)
}
