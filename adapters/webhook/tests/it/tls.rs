//! HTTPS receivers: the certificate is checked, and old protocol versions are not offered.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use scim_webhook::{Failure, Outcome, Sender, SenderConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use crate::support::send;

/// A server name and a request.
type Heard = (Option<String>, String);

/// An HTTPS receiver that answers each request with 200 and closes.
#[derive(Debug)]
pub(crate) struct HttpsReceiver {
    pub(crate) address: SocketAddr,
    /// Who trusts this certificate trusts the receiver.
    pub(crate) root: Vec<u8>,
    connections: Arc<AtomicUsize>,
    /// The server name and the request of each connection that came as far.
    heard: Arc<Mutex<Vec<Heard>>>,
    task: JoinHandle<()>,
}

impl HttpsReceiver {
    pub(crate) async fn start(address: &str, name: &str) -> Self {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed([name.to_owned()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
        let config = ServerConfig::builder().with_no_client_auth();
        let config = config.with_single_cert(vec![cert.der().clone()], key.into()).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, heard) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let (count, hear) = (Arc::clone(&connections), Arc::clone(&heard));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let (acceptor, hear) = (acceptor.clone(), Arc::clone(&hear));
                tokio::spawn(async move {
                    let mut stream = acceptor.accept(stream).await?;
                    let name = stream.get_ref().1.server_name().map(str::to_owned);
                    let mut buffer = [0; 4096];
                    let n = stream.read(&mut buffer).await?;
                    let request = String::from_utf8_lossy(&buffer[..n]).into_owned();
                    hear.lock().unwrap().push((name, request));
                    let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
                    stream.write_all(answer).await?;
                    stream.shutdown().await
                });
            }
        });
        Self { address, root: cert.der().to_vec(), connections, heard, task }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }
}

impl Drop for HttpsReceiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn sender(root_certificates: Vec<Vec<u8>>) -> Sender {
    let config = SenderConfig {
        allow_loopback_http: true,
        root_certificates,
        deadline: Duration::from_secs(5),
        ..SenderConfig::default()
    };
    Sender::new(config).unwrap()
}

// ledger: 7644-7.2-002
#[tokio::test]
async fn a_receiver_that_nobody_vouches_for_gets_nothing() {
    let receiver = HttpsReceiver::start("127.0.0.1:0", "localhost").await;
    let port = receiver.address.port();
    let url = format!("https://localhost:{port}/hooks?a=b");
    let unreached = Outcome::unanswered(Failure::Connect);
    assert_eq!(send(&sender(Vec::new()), &url).await, unreached);
    // The certificate is another name's.
    let trusting = sender(vec![receiver.root.clone()]);
    assert_eq!(send(&trusting, &format!("https://app.localhost:{port}/")).await, unreached);
    assert_eq!(send(&trusting, &format!("https://127.0.0.1:{port}/")).await, unreached);
    assert_eq!(receiver.heard(), [], "not a byte of a request arrives");

    assert_eq!(send(&trusting, &url).await, Outcome::Delivered { status: 200 });
    let heard = receiver.heard();
    let [(name, request)] = heard.as_slice() else { panic!("{heard:?}") };
    assert_eq!(name.as_deref(), Some("localhost"));
    assert!(request.starts_with("POST /hooks?a=b HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("\r\nhost: localhost:{port}\r\n")), "{request}");
}

// ledger: 7644-7.2-002
#[tokio::test]
async fn versions_before_1_2_are_not_offered() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    let hello = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 5];
        stream.read_exact(&mut head).await.unwrap();
        let mut hello = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
        stream.read_exact(&mut hello).await.unwrap();
        hello
    });
    assert_eq!(send(&sender(Vec::new()), &url).await, Outcome::unanswered(Failure::Connect));
    let offered = supported_versions(&hello.await.unwrap());
    assert!(offered.contains(&0x0303), "TLS 1.2 is offered: {offered:x?}");
    assert!(offered.iter().all(|version| *version >= 0x0303), "{offered:x?}");
}

// mission: M-84
#[tokio::test]
async fn the_deadline_covers_a_handshake_that_stalls() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    let config = SenderConfig {
        allow_loopback_http: true,
        deadline: Duration::from_millis(200),
        ..SenderConfig::default()
    };
    let sender = Sender::new(config).unwrap();
    assert_eq!(send(&sender, &url).await, Outcome::unanswered(Failure::Timeout));
    // The connection ends with the attempt.
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut received = Vec::new();
    let read = stream.read_to_end(&mut received);
    tokio::time::timeout(Duration::from_secs(5), read).await.expect("it was closed").unwrap();
}

/// The versions in the extension `supported_versions` (43) of a ClientHello (RFC 8446 §4.2.1).
fn supported_versions(hello: &[u8]) -> Vec<u16> {
    let short = |at: usize| usize::from(u16::from_be_bytes([hello[at], hello[at + 1]]));
    // Handshake header, legacy version and random; then the session id, suites and compressions.
    let mut at = 4 + 2 + 32;
    at += 1 + usize::from(hello[at]);
    at += 2 + short(at);
    at += 1 + usize::from(hello[at]);
    at += 2;
    while at < hello.len() {
        let (kind, length) = (short(at), short(at + 2));
        if kind == 43 {
            let list = &hello[at + 5..at + 4 + length];
            return list.chunks(2).map(|v| u16::from_be_bytes([v[0], v[1]])).collect();
        }
        at += 4 + length;
    }
    Vec::new()
}
