//! Connections to receivers: only to addresses that were checked a moment before.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use http::Uri;
use hyper_rustls::MaybeHttpsStream;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tower_service::Service;

use crate::guard::{Policy, UrlError};

/// How long one address is tried alone before the next is tried beside it (RFC 8305 §8).
const HEAD_START: Duration = Duration::from_millis(250);
/// How many addresses of a name are tried. All of them are checked.
const TRIED: usize = 8;

/// Finds the addresses of names.
#[async_trait]
pub trait Resolver: fmt::Debug + Send + Sync + 'static {
    /// The addresses of a host name, those to try first at the front.
    ///
    /// # Errors
    /// When the name has none, or it can't be told.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The resolver of the operating system.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// Opens connections for the HTTP client.
///
/// It resolves a name once, checks every address, and connects to one of those very addresses. It does so for
/// each new connection, so nothing is taken from an earlier check.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    pub(crate) policy: Arc<Policy>,
    pub(crate) resolver: Arc<dyn Resolver>,
    pub(crate) tls: Arc<ClientConfig>,
    /// For all of it. An attempt has its own deadline, but a connection may outlive the attempt that it was
    /// opened for.
    pub(crate) deadline: Duration,
}

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let connected = tokio::time::timeout(this.deadline, this.connect(&uri)).await;
            connected.unwrap_or(Err(ConnectError::TimedOut))
        })
    }
}

impl Connector {
    async fn connect(&self, uri: &Uri) -> Result<Stream, ConnectError> {
        let is_plain = uri.scheme_str() == Some("http");
        let host = uri.host().unwrap_or_default();
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        let port = uri.port_u16().unwrap_or(if is_plain { 80 } else { 443 });
        let addresses = self.addresses(host, port, is_plain).await?;
        let stream = connect_to_one(&addresses).await?;
        stream.set_nodelay(true)?;
        let stream = TokioIo::new(stream);
        if is_plain {
            return Ok(stream.into());
        }
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        Ok(connector.connect(name, TokioIo::new(stream)).await?.into())
    }

    /// The addresses of a host, if every one is allowed.
    async fn addresses(
        &self,
        host: &str,
        port: u16,
        is_plain: bool,
    ) -> Result<Vec<SocketAddr>, ConnectError> {
        let resolved = match host.parse() {
            Ok(address) => vec![address],
            Err(_) => self.resolver.resolve(host).await?,
        };
        let addresses: Vec<SocketAddr> = resolved.into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
        for address in &addresses {
            self.policy.check_address(*address, is_local)?;
            if is_plain && !(self.policy.allow_loopback_http && address.ip().is_loopback()) {
                return Err(UrlError::Scheme.into());
            }
        }
        Ok(addresses)
    }
}

/// Whether this machine has an address: nothing can be bound to one that it has not.
fn is_local(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}

/// The first connection that comes about.
async fn connect_to_one(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut waiting = addresses.iter().take(TRIED);
    let mut attempts = FuturesUnordered::new();
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        if let Some(address) = waiting.next() {
            attempts.push(TcpStream::connect(*address));
        } else if attempts.is_empty() {
            return Err(failure);
        }
        let more = waiting.len() > 0;
        tokio::select! {
            Some(attempt) = attempts.next() => match attempt {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = error,
            },
            () = tokio::time::sleep(HEAD_START), if more => {}
        }
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error(transparent)]
    Refused(#[from] UrlError),
    #[error("there was no connection within the deadline")]
    TimedOut,
    #[error(transparent)]
    Network(#[from] io::Error),
}
