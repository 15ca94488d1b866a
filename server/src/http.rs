//! The HTTP server: connections, their limits, and how they end.

mod head;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::header::CONNECTION;
use http::{HeaderValue, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tower_service::Service as _;

use self::head::{HeadDeadline, Reading};
use crate::shutdown::Phases;

/// The limits of connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HttpLimits {
    /// How many connections are open at once; more wait until one closes.
    pub(crate) connections: usize,
    /// From the first byte of a request's head to its last.
    pub(crate) head_time: Duration,
    /// How long a connection may be idle between requests.
    pub(crate) idle_time: Duration,
    /// How long requests may go on after the server was told to stop.
    pub(crate) drain_time: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            head_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(75),
            drain_time: Duration::from_secs(10),
        }
    }
}

/// What the HTTP parser takes at most, so that the limits of the application (64 KiB, 100 fields) can be
/// answered with a body that says so. Beyond this the parser answers 431 by itself.
const PARSER_FIELDS: usize = 400;
const PARSER_BUFFER: usize = 256 * 1024;

/// How long a connection that has had no request yet is kept when the server closes: the request may be on
/// its way.
const FIRST_REQUEST: Duration = Duration::from_secs(1);

/// How many connections the system may hold that were not accepted yet.
const BACKLOG: usize = 1024;

/// The address of the peer, in a request's extensions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Answers connections until the phases say stop, then lets the requests that run come to their end.
pub(crate) async fn serve(listener: TcpListener, router: Router, limits: HttpLimits, phases: Phases) {
    let slots = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = phases.closing() => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        while connections.try_join_next().is_some() {}
        let Some((stream, peer, slot)) = accepted else { continue };
        let (router, phases) = (router.clone(), phases.clone());
        connections.spawn(async move {
            connection(stream, peer, router, limits, phases).await;
            drop(slot);
        });
    }
    // Who is connected already may have sent a request.
    if let Ok(listener) = listener.into_std() {
        for _ in 0..BACKLOG {
            let Ok((stream, peer)) = listener.accept() else { break };
            let _ = stream.set_nonblocking(true);
            if let Ok(stream) = TcpStream::from_std(stream) {
                connections.spawn(connection(stream, peer, router.clone(), limits, phases.clone()));
            }
        }
    }
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.drain_time, drained).await.is_err() {
        tracing::warn!(open = connections.len(), "connections were still open after the drain time");
        connections.abort_all();
    }
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, slot)),
        Err(error) => {
            // Out of file descriptors, mostly: wait until some are given back.
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, router: Router, limits: HttpLimits, phases: Phases) {
    // A lost option only costs latency.
    let _ = stream.set_nodelay(true);
    let reading = Reading::default();
    let io = TokioIo::new(HeadDeadline::new(stream, limits.head_time, reading.clone()));
    let peer = Peer(peer.ip().to_canonical());
    let (answering, begun) = (phases.clone(), reading.clone());
    let service = service_fn(move |request: Request<Incoming>| {
        reading.head_is_read();
        let (mut router, phases, reading) = (router.clone(), answering.clone(), reading.clone());
        async move {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer);
            let mut response = router.call(request).await?;
            if phases.is_draining() {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            reading.next_head();
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle_time)
        .half_close(true)
        .max_headers(PARSER_FIELDS)
        .max_buf_size(PARSER_BUFFER);
    let mut connection = std::pin::pin!(builder.serve_connection(io, service));
    let last_call = async {
        phases.closing().await;
        if !begun.has_begun() {
            tokio::time::sleep(FIRST_REQUEST).await;
        }
    };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = last_call => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
