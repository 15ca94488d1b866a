//! The application: takes webhooks, and notes when each came.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// An event that came.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) time: Instant,
    pub(crate) body: Bytes,
}

#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    arrived: Mutex<Arrived>,
}

#[derive(Debug, Default)]
struct Arrived {
    ids: HashSet<String>,
    /// Each event once, when it came first.
    events: Vec<Arrival>,
    /// When something came last, also again.
    last: Option<Instant>,
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Arrived> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn take(&self, request: Request<Incoming>) -> Result<()> {
        let id = request.headers().get("webhook-id").and_then(|id| id.to_str().ok());
        let id = id.unwrap_or_default().to_owned();
        let body = request.into_body().collect().await?.to_bytes();
        let time = Instant::now();
        let mut arrived = self.lock();
        arrived.last = Some(time);
        if arrived.ids.insert(id) {
            arrived.events.push(Arrival { time, body });
        }
        Ok(())
    }
}

impl Receiver {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State::default());
        tokio::spawn(listen(listener, Arc::clone(&state)));
        Ok(Self { address, state })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// How many events came.
    pub(crate) fn count(&self) -> usize {
        self.state.lock().events.len()
    }

    /// What came, in order; it is forgotten.
    pub(crate) fn drain(&self) -> Vec<Arrival> {
        let mut arrived = self.state.lock();
        arrived.ids.clear();
        std::mem::take(&mut arrived.events)
    }

    /// Waits until so many events have come.
    pub(crate) async fn wait_for(&self, count: usize, patience: Duration) -> Result<()> {
        let begun = Instant::now();
        while self.count() < count {
            if begun.elapsed() > patience {
                bail!("{} of {count} events were delivered in {} s", self.count(), patience.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Waits until nothing has come for so long.
    pub(crate) async fn wait_until_quiet(&self, time: Duration) {
        let begun = Instant::now();
        while self.state.lock().last.map_or(begun, |last| last.max(begun)).elapsed() < time {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn listen(listener: TcpListener, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream, Arc::clone(&state)));
    }
}

async fn answer(stream: TcpStream, state: Arc<State>) {
    // A lost option only costs latency.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let state = Arc::clone(&state);
        async move {
            state.take(request).await?;
            Ok::<_, anyhow::Error>(Response::new(Full::new(Bytes::new())))
        }
    });
    // A client that goes away is the client's affair.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}
