//! HTTPS receivers: the certificate is checked, and old protocol versions are not offered.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use scim_webhook::{Acknowledge, Delivery, Failure, Outcome, Secret, Sender, SenderConfig};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

async fn send(url: &str) -> Outcome {
    let config = SenderConfig { deadline: Duration::from_secs(5), ..SenderConfig::default() };
    let secret = Secret::from_bytes(&[7; 32]).unwrap();
    let delivery = Delivery {
        url,
        id: "evt_1",
        timestamp: 1_767_225_600,
        body: "{}".into(),
        secrets: &[&secret],
        signing_keys: &[],
        headers: &[],
        acknowledge: Acknowledge::default(),
    };
    Sender::new(config).unwrap().send(&delivery).await.outcome
}

// ledger: 7644-7.2-002
#[tokio::test]
async fn a_receiver_that_nobody_vouches_for_gets_nothing() {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![cert.der().clone()], key.into()).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    let served = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(stream).await?;
        let mut byte = [0; 1];
        stream.read_exact(&mut byte).await.map(|_| ())
    });
    assert_eq!(send(&url).await, Outcome::unanswered(Failure::Connect));
    assert!(served.await.unwrap().is_err(), "not a byte of the request arrives");
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
    assert_eq!(send(&url).await, Outcome::unanswered(Failure::Connect));
    let offered = supported_versions(&hello.await.unwrap());
    assert!(offered.contains(&0x0303), "TLS 1.2 is offered: {offered:x?}");
    assert!(offered.iter().all(|version| *version >= 0x0303), "{offered:x?}");
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
